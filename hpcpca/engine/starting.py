"""What a run begins with: random vectors, given ones, those of a sample, or the state of a run
that was stopped.
"""

from dataclasses import dataclass, field

import numpy as np

from ..errors import DataError, on_all_ranks
from ..files.lock import SUFFIX
from ..files.result import MEMORY, ours_among
from ..methods.state import State, unmeasured
from ..methods.warm_start import sampled_rows, warm_start
from ..operators.centring import Centring, is_whole, work_type
from ..operators.unfinished import Unfinished
from ..rng import unit_vectors
from ..sources.source import open_source

MEASURES = ("state/shift", "state/offset", "state/squares")


@dataclass
class Beginning:
    """This rank's start vectors (own, d) and, of a run that was stopped, what it knew.

    ``images`` are true ones times 2**−exponent; ``pending`` = (own directions, number of all) of
    the pass it was stopped in.
    """

    vectors: np.ndarray
    images: np.ndarray | None = None
    exponent: int = 0
    round: int = 0
    is_double: bool = False
    is_warm: bool = False
    pending: tuple | None = None
    known: Centring | None = None
    unfinished: Unfinished | None = None
    memory: dict = field(default_factory=dict)
    note: str = ""  # what the user should know of it
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))
    residuals: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def unfinished_gram(self):
        """Σ half built, or None."""
        return self.unfinished if self.unfinished and self.unfinished.panel is None else None

    def unfinished_pass(self, double):
        """(Centring, Unfinished) that streaming can go on with, each or None: what was measured
        in single precision is not for ``double``.
        """
        unfinished = (
            self.unfinished if self.unfinished and self.unfinished.panel is not None else None
        )
        known = (
            self.known
            if self.known is not None and (self.known.squares is not None or unfinished)
            else None
        )
        return (
            (None, None)
            if known is None or (double and not self.is_double)
            else (known, unfinished)
        )

    def release(self):
        """Let go of all arrays, once the run has taken them over."""
        self.vectors = self.images = self.pending = self.known = self.unfinished = None

    def state(self, panel):
        """The state before anything is done."""
        if self.images is None:
            return unmeasured(self.round, self.vectors, panel)
        return State(self.round, self.vectors, self.images, self.values, self.residuals)


def open_data(config):
    """The ``Source`` of a run's data; the run's own files are left out of globs and folders.

    Raises DataError. For one rank to call.
    """
    usual = config.output + ".ckpt"
    checkpoints = dict.fromkeys((config.checkpoint_path or usual, usual))
    previous = [path + ".1" for path in checkpoints]
    written = [config.output, *checkpoints, *previous, *config.resumed_from]
    return open_source(
        config.data,
        config.follow_links,
        own=[*ours_among(written), *(path + SUFFIX for path in checkpoints)],
    )


def beginning(world, config, source, exchange, panel, start, kernels):
    """Return the ``Beginning`` of a run: from the file ``start``, the vectors of --init, or at
    random. Collective.
    """
    own = exchange.owned(panel)
    if start is not None and start.is_checkpoint and start.panel == panel:
        with world.agreed():
            return _stored(start, config, source, exchange, own, kernels)
    vectors = unit_vectors(config.seed, range(own.start, own.stop), source.d)
    given, count = _given(world, config, source.d, start, own)
    vectors[: len(given)] = given
    return Beginning(
        vectors,
        round=start.attributes["rounds"] if start else 0,
        is_warm=start is not None or bool(config.init),
        note=(
            f"--init {config.init}: the first {panel} of its {count} rows are start vectors"
            if count > panel
            else ""
        ),
    )


def _stored(start, config, source, exchange, own, kernels):
    """The state of a checkpoint; of what was measured on the data only what belongs to these
    very files.
    """
    at, arrays = start.attributes, start.arrays
    found = Beginning(
        start.rows("state/vectors", own.start, own.stop),
        exponent=at["state_exponent"],
        round=at["state_round"],
        is_double=bool(at["state_double"]),
        is_warm=at["state_round"] > 0 or bool(config.init),
    )
    if at.get("state_has_images", True):
        found.images = start.rows("state/images", own.start, own.stop)
        found.values = np.ldexp(
            np.concatenate([arrays["explained_variance"], arrays["guard_eigenvalues"]]),
            -found.exponent,
        )
        found.memory = {
            name.removeprefix(MEMORY): start.rows(name, own.start, own.stop)
            for name in start.shapes
            if name.startswith(MEMORY)
        }
        found.residuals = np.concatenate([arrays["residuals"], arrays["guard_residuals"]])
    if source.describe() != start.source:
        found.images = None
        return found
    count = start.shapes.get("state/pending", (0,))[0]
    if count:
        mine = exchange.owned(count)
        found.pending = start.rows("state/pending", mine.start, mine.stop), count
    if "state/shift" in arrays:
        shift, offset, squares = (arrays.get(name) for name in MEASURES)
        found.known = Centring(
            shift,
            at["state_centring_exponent"],
            work_type(source.dtype, bool(at.get("state_centring_double", found.is_double))),
            kernels,
            is_whole(source.dtype),
            offset,
            source.n if squares is not None else 0,
            squares,
        )
    if "state/rows_done" in arrays:
        found.unfinished = _unfinished(start, exchange, found, count)
    return found


def _unfinished(start, exchange, found, count):
    rows, moments = start.arrays["state/rows_done"], start.arrays.get("state/moments")
    if "state/gram" in start.shapes:
        d = start.shapes["state/gram"][0]
        return Unfinished(
            None,
            start.rows("state/gram", 0, d) if exchange.rank == 0 else None,
            rows,
            moments,
            found.known,
        )
    mine = exchange.owned(count)
    return Unfinished(
        found.pending[0],
        start.rows("state/pending_sums", mine.start, mine.stop),
        rows,
        moments,
        found.known,
        exchange.grid.offsets(count),
    )


def _given(world, config, d, start, own):
    """Start vectors the user or a stored result gives, as far as they belong to this rank: (r,
    d) of unit length; and how many there are.
    """
    if start is not None:
        with world.agreed():
            return (
                start.rows("components", min(own.start, start.count), min(own.stop, start.count)),
                start.count,
            )
    if not config.init:
        return np.zeros((0, d)), 0
    given = world.decide(lambda: open_source([config.init], config.follow_links))
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
            given.read_into(0, own.start, own.start + len(rows), rows)
            given.check_finite(0, own.start, rows)
    rows = rows.astype(np.float64)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    with world.agreed():
        if not largest.all():
            raise DataError(
                f"{given.parts[0].name} holds a zero vector; start vectors need a direction"
            )
    rows /= largest  # squares of entries may be out of range
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), given.n


def warmed(method, operator, source, exchange, seed, vectors):
    """Better start vectors (own, d) from a sample of the rows, or None where that does not pay.

    Collective.
    """
    ranges = sampled_rows(source.n, method.count, seed)
    if not ranges:
        return None
    first, last = source.blocks.shard(exchange.grid.shards, exchange.shard)
    low, high = source.blocks.edges[[first, last]]
    mine = [(max(a, low) - low, min(b, high) - low) for a, b in ranges if a < high and b > low]
    share = sum(b - a for a, b in ranges) / source.n
    return warm_start(method, operator.sampled(mine, share), vectors)
