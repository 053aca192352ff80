"""Benchmarks run on small inputs and print whole tables; their figures are not judged."""

import importlib
import shlex
import subprocess
import sys

import pytest
from launch import PROGRAM, launcher, run

from hpcpca.bench import inputs, kernels, peers, process, scaling, sklearn_pca

pytestmark = pytest.mark.once


def cells(lines):
    """Rows of the markdown table among lines, as lists of cells, headings first."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("| ")
    ]


def test_kernels_of_every_type(monkeypatch):
    monkeypatch.setattr(kernels, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(kernels, "SQUARE", 50)
    lines = list(kernels.compare(widths=(1, 3), d=37, repeats=1))
    head, *rows = cells(lines)
    assert len(rows) == 2 * len(kernels.TYPES) and all(len(row) == len(head) for row in rows)
    assert all(float(row[2]) > 0 and float(row[-1]) > 0 for row in rows) and "sgemm" in lines[0]


def test_scaling_strong_and_weak(tmp_path):
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
        and rows[0][-1] == rows[2][-1] == "100%"
    )
    assert not list(tmp_path.iterdir())


def test_peers(tmp_path):
    """Ours reach the tolerance, a peer that fails is named with what it said."""
    run(0, "data", "make", "300x20", "-o", tmp_path / "rows.h5").ok()
    head, *rows = cells(
        peers.compare(
            [str(tmp_path / "rows.h5")],
            3,
            runs=1,
            solvers=("covariance_eigh", "IncrementalPCA", "none such"),
            slepc=False,
            mpiexec=shlex.join(launcher()),
        )
    )
    assert all(len(row) == len(head) for row in rows) and len(rows) == 5
    assert all(float(row[-1]) <= 1e-6 for row in rows[:3]) and float(rows[0][4].split()[0]) > 0
    assert rows[-1][0].startswith("scikit-learn none such") and "failed" in rows[-1][1]


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
        "SLEPc",
    }


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
def test_wrong_words(tmp_path, code, words, text):
    run(0, "data", "make", "300x20", "-o", tmp_path / "rows.h5").ok()
    words = [tmp_path / word if word == "rows.h5" else word for word in words]
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
