"""What a method is to the rest: how it is built, and the settings whose options it takes.

A method of the Ritz exchange, which can be started on a sample, has ``on(operator)`` too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..linalg.determination import Goals
from .state import State


class Collectives(Protocol):
    """What methods use of the exchange between their workers (comm.exchange). All of it but
    attributes, ``owned`` and ``group_columns`` is collective.
    """

    rank: int
    size: int
    grid: Any  # says who owns which rows of a panel
    counters: Any

    @property
    def interrupt(self) -> Any:
        """Whether the run is asked to stop."""

    def owned(self, count):
        """Return the slice of ``count`` rows that this rank owns."""

    def panel(self, rows, d):
        """Return a panel (rows, d) held once per node."""

    def publish(self, own, panel, offsets, first=0):
        """Put every rank's own rows into the panel; return all of them."""

    def columns(self, d):
        """Return the slice of vectors of length d that is this rank's, of all vectors."""

    def publish_columns(self, panel, count, first=0):
        """Let all have what every rank wrote into its columns of ``count`` rows of the panel."""

    def sum(self, array):
        """Sum an array over all ranks in place."""

    def gather_small(self, own, offsets):
        """Return all ranks' rows of a small array."""

    def from_root(self, solve, *shapes):
        """Return the arrays that the root solved for."""

    def group_columns(self, offsets):
        """Return the slice of the panel that this rank's group has."""

    def gather_in_group(self, own, offsets):
        """Return the rows of all ranks of this one's group."""

    def gather_objects(self, mine):
        """Return every rank's small object."""

    def maximum(self, value):
        """Return the largest of all ranks' values."""

    def alone(self):
        """Return an exchange of this rank only."""

    def window(self, fronts, rows, d):
        """Return a window that others read without this rank's doing."""

    def agreed(self):
        """Run the body on all ranks; an error of one is everybody's."""


class Method(Protocol):
    """State → state; all of it is collective."""

    own: Any  # slice of the components that this rank has
    measures_at_once: bool  # whether initialize() applies the operator

    def initialize(self, vectors, images=None, round=0, memory=None) -> State:
        """Return the state before a round, of this rank's ``vectors`` (own, d); or with what is
        known of a run that was stopped.
        """

    def step(self, state) -> State:
        """One round: deflate, improve, exchange."""

    def remeasure(self, state) -> State:
        """Return the state with images computed again."""

    def take_up(self, state, own, count) -> State:
        """Let the next round go on with the ``count`` directions of a pass that was stopped."""

    def is_orthonormal(self, state) -> bool:
        """Whether vectors are orthonormal, whatever the state is otherwise."""

    def orthonormality(self, state, count) -> float:
        """Return max|VVᵀ − I| over the first ``count`` vectors."""


@dataclass(frozen=True)
class Needs:
    """What the cost model has to know of a method: vectors of length d that it holds."""

    panels: int = 0  # once per node, as many as the panel has
    own: int = 0  # beside each worker's own
    private: int = 0  # panels that every rank holds for itself
    has_history: bool = False
    corrections: str = "off"  # auto, on or off: directions that are solved for on a sample
    slowness: float = 1.0  # rounds on mini-batches, over those of the Ritz exchange (measured)


def needs_history(settings):
    """What methods of the Ritz exchange need."""
    return Needs(has_history=True)


@dataclass(frozen=True)
class Kind:
    """How a method is built, and the Settings whose options it takes.

    ``build(operator, exchange, count, settings, basis)`` → the method; on mini-batches it is given
    ``batches`` and the number of ``rows`` besides. ``solvers`` are the top1 solvers that it takes,
    ``tol(settings)`` its usual tolerance.
    """

    build: Callable
    settings: tuple
    needs: Callable = needs_history
    solvers: tuple = ()
    tol: Callable = lambda settings: None
    orthonormal_to: float = 1e-8  # max|VVᵀ−I| of a converged run
    guards: bool = True  # whether they are improved beside the components


METHODS: dict[tuple[str, str], Kind] = {}
MINI_BATCHES: dict[tuple[str, str], Kind] = {}  # with --batch-rows


def register(name, exchange, build, settings, *, on_batches=False, **more):
    """Let ``--method name --exchange exchange`` be a method. Its module ends with that.

    ``more`` goes to its ``Kind``.
    """
    (MINI_BATCHES if on_batches else METHODS)[name, exchange] = Kind(build, settings, **more)


def goals(settings):
    """The goals that settings ask for."""
    return Goals(settings.tol, settings.components)


def panel_method(method_class):
    """Return what builds a method whose rounds end in Rayleigh–Ritz over the panel or more."""
    return lambda operator, exchange, count, settings, basis: method_class(
        operator, exchange, count, basis, goals=goals(settings), seed=settings.seed
    )
