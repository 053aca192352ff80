"""Test data with a prescribed covariance: spectra, and rows that depend on the seed and their
number alone.

Rows are y = Σ_k sqrt(λ_k) g_k v_k + σ e + μ with g, e standard normal, so that the population
covariance is V diag(λ) Vᵀ + σ²I.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from ..rng import stream

TILE_ENTRIES = 1 << 19  # generated at a time, in cache; with the seed this decides every value
FEWEST_TILE_ROWS = 16
DEFAULT_RANK = 64
# standard deviations from the mean to the end of an integer type's range: one in 5e8 is cut off
MARGIN = 6
WIDEST_INTEGER = 1 << 53  # float64, in which integers are made, is exact up to here
EXACT_ENTRIES = 1 << 25  # n·d of what is orthonormalised whole
ROUNDING = 1e-14  # of eigenvalues, where the last one of a cluster is the first of the next
CLUSTER_STEP = 0.6  # each cluster at this fraction of the one before
_ROWS, _BASIS, _EXACT = 0xDA7A, 0xBA515, 0xE8AC7  # what a random stream is for


def _power_law(k, exponent):
    return (k + 1.0) ** -exponent


def _exponential(k, base):
    return base**k


def _clusters(k, size, gap):
    return CLUSTER_STEP ** (k // size) * (1 - gap * (k % size))


def _flat(k):
    return np.ones(len(k))


SPECTRA = {
    "powerlaw": (_power_law, ("EXPONENT",)),
    "exponential": (_exponential, ("BASE",)),
    "clusters": (_clusters, ("SIZE", "GAP")),
    "flat": (_flat, ()),
}


def spectrum(text, rank):
    """Return the ``rank`` relative eigenvalues (λ_0 = 1, none growing) of "powerlaw:1",
    "exponential:0.8", "clusters:3:1e-3" or "flat".
    """
    name, *given = text.split(":")
    forms = " | ".join(":".join((key, *words)) for key, (_, words) in SPECTRA.items())
    if name not in SPECTRA or len(given) != len(SPECTRA[name][1]):
        raise UsageError(f"--spectrum {text}: write one of {forms}")
    try:
        with np.errstate(all="ignore"):
            values = SPECTRA[name][0](np.arange(rank), *map(float, given))
    except ValueError:
        raise UsageError(f"--spectrum {text}: its parameters are numbers ({forms})") from None
    falls = np.all(values[1:] <= values[:-1] * (1 + ROUNDING))
    if not (np.all(values > 0) and falls and np.isfinite(values).all()):
        raise UsageError(
            f"--spectrum {text}: the {rank} eigenvalues must be positive and must not grow; choose"
            f" other parameters{_of_clusters(name, given)} or a smaller --rank"
        )
    return np.minimum.accumulate(values)


def _of_clusters(name, given):
    """Which parameters clusters may have, in words, if these may not be; "" otherwise."""
    if name != "clusters":
        return ""
    size, gap = map(float, given)
    if not 1 <= size < np.inf:
        return " (SIZE is 1 or more)"
    largest = (1 - CLUSTER_STEP) / max(1.0, size - 1)
    if 0 <= gap <= largest:
        return ""
    scale = 10.0 ** (2 - math.floor(math.log10(largest)))  # three digits, rounded down
    return (
        f" (GAP of clusters of {given[0]} is from 0 to {math.floor(largest * scale) / scale:.3g})"
    )


@dataclass(frozen=True)
class Recipe:
    """A request for test data."""

    n: int
    d: int
    spectrum: str = "powerlaw:1"
    rank: int | None = None
    noise: float = 1e-3
    mean_std: float | None = None
    dtype: str = "float32"
    seed: int = 0
    is_exact: bool = False

    @property
    def components(self):
        """Number of prescribed components."""
        return self.rank or min(DEFAULT_RANK, self.d, max(1, self.n - 1))

    @property
    def kind(self):
        """The element type of the file."""
        return np.dtype(self.dtype)

    @property
    def work(self):
        """The type that values are made in."""
        return np.dtype(
            np.float32 if self.kind.itemsize <= 2 or self.kind == np.float32 else np.float64
        )

    @property
    def ratio(self):
        """Mean over standard deviation of every column; unsigned integers need room below the
        mean.
        """
        return self.mean_std if self.mean_std is not None else MARGIN * (self.kind.kind == "u")

    def check(self):
        """Return the recipe; raise UsageError if it is impossible."""
        most = min(self.n - 1, self.d) if self.is_exact else self.d
        if self.n < 1 or self.d < 1 or not 1 <= self.components <= most:
            raise UsageError(
                f"{self.n}x{self.d} with --rank {self.components}: at least one row, one column,"
                f" and 1 to {most} components are needed"
            )
        if not (0 <= self.noise < math.inf and 0 <= self.ratio < math.inf) or self.seed < 0:
            raise UsageError(
                f"--noise {self.noise:g} --mean-std {self.ratio:g}: finite numbers from 0 on are"
                " needed, and so is a --seed"
            )
        if self.kind.kind == "u" and self.ratio < MARGIN:
            raise UsageError(
                f"--mean-std {self.ratio:g} with {self.kind} would cut off values below 0; give at"
                f" least {MARGIN}, or a signed type"
            )
        if self.is_exact and self.kind.kind != "f":
            raise UsageError(
                f"--exact with {self.kind}: rounding to integers moves the eigenvalues; choose a"
                " float type"
            )
        if self.is_exact and self.n * self.d > EXACT_ENTRIES:
            raise UsageError(
                f"--exact orthonormalises all rows in memory: {self.n}x{self.d} is more than"
                f" {EXACT_ENTRIES:,} values; make less, or leave --exact out (sample eigenvalues"
                " are then off by about sqrt(2/n))"
            )
        spectrum(self.spectrum, self.components)
        return self


@dataclass(frozen=True)
class Population:
    """The truth: eigenpairs, mean (d) and noise that rows are drawn from; float64, in the units
    of the file.
    """

    signal: np.ndarray  # (r,) variance along each component beyond the noise
    components: np.ndarray  # (r, d) orthonormal rows
    mean: np.ndarray  # (d,)
    noise: float  # isotropic variance
    rounding: float  # variance that rounding to integers adds

    @property
    def eigenvalues(self):
        """The leading r eigenvalues of the population covariance."""
        return self.signal + self.noise + self.rounding

    @property
    def total_variance(self):
        """Sum of the columns' variances."""
        return float(self.signal.sum() + len(self.mean) * (self.noise + self.rounding))


def population(recipe):
    """Return the ``Population`` of a recipe, scaled to a mean column variance of 1, or to the
    range of an integer type.
    """
    r, d = recipe.components, recipe.d
    relative = spectrum(recipe.spectrum, r)
    components = np.linalg.qr(stream(recipe.seed, _BASIS).standard_normal((d, r)))[0].T
    variances = recipe.noise + relative @ np.square(components)
    scale = d / variances.sum()
    deviations = np.sqrt(scale * variances)
    scale *= _stretch(recipe, (recipe.ratio + MARGIN) * deviations.max()) ** 2
    mean = recipe.ratio * np.sqrt(scale * variances)
    return Population(
        scale * relative,
        np.ascontiguousarray(components),
        mean,
        scale * recipe.noise,
        (recipe.kind.kind in "iu") / 12,
    )


def _stretch(recipe, top):
    """Factor that takes values up to ``top`` to the end of the element type's range: 1 for
    floats, which must hold them.
    """
    if recipe.kind.kind in "iu":
        return min(np.iinfo(recipe.kind).max, WIDEST_INTEGER) / top
    if top > np.finfo(recipe.kind).max:
        raise UsageError(
            f"--mean-std {recipe.ratio:g}: {recipe.kind} cannot hold values of {top:.3g}; choose a"
            " wider --dtype"
        )
    return 1.0


@dataclass(frozen=True)
class RandomRows:
    """Independent rows of a population, made tile by tile, each from a stream of its own."""

    recipe: Recipe
    weights: np.ndarray  # (r, d) rows sqrt(λ_k) v_k
    mean: np.ndarray  # (1, d)
    noise: float

    def read(self, start, stop):
        """Yield rows start..stop−1 in order as arrays (r, d) of the file's type, valid until the
        next.
        """
        step = max(FEWEST_TILE_ROWS, TILE_ENTRIES // self.recipe.d)
        for tile in range(start // step, -(-stop // step)):
            first = tile * step
            rows = self._tile(tile, min(step, self.recipe.n - first))
            yield rows[max(0, start - first) : stop - first]

    def _tile(self, tile, count):
        random, work = stream(self.recipe.seed, _ROWS, tile), self.recipe.work
        rows = random.standard_normal((count, len(self.weights)), dtype=work) @ self.weights
        noise = random.standard_normal(rows.shape, dtype=work)
        noise *= work.type(np.sqrt(self.noise))
        rows += noise
        rows += self.mean
        return cast(rows, self.recipe.kind)


@dataclass(frozen=True)
class ExactRows:
    """Rows that were made as a whole."""

    rows: np.ndarray  # (n, d)

    def read(self, start, stop):
        """Yield rows start..stop−1."""
        yield self.rows[start:stop]


def exact(recipe, population):
    """Return rows (n, d) whose sample covariance has the population's eigenpairs to rounding,
    and the ``Population`` with all of them.

    Y = sqrt(n−1) U diag(sqrt(λ)) Vᵀ + 1μᵀ, the columns of U orthonormal and orthogonal to 1;
    min(n−1, d) eigenvalues if there is noise.
    """
    n, d, r = recipe.n, recipe.d, recipe.components
    count = min(n - 1, d) if population.noise else r
    random = stream(recipe.seed, _EXACT)
    left = np.linalg.qr(np.hstack([np.ones((n, 1)), random.standard_normal((n, count))]))[0][:, 1:]
    others = random.standard_normal((d, count - r))
    components = np.linalg.qr(np.hstack([population.components.T, others]))[0].T
    signal = np.concatenate([population.signal, np.zeros(count - r)])
    rows = (
        np.sqrt(n - 1) * (left * np.sqrt(signal + population.noise)) @ components + population.mean
    )
    return cast(rows, recipe.kind), Population(
        signal, components, population.mean, population.noise, 0.0
    )


def cast(rows, kind):
    """Return rows as ``kind``; integers are rounded, and cut off at the ends of their range."""
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        np.rint(rows, out=rows)
        np.clip(rows, max(limits.min, -WIDEST_INTEGER), min(limits.max, WIDEST_INTEGER), out=rows)
    return rows.astype(kind, copy=False)
