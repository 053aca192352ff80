"""How long a step v ← v + ηΣ_k v is: η (r) from workers' eigenvalues (r), as scaled as the operator (λ = scaled · 2**exponent)."""

import numpy as np

AUTO = 10.0  # times the component's own scale: near a power step, and as fast for small components as for large ones
SMALLEST = 1e-6  # of λ_0: eigenvalues below count as this


def automatic(values, largest, exponent):
    """η = 10/λ̂_k, whatever the units of the data."""
    return AUTO / np.maximum(values, max(SMALLEST * largest, 1e-300))


def constant(eta):
    """The same η in the data's own units, always; past the range of float64 it is infinite, which is a power step."""
    def scaled(values, largest, exponent):
        with np.errstate(over="ignore"):
            return np.full(len(values), np.ldexp(eta, exponent))
    return scaled
