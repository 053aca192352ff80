"""What a run leaves behind: reports to its monitors, checkpoints and the result."""

import json
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..files.checkpoint import remove_checkpoint, write_checkpoint, write_result
from ..files.result import SHARE_ROUNDING, Content
from .history import History
from .report import Report


@dataclass
class Unbuilt:
    """Stands for the operator of a run that is stopped before it has one."""

    d: int
    is_double: bool
    exponent: int = 0
    rounding: float = 0.0
    centring: object = None
    n = mean = total_variance = None


ORTHONORMAL_TO = 1e-2  # max|VVᵀ−I| above which vectors may be copies of one another
DISK = 100e6  # bytes/s of checkpoints, until one was written


class Recorder:
    """Puts a state together with what the run counted and is about. All methods are collective."""

    def __init__(self, world, config, source, exchange, counters, plan, panel, start):
        self.world, self.config, self.source, self.exchange = world, config, source, exchange
        self.counters, self.plan, self.panel = counters, plan, panel
        self._before = _counts(start)
        self._rank_limit = source.d if config.covariance else min(source.n - 1, source.d)
        self.history = History(History.rows_of(start.arrays) if start else None, self._before)
        self.change = None  # what happened to the data, as of the last file
        self.checkpoint_seconds = (
            6 * 8 * panel * source.d / DISK
        )  # vectors, images, a pass that is under way
        self._has_written = False
        self.standing = None  # of the components that were written last

    def report(self, state, operator, method):
        """What monitors are told of a round."""
        seconds = self.exchange.from_root(lambda: [np.array([self.counters.elapsed()])], 1)[0][0]
        return Report(
            state,
            method,
            self.counters,
            self.config.components,
            float(seconds + self._before["seconds"]),
            true(state.eigenvalues, operator),
            operator.is_double,
            self.config.tol,
            operator.rounding,
            self._rank_limit,
        )

    def checkpoint(self, report, operator, outcome, stop=None):
        """Write a checkpoint; raise DataError where that fails, on all ranks.

        ``stop`` is the Interrupted that ended the run.
        """
        begun = perf_counter()
        with self.counters.time("checkpoint"):
            content = self._content(report, operator, outcome)
            content.attributes["reason"] = str(stop or "")
            write_checkpoint(
                self.world, self.config.checkpoint_path, content, operator, stop and stop.unfinished
            )
        seconds = perf_counter() - begun
        self.checkpoint_seconds = (
            max(self.checkpoint_seconds, seconds) if self._has_written else seconds
        )
        self._has_written = True

    def result(self, report, operator, outcome, is_final):
        """Write the result; remove the checkpoint of a run that needs no other."""
        checkpoint = self.config.checkpoint_path
        with self.counters.time("write"):
            write_result(self.world, self.config.output, self._content(report, operator, outcome))
            with self.world.agreed():
                if self.world.is_root and checkpoint and is_final:
                    remove_checkpoint(checkpoint)

    def _content(self, report, operator, outcome):
        counters, config, before = self.counters, self.config, self._before
        total = float(true(operator.total_variance, operator))
        self.change = self.world.decide(self.source.change) or self._excess(report, total)
        attributes = {
            "config": json.dumps(config.stored()),
            "source": json.dumps(self.source.describe()),
            "outcome": outcome,
            "seed": config.seed,
            "tol": config.tol,
            "method": config.method,
            "operator": self.plan.operator,
            "rounds": report.state.round,
            "passes": counters.passes + before["passes"],
            "reads": counters.reads + before["reads"],
            "applications": counters.applications + before["applications"],
            "bytes_exchanged": counters.bytes_exchanged + before["bytes_exchanged"],
            "seconds": report.seconds,
            "samples": counters.samples + before["samples"],
            "estimated": report.state.estimated,
            "changed": self.change or "",
            "seconds_by_activity": json.dumps(counters.split()),
            "n_features": operator.d,
            "ranks": self.world.size,
        }
        return Content(
            report.state,
            self.exchange.grid.offsets(self.panel),
            self.exchange.owned(self.panel).start,
            config.components,
            report.eigenvalues,
            operator.rounding,
            self._judged(report),
            operator.n,
            operator.mean,
            total,
            self.history.arrays(),
            attributes,
        )

    def _judged(self, report):
        """What is known of the components; ``standing`` keeps a word for each. Collective."""
        state, method = report.state, report.method
        is_known = method is not None and state.has_images
        found = report.judged(
            is_known
            and (
                method.is_orthonormal
                or method.orthonormality(state, report.components) <= ORTHONORMAL_TO
            )
        )
        self.standing = found.standing
        return found

    def _excess(self, report, total):
        """Words for eigenvalues that no state of the data can have: more than the total
        variance.

        Single vectors may overlap, and then only one of them alone proves it; estimates prove
        nothing.
        """
        values = report.eigenvalues[: report.components]
        found = float(values.sum() if self.config.is_ritz else values.max()) / total
        if report.state.estimated or not found > 1 + SHARE_ROUNDING:
            return None
        return f"components have {found:.4g} times the variance that the data had at first"


def true(scaled, operator):
    """Eigenvalues or variances in the data's own units; NaN for what is not known."""
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(np.nan if scaled is None else scaled, operator.exponent)


def _counts(start):
    """Counts of the run that this one goes on from."""
    names = ("passes", "reads", "applications", "bytes_exchanged", "samples", "seconds")
    return {name: start.attributes.get(name, 0) if start else 0 for name in names}
