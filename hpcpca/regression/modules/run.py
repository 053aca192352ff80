"""One run of many regressions: read and solve, rounds until all is converged, files."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ...comm.counters import Counters
from ...comm.exchange import Exchange
from ...engine.checkpointing import Checkpointing, left_by
from ...engine.machine import machine_of, warm_up
from ...engine.memory import PeakMemory
from ...engine.outcome import Outcome, laggard, peak_memory
from ...engine.preparation import check_start
from ...engine.problem import Context
from ...engine.starting import own_files
from ...engine.stopping import CONVERGED, INTERRUPTED, MAX_ROUNDS, RUNNING
from ...errors import DataError, Interrupted, NotAchieved, UsageError, on_all_ranks
from ...files.checkpoint import remove_checkpoint, write_checkpoint, write_result
from ...files.formats import CHECKPOINT, RESULT
from ...files.hdf5 import require_room
from ...kernels import kernels_for
from ...operators.cost import Rates
from ...operators.resources import Resources
from ...operators.team import Team
from ...partition import Grid
from ...units import format_size
from ..base import Metric
from ..settings import ridge_of
from . import result
from .discovery import Discovery, State
from .module import bytes_needed, homes_for, load

ORTHONORMAL_TO = 1e-2  # max|BBᵀ − I| above which pairs may be copies of one another


@dataclass(frozen=True)
class Report:
    """A round's figures for monitors; pairs are numbered over all modules."""

    state: State
    counters: Counters
    components: int  # pairs
    seconds: float  # since the start
    eigenvalues: np.ndarray  # θ² over the largest of the module
    residuals: np.ndarray
    tol: float
    loss: float
    is_double: bool = True

    @property
    def goals(self):
        """What the residuals have to reach."""
        return np.full(self.components, self.tol)


class Run:
    """Modules → discovery ⇄ exchange → model. All methods are collective."""

    def __init__(self, problem, world, say, start=None):
        """``say(text)`` shows a line to the user (root only); ``start`` is the Stored file of the
        run that is resumed.
        """
        self.problem, self.config, self.world, self.say = problem, problem.config, world, say
        self.memory = PeakMemory()
        self.context = self._prepared(start)
        self.discovery = self.report = self.changed = None
        self.history = []  # (round, pairs, loss)
        self.before = {
            name: start.attributes.get(name, 0) if start else 0
            for name in (*result.COUNTS, "seconds")
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
        context.threads = config.threads or world.default_threads()
        homes = homes_for(context.data.pairs, world.size)
        needed = world.most(bytes_needed(context.data, config, homes, world))
        allowed = machine_of(context, Rates()).memory
        if needed > allowed:
            raise on_all_ranks(
                UsageError(
                    f"the modules need {format_size(needed)} of memory per node,"
                    f" {format_size(allowed)} may be used; give more with --memory, use more nodes,"
                    " or take fewer modules"
                )
            )
        self.say(
            f"data: {context.data.title}; budget {config.budget} pairs, by {config.grow};"
            f" {world.size} rank(s) × {context.threads} thread(s); needs {format_size(needed)} per"
            " node"
        )
        with world.agreed():
            if world.is_root:
                longest = max(each.inputs + each.d for each in context.data.pairs)
                require_room(config.output, 8 * config.budget * longest)
        context.team = Team(context.threads)
        context.exchange = Exchange(world, Grid(world.size, 1), context.counters)
        return context

    # the loop

    def run(self, monitors):
        """Go on until ``_ended`` names an outcome, or a stop is requested; return the ``Outcome``.

        The model is written. A stop leaves a checkpoint; without checkpoints, the model so far.
        """
        with self.world.blaming(self.context.data.change):
            try:
                state, told = self._begun(), [*monitors, *self._checkpointing(), self.memory]
                while True:
                    self._tell(state, told)
                    if outcome := self._ended(state):
                        return self._finish(outcome)
                    self.world.interrupt.stop_if_agreed()
                    state = self.discovery.step(state)
            except Interrupted as stop:
                return self._stopped(stop)

    def _begun(self):
        """The first state: from the seed, or what a run that was stopped knew."""
        context, config, start = self.context, self.config, self.context.start
        elements = sum(each.n * (each.inputs + each.d) for each in context.data.pairs)
        kernels = kernels_for(elements // self.world.size)
        warm_up(context, kernels, context.data.types)
        resources = Resources(
            source=None,
            exchange=context.exchange,
            counters=context.counters,
            kernels=kernels,
            team=context.team,
            seed=config.seed,
        )
        metric = Metric(ridge=ridge_of(config.ridge))
        found = load(context.data, resources, config, metric)
        self.discovery = Discovery(*found, context.exchange, config)
        if start is None:
            return self.discovery.begin()
        self.history = result.history_of(start)
        return result.taken_up(self.discovery, start, context.data.names)

    def _tell(self, state, told):
        """Make the round's report, and show it to all who are ``told``."""
        clock = self.context.exchange.from_root(
            lambda: [np.array([self.context.counters.elapsed()])], 1
        )
        residuals = result.residuals_of(state)
        self.report = Report(
            state=state,
            counters=self.context.counters,
            components=len(residuals),
            seconds=float(clock[0][0]) + self.before["seconds"],
            eigenvalues=result.shares_of(state),
            residuals=residuals,
            tol=self.config.tol,
            loss=result.loss_of(self.discovery, state),
        )
        if self.history and self.history[-1][0] == state.round:  # where an earlier run stopped
            self.history.pop()
        self.history.append((state.round, len(residuals), self.report.loss))
        for each in told:
            each(self.report)

    def _ended(self, state):
        """The outcome, or None to go on."""
        if state.round and self._lack(state) is None:
            return CONVERGED
        return MAX_ROUNDS if state.round >= self.config.max_rounds else None

    def _lack(self, state):
        """What is missing from what was asked for, in words, or None."""
        worst = int(self.report.residuals.argmax())
        residual, names = self.report.residuals[worst], self.context.data.names
        if not residual <= self.config.tol:
            module = int(np.searchsorted(np.cumsum(state.ranks), worst, side="right"))
            pair = worst - int(state.ranks[:module].sum())
            return (
                f"pair {pair} of module {names[module]} has residual {residual:.1e}, asked for"
                f" {self.config.tol:.3g}"
            )
        for name, values, gain, rank in zip(names, state.values, state.gains, state.ranks):
            ordered = np.append(values[:rank], gain)
            if (np.diff(ordered) > 2 * self.config.tol * ordered[0]).any():
                return f"pairs of module {name} are not in order yet"
        if not state.disorder.max() <= ORTHONORMAL_TO:
            return f"pairs of module {names[int(state.disorder.argmax())]} are not orthonormal yet"
        return None if self.discovery.has_grown(state) else "modules may grow still"

    # files

    def _checkpointing(self):
        if self.config.checkpoint_path is None:
            return []
        return [
            Checkpointing(
                self.config.cadence(),
                lambda report: self._checkpoint(RUNNING),
                self.say,
                since=self.before["seconds"],
            )
        ]

    def _content(self, kind, outcome):
        context = self.context
        self.changed = self.world.decide(context.data.change)
        counts = {
            name: getattr(context.counters, name) + self.before[name] for name in result.COUNTS
        }
        attributes = result.root_attributes(kind, context, self.report, outcome, counts)
        arrays = result.model_arrays(self.discovery, self.report.state, context.data.names)
        arrays |= result.history_arrays(self.history)
        return attributes | {"changed": self.changed or ""}, arrays

    def _checkpoint(self, outcome, reason=""):
        begun = perf_counter()
        attributes, arrays = self._content(CHECKPOINT, outcome)
        arrays |= result.state_arrays(self.discovery, self.report.state)
        attributes["reason"] = reason
        write_checkpoint(self.world, self.config.checkpoint_path, attributes, arrays)
        self.checkpoint_seconds = max(self.checkpoint_seconds, perf_counter() - begun)

    def _write(self, outcome):
        write_result(self.world, self.config.output, *self._content(RESULT, outcome))

    def _finish(self, name):
        path = self.config.checkpoint_path
        if path and name != CONVERGED:
            self._checkpoint(name)
        self._write(name)
        if path and name == CONVERGED:
            self.world.decide(lambda: remove_checkpoint(path))
        return self._outcome(name, lack=self._lack(self.report.state))

    def _stopped(self, stop):
        """Write a checkpoint of what there is; without checkpoints, the model so far."""
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
