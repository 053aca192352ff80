"""``hpcpca fit`` as a user runs it: every option on every number of ranks gives what a dense
eigensolver gives.
"""

import json

import h5py
import numpy as np
import pytest
from fit_rows import SHARDS, D, K, compare, write_rows
from launch import batch

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
    """Rows in shards and in one file, start vectors, files of few rows."""
    here = tmp_path_factory.mktemp("fit")
    write_rows(here)
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
