"""What goes wrong while a run goes on: a file that vanishes, reads that fail, a slow rank, a
disk that is really full, a clock that jumps.
"""

import os
import re
import shutil
import signal
import subprocess
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
import spectra
from launch import batch, finish, ranks_of, run, start, wait_for
from slow_reading import CUT, OPEN_MPI, D, K, N, begun, slowed

RANK = (
    'import os\nRANK = int(os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or'
    " 0)\n"
)


@pytest.fixture
def folder(tmp_path):
    """Rows in two shards, one for each of two ranks."""
    rows = spectra.data_rows(spectra.exponential(D, 0.9), N, mean=3.0)
    spectra.write_shards(tmp_path / "data", s1=rows[: N // 2], s2=rows[N // 2 :])
    return tmp_path


def fit(folder, *options, inject, n=2):
    return start(
        n,
        "fit",
        folder / "data",
        "-k",
        K,
        "-o",
        folder / "out.h5",
        "--operator",
        "streaming",
        "--cold",
        "--checkpoint-every",
        "1r",
        *options,
        inject=inject,
    )


@pytest.mark.parametrize(
    "how",
    ["cut", *(pytest.param(each, marks=pytest.mark.once) for each in ("removed", "replaced"))],
)
def test_a_shard_vanishes(folder, how):
    """One line that names it; the last checkpoint stays, and goes on when the file is back."""
    shard, kept = folder / "data" / "s2.h5", folder / "kept.h5"
    process = fit(folder, inject=slowed(0.1, quick=30))
    wait_for((folder / "out.h5.ckpt").exists)
    os.rename(shard, kept)
    if how == "cut":
        shard.write_bytes(kept.read_bytes()[:5000])
    elif how == "replaced":
        with h5py.File(shard, "w") as file:
            file["X"] = np.zeros((7, D))
    done = finish(process).ended(3)
    assert len(done.messages) == 1 and "s2.h5" in done.messages[0], done
    shard.unlink(missing_ok=True)
    os.rename(kept, shard)
    run(2, "resume", folder / "out.h5.ckpt").ok()
    run(1, "verify", folder / "out.h5", folder / "data").ok()


@pytest.mark.once
@pytest.mark.parametrize(
    "what, code, text",
    [
        ("nan", 3, "s2.h5:X: row 7, column 3 is nan"),
        ("1e308", 1, "rows 2000 to 2061 of all give images"),
    ],
)
def test_rows_that_change(folder, what, code, text):
    """Numbers that are not finite from the third reading on: named with file and row, in that
    pass; nothing is left half-written.
    """
    changing = (
        CUT
        + """
readings = [0]
def changing(self, number, start, stop, into=None):
    block = old(self, number, start, stop, into)
    readings[0] += (number, start) == (1, 0)
    if readings[0] > 2 and number == 1 and start == 0:
        block.rows[7:, 3] = float("WHAT")
    return block
s.Source.read = changing""".replace("WHAT", what)
    )
    done = finish(fit(folder, "--precision", "single", inject=changing))
    assert done.code == code and len(done.messages) == 1 and text in done.messages[0], done
    assert not (folder / "out.h5").exists()


@pytest.mark.once
def test_a_shard_that_is_written_to(folder):
    """Other values, finite ones, while it is read again and again: the result says that it may
    be of neither state.
    """
    shard = folder / "data" / "s2.h5"
    process = fit(folder, inject=slowed(0.06, quick=30))
    begun(process, 66)
    with h5py.File(shard, "r+") as file:
        file["X"][100:200] *= 1.001
    done = finish(process)
    assert done.code == 4 and len(done.messages) == 1, done
    assert done.messages[0].startswith(
        f"hpcpca: data changed: {shard} was written to while it was read"
    ), done
    assert (folder / "out.h5").exists()


CHANGING = """
import os, signal
import hpcpca.sources.source as s
old, rows = s.Source.read, {}
def changing(self, number, start, stop, into=None):
    block = old(self, number, start, stop, into)
    path = self.parts[number].path
    kind = path.split("/")[-2]
    rows[path] = rows.get(path, 0) + stop - start
    if kind != "grown":
        os.utime(path, (1, sum(rows.values())))
    elif rows[path] > 700:
        block.rows[...] *= 5
    if kind == "stopped":
        os.kill(os.getpid(), signal.SIGUSR1)
    if kind == "unreadable":
        block.rows[7, 3] = float("nan")
    if kind == "strange":
        raise LookupError("nobody expects this")
    return block
s.Source.read = changing"""
WRITTEN, EXCESS = (
    "s1.h5 was written to while it was read",
    "times the variance that the data had at first",
)
CHANGED = {  # the folder of data, the command, its exit code, what it tells, what it leaves
    "max_rounds": (
        "written",
        "fit DATA -k 3 --max-rounds 1 -o OUT",
        4,
        ("not converged", WRITTEN),
        "OUT OUT.ckpt",
    ),
    "interrupted": (
        "stopped",
        "fit DATA -k 3 --exchange vectors --tol 0 --max-rounds 1000000 -o OUT",
        75,
        ("interrupted", "hpcpca resume", WRITTEN),
        "OUT.ckpt",
    ),
    "unreadable": (
        "unreadable",
        "fit DATA -k 3 -o OUT",
        3,
        ("row 7, column 3 is nan", WRITTEN),
        "",
    ),
    "strange": ("strange", "fit DATA -k 3 -o OUT", 3, ("nobody expects this", WRITTEN), ""),
    "grown": (
        "grown",
        "fit DATA -k 3 --operator streaming --cold --max-rounds 2 -o OUT",
        4,
        ("not converged", EXCESS),
        "OUT OUT.ckpt",
    ),
    "verify": ("written", "verify good.h5 DATA", 4, ("verification failed", WRITTEN), ""),
    "verify, unreadable": (
        "unreadable",
        "verify good.h5 DATA",
        3,
        ("row 7, column 3 is nan", WRITTEN),
        "",
    ),
    "transform": (
        "written",
        "transform good.h5 DATA -o OUT",
        3,
        (WRITTEN, "nothing was written"),
        "",
    ),
    "shard": ("written", "data shard DATA -o OUT", 3, (WRITTEN, "nothing was written"), ""),
    "check": ("written", "data check DATA", 4, ("check found 1 trouble(s)",), ""),
}


@pytest.mark.once
def test_data_that_change_are_named_however_a_command_ends(tmp_path):
    """One message tells of it; derived data are not written at all, and no share of variance
    exceeds 1.
    """
    rows = spectra.data_rows(spectra.power_law(100, 0.5), 300)
    for kind in ("steady", *dict.fromkeys(kind for kind, *_ in CHANGED.values())):
        spectra.write_shards(tmp_path / kind, s1=rows)
    run(1, "fit", "steady", "-k", 3, "-o", "good.h5", cwd=tmp_path).ok()
    words = {
        name: line.replace("DATA", kind).replace("OUT", f"{name}.h5").split(" ")
        for name, (kind, line, *_) in CHANGED.items()
    }
    before = set(tmp_path.iterdir())
    done = batch(1, words, env={"HPCPCA_TEST_INJECT": CHANGING}, cwd=tmp_path)
    for name, (_, _, code, told, left) in CHANGED.items():
        last = done[name].ended(code).stderr.splitlines()[-1]
        assert last.startswith("hpcpca: ") and all(text in last for text in told), done[name]
        before |= {tmp_path / file.replace("OUT", f"{name}.h5") for file in left.split()}
    assert f"trouble: written/{WRITTEN}" in done["check"].stdout
    assert set(tmp_path.iterdir()) == before
    with h5py.File(tmp_path / "grown.h5") as file:
        assert (
            np.isnan(file["explained_variance_ratio"][:]).all()
            and file["explained_variance"][0] > file.attrs["total_variance"]
        )
    told = run(0, "info", tmp_path / "grown.h5").ok().stdout
    assert EXCESS in told and "what these explain is not known" in told, told


def test_a_stop_that_cannot_be_written(folder):
    """The folder is gone when USR1 comes: one line, that nothing is left."""
    (folder / "out").mkdir()
    process = start(
        2,
        "fit",
        folder / "data",
        "-k",
        K,
        "-o",
        folder / "out" / "a.h5",
        "--operator",
        "streaming",
        inject=slowed(1),
    )
    begun(process, 4)
    shutil.rmtree(folder / "out")
    os.kill(ranks_of(process)[0], signal.SIGUSR1)
    done = finish(process)
    assert (
        done.code == 3
        and len(done.messages) == 1
        and "nothing is left of this run" in done.messages[0]
    ), done


def test_reads_that_fail(folder):
    failing = (
        CUT
        + RANK
        + """
count = [0]
def failing(self, number, start, stop, into=None):
    count[0] += 1
    if RANK == 1 and count[0] > 120:
        raise OSError(5, "Input/output error")
    return old(self, number, start, stop, into)
s.Source.read = failing"""
    )
    done = finish(fit(folder, inject=failing))
    assert (
        done.code in (3, 5) and len(done.messages) == 1 and "Input/output error" in done.messages[0]
    ), done
    run(3, "resume", folder / "out.h5.ckpt").ok()
    run(1, "verify", folder / "out.h5", folder / "data").ok()


@pytest.mark.once
def test_a_slow_rank_is_named(folder):
    """It finishes, and the summary says whom the others waited for."""
    done = finish(fit(folder, inject=RANK + slowed(0.05, quick="(1000 if RANK == 0 else 0)")))
    assert (
        done.code == 0 and "rank 1 on node " in done.stderr and "they waited for it" in done.stderr
    ), done
    run(1, "verify", folder / "out.h5", folder / "data").ok()
    alike = (
        CUT + "\nimport hpcpca.engine.run\nhpcpca.engine.run.LAG_SECONDS = 30"
    )  # a busy machine may make one of them wait
    assert "waited" not in finish(fit(folder, "--overwrite", inject=alike)).stderr


UNSEEN = """
import hpcpca.files.hdf5 as h, hpcpca.files.outputs as o, hpcpca.files.row_file as r
h.check_room = o.check_room = r.check_room = lambda *_: None
"""


@contextmanager
def small_disk(folder, size):
    """Make a disk of ``size`` KiB at ``folder`` for the time being."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this container cannot mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)  # lazily: ranks may go late


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("is_seen", [True, False])
@pytest.mark.parametrize("what", ["checkpoint", "result"])
def test_a_disk_that_is_full(folder, what, is_seen):
    """A tmpfs of a few KB: a checkpoint costs a warning, a result the exit code; nothing
    half-written is left.

    Where the lack of room is not seen beforehand (quotas), HDF5 fails in the middle, and would
    crash at the end.
    """
    if not is_seen and OPEN_MPI:
        pytest.skip(
            "parallel HDF5 hangs when it closes a file that one rank could not write; room is"
            " therefore tried out beforehand"
        )
    code = CUT if is_seen else CUT + UNSEEN
    with small_disk(folder / "small", 16) as small:
        where = (
            ("--checkpoint", small / "c.ckpt")
            if what == "checkpoint"
            else ("-o", small / "out.h5", "--no-checkpoint")
        )
        done = finish(fit(folder, *where, inject=code))
        assert [path for path in small.iterdir() if not path.name.endswith(".lock")] == []
        if what == "checkpoint":
            assert done.code == 0 and "warning: checkpoint not written" in done.stderr, done
        else:
            assert (
                done.code in (3, 5)
                and len(done.messages) == 1
                and "small/out.h5 c" in done.messages[0]
                and "be written" in done.messages[0]
            ), done


WRITERS = {
    "transform": ("transform", "pca.h5", "data", "-o", "small/out.h5"),
    "gzip": ("transform", "pca.h5", "data", "-o", "small/out.h5", "--compression", "gzip"),
    "reconstruct": ("reconstruct", "pca.h5", "scores.h5", "-o", "small/out.h5"),
    "make": ("data", "make", "4000x40", "-o", "small/made", "--shards", "2"),
    "shard": ("data", "shard", "data", "-o", "small/out.h5", "--compression", "gzip"),
    "save": ("verify", "small/pca.h5", "data", "--save", "-q"),
    "plot": ("plot", "pca.h5", "-o", "small/out.png"),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_every_writer_on_a_disk_that_is_full(folder):
    """One line and exit code 3, seen beforehand or not; nothing is lost, nothing left."""
    run(0, "fit", "data", "-k", K, "-o", "pca.h5", "-q", cwd=folder).ok()
    run(0, "transform", "pca.h5", "data", "-o", "scores.h5", "-q", cwd=folder).ok()
    with small_disk(folder / "small", 64) as small:
        shutil.copy(folder / "pca.h5", small)
        (small / "filler").write_bytes(bytes(32 << 10))
        before = {path: path.read_bytes() for path in small.iterdir()}
        done = batch(1, WRITERS, cwd=folder)
        for name, words in WRITERS.items():
            done[f"{name}, unseen"] = run(0, *words, inject=UNSEEN, cwd=folder)
        for name, each in done.items():
            assert each.code == 3 and len(each.stderr.splitlines()) == 1, (name, each)
            assert re.search("error: .* be written.*: No space left", each.stderr), (name, each)
        assert {path: path.read_bytes() for path in small.iterdir()} == before


@pytest.mark.once
def test_a_clock_that_jumps(folder):
    """A day back and forth on every look: neither checkpoints nor --max-time go by that clock."""
    jumping = (
        CUT + "import time\nplain, jumps = time.time, [0]\ndef jumping():\n    jumps[0] += 1\n   "
        " return plain() + 86400 * (-1) ** jumps[0]\ntime.time = jumping\n"
    )
    done = finish(fit(folder, "--max-time", "1h", inject=jumping))
    assert done.code == 0, done
    run(1, "verify", folder / "out.h5", folder / "data").ok()


def test_nothing_is_left_running(folder):
    """After an error on one rank no process of the job remains."""
    process = fit(folder, inject=slowed(0.06))
    begun(process, 4)
    pids = ranks_of(process)
    os.remove(folder / "data" / "s1.h5")
    finish(process).ended(3)
    assert len(pids) == 2
    wait_for(
        lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    )  # launchers may end a moment before what they started
