"""``hpcpca data import``: what numpy and pyarrow read from the same files; errors in one line."""

import gzip

import h5py
import numpy as np
import pytest
from launch import batch, run

from hpcpca.errors import DataError, PlatformError, UsageError
from hpcpca.sources.imported import file as files_module
from hpcpca.sources.imported import text
from hpcpca.sources.imported.files import open_files
from hpcpca.sources.imported.settings import Importing

pytestmark = pytest.mark.once

ROWS = np.random.default_rng(3).standard_normal((700, 6)) * 10.0 ** np.arange(-3, 3)


@pytest.fixture(params=["plain", "compiled"])
def small(monkeypatch, request):
    """Pieces of so few bytes that every file has many; text read by numpy, or by kernels."""
    monkeypatch.setattr(text, "PIECE_BYTES", 500)
    monkeypatch.setattr(text, "LARGE", -1 if request.param == "compiled" else 1 << 40)
    monkeypatch.setattr(files_module, "PIECE_BYTES", 500)


def imported(paths, dtype=None, **how):
    """All rows, read in three parts, and the ``ImportedRows``."""
    made = open_files([str(path) for path in paths], Importing(**how), dtype)
    n = made.edges[-1]
    parts = [
        part for a, b in ((0, n // 3), (n // 3, n - 1), (n - 1, n)) for part in made.read(a, b)
    ]
    found = np.concatenate(parts)
    assert found.dtype == made.dtype
    return found, made


def lines_of(rows, mark=","):
    """Rows as text, each value such that it is read back."""
    return "".join(mark.join(map(repr, map(float, row))) + "\n" for row in rows)


def messy():
    """Text of all that may stand for a missing value, of quotes and empty lines, with a column of
    words that have delimiters in them; and the rows.
    """
    rng, rows, found = np.random.default_rng(5), ROWS[:, :3].copy(), []
    words = ["", "NA", " ", '""', "null", '"NA"', " N/A ", "nan", "NaN", "?"]
    for number, row in enumerate(rows):
        fields = [f'"{value}"' if rng.random() < 0.1 else f"{value}" for value in row]
        for column in range(3):
            if rng.random() < 0.3:
                fields[column], row[column] = words[rng.integers(len(words))], np.nan
        name = ('"Li, NA"', "NA", "", '"a,,b, "', "x", '"say ""NA"", no"')[number % 6]
        end = ("\n", "\r\n", "\n\n", "\r\n\r\n")[number % 4]
        found.append(",".join([fields[0], name, *fields[1:]]) + end)
    return "a,name,b,c\n" + "".join(found).rstrip(), rows


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt", ".csv.gz"])
@pytest.mark.parametrize("head", [False, True])
def test_text_is_what_numpy_reads(tmp_path, small, suffix, head):
    mark = {".tsv": "\t", ".txt": " "}.get(suffix, ",")
    told = (mark.join("abcdef") + "\n" if head else "") + lines_of(ROWS, mark)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(gzip.compress(told.encode()) if suffix.endswith("gz") else told.encode())
    found, made = imported([path])
    expected = np.loadtxt(path, delimiter=mark, skiprows=int(head))
    np.testing.assert_array_equal(found, expected)
    assert made.names == (list("abcdef") if head else None) and found.dtype == np.float64
    part = imported([path], "float32", columns="3,1")[0]
    np.testing.assert_array_equal(part, expected[:, [3, 1]].astype("f4"))
    np.testing.assert_array_equal(imported([path], skip_columns="0:4")[0], expected[:, 4:])


def test_missing_values(tmp_path, small):
    """All words for them, and numpy.genfromtxt where it knows them."""
    told, rows = messy()
    (tmp_path / "x.csv").write_text(told)
    found, made = imported([tmp_path / "x.csv"], skip_columns="name", missing=("?",))
    np.testing.assert_array_equal(found, rows)
    assert made.names == ["a", "b", "c"]
    plain = "".join(line.replace("nan", "") for line in lines_of(np.where(rows > 0, rows, np.nan)))
    (tmp_path / "y.csv").write_text(plain)
    expected = np.genfromtxt(tmp_path / "y.csv", delimiter=",")
    np.testing.assert_array_equal(imported([tmp_path / "y.csv"])[0], expected)
    (tmp_path / "w.csv").write_text("-999,2\n3,-999.0\n-9991,?\n")
    found = imported([tmp_path / "w.csv"], missing=("-999", "?"))[0]
    np.testing.assert_array_equal(found, [[np.nan, 2], [3, np.nan], [-9991, np.nan]])
    with pytest.raises(UsageError, match="int32 has no NaN"):
        imported([tmp_path / "w.csv"], "int32", missing=("-999",))
    (tmp_path / "z.txt").write_text("1 NA  3\n nan 5 6 \n")
    np.testing.assert_array_equal(
        imported([tmp_path / "z.txt"])[0], [[1, np.nan, 3], [np.nan, 5, 6]]
    )


def test_integers_are_exact(tmp_path, small):
    whole = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, (50, 3))
    np.savetxt(tmp_path / "x.csv", whole, fmt="%d", delimiter=",")
    np.testing.assert_array_equal(imported([tmp_path / "x.csv"], "int64")[0], whole)
    whole = whole.astype("u8") * np.uint64(2)
    np.savetxt(tmp_path / "x.csv", whole, fmt="%d", delimiter=",")
    np.testing.assert_array_equal(imported([tmp_path / "x.csv"], "uint64")[0], whole)
    with pytest.raises(DataError, match="is no int64; give --dtype float64"):
        (tmp_path / "x.csv").write_text("1,2\n3,4.5\n")
        imported([tmp_path / "x.csv"], "int64")
    with pytest.raises(DataError, match="holds 300.*, which uint8 cannot"):
        (tmp_path / "x.csv").write_text("1,300\n")
        imported([tmp_path / "x.csv"], "uint8")


@pytest.mark.parametrize(
    ("told", "how", "names"),
    [
        ("a,b\n1,2\n", {}, ["a", "b"]),
        ("\ufeffä,b\n1,2\n", {}, ["ä", "b"]),
        ("2019,2020\n1,2\n", {"header": True}, ["2019", "2020"]),
        ("2019,x\n1,2\n", {"header": True}, ["2019", "x"]),
        ("\ufeff1,2\n", {}, None),
        (",x\n0,2\n", {}, ["", "x"]),
        ("# by me\n# a,b\n1,2\n", {}, ["a", "b"]),
        ("# by me\n1,2\n", {}, None),
        ("1,2\n", {}, None),
        ("NA,2\n", {}, None),
        ('"a, b",c\n1,2\n', {}, ["a, b", "c"]),
        ("a b\n1 2\n", {"delimiter": "space"}, ["a", "b"]),
        ("a;b\n1;2\n", {"delimiter": "semicolon"}, ["a", "b"]),
    ],
)
def test_headers(tmp_path, told, how, names):
    (tmp_path / "x.csv").write_text(told)
    found, made = imported([tmp_path / "x.csv"], **how)
    assert made.names == names and found.shape == (1, 2) and found[0, 1] == 2


def test_arrays_are_what_numpy_loads(tmp_path, small):
    stack = ROWS.astype(">f4").reshape(100, 7, 6)
    np.save(tmp_path / "x.npy", stack)
    np.save(tmp_path / "y.npy", np.asfortranarray(ROWS))
    found, made = imported([tmp_path / "x.npy"] * 2)
    np.testing.assert_array_equal(found.reshape(200, 7, 6), np.concatenate([stack, stack]))
    assert made.feature_shape == (7, 6)
    found = imported([tmp_path / "y.npy"], columns="1:3")[0]
    np.testing.assert_array_equal(found, np.load(tmp_path / "y.npy")[:, 1:3])


def table(path, **options):
    """Write a Parquet file of several types and row groups; return its numbers."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {
        "a": pyarrow.array(ROWS[:, 0]),
        "b": pyarrow.array(np.arange(700, dtype="i4")),
        "c": pyarrow.array([None if n % 5 == 0 else n / 2 for n in range(700)], "float32"),
        "d": pyarrow.array(ROWS[:, 1] > 0),
        "name": pyarrow.array([f"n{n}" for n in range(700)]),
    }
    parquet.write_table(pyarrow.table(columns), path, row_group_size=150, **options)
    made = [columns[name].to_numpy(zero_copy_only=False) for name in "abcd"]
    return np.column_stack([column.astype(float) for column in made])


def test_parquet_is_what_pyarrow_reads(tmp_path, small):
    expected, path = table(tmp_path / "x.parquet"), tmp_path / "x.parquet"
    found, made = imported([path, path], skip_columns="name")
    np.testing.assert_array_equal(found, np.concatenate([expected, expected]))
    assert made.names == list("abcd") and made.dtype == np.float64
    assert imported([path], columns="b")[0].dtype == np.int32
    np.testing.assert_array_equal(
        imported([path], "float32", columns="c,b")[0], expected[:, [2, 1]]
    )
    with pytest.raises(DataError, match=r"no numbers: name \(string\); .*--skip-columns 'name'"):
        imported([path])


def test_parquet_with_holes_in_integers(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"a": [1, 2, None, 4]}), tmp_path / "x.pq")
    np.testing.assert_array_equal(
        imported([tmp_path / "x.pq"], "float64")[0], [[1], [2], [np.nan], [4]]
    )
    with pytest.raises(DataError, match=r"row 2, column a: a missing value .*--dtype float64"):
        imported([tmp_path / "x.pq"])


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "x.parquet").touch()
    with pytest.raises(PlatformError, match=r"pip install 'hpcpca\[parquet\]'"):
        imported([tmp_path / "x.parquet"])


BAD = {  # what is in x.csv: options, what is said
    "word": (
        "a,b\n1,2\n\n3,oops\n",
        {},
        r"line 4, column 1 \(b\): 'oops' is no .*--skip-columns b",
    ),
    "few": ("1,2\n3\n", {}, "line 2 has 1 fields, not 2"),
    "many": ("1,2\n3,4,5\n", {}, "line 2 has 3 fields, not 2"),
    "many, chosen": ("1,2,3\n" * 9 + "4,5,6,7\n", {"columns": "0"}, "line 10 has 4 fields"),
    "quotes": ('1,2\n3,"4\n5",6\n', {}, "line 3"),
    "remark": ("1,2\n# 3\n", {}, "line 2"),
    "semicolons": ("a;b\n1;2\n", {}, "--delimiter semicolon"),
    "ambiguous": ("Bob,1\nEve,2\n", {}, "give --header or --no-header"),
    "a typo at first": ("5x,2\n3,4\n", {}, "in which '5x' is no number; give --header or"),
    "carriage returns": ("a,b\r1,2\r", {}, "a carriage return alone; convert it"),
    "no row": ("a,b\n", {}, "no rows of numbers"),
    "empty": ("", {}, "no rows of numbers"),
    "binary": ("1,\0\n", {}, "is no text"),
    "no such column": ("a,b\n1,2\n", {"columns": "c"}, "no column 'c'; they are called a, b"),
    "no such number": ("1,2\n", {"skip_columns": "2"}, "they go from 0 to 1"),
    "all left out": ("1,2\n", {"skip_columns": "0:"}, "nothing is left"),
    "twice": ("1,2\n", {"columns": "1,1"}, "names a column twice"),
    "same name": ("a,a\n1,2\n", {"columns": "a"}, "several columns are called a"),
    "delimiter": ("1,2\n", {"delimiter": "ab"}, "--delimiter 'ab'"),
    "both": ("1,2\n", {"columns": "1", "skip_columns": "0"}, "give one of them"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_text(tmp_path, small, name):
    told, how, said = BAD[name]
    (tmp_path / "x.csv").write_text(told, newline="")
    with pytest.raises((DataError, UsageError), match=said):
        imported([tmp_path / "x.csv"], **how)


def test_lines_are_numbered_over_all_pieces(tmp_path, small):
    lines = lines_of(ROWS).splitlines()
    lines[431] = "1,2,3,bad,5,6"
    (tmp_path / "x.csv").write_text("\n\n".join(lines))
    with pytest.raises(DataError, match=r"x.csv, line 863, column 3: 'bad'"):
        imported([tmp_path / "x.csv"])


def test_files_that_do_not_agree(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")
    (tmp_path / "c.csv").write_text("1,2,3\n")
    (tmp_path / "d.csv").write_text("3,4\n")
    np.save(tmp_path / "e.npy", np.ones((5, 1, 2)))
    (tmp_path / "f.csv.gz").write_bytes(gzip.compress(b"1,2\n" * 1000)[:-9])
    (tmp_path / "g.dat").touch()
    for other, said in {
        "b.csv": "column 1 is called z in .*b.csv and y in the first",
        "c.csv": "has 3 columns, the first file .* has 2",
        "e.npy": r"has samples of \(1, 2\)",
        "f.csv.gz": "cannot be read: .*damaged or cut short",
        "g.dat": "has .dat, and is not imported",
        "h.csv": "no such file",
    }.items():
        with pytest.raises(DataError, match=said):
            imported([tmp_path / "a.csv", tmp_path / other])
    found, made = imported([tmp_path / "a.csv", tmp_path / "d.csv"])
    assert found.tolist() == [[1, 2], [3, 4]] and made.names == ["x", "y"]
    with pytest.raises(UsageError, match="--delimiter: this is of text"):
        imported([tmp_path / "e.npy"], delimiter=",")


def test_written_to_meanwhile(tmp_path, small):
    (tmp_path / "x.csv").write_text(lines_of(ROWS))
    made = open_files([str(tmp_path / "x.csv")], Importing())
    with pytest.raises(DataError, match="was written to while it was read"):
        for _ in made.read(0, 700):
            (tmp_path / "x.csv").write_text(lines_of(ROWS) + "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table in two files, a stack of images, and a table that is wrong."""
    here = tmp_path_factory.mktemp("import")
    (here / "t1.csv").write_text("a,b,c,d,e,f\n" + lines_of(ROWS[:400]))
    (here / "t2.csv.gz").write_bytes(gzip.compress(lines_of(ROWS[400:]).encode()))
    (here / "bad.csv").write_text(lines_of(ROWS) + "1,2,3,4,5,x\n")
    np.save(here / "stack.npy", ROWS.reshape(100, 7, 6))
    return here


@pytest.mark.parametrize("n", [1, 2])
def test_command(folder, tmp_path, n):
    """Shards on several ranks, names in each; an error leaves nothing."""
    commands = {
        "shards": ("t*", "-o", tmp_path / "s", "--shards", 3),
        "file": ("t1.csv", "t2.csv.gz", "-o", tmp_path / "x.h5", "--dtype", "float32"),
        "stack": ("stack.npy", "-o", tmp_path / "stack.h5", "--chunk-rows", 9, "--dataset", "i"),
        "bad": ("bad.csv", "-o", tmp_path / "bad", "--shards", 2),
        "again": ("t1.csv", "-o", tmp_path / "x.h5"),
        "name": ("t1.csv", "-o", tmp_path / "y.h5", "--dataset", "column_names"),
    }
    done = batch(n, {name: ("data", "import", *words) for name, words in commands.items()}, folder)
    codes = {name: each.code for name, each in done.items()}
    assert codes == {"shards": 0, "file": 0, "stack": 0, "bad": 3, "again": 3, "name": 2}, done
    assert "line 701, column 5: 'x' is no number" in done["bad"].messages[0]
    assert len(done["bad"].messages) == len(done["again"].messages) == 1
    found = []
    for number in range(3):
        with h5py.File(tmp_path / "s" / f"s{number}.h5") as file:
            found.append(file["X"][...])
            assert file["column_names"].asstr()[...].tolist() == list("abcdef")
    np.testing.assert_array_equal(np.concatenate(found), ROWS)
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["X"][...], ROWS.astype("f4"))
    with h5py.File(tmp_path / "stack.h5") as file:
        np.testing.assert_array_equal(file["i"][...], ROWS.reshape(100, 7, 6))
        assert file["i"].chunks == (9, 7, 6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s", "stack.h5", "x.h5"]


def test_import_and_fit(folder, tmp_path):
    """As the error says."""
    done = run(1, "fit", folder / "t1.csv", "-k", 2, "-o", tmp_path / "pca.h5").ended(3)
    assert "'hpcpca data import' takes CSV" in done.messages[0]
    run(1, "data", "import", folder / "t1.csv", "-o", tmp_path / "x.h5").ok()
    run(1, "fit", tmp_path / "x.h5", "-k", 2, "-o", tmp_path / "pca.h5").ok()
    values = np.linalg.eigvalsh(np.cov(ROWS[:400].T))[::-1][:2]
    with h5py.File(tmp_path / "pca.h5") as file:
        np.testing.assert_allclose(file["explained_variance"][...], values, rtol=1e-6)
