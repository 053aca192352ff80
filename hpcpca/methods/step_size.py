"""The length η (r) of steps v ← v + ηΣ_k v, from workers' eigenvalues (r), scaled like the operator
(λ = scaled · 2**exponent).
"""

import numpy as np

# times the component's own scale: near a power step, and as fast for small components as for large
# ones
AUTO = 10.0
SMALLEST = 1e-6  # of λ_0: eigenvalues below count as this
HARMONIC = 10  # local steps from one step size of the harmonic schedule to the next
# twice the step that leaves least noise: half of it would never arrive, twice costs a third more of
# variance
FACTOR = 2.0
SMALLEST_GAP = 1e-3  # of the eigenvalue
SCHEDULES = ("constant", "1/l", "harmonic", "adaptive")
FIRST = 1e-3  # clock of a worker that begins: steps are power steps


def automatic(values, largest, exponent):
    """η = 10/λ̂_k, whatever the units of the data."""
    return AUTO / np.maximum(values, max(SMALLEST * largest, 1e-300))


def constant(eta):
    """The same η in the data's own units, always; past the range of float64 it is infinite,
    which is a power step.
    """

    def scaled(values, largest, exponent):
        with np.errstate(over="ignore"):
            return np.full(len(values), np.ldexp(eta, exponent))

    return scaled


def longest(eta):
    """exponent → the longest step of the Ritz exchange on mini-batches: η in the data's own
    units, or None.
    """
    return lambda exponent: (
        None if eta is None else float(constant(eta)(np.zeros(1), 0.0, exponent)[0])
    )


def on_batches(eta, schedule):
    """Steps for mini-batches: (eigenvalues (m), numbers (r) of workers, their clocks (r), local
    steps done, exponent) → η (r).

    ``eta`` in the data's own units, or None: scale-free, 10/λ̂_k. "constant"; "1/l": over ℓ;
    "harmonic": over 1 + ⌊ℓ/10⌋, as the authors; "adaptive": 2/(gap of λ̂_k to its neighbours · the
    worker's clock), η at most: a mean of all batches since the worker's gradients became noise.
    """

    def steps(values, numbers, clock, done, exponent):
        of = np.maximum(values[numbers], max(SMALLEST * values.max(), 1e-300))
        base = AUTO / of if eta is None else constant(eta)(of, 0.0, exponent)
        if schedule == "adaptive":
            best = FACTOR / (
                np.maximum(gaps(values)[numbers], SMALLEST_GAP * of) * np.maximum(clock, FIRST)
            )
            return best if eta is None else np.minimum(base, best)
        return base / {"constant": 1, "1/l": done + 1, "harmonic": 1 + done // HARMONIC}[schedule]

    return steps


def gaps(values):
    """Mean distance of each eigenvalue (m) to its neighbours, two on either side, of the values
    in order: single ones are too noisy.
    """
    ordered, k = np.sort(values)[::-1], np.arange(len(values))
    first, last = np.maximum(k - 1, 0), np.minimum(k + 2, len(values) - 1)
    return np.where(last > first, ordered[first] - ordered[last], values) / np.maximum(
        last - first, 1
    )
