"""The one loop, and how it ends."""

import os
from dataclasses import replace

import numpy as np

from ..errors import DataError, Interrupted, NotAchieved, on_all_ranks
from ..methods.state import unmeasured
from ..operators.products import ROUNDING
from ..units import format_size
from .breakdown import finite
from .checkpointing import checkpointing, left_by
from .content import Unbuilt
from .memory import PeakMemory
from .outcome import Outcome, laggard, peak_memory
from .preparation import prepare
from .recording import Recorder
from .starting import begin
from .stopping import CONVERGED, INTERRUPTED, RUNNING, Stagnation, Stopping

ROUNDING_SHARE = 0.2  # of the tolerance: what residuals leave to rounding


class Run:
    """One run of a problem: operator → method ⇄ exchange → result. All methods are collective."""

    def __init__(self, problem, world, say, start=None):
        """``say(text)`` shows a line to the user (root only); ``start`` is the Stored file of the
        run that is resumed.
        """
        self.problem, self.world, self.config, self.say = problem, world, problem.config, say
        self.memory = PeakMemory()
        self.context = prepare(problem, world, say, start)
        self.recorder = Recorder(problem, self.context)
        self.beginning = begin(problem, self.context)
        self.recorder.search = self.beginning.search
        if self.beginning.note:
            say(self.beginning.note)
        self.operator, self.method = (
            Unbuilt(self.context.data.d, self.beginning.is_double, self.beginning.exponent),
            None,
        )
        self.state = self.beginning.state(self.context.panel)

    # the one loop

    def run(self, monitors):
        """Iterate until ``Stopping`` names an outcome, or a stop is requested; return the
        ``Outcome``.

        The result is written. A stop leaves a checkpoint; without checkpoints, the result so far.
        """
        with self.world.blaming(self.context.data.change):
            try:
                self._build()
                return self._iterate(monitors)
            except Interrupted as stop:
                return self._stopped(stop)

    def _iterate(self, monitors):
        stopping, stagnation, watching = self._watching(monitors)
        state = self._initial_state()
        self.beginning.release()
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

    def _watching(self, monitors):
        """Who ends the run, who says that single precision is not enough, and who is told."""
        config = self.config
        kept = getattr(config, "kept", 0)
        stopping = Stopping(config.tol, config.max_rounds, config.chosen.orthonormal_to, kept)
        stagnation = Stagnation() if config.precision == "auto" else None
        checks = [*self.problem.monitors(self.operator), finite]
        told = [self.recorder.history, *monitors, *self._checkpoints(), self.memory]
        return stopping, stagnation, checks + told

    # starting

    def _build(self):
        """The operator, which may take reading all data, and the method."""
        context, config = self.context, self.config
        operator = self.problem.operator(context, self.beginning.resumed)
        self.operator = context.injected.operator(operator)
        self.beginning.resumed = None  # the operator has it
        if (
            config.precision == "auto"
            and not self.operator.is_double
            and self.operator.rounding > max(ROUNDING[False], ROUNDING_SHARE * config.tol)
        ):
            self.say(
                f"rounding in single precision, {self.operator.rounding:.1e}, is too near the"
                " tolerance: going on in double"
            )
            self.operator.to_double()
        self.method = self.problem.method(context, self.operator)
        if lacking := self.world.comm.allreduce(context.exchange.bytes_not_shared()):
            self.say(
                "/dev/shm is too small for what ranks of a node share: one copy per rank,"
                f" {format_size(lacking)} over all; give it more room (--shm-size of containers),"
                " or use fewer ranks and more threads"
            )

    def _initial_state(self):
        """The first state with images: what a run that was stopped knew, or a first round from
        the start vectors.
        """
        beginning, method, operator = self.beginning, self.method, self.operator
        known = self.problem.is_measured(operator)
        if beginning.images is not None and known and beginning.is_double >= operator.is_double:
            images = np.ldexp(beginning.images, beginning.exponent - operator.exponent)
            state = method.initialize(beginning.vectors, images, beginning.round, beginning.memory)
            return method.take_up(state, *beginning.pending) if beginning.pending else state
        vectors = beginning.vectors
        if not beginning.is_warm and not beginning.pending and not method.measures_at_once:
            better = self.problem.better_start(self.context, method, operator, vectors)
            vectors = vectors if better is None else better
        # what a stop in this pass leaves
        self.state = unmeasured(beginning.round, vectors, self.context.panel)
        # the round that gave these vectors has to be measured again
        again = beginning.round > 0 and not method.measures_at_once
        state = method.initialize(vectors, None, beginning.round - again, beginning.memory)
        if beginning.pending and beginning.images is None:
            state = method.take_up(state, *beginning.pending)
        return state if method.measures_at_once else method.step(state)

    def _in_double(self, state, why):
        self.say(f"{why}: going on in double")
        self.operator.to_double()
        self.state = unmeasured(state.round, state.vectors, self.context.panel)
        try:
            return self.method.remeasure(state)
        except Interrupted as stop:
            stop.unfinished = None  # it is of the whole basis, which a checkpoint has not
            raise

    # writing

    def _checkpoints(self):
        return checkpointing(
            self.config,
            lambda report: self.recorder.checkpoint(report, self.operator, RUNNING),
            self.say,
            self.recorder.seconds_before,
        )

    def _finish(self, name, report):
        """Write the result, and a checkpoint if the run may go on. Without room for that, the
        result alone.
        """
        is_left = bool(self.config.checkpoint_path) and name != CONVERGED
        if is_left:
            try:
                self.recorder.checkpoint(report, self.operator, name)
            except DataError as error:
                self.say(f"warning: checkpoint not written: {error}; the result is to go on from")
                is_left = False
        try:
            self.recorder.result(report, self.operator, name, name == CONVERGED)
        except DataError as error:
            raise on_all_ranks(DataError(f"{name}, but {error}; {self._remedy()}")) from error
        outcome = self._outcome(name, report)
        return outcome if is_left else replace(outcome, checkpoint_path=None)

    def _stopped(self, stop):
        """Write a checkpoint of what there is; without checkpoints, the result so far."""
        if stop.unfinished is None and self.state.round == self.beginning.round:
            stop.unfinished = getattr(self.operator, "unfinished", None)  # not taken up yet
        report = self.recorder.report(self.state, self.operator, self.method)
        if self.config.checkpoint_path:
            self._last_checkpoint(report, stop)
        elif self.state.round > self.beginning.round:
            self.recorder.result(report, self.operator, INTERRUPTED, False)
        else:
            left = left_by(self.context)
            told = (
                f"it wrote nothing; begin it again with 'hpcpca resume {left}'"
                if left
                else "without checkpoints nothing is left"
            )
            raise on_all_ranks(
                NotAchieved(f"interrupted ({stop}) before its first round was over; {told}")
            )
        return self._outcome(INTERRUPTED, report, str(stop))

    def _last_checkpoint(self, report, stop):
        if self._has_only_what_it_resumed(stop):
            self.recorder.judged(report)
            return
        try:
            self.recorder.checkpoint(report, self.operator, INTERRUPTED, stop)
        except DataError as error:
            told = f"interrupted ({stop}), and {error}; {self._remedy()}"
            raise on_all_ranks(DataError(told)) from error

    def _remedy(self):
        """What to do if nothing more could be written."""
        left = left_by(self.context)
        if not left:
            return "make room and start again: nothing is left of this run"
        return f"make room and go on from what was written before with 'hpcpca resume {left}'"

    def _has_only_what_it_resumed(self, stop):
        """Whether a resumed run was stopped before it knew more than its checkpoint, which may
        hold a pass that is not taken up yet.
        """
        start, path = self.context.start, self.config.checkpoint_path
        return (
            isinstance(self.operator, Unbuilt)
            and stop.unfinished is None
            and start is not None
            and start.is_checkpoint
            and os.path.realpath(start.path) in map(os.path.realpath, (path, path + ".1"))
        )

    def _outcome(self, name, report, reason=None):
        context, config = self.context, self.config
        seconds = context.counters.split()
        return Outcome(
            name=name,
            report=report,
            plan=context.plan,
            panel=context.panel,
            peak_memory=peak_memory(self.world, self.memory.look()),
            result_path=config.output,
            checkpoint_path=config.checkpoint_path,
            seconds=seconds,
            reason=reason,
            changed=self.recorder.change,
            laggard=laggard(self.world, seconds),
            standing=self.recorder.standing,
            kept=self.recorder.kept,
        )

    def close(self):
        """Release what MPI holds, and BLAS."""
        self.context.exchange.free()
        self.context.team.close()
        self.problem.close()
