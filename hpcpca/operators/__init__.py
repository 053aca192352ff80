"""Covariance operators V ↦ ΣV. The reduction over ranks is injected, so nothing here knows MPI.

Every operator works on data scaled by a power of two, so that no magnitude overflows or vanishes,
and has: ``n``, ``d``, ``mean`` (d) unscaled, ``total_variance`` (scaled), ``exponent`` (λ = scaled
λ · 2**exponent), ``is_double``, ``rounding`` (error relative to λ_0, which residuals do not show),
``centring`` (None for a given Σ), ``apply(panel, offsets)`` → images of this rank's own rows,
``to_double()``, and ``over(exchange)``: the same applied by other ranks. Long work asks
``world.interrupt`` between its pieces and raises Interrupted, on all ranks, with what is
``Unfinished``.
"""
