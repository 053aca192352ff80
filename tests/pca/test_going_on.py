"""Runs that go on from a result: components that stay to the bit and others beside them, start
vectors, rows folded into a result without the old ones. All against dense eigenvectors.
"""

import re

import h5py
import numpy as np
import pytest
from launch import run
from spectra import data_rows, power_law

import hpcpca

pytestmark = pytest.mark.once

N, D, K = 500, 40, 5
SPLIT = 350  # rows of the first file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows in two files, in two types and of two kinds, and results of them."""
    here = tmp_path_factory.mktemp("going-on")
    for kind, seed in (("f8", 1), ("f4", 2)):
        rows = rows_of(kind, seed)
        for name, some in (("all", rows), ("old", rows[:SPLIT]), ("new", rows[SPLIT:])):
            with h5py.File(here / f"{name}-{kind}.h5", "w") as file:
                file["X"] = some
        for name in ("all", "old"):
            fit(here, f"{name}-{kind}.h5", "-k", K, "-o", f"of-{name}-{kind}.h5").ok()
    loose = ("--tol", "1e-2", "--guards", 0, "--operator", "in-memory")
    fit(here, "all-f8.h5", "-k", K, "-o", "loose.h5", *loose).ok()
    return here


def rows_of(kind, seed):
    """Rows with a mean that moves between the two files."""
    rows = data_rows(power_law(D), N, seed=seed) + 2
    rows[SPLIT:] += 0.3
    return rows.astype(kind)


def fit(folder, *words, n=0):
    return run(n, "fit", *words, cwd=folder)


def stored(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file if name != "history"}, dict(file.attrs)


def dense(rows, is_centred=True):
    """(Σ, eigenvalues, vectors as rows), largest first."""
    rows = rows.astype(float)
    sigma = np.cov(rows, rowvar=False) if is_centred else rows.T @ rows / len(rows)
    values, vectors = np.linalg.eigh(sigma)
    return sigma, values[::-1], vectors.T[::-1]


def residuals(sigma, found):
    """‖Σv − λv‖/λ_0 of vectors (k, d), by Σ itself."""
    values = np.einsum("kd,de,ke->k", found, sigma, found)
    return np.linalg.norm(found @ sigma - values[:, None] * found, axis=1) / values.max()


@pytest.mark.parametrize("kind", ["f8", "f4"])
@pytest.mark.parametrize(
    "n, options",
    [
        (0, ["--operator", "gram"]),
        (0, ["--operator", "streaming", "--basis", 48, "--guards", 0]),  # restarts with no room
        (2, ["--operator", "in-memory"]),
        (3, ["--guards", 0]),
    ],
)
def test_extended(folder, tmp_path, kind, n, options):
    out = tmp_path / "more.h5"
    known = f"of-all-{kind}.h5"
    done = fit(folder, "--extend", known, "-k", 16, "-o", out, *options, n=n).ok()
    assert re.search(rf"kept {K} components of {known}: 1 pass, where .*; added 11", done.stderr)
    before, found = stored(folder / known)[0], stored(out)[0]
    for name in ("components", "explained_variance"):
        assert before[name].tobytes() == found[name][:K].tobytes()
    sigma, values, vectors = dense(rows_of(kind, 1 if kind == "f8" else 2))
    assert np.abs(found["explained_variance"] / values[:16] - 1).max() < 1e-5
    assert np.abs(np.abs(np.einsum("kd,kd->k", found["components"], vectors[:16])) - 1).max() < 1e-6
    assert residuals(sigma, found["components"]).max() < 1.3e-6
    error = found["components"] @ found["components"].T - np.eye(16)
    assert np.abs(error).max() < 1e-8


def test_extended_run_is_resumed(folder, tmp_path):
    out = tmp_path / "more.h5"
    words = ("--extend", "of-all-f8.h5", "-k", 12, "-o", out, "--tol", "1e-8", "--guards", 0)
    strict = tmp_path / "strict.h5"
    fit(folder, "all-f8.h5", "-k", K, "-o", strict, "--tol", "1e-9").ok()
    words = ("--extend", strict, *words[2:])
    fit(folder, *words, "--max-rounds", 2, n=2).ended(4)
    run(3, "resume", f"{out}.ckpt", "--max-rounds", 1000, cwd=folder).ok()
    before, found = stored(strict)[0], stored(out)[0]
    assert before["components"].tobytes() == found["components"][:K].tobytes()
    assert residuals(dense(rows_of("f8", 1))[0], found["components"]).max() < 1e-8


def test_begun_from_a_result(folder, tmp_path):
    """Of nearly all rows, for all of them: fewer passes, the same components."""
    cold, warm = (tmp_path / name for name in ("cold.h5", "warm.h5"))
    with h5py.File(folder / "most-f8.h5", "w") as file:
        file["X"] = rows_of("f8", 1)[1:]
    hard = ("--operator", "in-memory", "--guards", 0, "--tol", "1e-3")
    words = ("all-f8.h5", "-k", K, *hard, "--cold")
    fit(folder, *words, "-o", cold).ok()
    known = tmp_path / "known.h5"
    fit(folder, "most-f8.h5", *words[1:], "-o", known).ok()
    done = fit(folder, *words[:-1], "-o", warm, "--init", known).ok()
    passes = [stored(path)[1]["passes"] for path in (known, warm, cold)]
    assert passes[1] < min(passes[0], passes[2])
    assert f"{passes[1]:.4g} passes; it took {passes[0]:.4g}: " in done.stderr
    vectors = dense(rows_of("f8", 1))[2][:K]
    found = stored(warm)[0]["components"]
    assert np.abs(np.abs(np.einsum("kd,kd->k", found, vectors)) - 1).max() < 1e-3


@pytest.mark.parametrize("kind", ["f8", "f4"])
@pytest.mark.parametrize(
    "n, options",
    [
        (0, ["--operator", "gram"]),
        (0, ["--operator", "streaming"]),
        (2, ["--operator", "in-memory"]),
        (3, ["--operator", "mapped", "--grid", "3x1"]),
        (2, ["--exchange", "vectors", "--tol", "1e-4", "--precision", "double"]),
    ],
)
def test_updated(folder, tmp_path, kind, n, options):
    """Numbers and means are exact, errors within what the result says, and of the model within the
    tolerance.
    """
    out = tmp_path / "updated.h5"
    known = f"of-old-{kind}.h5"
    words = ("--update", known, f"new-{kind}.h5", "-k", K, "-o", out)
    done = fit(folder, *words, *options, n=n).ok()
    assert f"its {SPLIT} rows of {N} were not read" in done.stderr
    rows = rows_of(kind, 1 if kind == "f8" else 2)
    (found, at), before = stored(out), stored(folder / known)
    exact = 1e-12 if kind == "f8" else 1e-6
    assert at["n_samples"] == N
    assert np.abs(found["mean"] - rows.mean(axis=0, dtype=float)).max() < 10 * exact
    assert abs(at["total_variance"] / np.trace(dense(rows)[0]) - 1) < 10 * exact
    measured = residuals(dense(rows)[0], found["components"])
    assert (measured <= found["residuals"]).all() and found["residuals"].max() < 0.2
    assert (found["update_errors"] <= found["residuals"]).all()
    model = dense_model(before, rows[SPLIT:], np.cov(rows[SPLIT:].astype(float), rowvar=False))
    assert residuals(model, found["components"]).max() < 1.3 * (1e-4 if "1e-4" in options else 1e-6)
    run(0, "verify", out, f"old-{kind}.h5", f"new-{kind}.h5", cwd=folder).ok()


def test_what_an_update_does_not_know_is_allowed(folder, tmp_path):
    """Stored variances may be off by it; the words say which components are undetermined."""
    words = ("--update", "of-old-f8.h5", "new-f8.h5", "-k", 3 * K, "-o", tmp_path / "updated.h5")
    fit(folder, *words).ok()
    found, at = stored(tmp_path / "updated.h5")
    true = dense(rows_of("f8", 1))[1]
    off = np.abs(found["explained_variance"] - true[: 3 * K])
    assert at["outcome"] == "converged" and off.max() > 0.1 * true[off.argmax()]
    assert (found["standing"].astype(str) == "undetermined")[off.argmax()]
    done = run(0, "verify", tmp_path / "updated.h5", "old-f8.h5", "new-f8.h5", cwd=folder)
    told = done.ended(4).stderr
    assert "not determined: " in told and "is off by" not in told and "wrong order" not in told


def dense_model(before, new, sigma):
    """Σ of what a result knows and of new rows."""
    arrays, at = before
    old, count = at["n_samples"], len(new)
    known = (arrays["components"].T * arrays["explained_variance"]) @ arrays["components"]
    step = arrays["mean"] - new.mean(axis=0, dtype=float)
    scatter = (old - 1) * known + (count - 1) * sigma
    scatter += old * count / (old + count) * np.outer(step, step)
    return scatter / (old + count - 1)


@pytest.mark.parametrize("centre", [[], ["--no-centre"]])
def test_updates_of_low_rank_lose_nothing(tmp_path, centre):
    """Of rows of rank K − 1 a result of K knows all; three updates give the fit of all rows."""
    for seed in (3, 4):
        rng = np.random.default_rng(seed)
        rows = rng.standard_normal((240, K - 1)) @ rng.standard_normal((K - 1, D))
        rows += 0 if centre else rng.standard_normal(D)
        for part in range(4):
            with h5py.File(tmp_path / f"{part}.h5", "w") as file:
                file["X"] = rows[60 * part : 60 * (part + 1)]
        words = ("-k", K - 1, "-q", "--overwrite", "--tol", "1e-9", *centre)
        fit(tmp_path, "0.h5", *words, "-o", "r0.h5").ok()
        for part in range(1, 4):
            update = ("--update", f"r{part - 1}.h5", f"{part}.h5", "-o", f"r{part}.h5")
            fit(tmp_path, *update, *words).ok()
        (found, at), values = stored(tmp_path / "r3.h5"), dense(rows, not centre)[1]
        assert np.abs(found["explained_variance"] / values[: K - 1] - 1).max() < 1e-8
        assert residuals(dense(rows, not centre)[0], found["components"]).max() < 1e-7
        assert found["residuals"].max() < 1e-7 and at["n_samples"] == 240


def test_rows_that_are_in_the_result_already(folder, tmp_path):
    """Files of the result, and those folded in before, are told of; other rows are not."""
    words = ("-k", K, "--overwrite", "--tol", "1e-2")
    out, known = (tmp_path / name for name in ("out.h5", "known.h5"))

    def told(known, *data):
        text = fit(folder, "--update", known, *data, *words, "-o", out).ok().stderr
        return re.findall(r"warning: (\S+):X is in \S+ already[^:]*: its", " ".join(text.split()))

    assert told("of-old-f8.h5", "new-f8.h5", "old-f8.h5") == ["old-f8.h5"]
    assert told("of-old-f8.h5", "old-f8.h5", "--rows", "3:90") == ["old-f8.h5"]
    assert told("of-old-f8.h5", "old-f4.h5") == told("of-old-f8.h5", "new-f8.h5") == []
    out.rename(known)
    assert told(known, "old-f8.h5", "new-f8.h5") == ["old-f8.h5", "new-f8.h5"]
    fit(folder, "old-f8.h5", "--rows", "0:90", *words, "-o", known).ok()
    assert told(known, "old-f8.h5", "--rows", "90:") == []
    assert told(known, "old-f8.h5", "--rows", "0:90") == ["old-f8.h5"]


def test_updated_run_is_resumed(folder, tmp_path):
    out = tmp_path / "updated.h5"
    known = tmp_path / "known.h5"
    fit(folder, "old-f8.h5", "-k", K, "-o", known).ok()
    words = ("--update", known, "new-f8.h5", "-k", K, "-o", out)
    whole = tmp_path / "whole.h5"
    fit(folder, *words[:-1], whole, "--operator", "streaming").ok()
    slow = ("--operator", "streaming", "--max-rounds", 1, "--guards", 0)
    fit(folder, *words, *slow, n=2).ended(4)
    run(1, "resume", f"{out}.ckpt", "--max-rounds", 1000, cwd=folder).ok()
    found = [stored(path)[0]["components"] for path in (out, whole)]
    assert np.abs(np.abs(np.einsum("kd,kd->k", *found)) - 1).max() < 1e-9
    fit(folder, *words, *slow, "--overwrite").ended(4)
    fit(folder, "new-f8.h5", "-k", K, "-o", known, "--overwrite").ok()
    told = run(1, "resume", f"{out}.ckpt", "--max-rounds", 1000, cwd=folder).ended(3)
    assert "was written anew after the run" in " ".join(told.stderr.split())


@pytest.mark.parametrize(
    "words, said",
    [
        ("--extend of-all-f8.h5 -k 9", "a sample knows nothing of the components of of-all-f8.h5"),
        ("--update of-old-f8.h5 new-f8.h5 -k 5", "no sample can be drawn of the rows of of-old"),
        ("all-f8.h5 -k 5 --operator gram", "gram needs no sample"),
    ],
)
def test_why_there_are_no_corrections(folder, tmp_path, words, said):
    options = ("--corrections", "on", "--tol", "1e-2", "-o", tmp_path / "out.h5")
    done = fit(folder, "--operator", "streaming", *words.split(), *options).ok()
    assert f"corrections: none, since {said}" in " ".join(done.stderr.split())


MISTAKES = {  # words: exit code, what is said
    "no more": ("--extend of-all-f8.h5 -k 5", 2, "of-all-f8.h5 has 5 components already"),
    "share": ("--extend of-all-f8.h5 -k 0.9", 2, "-k 0.9: of-all-f8.h5 has 5"),
    "too strict": ("--extend loose.h5 -k 9", 2, "residuals of up to"),
    "other rows": ("--extend of-all-f8.h5 old-f8.h5 -k 9", 3, "belongs to other data"),
    "other mean": ("--extend of-all-f8.h5 -k 9 --no-centre", 2, "was fitted without it"),
    "other columns": ("--extend of-all-f8.h5 -k 9 --columns 0:30", 2, "was fitted without it"),
    "other method": ("--extend of-all-f8.h5 -k 9 --exchange vectors", 2, "the usual method"),
    "both": ("--extend of-all-f8.h5 --update of-old-f8.h5 -k 9", 2, "do not go together"),
    "no result": ("--extend all-f8.h5 -k 9", 3, "is not a result"),
    "nowhere": ("--extend nowhere.h5 -k 9", 3, "no such file"),
    "no data": ("--update of-old-f8.h5 -k 5", 2, "Missing argument"),
    "narrow": ("--update of-old-f8.h5 narrow.h5 -k 5", 3, "narrow.h5:X has 7 columns"),
    "mean": ("--update of-old-f8.h5 new-f8.h5 -k 5 --no-centre", 2, "fitted without it"),
    "scaled": ("--update of-old-f8.h5 new-f8.h5 -k 5 --scale", 2, "fitted without it"),
    "weights": ("--update of-old-f8.h5 new-f8.h5 -k 5 --row-weights w.h5:w", 2, "does not go with"),
    "batches": ("--update of-old-f8.h5 new-f8.h5 -k 5 --batch-rows 9", 2, "do not go together"),
    "init narrow": ("--init of-old-f8.h5 narrow.h5 -k 5", 3, "vectors of length 40"),
    "init columns": ("--init of-some.h5 all-f8.h5 -k 5 --columns 1:31", 3, "of other columns"),
    "onto itself": ("--update of-old-f8.h5 new-f8.h5 -k 5 -o of-old-f8.h5", 2, "would overwrite"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_line(folder, name):
    with h5py.File(folder / "narrow.h5", "w") as file:
        file["X"] = np.random.default_rng(0).standard_normal((30, 7))
    words, code, said = MISTAKES[name]
    if "some" in words and not (folder / "of-some.h5").exists():
        fit(folder, "all-f8.h5", "-k", K, "--columns", "0:30", "-o", "of-some.h5").ok()
    output = [] if "-o" in words.split() else ["-o", "never.h5"]
    done = fit(folder, *words.split(), *output, "-q").ended(code)
    assert len(done.messages) == 1 and said in " ".join(done.stderr.split())
    assert not (folder / "never.h5").exists()


def test_in_python(folder):
    rows = rows_of("f8", 1)
    whole = hpcpca.PCA(K).fit(rows)
    more = hpcpca.PCA(12, extend=whole.result_).fit(rows)
    assert whole.components_.tobytes() == more.components_[:K].tobytes()
    assert np.abs(more.explained_variance_ / dense(rows)[1][:12] - 1).max() < 1e-9
    again = hpcpca.PCA(K, warm_start=True, operator="in-memory").fit(rows)
    passes = again.result_.attributes["passes"]
    assert again.fit(rows).result_.attributes["passes"] < passes
    parts = hpcpca.PCA(K)
    for part in np.array_split(rows, 4):
        parts.partial_fit(part)
    assert parts.n_samples_ == N and np.allclose(parts.mean_, rows.mean(axis=0), atol=1e-12)
    measured = residuals(dense(rows)[0], parts.components_)
    assert (measured <= parts.residuals_).all() and parts.residuals_.max() < 0.3
    once = hpcpca.PCA(K).partial_fit(rows)
    assert np.array_equal(once.components_, whole.components_)
    from_file = hpcpca.PCA(K, update=str(folder / "of-old-f8.h5")).fit(rows[SPLIT:])
    assert from_file.n_samples_ == N
    with pytest.raises(ValueError, match="X has 7 features|7 columns"):
        parts.partial_fit(np.random.default_rng(0).standard_normal((30, 7)))
    with pytest.raises(ValueError, match="has 5 components already"):
        hpcpca.PCA(K, extend=whole.result_).fit(rows)
    with pytest.raises(ValueError, match="belongs to other data"):
        hpcpca.PCA(9, extend=whole.result_).fit(rows[1:])
