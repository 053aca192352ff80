"""What a run leaves behind: reports to its monitors, checkpoints and the result."""

import json
from dataclasses import asdict
from time import perf_counter

import numpy as np

from ..files.checkpoint import remove_checkpoint, write_checkpoint, write_result
from .content import Content, Unbuilt, attributes_of, checkpoint_of, result_of, whole
from .history import History
from .report import Report

COUNTS = ("passes", "reads", "applications", "bytes_exchanged", "samples", "sample_flops")
ORTHONORMAL_TO = 1e-2  # max|VVᵀ−I| above which vectors may be copies of one another
DISK = 100e6  # bytes/s of checkpoints, until one was written


class Recorder:
    """Puts a state together with what the run counted and is about. All methods are collective."""

    def __init__(self, problem, context):
        self.problem, self.context = problem, context
        start, d = context.start, context.data.d
        self._before = {
            name: start.attributes.get(name, 0) if start else 0 for name in (*COUNTS, "seconds")
        }
        self.history = History(History.rows_of(start.arrays) if start else None, self._before)
        self.change = None  # what had happened to the data when the last file was written
        # six panels of float64: vectors, images, those of a pass under way, and some to spare
        self.checkpoint_seconds = 6 * 8 * context.panel * d / DISK
        self._has_written = False
        self.search = None  # of guards, for what start vectors miss
        self.kept = None  # (attributes, arrays) of a result that goes to no file
        self.standing = None  # of the components that were written last

    @property
    def seconds_before(self):
        """Seconds that the runs took which this one goes on from."""
        return self._before["seconds"]

    def report(self, state, operator, method):
        """What monitors are told of a round."""
        context = self.context
        seconds = context.exchange.from_root(lambda: [np.array([context.counters.elapsed()])], 1)[
            0
        ][0]
        return Report(
            state=state,
            method=method,
            counters=context.counters,
            components=context.config.components,
            seconds=float(seconds + self._before["seconds"]),
            eigenvalues=unscaled(state.eigenvalues, operator),
            is_double=operator.is_double,
            tol=context.config.tol,
            rounding=operator.rounding,
            rank_limit=context.rank_limit,
            search=self.search,
        )

    def checkpoint(self, report, operator, outcome, stop=None):
        """Write a checkpoint; raise DataError if that fails, on all ranks.

        ``stop`` is the Interrupted that ended the run.
        """
        begun, context = perf_counter(), self.context
        with context.counters.time("checkpoint"):
            content = self._content(report, operator, outcome, is_result=False)
            unfinished = stop and stop.unfinished
            attributes, arrays = checkpoint_of(self.problem, content, operator, unfinished)
            attributes |= self._counts() | {"reason": str(stop or "")}
            attributes["search"] = json.dumps(self.search and asdict(self.search))
            write_checkpoint(context.world, context.config.checkpoint_path, attributes, arrays)
        seconds = perf_counter() - begun
        self.checkpoint_seconds = (
            max(self.checkpoint_seconds, seconds) if self._has_written else seconds
        )
        self._has_written = True

    def result(self, report, operator, outcome, is_final):
        """Write the result; remove the checkpoint of a run that needs no other."""
        world, config = self.context.world, self.context.config
        with self.context.counters.time("write"):
            content = self._content(report, operator, outcome, is_result=True)
            attributes, arrays = result_of(self.problem, content, operator)
            # last: the problem may have read once more for what it adds
            attributes |= self._counts()
            self.standing = np.asarray(arrays["standing"]).astype(str)  # as it is written
            if config.output is None:
                self.kept = attributes, whole(self.context.exchange, arrays)
                return
            write_result(world, config.output, attributes, arrays)
            with world.agreed():
                if world.is_root and config.checkpoint_path and is_final:
                    remove_checkpoint(config.checkpoint_path)

    def _counts(self):
        """What the whole run has done by now."""
        return {name: getattr(self.context.counters, name) + self._before[name] for name in COUNTS}

    def _content(self, report, operator, outcome, is_result):
        context = self.context
        self.change = context.world.decide(context.data.change)
        if not self.change and not isinstance(operator, Unbuilt):
            self.change = self.problem.contradiction(report, operator)
        attributes = attributes_of(context, report, operator, outcome)
        attributes["changed"] = self.change or ""
        return Content(
            state=report.state,
            offsets=context.exchange.grid.offsets(context.panel),
            first=context.exchange.owned(context.panel).start,
            components=report.components,
            eigenvalues=report.eigenvalues,
            rounding=operator.rounding,
            judgement=self.judged(report),
            history=self.history.arrays(),
            attributes=attributes,
            is_result=is_result,
        )

    def judged(self, report):
        """What is known of the components; ``standing`` keeps a word for each. Collective."""
        state, method = report.state, report.method
        is_known = method is not None and state.has_images
        found = report.judged(
            is_known
            and (
                method.is_orthonormal(state)
                or method.orthonormality(state, report.components) <= ORTHONORMAL_TO
            )
        )
        self.standing = found.standing
        return found


def unscaled(scaled, operator):
    """Eigenvalues in the data's own units."""
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(scaled, operator.exponent)
