"""What is known of modules: their sums, solved, each at one rank, its home; S of all on all nodes.

Everything is in the units of the module's sums, divided and scaled. ``Module.unit`` makes
undivided sums of squares in the data's own units of them.
"""

from dataclasses import dataclass, replace

import numpy as np

from ...errors import DataError, Interrupted
from ...operators.cost import LARGEST_PIECE
from ...partition import NO_ROWS
from ..fitted import solve
from ..job import EIGH_FLOPS
from ..rank import SHARE, kept_back
from ..sums import Reading, Side
from ..tiles import STRIP, Products, rows_at_once

WIDTH = 1024  # numbers in a row of the panel that holds S of all


@dataclass(frozen=True)
class Facts:
    """Figures of a module that all ranks know."""

    n: int  # rows that are fitted
    inputs: int  # d
    targets: int  # q
    limit: int  # the most pairs it may have
    divisor: int  # of the sums: rows less one, if they are centred
    rows: int  # of what is held: q of S, or those of M with MᵀM = S
    rank: int  # of the inputs
    condition: float
    ridge: float  # undivided, in the data's own units
    scaled_ridge: float  # as the sums are
    rounding: float
    unit: float  # undivided sums of squares of targets over those here
    total: float  # trace of E, here

    @property
    def freedom(self):
        """What is left of the rows for noise."""
        return self.divisor - self.rank


@dataclass(frozen=True)
class Module:
    """Facts, and S (q, q), or M (r, q) if that is smaller."""

    facts: Facts
    held: np.ndarray

    def apply(self, vectors):
        """Return S·v for each of ``vectors`` (r, q)."""
        if self.facts.rows == self.facts.targets:
            return vectors @ self.held
        return (vectors @ self.held.T) @ self.held


@dataclass(frozen=True)
class Kept:
    """Rows kept back, less the means of those fitted, scaled like these: x (k, d), y (k, q)."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Home:
    """What only the home of a module has."""

    coefficients: np.ndarray  # (d, q) C⁻¹D
    x: Side
    y: Side
    held: np.ndarray | None  # what ``Module`` has of it on all nodes, until it is there
    cross: np.ndarray | None = None  # (d, q) D, if growth asks for it
    kept: Kept | None = None  # if growth asks for it


def _is_tall(d, q):
    """Whether S is held, and not M."""
    return q <= 2 * d


def _most_held(d, q):
    """How many numbers are held of a module at most."""
    return q * q if _is_tall(d, q) else d * q


def home_of(sums, metric, most, needs=(), kept=None):
    """Return (``Facts``, ``Home``) of ``Sums`` that are solved here, with ``most`` pairs at
    most; ``needs`` of growth are "cross" and "kept".
    """
    solved = solve(sums, metric)
    known = solved.found
    d, q = sums.cxy.shape
    held = solved.left.T @ solved.left if _is_tall(d, q) else solved.left
    facts = Facts(
        n=sums.n,
        inputs=d,
        targets=q,
        limit=min(most, d, q, sums.divisor),
        divisor=sums.divisor,
        rows=len(held),
        rank=known.rank,
        condition=known.condition,
        ridge=float(np.ldexp(known.ridge * sums.divisor, 2 * sums.x.exponent)),
        scaled_ridge=known.ridge,
        rounding=known.rounding,
        unit=float(np.ldexp(sums.divisor, 2 * sums.y.exponent)),
        total=float(sums.y.variances.sum()),
    )
    cross = sums.cxy.copy() if "cross" in needs else None
    return facts, Home(solved.coefficients, sums.x, sums.y, held, cross, kept)


class Homes:
    """Which rank is the home of which modules: runs of them that take about as long to solve."""

    def __init__(self, works, size):
        """``works`` (N) are how long each takes, ``size`` is the number of ranks."""
        works = np.asarray(works, dtype=float)
        done = np.cumsum(works) - works / 2
        self.of = np.minimum(size * done // works.sum(), size - 1).astype(int)
        self.offsets = np.searchsorted(self.of, np.arange(size + 1))

    def span(self, rank):
        """The numbers of the modules that are at home at a rank."""
        return range(self.offsets[rank], self.offsets[rank + 1])

    def edges(self, sizes):
        """Where each rank's part begins if modules have ``sizes`` (N) one after the other."""
        return np.concatenate([[0], np.cumsum(sizes)])[self.offsets]


def homes_for(pairs, size):
    """Return the ``Homes`` of modules with these ``Pairs`` on so many ranks."""
    works = [
        EIGH_FLOPS * each.inputs**3 + each.n * each.inputs * (each.inputs + 2 * each.d)
        for each in pairs
    ]
    return Homes(works, size)


def load(data, resources, config, metric):
    """Return (list of ``Module``, {number: ``Home``} of those at home here, the ``Homes``).

    Each home reads and solves its modules by itself. Collective.
    """
    exchange = resources.exchange
    homes = homes_for(data.pairs, exchange.size)
    found, is_halted = {}, False
    with exchange.agreed():
        try:
            for number in homes.span(exchange.rank):
                found[number] = _solved(data, number, resources, config, metric)
        except Interrupted:  # the others have not heard of it yet
            is_halted = True
    exchange.interrupt.stop_if(is_halted)
    _count_reads(exchange, len(data))
    facts = {}
    for each in exchange.gather_objects({number: one[0] for number, one in found.items()}):
        facts |= each
    ordered = [facts[number] for number in range(len(data))]
    here = {number: one[1] for number, one in found.items()}
    modules = _on_nodes(ordered, here, homes, exchange)
    return modules, {number: replace(home, held=None) for number, home in here.items()}, homes


def _count_reads(exchange, count):
    """Let readings of a module each count as one of all."""
    counters = exchange.counters
    both = exchange.sum(np.array([counters.reads, counters.passes], dtype=float)) / count
    counters.reads, counters.passes = map(float, both)


def _solved(data, number, resources, config, metric):
    pairs, name = data.pairs[number], data.names[number]
    own = replace(resources, source=pairs, exchange=resources.exchange.alone())
    kept, rows = None, NO_ROWS
    if "kept" in config.rule.needs:
        rows = kept_back(pairs, config.held_out or SHARE, config.seed)
    how = {"is_centred": not config.no_centre, "products": Products(with_targets=False)}
    reading = Reading(own, left_out=rows, **how)
    try:
        sums = reading.sums(True)
    except DataError as error:
        if pairs.x.parts[0].path in str(error):
            raise
        raise DataError(f"module {name}: {error}") from error
    if len(rows):
        kept = _kept(pairs, rows, sums, config)
    facts, home = home_of(sums, metric, config.rank_max, config.rule.needs, kept)
    if facts.freedom <= 0 and not facts.ridge > 0:
        raise DataError(
            f"module {name}: the inputs have rank {facts.rank} over {facts.n} rows: a fit would go"
            " through every row and predict nothing; give --ridge, or more rows"
        )
    config.rule.check(name, facts)
    return facts, home


def _kept(pairs, rows, sums, config):
    """The rows (r, 2) kept back, as the ``Sums`` of the others are."""
    sides = []
    for source, known in ((pairs.x, sums.x), (pairs.y, sums.y)):
        parts = []
        for first, stop in rows.tolist():
            into = source.buffer(stop - first)
            for block in source.read_across(first, stop, into):
                source.check_finite(block)
            parts.append(into.astype(np.float64))
        found = np.concatenate(parts)
        if not config.no_centre:
            found -= known.mean
        sides.append(np.ldexp(found, -known.exponent))
    return Kept(*sides)


def _on_nodes(facts, here, homes, exchange):
    """The modules, all of S in one panel on every node. Collective."""
    rows = [-(-each.rows * each.targets // WIDTH) for each in facts]
    edges, offsets = np.concatenate([[0], np.cumsum(rows)]), homes.edges(rows)
    panel = exchange.panel(int(edges[-1]), WIDTH)
    own = np.zeros((rows_of(offsets, exchange.rank), WIDTH))
    for number, home in here.items():
        start = (edges[number] - offsets[exchange.rank]) * WIDTH
        own.reshape(-1)[start : start + home.held.size] = home.held.reshape(-1)
    exchange.publish(own, panel, offsets)
    flat = panel.array.reshape(-1)
    return [
        Module(each, flat[start * WIDTH :][: each.rows * each.targets].reshape(each.rows, -1))
        for each, start in zip(facts, edges)
    ]


def rows_of(offsets, rank):
    """How many of them a rank has."""
    return int(offsets[rank + 1] - offsets[rank])


def _reading_bytes(pairs):
    """Of pieces of the rows, and of a tile and its products."""
    d, q = pairs.inputs, pairs.d
    piece = max(min(LARGEST_PIECE, pairs.n * pairs.row_bytes), pairs.chunk_bytes)
    tile = 8 * rows_at_once(d, q, 8, 1) * (d + q)
    return 2 * piece + tile + min(2 * STRIP, 8 * d * max(d, q))


def bytes_needed(data, config, homes, world):
    """Return the memory per node that modules take: S of all, what their homes keep and use while
    they solve, and what ranks send. Collective.
    """
    shared = sum(8 * _most_held(each.inputs, each.d) for each in data.pairs)
    kept = solving = own = 0
    for number in homes.span(world.rank):
        each = data.pairs[number]
        d, q = each.inputs, each.d
        copies = 1 + ("cross" in config.rule.needs)
        kept += 8 * copies * d * q
        own += 2 * 8 * _most_held(d, q)  # until it is on the nodes
        if "kept" in config.rule.needs:
            kept += int(8 * (config.held_out or SHARE) * each.n * (d + q))
        solving = max(solving, 8 * (5 * d * d + 4 * d * q) + _reading_bytes(each))
    workers = min(config.budget, config.rank_max * len(data)) + len(data)
    sent = 6 * 8 * workers * (2 * max(each.d for each in data.pairs) + 2)
    return shared + world.node.allreduce(kept + max(solving + own, sent))
