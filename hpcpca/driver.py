"""Builds the parts of a fit and holds the one loop."""

import json
from dataclasses import dataclass, replace

import numpy as np

from .comm.exchange import Exchange
from .comm.shared import shm_free
from .config import FitConfig
from .counters import Counters
from .errors import DataError, UsageError, on_all_ranks
from .io import rows as row_io
from .io.checkpoint import remove_checkpoint, write_checkpoint, write_result
from .io.result import Content
from .io.source import open_source
from .kernels import kernels_for
from .machine import available_memory
from .methods.registry import METHODS, ORTHONORMAL_TO
from .methods.warm_start import sampled_rows, warm_start
from .monitors.breakdown import finite
from .monitors.checkpointing import Checkpointing
from .monitors.history import History
from .monitors.memory import PeakMemory
from .monitors.report import Report
from .monitors.stopping import CONVERGED, Stagnation, Stopping
from .operators import loading
from .operators.products import ROUNDING
from .operators.team import Team
from .partition import Grid
from .plan import Job, choose, panel_width
from .rates import cached_rates
from .rng import unit_vectors
from .units import format_size

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


class Fit:
    """One fit: source → operator → method ⇄ exchange → result. All methods are collective."""

    def __init__(self, world, config, say, start=None):
        """``say(text)`` shows a line to the user (root only); ``start`` is the Stored file to go on from."""
        self.world, self.config, self.say, self.start = world, config, say, start
        self.counters, self.memory = Counters(), PeakMemory()
        self.source = world.decide(lambda: open_source(config.data))
        with world.agreed():
            self._check_against_data()
        self.plan = self._plan()
        self.kernels = kernels_for(self.plan.elements)
        world.first_on_node(lambda: self.kernels.is_warm(self.source.dtype), lambda: self.kernels.warm_up(self.source.dtype))
        self.team = Team(self.threads)
        self.exchange = Exchange(world, self.grid, self.counters)
        self.operator = self._operator()
        if config.precision == "auto" and not self.operator.is_double and self.operator.rounding > max(ROUNDING[False], ROUNDING_SHARE * config.tol):
            self.say(f"rounding in single precision, {self.operator.rounding:.1e}, is too near the tolerance: going on in double")
            self.operator.to_double()
        self.method = METHODS[config.exchange](self.operator, self.exchange, self.panel, config, self.plan.basis, self.kernels)
        if lacking := world.comm.allreduce(self.exchange.bytes_not_shared()):
            self.say(f"/dev/shm is too small for what ranks of a node share: one copy per rank, {format_size(lacking)} over all; "
                     "give it more room (--shm-size of containers), or use fewer ranks and more threads")
        self._before = _counts(start)
        self.history = History(History.rows_of(start.arrays) if start else None, self._before)

    # the one loop

    def run(self, monitors):
        """Iterate until a monitor ends it; return the ``Outcome``. The result is written, whatever the outcome."""
        stopping = Stopping(self.config.tol, self.config.max_rounds, ORTHONORMAL_TO[self.config.exchange])
        stagnation = Stagnation(self.config.tol) if self.config.precision == "auto" else None
        watching = [finite, self.history, *monitors, self._checkpointing(), self.memory]
        state = self._initial_state()
        with self.world.agreed():
            self._check_range()
        while True:
            report = self._report(state)
            for monitor in watching:
                monitor(report)
            if stagnation and stagnation(report):
                state = self._in_double(state)
            elif outcome := stopping(report):
                return self._finish(outcome, report)
            else:
                state = self.method.step(state)

    # building

    def _check_against_data(self):
        source, config = self.source, self.config
        if self.start is not None and not same_data(source.describe(), self.start.source):
            raise DataError(f"{self.start.path} belongs to other data than {source.parts[0].path} (shape, type or contents differ); "
                            "name its own data, or start a new fit")
        if config.covariance:
            if source.n != source.d or len(source.parts) != 1:
                raise UsageError(f"--covariance needs one square dataset; {source.parts[0].name} is {source.n} × {source.d}")
            self.rank_limit = source.d
        elif source.n < 2:
            raise DataError(f"{source.parts[0].name} has one row only; a covariance needs at least two")
        else:
            self.rank_limit = min(source.n - 1, source.d)
        if config.components > self.rank_limit:
            raise UsageError(f"-k {config.components}: the data have at most {self.rank_limit} components (min(n−1, d), n = {source.n}, "
                             f"d = {source.d}); ask for fewer")
        self.panel = panel_width(config.components, config.guards, self.rank_limit, config.is_ritz)

    def _plan(self):
        config, source, world = self.config, self.source, self.world
        asked = world.decide(lambda: _parse_grid(config.grid, world.size))
        self.threads = config.threads or world.default_threads()
        job = Job(None if config.covariance else source.n, source.d, source.dtype, self.panel, config.starts_in_double, config.is_ritz,
                  world.size, max(world.comm.allgather(world.node.size)), self.threads, asked and asked.shards,
                  config.memory or min(world.comm.allgather(available_memory())),
                  max(part.chunk_rows for part in source.parts) * source.d * source.dtype.itemsize,
                  min(world.comm.allgather(shm_free())), config.tol, self._rates())
        operator = "gram" if config.covariance else config.operator
        plan = world.decide(lambda: choose(job, operator, config.basis))
        self.grid = asked or Grid(world.size // plan.shards, plan.shards)
        self.say(f"data: {source.n} × {source.d} {source.dtype} in {len(source.parts)} file(s); {self.panel} vectors "
                 f"({config.components} components); {world.size} rank(s) × {self.threads} thread(s), grid {self.grid.groups}x{self.grid.shards}")
        self.say(f"operator: {plan.reason}")
        return plan

    def _rates(self):
        """Rates of this machine; where the choice of an operator depends on it, all ranks read a piece of their shard to see how fast."""
        world, source = self.world, self.source
        rates = world.decide(cached_rates)
        if self.config.operator != "auto" or self.config.covariance or source.bytes < PROBED_FROM:
            return rates
        with world.agreed():
            seconds, count = row_io.seconds_to_read(source, world.size, world.rank, PROBE_BYTES)
        self.counters.reads += world.comm.allreduce(count) / source.bytes
        on_node = world.node.allreduce(count) / max([1e-9, *world.node.allgather(seconds)])
        return replace(rates, read=max(1.0, min(world.comm.allgather(on_node))))

    def _operator(self):
        config, parts = self.config, (self.source, row_io, self.exchange, self.counters)
        if config.covariance:
            return loading.covariance(*parts)
        parts = (*parts, self.kernels, self.team, config.starts_in_double)
        if self.plan.operator == "gram":
            return loading.gram(*parts, config.seed)
        if self.plan.operator == "in-memory":
            return loading.in_memory(*parts)
        return loading.streaming(*parts, config.seed, self.plan.piece_bytes, self.plan.sample_rows)

    def _check_range(self):
        variance = self._true(self.operator.total_variance)
        if not (np.isfinite(variance) and variance > 1e-300):
            raise DataError(f"the data's variance (2^{self.operator.exponent} times {self.operator.total_variance:.3g}) is outside of float64's "
                            "range; multiply the data by a constant first")

    def _true(self, scaled):
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(scaled, self.operator.exponent)

    # starting

    def _initial_state(self):
        if self.start is not None and self.start.is_checkpoint and self.start.panel == self.panel:
            return self._stored_state()
        own, d = self.exchange.owned(self.panel), self.operator.d
        vectors = unit_vectors(self.config.seed, range(own.start, own.stop), d)
        given = self._given(own)
        vectors[:len(given)] = given
        if self.start is None and self.config.is_ritz and not self.config.init:
            vectors = self._warmed(vectors)
        state = self.method.initialize(vectors, round=self.start.attributes["rounds"] if self.start else 0)
        return self.method.step(state) if self.config.is_ritz else state

    def _stored_state(self):
        """The state of a checkpoint; images are computed anew where they may not belong to these data or this precision."""
        own, start = self.exchange.owned(self.panel), self.start
        with self.world.agreed():
            vectors = start.rows("state/vectors", own.start, own.stop)
            images = np.ldexp(start.rows("state/images", own.start, own.stop), start.attributes["state_exponent"] - self.operator.exponent)
        known = self.operator.total_variance is not None  # streaming learns it, and the mean, on a pass
        trusted = known and self.source.describe() == start.source and bool(start.attributes["state_double"]) >= self.operator.is_double
        state = self.method.initialize(vectors, images if trusted else None, round=start.attributes["state_round"])
        return state if trusted or not self.config.is_ritz else self.method.step(state)

    def _given(self, own):
        """Start vectors the user or a stored result gives, as far as they belong to this rank: (r, d) of unit length."""
        if self.start is not None:
            with self.world.agreed():
                return self.start.rows("components", min(own.start, self.start.count), min(own.stop, self.start.count))
        if not self.config.init:
            return np.zeros((0, self.operator.d))
        given = self.world.decide(lambda: open_source([self.config.init]))
        if given.d != self.operator.d:
            raise on_all_ranks(DataError(f"{given.parts[0].name} has vectors of length {given.d}, the data have {self.operator.d} columns; "
                                         "give others with --init"))
        rows = np.empty((max(0, min(own.stop, given.n) - own.start), given.d), given.dtype)
        with self.world.agreed():
            if len(rows):
                given.read_into(0, own.start, own.start + len(rows), rows)
                given.check_finite(0, own.start, rows)
        lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
        with self.world.agreed():
            if not lengths.all():
                raise DataError(f"{given.parts[0].name} holds a zero vector; start vectors need a direction")
        return rows / lengths

    def _warmed(self, vectors):
        """Better start vectors from a sample, where that is wanted and pays."""
        ranges = sampled_rows(self.source.n, self.panel, self.config.seed)
        if self.plan.operator == "gram" or self.config.warm_start is False or not ranges:
            if self.config.warm_start:
                self.say("cold start: a sample would not be worth its cost here")
            return vectors
        first, last = self.source.blocks.shard(self.grid.shards, self.exchange.shard)
        low, high = self.source.blocks.edges[[first, last]]
        mine = [(max(a, low) - low, min(b, high) - low) for a, b in ranges if a < high and b > low]
        share = sum(b - a for a, b in ranges) / self.source.n
        return warm_start(self.method, self.operator.sampled(mine, share), vectors)

    def _in_double(self, state):
        self.say("residuals have reached the floor of single precision: going on in double")
        self.operator.to_double()
        return self.method.remeasure(state)

    # reporting and writing

    def _report(self, state):
        seconds = self.exchange.from_root(lambda: [np.array([self.counters.elapsed()])], 1)[0][0]
        return Report(state, self.method, self.counters, self.config.components, float(seconds + self._before["seconds"]),
                      self._true(state.eigenvalues), self.operator.is_double, self.config.tol)

    def _checkpointing(self):
        path = self.config.checkpoint_path
        if path is None:
            return lambda report: None

        def write(report):
            self._write_checkpoint(path, report, "running")

        return Checkpointing(self.config.cadence(), write, self.say)

    def _write_checkpoint(self, path, report, outcome):
        with self.counters.time("checkpoint"):
            write_checkpoint(self.world, path, self._content(report, outcome), self.operator.exponent, self.operator.is_double)

    def _content(self, report, outcome):
        counters, config = self.counters, self.config
        attributes = {
            "config": json.dumps(config.stored()), "source": json.dumps(self.source.describe()), "outcome": outcome, "seed": config.seed,
            "tol": config.tol, "method": "parallel-deflation", "operator": self.plan.operator, "rounds": report.state.round,
            "passes": counters.passes + self._before["passes"], "reads": counters.reads + self._before["reads"],
            "applications": counters.applications + self._before["applications"],
            "bytes_exchanged": counters.bytes_exchanged + self._before["bytes_exchanged"], "seconds": report.seconds,
            "seconds_by_activity": json.dumps(counters.split()), "n_features": self.operator.d, "ranks": self.world.size,
        }
        return Content(report.state, self.exchange.grid.offsets(self.panel), self.exchange.owned(self.panel).start, config.components,
                       report.eigenvalues, self.operator.rounding, self.operator.n, self.operator.mean, float(self._true(self.operator.total_variance)),
                       self.history.arrays(), attributes)

    def _finish(self, name, report):
        path, checkpoint = self.config.output, self.config.checkpoint_path
        if checkpoint and name != CONVERGED:
            self._write_checkpoint(checkpoint, report, name)
        with self.counters.time("write"):
            write_result(self.world, path, self._content(report, name))
            with self.world.agreed():
                if self.world.is_root and checkpoint and name == CONVERGED:
                    remove_checkpoint(checkpoint)
        return Outcome(name, report, self.plan, self.panel, self._peak_memory(), path, checkpoint, self.counters.split())

    def _peak_memory(self):
        """Largest sum of its ranks' shares over the nodes, in bytes."""
        on_node = self.world.node.allreduce(self.memory.look())
        return max(self.world.comm.allgather(on_node))

    def close(self):
        """Release what MPI holds, and BLAS."""
        self.exchange.free()
        self.team.close()


def same_data(described, stored):
    """Whether two descriptions of a source agree in all but paths and times."""
    keys = ("dataset", "rows", "columns", "dtype", "content")
    return [[part[key] for key in keys] for part in described] == [[part[key] for key in keys] for part in stored]


def _counts(start):
    """Counts of the run that this one goes on from."""
    names = ("passes", "reads", "applications", "bytes_exchanged", "seconds")
    return {name: start.attributes.get(name, 0) if start else 0 for name in names}


def _parse_grid(text, ranks):
    """The ``Grid`` of "WxS", or None; raise UsageError where it does not hold all ranks."""
    if text is None:
        return None
    try:
        groups, shards = map(int, text.lower().split("x"))
    except ValueError:
        raise UsageError(f"--grid {text}: write WxS, groups × shards, such as 1x{ranks}") from None
    if groups < 1 or shards < 1 or groups * shards != ranks:
        raise UsageError(f"--grid {text} has {groups * shards} places, the run has {ranks} rank(s); W×S must be that")
    return Grid(groups, shards)


def resumed_config(stored, **changes):
    """The configuration of a run that goes on from ``stored``."""
    chain = (*stored.config.get("resumed_from", ()), stored.path)
    return FitConfig.restored(stored.config, resumed_from=chain, **changes)
