"""The interface between the engine and a problem: the leading eigenpairs of a symmetric operator S.

The largest eigenvalues of S have to be positive, and larger than the negative ones are in size.

A new problem is a folder with such a class and a line in cli/problems.py (docs/developing.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from .starting import result_at


class Data(Protocol):
    """What a problem is about, opened. The root opens it, and sends it to the other ranks: small
    and picklable. Values are read by all ranks, when the operator is made.
    """

    d: int  # length of the vectors

    @property
    def title(self) -> str:
        """Name, sizes and type, in words."""

    def describe(self) -> list:
        """What files store of it: for each part a dict with path, dataset, rows, columns, dtype,
        content (a checksum of some values), size and mtime. A run is resumed on the same only.
        """

    def change(self) -> str | None:
        """What happened to it since it was opened, in words, or None."""

    def tell(self, say: Callable) -> None:
        """Tell the user by ``say(text)`` what is odd about it."""


class SymmetricOperator(Protocol):
    """A symmetric S (d, d), scaled by 2**−exponent, that ranks apply together."""

    d: int
    is_double: bool
    exponent: int

    @property
    def rounding(self) -> float:
        """Error of images, relative to the largest eigenvalue."""

    def apply(self, panel, offsets):
        """Return S·v for this rank's rows of ``panel`` (c, d), which holds its group's;
        ``offsets`` (ranks + 1) says who owns which of all. Collective.
        """

    def to_double(self) -> None:
        """Go on in float64. Collective."""

    def over(self, exchange):
        """Return the same operator, applied by the ranks of another ``exchange``."""


@dataclass
class Context:
    """What the parts of a run are made from; ``prepare`` fills it in from top to bottom."""

    world: Any
    config: Any  # the problem's settings
    say: Callable  # shows a line to the user
    start: Any  # the Stored file of the run that is resumed, or None
    counters: Any
    injected: Any  # latency, for experiments
    data: Any = None
    rank_limit: int = 0  # how many eigenvalues may differ from zero
    panel: int = 0  # m: components and guards
    threads: int = 0  # of each rank
    grid: Any = None  # as asked for, or None; then as planned
    plan: Any = None  # operators.cost.Plan
    team: Any = None  # this rank's threads
    exchange: Any = None


class Problem(Protocol):
    """One run's problem; what is of the class is the same for all its runs.

    A problem defines ``name``, ``settings``, ``open``, ``check``, ``plan``, ``operator`` and
    ``plain``; all else is optional. What takes a ``context``, an ``operator`` or a ``request`` is
    collective, but for ``restored``.
    """

    name: ClassVar[str]  # of its command
    # a frozen dataclass: its fields are the command's options, but for those that only the problem
    # could see to and that it does not name in ``takes`` (options.option)
    settings: ClassVar[type]
    vectors: ClassVar[str] = "vectors"  # the dataset of a result that holds the vectors (K, d)
    eigenvalues: ClassVar[str] = "eigenvalues"  # and the one that holds their eigenvalues (K)

    # of a problem that has a loop of its own: what runs it, as engine.run.Run does others
    runs: ClassVar[type | None] = None

    config: Any
    known: Any = None  # what a result knows, whose ``vectors`` (K, d) the run begins with

    def __init__(self, config):
        self.config = config

    def ground(self, world):
        """Take up the result that the run goes on from, if it does, and what it decides of
        ``config``. Before anything else. Collective.
        """
        path = getattr(self.config, "init", None)
        if path and self.known is None:
            self.known = world.decide(lambda: result_at(path))

    def open(self, own=()) -> Data:
        """Return the data of the run; files among ``own`` are the run's. Raise DataError.

        For one rank to call.
        """

    def reads(self, own=()) -> dict:
        """Return {path: what it is} of all files that the run reads. For one rank to call."""
        return {part["path"]: "the data" for part in self.open(own).describe()}

    def settle(self, world, say):
        """Decide what ``config`` leaves to the data, before a run that resumes none. Collective."""

    def look(self, context):
        """Learn of ``context.data`` what their sizes depend on. Collective."""

    def check(self, data) -> int:
        """Return how many eigenvalues may differ from zero; raise if the data do not fit what is
        asked for.
        """

    def plan(self, context):
        """Return the ``Plan`` of the run: how its operator is held, on which grid."""

    def operator(self, context, resumed) -> SymmetricOperator:
        """Return S, taking up what a ``resumed`` run knew of it (from ``restored``, or None)."""

    def method(self, context, operator):
        """Return the method that was asked for. (Optional: for those that need more.)"""
        config, basis = self.config, context.plan.basis
        return config.chosen.build(operator, context.exchange, context.panel, config, basis)

    def is_measured(self, operator) -> bool:
        """Whether the operator knows its own scale and precision before it is applied first."""
        return True

    def monitors(self, operator) -> list:
        """Return functions of a report that raise an error if numbers cannot be."""
        return []

    def better_start(self, context, method, operator, vectors):
        """Return better start vectors (own, d) than the random ``vectors``, or None."""

    def closing(self, report):
        """Return lines on a run that has ended, besides what is said of all."""
        return []

    def contradiction(self, report, operator) -> str | None:
        """Say what cannot be of these data unless they changed during the run, or None."""

    def result(self, content, operator) -> tuple:
        """Return ({name: array}, {attribute: value}) that results have besides what all have.

        ``operator`` is None, here and in ``stored``, if the run was stopped before it was made.
        """
        return {}, {}

    def stored(self, operator, unfinished) -> tuple:
        """Return ({name: array}, {attribute: value}) of what checkpoints keep of the operator and
        of a pass that was stopped. Arrays are small, or those that files/result.py names.
        """
        return {}, {}

    def restored(self, context, pending):
        """Return what the checkpoint ``context.start`` holds of that: what ``operator`` takes up.

        ``pending`` = (own directions, number of all) of the pass that was stopped, or None. All
        ranks call it, but it must not be collective: a rank that fails to read its part would
        leave the others waiting.
        """

    def close(self) -> None:
        """Release what this run held."""

    @classmethod
    def plain(cls, request):
        """Return S in plain numpy and float64 for ``verify``, of a ``verification.Request``; the
        root opens the data (``request.ranks.decide``).
        """
