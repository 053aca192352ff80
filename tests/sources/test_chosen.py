"""Some of the rows, datasets side by side, and fields of tables: what is read is what numpy takes
of the same arrays.
"""

import h5py
import numpy as np
import pytest
from launch import run
from sparse_files import write

from hpcpca.errors import DataError, UsageError
from hpcpca.sources.random_rows import RowReader
from hpcpca.sources.reading import Reading
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once

RNG = np.random.default_rng(23)
N, D = 400, 7
ROWS = RNG.standard_normal((N, D)) * np.arange(D, 0, -1) + 2
PARTS = ROWS[:150], ROWS[150:]


@pytest.fixture
def files(tmp_path):
    """ROWS in two files, the second in compressed chunks."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = PARTS[0]
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("x", data=PARTS[1], chunks=(60, 3), compression="gzip")
    return [str(tmp_path / "a.h5"), str(tmp_path / "b.h5")]


def all_rows(source):
    """All rows, read in small pieces and, before, once more at random."""
    reader = RowReader(source, 1 << 20)
    drawn = np.vstack(list(reader.rows([(0, source.n)])))
    reader.close()
    pieces = source.pieces(0, len(source.blocks), 1000)
    found = np.vstack([source.read(*place).rows.copy() for place in pieces])
    np.testing.assert_array_equal(np.sort(drawn, axis=0), np.sort(found, axis=0))
    return found


MASK = RNG.random(N) < 0.3
MASK[140:260] = False
MASK[:5] = True
CHOICES = {
    "10:300": np.arange(10, 300),
    "151:": np.arange(151, N),
    ":1": np.arange(1),
    "7,399,150,7": np.array([7, 150, 399]),
    "mask": np.flatnonzero(MASK),
    "table/field": np.flatnonzero(MASK),  # of records, as anndata wrote them before 0.7
    "numbers": np.arange(3, N, 50)[::-1],
    "7,20:23,:2": np.array([0, 1, 7, 20, 21, 22]),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_rows(files, tmp_path, choice):
    with h5py.File(tmp_path / "which.h5", "w") as file:
        file["mask"], file["numbers"] = MASK, CHOICES["numbers"]
        file["table"] = np.array(list(zip(MASK, MASK)), [("field", "?"), ("other", "?")])
    text = choice if choice[0] in ":0123456789" else f"{tmp_path}/which.h5:{choice}"
    found = all_rows(open_source(files, Reading(rows=text, columns="1:6")))
    np.testing.assert_array_equal(found, ROWS[np.sort(np.unique(CHOICES[choice])), 1:6])


@pytest.mark.parametrize("choice", ["10:300", "mask"])
def test_rows_of_a_sparse_matrix(tmp_path, choice):
    rows = RNG.poisson(0.4, (N, 9)).astype(float)
    rows[20:30] = 0
    path = write(tmp_path / "x.h5ad", rows)
    np.save(tmp_path / "mask.npy", MASK)
    source = open_source(
        [path], Reading(rows=f"{tmp_path}/mask.npy" if choice == "mask" else choice)
    )
    found, expected = np.zeros((source.n, 9)), rows[CHOICES[choice]]
    for place in source.pieces(0, len(source.blocks), 700):
        block = source.read_stored(*place)
        at = block.first + np.repeat(np.arange(len(block)), np.diff(block.ends))
        found[at, block.indices] = block.values
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(all_rows(source), expected)
    with source.open(0) as opened:
        assert opened.stored_in(0, source.n) == np.count_nonzero(expected)


def test_rows_that_are_not_there(files):
    for text, said in (
        ("400", "no row 400"),
        ("390:401", "no row 400"),
        ("5:5", "no rows of 400"),
        ("-1", "no row -1"),
        ("1:5,some", "write numbers and ranges, such as"),
    ):
        with pytest.raises(UsageError, match=said):
            open_source(files, Reading(rows=text))


def test_data_with_fewer_columns_than_were_chosen(files, tmp_path):
    out = tmp_path / "out.h5"
    run(1, "fit", *files, "--columns", "2:7", "-k", 2, "-o", out).ok()
    np.save(tmp_path / "few.npy", ROWS[:, :4])
    for command in (("transform", "-o", tmp_path / "s.h5"), ("verify",)):
        said = run(2, command[0], out, tmp_path / "few.npy", *command[1:]).stderr
        assert "few.npy has 4 columns, and column 6 is asked for" in said or "no column" in said
    shown = run(0, "info", out).ok().stdout
    assert "read with --columns 2:7" in shown


def test_a_check_numbers_rows_and_columns_as_files_do(tmp_path):
    rows = ROWS.copy()
    rows[300, 4], rows[:, 5] = np.nan, 1
    np.save(tmp_path / "x.npy", rows)
    how = ("--rows", "290:350", "--columns", "2:7")
    shown = run(1, "data", "check", tmp_path / "x.npy", *how).ended(4).stdout
    assert "the first in row 300, column 4" in shown and "are constant (5)" in shown


def test_a_bad_value_has_the_number_that_its_row_has_in_the_file(tmp_path):
    rows = ROWS.copy()
    rows[300, 2] = np.nan
    np.save(tmp_path / "x.npy", rows)
    ended = run(2, "fit", tmp_path / "x.npy", "--rows", "290:350", "-k", 1, "-o", tmp_path / "o.h5")
    assert "row 300, column 2 is nan" in ended.ended(3).stderr


@pytest.mark.parametrize("operator", ["gram", "in-memory", "streaming"])
def test_fits(files, tmp_path, operator):
    """Of some rows. Scores are those of all rows, as of any others, unless some are named."""
    out = tmp_path / "out.h5"
    how = ("--operator", operator, "-k", 2, "--tol", 1e-11, "-o", out)
    run(3, "fit", *files, "--rows", "100:250", *how).ok()
    taken = ROWS[100:250]
    values, vectors = np.linalg.eigh(np.cov(taken.T))
    run(2, "verify", out, *files, "--tol", 1e-9).ok()
    run(1, "transform", out, *files, "-o", tmp_path / "s.h5").ok()
    run(1, "transform", out, *files, "--rows", "5:9", "-o", tmp_path / "t.h5").ok()
    with h5py.File(out) as file, h5py.File(tmp_path / "s.h5") as scores:
        np.testing.assert_allclose(file["explained_variance"], values[::-1][:2], rtol=1e-10)
        assert file.attrs["n_samples"] == 150
        expected = (ROWS - taken.mean(axis=0)) @ file["components"][...].T
        np.testing.assert_allclose(scores["scores"], expected, atol=1e-9)
    with h5py.File(tmp_path / "t.h5") as scores:
        np.testing.assert_allclose(scores["scores"], expected[5:9], atol=1e-9)


def test_a_regression(files, tmp_path):
    """The same rows of inputs and targets; a target of one dimension is a column."""
    weights = RNG.standard_normal(D)
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file["y"] = ROWS @ weights + 1 + np.where(np.arange(N) < 200, 0, 5)
    out = tmp_path / "out.h5"
    targets = ("--targets", f"{tmp_path}/y.h5:y", "--rows", ":200")
    run(2, "regress", *files, *targets, "-r", 1, "--tol", 1e-10, "-o", out).ok()
    run(1, "predict", out, *files, "-o", tmp_path / "p.h5").ok()
    with h5py.File(tmp_path / "p.h5") as file:
        np.testing.assert_allclose(file["predictions"][:, 0], ROWS @ weights + 1, atol=1e-7)


KIND = np.dtype([("a", "f4"), ("v", "f8", 3), ("n", "i2"), ("name", "S3")])


@pytest.fixture
def table(tmp_path):
    """Records, of which some fields are no numbers, and an array beside them."""
    records = np.zeros(50, KIND)
    records["a"], records["v"] = RNG.standard_normal(50), RNG.standard_normal((50, 3))
    records["n"] = RNG.integers(-9, 9, 50)
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset("g/table", data=records, chunks=(7,), compression="gzip")
        file["g/numbers"] = records[["a", "n"]].astype([("a", "f4"), ("n", "i2")])
        file["x"] = RNG.standard_normal((50, 2, 2)).astype("f4")
        file["short"] = np.zeros((49, 2))
        file["packed"] = np.zeros((50, 2))
        file["packed"].attrs["scale_factor"] = 2.0
        return f"{tmp_path}/t.h5", records, file["x"][...]


def test_fields(table):
    path, records, _ = table
    found = open_source([f"{path}:g/table/v"])
    assert found.title.startswith("g/table/v, 50 × 3 float64")
    np.testing.assert_array_equal(all_rows(found), records["v"])
    both = np.column_stack([records["a"], records["n"]])
    np.testing.assert_array_equal(all_rows(open_source([f"{path}:g/numbers"])), both)
    turned = open_source([f"{path}:g/table/v"], Reading(samples_axis=1))
    np.testing.assert_array_equal(all_rows(turned), records["v"].T)
    with pytest.raises(DataError, match="fields that are no single numbers: v, name; name one"):
        open_source([f"{path}:g/table"])
    with pytest.raises(DataError, match="g/table has no field none; its fields: a, v, n, name"):
        open_source([f"{path}:g/table/none"])
    with pytest.raises(DataError, match="holds strings"):
        open_source([f"{path}:g/table/name"], Reading(join=True))


def test_side_by_side(table, files, tmp_path):
    """Fields, arrays of any dimension, files; each of its own type; with chosen columns."""
    path, records, x = table
    names = [f"{path}:{each}" for each in ("g/table/a", "x", "g/table/v")]
    whole = np.column_stack([records["a"], x.reshape(50, 4), records["v"]])
    found = open_source(names, Reading(join=True))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(all_rows(found), whole)
    some = open_source(names, Reading(join=True, columns="6,2", rows="11:31"))
    np.testing.assert_array_equal(all_rows(some), whole[11:31, [6, 2]])
    twice = open_source([f"{tmp_path}/[ab].h5"] * 2, Reading(join=True))
    np.testing.assert_array_equal(all_rows(twice), np.hstack([ROWS, ROWS]))
    for other, said in (
        ("short", "has 49 rows"),
        ("packed", "differs, and they cannot be joined"),
    ):
        with pytest.raises(DataError, match=said):
            open_source([names[1], f"{path}:{other}"], Reading(join=True))
    with pytest.raises(DataError, match=r"names 1 file\(s\), .* names 2"):
        open_source([f"{tmp_path}/[ab].h5", files[0]], Reading(join=True))


def test_a_fit_of_datasets_side_by_side(table, tmp_path):
    path, records, x = table
    names = [f"{path}:{each}" for each in ("x", "g/table/v")]
    out = tmp_path / "out.h5"
    run(2, "fit", *names, "--join", "-k", 3, "--tol", 1e-11, "-o", out).ok()
    run(1, "verify", out, *names, "--tol", 1e-9).ok()
    whole = np.column_stack([x.reshape(50, 4), records["v"]]).astype(float)
    with h5py.File(out) as file:
        expected = np.linalg.eigvalsh(np.cov(whole.T))[::-1][:3]
        np.testing.assert_allclose(file["explained_variance"], expected, rtol=1e-10)
    run(2, "data", "shard", *names, "--join", "-o", tmp_path / "whole", "--shards", 2).ok()
    np.testing.assert_array_equal(all_rows(open_source([str(tmp_path / "whole")])), whole)
