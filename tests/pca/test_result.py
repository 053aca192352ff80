"""What a result says of its components beside the vectors."""

import numpy as np
import pytest

from hpcpca.pca.result import shares


@pytest.mark.parametrize(
    "values, expected",
    [
        ([2.0, 1.0], [0.5, 0.25]),
        ([3.0, 1.0 + 2e-8], [0.75, 0.25]),  # all there is, and what single precision adds to it
        (np.full(30, (4 + 1e-6) / 30), np.full(30, 1 / 30)),
        ([3.0, 1.1], [np.nan, np.nan]),  # of data that changed, or of vectors that overlap
        ([106.0], [np.nan]),
    ],
)
def test_shares_of_variance_never_exceed_1(values, expected):
    found = shares(np.array(values), 4.0)
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    assert not found.sum() > 1
