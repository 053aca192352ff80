"""Compiled kernels (Numba): what is not a library call. Arrays in, arrays out; the GIL is released."""
