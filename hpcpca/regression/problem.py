"""Low-rank regression: the principal components of the fitted values."""

import numpy as np

from ..engine.machine import machine_of, warm_up
from ..engine.problem import Problem
from ..engine.starting import own_files
from ..engine.stopping import INTERRUPTED
from ..errors import DataError, on_all_ranks
from ..files.hdf5 import Rows
from ..files.paths import split_dataset
from ..kernels import kernels_for
from ..linalg.orth import with_positive_peak
from ..operators.resources import Resources
from ..options import AUTO
from ..planning.plan import choose
from ..planning.rates import cached_rates
from ..sources.learned import Learned
from . import resuming, verification
from .base import metric_of
from .data import open_data
from .job import job_of, most_pairs
from .kinds import KINDS, kinds_for
from .rank import chosen
from .result import explained
from .settings import RegressSettings
from .statistics import learned_of

COLLINEAR = 1e-3  # errors of S, over its largest eigenvalue, that the user is told of


class Regression(Problem):
    """S = DᵀC⁻¹D of inputs and targets."""

    name = "regress"
    settings = RegressSettings
    vectors, eigenvalues = "components", "explained_variance"

    def __init__(self, config):
        super().__init__(config)
        self.kernels = self.exchange = self.curve = self._learned = None
        self.metric = metric_of(config)

    def open(self, own=()):
        """Return the ``Pairs``, or the ``JointCovariance``."""
        return open_data(self.config, own)

    def learn(self, data, world, counters, say):
        """Learn of the inputs what statistics need, if that is not known, and read ``data`` so.

        Collective.
        """
        said = []
        if self._learned is None:
            self._learned = Learned()
            if self.config.learns:
                # what is learnt of the rows that are left needs data without the others
                again = world.decide(lambda: self.open(own_files(self.config)))
                self._learned, said = learned_of(again, self.config, world, counters)
        if self.config.learns:
            data.learn(self._learned)
        for line in said:
            say(line)

    def look(self, context):
        """As of ``Problem``: as the run that is resumed did, or as the rows say."""
        if context.start is not None:
            self._learned = Learned.of(context.start.arrays)
        self.learn(context.data, context.world, context.counters, context.say)

    def settle(self, world, say):
        """Choose the number of pairs, if that is asked for. Collective."""
        if self.config.components == AUTO:
            self.config, self.curve = chosen(self, world, say)

    def reads(self, own=()):
        """Return the files of inputs and targets, and that of the start vectors."""
        found = {part["path"]: "the data" for part in self.open(own).describe()}
        if self.config.init:
            found[split_dataset(self.config.init)[0]] = "the start vectors"
        return found

    def check(self, data):
        """Return how many pairs there are; raise UsageError if more are asked for."""
        return most_pairs(self.config, data)

    def plan(self, context):
        """Choose how S is held: the quickest way that fits the memory, or the one asked for."""
        config = self.config
        rates = context.world.decide(cached_rates)
        job = job_of(config, context.data, context.panel, machine_of(context, rates))
        asked = job, config.operator, config.basis, kinds_for(config)
        plan = context.world.decide(lambda: choose(*asked))
        self.kernels = kernels_for(plan.elements, context.data.types)
        return plan

    def operator(self, context, resumed):
        """Return S; raise if it says nothing."""
        self.exchange = context.exchange
        warm_up(context, self.kernels, context.data.types)
        resources = Resources(
            source=context.data,
            exchange=context.exchange,
            counters=context.counters,
            kernels=self.kernels,
            team=context.team,
            seed=self.config.seed,
        )
        kind, resumed = KINDS[context.plan.operator], resumed or resuming.Resumed()
        operator = kind.load(resources, self.config, context.plan, resumed)
        self._check_solved(context, operator)
        return operator

    def _check_solved(self, context, operator):
        """Refuse a fit that goes through every row; tell of collinear inputs."""
        config = self.config
        is_penalised = operator.ridge > 0 or not config.predicts
        if operator.n is not None and operator.rank >= operator.divisor and not is_penalised:
            raise on_all_ranks(
                DataError(
                    f"the inputs have rank {operator.rank} over {operator.n} rows: a fit would go"
                    " through every row and predict nothing; give --ridge, or more rows"
                )
            )
        if config.ridge == "auto":
            context.say(f"ridge by generalised cross-validation: {operator.true_ridge:.6g}")
            if operator.is_least_ridge:
                context.say(
                    "hpcpca: warning: that is the least ridge looked at, and less would do as well:"
                    " these rows do not say how much is right; give a number, or more rows"
                )
        if operator.rounding > COLLINEAR:
            context.say(
                f"hpcpca: warning: the inputs are nearly collinear (condition"
                f" {operator.condition:.1e}): results may be off by {operator.rounding:.1e};"
                f" {'leave inputs' if operator.is_double else 'leave --precision single'} out, or"
                " give --ridge"
            )
        elif config.predicts and operator.rank < operator.inputs and not operator.ridge:
            context.say(
                f"inputs of rank {operator.rank} out of {operator.inputs}: of all coefficients that"
                " fit alike, the smallest are taken"
            )

    def result(self, content, operator):
        """Return the input sides, strengths, means and R²."""
        learned = self._learned.arrays()
        attributes = {
            "n_inputs": 0,
            "inputs_rank": 0,
            "condition": np.nan,
            "ridge": np.nan,
            "total_variance": np.nan,
        }
        if operator is None:
            return learned, attributes
        state, config = content.state, self.config
        count = max(0, min(len(state.vectors), content.components - content.first))
        signs = with_positive_peak(state.vectors[:count])[:, None]
        own = state.vectors[:count] * signs
        offsets = np.minimum(content.offsets, content.components)
        values = np.maximum(content.eigenvalues[: content.components], 0.0)
        arrays = learned | {
            self.eigenvalues: values,
            "strength": np.sqrt(values * operator.divisor),
            "input_deviation": np.ldexp(np.sqrt(operator.x.variances), operator.x.exponent),
        }
        if self.curve is not None:
            arrays["r2_by_rank"] = self.curve.r2
            attributes["rows_kept_back"] = self.curve.rows
        if not config.predicts:  # correlations, or covariances, of the two scores
            arrays["strength"] = np.sqrt(values)
        if config.whiten == "both":
            arrays["targets"] = Rows(operator.targets_of(own), offsets)
        attributes |= {
            "n_inputs": operator.inputs,
            "inputs_rank": operator.rank,
            "condition": operator.condition,
            "ridge": operator.true_ridge,
            "total_variance": operator.total_variance,
        }
        if operator.n is not None:
            attributes["n_samples"] = operator.n
        if not (content.is_result or operator.inputs_at_hand):
            return arrays, attributes  # a reading of all rows is too dear for a checkpoint
        known = state.eigenvalues[content.first :][:count]
        may_stop = content.attributes["outcome"] != INTERRUPTED
        inputs = operator.inputs_of(own, known, offsets, may_stop)
        arrays["inputs"] = Rows(inputs, offsets)
        if config.predicts:
            images = np.ldexp(state.images[:count], operator.exponent) * signs
            arrays |= self._prediction(operator, own, images, inputs, offsets)
        return arrays, attributes

    def _prediction(self, operator, own, images, inputs, offsets):
        """R² of the first pairs, and what is added to X·W."""
        products = self._products(own, [images, own], offsets)
        products += self._products(inputs, [inputs], offsets)
        ridge = operator.true_ridge / operator.divisor
        arrays = {"r2": explained(*products, ridge, operator.total_variance)}
        if operator.x.mean is None or self.config.no_centre:
            return arrays
        shift = self.exchange.sum(own.T @ (inputs @ operator.x.mean))
        return arrays | {
            "intercept": operator.y.mean - shift,
            "input_mean": operator.x.mean,
            "target_mean": operator.y.mean,
        }

    def _products(self, own, others, offsets):
        """For each of ``others`` its products (R, R) with all rows, of which each rank has its
        ``own``. Collective.
        """
        whole = self.exchange.gather_small(own, offsets)
        return [self.exchange.gather_small(other @ whole.T, offsets) for other in others]

    def stored(self, operator, unfinished):
        """Return the sums over the rows that were read."""
        return resuming.stored(unfinished)

    def restored(self, context, pending):
        """Return these again."""
        return resuming.restored(context, self.kernels, pending)

    @classmethod
    def plain(cls, request):
        """Return S in plain numpy."""
        return verification.plain(request)

    @classmethod
    def held_out(cls, request):
        """Return lines on how well a result predicts rows that were not fitted."""
        return verification.held_out(request)


PROBLEM = Regression
