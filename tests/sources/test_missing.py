"""Attributes that say which values are missing: any form, any type, and what is found by them."""

import h5py
import numpy as np
import pytest

from hpcpca.sources.missing import missing_values
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once


FORMS = {  # type, attributes; the fill values, the least and the largest valid value that follow
    "as it is": ("f4", {"_FillValue": np.float32(1e20)}, [1e20], None, None),
    "of another type": (
        "f4",
        {"_FillValue": -9999.9, "missing_value": np.int16(7)},
        [np.float32(-9999.9), 7],
        None,
        None,
    ),
    "NaN": ("f8", {"_FillValue": np.nan, "missing_value": [np.nan, 5.0]}, [5], None, None),
    "text": (
        "i2",
        {"_FillValue": "-999", "missing_value": np.bytes_(b"3, x 4.0"), "valid_range": "1 2.5"},
        [-999, 3, 4],
        1,
        2,
    ),
    "not held": (
        "u1",
        {"_FillValue": -300, "missing_value": 1e20, "valid_min": -5, "valid_max": 1000},
        [],
        None,
        None,
    ),
    "the same bits": (
        "u1",
        {"_FillValue": np.int8(-1), "missing_value": -128},
        [255, 128],
        None,
        None,
    ),
    "the same bits with a sign": ("i2", {"_FillValue": np.int64(55537)}, [-9999], None, None),
    "fractions": ("i4", {"_FillValue": 0.5, "valid_min": 0.5, "valid_max": 99.5}, [], 1, 99),
    "64 bits": ("u8", {"_FillValue": np.uint64(2**64 - 1)}, [2**64 - 1], None, None),
    "the narrower": (
        "f8",
        {"valid_range": [0, 10], "valid_min": [2.0], "valid_max": 20.0},
        [],
        2,
        10,
    ),
    "of no form": (
        "f8",
        {
            "valid_range": [1],
            "_FillValue": 1j,
            "missing_value": "none",
            "valid_min": "",
            "valid_max": h5py.Empty("f8"),
        },
        [],
        None,
        None,
    ),
    "half precision": ("f2", {"_FillValue": 1e20, "valid_max": np.float32(100)}, [], None, 100),
}


@pytest.mark.parametrize("name", FORMS)
def test_attributes_of_any_form(name, tmp_path):
    kind, attributes, fills, low, high = FORMS[name]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = np.full((3, 2), 5, kind)
        file["X"].attrs.update(attributes)
    found = open_source([str(tmp_path / "x.h5")]).missing[0]
    if not fills and low is None and high is None:
        assert found is None
        return
    assert [value for value, _ in found.fills] == fills
    assert [(limit or (None,))[0] for limit in (found.low, found.high)] == [low, high]
    held = [*found.fills, *filter(None, (found.low, found.high))]
    assert all(value.dtype == np.dtype(kind) for value, _ in held)


def test_missing_values_among_others():
    found = missing_values({"_FillValue": -9, "valid_range": [0, 50]}, np.dtype("i2"))
    rows = np.array([[1, -9, 50], [51, 0, -1]], "i2")
    np.testing.assert_array_equal(found.among(rows), [[0, 1, 0], [1, 0, 1]])
    may = [found.may_be_among(*ends) for ends in ((0, 50), (-1, 5), (5, 51))]
    assert may == [False, True, True]
    assert missing_values({"_FillValue": 3}, np.dtype("f4")).may_be_among(1, 5)
    assert "less than is valid (attribute valid_range: 0)" in found.reason(-1)
    assert "attribute _FillValue" in found.reason(-9)
