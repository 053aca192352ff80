"""What a user of ``hpcpca fit`` sees of a run, and how long it takes."""

import json
import os
import sys

import pytest
from fit_rows import K, write_rows
from launch import batch, launched, run

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows in shards and in one file."""
    here = tmp_path_factory.mktemp("fit")
    write_rows(here)
    return here


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
