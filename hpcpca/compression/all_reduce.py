"""The exact mean."""

from .compressor import Compressor


class AllReduce(Compressor):
    """Sends every tensor whole."""

    def __init__(self, comm):
        """Collective."""
        super().__init__(comm)
