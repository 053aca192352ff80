"""The one loop, and how it ends."""

import os
from dataclasses import dataclass, replace

import numpy as np

from ..errors import DataError, Interrupted, NotAchieved, on_all_ranks
from ..methods.state import unmeasured
from ..operators.gram import negligible
from ..planning.machine import node_name
from .breakdown import Semidefinite, finite
from .checkpointing import Checkpointing
from .preparation import Prepared
from .report import Report
from .starting import warmed
from .stopping import CONVERGED, INTERRUPTED, RUNNING, Stagnation, Stopping

LAG, LAG_SECONDS = (
    3,
    1.0,
)  # a rank that works so many times as long as the others, and so much longer, is named
ROUNDING_SHARE = 0.2  # of the tolerance: what residuals leave to rounding
PROBED_FROM = 256 << 20  # bytes of data whose reading takes long enough to be timed
PROBE_BYTES = 48 << 20  # that each rank reads for it


@dataclass
class Outcome:
    """What a fit ended with; ``report`` is the last round's."""

    name: str
    report: Report
    plan: object
    panel: int
    peak_memory: int
    result_path: str
    checkpoint_path: str | None
    seconds: dict
    reason: str | None = None  # why it was stopped
    changed: str | None = None  # what happened to the data in the meantime
    # (rank, node, its seconds of reading and computing, the others' median) where one held up all
    laggard: tuple | None = None
    lack: str | None = None  # what was asked for and is not reached
    standing: object = None  # a word for each component, if anything was written


class Fit(Prepared):
    """One fit: source → operator → method ⇄ exchange → result. All methods are collective."""

    # the one loop

    def run(self, monitors):
        """Iterate until a monitor ends it, or a request to stop; return the ``Outcome``.

        All but the latter write the result.
        """
        with self.world.blaming(self.source.change):
            try:
                self._build()
                return self._iterate(monitors)
            except Interrupted as stop:
                return self._stopped(stop)

    def _iterate(self, monitors):
        stopping = Stopping(
            self.config.tol, self.config.max_rounds, self.config.chosen.orthonormal_to
        )
        stagnation = Stagnation() if self.config.precision == "auto" else None
        watching = [
            finite,
            *self._semidefinite(),
            self.recorder.history,
            *monitors,
            self._checkpointing(),
            self.memory,
        ]
        state = self._initial_state()
        self.begin.release()
        with self.world.agreed():
            self._check_range()
        while True:
            self.state, report = state, self.recorder.report(state, self.operator, self.method)
            for monitor in watching:
                monitor(report)
            outcome = stopping(report)
            if stagnation and stagnation(report, outcome):
                state = self._in_double(state, stagnation.why)
            elif outcome:
                return replace(self._finish(outcome, report), lack=stopping.lack)
            else:
                self.world.interrupt.stop_if_agreed()
                state = self.method.step(state)

    def _semidefinite(self):
        if not self.config.covariance:
            return []
        return [
            Semidefinite(
                self.operator.total_variance, negligible(self.source.dtype), self.config.is_ritz
            )
        ]

    # starting

    def _initial_state(self):
        """The first state with images: what a run that was stopped knew, or a first round from
        the start vectors.
        """
        begin, method, operator = self.begin, self.method, self.operator
        known = operator.total_variance is not None  # streaming learns it, and the mean, on a pass
        if begin.images is not None and known and begin.is_double >= operator.is_double:
            images = np.ldexp(begin.images, begin.exponent - operator.exponent)
            state = method.initialize(begin.vectors, images, begin.round, begin.memory)
            return method.take_up(state, *begin.pending) if begin.pending else state
        vectors = begin.vectors
        if not begin.is_warm and not begin.pending and not method.measures_at_once:
            vectors = self._warmed(vectors)
        self.state = unmeasured(begin.round, vectors, self.panel)  # what a stop in this pass leaves
        again = (
            begin.round > 0 and not method.measures_at_once
        )  # the round that gave these vectors, which has to be measured again
        state = method.initialize(vectors, None, begin.round - again, begin.memory)
        if begin.pending and begin.images is None:
            state = method.take_up(state, *begin.pending)
        return state if method.measures_at_once else method.step(state)

    def _warmed(self, vectors):
        """Better start vectors from a sample, where that is wanted and pays."""
        found = None
        if self.plan.operator != "gram" and self.config.warm_start is not False:
            found = warmed(
                self.method, self.operator, self.source, self.exchange, self.config.seed, vectors
            )
        if found is None and self.config.warm_start:
            self.say("cold start: a sample would not be worth its cost here")
        return vectors if found is None else found

    def _in_double(self, state, why):
        self.say(f"{why}: going on in double")
        self.operator.to_double()
        self.state = unmeasured(state.round, state.vectors, self.panel)
        try:
            return self.method.remeasure(state)
        except Interrupted as stop:
            stop.unfinished = None  # it is of the whole basis, which a checkpoint has not
            raise

    # reporting and writing

    def _checkpointing(self):
        if self.config.checkpoint_path is None:
            return lambda report: None
        return Checkpointing(
            self.config.cadence(),
            lambda report: self.recorder.checkpoint(report, self.operator, RUNNING),
            self.say,
        )

    def _finish(self, name, report):
        if self.config.checkpoint_path and name != CONVERGED:
            self.recorder.checkpoint(report, self.operator, name)
        self.recorder.result(report, self.operator, name, name == CONVERGED)
        return self._outcome(name, report)

    def _stopped(self, stop):
        """Write a checkpoint of what there is; without checkpoints, the result so far."""
        report = self.recorder.report(self.state, self.operator, self.method)
        if self.config.checkpoint_path:
            self._last_checkpoint(report, stop)
        elif self.state.round > self.begin.round:
            self.recorder.result(report, self.operator, INTERRUPTED, False)
        else:
            raise on_all_ranks(
                NotAchieved(
                    f"interrupted ({stop}) before the first round was over; without checkpoints"
                    " nothing is left"
                )
            )
        return self._outcome(INTERRUPTED, report, str(stop))

    def _last_checkpoint(self, report, stop):
        path = self.config.checkpoint_path
        try:
            self.recorder.checkpoint(report, self.operator, INTERRUPTED, stop)
        except DataError as error:
            is_left = self.world.decide(lambda: os.path.exists(path))
            raise on_all_ranks(
                DataError(
                    f"interrupted ({stop}), and {error}; "
                    + (
                        "make room and go on from the checkpoint before it with 'hpcpca resume"
                        f" {path}'"
                        if is_left
                        else "make room and start again: nothing is left of this run"
                    )
                )
            ) from error

    def _outcome(self, name, report, reason=None):
        return Outcome(
            name,
            report,
            self.plan,
            self.panel,
            self._peak_memory(),
            self.config.output,
            self.config.checkpoint_path,
            self.counters.split(),
            reason,
            self.recorder.change,
            self._laggard(),
            standing=self.recorder.standing,
        )

    def _laggard(self):
        """The rank that the others waited for, where there is one."""
        split = self.counters.split()
        found = self.world.comm.allgather(
            (split.get("read", 0.0) + split.get("apply", 0.0), self.world.rank, node_name())
        )
        seconds, rank, node = max(found)
        others = sorted(each[0] for each in found)[:-1]
        typical = float(np.median(others)) if others else seconds
        return (
            (rank, node, seconds, typical)
            if seconds > LAG * typical and seconds - typical > LAG_SECONDS
            else None
        )

    def _peak_memory(self):
        """Largest sum of its ranks' shares over the nodes, in bytes."""
        on_node = self.world.node.allreduce(self.memory.look())
        return max(self.world.comm.allgather(on_node))
