"""The ways to hold S: how each is loaded, and what it costs."""

from dataclasses import replace

from ..operators.kind import Kind
from .fitted import FittedCovariance, Metric
from .job import cost
from .sums import Given, Reading


def load(resources, settings, resumed):
    """Return the ``FittedCovariance`` of the data. Collective."""
    data = resources.source
    if settings.covariance:
        reading = Given(replace(resources, source=data.source), data.inputs)
    else:
        reading = Reading(
            resources,
            is_centred=not settings.no_centre,
            with_targets=settings.whiten == "both",
        )
    return FittedCovariance(
        reading,
        metric_of(settings),
        settings.starts_in_double,
        resources.exchange,
        resources.counters,
        earlier=resumed.unfinished if resumed else None,
    )


KINDS = {"gram": Kind(load, cost)}


def metric_of(settings):
    """The ``Metric`` that settings ask for."""
    return Metric(
        inputs=settings.whiten != "none",
        targets=settings.whiten == "both",
        ridge=settings.rho(),
        ridge_targets=settings.ridge_y,
    )
