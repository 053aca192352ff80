"""Every error a user can make: the exit code, one line that says what, value and remedy, and
nothing lost or left behind.
"""

import os
import re
import stat

import h5py
import numpy as np
import pytest
from launch import batch, launched, run

ROWS = np.random.default_rng(5).standard_normal((30, 8))
FIT = ("-k", "2", "-o", "out.h5")


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
    "records.h5": np.zeros((30, 8), [("a", "f8"), ("b", "i4")]),
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with every kind of file that cannot be used, and good.h5 with its result and
    checkpoint.
    """
    here = tmp_path_factory.mktemp("errors")
    for name, array in ARRAYS.items():
        put(here / name, array)
        with h5py.File(here / name, "a") as file:
            file["X"].attrs.update(ATTRIBUTES.get(name, {}))
    put(here / "two.h5", ROWS, "A")
    put(here / "two.h5", ROWS, "B")
    with h5py.File(here / "objects.h5", "w") as file:
        file.create_dataset("X", (3, 2), h5py.string_dtype())
    put(here / "cut.h5", np.random.default_rng(0).standard_normal((4000, 8)), chunks=(100, 8))
    os.truncate(here / "cut.h5", os.path.getsize(here / "cut.h5") // 2)
    put(
        here / "damaged.h5",
        np.random.default_rng(0).integers(0, 9, (4000, 8)),
        chunks=(500, 8),
        compression="gzip",
    )
    with h5py.File(here / "damaged.h5") as file:
        spot = file["X"].id.get_chunk_info(5).byte_offset
    with open(here / "damaged.h5", "r+b") as file:
        file.seek(spot)
        file.write(b"\xff" * 40)
    (here / "empty.h5").touch()
    (here / "text.h5").write_text("not HDF5\n" * 100)
    (here / "text.npy").write_text("not npy\n")
    (here / "header.npy").write_bytes(b"\x93NUMPY\x01\0\x10\0{'descr': (((((\n")
    np.save(here / "objects.npy", np.array([[{}]]), allow_pickle=True)
    np.save(here / "short.npy", np.eye(3))
    np.save(here / "nan.npy", np.full((1, 8), np.nan))
    (here / "folder").mkdir()
    os.mkfifo(here / "fifo.h5")
    os.mkfifo(here / "fifo.npy")
    try:
        os.mknod(here / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))  # not the machine's own
    except PermissionError:  # then nothing can happen to that one
        (here / "null").symlink_to("/dev/null")
    run(1, "fit", "good.h5", "-k", "2", "-o", "done.h5", cwd=here).ok()
    run(
        1,
        "fit",
        "good.h5",
        "-k",
        "2",
        "-o",
        "stopped.h5",
        "--exchange",
        "vectors",
        "--max-rounds",
        "3",
        cwd=here,
    ).ended(4)
    (here / "c.1").write_bytes((here / "done.h5").read_bytes())
    (here / "other.h5").write_bytes((here / "good.h5").read_bytes())
    return here


def contents(folder):
    """{name: bytes} of all files."""
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


CASES = {
    # files
    "missing": ("fit no.h5", 3, "no.h5", "no such file"),
    "no match": ("fit no*.h5x", 3, "no*.h5x", "no file matches"),
    "empty file": ("fit empty.h5", 3, "empty.h5", "empty", "write it again"),
    "folder without data": ("fit folder", 3, "folder", "no HDF5 file"),
    "fifo": ("fit fifo.h5", 3, "fifo.h5", "not a regular file"),
    "not HDF5": ("fit text.h5", 3, "text.h5", "not an HDF5 file"),
    "truncated": ("fit cut.h5", 3, "cut.h5", "truncated"),
    "damaged chunk": ("fit damaged.h5", 3, "damaged.h5", "cannot be read"),
    "no such dataset": ("fit good.h5:Y", 3, "no dataset Y", "X"),
    "two candidates": ("fit two.h5", 3, "A (30 × 8 float64), B (30 × 8", "two.h5:A, two.h5:B"),
    "one-dimensional": (
        "fit one-d.h5",
        3,
        "one-d.h5",
        "no dataset of two or more dimensions",
        "X (8 float64, 1-D)",
        "name another",
    ),
    "one-dimensional, named": ("fit one-d.h5:X", 3, "one-d.h5:X", "(8,)"),
    "no such axis": ("fit three-d.h5:X --samples-axis 3", 3, "(30, 4, 2)", "none of them"),
    "other columns": ("fit good.h5 seven.h5", 3, "seven.h5:X has 7 columns", "good.h5:X", "8"),
    "other dtype": ("fit good.h5 single.h5", 3, "single.h5:X", "float32", "float64"),
    "NaN": ("fit nan", 3, "s2.h5", "row 17, column 3", "nan"),
    "NaN, gram": ("fit nan --operator gram", 3, "s2.h5", "row 17, column 3", "nan"),
    "NaN, in memory": ("fit nan --operator in-memory", 3, "s2.h5", "row 17, column 3", "nan"),
    "Inf": ("fit inf.h5", 3, "inf.h5", "row 29, column 7", "-inf"),
    "fill value, gram": ("fit fill.h5 --operator gram", 3, FILL),
    "fill value, in memory": ("fit fill.h5 --operator in-memory", 3, FILL),
    "fill value, streaming": ("fit fill.h5 --operator streaming", 3, FILL),
    "fill value, mini-batches": ("fit fill.h5 --batch-rows 5", 3, FILL),
    "fill value, verify": ("verify done.h5 fill.h5", 3, FILL),
    "fill value, transform": ("transform done.h5 fill.h5 -o out.h5", 3, FILL),
    "outside of the valid range": (
        "fit range.h5",
        3,
        "row 17, column 3 is 120, more than is valid",
        "(attribute valid_range: 100)",
    ),
    "packed by no number": ("fit packed.h5", 3, "its scale_factor, text,", "unpack it"),
    "one row": ("fit one-row.h5", 3, "one-row.h5", "one row"),
    "no rows": ("fit no-rows.h5", 3, "no-rows.h5", "0 rows", "name another"),
    "no columns": ("fit no-columns.h5", 3, "no-columns.h5", "0 columns", "name another"),
    "zero variance, gram": ("fit constant.h5 --operator gram", 3, "zero variance"),
    "zero variance, in memory": ("fit constant.h5 --operator in-memory", 3, "zero variance"),
    "too large to square": ("fit huge.h5", 3, "range", "multiply the data"),
    "too small to square": ("fit tiny.h5", 3, "range", "multiply the data"),
    "objects": ("fit objects.h5", 3, "objects.h5", "objects"),
    "strings": ("fit strings.h5", 3, "strings.h5", "strings"),
    "complex": ("fit complex.h5", 3, "complex.h5", "complex"),
    "records": ("fit records.h5", 3, "records.h5", "records"),
    "quad": ("fit quad.h5", 3, "quad.h5", "64 bits"),
    # K
    "K zero": ("fit good.h5 -k 0", 2, "error: -k 0: at least 1"),
    "K zero, long": ("fit good.h5 --components 0", 2, "error: --components 0: at least 1"),
    "K negative": ("fit good.h5 -qk-3", 2, "error: -k -3: at least 1"),
    "K past d": ("fit good.h5 -k 9", 2, "9", "at most 8"),
    "K past n-1": (
        "fit init-zero.h5 -k 2",
        2,
        "-k 2",
        "at most 1 ",
        "taking off their mean leaves n−1",
        "ask for 1 or",
    ),
    "K past d of a covariance": (
        "fit indefinite.h5 --covariance -k 9",
        2,
        "at most 8 ",
        "a covariance of 8 features",
    ),
    "K past d, long": ("fit good.h5 --components=9", 2, "error: --components 9: "),
    "K no number": ("fit good.h5 -k many", 2, "for '-k': 'many'"),
    "K no number, long": ("fit good.h5 --components=many", 2, "for '--components': 'many'"),
    "K missing": ("plan 9x9", 2, "by one of -k ('hpcpca fit') and -r ('hpcpca regress')"),
    "K of transform": ("transform done.h5 good.h5 -k 3 -o x.h5", 2, "error: -k 3: done.h5 has 2"),
    # output
    "output, long": (
        "fit good.h5 --output=good.h5 --overwrite",
        2,
        "error: --output good.h5 would overwrite",
    ),
    "output folder missing": ("fit good.h5 -o no/out.h5", 3, "folder no", "does not exist"),
    "output is a folder": ("fit good.h5 -o folder", 3, "folder"),
    "output exists": ("fit good.h5 -o other.h5", 3, "other.h5", "exists", "--overwrite"),
    "output is a pipe": ("fit good.h5 -o fifo.h5 --overwrite", 3, "fifo.h5 is a pipe"),
    "output is a device": ("fit good.h5 -o null --overwrite", 3, "null is a device", "name a file"),
    "output without a name": ("transform done.h5 good.h5 -o ''", 2, "-o ''", "name a file"),
    "checkpoint is a device": ("fit good.h5 --checkpoint null", 3, "null is a device"),
    "checkpoint is a result": (
        "fit good.h5 --checkpoint done.h5 --overwrite",
        3,
        "done.h5 exists and is no checkpoint",
    ),
    "checkpoint before is a result": (
        "fit good.h5 --checkpoint c --overwrite",
        3,
        "c.1 exists and is no checkpoint",
    ),
    "checkpoint over a result": (
        "resume stopped.h5.ckpt -o out.h5 --checkpoint done.h5",
        3,
        "exists and is no checkpoint",
    ),
    "log is a folder": ("fit good.h5 --log-json folder", 3, "folder is a folder", "--log-json"),
    "log is a pipe": ("fit good.h5 --log-json fifo.h5", 3, "fifo.h5", "nobody reads"),
    "output is the data": ("fit good.h5 -o good.h5 --overwrite", 2, "good.h5", "data"),
    "output is the data, another way": (
        "fit good.h5 -o ./folder/../good.h5 --overwrite",
        2,
        "good.h5",
        "data",
    ),
    "checkpoint is the data": (
        "fit good.h5 --checkpoint good.h5 --overwrite",
        2,
        "good.h5",
        "data",
    ),
    "checkpoint is the output": ("fit good.h5 --checkpoint out.h5", 2, "out.h5", "checkpoint"),
    "log is the data": ("fit good.h5 --log-json good.h5", 2, "good.h5", "data"),
    "log is the output": ("fit good.h5 --log-json out.h5", 2, "out.h5"),
    "log folder missing": ("fit good.h5 --log-json no/log", 3, "no/log"),
    "checkpoint folder missing": (
        "fit good.h5 --checkpoint no/c",
        3,
        "folder no",
        "does not exist",
    ),
    "checkpoint found": (
        "fit good.h5 -o stopped.h5",
        3,
        "stopped.h5.ckpt",
        "hpcpca resume",
        "--overwrite",
    ),
    "resume over the data": ("resume stopped.h5.ckpt -o good.h5", 2, "good.h5", "data"),
    "resume over another file": ("resume stopped.h5.ckpt -o other.h5", 3, "other.h5", "exists"),
    # options
    "grid without x": ("fit good.h5 --grid two", 2, "--grid two", "WxS"),
    "grid too large": ("fit good.h5 --grid 3x1", 2, "--grid 3x1", "2 rank"),
    "grid zero": ("fit good.h5 --grid 0x2", 2, "--grid 0x2"),
    "top1 with ritz": ("fit good.h5 --top1 lanczos", 2, "--top1", "--exchange vectors"),
    "local steps with ritz": (
        "fit good.h5 --local-steps 3",
        2,
        "--local-steps 3",
        "--exchange vectors",
    ),
    "stagger with ritz": ("fit good.h5 --stagger", 2, "--stagger", "vectors"),
    "no stagger with ritz": ("fit good.h5 --no-stagger", 2, "--no-stagger", "vectors"),
    "basis with vectors": ("fit good.h5 --exchange vectors --basis all", 2, "--basis", "ritz"),
    "warm start with vectors": (
        "fit good.h5 --exchange vectors --warm-start",
        2,
        "--warm-start",
        "ritz",
    ),
    "warm start with init": (
        "fit good.h5 --warm-start --init good.h5",
        2,
        "--warm-start",
        "--init",
    ),
    "in memory with covariance": (
        "fit asymmetric.h5 --covariance --operator in-memory",
        2,
        "--covariance",
        "gram",
    ),
    "single below its floor": ("fit good.h5 --precision single --tol 1e-8", 2, "1e-08", "single"),
    "tol negative": ("fit good.h5 --tol -1", 2, "-1"),
    "tol nan": ("fit good.h5 --tol nan", 2, "nan"),
    "tol too large": ("fit good.h5 --tol 2", 2, "2"),
    "max rounds zero": ("fit good.h5 --max-rounds 0", 2, "--max-rounds 0"),
    "guards negative": ("fit good.h5 --guards -1", 2, "--guards -1"),
    "threads zero": ("fit good.h5 --threads 0", 2, "--threads 0"),
    "seed negative": ("fit good.h5 --seed -1", 2, "--seed -1"),
    "memory too small": ("fit good.h5 --memory 1K", 2, "1.0 KiB", "needs", "--memory"),
    "memory no size": ("fit good.h5 --memory lots", 2, "lots"),
    "memory with two points": ("fit good.h5 --memory 1.2.3G", 2, "1.2.3G"),
    "basis too small": ("fit good.h5 --basis 5", 2, "--basis 5", "at least"),
    "basis no number": ("fit good.h5 --basis some", 2, "--basis some"),
    "cadence": ("fit good.h5 --checkpoint-every often", 2, "--checkpoint-every often", "10r"),
    "cadence zero": ("fit good.h5 --checkpoint-every 0r", 2, "--checkpoint-every 0r"),
    "cadence with two points": (
        "fit good.h5 --checkpoint-every 1.2.3s",
        2,
        "--checkpoint-every 1.2.3s",
    ),
    "unknown option": ("fit good.h5 --no-such-option", 2, "--no-such-option"),
    "unknown choice": ("fit good.h5 --exchange letters", 2, "letters", "ritz"),
    "unknown command": ("fti good.h5", 2, "fti"),
    "no data": ("fit", 2, "DATA"),
    # start vectors, covariances
    "init missing": ("fit good.h5 --init no.h5", 3, "no.h5", "no such file"),
    "init of other length": ("fit good.h5 --init seven.h5", 3, "7", "8", "--init"),
    "init zero": ("fit good.h5 --init init-zero.h5", 3, "zero vector"),
    "init NaN": ("fit good.h5 --init init-nan.h5", 3, "row 1, column 1"),
    "covariance not square": ("fit rectangle.h5 --covariance", 2, "30 × 8"),
    "covariance of two files": (
        "fit zero-covariance.h5 asymmetric.h5 --covariance",
        2,
        "one square dataset",
    ),
    "covariance not symmetric": ("fit asymmetric.h5 --covariance", 3, "not symmetric", "(2, 5)"),
    "covariance NaN": ("fit nan-covariance.h5 --covariance", 3, "row 2, column 5"),
    "covariance zero": ("fit zero-covariance.h5 --covariance", 3, "zero variance"),
    "covariance negative": (
        "fit negative-covariance.h5 --covariance",
        3,
        "not a covariance: entry (0, 0) is -1, and no var",
    ),
    "correlation over 1": (
        "fit correlated.h5 --covariance",
        3,
        "entry (2, 5) is 1.5, ",
        "are 1 and 1",
        "without",
    ),
    "covariance of no variance": (
        "fit crossed.h5 --covariance",
        3,
        "entry (2, 5) is 0.5, ",
        "are 0 and 0",
    ),
    "covariance indefinite": (
        "fit indefinite.h5 --covariance",
        3,
        "not a covariance",
        "eigenvalue of -1.35 or below",
    ),
    "covariance indefinite, vectors": (
        (
            "fit indefinite.h5 --covariance -k 8 --exchange vectors --top1 lanczos --local-steps 4 "
            "--no-stagger"
        ),
        3,
        "not a covariance",
        "eigenvalue of -",
    ),
    # other commands
    "resume data": (
        "resume good.h5",
        3,
        "good.h5",
        "not a result or checkpoint",
        "name a file that",
    ),
    "resume nothing": ("resume no.h5", 3, "no.h5", "no such file"),
    "resume text": ("resume text.h5", 3, "text.h5", "not an HDF5"),
    "resume on other data": ("resume stopped.h5.ckpt --data inf.h5", 3, "other data"),
    "resume with a bad basis": ("resume done.h5 --tol 1e-8 --basis some", 2, "--basis some"),
    "verify other length": ("verify short.npy good.h5", 3, "3", "8"),
    "verify nothing": ("verify no.npy good.h5", 3, "no.npy", "no such file"),
    "verify text": ("verify text.npy good.h5", 3, "text.npy"),
    "verify a broken header": ("verify header.npy good.h5", 3, "header.npy"),
    "verify a pipe": ("verify fifo.npy good.h5", 3, "fifo.npy", "not a regular file"),
    "verify objects": ("verify objects.npy good.h5", 3, "objects.npy"),
    "verify NaN vectors": ("verify nan.npy good.h5", 3, "nan.npy", "NaN"),
    "verify on NaN": ("verify done.h5 nan", 3, "s2.h5", "row 17, column 3"),
    "verify on nothing": ("verify done.h5 no.h5", 3, "no.h5", "no such file"),
    "verify saves in what is no result": ("verify good.h5 good.h5 --save", 2, "--save"),
    "verify on one row": ("verify done.h5 one-row.h5", 3, "one row"),
    "info on nothing": ("info no.h5", 3, "no.h5", "no such file"),
}


# one of every command, exit code and place where errors arise, as a command of its own: these are
# what shells see
ALONE = (
    "missing",
    "damaged chunk",
    "output exists",
    "top1 with ritz",
    "no data",
    "resume on other data",
    "verify other length",
)

# found before MPI is started: each rank by itself, of which the first speaks
EARLY = {
    "K zero",
    "K zero, long",
    "K negative",
    "K missing",
    "top1 with ritz",
    "local steps with ritz",
    "stagger with ritz",
    "no stagger with ritz",
    "basis with vectors",
    "warm start with vectors",
    "warm start with init",
    "in memory with covariance",
    "single below its floor",
    "tol negative",
    "tol nan",
    "tol too large",
    "max rounds zero",
    "guards negative",
    "threads zero",
    "seed negative",
    "basis no number",
    "cadence",
    "cadence zero",
    "cadence with two points",
    "info on nothing",
}


def words(line):
    """Arguments of a case."""
    arguments = [word.strip("'") for word in line.split()]
    if arguments[0] == "fit":
        for option, given, value in (("-k", "k|--components", "2"), ("-o", "o|--output", "out.h5")):
            arguments += [] if re.search(rf" (-q?{given})", line) else [option, value]
    return arguments


@pytest.fixture(scope="module")
def outcomes(folder):
    """{name: Run} of all cases, and what the folder held before and after them."""
    before, done = contents(folder), {}
    for ranks, names in ((1, EARLY), (2, CASES.keys() - EARLY)):
        done |= batch(ranks, {name: words(CASES[name][0]) for name in sorted(names)}, cwd=folder)
    return done, before, contents(folder)


def check(name, done):
    """Assert that a case ended as it should, with one line that says so."""
    _, code, *told = CASES[name]
    assert (done.code, len(done.messages)) == (code, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert all(word in done.messages[0] for word in told), done.messages[0]


@pytest.mark.parametrize("name", CASES)
def test_one_line(name, outcomes):
    check(name, outcomes[0][name])


def test_nothing_lost_and_nothing_left(outcomes):
    _, before, after = outcomes
    assert after.keys() == before.keys()
    assert after == before


def test_a_device_stays_one(outcomes, folder):
    assert (folder / "null").is_char_device()


@pytest.mark.once
@pytest.mark.parametrize("name", ALONE)
def test_as_a_command_of_its_own(name, folder):
    before = contents(folder)
    check(name, launched(2, *words(CASES[name][0]), cwd=folder))
    assert contents(folder) == before


@pytest.mark.parametrize(
    "arguments, missing",
    [(("-o", "out.h5"), "'-k' / '--components'"), (("-k", "2"), "'-o' / '--output'")],
)
def test_what_fit_needs(folder, arguments, missing):
    done = run(0, "fit", "good.h5", *arguments, cwd=folder)
    assert (done.code, len(done.messages)) == (2, 1) and missing in done.stderr
