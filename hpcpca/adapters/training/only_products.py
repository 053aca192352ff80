"""What stands in the place of weights, and can only be multiplied as ``x @ W.T``."""

from ...errors import UsageError


class OnlyProducts:
    """Raises UsageError for other operators."""

    def _refused(self, *_, **__):
        raise UsageError(
            f"weights of shape {self.shape} are used otherwise than as x @ W.T, which modules of"
            " adapters are for; change the network, or leave that module out"
        )

    __array_ufunc__ = None  # numpy leaves products to __rmatmul__
    __array__ = __getitem__ = __iter__ = _refused
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _refused
    __neg__ = __pow__ = __matmul__ = _refused
