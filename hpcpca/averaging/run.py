"""One run of ``compress``: rounds until all matrices are as asked for, files."""

from dataclasses import replace

import numpy as np

from ..engine.own_loop import LoopReport, OwnLoop, history_of
from ..engine.settings import SMALLEST_SINGLE_TOL
from ..engine.stopping import CONVERGED
from ..units import format_size
from . import feedback, result
from .iteration import Iteration, State, random_start
from .shard import Shard


class Run(OwnLoop):
    """Files → means ⇄ exchange → factors. All methods are collective."""

    iteration: Iteration
    is_held: bool

    def _needed(self, context, allowed):
        world, config = self.world, self.config
        is_double = config.steps is None and config.tol < SMALLEST_SINGLE_TOL
        self.shards = [
            Shard(each, world.rank, world.size, is_double) for each in context.data.matrices
        ]
        vectors = sum(
            3 * shard.matrix.shape[1] + 2 * (shard.stop - shard.first) for shard in self.shards
        )
        others = max((each[0].count for each in context.data.others), default=0)
        always = (
            8 * (config.rank + config.guards) * vectors
            + max((shard.reading_bytes for shard in self.shards), default=0)
            + (16 * others if world.is_root else 0)
        )
        held = sum(shard.held_bytes for shard in self.shards)
        always, whole = (
            max(world.comm.allgather(world.node.allreduce(count)))
            for count in (always, always + held)
        )
        self.is_held = whole <= allowed
        if config.error_feedback and not self.is_held:
            return whole, (
                f"--error-feedback takes the means in memory, {format_size(whole)} per node, and"
                f" {format_size(allowed)} may be used; give more with --memory, or use more nodes"
            )
        if always <= allowed:
            return (whole if self.is_held else always), None
        return always, (
            f"{format_size(always)} of memory are needed per node, {format_size(allowed)} may be"
            " used; give more with --memory, use more nodes, or ask for a lower rank"
        )

    def _told_of(self, context):
        config = self.config
        until = f"{config.steps} steps" if config.steps else f"tol {config.tol:g}"
        return f"rank {config.rank}, {until}, rows {'held' if self.is_held else 'streamed'}"

    def _result_bytes(self, context):
        return 8 * context.data.kept

    def _begun(self):
        context, config, start = self.context, self.config, self.context.start
        self.others = result.averaged(context)
        self.iteration = Iteration(self.shards, context.exchange, context.counters)
        self.iteration.scale()
        if self.is_held:
            self.iteration.hold()
        if config.error_feedback:
            feedback.add_owed(self.world, config.error_feedback, self.shards)
        if start is None:
            columns = config.rank + config.guards
            vectors = [random_start(each, columns, config.seed) for each in context.data.matrices]
            return self._step(State(0, vectors))
        self.history = history_of(start)
        names = [each.name for each in context.data.matrices]
        return self._step(result.taken_up(start, names))

    def _step(self, state):
        return self.iteration.step(state)

    def _report(self, state, seconds):
        found = state.found
        return LoopReport(
            state=state,
            counters=self.context.counters,
            components=sum(len(each.residuals) for each in found),
            seconds=seconds,
            eigenvalues=np.concatenate([result.shares_of(each) for each in found] or [np.zeros(0)]),
            residuals=np.concatenate([each.residuals for each in found] or [np.zeros(0)]),
            tol=self.config.tol,
            loss=result.whole_error(found, self.shards),
        )

    def _lack(self, state):
        if self.config.steps is not None:
            left = self.config.steps - state.round
            return f"{left} of {self.config.steps} steps are left" if left > 0 else None
        for matrix, found in zip(self.context.data.matrices, state.found):
            worst = int(found.residuals.argmax())
            residual = found.residuals[worst]
            if not residual <= self.config.tol:
                return (
                    f"pair {worst} of {matrix.name} has residual {residual:.1e}, asked for"
                    f" {self.config.tol:.3g}"
                )
        return None

    def _finish(self, name):
        state = self.iteration.measured(self.report.state)
        self.report = replace(
            self.report, state=state, loss=result.whole_error(state.found, self.shards)
        )
        self.history[-1] = (*self.history[-1][:2], self.report.loss)
        for line in result.told(self.context.data, state.found, self.report.loss):
            self.say(line)
        outcome = super()._finish(name)
        if path := self.config.error_feedback:
            if name == CONVERGED:
                found = self.report.state.found
                feedback.write_owed(self.world, path, self.shards, found, self.context.data)
                self.say(f"owed: {path}")
            else:
                self.say(f"{path} stays as it was, until the run has converged")
        return replace(outcome, ended=self._called(name))

    def _called(self, name):
        """What that end is called, if it is one of a run by steps."""
        return "steps taken" if self.config.steps is not None and name == CONVERGED else None

    def _content(self, kind, outcome):
        outcome = self._called(outcome) or outcome
        attributes = result.root_attributes(kind, self, outcome)
        return attributes, result.arrays(self)

    def _kept(self):
        names = [each.name for each in self.context.data.matrices]
        return result.state_arrays(names, self.report.state)
