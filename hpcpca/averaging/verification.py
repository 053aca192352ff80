"""Errors of factors, measured on the files in float64 with passes of their own; and the least that
their ranks allow. Shares no code with the iteration.
"""

import numpy as np

from ..errors import DataError, on_all_ranks
from ..partition import span
from .data import open_averages
from .result import decoded
from .settings import AveragingSettings

LARGEST = 4000  # of the smaller side of a matrix whose singular values are computed
MOST = 50_000_000  # entries of a wide one, which is held for that
CLOSE = 1e-6  # how far a stored error may be from the measured one, over ‖M‖
ROUNDING = 3e-7  # errors below this are those of sums of squares
ROWS = 256


def examined(request, search):
    """Return a line for each matrix of a Stored result, and failures; ``search`` for the least
    errors too. Collective.

    ``request`` has ``stored``, ``data``, and ``ranks``.
    """
    stored, world = request.stored, request.ranks
    if stored.config.get("error_feedback"):
        raise on_all_ranks(
            DataError(
                f"{stored.path} has in it what was owed of earlier calls, which the files have not:"
                " its errors were measured with both"
            )
        )
    config = AveragingSettings.restored(stored.config, data=tuple(request.data))
    data = world.decide(lambda: open_averages(config))
    names = decoded(stored.arrays["compression/names"])
    shapes = dict(zip(names, map(tuple, stored.arrays["compression/shapes"].tolist())))
    if {each.name: each.shape for each in data.matrices} != shapes:
        raise on_all_ranks(
            DataError(f"{stored.path} is of other matrices than these files have; name its own")
        )
    lines, failures = [], []
    lines.append(f"{'matrix':<24} {'error':>10} {'stored':>10} {'least':>10}  over least")
    columns = (stored.arrays[f"compression/{what}"] for what in ("norms", "errors"))
    for matrix, norm, told in zip(data.matrices, *columns):
        scale = int(np.frexp(norm)[1]) if np.isfinite(norm) else 1000
        error, least = _measured(matrix, stored.arrays, world, scale, search=search)
        over = f"{error / least:>10.4f}" if least and error > ROUNDING else f"{'exact':>10}"
        over = "" if np.isnan(least) else over
        shown = f"{'not known':>10}" if np.isnan(least) else f"{least:>10.4g}"
        lines.append(f"{matrix.name:<24} {error:>10.4g} {told:>10.4g} {shown}  {over}")
        if not abs(error - told) <= CLOSE:
            failures.append(
                f"{matrix.name} has error {error:.6g}, and {told:.6g} is stored: the factors are of"
                " other data"
            )
    failures += world.decide(lambda: _of_others(data.others, stored.arrays))
    if change := world.decide(data.change):
        failures.append(f"{change}: verify it again")
    return lines, failures


def _measured(matrix, arrays, world, scale, *, search):
    """Return ‖M − PQᵀ‖/‖M‖ and the least that the rank allows; NaN if that is too large to know, or
    not searched for. All is worked on times 2**−``scale``.
    """
    n, m = matrix.shape
    p = arrays[f"{matrix.name}/P"].astype(np.float64)
    q = np.ldexp(arrays[f"{matrix.name}/Q"].astype(np.float64), -scale)
    is_tall, is_small = n >= m, search and min(n, m) <= LARGEST
    gram = np.zeros((m, m)) if is_small and is_tall else None
    rows = np.zeros((n, m)) if is_small and not is_tall and n * m <= MOST else None
    sums = np.zeros(2)
    first, stop = span(n, world.size, world.rank)
    buffers = matrix.buffers(ROWS)
    with world.agreed():
        for start in range(first, stop, ROWS):
            end = min(stop, start + ROWS)
            block = np.ldexp(matrix.read(start, end, buffers), -scale)
            sums += np.sum((block - p[start:end] @ q.T) ** 2), np.sum(block**2)
            if gram is not None:
                gram += block.T @ block
            elif rows is not None:
                rows[start:end] = block
    world.total(sums)
    left, total = sums
    if not total:
        return 0.0, 0.0
    least = np.nan
    if gram is not None or rows is not None:
        whole = world.total(gram if rows is None else rows)
        least = world.decide(lambda: _least(whole, is_tall, p.shape[1]))
    return float(np.sqrt(left / total)), least


def _of_others(others, arrays):
    """What is wrong with means of datasets that were averaged as they are, in words."""
    asked, found = set(decoded(arrays["compression/averaged"])), []
    if asked != {each[0].dataset for each in others}:
        return ["the files have other datasets beside the matrices"]
    for each in others:
        mean = sum(values.read() / len(each) for values in each)
        held = arrays[f"{each[0].dataset}/mean"]
        if not np.allclose(held, mean, rtol=1e-6, atol=1e-6 * np.abs(mean).max(initial=0.0)):
            found.append(f"{each[0].dataset} has another mean than is stored")
    return found


def _least(whole, is_gram, rank):
    """The error of the best of a rank, by all singular values."""
    if is_gram:
        squares = np.maximum(np.linalg.eigvalsh(whole)[::-1], 0.0)
    else:
        squares = np.linalg.svd(whole, compute_uv=False) ** 2
    return float(np.sqrt(squares[rank:].sum() / squares.sum()))
