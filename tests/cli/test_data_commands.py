"""``hpcpca data shard`` and ``check``: nothing changed, every planted defect found, errors in
one line and nothing left behind.
"""

import h5py
import numpy as np
import pytest
from launch import batch

ROWS = np.random.default_rng(7).standard_normal((4000, 100))


def put(path, array, name="X", **options):
    """Write one dataset."""
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=array, **options)
    return path


def with_values(row, column, *values):
    """ROWS with some other values, from a place on, down a column."""
    rows = ROWS.copy()
    rows[row : row + len(values), column] = values
    return rows


def with_constant(*columns):
    rows = ROWS.copy()
    rows[:, columns] = 2.5
    return rows


INPUTS = {
    "float64": [ROWS[:1500], ROWS[1500:1501], ROWS[:0], ROWS[1501:]],
    "float16": [ROWS.astype("f2")],
    "big": [ROWS.astype(">f4")],
    "int64": [np.random.default_rng(1).integers(-(2**62), 2**62, (300, 7))],
    "bool": [ROWS > 0],
    "nan": [with_values(2, 3, np.nan, np.inf)],
    "fill": [ROWS.astype("f4"), with_values(5, 6, -9999).astype("f4")],
    "uint8": [np.random.default_rng(1).integers(0, 256, (999, 50), dtype="u1")],
}
STORAGE = {
    "float64": {"chunks": (1, 100)},
    "big": {"chunks": (4000, 1), "compression": "gzip"},
    "uint8": {"chunks": (100, 13), "compression": "lzf"},
}
SHARDED = {
    "fill": ("--shards", "3"),
    "float64": ("--shards", "3"),
    "float16": ("--shards", "2", "--uneven", "--compression", "gzip"),
    "big": ("--shards", "5", "--chunk-rows", "7"),
    "int64": ("--shards", "1"),
    "bool": (),
    "nan": ("--shards", "2", "--chunk-rows", "0"),
    "uint8": ("--shards", "4", "--compression", "lzf"),
}


ATTRIBUTES = {
    "_FillValue": np.float32(-9999),
    "valid_range": np.array([-100, 100]),
    "scale_factor": 0.5,
}


def integers_with_fills():
    """Values from 0 to 49, two fill values, and one that is not valid."""
    rows = np.random.default_rng(2).integers(0, 50, (600, 9)).astype("i2")
    rows[[8, 100], 2], rows[:2, 0], rows[:2, 1:] = -9999, [0, 49], 7
    rows[300, 5] = 51
    return rows


def all_rows(folder, name="X"):
    """Rows of all shards in a folder, as stored."""
    parts = []
    for path in sorted(folder.iterdir()):
        with h5py.File(path) as file:
            parts.append(file[name][...])
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Folders of files of every kind."""
    here = tmp_path_factory.mktemp("inputs")
    for name, arrays in INPUTS.items():
        for number, array in enumerate(arrays):
            put(
                here / name / f"s{number}.h5",
                array,
                "a/b",
                **(STORAGE.get(name, {}) if len(array) > 1 else {}),
            )
            if name == "fill":
                with h5py.File(here / name / f"s{number}.h5", "a") as file:
                    file["a/b"].attrs.update({**ATTRIBUTES, "units": "K"})
    return here


@pytest.fixture(
    scope="module", params=[*(pytest.param(n, marks=pytest.mark.once) for n in (1, 2)), 3]
)
def sharded(request, inputs, tmp_path_factory):
    """What ``shard`` makes of them on 1, 2 and 3 ranks."""
    here = tmp_path_factory.mktemp(f"ranks{request.param}")
    commands = {
        name: ("data", "shard", inputs / name, "-o", here / name, *words)
        for name, words in SHARDED.items()
    }
    commands["single"] = (
        "data",
        "shard",
        inputs / "float64",
        "-o",
        here / "single.h5",
        "--dtype",
        "float32",
        "--dataset",
        "Z",
    )
    for done in batch(request.param, commands).values():
        assert "wrote" in done.ok().stderr and len(done.stderr.splitlines()) == 1
    return here


@pytest.mark.parametrize("name", INPUTS)
def test_shards_hold_the_same_bits(sharded, name):
    rows = all_rows(sharded / name, "a/b")
    given = np.concatenate(INPUTS[name])
    native = given.astype(np.uint8 if given.dtype == bool else given.dtype.newbyteorder("="))
    assert rows.dtype == native.dtype and rows.tobytes() == native.tobytes()
    words = SHARDED[name]
    assert len(list((sharded / name).iterdir())) == (int(words[1]) if words else 1)


def test_other_type_and_name(sharded):
    with h5py.File(sharded / "single.h5") as file:
        assert np.array_equal(file["Z"][...], ROWS.astype("f4")) and file["Z"].chunks == (2621, 100)
    assert not [path for path in sharded.rglob("*") if path.name.startswith(".")]


def test_attributes_that_say_what_values_mean_are_kept(sharded):
    """Copies of packed data are packed, and what stands for a missing value goes on to do so."""
    for path in (sharded / "fill").iterdir():
        with h5py.File(path) as file:
            kept = dict(file["a/b"].attrs)
            assert kept.keys() == ATTRIBUTES.keys()
            assert all(np.array_equal(kept[name], value) for name, value in ATTRIBUTES.items())


DEFECTS = {  # name: arrays, storage, exit code, what the report says, at which file
    "healthy": ([ROWS.astype("f4")], {}, 0, "healthy"),
    "nan": (
        [ROWS, with_values(17, 3, np.nan, 1.0, -np.inf)],
        {},
        4,
        "trouble: {}/s1.h5:X: 2 value(s) are NaN or Inf, the first in row 17, column 3;",
    ),
    "half": (
        [with_values(3999, 99, np.inf).astype("f2")],
        {},
        4,
        "1 value(s) are NaN or Inf, the first in row 3999, column 99;",
    ),
    "fill-integers": (
        [integers_with_fills()],
        {},
        4,
        (
            "trouble: {}/s0.h5:X: 3 value(s) are NaN, Inf or missing by its attributes, "
            "the first in row 8, column 2;"
        ),
    ),
    "constant": (
        [with_constant(0, 41), with_constant(41)],
        {},
        0,
        "note: 1 of 100 columns are constant (41);",
    ),
    "all-constant": ([np.full((50, 4), 3, "u1")], {}, 4, "trouble: every column is constant"),
    "one-row": (
        [ROWS],
        {"chunks": (1, 100)},
        4,
        "trouble: {}/s0.h5:X: chunks (1, 100): 4000 chunks of 800 B each",
    ),
    "one-column": (
        [ROWS],
        {"chunks": (4000, 1)},
        4,
        "trouble: {}/s0.h5:X: chunks (4000, 1): a row is gathered from 100 chunks",
    ),
    "whole-file": (
        [ROWS, ROWS[:9]],
        {
            "chunks": (4000, 100),
            "compression": "gzip",
            "compression_opts": 1,
            "maxshape": (None, 100),
        },
        4,
        "trouble: {}/s0.h5:X and 1 more: chunks (4000, 100): compressed and only 1 chunk(s) tall",
    ),
    "huge": (
        [np.zeros((9000, 1000)) + np.arange(9000.0)[:, None]],
        {"chunks": (9000, 1000)},
        0,
        "note: {}/s0.h5:X: chunks (9000, 1000): chunks of 68.7 MiB",
    ),
    "over-cache": (
        [np.tile(ROWS.astype("f4"), (40, 1))],
        {"chunks": (4000, 100), "compression": "lzf"},
        0,
        "compressed chunks of 1.5 MiB exceed",
    ),
    "unequal": ([ROWS, ROWS[:5], ROWS[:5]], {}, 0, "note: files hold 5 to 4000 rows"),
    "byte-order": ([ROWS.astype(">f4")], {}, 0, "note: {}/s0.h5:X: >f4 is in the other byte order"),
    "double": ([ROWS], {}, 0, "note: {}/s0.h5:X: float64 is computed with in float64"),
    "contiguous": ([ROWS.astype("f4")], {"chunks": None}, 0, "healthy"),
}


@pytest.fixture(scope="module", params=[pytest.param(1, marks=pytest.mark.once), 3])
def checked(request, tmp_path_factory):
    """What ``check`` says about every defect, and the folder."""
    here = tmp_path_factory.mktemp(f"check{request.param}")
    for name, (arrays, storage, *_) in DEFECTS.items():
        for number, array in enumerate(arrays):
            put(here / name / f"s{number}.h5", array, **storage)
            if name == "fill-integers":
                with h5py.File(here / name / f"s{number}.h5", "a") as file:
                    file["X"].attrs.update({"_FillValue": np.int16(-9999), "valid_max": 50.5})
    return (
        batch(request.param, {name: ("data", "check", here / name) for name in DEFECTS}),
        here,
    )


@pytest.mark.parametrize("name", DEFECTS)
def test_check_finds(checked, name):
    runs, here = checked
    *_, code, said = DEFECTS[name]
    run = runs[name].ended(code)
    assert said.format(here / name) in run.stdout
    assert ("healthy" in run.stdout) == (code == 0) and run.stderr.count("hpcpca: check found") == (
        code == 4
    )
    assert run.stdout.count("trouble:") == (code == 4)


def test_check_measures_the_range(checked):
    """Of the values that are not missing."""
    runs, _ = checked
    assert "values from 0 to 49, column means from" in runs["fill-integers"].stdout
    rows = np.concatenate(DEFECTS["nan"][0])
    finite = rows[np.isfinite(rows)]
    assert (
        f"values from {finite.min():g} to {finite.max():g}, column means from" in runs["nan"].stdout
    )
    means = ROWS.astype("f4").mean(axis=0, dtype="f8")
    assert f"column means from {means.min():g} to {means.max():g}" in runs["healthy"].stdout
