"""Benchmarks run on small inputs and print whole tables; their figures are not judged."""

import importlib
import shlex
import subprocess
import sys

import h5py
import numpy as np
import pytest
from launch import PROGRAM, launcher, run

from hpcpca.bench import gemm, inputs, kernels, peers, process, scaling, sklearn_pca
from hpcpca.kernels import plain
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once


def cells(lines):
    """Rows of the markdown table among lines, as lists of cells, headings first."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| ")
    ]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small file of rows."""
    path = tmp_path_factory.mktemp("bench") / "rows.h5"
    run(0, "data", "make", "300x20", "-o", path).ok()
    return path


COMPILED = ("uint8", "float16", "float32", "float64")


@pytest.mark.parametrize("is_compiled", [True, False])
def test_kernels_of_every_type(monkeypatch, is_compiled):
    """Some, for which ``tests/kernels`` compiles them too; numpy stands in for the others."""
    monkeypatch.setattr(kernels, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(kernels, "SQUARE", 50)
    types = [name for name in kernels.TYPES if (name in COMPILED) == is_compiled]
    if not is_compiled:
        monkeypatch.setattr(kernels, "compiled", plain)
    head, *rows = cells(kernels.compare(types, widths=(1, 3), columns=(37, 50), repeats=1))
    assert [row[:2] for row in rows] == [
        [label, d]
        for name in types
        for d in ("37", "50")
        for label in [name, *[kernels.PEER.format(name)] * (name in ("float32", "float64"))]
    ]
    assert len(types) >= 3 and all(len(row) == len(head) for row in rows)
    assert all(float(row[2]) > 0 and row[-1].endswith("%") for row in rows)


def test_scaling_of_several_sizes(monkeypatch):
    """A table each, and an error in one of them is one of all."""
    bench = importlib.import_module("hpcpca.cli.bench")
    tables = {(30, 4): [f"{bench.FAILED} |"], (4, 30): ["| fine |"]}
    monkeypatch.setattr(scaling, "scale", lambda rows, columns, *_, **__: tables[rows, columns])
    shown = []
    monkeypatch.setattr(bench, "show", shown.extend)
    code = bench.scaling.callback([(30, 4), (4, 30)], 2, (1,), None, None, 1, None)
    assert code == 4 and shown == [f"{bench.FAILED} |", "", "| fine |", ""]


def test_scaling_strong_and_weak(tmp_path, monkeypatch):
    """A run of each is enough here: ``test_peers`` has those that are not counted too."""
    monkeypatch.setattr(scaling, "alternate", lambda some, _: [*map(process.run_once, some)])
    monkeypatch.setattr("hpcpca.bench.scaling.side_by_side", lambda count: 1.5e9 * count)
    head, *rows = cells(
        scaling.scale(
            600, 20, 2, ranks=(1, 2), runs=1, mpiexec=shlex.join(launcher()), folder=tmp_path
        )
    )
    assert [row[:2] for row in rows] == [
        ["strong", "1"],
        ["strong", "2"],
        ["weak", "1"],
        ["weak", "2"],
    ]
    assert (
        all(len(row) == len(head) and float(row[2]) > 0 for row in rows)
        and [row[-1] for row in rows[::2]] == [row[-2] for row in rows[::2]] == ["100%"] * 2
    )
    assert not list(tmp_path.iterdir())


def test_sgemm_side_by_side(monkeypatch):
    monkeypatch.setattr(gemm, "SIDE", 64)
    assert gemm.rate(0.01) > 1e6
    assert gemm.side_by_side(2) > 1e8  # each for three seconds


def test_peers(small, monkeypatch):
    """Ours reach the tolerance, a peer that fails is named with what it said."""
    monkeypatch.setattr(peers, "LAYOUTS", ((1, 2),))  # ``test_scaling_strong_and_weak`` has ranks
    head, *rows = cells(
        peers.compare(
            [str(small)],
            3,
            runs=1,
            solvers=("IncrementalPCA", "none such"),
            others=(),
            mpiexec=shlex.join(launcher()),
        )
    )
    assert all(len(row) == len(head) for row in rows) and len(rows) == 3
    assert float(rows[0][-1]) <= 1e-6 and float(rows[1][-1]) < 0.1
    assert float(rows[0][4].split()[0]) > 0
    assert rows[-1][0].startswith("scikit-learn none such") and "failed" in rows[-1][1]


def test_a_peer_that_reads_all_rows(tmp_path):
    """Its components are those of LAPACK."""
    rows = np.random.default_rng(0).standard_normal((90, 6)) * np.arange(6, 0, -1) + 3
    for name, part in (("a", rows[:40]), ("b", rows[40:])):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["rows"] = part
    files = [str(tmp_path / f"{name}.h5") for name in "ab"]
    sklearn_pca.main("covariance_eigh", "2", str(tmp_path / "out.npy"), *files)
    true = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][:2]
    cosines = (np.load(tmp_path / "out.npy") * true).sum(axis=1)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-9)


def test_a_peer_that_reads_stored_values(tmp_path):
    """Of cells: its components are those of LAPACK, and there are as many values as molecules
    let expect.
    """
    how, files = inputs.Cells(150, 40, 2, 60).make(tmp_path, "some")
    sklearn_pca.main("arpack", "2", str(tmp_path / "out.npy"), *files)
    source = open_source(files)
    rows = source.read(0, 0, 150).rows.astype(float)
    true = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][:2]
    cosines = (np.load(tmp_path / "out.npy") * true).sum(axis=1)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-5)
    molecules = np.expm1(rows).sum(axis=1).mean()
    assert "150 cells × 40 genes" in how and 50 < molecules < 80


def test_mpiexec_from_a_process_that_runs_mpi():
    """With the variables that Open MPI then sets in it, mpiexec would end with exit code 1 and
    no word.
    """
    from mpi4py import MPI

    done = process.finished([*launcher(), "-n", "1", sys.executable, "-c", "print('begun')"])
    assert MPI.Is_initialized() and (done.returncode, done.stdout) == (0, "begun\n"), done


@pytest.mark.parametrize(
    "said, last",
    [
        (
            "hpcpca: error: K is large\n-----\nmpiexec: a rank ended\n  Exit code:    2\n",
            "hpcpca: error: K is large",
        ),
        ("a\nTraceback:\nValueError: b\n", "ValueError: b"),
        ("---\n", "exit code 7"),
    ],
)
def test_what_a_failed_command_is_reported_with(said, last):
    assert process._last_line(said, 7) == last


def test_choices_are_those_there_are():
    """The command line names them without importing what has them."""
    bench = importlib.import_module("hpcpca.cli.bench")
    assert set(bench.INPUTS) == set(inputs.INPUTS) and set(bench.PEERS) == {
        *sklearn_pca.SOLVERS,
        *peers.OTHERS,
    }
    assert bench.OTHERS == peers.OTHERS


@pytest.mark.parametrize(
    "code, words, text",
    [
        (2, ["peers"], "give DATA and -k, or --input"),
        (2, ["kernels", "--dtype", "complex64"], "complex64"),
        (2, ["experiments", "gaps", "--data", "none.h5"], "gaps: data of its own"),
        (2, ["kernels", "--vectors", "1,x"], "1,x"),
        (2, ["scaling", "100", "-k", "2"], "100"),
        (5, ["scaling", "100x9", "-k", "2", "--mpiexec", "none-such"], "none-such"),
        (3, ["peers", "--input", "tall", "--folder", "none/such"], "none/such"),
        (3, ["cold", "none.h5", "-k", "2"], "none.h5"),
        (3, ["cold", "rows.h5", "-k", "21"], "at most 20"),
    ],
)
def test_wrong_words(small, code, words, text):
    words = [small if word == "rows.h5" else word for word in words]
    done = run(
        0, "bench", *words, *(["--mpiexec", shlex.join(launcher())] if words[0] == "cold" else [])
    )
    assert done.code == code and len(done.messages) == 1 and text in done.messages[0]


def test_a_reader_that_goes_away():
    """`hpcpca … | head`: no message, and the exit code of a closed pipe."""
    with subprocess.Popen(
        [*PROGRAM, "bench", "kernels", "--dtype", "float32", "--vectors", "1", "--runs", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 141)
