"""Builds the parts of a fit and holds the one loop."""

import os
from dataclasses import dataclass, replace

import numpy as np

from ..comm.exchange import Exchange
from ..comm.shared import shm_free
from ..comm.counters import Counters
from ..errors import DataError, Interrupted, NotAchieved, UsageError, on_all_ranks
from ..sources import rows as row_io
from ..sources.random_rows import RowReader
from ..files.hdf5 import require_room
from ..kernels import kernels_for
from ..comm.late import injected
from ..planning.machine import available_memory, node_name
from .breakdown import Semidefinite, finite
from .checkpointing import Checkpointing
from ..methods.state import unmeasured
from .memory import PeakMemory
from .report import Report
from .stopping import CONVERGED, INTERRUPTED, RUNNING, Stagnation, Stopping
from ..operators.gram import negligible
from ..operators.minibatch import MiniBatches
from ..operators.cost import Job
from ..operators.products import ROUNDING
from ..operators.registry import OPERATORS
from ..operators.resources import Resources
from ..operators.team import Team
from ..partition import Grid, parse_grid
from ..planning.plan import choose, most_components, panel_width
from ..planning.rates import cached_rates
from .recording import Recorder, Unbuilt, true
from .starting import beginning, open_data, warmed
from ..units import format_size

LAG, LAG_SECONDS = 3, 1.0  # a rank that works so many times as long as the others, and so much longer, is named
ROUNDING_SHARE = 0.2     # of the tolerance: what residuals leave to rounding
PROBED_FROM = 256 << 20  # bytes of data whose reading takes long enough to be timed
PROBE_BYTES = 48 << 20   # that each rank reads for it


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
    laggard: tuple | None = None  # (rank, node, its seconds of reading and computing, the others' median) where one held up all
    lack: str | None = None  # what was asked for and is not reached
    standing: object = None  # a word for each component, if anything was written


class Fit:
    """One fit: source → operator → method ⇄ exchange → result. All methods are collective."""

    def __init__(self, world, config, say, start=None):
        """``say(text)`` shows a line to the user (root only); ``start`` is the Stored file to go on from."""
        self.world, self.config, self.say, self.start = world, config, say, start
        self.counters, self.memory = Counters(), PeakMemory()
        self.source = world.decide(lambda: open_data(config))
        self.source.tell(say)
        with world.agreed():
            self.injected = injected(config.inject_latency or (), world.rank, world.size, config.seed)
        with world.agreed():
            self._check_against_data()
        self.plan = self._plan()
        self.kernels = kernels_for(self.plan.elements)
        with world.agreed():
            if world.is_root:
                require_room(config.output, 8 * self.source.d * config.components)
        self.team, self.reader = Team(self.threads), RowReader(self.source, self.plan.cache_bytes)
        self.exchange = self.injected.exchange(Exchange(world, self.grid, self.counters))
        self.recorder = Recorder(world, config, self.source, self.exchange, self.counters, self.plan, self.panel, start)
        self.begin = beginning(world, config, self.source, self.exchange, self.panel, start, self.kernels)
        if self.begin.note:
            self.say(self.begin.note)
        self.operator, self.method = Unbuilt(self.source.d, self.begin.is_double, self.begin.exponent), None
        self.state = self.begin.state(self.panel)

    # the one loop

    def run(self, monitors):
        """Iterate until a monitor ends it, or a request to stop; return the ``Outcome``. All but the latter write the result."""
        with self.world.blaming(self.source.change):
            try:
                self._build()
                return self._iterate(monitors)
            except Interrupted as stop:
                return self._stopped(stop)

    def _iterate(self, monitors):
        stopping = Stopping(self.config.tol, self.config.max_rounds, self.config.chosen.orthonormal_to)
        stagnation = Stagnation() if self.config.precision == "auto" else None
        watching = [finite, *self._semidefinite(), self.recorder.history, *monitors, self._checkpointing(), self.memory]
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
        return [Semidefinite(self.operator.total_variance, negligible(self.source.dtype), self.config.is_ritz)]

    # building

    def _check_against_data(self):
        source, config = self.source, self.config
        if self.start is not None:
            self._check_start()
        if config.covariance:
            if source.n != source.d or len(source.parts) != 1:
                raise UsageError(f"--covariance needs one square dataset; {source.parts[0].name} is {source.n} × {source.d}")
        elif source.n < 2:
            raise DataError(f"{source.parts[0].name} has one row only; a covariance needs at least two")
        if (config.batch_rows or 0) > source.n:
            raise UsageError(f"--batch-rows {config.batch_rows}: the data have {source.n} rows; ask for fewer, or leave it out for exact passes")
        most = most_components(config.components, source.n, source.d, config.covariance)
        self.panel = panel_width(config.components, config.guards, most, config.is_ritz)

    def _check_start(self):
        """Raise DataError where a run would go on with other data; say where a file may have changed."""
        parts, stored = self.source.describe(), self.start.source
        if other := other_data(parts, stored):
            raise DataError(f"{self.start.path} belongs to other data: {other}; name its own data with --data, or start a new fit")
        for part, before in zip(parts, stored):
            if part["path"] == before["path"] and (part["size"], part["mtime"]) != (before["size"], before["mtime"]):
                self.say(f"hpcpca: warning: {part['path']} was written to after {self.start.path}: shape, type and a few rows that were compared are the "
                         "same; if others have changed, start anew")

    def _plan(self):
        config, source, world = self.config, self.source, self.world
        alone, needs = f"{world.size}x1" if config.exchange == "window" else None, config.chosen.needs(config)
        asked = world.decide(lambda: parse_grid(config.grid or alone, world.size))
        self.threads = config.threads or world.default_threads()
        job = Job(None if config.covariance else source.n, source.d, source.dtype, self.panel, config.starts_in_double, needs.has_history,
                  world.size, max(world.comm.allgather(world.node.size)), self.threads, asked and asked.shards,
                  config.memory or min(world.comm.allgather(available_memory())),
                  max(part.chunk_rows for part in source.parts) * source.d * source.dtype.itemsize,
                  min(world.comm.allgather(shm_free())), config.tol, self._rates(),
                  needs.panels, needs.own, needs.private, (config.batch_rows or 0) * (config.local_steps or 1) * config.max_rounds)
        operator = "gram" if config.covariance else "mini-batch" if config.batch_rows else config.operator
        plan = world.decide(lambda: choose(job, operator, config.basis))
        self.grid = asked or Grid(world.size // plan.shards, plan.shards)
        self.say(f"data: {source.dataset}, {source.n} × {source.d} {source.dtype} "
                 f"in {len(source.parts)} file(s); "
                 f"{self.panel} vectors ({config.components} components); "
                 f"{world.size} rank(s) × {self.threads} thread(s), "
                 f"grid {self.grid.groups}x{self.grid.shards}")
        self.say(f"operator: {plan.reason}")
        return plan

    def _rates(self):
        """Rates of this machine; where the choice of an operator depends on it, all ranks read a piece of their shard to see how fast."""
        world, source = self.world, self.source
        rates = world.decide(cached_rates)
        if self.config.operator != "auto" or self.config.covariance or self.config.batch_rows or source.bytes < PROBED_FROM:
            return rates
        with world.agreed():
            seconds, count = row_io.seconds_to_read(source, world.size, world.rank, PROBE_BYTES)
        self.counters.reads += world.comm.allreduce(count) / source.bytes
        on_node = world.node.allreduce(count) / max([1e-9, *world.node.allgather(seconds)])
        return replace(rates, read=max(1.0, min(world.comm.allgather(on_node))))

    def _build(self):
        """The operator, which may take reading all data, and the method."""
        config = self.config
        self._warm_up()
        self.operator = self.injected.operator(self._operator())
        self.begin.unfinished = None  # the operator has it
        if config.precision == "auto" and not self.operator.is_double and self.operator.rounding > max(ROUNDING[False], ROUNDING_SHARE * config.tol):
            self.say(f"rounding in single precision, {self.operator.rounding:.1e}, is too near the tolerance: going on in double")
            self.operator.to_double()
        self.method = self._method()
        if lacking := self.world.comm.allreduce(self.exchange.bytes_not_shared()):
            self.say(f"/dev/shm is too small for what ranks of a node share: one copy per rank, {format_size(lacking)} over all; "
                     "give it more room (--shm-size of containers), or use fewer ranks and more threads")

    def _method(self):
        config, parts = self.config, (self.exchange, self.panel, self.config, self.plan.basis)
        if not config.batch_rows:
            return config.chosen.build(self.operator, *parts)
        batches = MiniBatches(self.reader.rows, self.operator, config.batch_rows, config.seed, self.exchange, self.counters, self.team)
        return config.chosen.build(self.operator, *parts, batches, self.source.n)

    def _warm_up(self):
        """Have the kernels compiled, by one rank of each node."""
        kernels, dtype, interrupt = self.kernels, self.source.dtype, self.world.interrupt

        def compiled():
            self.say("compiling kernels for this kind of processor, once: a quarter of a minute or so")
            kernels.warm_up(dtype, interrupt.requested)

        self.world.first_on_node(lambda: kernels.is_warm(dtype), compiled)
        interrupt.stop_if(interrupt.requested())

    def _operator(self):
        name = "covariance" if self.config.covariance else self.plan.operator
        resources = Resources(self.source, self.exchange, self.counters, self.kernels, self.team, self.config.seed)
        return OPERATORS[name].load(resources, self.config.starts_in_double, self.plan, self.begin)

    def _check_range(self):
        variance = true(self.operator.total_variance, self.operator)
        if not (np.isfinite(variance) and variance > 1e-300):
            raise DataError(f"the data's variance (2^{self.operator.exponent} times {self.operator.total_variance:.3g}) is outside of float64's "
                            "range; multiply the data by a constant first")

    # starting

    def _initial_state(self):
        """The first state with images: what a run that was stopped knew, or a first round from the start vectors."""
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
        again = begin.round > 0 and not method.measures_at_once  # the round that gave these vectors, which has to be measured again
        state = method.initialize(vectors, None, begin.round - again, begin.memory)
        if begin.pending and begin.images is None:
            state = method.take_up(state, *begin.pending)
        return state if method.measures_at_once else method.step(state)

    def _warmed(self, vectors):
        """Better start vectors from a sample, where that is wanted and pays."""
        found = None
        if self.plan.operator != "gram" and self.config.warm_start is not False:
            found = warmed(self.method, self.operator, self.source, self.exchange, self.config.seed, vectors)
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
        return Checkpointing(self.config.cadence(), lambda report: self.recorder.checkpoint(report, self.operator, RUNNING), self.say)

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
            raise on_all_ranks(NotAchieved(f"interrupted ({stop}) before the first round was over; without checkpoints nothing is left"))
        return self._outcome(INTERRUPTED, report, str(stop))

    def _last_checkpoint(self, report, stop):
        path = self.config.checkpoint_path
        try:
            self.recorder.checkpoint(report, self.operator, INTERRUPTED, stop)
        except DataError as error:
            is_left = self.world.decide(lambda: os.path.exists(path))
            raise on_all_ranks(DataError(f"interrupted ({stop}), and {error}; " + (
                f"make room and go on from the checkpoint before it with 'hpcpca resume {path}'" if is_left else
                "make room and start again: nothing is left of this run"))) from error

    def _outcome(self, name, report, reason=None):
        return Outcome(name, report, self.plan, self.panel, self._peak_memory(), self.config.output, self.config.checkpoint_path,
                       self.counters.split(), reason, self.recorder.change, self._laggard(), standing=self.recorder.standing)

    def _laggard(self):
        """The rank that the others waited for, where there is one."""
        split = self.counters.split()
        found = self.world.comm.allgather((split.get("read", 0.0) + split.get("apply", 0.0), self.world.rank, node_name()))
        seconds, rank, node = max(found)
        others = sorted(each[0] for each in found)[:-1]
        typical = float(np.median(others)) if others else seconds
        return (rank, node, seconds, typical) if seconds > LAG * typical and seconds - typical > LAG_SECONDS else None

    def _peak_memory(self):
        """Largest sum of its ranks' shares over the nodes, in bytes."""
        on_node = self.world.node.allreduce(self.memory.look())
        return max(self.world.comm.allgather(on_node))

    def close(self):
        """Release what MPI holds, and BLAS."""
        self.exchange.free()
        self.team.close()
        self.reader.close()


def other_data(described, stored):
    """What differs between two descriptions of a source beside paths and times, or None."""
    if len(described) != len(stored):
        return f"{len(described)} files instead of {len(stored)}"
    for part, before in zip(described, stored):
        for key in ("dataset", "rows", "columns", "dtype"):
            if part[key] != before[key]:
                return f"{part['path']} has {key} {part[key]} instead of {before[key]}"
        if part["content"] != before["content"]:
            return f"{part['path']} holds other values"
    return None
