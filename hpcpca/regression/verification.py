"""The covariance of the fitted values in plain numpy and float64, for ``verify``.

Nothing of ``kernels``, ``operators``, ``methods`` or of this folder's own solving is used here, so
that an error in one of them cannot hide itself.
"""

from dataclasses import asdict
from types import SimpleNamespace

import numpy as np

from ..comm.counters import Counters
from ..errors import DataError, UsageError, on_all_ranks
from ..partition import span
from ..sources.learned import Learned
from ..sources.watch import Passage
from .data import open_data
from .statistics import left_out

PIECE_ROWS = 4096
CUT = 2.0**-48  # of the largest eigenvalue, times the number of inputs: what counts as nothing


def plain(request):
    """Return the ``PlainFitted`` of the data that an engine ``Request`` names. Collective."""
    data, config = _opened(request)
    with request.ranks.blaming(data.change):
        return PlainFitted(data, request.stored, config, request.ranks)


def held_out(request):
    """Return lines with R² of the first pairs on rows that were not fitted. Collective."""
    data, config = _opened(request)
    stored = request.stored
    if "r2" not in stored.arrays or config.covariance:
        raise on_all_ranks(
            UsageError(f"--holdout: {stored.path} predicts nothing (--whiten x of rows does)")
        )
    with request.ranks.blaming(data.change):
        found = _r2_on(data, stored, request.ranks)
    lines = [f"{'pairs':>9} {'R² fitted':>10} {'held out':>10}"]
    for k, (fitted, measured) in enumerate(zip(stored.arrays["r2"], found), start=1):
        lines.append(f"{k:>9} {fitted:>10.6f} {measured:>10.6f}")
    best = int(found.argmax()) + 1
    return [*lines, f"{data.n} rows; the first {best} pair(s) predict them best"]


def _opened(request):
    """The data that a ``Request`` names, and the settings of the result. Collective."""
    ranks, stored = request.ranks, request.stored
    named = {"data": request.data, "targets": request.targets}
    config = SimpleNamespace(**(stored.config | named | asdict(request.reading)))
    if not config.covariance and not request.targets:
        raise on_all_ranks(
            UsageError(f"--targets is missing: {stored.path} is about targets; name them too")
        )
    if config.covariance and request.targets:
        raise on_all_ranks(
            UsageError(f"--targets: {stored.path} is of a covariance, which has the targets")
        )
    data = ranks.decide(lambda: open_data(config, [stored.path]))
    data.tell(request.say)
    if request.reading.learns:
        _learn(data, stored, ranks)
    with ranks.agreed():
        if data.d != stored.d or data.inputs != stored.attributes["n_inputs"]:
            raise DataError(
                f"{stored.path} has {stored.attributes['n_inputs']} inputs and {stored.d} targets,"
                f" the data have {data.inputs} and {data.d}; name data like those it came from"
            )
    return data, config


def _learn(data, stored, ranks):
    """Read data as it was learnt of those fitted, without rows that lack values. Collective."""
    learned = Learned.of(stored.arrays)
    if stored.config["nan"] == "drop-rows":
        learned.left_out = left_out(data, ranks, Counters())
    data.learn(learned)


def _pieces(data, world):
    """Yield this rank's rows (X, Y), float64, piece by piece."""
    start, end = span(data.n, world.size, world.rank)
    passage = Passage(end - start)
    while start < end:
        stop, sides = min(end, start + PIECE_ROWS), []
        for side in (data.x, data.y):
            rows = side.buffer(stop - start)
            for block in side.read_across(start, stop, rows):
                side.check_finite(block)
            sides.append(rows.astype(np.float64))
        yield sides
        passage.done(stop - start)
        start = stop


def _r2_on(data, stored, world):
    """R² (R) of the first 1, 2, … pairs on these rows; components are orthonormal, so each takes
    its own part off the sum of squares.
    """
    vectors = world.decide(stored.vectors)
    inputs = world.decide(lambda: stored.rows("inputs", 0, stored.count))
    x_mean = stored.arrays.get("input_mean", np.zeros(inputs.shape[1]))
    y_mean = stored.arrays.get("target_mean", np.zeros(stored.d))
    gains, squares, total = np.zeros(stored.count), np.zeros(1), np.zeros(stored.d)
    with world.agreed():
        for x, y in _pieces(data, world):
            x, y = x - x_mean, y - y_mean
            scores, found = x @ inputs.T, y @ vectors.T
            gains += (scores * (2 * found - scores)).sum(axis=0)
            squares += (y**2).sum()
            total += y.sum(axis=0)
    gains, squares, total = map(world.total, (gains, squares, total))
    about_own_mean = squares - (total**2).sum() / data.n * ("target_mean" in stored.arrays)
    return 1 - (squares - np.cumsum(gains)) / about_own_mean


class PlainFitted:
    """S of a data set, from sums taken in two readings; every rank takes a share of the rows."""

    def __init__(self, data, stored, config, world):
        self.data, self.stored, self.config, self.world = data, stored, config, world
        self.d, self.reads, self.exponent = data.d, 0, 0
        self.rank_limit = min(data.inputs, data.d)
        if data.n is None:
            whole = world.decide(self._matrix)
            self.means, self.divisor = None, 1
        else:
            self.rank_limit = min(self.rank_limit, data.n - (not config.no_centre))
            whole = self._sums()
        d = data.inputs
        self.cxx, self.cxy, self.cyy = whole[:d, :d], whole[:d, d:], whole[d:, d:]
        self._solve()

    def change(self):
        """What happened to the rows since they were opened, in words, or None."""
        return self.data.change()

    def apply(self, panel):
        """Return S·v for every row of panel (r, q), on all ranks."""
        return (panel @ self._cross.T) @ self._solved

    def _matrix(self):
        source = self.data.source
        self.reads += 1
        return np.concatenate(
            [
                source.read(*place).rows.astype(np.float64)
                for place in source.pieces(0, len(source.blocks))
            ]
        )

    def _sums(self):
        """[X̃ Ỹ]ᵀ[X̃ Ỹ], divided; every rank has all of it."""
        world, width, n = self.world, self.data.inputs + self.d, self.data.n
        total = np.zeros(width)
        with world.agreed():
            for sides in _pieces(self.data, world):
                total += np.concatenate([rows.sum(axis=0) for rows in sides])
        self.means = world.total(total) / n
        about = 0.0 if self.config.no_centre else self.means
        self.divisor = n if self.config.no_centre else n - 1
        self.reads = 2
        sums, left = np.zeros((width, width)), np.zeros(width)
        with world.agreed():
            for sides in _pieces(self.data, world):
                rows = np.hstack(sides) - about
                sums += rows.T @ rows
                left += rows.sum(axis=0)
        sums, left = world.total(sums), world.total(left)
        if not self.config.no_centre:  # what rounding left of the mean
            sums -= np.outer(left, left) / n
            self.means += left / n
        return sums / self.divisor

    def _solve(self):
        """D H^-½ and G⁻¹D H^-½, by the eigenvalues of G and H."""
        ridge = self.stored.attributes["ridge"] / self.divisor
        cross = self.cxy
        if self.config.whiten == "both":
            self.weights = _power(self.cyy, self.config.ridge_y / self.divisor, -0.5)
            cross = cross @ self.weights
        self._cross, self._solved = cross, cross
        if self.config.whiten != "none":
            deviations = np.sqrt(np.diag(self.cxx) + ridge)
            scale = np.divide(1, deviations, out=np.ones(len(deviations)), where=deviations > 0)
            scaled = self.cxx * np.outer(scale, scale) + np.diag(ridge * scale**2)
            inverse = _power(scaled, 0.0, -1.0)
            self._solved = scale[:, None] * (inverse @ (scale[:, None] * cross))

    def check_rest(self, tol):
        """Return (lines, failures): whether the input sides are those of the components, the
        strengths and R² are true, and X·W + intercept goes through the means.
        """
        stored, config = self.stored, self.config
        if "inputs" not in stored.shapes:
            return ("input sides: a checkpoint has none yet",), ()
        vectors = self.world.decide(stored.vectors)
        inputs = self.world.decide(lambda: stored.rows("inputs", 0, stored.count))
        true = vectors @ self._solved.T
        lines, failures = [], []
        strength = np.sqrt(np.maximum(stored.eigenvalues, 0))
        if not (config.whiten == "x"):
            true = true / np.maximum(strength, np.finfo(float).tiny)[:, None]
        # |X̃(a − a*)| over |X̃a*|: what a difference makes of the scores, not of single entries
        off = np.sqrt(
            np.maximum(np.einsum("kd,de,ke->k", inputs - true, self.cxx, inputs - true), 0)
        )
        length = np.sqrt(np.maximum(np.einsum("kd,de,ke->k", true, self.cxx, true), 0))
        known = strength > np.sqrt(tol) * strength.max()
        error = float((off[known] / np.maximum(length[known], np.finfo(float).tiny)).max())
        lines.append(f"input sides: scores off by {error:.1e} at most")
        if not error <= max(np.sqrt(tol), 10 * stored.attributes["rounding"]):
            failures.append(f"input sides are not those of the components: off by {error:.1e}")
        if config.whiten == "x":
            told, wrong = self._check_prediction(vectors, inputs, tol)
            lines.append(told)
            failures += wrong
        return tuple(lines), tuple(failures)

    def _length(self, inputs):
        """|X̃a| for rows a (r, d), divided as the sums are."""
        return np.sqrt(np.maximum(((inputs @ self.cxx) * inputs).sum(axis=1), 0))

    def _check_prediction(self, vectors, inputs, tol):
        """(A line, failures) on R², measured with the stored W, and on the intercept."""
        stored, failures = self.stored, []
        weights = inputs.T @ vectors
        total = float(np.trace(self.cyy))
        left = (
            total
            - 2 * float((weights * self.cxy).sum())
            + float((weights * (self.cxx @ weights)).sum())
        )
        r2, told = 1 - left / total, float(stored.arrays["r2"][-1])
        if not abs(r2 - told) <= max(tol, 1e-9, stored.attributes["rounding"]):
            failures.append(f"R² is {r2:.9f}, stored is {told:.9f}")
        if "intercept" in stored.arrays:
            d = self.data.inputs
            true = self.means[d:] - self.means[:d] @ weights
            gap = np.abs(stored.arrays["intercept"] - true)
            size = np.abs(self.means[d:]) + np.abs(self.means[:d]) @ np.abs(weights)
            if not (gap <= max(tol, 1e-9) * (size + np.sqrt(np.diag(self.cyy)))).all():
                failures.append(f"the intercept is off by {gap.max():.1e}")
        return f"R² of all {stored.count} pairs on these rows: {r2:.6f}", failures


def _power(matrix, ridge, power):
    """(matrix + ridge·I)**power on the span of its eigenvectors that are not nothing."""
    values, vectors = np.linalg.eigh(matrix)
    values = values + ridge
    kept = values > CUT * len(values) * max(values[-1], 0)
    return (vectors[:, kept] * values[kept] ** power) @ vectors[:, kept].T
