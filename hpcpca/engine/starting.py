"""What a run begins with: random vectors, given ones, those of a sample, or the state of a run
that was stopped.
"""

import json
from dataclasses import dataclass, field

import numpy as np

from ..errors import DataError, on_all_ranks
from ..files.lock import SUFFIX
from ..files.result import MEMORY, Stored, ours_among
from ..linalg.search import Search
from ..methods.state import State, unmeasured
from ..rng import unit_vectors
from ..sources.reading import Reading
from ..sources.source import open_source


@dataclass
class Beginning:
    """This rank's start vectors (own, d) and, of a run that was stopped, what it knew.

    ``images`` are true ones times 2**−exponent; ``pending`` = (own directions, number of all) of
    the pass it was stopped in; ``resumed`` is what it knew of the operator.
    """

    vectors: np.ndarray
    images: np.ndarray | None = None
    exponent: int = 0
    round: int = 0
    is_double: bool = False
    is_warm: bool = False
    pending: tuple | None = None
    resumed: object = None
    memory: dict = field(default_factory=dict)
    search: Search | None = None  # of guards, for what start vectors that are not random miss
    note: str = ""  # what the user should know of it
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))
    residuals: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def release(self):
        """Let go of all arrays, once the run has taken them over."""
        self.vectors = self.images = self.pending = self.resumed = None

    def state(self, panel):
        """The state before anything is done."""
        if self.images is None:
            return unmeasured(self.round, self.vectors, panel)
        known = self.round, self.vectors, self.images, self.values, self.residuals
        return State(*known, memory=self.memory)


def own_files(config):
    """The files of a run that are there already: they are no data, whatever globs say.

    For one rank to call.
    """
    results = [config.output] if config.output else []
    usual = [path + ".ckpt" for path in results]
    checkpoints = dict.fromkeys([config.checkpoint_path or usual[0], *usual] if usual else [])
    previous = [path + ".1" for path in checkpoints]
    written = [*results, *checkpoints, *previous, *config.resumed_from]
    return [*ours_among(written), *(path + SUFFIX for path in checkpoints)]


def result_at(text):
    """Return the ``Stored`` result that --init names, or None if it is a dataset; raise DataError.

    For one rank to call.
    """
    return Stored(text) if ours_among([text]) and not text.endswith(".npy") else None


def begin(problem, context):
    """Return the ``Beginning`` of a run: from the file it resumes, the vectors of --init, or at
    random. Collective.
    """
    config, start, d = context.config, context.start, context.data.d
    own = context.exchange.owned(context.panel)
    if start is not None and start.is_checkpoint and start.panel == context.panel:
        with context.world.agreed():
            return _stored(problem, context, own)
    vectors = unit_vectors(config.seed, range(own.start, own.stop), d)
    given, count = _given(context, own, problem.known)
    vectors[: len(given)] = given
    round = start.attributes["rounds"] if start else 0
    # of kept components the others are not known
    is_warm = (
        start is not None
        or bool(config.init)
        or (problem.known is not None and not getattr(config, "kept", 0))
    )
    return Beginning(
        vectors,
        round=round,
        is_warm=is_warm,
        search=_search(context, round, count) if is_warm else None,
        note=(
            f"--init {config.init}: the first {context.panel} of its {count} rows are start vectors"
            if config.init and count > context.panel
            else ""
        ),
    )


def _search(context, since, count):
    """The ``Search`` of a run from ``count`` vectors that were not random, as of ``since``."""
    panel, is_ritz = context.panel, context.config.is_ritz
    if context.start is not None and panel == context.config.components:
        return None  # without guards, and its own run found these at random
    guards = max(0, panel - max(count, context.config.components))
    return Search(guards, since, is_ritz, 0 if is_ritz else panel)


def _stored(problem, context, own):
    """The state of a checkpoint; of what was measured on the data only what belongs to these
    very files.
    """
    start = context.start
    at, arrays = start.attributes, start.arrays
    found = Beginning(
        start.rows("state/vectors", own.start, own.stop),
        exponent=at["state_exponent"],
        round=at["state_round"],
        is_double=bool(at["state_double"]),
        is_warm=at["state_round"] > 0 or bool(context.config.init),
    )
    if "search" in at:
        given = json.loads(at["search"])
        found.search = given and Search(**given)
    elif context.config.init:  # of an older version
        found.search = _search(context, 0, 0)
    if at.get("state_has_images", True):
        found.images = start.rows("state/images", own.start, own.stop)
        found.values = np.ldexp(
            np.concatenate([start.eigenvalues, arrays["guard_eigenvalues"]]), -found.exponent
        )
        found.memory = {
            name.removeprefix(MEMORY): start.rows(name, own.start, own.stop)
            for name in start.shapes
            if name.startswith(MEMORY)
        }
        found.residuals = np.concatenate([arrays["residuals"], arrays["guard_residuals"]])
    if context.data.describe() != start.source:
        found.images = None
        return found
    count = start.shapes.get("state/pending", (0,))[0]
    if count:
        mine = context.exchange.owned(count)
        found.pending = start.rows("state/pending", mine.start, mine.stop), count
    found.resumed = problem.restored(context, found.pending)
    return found


def _given(context, own, known):
    """Start vectors the user or a stored result gives, as far as they belong to this rank: (r,
    d) of unit length; and how many there are.
    """
    world, config, d = context.world, context.config, context.data.d
    begun_from = context.start or known
    if begun_from is not None:
        count = begun_from.count
        with world.agreed():
            if begun_from.d != d:
                raise DataError(
                    f"{begun_from.path} has vectors of length {begun_from.d}, the data have {d}"
                    " columns; give others with --init"
                )
            return begun_from.vectors(min(own.start, count), min(own.stop, count)), count
    if not config.init:
        return np.zeros((0, d)), 0
    given = world.decide(lambda: open_source([config.init], Reading(config.follow_links)))
    if given.d != d:
        raise on_all_ranks(
            DataError(
                f"{given.parts[0].name} has vectors of length {given.d}, the data have {d} columns;"
                " give others with --init"
            )
        )
    rows = np.empty((max(0, min(own.stop, given.n) - own.start), given.d), given.dtype)
    with world.agreed():
        if len(rows):
            given.check_finite(given.read(0, own.start, own.start + len(rows), rows))
    rows = rows.astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    with world.agreed():
        if not largest.all():
            raise DataError(
                f"{given.parts[0].name} holds a zero vector; start vectors need a direction"
            )
    rows /= largest  # squares of entries may be out of range
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), given.n
