"""A fit, before it runs."""

from dataclasses import replace

from ..errors import UsageError
from ..files.result import ours_among
from ..operators.cost import Job, Plan, with_learning
from ..planning.plan import choose
from ..planning.planned import Planned, check_unread, shape_of
from ..sources.reading import NAMES as READING
from ..sources.reading import STATISTICS
from ..sources.source import open_source
from .job import Sizes, job_of, most_components, operator_of
from .settings import FitSettings


class PlannedFit(Planned):
    """Of rows, or of a covariance."""

    settings = FitSettings
    options = (
        "components",
        "operator",
        "exchange",
        "batch_rows",
        "corrections",
        "max_rounds",
        "tol",
        "precision",
        "covariance",
        "follow_links",
        *READING,
        *STATISTICS,
    )
    output = "pca.h5"

    def sizes(self, dtype, own, tell):
        """Return the ``Sizes``."""
        config = self.config
        if shape := shape_of(config.data, dtype):
            check_unread(config)
            n, d, kind = shape
            return Sizes(n=n, d=d, dtype=kind)
        source = open_source(config.data, config, own=ours_among(own))
        source.tell(tell)
        sizes = Sizes.of(source)
        return replace(sizes, stored=None) if config.row_weights else sizes

    def most(self, sizes):
        """Return how many components there are."""
        config = self.config
        if not isinstance(config.components, int):
            raise UsageError(
                f"-k {config.components} is found from the data; give a number to plan with"
            )
        if config.covariance and sizes.n != sizes.d:
            raise UsageError(
                f"--covariance needs one square dataset; {config.data[0]} is {sizes.n} × {sizes.d}"
            )
        return most_components(config, sizes.n, sizes.d)

    def job(self, sizes, panel, machine) -> Job:
        """Return the ``Job``."""
        return job_of(self.config, sizes, panel, machine)

    def choose(self, job) -> Plan:
        """Return the plan of the operator that is asked for, or of the quickest."""
        plan = choose(job, operator_of(self.config), None)
        return with_learning(plan, job) if self.config.learns else plan

    def notes(self, most):
        """Return a line on readings whose number depends on the data."""
        if self.config.nan != "em":
            return ()
        return ("not forecast: how many readings --nan em takes, and what it leaves out",)


PLANNED = PlannedFit
