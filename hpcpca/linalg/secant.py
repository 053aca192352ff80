"""An estimate of a symmetric Σ from vectors V and their images S: the least symmetric matrix that
maps V to S.

Σ̂ = VᵀS + SᵀV − Vᵀ(VSᵀ)V for orthonormal rows V (m, d), S (m, d): the Powell–symmetric–Broyden
update of 0 (Dennis & Moré 1977, SIAM Review 19). On coefficients in the rows of [V; S]: nothing
here has length d.
"""

from dataclasses import dataclass

import numpy as np

SMALLEST = 1e-6  # of λ_0: what divides a residual at least
DEPENDENT = 1e-14  # share of the largest eigenvalue of a Gram matrix that is rounding


@dataclass
class Ritz:
    """Rayleigh–Ritz vectors C·V with images C·S, and the next vectors: coefficients (m,
    2m) in the rows of [V; S].

    ``vectors`` are the next round's, orthonormal; ``images`` are Σ̂'s of them.
    """

    values: np.ndarray
    rotation: np.ndarray
    vectors: np.ndarray
    images: np.ndarray

    def arrays(self):
        """All of it, in the order of the fields."""
        return [self.values, self.rotation, self.vectors, self.images]

    @staticmethod
    def shapes(m):
        """Shapes of ``arrays``."""
        return m, (m, m), (m, 2 * m), (m, 2 * m)


def ritz_and_next(gram, longest):
    """Return the ``Ritz`` of V and S, given all products ``gram`` = [V; S]·[V; S]ᵀ (2m, 2m); V
    need not be orthonormal, but independent.

    The next vectors are (CV + ηE)'s symmetric orthonormalisation, E = residuals off V: for η =
    1/λ_k power steps. No η is longer than ``longest`` (None: no limit).
    """
    m = len(gram) // 2
    first = _inverse_root(gram[:m, :m])
    cross, squares = first @ gram[:m, m:] @ first, first @ gram[m:, m:] @ first
    values, vectors = np.linalg.eigh((cross + cross.T) / 2)
    values, rotation = values[::-1], vectors[:, ::-1].T
    images = rotation @ cross.T @ rotation.T  # S′V′ᵀ of V′ = CV and S′ = CS
    residuals = rotation @ squares @ rotation.T - images @ images.T  # EEᵀ for E = S′ − (S′V′ᵀ)V′
    eta = 1 / np.maximum(values, max(SMALLEST * values[0], 1e-300))
    eta = eta[:, None] if longest is None else np.minimum(eta, longest)[:, None]
    whiten = _inverse_root(np.eye(m) + eta * residuals * eta.T)
    rotation = rotation @ first
    following = np.hstack(
        [whiten @ (np.eye(m) - eta * images) @ rotation, whiten @ (eta * rotation)]
    )
    onto = (
        whiten @ (images.T + eta * residuals) - whiten * values
    )  # the next vectors on S′, less what Vᵀ(VSᵀ)V takes
    return Ritz(values, rotation, following, np.hstack([onto @ rotation, whiten @ rotation]))


def _inverse_root(matrix):
    """(M)^(−1/2) of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors / np.sqrt(np.maximum(values, DEPENDENT * max(values[-1], 1e-300)))) @ vectors.T
