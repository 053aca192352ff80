"""Products with a single vector, where memory traffic is all: every row is read once for both products."""

from .jit import compiled


@compiled
def gram_vector(tile, vector, out):
    """out += tileᵀ(tile·vector), one read of the tile; tile (r, d) and vector (d) of one float type, out (d) float64.

    Two rows at a time through 1-D views: 2-D indexing inside the loop costs a factor of two.
    """
    r, d = tile.shape
    for i in range(0, r - 1, 2):
        first, second = tile[i], tile[i + 1]
        a = vector[0] * 0
        b = vector[0] * 0
        for j in range(d):
            a += first[j] * vector[j]
            b += second[j] * vector[j]
        for j in range(d):
            out[j] += a * first[j] + b * second[j]
    if r % 2:
        last = tile[r - 1]
        a = vector[0] * 0
        for j in range(d):
            a += last[j] * vector[j]
        for j in range(d):
            out[j] += a * last[j]


@compiled
def deflate(image, vector, superiors, eigenvalues):
    """image −= Σ_j λ_j v_j (v_jᵀ·vector) over the rows v_j of superiors, in place (Hotelling; arXiv 2502.17615, eq. 3).

    image, vector (d), superiors (k, d), eigenvalues (k), float64. All inner products are taken before any update (Jacobi).
    """
    d = vector.shape[0]
    for k in range(superiors.shape[0]):
        superior = superiors[k]
        product = 0.0
        for j in range(d):
            product += superior[j] * vector[j]
        product *= eigenvalues[k]
        for j in range(d):
            image[j] -= product * superior[j]
