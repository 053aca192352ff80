"""Products with a single vector, where memory traffic is all: every row is read once for both products."""

from .jit import compiled


@compiled
def add_gram_vector(tile, vector, out):
    """out += tileᵀ(tile·vector), one read of the tile (r, d), all of one type; r a multiple of 4.

    Four rows at a time through 1-D views: 2-D indexing inside the loop costs a factor of two.
    """
    for i in range(0, tile.shape[0], 4):
        r0, r1, r2, r3 = tile[i], tile[i + 1], tile[i + 2], tile[i + 3]
        a0 = a1 = a2 = a3 = vector[0] - vector[0]
        for j in range(vector.shape[0]):
            y = vector[j]
            a0 += r0[j] * y
            a1 += r1[j] * y
            a2 += r2[j] * y
            a3 += r3[j] * y
        for j in range(vector.shape[0]):
            out[j] += a0 * r0[j] + a1 * r1[j] + a2 * r2[j] + a3 * r3[j]


@compiled
def deflate(image, vector, superiors, eigenvalues):
    """image −= Σ_j λ_j v_j (v_jᵀ·vector) over the rows v_j of superiors, in place (Hotelling; arXiv 2502.17615, eq. 3).

    image, vector (d), superiors (k, d), eigenvalues (k), float64. All inner products are with the vector given (Jacobi).
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
