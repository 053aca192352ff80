"""Residuals against components' own eigenvalues: what is determined, and the goals of a run."""

from dataclasses import dataclass, replace

import numpy as np

from .angles import RESOLVED as SMALL_ANGLE
from .angles import Separation, separation

SHARE = 0.1  # of its own eigenvalue that the residual of a determined component may reach
SINGLE = 1e-9  # rounding above this is that of single precision, which double can improve on
REACHED = {
    True: 4,
    False: 1.25,
}  # times the rounding, in single precision and in double: residuals that every run reaches
WORDS = RESOLVED, NOT_SEPARATED, UNDETERMINED, NONE = (
    "resolved",
    "not separated",
    "undetermined",
    "none",
)


@dataclass(frozen=True)
class Goals:
    """The residuals that a run has to reach: ``tol``, or less if components would not be
    determined.

    The first ``components`` vectors of a panel are wanted; guards have to be as good as the last.
    """

    tol: float
    components: int
    share: float = SHARE  # infinite: the tolerance alone

    def __call__(self, eigenvalues, rounding):
        """Return the goals (m), relative to λ_0, of vectors with ``eigenvalues`` (m).

        ``rounding`` is the operator's, relative to λ_0. No goal is below it unless ``tol`` is.
        """
        largest = eigenvalues.max()
        if not largest > 0:  # nothing is known yet
            return np.full(len(eigenvalues), self.tol)
        own = self.share * np.maximum(eigenvalues / largest, np.finfo(float).tiny) - rounding
        own[self.components :] = own[: self.components].min()
        floor = rounding * REACHED[rounding > SINGLE]
        return np.minimum(self.tol, np.maximum(own, floor))


def reached(eigenvalues, residuals, tol, rounding):
    """Return which of K components have residuals within their goals."""
    return residuals <= Goals(tol, len(eigenvalues))(eigenvalues, rounding)


@dataclass(frozen=True)
class Judgement:
    """How far K components are apart, and a word for each."""

    separation: Separation
    standing: np.ndarray  # (K) of WORDS


def judge(
    eigenvalues, residuals, count, rank_limit, d, *, rounding, estimated=False, is_orthonormal=True
):
    """Return the ``Judgement`` of the first ``count`` of m vectors; the others are guards.

    ``eigenvalues`` (m), ``residuals`` (m), ``rank_limit``, ``d`` and ``rounding`` are as in
    ``separation``. Nothing follows from ``estimated`` residuals. If vectors are not orthonormal,
    those that are not resolved may be copies.
    """
    parts = eigenvalues[:count], residuals[:count], eigenvalues[count:], residuals[count:]
    found = separation(*parts, rank_limit, d=d, rounding=rounding)
    if estimated:
        found = replace(
            found,
            bounds=np.full(count, np.nan),
            clusters=found.clusters[:0],
            cluster_bounds=found.cluster_bounds[:0],
        )
        return Judgement(found, np.full(count, UNDETERMINED))
    words = standing(*parts, found, rounding=rounding)
    if not is_orthonormal:
        is_alone = (words == RESOLVED) & (found.bounds <= SMALL_ANGLE)
        words = np.where(words == NONE, NONE, np.where(is_alone, NOT_SEPARATED, UNDETERMINED))
        found = replace(found, bounds=np.ones(count), cluster_bounds=np.ones(len(found.clusters)))
    return Judgement(found, words)


def unbounded(judgement):
    """The ``Judgement`` if components may be missing that nothing has looked for."""
    found, words = judgement.separation, judgement.standing
    bounds, clusters = (np.full(len(each), np.nan) for each in (found.bounds, found.clusters))
    words = np.where(words == RESOLVED, NOT_SEPARATED, words)
    return Judgement(replace(found, bounds=bounds, cluster_bounds=clusters), words)


def standing(eigenvalues, residuals, guard_eigenvalues, guard_residuals, separation, *, rounding):
    """Return one of WORDS for each of K components, from what ``separation`` took.

    Determined: r_k·λ_0 ≤ 0.1·λ_k, rounding included, and no guard is clearly larger. A determined
    component is resolved if its angle bound, or that of its whole cluster, is at most 0.01;
    otherwise it is not separated. None: no variance above the rounding of double precision.
    """
    largest = max(float(np.max(eigenvalues)), np.finfo(float).tiny)
    errors = (residuals + rounding) * largest
    guards = guard_eigenvalues - (guard_residuals + rounding) * largest
    is_leading = eigenvalues + errors >= np.max(guards, initial=-np.inf)
    is_determined = (errors <= SHARE * eigenvalues) & is_leading
    is_none = (np.maximum(np.abs(eigenvalues), residuals * largest) <= rounding * largest) & (
        rounding <= SINGLE
    )
    is_resolved = separation.bounds <= SMALL_ANGLE
    for (first, stop, cut), bound in zip(separation.clusters, separation.cluster_bounds):
        if not cut and bound <= SMALL_ANGLE:
            is_resolved[first:stop] = True
    found = np.where(is_resolved, RESOLVED, NOT_SEPARATED)
    found = np.where(is_determined, found, UNDETERMINED)
    return np.where(is_none, NONE, found)


def named(words, word):
    """The components that are ``word``, as "component 3" or "components 3, 5–7"; "" if there are
    none.
    """
    numbers = listed(words, word)
    return numbers and ("component " if numbers.isdigit() else "components ") + numbers


def listed(words, word):
    """The numbers of components that are ``word``, as "3, 5–7"; "" if there are none."""
    numbers = np.flatnonzero(np.asarray(words) == word)
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1) if len(numbers) else []
    return ", ".join(
        f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
    )


def in_words(words):
    """Say in one line how many components are determined and resolved, and name those that are
    not.
    """
    counts = {word: int(np.sum(np.asarray(words) == word)) for word in WORDS}
    line = (
        f"determined: {counts[RESOLVED] + counts[NOT_SEPARATED]} of {len(words)}; resolved:"
        f" {counts[RESOLVED]}"
    )
    others = {
        NOT_SEPARATED: "not separated: {} (a smaller --tol may separate them)",
        UNDETERMINED: "undetermined: {}",
        NONE: "none: {} (no variance above rounding)",
    }
    return "; ".join(
        [line, *(text.format(listed(words, word)) for word, text in others.items() if counts[word])]
    )
