"""Builds the parts of a run: checks the request against the data, plans, loads."""

from dataclasses import replace

import numpy as np

from ..comm.counters import Counters
from ..comm.exchange import Exchange
from ..comm.late import injected
from ..comm.shared import shm_free
from ..errors import DataError, UsageError
from ..files.hdf5 import require_room
from ..kernels import kernels_for
from ..operators.cost import Job
from ..operators.minibatch import MiniBatches
from ..operators.products import ROUNDING
from ..operators.registry import OPERATORS
from ..operators.resources import Resources
from ..operators.team import Team
from ..partition import Grid, parse_grid
from ..planning.machine import available_memory
from ..planning.plan import choose, most_components, panel_width
from ..planning.rates import cached_rates
from ..sources import rows as row_io
from ..sources.random_rows import RowReader
from ..units import format_size
from .memory import PeakMemory
from .recording import Recorder, Unbuilt, true
from .starting import beginning, open_data

LAG, LAG_SECONDS = (
    3,
    1.0,
)  # a rank that works so many times as long as the others, and so much longer, is named
ROUNDING_SHARE = 0.2  # of the tolerance: what residuals leave to rounding
PROBED_FROM = 256 << 20  # bytes of data whose reading takes long enough to be timed
PROBE_BYTES = 48 << 20  # that each rank reads for it


class Prepared:
    """What a run is made of: source → operator → method ⇄ exchange, built once.

    All methods are collective.
    """

    def __init__(self, world, config, say, start=None):
        """``say(text)`` shows a line to the user (root only); ``start`` is the Stored file to go
        on from.
        """
        self.world, self.config, self.say, self.start = world, config, say, start
        self.counters, self.memory = Counters(), PeakMemory()
        self.source = world.decide(lambda: open_data(config))
        self.source.tell(say)
        with world.agreed():
            self.injected = injected(
                config.inject_latency or (), world.rank, world.size, config.seed
            )
        with world.agreed():
            self._check_against_data()
        self.plan = self._plan()
        self.kernels = kernels_for(self.plan.elements)
        with world.agreed():
            if world.is_root:
                require_room(config.output, 8 * self.source.d * config.components)
        self.team, self.reader = Team(self.threads), RowReader(self.source, self.plan.cache_bytes)
        self.exchange = self.injected.exchange(Exchange(world, self.grid, self.counters))
        self.recorder = Recorder(
            world, config, self.source, self.exchange, self.counters, self.plan, self.panel, start
        )
        self.begin = beginning(
            world, config, self.source, self.exchange, self.panel, start, self.kernels
        )
        if self.begin.note:
            self.say(self.begin.note)
        self.operator, self.method = (
            Unbuilt(self.source.d, self.begin.is_double, self.begin.exponent),
            None,
        )
        self.state = self.begin.state(self.panel)

    def _check_against_data(self):
        source, config = self.source, self.config
        if self.start is not None:
            self._check_start()
        if config.covariance:
            if source.n != source.d or len(source.parts) != 1:
                raise UsageError(
                    f"--covariance needs one square dataset; {source.parts[0].name} is {source.n} ×"
                    f" {source.d}"
                )
        elif source.n < 2:
            raise DataError(
                f"{source.parts[0].name} has one row only; a covariance needs at least two"
            )
        if (config.batch_rows or 0) > source.n:
            raise UsageError(
                f"--batch-rows {config.batch_rows}: the data have {source.n} rows; ask for fewer,"
                " or leave it out for exact passes"
            )
        most = most_components(config.components, source.n, source.d, config.covariance)
        self.panel = panel_width(config.components, config.guards, most, config.is_ritz)

    def _check_start(self):
        """Raise DataError where a run would go on with other data; say where a file may have
        changed.
        """
        parts, stored = self.source.describe(), self.start.source
        if other := other_data(parts, stored):
            raise DataError(
                f"{self.start.path} belongs to other data: {other}; name its own data with --data,"
                " or start a new fit"
            )
        for part, before in zip(parts, stored):
            if part["path"] == before["path"] and (part["size"], part["mtime"]) != (
                before["size"],
                before["mtime"],
            ):
                self.say(
                    f"hpcpca: warning: {part['path']} was written to after {self.start.path}:"
                    " shape, type and a few rows that were compared are the same; if others have"
                    " changed, start anew"
                )

    def _plan(self):
        config, source, world = self.config, self.source, self.world
        alone, needs = (
            (f"{world.size}x1" if config.exchange == "window" else None),
            config.chosen.needs(config),
        )
        asked = world.decide(lambda: parse_grid(config.grid or alone, world.size))
        self.threads = config.threads or world.default_threads()
        job = Job(
            None if config.covariance else source.n,
            source.d,
            source.dtype,
            self.panel,
            config.starts_in_double,
            needs.has_history,
            world.size,
            max(world.comm.allgather(world.node.size)),
            self.threads,
            asked and asked.shards,
            config.memory or min(world.comm.allgather(available_memory())),
            max(part.chunk_rows for part in source.parts) * source.d * source.dtype.itemsize,
            min(world.comm.allgather(shm_free())),
            config.tol,
            self._rates(),
            needs.panels,
            needs.own,
            needs.private,
            (config.batch_rows or 0) * (config.local_steps or 1) * config.max_rounds,
        )
        operator = (
            "gram" if config.covariance else "mini-batch" if config.batch_rows else config.operator
        )
        plan = world.decide(lambda: choose(job, operator, config.basis))
        self.grid = asked or Grid(world.size // plan.shards, plan.shards)
        self.say(
            f"data: {source.dataset}, {source.n} × {source.d} {source.dtype} "
            f"in {len(source.parts)} file(s); "
            f"{self.panel} vectors ({config.components} components); "
            f"{world.size} rank(s) × {self.threads} thread(s), "
            f"grid {self.grid.groups}x{self.grid.shards}"
        )
        self.say(f"operator: {plan.reason}")
        return plan

    def _rates(self):
        """Rates of this machine; where the choice of an operator depends on it, all ranks read a
        piece of their shard to see how fast.
        """
        world, source = self.world, self.source
        rates = world.decide(cached_rates)
        if (
            self.config.operator != "auto"
            or self.config.covariance
            or self.config.batch_rows
            or source.bytes < PROBED_FROM
        ):
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
        self.method = self._method()
        if lacking := self.world.comm.allreduce(self.exchange.bytes_not_shared()):
            self.say(
                "/dev/shm is too small for what ranks of a node share: one copy per rank,"
                f" {format_size(lacking)} over all; give it more room (--shm-size of containers),"
                " or use fewer ranks and more threads"
            )

    def _method(self):
        config, parts = self.config, (self.exchange, self.panel, self.config, self.plan.basis)
        if not config.batch_rows:
            return config.chosen.build(self.operator, *parts)
        batches = MiniBatches(
            self.reader.rows,
            self.operator,
            config.batch_rows,
            config.seed,
            self.exchange,
            self.counters,
            self.team,
        )
        return config.chosen.build(self.operator, *parts, batches, self.source.n)

    def _warm_up(self):
        """Have the kernels compiled, by one rank of each node."""
        kernels, dtype, interrupt = self.kernels, self.source.dtype, self.world.interrupt

        def compiled():
            self.say(
                "compiling kernels for this kind of processor, once: a quarter of a minute or so"
            )
            kernels.warm_up(dtype, interrupt.requested)

        self.world.first_on_node(lambda: kernels.is_warm(dtype), compiled)
        interrupt.stop_if(interrupt.requested())

    def _operator(self):
        name = "covariance" if self.config.covariance else self.plan.operator
        resources = Resources(
            self.source, self.exchange, self.counters, self.kernels, self.team, self.config.seed
        )
        return OPERATORS[name].load(resources, self.config.starts_in_double, self.plan, self.begin)

    def _check_range(self):
        variance = true(self.operator.total_variance, self.operator)
        if not (np.isfinite(variance) and variance > 1e-300):
            raise DataError(
                f"the data's variance (2^{self.operator.exponent} times"
                f" {self.operator.total_variance:.3g}) is outside of float64's range; multiply the"
                " data by a constant first"
            )

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
