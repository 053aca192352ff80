"""Commands on data that cannot do what is asked for: one line, and nothing is left or lost."""

import os

import h5py
import pytest
from launch import batch
from test_data_commands import ROWS, put

ERRORS = {  # name: arguments, exit code, words of the message
    "shape": ("data make 20by30 -o x.h5", 2, "'20by30' is not a shape"),
    "spectrum": (
        "data make 20x30 -o x.h5 --spectrum linear",
        2,
        "--spectrum linear: write one of powerlaw:EXPONENT",
    ),
    "dtype": ("data make 20x30 -o x.h5 --dtype int128", 2, "int128"),
    "shards": ("data make 20x30 -o x.h5 --shards 2", 2, "--shards 2 with -o"),
    "filter": (
        "data make 20x30 -o x.h5 --compression gzip --chunk-rows 0",
        2,
        "only chunks can be compressed",
    ),
    "exact": (
        "data make 1000000x2000 -o x.h5 --exact",
        2,
        "--exact orthonormalises all rows in memory",
    ),
    "half": ("data make 20x30 -o x.h5 --dtype float16 --mean-std 1e5", 2, "float16 cannot hold"),
    "folder": ("data make 20x30 -o no/such/place", 3, "does not exist; make it first"),
    "exists": ("data make 20x30 -o good.h5 --overwrite", 3, "good.h5 exists and is no file of hpc"),
    "truth": ("data make 20x30 -o told --overwrite", 3, "told.truth.h5 exists and is no file"),
    "pipe": ("data make 20x30 -o fifo --overwrite", 3, "fifo is a pipe; name a file with -o"),
    "file": ("data make 20x30 -o plain --overwrite", 3, "plain is a file; name another folder"),
    "stale": (
        "data make 20x30 -o full --shards 2 --overwrite",
        3,
        "holds s7.h5, which would become part of the data",
    ),
    "space": ("data make 100000000000x1000 -o space", 3, "No space left on device: 363.8 TiB"),
    "shard-same": ("data shard full -o full", 3, "holds s7.h5"),
    "shard-exists": ("data shard good.h5 -o good.h5", 3, "good.h5 exists"),
    "shard-missing": ("data shard none.h5 -o x.h5", 3, "none.h5: no such file"),
    "shard-narrow": (
        "data shard good.h5 -o x.h5 --dtype uint8",
        3,
        "which uint8 cannot; choose another --dtype",
    ),
    "shard-damaged": ("data shard damaged.h5 -o damaged", 3, "cannot be read"),
    "check-damaged": ("data check damaged.h5", 3, "cannot be read"),
    "check-missing": ("data check none.h5", 3, "none.h5: no such file"),
    "shard-attributes": ("data shard good.h5 filled.h5 -o x.h5", 3, "make them the same, or write"),
    "check-columns": ("data check good.h5 narrow.h5", 3, "narrow.h5:X has 99 columns"),
}


def damaged(path):
    """A file one of whose compressed chunks is overwritten."""
    put(path, ROWS.round(), chunks=(500, 100), compression="gzip")
    with h5py.File(path) as file:
        spot = file["X"].id.get_chunk_info(5).byte_offset
    with open(path, "r+b") as file:
        file.seek(spot)
        file.write(b"\xff" * 40)


@pytest.fixture(scope="module", params=[1, 2])
def failures(request, tmp_path_factory):
    """What the commands that must fail say; the folder before and after."""
    here = tmp_path_factory.mktemp(f"errors{request.param}")
    put(here / "good.h5", ROWS)
    put(here / "narrow.h5", ROWS[:, :99])
    put(here / "filled.h5", ROWS)
    with h5py.File(here / "filled.h5", "a") as file:
        file["X"].attrs["_FillValue"] = -9999.0
    put(here / "full" / "s7.h5", ROWS)
    put(here / "told.truth.h5", ROWS)
    damaged(here / "damaged.h5")
    os.mkfifo(here / "fifo")
    (here / "plain").touch()
    before = contents(here)
    commands = {}
    for name, (line, *_) in ERRORS.items():
        words = line.split()
        commands[name] = [
            (
                here / word
                if os.sep in word
                or word.endswith(".h5")
                or words[index - 1] == "-o"
                or word in ("full",)
                else word
            )
            for index, word in enumerate(words)
        ]
    return batch(request.param, commands), before, contents(here)


def contents(folder):
    """{path: bytes} of all files and folders below a folder."""
    found = folder.rglob("*")
    return {path.relative_to(folder): path.is_file() and path.read_bytes() for path in found}


@pytest.mark.parametrize("name", ERRORS)
def test_error_is_one_line(failures, name):
    runs, *_ = failures
    _, code, words = ERRORS[name]
    run = runs[name].ended(code)
    assert words in run.stderr
    assert len(run.stderr.splitlines()) == 1 and run.stderr.startswith("hpcpca: error: ")


def test_nothing_is_left_or_lost(failures):
    _, before, after = failures
    assert after == before
