"""Principal components: the leading eigenvectors of the covariance of rows."""

from dataclasses import replace

import numpy as np

from ..comm.counters import Counters
from ..engine.machine import machine_of, warm_up
from ..engine.problem import Problem
from ..engine.starting import own_files
from ..errors import DataError, UsageError
from ..files.paths import split_dataset
from ..files.result import Stored
from ..kernels import kernels_for
from ..mapping.streaming import on_nodes
from ..operators.centring import work_type
from ..operators.columns import learn
from ..operators.gram import negligible
from ..operators.minibatch import MiniBatches
from ..operators.registry import OPERATORS
from ..operators.resources import Resources
from ..operators.resumed import Resumed
from ..operators.updated import Updated
from ..planning.plan import choose
from ..sources.completion import Model
from ..sources.learned import Learned
from ..sources.random_rows import RowReader
from ..sources.source import open_source
from ..sources.weights import column_weights, row_weights
from . import features, going_on, result, resuming, verification
from .checks import InRange, Semidefinite
from .completion import completed, tell
from .count import chosen
from .job import Sizes, job_of, most_components, operator_of
from .known import KeptHold, Known, check_columns
from .probing import rates_of
from .sampling import corrections_of, planned_sample, warmed
from .settings import FitSettings


class Pca(Problem):
    """Σ of rows centred at their mean, or a covariance that is given."""

    name = "fit"
    settings = FitSettings
    vectors, eigenvalues = "components", "explained_variance"

    def __init__(self, config):
        super().__init__(config)
        self.kernels = self.reader = self._dtype = self._feature_shape = None
        self._learned, self._before = None, Counters()  # of readings before the run
        self._completion, self._panel, self._sampled = None, None, {}

    def ground(self, world):
        """Take up what the result that is extended or updated knows."""
        super().ground(world)
        config = self.config
        if path := config.extend or config.update:
            if self.known is None:
                self.known = Known(world.decide(lambda: Stored(path)))
            take_up = self.known.extending if config.extend else self.known.updating
            self.config = world.decide(lambda: take_up(config))

    def open(self, own=()):
        """Return the ``Source`` of the rows, or of the covariance."""
        return open_source(self.config.data, self.config, own=own)

    def reads(self, own=()):
        """Return the files of the data, and that of the start vectors."""
        found = {part.path: "the data" for part in self.open(own).parts}
        if path := self.config.extend or self.config.update:
            found[path] = "the result to go on from"
        if self.config.init:
            found[split_dataset(self.config.init)[0]] = "the start vectors"
        return found

    def look(self, context):
        """Learn of the columns what statistics need: as an earlier run did, or the rows say."""
        source, start, counters = context.data, context.start, context.counters
        self._weigh_rows(source, context.world)
        if start is not None:
            self._learned = Learned.of(start.arrays)
            if "known_seal" in start.attributes:
                self.known.check_unchanged(start.attributes["known_seal"])
        elif self.config.extend or self.config.update:
            left_out = self.known.learned.left_out if self.config.extend else None
            self._learned = replace(self.known.learned, left_out=left_out)
            if self.config.update:
                self.known.tell_repeated(source, self.config.rows, context.say)
        elif self._learned is None:
            self._learn(source, context.world, counters, context.say)
        source.learn(replace(self._learned, fill_components=None, fill=self._plain_fill()))
        self._learned.columns = source.view.numbers
        counters.reads += self._before.reads

    def _plain_fill(self):
        """What missing values become; None, if that is found by and by."""
        return None if self.config.nan == "em" else self._learned.fill

    def _complete(self, context):
        """Find what missing values are by the components; go on from what is known of it."""
        learned, known = self._learned, None
        if learned.fill_components is not None:
            known = Model(learned.fill, learned.fill_components)

        def keep(completion):
            self._completion = completion
            learned.fill = completion.model.mean
            learned.fill_components = completion.model.components

        found = completed(context.data, context, known=known, at_rest=keep)
        keep(found)
        context.data.learn(replace(learned, left_out=None))
        tell(found, self.config.tol, context.say)

    def _learn(self, source, world, counters, say):
        config, said = self.config, []
        self._learned = Learned()
        if config.learns:
            self._learned, said = learn(source, config, world, counters)
        if config.column_weights:
            self._weigh(source, world)
        for line in said:
            say(line)

    def settle(self, world, say):
        """Find the number of components, if it is not given. Collective."""
        asked = self.config.components
        if isinstance(asked, int):
            return
        source = world.decide(lambda: self.open(own_files(self.config)))
        with world.blaming(source.change):
            self._weigh_rows(source, world)
            self._learn(source, world, self._before, say)
            source.learn(self._learned)
            count, why = chosen(source, world, self._before, self.config)
        say(f"-k {asked}: {count} component(s) {why}")
        self._before.reads += 1
        self.config = replace(self.config, components=count, counted_by=str(asked))

    def _weigh_rows(self, source, world):
        """Give the rows their weights, if there are any."""
        if text := self.config.row_weights:
            source.weigh(world.decide(lambda: row_weights(text, source)))

    def _weigh(self, source, world):
        """Multiply the scale by the roots of the columns' weights."""
        weights = world.decide(lambda: column_weights(self.config.column_weights, source))
        numbers = source.view.numbers if self._learned.columns is None else self._learned.columns
        taken = weights if numbers is None else weights[numbers]
        scale = 1.0 if self._learned.scale is None else self._learned.scale
        self._learned.scale = scale * np.sqrt(taken)

    def check(self, data):
        """Return how many components there are; raise if the data do not fit the options."""
        config, name = self.config, data.parts[0].name
        if config.extend or config.update:
            self.known.check_width(data)
            if config.extend:
                self.known.check_same(data)
        elif self.known is not None:
            check_columns(self.known, data)
        if config.covariance:
            if data.n != data.d or len(data.parts) != 1:
                raise UsageError(
                    f"--covariance needs one square dataset; {name} is {data.n} × {data.d}"
                )
        elif config.nan == "em" and data.stored is not None:
            raise UsageError(f"--nan em is for dense data; {name} is sparse")
        elif data.n < 2 and not config.no_centre:
            raise DataError(f"{name} has one row only; a covariance needs at least two: give more")
        if (config.batch_rows or 0) > data.n:
            raise UsageError(
                f"--batch-rows {config.batch_rows}: the data have {data.n} rows; ask for fewer,"
                " or leave it out for exact passes"
            )
        before = self.known.n if config.update else 0
        self._limit = most_components(config, before + data.n, data.d)
        return self._limit

    def plan(self, context):
        """Choose how Σ is held: the quickest way that fits the memory, or the one asked for."""
        config, world, source = self.config, context.world, context.data
        machine = machine_of(context, rates_of(context, operator_of(config)))
        job = job_of(config, Sizes.of(source), context.panel, machine)
        if config.update:  # its vectors are held once per node
            job = replace(job, memory=job.memory - 8 * self.known.count * self.known.d)
        plan = world.decide(lambda: choose(job, operator_of(config), config.basis))
        plan, self._sampled = planned_sample(context, plan)
        self.reader, self._dtype = RowReader(source, plan.cache_bytes), source.dtype
        self.kernels = kernels_for(plan.elements, *self._compiled_for(plan.operator))
        self._feature_shape, self._width = source.feature_shape, source.d
        self._features = features.read(world, source)
        return plan

    def _compiled_for(self, operator):
        """(Types, whether the rows are sparse) that an operator needs compiled kernels for."""
        is_sparse = operator == "sparse"
        return [work_type(self._dtype, False) if is_sparse else self._dtype], is_sparse

    def operator(self, context, resumed):
        """Return Σ as planned."""
        if self.config.nan == "em":
            self._complete(context)
        name = "covariance" if self.config.covariance else context.plan.operator
        warm_up(context, self.kernels, *self._compiled_for(name))
        resources = Resources(
            source=context.data,
            exchange=context.exchange,
            counters=context.counters,
            kernels=self.kernels,
            team=context.team,
            seed=self.config.seed,
            is_centred=not self.config.no_centre,
        )
        is_double = self.config.starts_in_double
        rows = OPERATORS[name].load(resources, is_double, context.plan, resumed or Resumed())
        if not self.config.update:
            return rows
        self._panel = on_nodes(context.world, self.known.shape, np.float64, self.known.vectors)
        parts = rows, self.known, self._panel, context.exchange
        return Updated(*parts, is_centred=not self.config.no_centre)

    def method(self, context, operator):
        """Return the method; one of mini-batches draws them from the rows. One that corrects by a
        sample is given it.
        """
        config, plan = self.config, context.plan
        if not config.batch_rows:
            method = super().method(context, operator)
            if plan.corrections:
                method.corrections = corrections_of(context, operator)
            return method
        batches = MiniBatches(
            self.reader.rows,
            operator,
            config.batch_rows,
            config.seed,
            context.exchange,
            counters=context.counters,
            team=context.team,
        )
        parts = operator, context.exchange, context.panel, config, plan.basis
        return config.chosen.build(*parts, batches=batches, rows=context.data.n)

    def is_measured(self, operator):
        """Streaming learns mean and variance on its first pass."""
        return operator.total_variance is not None

    def monitors(self, operator):
        """The variance has to be a number, and a matrix that is given a covariance."""
        checks = [InRange(operator)]
        if self.config.covariance:
            least = negligible(self._dtype)
            checks.append(Semidefinite(operator.total_variance, least, self.config.is_ritz))
        return checks + ([KeptHold(self.known)] if self.config.extend else [])

    def better_start(self, context, method, operator, vectors):
        """Return start vectors from a few rounds on sampled rows, if that is wanted and pays."""
        better = None
        if self.config.warm_start is not False:
            better = warmed(context, method, operator, vectors)
        if better is None and self.config.warm_start:
            context.say("cold start: a sample would not be worth its cost here")
        return better

    def contradiction(self, report, operator):
        """Say if eigenvalues are more than the total variance, as those of no data can be.

        Single vectors may overlap, and then only one of them alone proves it; estimates prove
        nothing.
        """
        values = report.eigenvalues[: report.components]
        largest = float(values.sum() if self.config.is_ritz else values.max())
        share = largest / total_variance(operator)
        if report.state.estimated or not share > 1 + result.SHARE_ROUNDING:
            return None
        return f"components have {share:.4g} times the variance that the data had at first"

    def result(self, content, operator):
        """Return shares of variance, singular values and the mean."""
        total, n, mean = total_variance(operator), None, None
        if operator is not None:
            n, mean = operator.n, operator.mean
        variance = np.maximum(content.eigenvalues[: content.components], 0.0)
        if self.config.extend:
            variance[: self.known.count] = self.known.values
        attributes = {"total_variance": total} | ({} if n is None else {"n_samples": n})
        attributes |= self._sampled
        left = self._width - len(variance)
        if left > 0 and np.isfinite(total):
            attributes["noise_variance"] = max(0.0, total - float(variance.sum())) / left
        if self._completion is not None:
            attributes["completion_readings"] = self._completion.readings
            attributes["completion_error"] = self._completion.error
        if len(self._feature_shape) > 1:
            attributes["feature_shape"] = self._feature_shape
        named, told = features.stored(self._features)
        attributes |= told
        arrays = (
            self._learned.arrays()
            | named
            | {self.eigenvalues: variance}
            | result.arrays_of(variance, total, n and n - (not self.config.no_centre), mean)
        )
        if self.config.extend or self.config.update:
            attributes |= self.known.handed_on(self.config)
        if self.config.extend:
            arrays[self.vectors] = going_on.kept_vectors(self.known, content)
        if isinstance(operator, Updated) and content.is_result:
            more, at = going_on.bounded(self.known, content, operator, self._limit)
            arrays, attributes = arrays | more, attributes | at
            self.rows = n, float(more.get("update_errors", np.ones(1)).max())
        return arrays, attributes

    def closing(self, report):
        """Return what was saved by a result that the run goes on from."""
        return going_on.saved(self, report)

    def stored(self, operator, unfinished):
        """Return the centring, and the sums of an unfinished pass."""
        is_updated = isinstance(operator, Updated)
        return resuming.stored(operator.rows if is_updated else operator, unfinished)

    def restored(self, context, pending):
        """Return these again."""
        return resuming.restored(context, self.kernels, pending)

    def close(self):
        """Close the files that rows are drawn from."""
        if self.reader is not None:
            self.reader.close()
        if self._panel is not None:
            self._panel.free()

    @classmethod
    def plain(cls, request):
        """Return Σ in plain numpy."""
        return verification.plain(request)


def total_variance(operator):
    """The total variance in the data's own units; NaN if it is not known yet."""
    if operator is None or operator.total_variance is None:
        return np.nan
    with np.errstate(over="ignore", under="ignore"):
        return float(np.ldexp(operator.total_variance, operator.exponent))


PROBLEM = Pca
