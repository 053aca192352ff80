"""Rules of deflation, and the games that resemble it: what superiors take away from Σv.

All superiors are frozen for a round, as the last exchange gave them: ``superiors`` (m, d), their
``values`` v_jᵀΣv_j (m) and, if ``needs_images``, their images Σv_j (m, d). Worker i of the rows
given has the first ``counts[i]`` of them as superiors. ``start(vectors, images, counts)`` returns
unit vectors (r, d) to begin with and what is left of their images; ``apply(images, vectors,
counts)`` what is left of the images of others, in place.
"""

import numpy as np

VANISHED = 1e-12  # share of the largest eigenvalue below which a superior has none
DEPENDENT = 1e-12  # squared length of what is left of a unit vector when its superiors span it


def _of_superiors(coefficients, counts):
    """Coefficients (r, m) of those who are superiors; in place."""
    coefficients[np.arange(coefficients.shape[1]) >= np.asarray(counts)[:, None]] = 0.0
    return coefficients


class _Rule:
    needs_images = False  # of superiors
    needs_pairs = False  # what superiors fit, too
    needs_squares = False  # their values on the batch at hand, if batches stand for Σ

    def __init__(self, superiors, values, images=None):
        self.superiors, self.values, self.images = superiors, values, images

    def start(self, vectors, images, counts):
        """Unit vectors to begin with and what is left of their images; ``images`` is written
        over.
        """
        return vectors, self.apply(images, vectors, counts)

    def inside(self, vectors, counts):
        """Unit vectors to begin with, if images are not known."""
        return vectors

    def apply(self, images, vectors, counts):
        """What is left of the images of ``vectors``, in place."""
        images -= _of_superiors(self._coefficients(images, vectors), counts) @ self._taken
        return images

    @property
    def _taken(self):
        return self.superiors

    def _coefficients(self, images, vectors):
        return images @ self.superiors.T


class Hotelling(_Rule):
    """Σ_k v = Σv − Σ_{j<k} λ̂_j v_j (v_jᵀv) (arXiv 2502.17615, eq. 3)."""

    needs_squares = True

    def _coefficients(self, images, vectors):
        return vectors @ self.superiors.T * self.values


class EigenGameMu(_Rule):
    """Σv − Σ_{j<k} (v_jᵀΣv) v_j (EigenGame Unloaded, arXiv 2102.04152)."""


class EigenGameAlpha(_Rule):
    """Σv − Σ_{j<k} (v_jᵀΣv / v_jᵀΣv_j) Σv_j (EigenGame, arXiv 2010.00554, eq. 7)."""

    needs_images = True

    @property
    def _taken(self):
        return self.images

    def _coefficients(self, images, vectors):
        there = self.values > VANISHED * max(self.values.max(initial=0.0), 0.0)
        return (
            images @ self.superiors.T * np.where(there, 1 / np.where(there, self.values, 1.0), 0.0)
        )


class Projection(_Rule):
    """(I − QᵀQ) Σ (I − QᵀQ) v for orthonormal Q spanning the superiors: what is left of Σ
    whatever their quality.

    Hotelling's way with poor superiors makes Σ_k indefinite. Σ(I − QᵀQ)v comes from the images,
    without another application of Σ.
    """

    needs_images = True

    def __init__(self, superiors, values, images=None):
        transform = ordered_orthonormal(superiors)
        super().__init__(
            transform @ superiors, values, None if images is None else transform @ images
        )

    def inside(self, vectors, counts):
        """Vectors projected off their superiors, over their length; zero if nothing is left."""
        vectors = vectors - _of_superiors(vectors @ self.superiors.T, counts) @ self.superiors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        kept = lengths > np.sqrt(DEPENDENT)
        return np.where(kept, vectors / np.where(kept, lengths, 1.0), 0.0)

    def start(self, vectors, images, counts):
        """Vectors projected off their superiors, over their length, and what is left of their
        images.
        """
        inside = _of_superiors(vectors @ self.superiors.T, counts)
        vectors, images = vectors - inside @ self.superiors, images - inside @ self.images
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        kept = lengths > np.sqrt(DEPENDENT)
        vectors, images = (
            np.where(kept, rows / np.where(kept, lengths, 1.0), 0.0) for rows in (vectors, images)
        )
        return vectors, self.apply(images, vectors, counts)


class Pairs(_Rule):
    """S_k = D_kᵀC⁻¹D_k with D_k = D − C·Σ_{j<k} a_j b_jᵀ: what superiors' pairs leave of the
    targets (AdaPaD, arXiv 2605.10741), written with vectors as long as b.

    S_k v = Sv − F(Bᵀv) − B(Fᵀv) + B·G(Bᵀv), where F = DᵀA and G = AᵀCA, of the same a that the
    superiors have published: ``fits`` (m, d) and ``gram`` (m, m).
    """

    needs_pairs = True

    def __init__(self, superiors, fits, gram):
        super().__init__(superiors, None)
        self.fits, self.gram = fits, gram

    def along(self, vectors, counts):
        """What vectors (r, d) have of each superior's b: (r, m)."""
        return _of_superiors(vectors @ self.superiors.T, counts)

    def apply(self, images, vectors, counts):
        """What is left of the images of ``vectors``, in place."""
        along = self.along(vectors, counts)
        back = _of_superiors(vectors @ self.fits.T - along @ self.gram, counts)
        images -= along @ self.fits
        images -= back @ self.superiors
        return images

    def fitted(self, images, vectors, counts):
        """F's rows of workers: Dᵀa = Sb − F(Bᵀb), from the images S·b."""
        return images - self.along(vectors, counts) @ self.fits


def ordered_orthonormal(rows):
    """Return T (m, m) such that the first k rows of T·rows are an orthonormal basis of the first
    k rows, for every k.

    Rows that depend on those before become zero. Gram–Schmidt on coefficients, twice: the vectors
    are read, not written.
    """
    transform = np.eye(len(rows))
    for _ in range(2):
        made = transform @ rows
        transform = _gram_schmidt(made @ made.T) @ transform
    return transform


def _gram_schmidt(gram):
    found = np.zeros_like(gram)
    for k in range(len(gram)):
        row = np.eye(1, len(gram), k)[0]
        for _ in range(2):
            row -= (found[:k] @ (gram @ row)) @ found[:k]
        square = row @ gram @ row
        if square > DEPENDENT * max(gram[k, k], 1e-300):
            found[k] = row / np.sqrt(square)
    return found


DEFLATIONS = {
    "hotelling": Hotelling,
    "projection": Projection,
    "pairs": Pairs,
}  # --deflation; EigenGame's rules make methods of their own
