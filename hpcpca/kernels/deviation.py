"""The difference that kernels take, for Numba."""

import numpy as np
from numba import types
from numba.extending import overload


def deviation(x, c):
    """As ``convert.deviation`` says."""


@overload(deviation)
def _deviation(x, c):
    if isinstance(c, types.Integer):

        def integers(x, c):
            # modulo 2⁶⁴ the difference of the larger and the smaller is exact as an unsigned number
            return (
                np.float64(np.uint64(x) - np.uint64(c))
                if x >= c
                else -np.float64(np.uint64(c) - np.uint64(x))
            )

        return integers
    if c == types.float32:
        return lambda x, c: np.float32(x) - c
    return lambda x, c: np.float64(x) - c
