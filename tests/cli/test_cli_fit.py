"""``hpcpca fit`` as a user runs it: every option on every number of ranks gives what a dense
eigensolver gives.
"""

import json
import os
import sys

import h5py
import numpy as np
import pytest
import spectra
from launch import HERE, batch, launched, run

K, N, D = 5, 203, 24
SHARDS = {"s1.h5": 40, "s2.h5": 97, "s10.h5": 3, "s11.h5": 63}  # rows of each, in natural order
OPTIONS = {  # on one rank or two, in turn
    "default": "",
    "gram": "--operator gram",
    "in-memory": "--operator in-memory",
    "no guards": "--guards 0",
    "3 guards": "--guards 3",
    "small basis": "--guards 1 --basis 18 --operator in-memory",
    "whole basis": "--basis all",
    "cold": "--cold --operator in-memory",
    "warm": "--warm-start --operator in-memory",
    "seed": "--seed 7",
    "init": "--init start.h5:v",
    "two threads": "--threads 2 --operator in-memory",
    "double": "--precision double",
    "tight": "--tol 1e-11",
    "single": "--precision single --operator in-memory",
    "memory": "--memory 1G",
    "vectors": "--exchange vectors",
    "vectors in memory": "--exchange vectors --operator in-memory",
    "3 local steps": "--exchange vectors --local-steps 3",
    "all at once": "--exchange vectors --no-stagger --local-steps 2",
    "vectors with guards": "--exchange vectors --guards 2",
    "lanczos": "--exchange vectors --top1 lanczos --local-steps 4",
    "vectors, init": "--exchange vectors --init start.h5:v --operator in-memory",
    "lanczos at once": (
        "--exchange vectors --top1 lanczos --local-steps 4 --no-stagger --operator in-memory"
    ),
    "no checkpoint": "--no-checkpoint",
}
PAIRS = (("gram", "ritz"), ("in-memory", "vectors")), (("gram", "vectors"), ("in-memory", "ritz"))
GRIDS = {2: ("2x1", "1x2"), 3: ("3x1", "1x3"), 4: ("4x1", "2x2", "1x4"), 6: ("3x2",)}
FEW_ROWS = {(3, 2, 6), (5, 1, 6), (6, 5, 4)}  # rows, K, ranks


def on_grids(n):
    """Every grid with every operator and every exchange, which take turns in pairs."""
    return {
        f"{grid} {operator} {exchange}": (
            f"--grid {grid} --operator {operator} --exchange {exchange}"
        )
        for turn, grid in enumerate(GRIDS.get(n, ()))
        for operator, exchange in PAIRS[turn % 2]
    }


def on_few_rows(n):
    """The same of few rows."""
    return {
        f"{rows} rows, {k}, {operator} {exchange}": (
            f"-k {k} --operator {operator} --exchange {exchange}"
        )
        for turn, (rows, k, ranks) in enumerate(sorted(FEW_ROWS))
        if ranks == n
        for operator, exchange in PAIRS[turn % 2]
    }


def options_of(n):
    """Those that such a number of ranks has."""
    return {name: text for turn, (name, text) in enumerate(OPTIONS.items()) if turn % 2 == n - 1}


RUNS = {
    n: {"default": "", **(options_of(n) if n < 3 else {}), **on_grids(n), **on_few_rows(n)}
    for n in (1, 2, 3, 4, 6)
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four uneven shards, the same rows in one file, start vectors, files of few rows."""
    here = tmp_path_factory.mktemp("fit")
    rows = spectra.data_rows(spectra.exponential(D, 0.7), N, mean=np.linspace(-3, 3, D))
    (here / "shards").mkdir()
    first = 0
    for name, count in SHARDS.items():
        with h5py.File(here / "shards" / name, "w") as file:
            file.create_dataset(
                "x/rows",
                data=rows[first : first + count],
                chunks=(min(16, count), D),
                compression="gzip",
            )
        first += count
    with h5py.File(here / "one.h5", "w") as file:
        file["a"], file["b"] = rows, rows[:5]
    with h5py.File(here / "single.h5", "w") as file:
        file["X"] = rows.astype("f4")
    with h5py.File(here / "start.h5", "w") as file:
        file["v"] = np.random.default_rng(9).standard_normal((K - 1, D))
    for count, _, _ in FEW_ROWS:
        with h5py.File(here / f"{count} rows", "w") as file:
            file["X"] = few_rows(count)
    return here


def few_rows(count):
    return (
        np.random.default_rng(count).standard_normal((count, 40)) * 2.0 ** np.arange(count)[:, None]
    )


@pytest.fixture(scope="module")
def rows(folder):
    with h5py.File(folder / "one.h5") as file:
        return file["a"][...]


@pytest.fixture(scope="module")
def results(folder):
    """Return ``fitted(n)``: {name: (Run, path)} of all RUNS on n ranks, made when first asked
    for.
    """
    made = {}

    def fitted(n):
        if n not in made:
            paths = {name: folder / f"{n}-{number}.h5" for number, name in enumerate(RUNS[n])}
            data = {
                name: (
                    "single.h5"
                    if name == "single"
                    else name.split(",")[0]
                    if "rows" in name
                    else "shards"
                )
                for name in RUNS[n]
            }
            commands = {
                name: [
                    "fit",
                    folder / data[name],
                    "-k",
                    K,
                    "-o",
                    paths[name],
                    *options.replace("start.h5", str(folder / "start.h5")).split(),
                ]
                for name, options in RUNS[n].items()
            }
            done = batch(n, commands)
            made[n] = {name: (done[name], path) for name, path in paths.items()}
        return made[n]

    return fitted


def compare(path, rows, tol=1e-6, count=K):
    """Assert that a result agrees with a dense eigensolver and scikit-learn on ``rows``."""
    from sklearn.decomposition import PCA  # which takes a while; other workers need it not

    sigma, mean = spectra.dense_covariance(rows)
    values, vectors = spectra.leading(sigma, count)
    exact = PCA(count, svd_solver="full").fit(rows.astype(np.float64))
    with h5py.File(path) as file:
        found = {name: file[name][...] for name in file if isinstance(file[name], h5py.Dataset)}
        assert file.attrs["outcome"] == "converged" and file.attrs["n_samples"] == len(rows)
        assert file.attrs["total_variance"] == pytest.approx(
            np.trace(sigma), rel=1e-7 if tol > 1e-7 else 1e-12
        )
    assert (found["residuals"] <= tol).all()
    np.testing.assert_allclose(
        found["explained_variance"], values, rtol=0, atol=max(1e-14, min(tol / 3, 3e-7)) * values[0]
    )
    np.testing.assert_allclose(
        found["explained_variance_ratio"], exact.explained_variance_ratio_, atol=tol
    )
    np.testing.assert_allclose(
        found["singular_values"], exact.singular_values_, atol=tol * exact.singular_values_[0]
    )
    np.testing.assert_allclose(
        found["mean"], mean, atol=1e-6 if found["mean"].dtype == "f4" else 1e-7
    )
    for k in range(count):
        angle = spectra.sine(
            found["components"][k] / np.linalg.norm(found["components"][k]), vectors[k : k + 1]
        )
        bound = found["angle_bounds"][k]
        is_unknown = k == count - 1 and np.isnan(bound) and not found["guard_eigenvalues"].size
        assert (is_unknown or angle <= bound + 3e-7) and angle < 1e-3
    assert np.abs(found["components"] - exact.components_).max() < 1e-3  # signs too


@pytest.mark.parametrize(
    "n, name",
    [
        pytest.param(n, name, marks=[pytest.mark.once] if n < 6 else [])
        for n, names in RUNS.items()
        for name in names
    ],
)
def test_agrees_with_dense(results, rows, n, name):
    """Fewer ranks than components, more ranks than components, more ranks than rows: the same
    answer. On grids and few rows each operator has each exchange on some.
    """
    done, path = results(n)[name]
    done.ok()
    if "rows" in name:
        compare(path, few_rows(int(name[0])), count=int(name.split(",")[1]))
    else:
        compare(
            path,
            rows.astype("f4") if name == "single" else rows,
            1e-11 if name == "tight" else 1e-6,
        )


@pytest.mark.parametrize(
    "n, name", [(1, "exponential"), (2, "powerlaw"), (3, "exponential"), (4, "powerlaw")]
)
def test_golden_trajectories(tmp_path, n, name):
    """Each on an odd and on an even number of ranks."""
    options = ("--exchange", "vectors", "--top1", "power", "--local-steps", 3, "--stagger")
    golden = HERE / "golden" / f"{name}.h5"
    with h5py.File(golden) as file:
        last = file["parallel_deflation_power/T3"][-1]
    done = run(
        n,
        *("fit", f"{golden}:sigma", "--covariance", "--init", f"{golden}:v0"),
        *("-k", len(last), *options, "--max-rounds", 40, "--tol", 0),
        *("-o", tmp_path / "out.h5"),
    )
    assert done.ended(4).messages[0].startswith("hpcpca: not converged: --max-rounds 40")
    with h5py.File(tmp_path / "out.h5") as file:
        found = file["components"][...]
        assert file.attrs["rounds"] == 40 and "mean" not in file and "singular_values" not in file
    signs = np.sign(np.einsum("kd,kd->k", found, last))
    np.testing.assert_allclose(signs[:, None] * found, last, rtol=0, atol=1e-9)
    assert (found[np.arange(len(last)), np.abs(found).argmax(axis=1)] > 0).all()


@pytest.mark.once
def test_ways_to_name_the_data(folder, rows, tmp_path):
    ways = [
        "shards",
        "shards/s*.h5",
        "shards:x/rows",
        "shards/*.h5:x/rows",
        "one.h5:a",
        "shards/s1.h5 shards/s2.h5:x/rows shards/s1[01].h5",
    ]
    commands = {
        words: ("fit", *words.split(), "-k", K, "-o", tmp_path / f"{number}.h5")
        for number, words in enumerate(ways)
    }
    for number, (words, done) in enumerate(batch(1, commands, cwd=folder).items()):
        done.ok()
        compare(tmp_path / f"{number}.h5", rows)
        with h5py.File(tmp_path / f"{number}.h5") as file:
            source = json.loads(file.attrs["source"])
        assert [part["path"].split("/")[-1] for part in source] == (
            ["one.h5"] if words == "one.h5:a" else list(SHARDS)
        )
        assert sum(part["rows"] for part in source) == N


@pytest.mark.once
def test_double_on_single_precision_data(folder, rows, tmp_path):
    run(
        2,
        "fit",
        folder / "single.h5",
        "-k",
        K,
        "-o",
        tmp_path / "out.h5",
        "--precision",
        "double",
        "--tol",
        "1e-8",
    ).ok()
    compare(tmp_path / "out.h5", rows.astype("f4"), 1e-8)


@pytest.mark.once
def test_real_images(tmp_path):
    data = HERE.parent / "data" / "fashion-mnist"
    run(2, "fit", data, "-k", 8, "-o", tmp_path / "out.h5").ok()
    images = np.concatenate([h5py.File(path)["images"][...] for path in sorted(data.glob("*.h5"))])
    values, _ = spectra.leading(spectra.dense_covariance(images)[0], 8)
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_allclose(
            file["explained_variance"], values, rtol=0, atol=3e-7 * values[0]
        )
    run(2, "verify", tmp_path / "out.h5", data).ok()


@pytest.mark.once
def test_layout(results):
    """The result file as the design has it, for any HDF5 reader."""
    _, path = results(2)["default"]
    with h5py.File(path) as file:
        shapes = {name: file[name].shape for name in file if isinstance(file[name], h5py.Dataset)}
        history = {name: item.shape for name, item in file["history"].items()}
        rounds, attributes = file.attrs["rounds"], dict(file.attrs)
        assert file["components"].dtype == np.float64 and file["clusters"].dtype == np.int64
    per_component = dict.fromkeys(
        (
            "explained_variance",
            "explained_variance_ratio",
            "singular_values",
            "residuals",
            "angle_bounds",
        ),
        (K,),
    )
    assert {name: shapes[name] for name in per_component} == per_component
    assert (
        shapes["components"] == (K, D)
        and shapes["mean"] == (D,)
        and shapes["guard_eigenvalues"][0] >= 2
        and shapes["clusters"][1] == 3
    )
    assert {
        "round",
        "passes",
        "reads",
        "seconds",
        "bytes_exchanged",
        "eigenvalues",
        "residuals",
    } <= set(history)
    assert history["residuals"] == history["eigenvalues"] == (rounds, K) and history["round"] == (
        rounds,
    )
    assert {
        "format",
        "format_version",
        "hpcpca_version",
        "outcome",
        "seed",
        "n_samples",
        "total_variance",
        "passes",
        "reads",
    } <= set(attributes)
    assert json.loads(attributes["config"])["components"] == K and len(
        json.loads(attributes["source"])
    ) == len(SHARDS)


@pytest.mark.once
def test_nothing_else_is_left(folder, results):
    results(2)
    results(3)
    kept = {"shards", *(f"{rows} rows" for rows, _, _ in FEW_ROWS)}
    left = [
        path.name
        for path in folder.iterdir()
        if path.name not in kept and not path.name.startswith("batch-") and path.suffix != ".h5"
    ]
    assert left == [] and not [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.once
def test_what_the_user_sees(folder, tmp_path):
    out, log = tmp_path / "out.h5", tmp_path / "log"
    done = run(2, "fit", folder / "shards", "-k", K, "-o", out, "--log-json", log).ok()
    assert done.stdout == "" and done.messages == []
    for word in (
        "converged: 5 of 5",
        "rounds",
        "passes",
        "reads",
        "read ",
        "apply ",
        "exchange ",
        "rest ",
        "exchanged",
        "peak memory",
        str(out),
    ):
        assert word in done.stderr, word
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["round"] for line in lines] == list(range(1, len(lines) + 1))
    assert (
        lines[-1]["converged"] == [True] * K
        and len(lines[-1]["residuals"]) == len(lines[-1]["eigenvalues"]) == K
    )
    again = run(2, "fit", folder / "shards", "-k", K, "-o", out, "--overwrite", "-q").ok()
    assert (again.stdout, again.stderr) == ("", "")
    short = run(
        2,
        "fit",
        folder / "shards",
        "-k",
        K,
        "-o",
        tmp_path / "2.h5",
        "-q",
        "--exchange",
        "vectors",
        "--max-rounds",
        2,
    ).ended(4)
    assert (
        len(short.messages) == 1
        and "hpcpca resume" in short.messages[0]
        and "data:" not in short.stderr
    )


@pytest.mark.once
def test_more_threads_than_processors_are_warned_of_once(folder, tmp_path):
    processors, out = len(os.sched_getaffinity(0)), tmp_path / "out.h5"
    commands = {
        "fit": ("fit", folder / "shards", "-k", K, "-o", out, "--threads", processors),
        "transform": (
            "transform",
            out,
            folder / "shards",
            "-o",
            tmp_path / "s.h5",
            "--threads",
            processors,
        ),
    }
    for done in batch(2, commands).values():
        told = f"run {2 * processors} threads on {processors} processor(s)"
        assert done.ok().stderr.count("hpcpca: warning: ") == 1 and told in done.stderr, done
    fewer = run(1, *commands["fit"], "--overwrite").ok()
    assert "warning" not in fewer.stderr, fewer


@pytest.mark.once
def test_times(folder, tmp_path):
    """On a machine that does nothing else; on a busy one as much longer as processes share a
    core. One of three is fast enough.
    """
    busy = max(1, os.getloadavg()[0] / len(os.sched_getaffinity(0)))
    assert any(launched(0, "--help").ok().seconds < 0.4 * busy for _ in range(3))
    heavy = "import sys\nfrom hpcpca.__main__ import run\nrun({})\nprint({} & set(sys.modules))"
    for words, modules in (
        (["--help"], {"numba", "mpi4py", "h5py", "numpy"}),
        (["fit", "--help"], {"numba", "mpi4py", "h5py"}),
    ):
        assert run(0, command=(sys.executable, "-c", heavy.format(words, modules))).stdout.endswith(
            "set()\n"
        )
    fit = ("fit", folder / "one.h5:a", "-k", 2, "-o")
    outputs = (tmp_path / f"{i}.h5" for i in range(3))
    assert any(launched(2, *fit, output).ok().seconds < 2 * busy for output in outputs)
