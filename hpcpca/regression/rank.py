"""How many pairs: by R² on rows that are kept back, or by the R² that is asked for."""

from dataclasses import dataclass, replace

import numpy as np

from ..comm.counters import Counters
from ..comm.exchange import Exchange
from ..engine.machine import machine_of
from ..engine.problem import Context
from ..engine.starting import own_files
from ..errors import Interrupted, NotAchieved, UsageError, on_all_ranks
from ..kernels import kernels_for
from ..operators.cost import Rates
from ..operators.resources import Resources
from ..operators.team import Team
from ..partition import Grid, merged, outside
from ..rng import spread
from ..units import format_size
from .fitted import solve
from .job import choosing_bytes, job_of
from .sums import Reading
from .tiles import Products

SHARE = 0.1  # of the rows, that is kept back unless users say another


@dataclass(frozen=True)
class Curve:
    """R² of the first 1, 2, … pairs (r), on the rows that were kept back or on those fitted."""

    r2: np.ndarray
    rows: int  # kept back; 0 if none were

    def rank(self, wanted):
        """The number of pairs that is best, or the smallest whose R² is at least ``wanted``;
        raise UsageError if none is.
        """
        if wanted is None:
            return int(self.r2.argmax()) + 1
        enough = np.flatnonzero(self.r2 >= wanted)
        if not len(enough):
            raise UsageError(
                f"--r2 {wanted:g}: all {len(self.r2)} pairs together reach R² ="
                f" {self.r2.max():.6g}; ask for less, or give more inputs"
            )
        return int(enough[0]) + 1


def chosen(problem, world, say):
    """Return the settings of a ``problem`` with a number of pairs instead of "auto", and the
    ``Curve`` that it was chosen by. Collective.
    """
    config = problem.config
    data = world.decide(lambda: problem.open(own_files(config)))
    counters, threads = Counters(), config.threads or world.default_threads()
    problem.learn(data, world, counters, say)
    _check_memory(Context(world, config, say, None, counters, None, data=data, threads=threads))
    exchange, team = Exchange(world, Grid(world.size, 1), counters), Team(threads)
    try:
        curve = _curve(problem, data, exchange, team)
    except Interrupted as stop:
        raise on_all_ranks(
            NotAchieved(
                f"interrupted ({stop}) before the number of pairs was chosen; nothing is left"
            )
        ) from None
    finally:
        team.close()
        exchange.free()
    count = world.decide(lambda: curve.rank(config.r2))
    where = f"on {curve.rows} rows that were kept back" if curve.rows else "on the rows fitted"
    say(f"-r auto: {count} pair(s), R² = {curve.r2[count - 1]:.6g} {where}")
    return replace(config, components=count), curve


def _check_memory(context):
    """Raise UsageError if choosing needs more memory than may be used. Collective."""
    machine = machine_of(context, Rates())
    needed = choosing_bytes(job_of(context.config, context.data, 1, machine))
    if needed > machine.memory:
        raise on_all_ranks(
            UsageError(
                f"-r auto needs {format_size(needed)} of memory per node,"
                f" {format_size(machine.memory)} may be used; give more with --memory, use more"
                " nodes, or give -r R"
            )
        )


def _curve(problem, data, exchange, team):
    config = problem.config
    kernels = kernels_for(data.n * (data.inputs + data.d), data.types)
    resources = Resources(data, exchange, exchange.counters, kernels, team, config.seed)
    parts = [np.zeros((0, 2), np.int64)]
    if config.r2 is None:
        kept = kept_back(data, config.held_out or SHARE, config.seed)
        parts = [kept, merged(list(outside(0, data.n, kept)))]
    how = {"is_centred": not config.no_centre, "products": Products()}
    readings = [Reading(resources, left_out=rows, **how) for rows in parts]
    fitted, *others = (reading.sums(config.starts_in_double) for reading in readings)

    def found():
        solved = solve(fitted, problem.metric)
        return [r2_by_rank(solved, fitted, others[0] if others else fitted)]

    with exchange.agreed():
        made = found() if exchange.rank == 0 else None
    size = int(exchange.maximum(len(made[0]) if made else 0))
    r2 = exchange.from_root(lambda: made, size)[0]
    return Curve(r2, others[0].n if others else 0)


def kept_back(data, share, seed):
    """The rows to keep back: whole blocks, spread over the files; intervals (r, 2)."""
    blocks = data.blocks
    count = round(share * len(blocks))
    if not 0 < count < len(blocks):
        raise on_all_ranks(
            UsageError(
                f"--held-out {share:g} of {data.n} rows is none, or all; give another share, or -r"
            )
        )
    edges = blocks.edges
    return merged(
        [(edges[number], edges[number + 1]) for number in spread(seed, count, len(blocks))]
    )


def r2_by_rank(solved, fitted, other):
    """R² (r) of the first 1, 2, … pairs of the ``Solved`` sums ``fitted`` on the rows of the sums
    ``other``, which may be the same.

    All follows from sums: pair j takes 2aᵀDb − aᵀCa off the sum of squares about the means of the
    rows fitted. On the root.
    """
    left, coefficients = solved.left, solved.coefficients
    # the right singular vectors of M, all that are not nothing
    vectors, sizes, _ = np.linalg.svd(left.T, full_matrices=False)
    vectors = vectors[:, sizes > sizes[0] * len(sizes) * 2.0**-52]
    inputs = coefficients @ vectors  # (d, r)
    to_x, to_y = other.x.exponent - fitted.x.exponent, other.y.exponent - fitted.y.exponent
    # in the units that the pairs are in
    cxx, cxy = np.ldexp(other.cxx, 2 * to_x), np.ldexp(other.cxy, to_x + to_y)
    total = float(np.ldexp(other.y.variances.sum(), 2 * to_y))
    about = total
    if other is not fitted and fitted.x.mean is not None and other.divisor != other.n:
        share = other.n / other.divisor
        x = np.ldexp(other.x.mean - fitted.x.mean, -fitted.x.exponent)
        y = np.ldexp(other.y.mean - fitted.y.mean, -fitted.y.exponent)
        cxx, cxy = cxx + share * np.outer(x, x), cxy + share * np.outer(x, y)
        about += share * float(y @ y)
    gains = 2 * ((inputs.T @ cxy) * vectors.T).sum(axis=1)
    gains -= ((cxx @ inputs) * inputs).sum(axis=0)
    return 1 - (about - np.cumsum(gains)) / total
