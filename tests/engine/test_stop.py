"""A run that is asked to stop: by a signal or its time, within a block of work, with a
checkpoint; and what goes on from there.
"""

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
import spectra
from launch import PATIENCE, finish, ranks_of, run, start, wait_for
from slow_reading import CUT, OPEN_MPI, PACED, D, K, N, begun, cut, paced, slowed, stopped

VECTORS = ("--exchange", "vectors", "--precision", "double", "--tol", "0", "--max-rounds", "6")
SIGNALS = {"USR1": signal.SIGUSR1, "TERM": signal.SIGTERM, "INT": signal.SIGINT}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows in two shards."""
    here = tmp_path_factory.mktemp("stop")
    rows = spectra.data_rows(spectra.exponential(D, 0.9), N, mean=3.0)
    spectra.write_shards(here / "data", s1=rows[:1234], s2=rows[1234:])
    return here


def words(folder, output, *options):
    """The words of a fit that holds its data in files."""
    return "fit", folder / "data", "-k", K, "-o", output, "--operator", "streaming", *options


def fit(folder, output, *options):
    """Start a fit on two ranks of its own, each of which takes half a second for a piece: a quarter
    of a minute for a pass.
    """
    return start(2, *words(folder, output, *options), inject=slowed(0.5))


def stored(path, *names):
    with h5py.File(path) as file:
        found = [file.attrs[name] if name in file.attrs else file[name][...] for name in names]
    return found if len(found) > 1 else found[0]


def finished_rows(path):
    return int(np.diff(stored(path, "state/rows_done"), axis=1).sum())


@pytest.fixture(scope="module")
def half(folder):
    """The checkpoint of a run on two ranks that was stopped in its second pass."""
    kept = folder / "half" / "out.h5.ckpt"
    kept.parent.mkdir()
    command = words(folder, kept.with_suffix(""), "--cold")
    stopped(2, *command, after=94, seconds=0.3, quick=45).ended(75)
    return kept


def copied(checkpoint, folder):
    return Path(shutil.copy(checkpoint, folder))


@pytest.mark.parametrize(
    "operator, to",
    [("streaming", "one")]
    + [
        pytest.param(*each.split(), marks=pytest.mark.once)
        for each in ("streaming all", "gram one", "in-memory all", "mapped one")
    ],
)
def test_stops_within_a_block_of_a_long_pass(folder, tmp_path, operator, to):
    """A signal to one rank or to all: gone long before the end of the pass."""
    output, checkpoint = tmp_path / "out.h5", tmp_path / "out.h5.ckpt"
    command = words(folder, output, "--operator", operator)
    to = slice(1 if to == "one" else None)
    done = stopped(2, *command, after=6, seconds=0.3, to=to).ended(75)
    assert done.stderr.count("piece") < 20
    assert (
        done.stderr.count(
            "hpcpca: interrupted: SIGUSR1 received; 0 rounds were done; go on with 'hpcpca resume"
            f" {checkpoint}'\n"
        )
        == 1
    )
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.name]
    known = finished_rows(checkpoint) if operator != "in-memory" else 0
    assert known > 0 or operator == "in-memory"
    cut(2, "resume", checkpoint).ok()
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
    cut(1, "verify", output, folder / "data").ok()


@pytest.mark.once
@pytest.mark.parametrize(
    "operator, n",
    [
        ("gram", 1),
        ("streaming", 4),
    ],
)
def test_the_next_run_does_only_the_rest(folder, tmp_path, operator, n):
    """Stopped in the same pass again and again, on other ranks each time: no row is read twice,
    and the answer is that of one run.
    """
    output, checkpoint, whole = tmp_path / "out.h5", tmp_path / "out.h5.ckpt", tmp_path / "whole.h5"
    options = ("--operator", operator, "--cold")
    cut(2, *words(folder, whole, *options)).ok()
    finished, command = [0], words(folder, output, *options)
    for ranks in (2, n, 3):
        last, number = slice(-1, None), signal.SIGTERM
        pace = {"after": 8, "seconds": 0.15 * ranks}
        stopped(ranks, *command, **pace, to=last, number=number).ended(75)
        finished.append(finished_rows(checkpoint))
        command = ("resume", checkpoint)
    assert (np.diff(finished) > 0).all() and finished[-1] < N, finished
    cut(n, "resume", checkpoint).ok()
    for name in ("reads", "passes"):
        assert stored(output, name) == pytest.approx(stored(whole, name), abs=1e-9), name
    np.testing.assert_allclose(
        stored(output, "explained_variance"), stored(whole, "explained_variance"), rtol=1e-9
    )
    cut(1, "verify", output, folder / "data").ok()


@pytest.mark.parametrize("exchange", ["vectors", pytest.param("ritz", marks=pytest.mark.once)])
def test_stopped_in_a_later_round(folder, tmp_path, exchange):
    """The pass of a later round goes on where it was stopped; the vectors exchange to the last
    digits of an uninterrupted run.
    """
    options = VECTORS if exchange == "vectors" else ("--cold", "--tol", "1e-10")
    output, checkpoint, whole = tmp_path / "out.h5", tmp_path / "out.h5.ckpt", tmp_path / "whole.h5"
    end = 4 if exchange == "vectors" else 0
    cut(2, *words(folder, whole, *options)).ended(end)
    stopped(2, *words(folder, output, *options), after=166, seconds=0.3, quick=80).ended(75)
    round_, done = stored(checkpoint, "state_round", "state/rows_done")
    assert 1 <= round_ <= 3 and 0 < np.diff(done, axis=1).sum() < N
    cut(3, "resume", checkpoint).ended(end)
    if exchange == "vectors":
        np.testing.assert_allclose(
            stored(output, "components"), stored(whole, "components"), rtol=0, atol=1e-12
        )
        assert stored(output, "reads") == pytest.approx(stored(whole, "reads"), abs=1e-9)
    else:
        cut(1, "verify", output, folder / "data", "--tol", "1e-10").ok()
        assert (
            stored(output, "reads") < stored(whole, "reads") + 3
        )  # the history before the round is given up


@pytest.mark.once
@pytest.mark.parametrize("operator", ["gram", "in-memory"])
def test_another_operator_goes_on(folder, half, tmp_path, operator):
    output, checkpoint = tmp_path / "on.h5", copied(half, tmp_path)
    options = ("-o", output, "--operator", operator, "--tol", "1e-9")
    cut(4, "resume", checkpoint, *options).ok()
    cut(1, "verify", output, folder / "data", "--tol", "1e-9").ok()


CLOCK = """
import hpcpca.engine.deadline, hpcpca.planning.machine
class Clock:
    monotonic = staticmethod(lambda: 3.0 * seen()[0])
hpcpca.engine.deadline.time, hpcpca.planning.machine.process_age = Clock, lambda: 0
"""


@pytest.mark.once
def test_max_time(folder, tmp_path):
    """Over and over, until it is done, by a clock that goes on three seconds with every piece of
    the root. A piece takes longer than the root waits between two looks at its clock.
    """
    output, checkpoint = tmp_path / "out.h5", tmp_path / "out.h5.ckpt"
    command, codes = words(folder, output, "--cold"), []
    while not codes or codes[-1] == 75:
        command = paced(2, *command, "--max-time", "200s", seconds=0.02, inject=PACED + CLOCK)
        done = command.finish()
        codes.append(done.code)
        assert done.code == 0 or "--max-time 200s is over" in done.stderr
        command = ("resume", checkpoint)
    assert 2 < len(codes) < 12 and codes[-1] == 0
    cut(1, "verify", output, folder / "data").ok()


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_through_the_launcher(folder, tmp_path, name):
    if name != "USR1" and OPEN_MPI:
        pytest.skip("Open MPI's mpiexec kills its ranks a second after TERM and INT")
    process = fit(folder, tmp_path / "out.h5")
    begun(process, 4)
    pids = ranks_of(process)
    process.send_signal(SIGNALS[name])
    done = finish(process).ended(75)
    assert f"SIG{name} received" in done.stderr and (tmp_path / "out.h5.ckpt").exists(), done
    assert len(pids) == 2
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))


def test_a_second_signal_ends_at_once(folder, tmp_path):
    """Within a piece that would take for ever."""
    process = start(2, *words(folder, tmp_path / "out.h5"), inject=slowed(10**6))
    begun(process, 2)
    for _ in range(PATIENCE):
        for pid in (pids := ranks_of(process)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)
        if not pids:
            break
        time.sleep(1.5)  # two in a second count as one
    done = finish(process)
    assert done.code not in (0, 75) and "second signal" in done.stderr, done
    assert not (tmp_path / "out.h5.ckpt").exists()


@pytest.mark.once
def test_without_checkpoints_the_result_so_far_is_written(folder, tmp_path):
    output, early = tmp_path / "out.h5", tmp_path / "early.h5"
    command = words(folder, output, "--no-checkpoint", "--cold")
    told = stopped(2, *command, after=94, seconds=0.3, quick=45).ended(4).stderr
    assert f"hpcpca resume {output}" in told
    assert stored(output, "outcome") == "interrupted" and list(tmp_path.iterdir()) == [output]
    cut(2, "resume", output).ok()
    command = words(folder, early, "--no-checkpoint")
    told = stopped(2, *command, after=4, seconds=0.3).ended(4).stderr
    assert "nothing is left" in told and not early.exists()


@pytest.mark.once
def test_two_runs_on_one_checkpoint(folder, tmp_path):
    """The second is refused with exit code 5 while the first is alive; one that was killed
    leaves nothing in the way.
    """
    output, checkpoint = tmp_path / "out.h5", tmp_path / "out.h5.ckpt"
    process = start(2, *words(folder, output), inject=slowed(10**6))
    begun(process, 2)
    for command in (
        ("fit", folder / "data", "-k", K, "-o", output),
        ("fit", folder / "data", "-k", K, "-o", tmp_path / "b.h5", "--checkpoint", checkpoint),
    ):
        done = run(2, *command, "--overwrite").ended(5)
        assert (
            len(done.messages) == 1
            and "belongs to a run that is going on (process " in done.messages[0]
        )
    for path in (checkpoint, output):
        shown = run(0, "status", path).ok().stdout
        assert (
            f"{checkpoint}: running (process " in shown
            and f"no checkpoint {checkpoint} yet" in shown
        ), shown
    for pid in ranks_of(process):
        with suppress(ProcessLookupError):  # the launcher may have ended it after the first
            os.kill(pid, signal.SIGKILL)
    finish(process)
    run(0, "status", checkpoint).ended(3)
    run(2, "fit", folder / "data", "-k", K, "-o", output, "--overwrite").ok()
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]


@pytest.mark.once
def test_stops_while_kernels_are_compiled(folder, tmp_path, monkeypatch):
    """Compiling takes a while on a new machine: a stop comes through between two kernels."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    output = tmp_path / "out.h5"
    compiling = CUT + "import hpcpca.kernels as k\nk.WORTH_LOADING = k.WORTH_COMPILING = 0"
    process = start(2, *words(folder, output), inject=compiling)
    while not process.stderr.readline().startswith("compiling kernels"):
        assert process.poll() is None
    os.kill(ranks_of(process)[0], signal.SIGUSR1)
    finish(process).ended(75)
    assert not list((tmp_path / "numba").rglob("dense-*")), "all were compiled first"
    cut(1, "resume", output.with_name("out.h5.ckpt")).ok()


@pytest.mark.once
def test_a_resumed_run_that_is_stopped_at_once_loses_nothing(folder, tmp_path):
    """What its checkpoint holds of a pass is not taken up by then, and stays in it."""
    checkpoint = tmp_path / "out.h5.ckpt"
    command = words(folder, tmp_path / "out.h5", "--operator", "gram")
    stopped(2, *command, after=8, seconds=0.25, number=signal.SIGTERM).ended(75)
    rows, before = finished_rows(checkpoint), checkpoint.read_bytes()
    for _ in range(2):
        told = cut(2, "resume", checkpoint, "--max-time", "0.01s").ended(75)
        assert "--max-time 0.01s is over" in told.stderr
    assert 0 < rows == finished_rows(checkpoint) and checkpoint.read_bytes() == before
    cut(3, "resume", checkpoint).ok()


@pytest.mark.once
def test_groups_that_are_stopped_keep_what_was_finished_before(folder, tmp_path):
    """Groups of a grid need not come equally far in a pass, so nothing new of it is kept; but what
    the run before had finished is.
    """
    checkpoint = tmp_path / "out.h5.ckpt"
    command, finished = words(folder, tmp_path / "out.h5", "--cold"), []
    for grid in ("1x2", "2x1", "2x2"):
        ranks, last = 4 if grid == "2x2" else 2, slice(-1, None)
        pace = {"after": 8, "seconds": 0.25, "to": last, "number": signal.SIGTERM}
        stopped(ranks, *command, "--grid", grid, **pace).ended(75)
        finished.append(finished_rows(checkpoint))
        command = ("resume", checkpoint)
    assert finished[0] > 0 and finished == finished[:1] * 3
    cut(2, "resume", checkpoint, "--grid", "2x1").ok()
    cut(1, "verify", tmp_path / "out.h5", folder / "data").ok()


@pytest.mark.once
def test_stopped_before_a_pass_is_taken_up(folder, tmp_path):
    """What the run before had finished of the pass stays in the checkpoint."""
    output, checkpoint = tmp_path / "out.h5", tmp_path / "out.h5.ckpt"
    command = words(folder, output, "--cold")
    stopped(2, *command, after=190, seconds=0.3, quick=90).ended(75)
    round_, done = stored(checkpoint, "state_round", "state/rows_done")
    inject = """import os, signal, hpcpca.engine.run as r
def build_and_stop(self, build=r.Run._build):
    build(self)
    os.kill(os.getpid(), signal.SIGUSR1)
    while not self.world.interrupt.requested():
        pass
r.Run._build = build_and_stop
"""
    run(1, "resume", checkpoint, inject=inject).ended(75)
    assert round_ > 0 and stored(checkpoint, "state_round") == round_
    np.testing.assert_array_equal(stored(checkpoint, "state/rows_done"), done)
    cut(2, "resume", checkpoint).ok()


@pytest.mark.once
def test_a_resumed_run_that_cannot_write_names_what_it_resumed(folder, tmp_path):
    output, checkpoint = tmp_path / "out.h5", tmp_path / "out.h5.ckpt"
    words = ("-k", K, "-o", output, "--cold", "--max-rounds", 1)
    run(1, "fit", folder / "data", *words).ended(4)
    stopped = ("resume", checkpoint, "--max-rounds", 9, "--max-time", "0.01s")
    told = run(1, *stopped, "--no-checkpoint").ended(4).stderr
    assert f"'hpcpca resume {checkpoint}'" in told and "nothing is left" not in told, told
    full = """import hpcpca.engine.recording as r
from hpcpca.errors import DataError, on_all_ranks
def write(*_):
    raise on_all_ranks(DataError("no room"))
r.write_checkpoint = write
"""
    other = (*stopped, "--checkpoint", tmp_path / "other.ckpt")
    told = run(1, *other, inject=full).ended(3).stderr
    assert f"'hpcpca resume {checkpoint}'" in told and "nothing is left" not in told, told
    run(1, "resume", checkpoint, "--max-rounds", 900).ok()
