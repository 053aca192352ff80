"""A run with a loop of its own, whose state is not one sorted list of eigenpairs: of many modules,
of many matrices. Its files, stops and reports are as of every other run.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..comm.counters import Counters
from ..comm.exchange import Exchange
from ..errors import DataError, Interrupted, NotAchieved, UsageError, on_all_ranks
from ..files.checkpoint import remove_checkpoint, write_checkpoint, write_result
from ..files.formats import CHECKPOINT, RESULT
from ..files.hdf5 import require_room
from ..operators.cost import Rates
from ..operators.team import Team
from ..partition import Grid
from ..units import format_size
from .checkpointing import checkpointing, left_by
from .machine import machine_of
from .memory import PeakMemory
from .outcome import Outcome, laggard, peak_memory
from .preparation import check_start
from .problem import Context
from .starting import own_files
from .stopping import CONVERGED, INTERRUPTED, MAX_ROUNDS, RUNNING

COUNTS = ("passes", "reads", "applications", "bytes_exchanged")


@dataclass(frozen=True)
class LoopReport:
    """A round's figures for monitors; pairs are numbered over all modules or matrices."""

    state: object
    counters: Counters
    components: int  # pairs
    seconds: float  # since the start
    eigenvalues: np.ndarray  # over the largest of the module or matrix
    residuals: np.ndarray
    tol: float
    loss: float  # what is made small
    is_double: bool = True

    @property
    def goals(self):
        """What the residuals have to reach."""
        return np.full(self.components, self.tol)


class OwnLoop(ABC):
    """State → state until nothing is lacking. All methods are collective.

    A problem's loop has ``_needed``, ``_told_of``, ``_result_bytes``, ``_begun``, ``_step``,
    ``_report``, ``_lack``, ``_content`` and ``_kept``. States have a ``round``.
    """

    def __init__(self, problem, world, say, start=None):
        """``say(text)`` shows a line to the user (root only); ``start`` is the Stored file of the
        run that is resumed.
        """
        self.problem, self.config, self.world, self.say = problem, problem.config, world, say
        self.memory = PeakMemory()
        self.context = self._prepared(start)
        self.report = self.changed = None
        self.history = []  # (round, pairs, loss)
        self.before = {
            name: start.attributes.get(name, 0) if start else 0 for name in (*COUNTS, "seconds")
        }
        self.checkpoint_seconds = 0.0

    @property
    def recorder(self):
        """What knows how long a checkpoint takes to write."""
        return self

    def _prepared(self, start):
        """The ``Context``: data that are looked at, threads, exchange."""
        config, world = self.config, self.world
        context = Context(world, config, self.say, start, Counters(), injected=None)
        context.data = world.decide(lambda: self.problem.open(own_files(config)))
        with world.agreed():
            if start is not None:
                check_start(context.data.describe(), start, self.say)
            self.problem.check(context.data)
            context.data.tell(self.say)
        context.threads = config.threads or world.default_threads()
        needed, remedy = self._needed(context, machine_of(context, Rates()).memory)
        if remedy:
            raise on_all_ranks(UsageError(remedy))
        self.say(
            f"data: {context.data.title}; {self._told_of(context)};"
            f" {world.size} rank(s) × {context.threads} thread(s); needs {format_size(needed)} per"
            " node"
        )
        with world.agreed():
            if world.is_root:
                require_room(config.output, self._result_bytes(context))
        context.team = Team(context.threads)
        context.exchange = Exchange(world, Grid(world.size, 1), context.counters)
        return context

    # what a problem has to say

    @abstractmethod
    def _needed(self, context, allowed):
        """Return bytes needed per node and, if they are more than ``allowed``, a line that says
        so; before anything is read.
        """

    @abstractmethod
    def _told_of(self, context):
        """Return what is asked for, in words."""

    @abstractmethod
    def _result_bytes(self, context):
        """Return about how large the result is."""

    @abstractmethod
    def _begun(self):
        """Return the first state: from the seed, or what a run that was stopped knew."""

    @abstractmethod
    def _step(self, state):
        """Return the state after another round."""

    @abstractmethod
    def _report(self, state, seconds):
        """Return the ``LoopReport`` of a round."""

    @abstractmethod
    def _lack(self, state):
        """Return what is missing from what was asked for, in words, or None."""

    @abstractmethod
    def _content(self, kind, outcome):
        """Return ({attribute: value}, {dataset: array or Rows}) of a result or checkpoint."""

    @abstractmethod
    def _kept(self):
        """Return {dataset: array} that only checkpoints have."""

    # the loop

    def run(self, monitors):
        """Go on until ``_ended`` names an outcome, or a stop is requested; return the ``Outcome``.

        The result is written. A stop leaves a checkpoint; without checkpoints, the result so far.
        """
        with self.world.blaming(self.context.data.change):
            try:
                state, told = self._begun(), [*monitors, *self._checkpoints(), self.memory]
                while True:
                    self._tell(state, told)
                    if outcome := self._ended(state):
                        return self._finish(outcome)
                    self.world.interrupt.stop_if_agreed()
                    state = self._step(state)
            except Interrupted as stop:
                return self._stopped(stop)

    def _tell(self, state, told):
        """Make the round's report, and show it to all who are ``told``."""
        clock = self.context.exchange.from_root(
            lambda: [np.array([self.context.counters.elapsed()])], 1
        )
        self.report = self._report(state, float(clock[0][0]) + self.before["seconds"])
        if self.history and self.history[-1][0] == state.round:  # where an earlier run stopped
            self.history.pop()
        self.history.append((state.round, self.report.components, self.report.loss))
        for each in told:
            each(self.report)

    def _ended(self, state):
        """The outcome, or None to go on."""
        if state.round and self._lack(state) is None:
            return CONVERGED
        return MAX_ROUNDS if state.round >= self.config.max_rounds else None

    # files

    def counts(self):
        """Return {name: count} of all runs so far, for attributes."""
        counters = self.context.counters
        return {name: getattr(counters, name) + self.before[name] for name in COUNTS}

    def _checkpoints(self):
        return checkpointing(
            self.config, lambda _: self._checkpoint(RUNNING), self.say, self.before["seconds"]
        )

    def _contents(self, kind, outcome):
        self.changed = self.world.decide(self.context.data.change)
        attributes, arrays = self._content(kind, outcome)
        return attributes | {"changed": self.changed or ""}, arrays | history_arrays(self.history)

    def _checkpoint(self, outcome, reason=""):
        begun = perf_counter()
        attributes, arrays = self._contents(CHECKPOINT, outcome)
        arrays |= self._kept()
        attributes["reason"] = reason
        write_checkpoint(self.world, self.config.checkpoint_path, attributes, arrays)
        self.checkpoint_seconds = max(self.checkpoint_seconds, perf_counter() - begun)

    def _write(self, outcome):
        write_result(self.world, self.config.output, *self._contents(RESULT, outcome))

    def _finish(self, name):
        path = self.config.checkpoint_path
        if path and name != CONVERGED:
            self._checkpoint(name)
        self._write(name)
        if path and name == CONVERGED:
            self.world.decide(lambda: remove_checkpoint(path))
        return self._outcome(name, lack=self._lack(self.report.state))

    def _stopped(self, stop):
        """Write a checkpoint of what there is; without checkpoints, the result so far."""
        path, text = self.config.checkpoint_path, f"interrupted ({stop})"
        if self.report is None or not (path or self.report.state.round):
            left = left_by(self.context)
            raise on_all_ranks(
                Interrupted(f"{text} while reading; go on with 'hpcpca resume {left}'")
                if left
                else NotAchieved(f"{text} before the first round; nothing is left: start again")
            )
        if not path:
            self._write(INTERRUPTED)
            return self._outcome(INTERRUPTED, reason=str(stop))
        try:
            self._checkpoint(INTERRUPTED, str(stop))
        except DataError as error:
            left = left_by(self.context)
            remedy = f"go on with 'hpcpca resume {left}'" if left else "make room, and start again"
            raise on_all_ranks(DataError(f"{text}, and {error}; {remedy}")) from error
        return self._outcome(INTERRUPTED, reason=str(stop))

    def _outcome(self, name, reason=None, lack=None):
        seconds = self.context.counters.split()
        return Outcome(
            name=name,
            report=self.report,
            plan=None,
            panel=self.report.components,
            peak_memory=peak_memory(self.world, self.memory.look()),
            result_path=self.config.output,
            checkpoint_path=self.config.checkpoint_path,
            seconds=seconds,
            reason=reason,
            changed=self.changed,
            laggard=laggard(self.world, seconds),
            lack=lack,
        )

    def close(self):
        """Release what MPI holds, and BLAS."""
        self.context.exchange.free()
        self.context.team.close()


def history_arrays(history):
    """Return {dataset: array} of what rounds were like: [(round, pairs, loss)]."""
    columns = np.array(history, dtype=float).reshape(-1, 3).T
    return {
        "history/round": columns[0].astype(int),
        "history/pairs": columns[1].astype(int),
        "history/loss": columns[2],
    }


def history_of(stored):
    """The inverse of ``history_arrays``."""
    columns = (stored.arrays[f"history/{name}"].tolist() for name in ("round", "pairs", "loss"))
    return list(zip(*columns))
