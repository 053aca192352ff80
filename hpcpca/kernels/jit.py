"""How every kernel is compiled: once per machine, cached on disk, without the GIL."""

import numba

compiled = numba.njit(
    cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy"
)
# without a word on fastmath it would round as the first kernel that calls it
exact = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
inlined = numba.njit(inline="always", error_model="numpy")
# as ``exact``, and made part of the machine code of what calls it
merged = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy", forceinline=True)
