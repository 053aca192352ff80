"""Every error a user can make: the exit code, one line that says what, value and remedy, and
nothing lost or left behind.
"""

import os
import re
import stat

import h5py
import numpy as np
import pytest
from error_cases import CASES
from error_files import ARRAYS, ATTRIBUTES, ROWS, put
from launch import batch, launched, run


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
