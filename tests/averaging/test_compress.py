"""``compress``: means of many files' matrices in factors, against dense SVDs of the means; what is
made of the factors; and what goes wrong.
"""

import re

import h5py
import numpy as np
import pytest
from launch import batch, run

pytestmark = pytest.mark.once

FILES, R = 5, 4


def falling(n, m, ratio, seed):
    """A matrix (n, m) whose singular values fall by a ratio, all of them there."""
    rng, k = np.random.default_rng([seed, n, m]), min(n, m)
    u = np.linalg.qr(rng.standard_normal((n, k)))[0]
    v = np.linalg.qr(rng.standard_normal((m, k)))[0]
    return (u * ratio ** np.arange(k)) @ v.T


CLUSTER = np.array([1, 0.8, 0.7999, 0.7998, 0.3])
MATRICES = {  # the means, and the type they are written in
    "layer/tall": (falling(90, 14, 0.7, 1), "f8"),
    "layer/wide": (falling(12, 70, 0.8, 2), "f4"),
    "square": (falling(40, 40, 0.95, 3), "f4"),
    "cluster": ((np.eye(30, 5) * CLUSTER) @ falling(5, 25, 1.0, 4), "f8"),
    "rank two": (falling(20, 30, 0.5, 5) @ np.diag(np.arange(30) < 2) * 1e-20, "f8"),
    "zeros": (np.zeros((16, 20)), "f8"),
    "single": (falling(60, 50, 0.2, 8), "f4"),
    "huge": (falling(20, 12, 0.6, 9) * 1e300, "f8"),
    "tiny": (falling(20, 12, 0.6, 10) * 1e-300, "f8"),
    "huge single": (falling(12, 20, 0.6, 11) * 1e35, "f4"),
    "tiny single": (falling(12, 20, 0.6, 12) * 1e-33, "f4"),
    "steep": (falling(30, 30, 0.05, 6), "f8"),
}
OTHERS = {
    "layer/bias": (np.arange(14.0), "f4"),
    "kernel": (np.ones((2, 3, 4)), "f8"),
    "scale": (np.array(2.5), "f8"),
    "small": (falling(3, 3, 0.5, 7), "i4"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """FILES files whose means are those above, with noise that cancels where types allow it."""
    here, rng = tmp_path_factory.mktemp("gradients"), np.random.default_rng(0)
    for name, (mean, kind) in (MATRICES | OTHERS).items():
        noise = rng.standard_normal((FILES, *mean.shape)) * np.abs(mean).mean()
        noise -= noise.mean(axis=0)
        for i in range(FILES):
            with h5py.File(here / f"g{i}.h5", "a") as file:
                file.create_dataset(name, data=(mean + noise[i]).astype(kind))
    with h5py.File(here / "g0.h5", "a") as file:
        file["note"] = "of the first step"
    for i in range(1, FILES):
        with h5py.File(here / f"g{i}.h5", "a") as file:
            file["note"] = "of another"
    return here


def means(folder):
    """The means that the files have, in float64."""
    found = {}
    for name in MATRICES | OTHERS:
        held = []
        for path in sorted(folder.glob("g*.h5")):
            with h5py.File(path) as file:
                held.append(file[name][()].astype(float))
        found[name] = np.mean(held, axis=0)
    return found


def least_error(mean, r):
    """The error of the best of a rank, over the norm."""
    sizes = np.linalg.svd(mean, compute_uv=False)
    return np.sqrt(np.sum(sizes[r:] ** 2) / np.sum(sizes**2)) if sizes.any() else 0.0


WAYS = {
    "double": ("--tol", 1e-10),
    "held": (),
    "streamed": ("--memory", "490K"),
    "few": ("--guards", 0, "--seed", 3),
}


@pytest.mark.parametrize("n, way", [(1, "double"), (2, "few"), (3, "streamed"), (4, "held")])
def test_factors(folder, tmp_path, n, way):
    """Errors are what is measured, and the least that the rank allows; P is orthonormal; what has
    a lower rank is exact; all else is averaged as it is.
    """
    out, options = tmp_path / "low.h5", ["--tol", 1e-5, "--overwrite", "-q", *WAYS[way]]
    run(n, "compress", folder / "g*.h5", "-r", R, "-o", out, *options).ok()
    with h5py.File(out) as file:
        names = [name.decode() for name in file["compression/names"]]
        assert set(names) == set(MATRICES)
        errors = dict(zip(names, file["compression/errors"]))
        assert (file.attrs["operator"] == "streaming") == (way == "streamed")
        found = means(folder)
        for name, (_, kind) in MATRICES.items():
            p, q = file[f"{name}/P"][:].astype(float), file[f"{name}/Q"][:].astype(float)
            assert file[f"{name}/P"].dtype == np.dtype(kind)
            assert way != "double" or file["compression/residuals"][:].max() < 1e-10
            scale = np.abs(found[name]).max() or 1.0
            mean, unit = found[name] / scale, 1e-6 if kind == "f4" else 1e-12
            q, norm = q / scale, max(np.linalg.norm(mean), 1e-300)
            error = np.linalg.norm(mean - p @ q.T) / norm
            assert abs(error - errors[name]) < 2e-7, name
            assert error <= least_error(mean, R) * (1 + 1e-4) + 10 * unit, name
            own = np.abs(p).max(axis=0) > 0
            # σ_k² come out of a Gram matrix, to rounding of the largest
            sizes = np.linalg.svd(mean, compute_uv=False)[: own.sum()]
            steepness = (sizes[0] / sizes[-1]) ** 2 if sizes.any() else 1.0
            away = np.abs(p.T @ p - np.diag(own)).max()
            assert away < 50 * (unit + 2.2e-16 * steepness), (name, away)
            assert own.sum() == {"rank two": 2, "zeros": 0}.get(name, R), name
        for name in OTHERS:
            assert np.allclose(file[f"{name}/mean"], found[name], rtol=1e-6), name


@pytest.fixture(scope="module")
def result(folder):
    """A result of three ranks, and what was said of it."""
    out = folder / "low.h5"
    told = run(3, "compress", folder / "g*.h5", "-r", R, "-o", out, "--tol", 1e-5).ok()
    return out, told


def test_what_it_says(folder, result):
    """Of the run, and of the result: sizes, errors, what was left out."""
    out, told = result
    entries = sum(mean.size for mean, _ in MATRICES.values())
    assert f"5 file(s) with 12 matrices, {entries} entries in all, and 4 other" in told.stderr
    assert "error ‖M − PQᵀ‖/‖M‖ over 12 matrices: " in told.stderr
    assert "left out, since they are no real numbers: note" in told.stderr
    assert "48 of 48 components" in run(0, "status", out).ok().stdout
    about = run(0, "info", out).ok().stdout
    assert "means of 12 matrices in 5 file(s)" in about and "4 datasets averaged" in about
    assert re.search(r"layer/tall +90 +14 +4 ", about)


def test_drawn(result, tmp_path, monkeypatch):
    """Every matrix's singular values, and what is kept and left; no pictures."""
    from contextlib import contextmanager
    from types import SimpleNamespace

    from hpcpca.averaging.result import ABOUT
    from hpcpca.files.result import Stored
    from hpcpca.report import spectra

    out, _ = result
    assert (run(0, "plot", out, "-o", tmp_path / "a.png").ok()) and (tmp_path / "a.png").exists()
    said = run(0, "plot", out, "--lines", "-o", tmp_path / "b.png").ended(2).messages[0]
    assert "has many matrices" in said
    lines, bars, nothing = {}, [], lambda *args, **words: None
    left = SimpleNamespace(
        semilogy=lambda x, y, *m, label, **w: lines.update({label: y}), set=nothing
    )
    right = SimpleNamespace(
        barh=lambda rows, width, **words: bars.append(width),
        **dict.fromkeys(("set", "set_yticks", "invert_yaxis"), nothing),
    )

    @contextmanager
    def canvas(*_):
        yield [[left, right]]

    for name in ("canvas", "legend_below", "whole_ticks"):
        monkeypatch.setattr(spectra, name, canvas if name == "canvas" else nothing)
    drawn = ABOUT.spectra(Stored(str(out)))
    spectra.draw("a.png", drawn)
    mean = MATRICES["layer/tall"][0]
    sizes = np.linalg.svd(mean, compute_uv=False)
    assert np.allclose(lines["layer/tall"], sizes[:R] / np.linalg.norm(sizes), rtol=1e-4)
    assert np.allclose(bars[0] + bars[1], 1) and len(bars[0]) == len(MATRICES)
    worst = np.sqrt(max(bars[1]))
    assert abs(worst - max(error for _, error in drawn.values())) < 1e-12


def test_verified(folder, result, tmp_path):
    """On two ranks: every error is what is stored, and the least; on other files it is not."""
    out, _ = result
    (folder / "other").mkdir(exist_ok=True)
    with h5py.File(folder / "g0.h5") as source, h5py.File(folder / "other" / "g.h5", "w") as file:
        for name in source:
            source.copy(name, file)
    told = batch(
        2,
        {
            "same": ["verify", out, folder / "g*.h5"],
            "other": ["verify", out, folder / "other" / "g.h5"],
        },
    )
    rows = [line.split() for line in told["same"].ok().stdout.splitlines()[1:]]
    assert len(rows) == 12
    for row in rows:
        assert row[-1] == "exact" or abs(float(row[-1]) - 1) < 1e-3, row
    quick = run(1, "verify", out, folder / "g*.h5", "--no-search").ok().stdout
    assert quick.count("not known") == 11  # zeros are exact
    wrong = run(1, "verify", out, folder / "g*.h5", "--tol", 1).ended(2).messages[0]
    assert "of options only --no-search" in wrong
    told["other"].ended(4)
    assert "the factors are of other data" in told["other"].stderr


def test_expanded(folder, result, tmp_path):
    """The whole datasets again, under their names; never over a file of others."""
    out, _ = result
    full = tmp_path / "full.h5"
    assert "16 dataset(s)" in run(0, "expand", out, "-o", full).ok().stdout
    with h5py.File(full) as made, h5py.File(out) as file:
        for name in MATRICES:
            expected = file[f"{name}/P"][:] @ file[f"{name}/Q"][:].T
            assert np.allclose(made[name][:], expected, atol=1e-7 * np.abs(expected).max())
        for name in OTHERS:
            assert np.array_equal(made[name][()], file[f"{name}/mean"][()])
    assert "exists" in run(0, "expand", out, "-o", full).ended(3).messages[0]
    run(0, "expand", out, "-o", full, "--overwrite").ok()
    other = run(0, "expand", folder / "g0.h5", "-o", tmp_path / "a.h5").ended(3).messages[0]
    assert "is not a result" in other


def test_steps_and_going_on(folder, tmp_path):
    """So many steps and no more; a run that was ended goes on, on other ranks, to the same end as
    one that was not.
    """
    data, out = folder / "g*.h5", [tmp_path / f"{name}.h5" for name in ("three", "cut", "whole")]
    first = {
        "three": ["compress", data, "-r", R, "-o", out[0], "--steps", 3],
        "cut": ["compress", data, "-r", R, "-o", out[1], "--tol", 1e-5, "--max-rounds", 4],
        "whole": ["compress", data, "-r", R, "-o", out[2], "--tol", 1e-5],
    }
    told = batch(2, first)
    told["three"].ok(), told["whole"].ok()
    assert "steps taken: largest residual" in told["three"].stderr
    assert "converged" not in told["three"].stderr.splitlines()[-4:]
    with h5py.File(out[0]) as three:
        assert (three.attrs["rounds"], three.attrs["outcome"]) == (3, "steps taken")
    assert "--max-rounds 4 reached" in told["cut"].ended(4).stderr
    again = run(1, "resume", out[0], "--tol", 1e-5).ok().stderr
    assert "converged" in again and "of this run: 1 passes" not in again
    resumed = run(3, "resume", f"{out[1]}.ckpt", "--max-rounds", 1000).ok()
    assert "converged" in resumed.stderr
    with h5py.File(out[0]) as three, h5py.File(out[1]) as cut, h5py.File(out[2]) as whole:
        assert three.attrs["outcome"] == "converged"
        assert cut.attrs["rounds"] == whole.attrs["rounds"]
        errors = (file["compression/errors"][:] for file in (cut, whole))
        assert np.allclose(*errors, atol=1e-9)
        assert len(cut["history/round"]) == len(whole["history/round"])


def wrong(here, name, **datasets):
    """A file with these datasets."""
    with h5py.File(here / name, "w") as file:
        for dataset, values in datasets.items():
            file[dataset] = values
    return here / name


def test_mistakes(tmp_path):
    """One line, the exit code, and nothing written."""
    a = np.ones((8, 9))
    good = wrong(tmp_path, "good.h5", w=a, b=np.ones(3))
    files = {
        "shape": (
            3,
            "is 8 × 8, and 8 × 9",
            wrong(tmp_path, "s.h5", w=np.ones((8, 8)), b=np.ones(3)),
        ),
        "name": (3, "has no dataset b", wrong(tmp_path, "n.h5", w=a)),
        "more": (3, "good.h5 has no dataset c", wrong(tmp_path, "m.h5", w=a, b=np.ones(3), c=a)),
        "nan": (3, "n2.h5", wrong(tmp_path, "n2.h5", w=a * np.nan, b=np.ones(3))),
        "bias": (3, "NaN or infinite", wrong(tmp_path, "n3.h5", w=a, b=np.full(3, np.inf))),
        "none": (3, "no such file", tmp_path / "none.h5"),
        "named": (3, "leave :w out", f"{good}:w"),
    }
    out = tmp_path / "out.h5"
    commands = {
        name: ["compress", good, path, "-r", 1, "-o", out] for name, (_, _, path) in files.items()
    }
    taken = wrong(tmp_path, "taken.h5", history=a)
    text = wrong(tmp_path, "text.h5", w="text")
    others = {
        "taken": (3, "rename this one", [taken]),
        "text": (3, "no dataset of real numbers", [text]),
        "rank": (2, "-r 0", [good, "-r", 0]),
        "whole": (2, "ask for a lower rank", [good, "-r", 9]),
        "tol": (2, "--tol 2", [good, "--tol", 2]),
        "ends": (2, "both say when to end", [good, "--tol", 0.1, "--steps", 3]),
        "memory": (2, "are needed per node", [good, "--memory", "1K"]),
        "over": (2, "would overwrite", [good, "-o", good]),
    }
    for name, (_, _, words) in others.items():
        given = ["compress", *words]
        commands[name] = (
            given + ([] if "-r" in words else ["-r", 1]) + ([] if "-o" in words else ["-o", out])
        )
    done = batch(1, commands)
    for name, (code, said, _) in (files | others).items():
        done[name].ended(code)
        assert said in done[name].stderr and len(done[name].messages) == 1, done[name].stderr
    assert not out.exists()
