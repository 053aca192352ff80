"""The compiled set of kernels."""

from .convert import scaled_deviations
from .moments import accumulate, add_sums, merge
from .panel import gram_product, shifted_gram_product
from .sparse import by_columns, sparse_gram_product, sparse_sums
from .store import trouble
from .warm_up import is_warm, warm_up

__all__ = [
    "accumulate",
    "add_sums",
    "by_columns",
    "gram_product",
    "is_warm",
    "merge",
    "scaled_deviations",
    "shifted_gram_product",
    "sparse_gram_product",
    "sparse_sums",
    "trouble",
    "warm_up",
]
