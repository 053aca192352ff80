"""Whether random guards had the steps to find a direction that start vectors miss.

Residuals cannot tell: exact eigenvectors that are not the leading ones have residual 0. A direction
u with an eigenvalue ρ times what the guards reach least of has χ²_p/d of its square in p random
guards of length d; by Chernoff's bound less than p·δ^(2/p)/(e·d) with probability δ at most. A
power step multiplies tan∠ by 1/ρ. The history of a Ritz exchange does what Chebyshev polynomials
do (Saad, Numerical Methods for Large Eigenvalue Problems, 6.6).
"""

from dataclasses import dataclass

import numpy as np

LUCK = 1e-3  # δ
WAITED = 20  # steps after which a run does not wait for it any longer


@dataclass(frozen=True)
class Search:
    """The last ``guards`` of a panel were random after round ``since``, when components were not.

    ``has_history``: a Ritz exchange's, else they take power steps in turn, ``late`` rounds later.
    """

    guards: int
    since: int
    has_history: bool = True
    late: int = 0

    def steps(self, round):
        """Steps of the guards by the end of a round; the first round only measures them."""
        return max(0, round - self.since - 1 - self.late)

    def needed(self, eigenvalues, count, d, rounding):
        """Steps after which they have found whatever is as large as the smallest of the first
        ``count`` of all ``eigenvalues`` (m); infinite if they never do, as without guards.
        """
        if not self.guards or not np.isfinite(eigenvalues).all():
            return np.inf
        if len(eigenvalues) >= d:
            return 0
        largest = max(float(eigenvalues.max()), np.finfo(float).tiny)
        floor = max(rounding, np.finfo(float).eps) * largest
        ratio = max(eigenvalues[:count].min(), floor) / max(eigenvalues[count:].min(), floor)
        if ratio <= 1:
            return 0 if eigenvalues[:count].min() <= floor else np.inf
        times = np.sqrt(np.e * d / (self.guards * LUCK ** (2 / self.guards)))
        if self.has_history:
            return int(np.ceil(np.arccosh(times) / np.arccosh(2 * ratio - 1)))
        return int(np.ceil(np.log(times) / np.log(ratio)))
