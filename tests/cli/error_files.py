"""Files with which commands end in an error, and some that can be used."""

import h5py
import numpy as np

ROWS = np.random.default_rng(5).standard_normal((30, 8))


def put(path, array, name="X", **options):
    """Write one dataset."""
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "a") as file:
        file.create_dataset(name, data=array, **options)


def with_value(value, row, column):
    """ROWS with one other value."""
    rows = ROWS.copy()
    rows[row, column] = value
    return rows


def asymmetric():
    matrix = ROWS.T @ ROWS
    matrix[2, 5] += 1
    return matrix


def with_pair(variance, covariance):
    """The identity, but for two features."""
    matrix = np.eye(8)
    matrix[2, 2] = matrix[5, 5] = variance
    matrix[2, 5] = matrix[5, 2] = covariance
    return matrix


def filled(value, kind="f8"):
    """Rows of another type with one fill value in row 17, column 3."""
    rows = (ROWS * 20).astype(kind)
    rows[17, 3] = value
    return rows


def nan_covariance():
    matrix = ROWS.T @ ROWS
    matrix[2, 5] = matrix[5, 2] = np.nan
    return matrix


ARRAYS = {
    "good.h5": ROWS,
    "seven.h5": ROWS[:, :7],
    "single.h5": ROWS.astype("f4"),
    "one-d.h5": ROWS[0],
    "three-d.h5": ROWS.reshape(30, 4, 2),
    "nan/s1.h5": ROWS,
    "nan/s2.h5": with_value(np.nan, 17, 3),
    "inf.h5": with_value(-np.inf, 29, 7),
    "one-row.h5": ROWS[:1],
    "no-rows.h5": ROWS[:0],
    "no-columns.h5": ROWS[:, :0],
    "constant.h5": np.full((30, 8), 0.1),
    "complex.h5": ROWS * 1j,
    "strings.h5": ROWS.astype("S5"),
    "records.h5": np.zeros((30, 8), [("a", "f8"), ("b", "S4")]),
    "quad.h5": ROWS.astype(np.longdouble),
    "rectangle.h5": ROWS,
    "asymmetric.h5": asymmetric(),
    "nan-covariance.h5": nan_covariance(),
    "zero-covariance.h5": np.zeros((8, 8)),
    "negative-covariance.h5": -np.eye(8),
    "correlated.h5": with_pair(1, 1.5),
    "crossed.h5": with_pair(0, 0.5),
    "indefinite.h5": 0.65 * np.eye(8) - 0.25,
    "init-nan.h5": with_value(np.nan, 1, 1)[:2],
    "init-zero.h5": ROWS[:2] * [[1], [0]],
    "huge.h5": ROWS * 1e200,
    "tiny.h5": ROWS * 1e-200,
    "fill.h5": filled(-999.0, "f4"),
    "range.h5": filled(120, "i2"),
    "packed.h5": filled(0, "i2"),
}
ATTRIBUTES = {
    "fill.h5": {"_FillValue": np.float64(-999)},
    "range.h5": {"valid_range": [-100, 100]},
    "packed.h5": {"scale_factor": "text", "add_offset": 0.0},
    "good.h5": {"_FillValue": -999.0, "valid_min": -100, "scale_factor": 1.0},
}
FILL = (
    "fill.h5:X: row 17, column 3 is -999.0, which stands for a missing value "
    "(attribute _FillValue); remove or fill"
)
