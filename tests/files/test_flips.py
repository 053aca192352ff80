"""One byte of a result or checkpoint changed: noticed, or without effect; never another answer,
a traceback, a crash or a hang.

Data files have no checksums of ours: there values may change, but nothing may end in a traceback, a
crash or a hang. HPCPCA_TEST_FLIPS=1000 makes it that many, a third of each kind of file (some more
bytes each, for data).
"""

import json
import os
import random
import sys
from contextlib import suppress

import h5py
import numpy as np
import pytest
import spectra
from launch import HERE, run

FLIPS = int(os.environ.get("HPCPCA_TEST_FLIPS", "300")) // 3  # of each kind of file
OLD = h5py.version.hdf5_version_tuple < (
    1,
    14,
)  # crashes by itself on some damaged structure; ours is checked before it can
AT_ONCE = 75  # per process: a crash of HDF5 would take it with it


def read_all(path):
    """Everything of a file that any command uses: {name: array or value}."""
    from hpcpca.files.result import Stored

    stored = Stored(str(path))
    found = dict(stored.attributes) | stored.arrays
    for name, shape in stored.shapes.items():
        found[name] = stored.rows(name, 0, shape[0])
    return found


def read_data(path):
    """All values of a data file, as a run, ``info`` and ``verify`` read them: an empty dict,
    since they may be others.
    """
    from hpcpca.cli.problems import about
    from hpcpca.engine.vectors import load_vectors
    from hpcpca.errors import DataError
    from hpcpca.report.describe import describe_file
    from hpcpca.sources.source import open_source

    for reader in (lambda path: describe_file(path, about), load_vectors):
        with suppress(DataError):
            reader(str(path))
    source = open_source([f"{path}:g/X"])
    if source.n * source.d > 1 << 24:  # a shape may have grown: nobody reads all of that here
        return {}
    for number, start, stop in source.pieces(0, len(source.blocks), 4096):
        source.check_finite(source.read(number, start, stop))
    return {}


def same(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name], equal_nan=np.asarray(one[name]).dtype.kind == "f")
        for name in one
    )


def judge(path, first, last):
    """Print what each flip of ``path`` came to: number, verdict."""
    from hpcpca.errors import HpcpcaError

    read = read_data if path.endswith("x.h5") else read_all
    whole, true = bytearray(open(path, "rb").read()), read(path)
    for number in range(first, last):
        chance = random.Random(number)
        flipped = bytearray(whole)
        for _ in range(1 if read is read_all else chance.randint(1, 4)):
            flipped[chance.randrange(len(whole))] ^= chance.randint(1, 255)
        with open(f"{path}.{first}", "wb") as file:
            file.write(flipped)
        print(number, end=" ", flush=True)
        try:
            verdict = "harmless" if same(read(f"{path}.{first}"), true) else "WRONG"
        except HpcpcaError as error:
            verdict = "detected" if "\n" not in str(error) and str(error) else "SILENT"
        print(verdict, flush=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A result, and the checkpoint of a run that was stopped."""
    here = tmp_path_factory.mktemp("flips")
    with h5py.File(here / "x.h5", "w") as file:
        file.create_dataset(
            "g/X",
            data=spectra.data_rows(spectra.exponential(12, 0.8), 200).astype("f4"),
            chunks=(20, 12),
            compression="gzip",
        )
        file["g"].attrs["note"], file["link"] = "text", h5py.SoftLink("/g/X")
    run(
        1,
        "fit",
        f"{here / 'x.h5'}:g/X",
        "-k",
        3,
        "-o",
        here / "a.h5",
        "--exchange",
        "vectors",
        "--max-rounds",
        3,
    ).ended(4)
    return {"result": here / "a.h5", "checkpoint": here / "a.h5.ckpt", "data": here / "x.h5"}


@pytest.mark.parametrize("kind", ["result", "checkpoint", "data"])
def test_flipped_bytes(files, kind):
    verdicts, first, crashes, allowed = [], 0, 0, 0.1 * FLIPS * (OLD and kind == "data")
    while first < FLIPS:
        done = run(
            0,
            files[kind],
            first,
            min(FLIPS, first + AT_ONCE),
            command=(sys.executable, __file__),
            env={"PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}"},
        )
        told = [line.split() for line in done.stdout.splitlines()]
        crashes += done.code < 0
        assert done.code == 0 or (done.code < 0 and allowed), (
            f"flip {told[-1:] or first} ended the process: {done.code}\n{done.stderr[-2000:]}"
        )
        verdicts += [words[1] for words in told if len(words) == 2]
        first = min(FLIPS, first + AT_ONCE) if done.code == 0 else int(told[-1][0]) + 1
    counts = {name: verdicts.count(name) for name in set(verdicts)}
    assert (
        len(verdicts) + crashes == FLIPS
        and set(counts) <= {"detected", "harmless"}
        and counts["detected"] > FLIPS / 6
    ), json.dumps(counts)
    assert crashes <= allowed, f"{crashes} of {FLIPS} flips crashed HDF5"


if __name__ == "__main__":
    judge(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
