"""One run of many regressions: read and solve, rounds until all is converged, files."""

import numpy as np

from ...engine.machine import warm_up
from ...engine.own_loop import LoopReport, OwnLoop, history_of
from ...kernels import kernels_for
from ...operators.resources import Resources
from ...units import format_size
from ..base import Metric
from ..settings import ridge_of
from . import result
from .discovery import Discovery
from .module import bytes_needed, homes_for, load

ORTHONORMAL_TO = 1e-2  # max|BBᵀ − I| above which pairs may be copies of one another


class Run(OwnLoop):
    """Modules → discovery ⇄ exchange → model. All methods are collective."""

    discovery: Discovery

    def _needed(self, context, allowed):
        world = self.world
        homes = homes_for(context.data.pairs, world.size)
        needed = world.most(bytes_needed(context.data, self.config, homes, world))
        if needed <= allowed:
            return needed, None
        return needed, (
            f"the modules need {format_size(needed)} of memory per node, {format_size(allowed)} may"
            " be used; give more with --memory, use more nodes, or take fewer modules"
        )

    def _told_of(self, context):
        return f"budget {self.config.budget} pairs, by {self.config.grow}"

    def _result_bytes(self, context):
        return 8 * self.config.budget * max(each.inputs + each.d for each in context.data.pairs)

    def _begun(self):
        context, config, start = self.context, self.config, self.context.start
        elements = sum(each.n * (each.inputs + each.d) for each in context.data.pairs)
        kernels = kernels_for(elements // self.world.size, context.data.types)
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
        self.history = history_of(start)
        return result.taken_up(self.discovery, start, context.data.names)

    def _step(self, state):
        return self.discovery.step(state)

    def _report(self, state, seconds):
        residuals = result.residuals_of(state)
        return LoopReport(
            state=state,
            counters=self.context.counters,
            components=len(residuals),
            seconds=seconds,
            eigenvalues=result.shares_of(state),
            residuals=residuals,
            tol=self.config.tol,
            loss=result.loss_of(self.discovery, state),
        )

    def _lack(self, state):
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

    def _content(self, kind, outcome):
        context, state = self.context, self.report.state
        attributes = result.root_attributes(kind, context, self.report, outcome, self.counts())
        return attributes, result.model_arrays(self.discovery, state, context.data.names)

    def _kept(self):
        return result.state_arrays(self.discovery, self.report.state)
