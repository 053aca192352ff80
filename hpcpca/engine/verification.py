"""Measures any vectors against any data, independently of the solver: plain numpy, float64,
passes of its own.

A problem gives its operator in plain numpy. Nothing of ``kernels``, ``operators`` or ``methods`` is
used here, so that an error in one of them cannot hide itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..linalg.determination import SHARE, UNDETERMINED, judge, named
from ..linalg.orth import orthonormal_rows, orthonormality_error, project_off, whitening
from ..rng import unit_vectors

ORTHONORMAL_TO = 0.01
PROBES, STEPS = 8, 8
ROUNDING = 2.0**-46  # of Σ in float64, relative to λ_0


@dataclass(frozen=True)
class Request:
    """What a problem makes its plain operator of."""

    data: tuple  # words of the command line
    reading: Any  # the Reading of the data
    stored: Any  # the Stored result that is verified, or None
    length: int  # d of the vectors
    ranks: Any  # World
    say: Callable  # shows a line to the user
    covariance: bool = False  # --covariance was given
    targets: tuple = ()  # words of --targets


class PlainOperator(Protocol):
    """S in float64, scaled by 2**−exponent; its data were opened by it.

    One with a method ``check_rest(tol)`` returns (lines, failures) on what else the result holds.
    """

    d: int
    exponent: int
    rank_limit: int  # how many eigenvalues may differ from zero
    reads: int  # of the data, so far

    def apply(self, panel):
        """Return S·v for every row of panel (r, d), on all ranks. Collective."""

    def change(self) -> str | None:
        """What happened to the data since they were opened, in words, or None."""


@dataclass(frozen=True)
class Finding:
    """What was measured of K vectors; eigenvalues in the data's own units, residuals relative to
    the largest.
    """

    eigenvalues: np.ndarray
    residuals: np.ndarray
    orthonormality: float
    separation: object
    standing: np.ndarray  # (K) a word for each component
    next_eigenvalue: (
        float  # largest found off the vectors' span, a lower bound of it; NaN where nothing is left
    )
    failures: tuple  # one line each

    def arrays(self):
        """{name: array} to be stored."""
        return {
            "eigenvalues": self.eigenvalues,
            "residuals": self.residuals,
            "gaps": self.separation.gaps,
            "angle_bounds": self.separation.bounds,
            "clusters": self.separation.clusters,
            "cluster_angle_bounds": self.separation.cluster_bounds,
            "standing": self.standing.astype("S"),
            "next_eigenvalue": np.array(self.next_eigenvalue),
            "orthonormality": np.array(self.orthonormality),
        }


def probe(apply, vectors, seed):
    """Return a unit vector (d) outside of the span of ``vectors`` (K, d) along which Σ is
    largest, and its image; None if nothing is left.

    Block Lanczos on Σ projected off the span, with full reorthogonalisation: ``PROBES`` random
    vectors, ``STEPS`` steps.
    """
    span_of = orthonormal_rows(vectors)
    d = vectors.shape[1]
    size = min(PROBES, d - len(span_of))
    if size < 1:
        return None
    block = orthonormal_rows(project_off(unit_vectors(seed, range(size), d), span_of))
    basis, images = np.zeros((0, d)), np.zeros((0, d))
    for _ in range(STEPS):
        basis, images = np.vstack([basis, block]), np.vstack([images, apply(block)])
        block = project_off(images[-len(block) :].copy(), np.vstack([span_of, basis]))
        lengths = np.linalg.norm(block, axis=1)
        block = block[
            lengths > 1e-12 * max(1e-300, np.linalg.norm(images[-len(lengths) :], axis=1).max())
        ]
        if not len(block) or len(basis) + len(span_of) >= d:
            break
        block = project_off(orthonormal_rows(block), np.vstack([span_of, basis]))
    projected = basis @ images.T
    best = np.linalg.eigh((projected + projected.T) / 2)[1][:, -1]
    return best @ basis, best @ images


@dataclass(frozen=True)
class Outside:
    """What Σ has outside of the span of K vectors, as far as it was found; scaled."""

    largest: float = np.nan  # Ritz value of the largest direction there; NaN if nothing is left
    following: float = (
        np.nan
    )  # the eigenvalue after the K largest: of the same direction, cleared of what the vectors miss
    residual: float = 0.0  # norm of the residual of that
    least: np.ndarray | None = (
        None  # (K) lower bounds of the K largest eigenvalues, in decreasing order (Courant–Fischer)
    )


def look_outside(vectors, images, vector, image):
    """Return what is ``Outside`` of the span of ``vectors`` (K, d), whose ``images`` Σv are
    known, given ``vector`` (d) from ``probe``.

    Vectors that are slightly off leave some of their own variance outside. Ritz values in the span
    of all K + 1 do not.
    """
    transform = whitening(vectors @ vectors.T)
    basis, products = (
        np.vstack([transform @ vectors, vector]),
        np.vstack([transform @ images, image]),
    )
    projected = basis @ products.T
    values, coefficients = np.linalg.eigh((projected + projected.T) / 2)
    smallest = coefficients[:, 0]
    residual = np.linalg.norm(smallest @ products - values[0] * (smallest @ basis))
    return Outside(
        float(vector @ image), float(values[0]), float(residual), values[::-1][: len(vectors)]
    )


def examine(operator, vectors, tol, stored=None, seed=0, *, search=True):
    """Return the ``Finding`` of vectors (K, d) against a ``PlainOperator``; ``search`` for
    what they miss. Collective.

    ``stored``: their eigenvalues (K), and by how much these may be off, over λ_0: (K), or 0.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    images = operator.apply(unit)
    values = np.einsum("kd,kd->k", unit, images)
    largest = values.max()
    residuals = (
        np.linalg.norm(images - values[:, None] * unit, axis=1) / largest
        if largest > 0
        else np.full(len(values), np.nan)
    )
    found = probe(operator.apply, unit, seed) if search else None
    outside = Outside() if found is None else look_outside(unit, images, *found)
    missed = _missed(values, residuals, outside)
    error = orthonormality_error(vectors)
    judged = _judged(
        operator, values, residuals, outside, bool(missed), is_orthonormal=error <= ORTHONORMAL_TO
    )
    true = np.ldexp(values, operator.exponent)
    if stored is not None:
        stored = np.ldexp(stored[0], -operator.exponent), stored[1]
    failures = _failures(values, residuals, error, judged.standing, tol, stored=stored) + missed
    apart = judged.separation
    gaps = np.ldexp(apart.gaps, operator.exponent)  # NaN and infinity stay what they are
    apart = type(apart)(gaps, apart.bounds, apart.clusters, apart.cluster_bounds)
    return Finding(
        true,
        residuals,
        error,
        apart,
        judged.standing,
        next_eigenvalue=float(np.ldexp(outside.largest, operator.exponent)),
        failures=failures,
    )


def _judged(operator, values, residuals, outside, is_missed, *, is_orthonormal):
    """The ``Judgement`` of the vectors, with what is ``outside`` as the eigenvalue that follows."""
    limit, count = operator.rank_limit, len(values)
    if limit > count and np.isfinite(outside.largest) and values.max() > 0:
        following = (
            (outside.largest, 0.0)
            if is_missed
            else (outside.following, outside.residual / values.max())
        )
        values, residuals = np.append(values, following[0]), np.append(residuals, following[1])
    return judge(
        values,
        residuals,
        count,
        limit,
        operator.d,
        rounding=ROUNDING,
        is_orthonormal=is_orthonormal,
    )


def _failures(values, residuals, orthonormality, words, tol, *, stored):
    """What does not hold of the vectors themselves, a line each."""
    largest, lines = values.max(), []
    if not largest > 0:
        return ("no vector has a positive eigenvalue",)
    for k in np.flatnonzero(~(residuals <= tol))[:3]:
        lines.append(f"component {k} has residual {residuals[k]:.1e}, more than {tol:g}")
    if unsure := named(words, UNDETERMINED):
        lines.append(
            f"not determined: {unsure}: the residual is more than a tenth of the component's own"
            " variance"
        )
    if not orthonormality <= ORTHONORMAL_TO:
        lines.append(f"the vectors are not orthonormal: max|VVᵀ−I| = {orthonormality:.1e}")
    slack = np.maximum(np.minimum(tol * largest, SHARE * np.abs(values)), ROUNDING * largest)
    if stored is not None:
        slack = np.maximum(slack, stored[1] * largest)
    for k in np.flatnonzero(np.diff(values) > slack[:-1])[:3]:
        lines.append(
            f"components {k} and {k + 1} are in the wrong order: λ grows by"
            f" {(values[k + 1] - values[k]) / largest:.1e}·λ₀"
        )
    if stored is not None:
        errors = np.abs(stored[0] - values)
        for k in np.flatnonzero(~(errors <= slack))[:3]:
            lines.append(f"the stored eigenvalue {k} is off by {errors[k] / largest:.1e}·λ₀")
    return tuple(lines)


def _missed(values, residuals, outside):
    """A line if some eigenvalue of Σ is larger than the component in its place.

    What is allowed is the second-order error of a Rayleigh quotient, up to 2·(r_k·λ_0)² over its
    gap, at most r_k·λ_0; and rounding.
    """
    largest = values.max()
    if outside.least is None or len(outside.least) < len(values) or not largest > 0:
        return ()
    order = np.argsort(-values)
    errors, others = (residuals * largest)[order], np.append(values[order], outside.following)
    apart = np.abs(values[order, None] - others)
    apart[np.arange(len(values)), np.arange(len(values))] = np.inf
    gaps = apart.min(axis=1)
    second = np.where(
        gaps > 2 * errors, 2 * errors**2 / np.where(gaps > 2 * errors, gaps, 1.0), errors
    )
    missing = np.flatnonzero(outside.least - values[order] > np.maximum(second, ROUNDING * largest))
    if not len(missing):
        return ()
    k = missing[0]
    return (
        (
            "a component was missed: outside of the span Σ reaches"
            f" {outside.largest / largest:.6g}·λ₀; eigenvalue {k} is at least"
            f" {outside.least[k] / largest:.6g}·λ₀, not {values[order[k]] / largest:.6g}·λ₀"
        ),
    )
