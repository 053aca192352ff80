"""A regression, before it runs."""

from ..errors import UsageError
from ..files.result import ours_among
from ..operators.cost import Job, Plan, with_learning
from ..options import AUTO
from ..planning.plan import choose
from ..planning.planned import Planned, check_unread, shape_of
from ..sources.reading import NAMES as READING
from .data import open_data
from .job import PairSizes, job_of, most_pairs
from .kinds import kinds_for
from .settings import RegressSettings


class PlannedRegression(Planned):
    """Of pairs of rows, or of a joint covariance."""

    settings = RegressSettings
    options = (
        "targets",
        "components",
        "held_out",
        "r2",
        "ridge",
        "ridge_y",
        "whiten",
        "covariance",
        "inputs",
        "no_centre",
        "operator",
        "exchange",
        "tol",
        "precision",
        "follow_links",
        "nan",
        "scale",
        *READING,
    )
    output = "regress.h5"

    def sizes(self, dtype, own, tell):
        """Return the ``PairSizes``, or the opened data, which have the same."""
        config = self.config
        x, y = (shape_of(words, dtype) for words in (config.data, config.targets))
        if x or y:
            check_unread(config)
        if config.covariance and x:
            return self._of_covariance(x)
        if x and y:
            if x[0] != y[0]:
                raise UsageError(
                    f"{config.data[0]} and --targets {config.targets[0]}: row i of the one belongs"
                    " to row i of the other; give both as many rows"
                )
            return PairSizes.of(x[0], x[1], y[1], x[2])
        if x or y:
            raise UsageError("DATA and --targets: give files for both of them, or NxD for both")
        data = open_data(config, ours_among(own))
        data.tell(tell)
        return data

    def _of_covariance(self, shape):
        n, both, kind = shape
        inputs, name = self.config.inputs, self.config.data[0]
        if n != both:
            raise UsageError(f"--covariance needs one square dataset; {name} is {n} × {both}")
        if not inputs < both:
            raise UsageError(
                f"--inputs {inputs}: {name} has {both} columns, and at least one is a target"
            )
        return PairSizes.of(None, inputs, both - inputs, kind)

    def most(self, sizes):
        """Return how many pairs there are."""
        return most_pairs(self.config, sizes)

    def count(self, most):
        """Return how many pairs are asked for; all of them, if the data say how many."""
        return most if self.config.components == AUTO else self.config.components

    def job(self, sizes, panel, machine) -> Job:
        """Return the ``PairJob``."""
        return job_of(self.config, sizes, panel, machine)

    def choose(self, job) -> Plan:
        """Return the plan of the quickest way to hold S that fits, or of the one asked for."""
        plan = choose(job, self.config.operator, None, kinds_for(self.config))
        return with_learning(plan, job) if self.config.learns else plan

    def notes(self, most):
        """Say what pairs were planned for, if the data say how many there will be."""
        if self.config.components != AUTO:
            return ()
        return (
            f"-r auto: planned for all {most} pairs that there may be; give -r R to plan for fewer",
        )


PLANNED = PlannedRegression
