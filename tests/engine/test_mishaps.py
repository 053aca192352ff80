"""What goes wrong while a run goes on: a file that vanishes, reads that fail, a slow rank, a
clock that jumps.
"""

import os
import shutil
import signal

import h5py
import numpy as np
import pytest
import spectra
from launch import batch, finish, launched, ranks_of, run, start, wait_for
from slow_reading import CUT, D, K, N, begun, cut, paced, read, slowed

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


def words(folder, *options):
    """The words of a fit that goes through the data again and again."""
    how = ("--cold", "--checkpoint-every", "1r")
    options = options if "--operator" in options else ("--operator", "streaming", *options)
    return "fit", folder / "data", "-k", K, "-o", folder / "out.h5", *how, *options


def fit(folder, *options, inject):
    """Run it on two ranks of its own."""
    return launched(2, *words(folder, *options), inject=inject)


@pytest.mark.parametrize(
    "how, operator",
    [
        ("cut", "streaming"),
        ("cut", "mapped"),
        *(
            pytest.param(*each, marks=pytest.mark.once)
            for each in (
                ("removed", "streaming"),
                ("replaced", "streaming"),
                ("replaced", "mapped"),
            )
        ),
    ],
)
def test_a_shard_vanishes(folder, how, operator):
    """One line that names it; the last checkpoint stays, and goes on when the file is back."""
    shard, kept = folder / "data" / "s2.h5", folder / "kept.h5"
    command = paced(2, *words(folder, "--operator", operator), quick=40, gate=folder / "gate")
    wait_for((folder / "out.h5.ckpt").exists)
    if operator == "mapped":  # what is mapped is the file, not its name
        shutil.copy(shard, kept)
    else:
        os.rename(shard, kept)
    if how == "cut" and operator == "mapped":
        os.truncate(shard, 5000)
    elif how == "cut":
        shard.write_bytes(kept.read_bytes()[:5000])
    elif how == "replaced":
        with h5py.File(shard, "w") as file:
            file["X"] = np.zeros((7, D))
    (folder / "gate").touch()
    done = command.finish().ended(3)
    assert len(done.messages) == 1 and "s2.h5" in done.messages[0], done
    shard.unlink(missing_ok=True)
    os.rename(kept, shard)
    cut(2, "resume", folder / "out.h5.ckpt").ok()
    cut(1, "verify", folder / "out.h5", folder / "data").ok()


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
    done = fit(folder, "--precision", "single", inject=changing)
    assert done.code == code and len(done.messages) == 1 and text in done.messages[0], done
    assert not (folder / "out.h5").exists()


@pytest.mark.once
def test_a_shard_that_is_written_to(folder):
    """Other values, finite ones, while it is read again and again: the result says that it may
    be of neither state.
    """
    shard = folder / "data" / "s2.h5"
    command = paced(2, *words(folder), quick=40, gate=folder / "gate")
    read(command, 80)
    with h5py.File(shard, "r+") as file:
        file["X"][100:200] *= 1.001
    (folder / "gate").touch()
    done = command.finish()
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
    if not block.rows.flags.writeable:  # it is mapped
        block = s.Block(block.rows.copy(), block.first)
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
        "fit DATA -k 3 --operator in-memory --max-rounds 1 -o OUT",
        4,
        ("not converged", WRITTEN),
        "OUT OUT.ckpt",
    ),
    "interrupted": (
        "stopped",
        "fit DATA -k 3 --operator in-memory --exchange vectors --tol 0 --max-rounds 1000000 -o OUT",
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
    "mapped": ("written", "fit DATA -k 3 --operator mapped -o OUT", 3, (WRITTEN,), ""),
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
        (WRITTEN, "no result was written"),
        "",
    ),
    "shard": ("written", "data shard DATA -o OUT", 3, (WRITTEN, "no result was written"), ""),
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
    told = run(1, "info", tmp_path / "grown.h5").ok().stdout
    assert EXCESS in told and "what these explain is not known" in told, told


def test_a_stop_that_cannot_be_written(folder):
    """The folder is gone when USR1 comes: one line, that nothing is left."""
    (folder / "out").mkdir()
    command = paced(2, *words(folder, "-o", folder / "out" / "a.h5"), seconds=0.3)
    read(command, 4)
    shutil.rmtree(folder / "out")
    os.kill(command.pids()[0], signal.SIGUSR1)
    done = command.finish()
    assert (
        done.code == 3
        and len(done.messages) == 1
        and "nothing is left of this run" in done.messages[0]
    ), done


@pytest.mark.once
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
    done = fit(folder, inject=failing)
    assert (
        done.code in (3, 5) and len(done.messages) == 1 and "Input/output error" in done.messages[0]
    ), done
    cut(1, "resume", folder / "out.h5.ckpt").ok()
    cut(1, "verify", folder / "out.h5", folder / "data").ok()


@pytest.mark.once
def test_a_slow_rank_is_named(folder):
    """It finishes, and the summary says whom the others waited for."""
    done = paced(2, *words(folder), seconds=0.05, rank=1).finish()
    assert (
        done.code == 0 and "rank 1 on node " in done.stderr and "they waited for it" in done.stderr
    ), done
    cut(1, "verify", folder / "out.h5", folder / "data").ok()
    alike = (
        CUT + "\nimport hpcpca.engine.outcome as o\no.LAG_SECONDS = 30"
    )  # a busy machine may make one of them wait
    assert "waited" not in fit(folder, "--overwrite", inject=alike).ok().stderr


@pytest.mark.once
def test_a_clock_that_jumps(folder):
    """A day back and forth on every look: neither checkpoints nor --max-time go by that clock."""
    jumping = (
        CUT + "import time\nplain, jumps = time.time, [0]\ndef jumping():\n    jumps[0] += 1\n   "
        " return plain() + 86400 * (-1) ** jumps[0]\ntime.time = jumping\n"
    )
    fit(folder, "--max-time", "1h", inject=jumping).ok()
    cut(1, "verify", folder / "out.h5", folder / "data").ok()


def test_nothing_is_left_running(folder):
    """After an error on one rank no process of the job remains."""
    process = start(2, *words(folder), inject=slowed(0.06))
    begun(process, 4)
    pids = ranks_of(process)
    os.remove(folder / "data" / "s1.h5")
    finish(process).ended(3)
    assert len(pids) == 2
    wait_for(
        lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    )  # launchers may end a moment before what they started
