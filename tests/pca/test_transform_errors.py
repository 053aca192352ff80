"""Mistakes and failures of ``transform`` and ``reconstruct``: one message, and nothing is left
behind.
"""

import os

import h5py
import numpy as np
import pytest
from launch import batch, run
from spectra import agreed_assert
from test_transform import fitted, rows_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files and results of two types."""
    return fitted(tmp_path_factory.mktemp("transform"), ("float32", "float64"))


@pytest.fixture(scope="module")
def wrong(folder):
    """More files, most of which cannot be used."""
    good = rows_of("float32")
    bad = good.copy()
    bad[1399, 3] = np.nan  # on the last rank
    arrays = {
        "nan.h5": bad,
        "narrow.h5": good[:, :23],
        "square.h5": np.cov(good.T),
        "large.h5": rows_of("float64") * 1e100,
        "flat.h5": good * (np.arange(24) < 2),
    }
    for name, array in arrays.items():
        with h5py.File(folder / name, "w") as file:
            file["X"] = array
    words = {
        "cov": ("fit", "square.h5", "--covariance", "-k", 3, "-o", "cov.h5", "-q"),
        "big": ("fit", "large.h5", "-k", 2, "-o", "big.h5", "-q"),
        "s": ("transform", "float32.h5", "float32", "-o", "scores.h5", "-q"),
        "rank-2": ("fit", "flat.h5", "-k", 4, "-o", "rank-2.h5", "-q"),
    }
    for arguments in words.values():
        assert run(1, *arguments, cwd=folder).code in (0, 4)
    return folder


ERRORS = {
    "columns": (
        3,
        ("transform", "float32.h5", "narrow.h5"),
        "23 columns, the components of float32.h5 have 24",
    ),
    "covariance": (3, ("transform", "cov.h5", "rows"), "no mean to subtract"),
    "too many": (2, ("transform", "float32.h5", "rows", "-k", "6"), "-k 6"),
    "none": (2, ("transform", "float32.h5", "rows", "-k", "0"), "-k 0"),
    "memory": (2, ("transform", "float32.h5", "rows", "--memory", "1M"), "needed"),
    "nan": (3, ("transform", "float32.h5", "nan.h5"), "row 1399, column 3 is nan"),
    "range": (3, ("transform", "big.h5", "large.h5", "--dtype", "float32"), "--dtype float64"),
    "flat": (3, ("transform", "rank-2.h5", "flat.h5", "--whiten"), "component 2 of rank-2.h5"),
    "no result": (3, ("transform", "nan.h5", "rows"), "not a result"),
    "no scores": (3, ("reconstruct", "float32.h5", "nan.h5"), "not a scores file"),
    "other result": (3, ("reconstruct", "float64.h5", "scores.h5"), "which they were made with"),
}


@pytest.mark.once
def test_errors(wrong, tmp_path):
    """One line, whichever of three ranks finds it."""
    words = {
        name: (
            *(
                (
                    wrong / word
                    if word.endswith(".h5")
                    else word.replace("rows", str(wrong / "float32"))
                )
                for word in arguments
            ),
            "-o",
            tmp_path / "out.h5",
        )
        for name, (_, arguments, _) in ERRORS.items()
    }
    os.mkfifo(tmp_path / "fifo")
    words["overwrite"] = (
        "transform",
        wrong / "float32.h5",
        wrong / "narrow.h5",
        "-o",
        wrong / "scores.h5",
    )
    for name, place in {"foreign": wrong / "narrow.h5", "pipe": tmp_path / "fifo"}.items():
        words[name] = (
            "transform",
            wrong / "float32.h5",
            wrong / "float32",
            "-o",
            place,
            "--overwrite",
        )
    words["input"] = (
        "transform",
        wrong / "float32.h5",
        wrong / "float32" / "s3.h5",
        "-o",
        wrong / "float32" / "s3.h5",
        "--overwrite",
    )
    words["no folder"] = (
        "transform",
        wrong / "float32.h5",
        wrong / "float32",
        "-o",
        tmp_path / "no" / "out.h5",
    )
    expected = {
        **{
            name: (
                code,
                text.replace("float32.h5", str(wrong / "float32.h5")).replace(
                    "rank-2.h5", str(wrong / "rank-2.h5")
                ),
            )
            for name, (code, _, text) in ERRORS.items()
        },
        "overwrite": (3, "exists; name another file, or give --overwrite"),
        "input": (2, "overwrite what is read"),
        "foreign": (3, "is no file of hpcpca"),
        "pipe": (3, "is a pipe"),
        "no folder": (3, "does not exist"),
    }
    for name, done in batch(3, words).items():
        code, text = expected[name]
        assert done.code == code and len(done.messages) == 1 and text in done.messages[0], (
            name,
            done,
        )
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == set()


@pytest.mark.parametrize(
    "rank, error, code",
    [
        (0, "OSError(28, 'No space left on device')", 3),
        (0, "KeyError('bug')", 1),
        (1, "OSError(28, 'No space left on device')", 3),
    ],
)
def test_failed_write(folder, tmp_path, rank, error, code):
    """A full disk, or a bug, on one rank: one message, nothing left behind, what was there
    stays.
    """
    with h5py.File(tmp_path / "out.h5", "w") as file:
        file.attrs["format"] = "hpcpca-scores"
    precious = (tmp_path / "out.h5").read_bytes()
    text = f"""
import os
from hpcpca.pca import scores
import h5py
RANK = int(os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK") or 0)
def failing(*arguments):
    raise {error}
if RANK == {rank}:
    h5py.Dataset.__setitem__ = failing"""
    done = run(
        2,
        "transform",
        folder / "float32.h5",
        folder / "float32",
        "-o",
        tmp_path / "out.h5",
        "--overwrite",
        inject=text,
    )
    if h5py.get_config().mpi or rank == 0:
        assert done.code == code and len(done.messages) == 1, done
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]
    is_kept = (tmp_path / "out.h5").read_bytes() == precious
    assert is_kept or not (h5py.get_config().mpi or rank == 0)


@pytest.mark.mpi
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_rows_in_any_order(comm, shared_path, compression):
    """Every rank puts pieces of its own, in its own order, or nothing."""
    from hpcpca.comm.world import World
    from hpcpca.files.row_file import row_file

    world = World(comm)
    expected = np.arange(1003 * 7, dtype=np.int16).reshape(1003, 7)
    starts = list(range(0, 1003, 50))
    turns = -(-len(starts) // comm.size) + 1
    mine = starts[comm.rank :: comm.size][::-1] + [None] * turns
    mine = [None] * (comm.rank % 2) + mine
    with row_file(
        world,
        str(shared_path / "x.h5"),
        "a",
        expected.shape,
        expected.dtype,
        attributes={"who": "we"},
        compression=compression,
    ) as target:
        for start in mine[: turns + 1]:
            target.put(start or 0, None if start is None else expected[start : start + 50])
    comm.Barrier()
    with h5py.File(shared_path / "x.h5") as file:
        same = np.array_equal(file["a"][...], expected) and file.attrs["who"] == "we"
    world.free()
    agreed_assert(comm, same and not list(shared_path.glob(".*")), "the file is not what was put")


@pytest.mark.mpi
def test_nothing_remains_of_a_failure(comm, shared_path):
    from hpcpca.comm.world import World
    from hpcpca.errors import DataError
    from hpcpca.files.row_file import row_file

    world, error = World(comm), None
    try:
        with row_file(
            world, str(shared_path / "x.h5"), "a", (4, 2), np.float32, attributes={}
        ) as target:
            target.put(0, np.zeros((4, 2), np.float32) if comm.rank == 0 else None)
            with world.agreed():
                if comm.rank == comm.size - 1:
                    raise DataError("a bad row")
    except DataError as caught:
        error = caught
    world.free()
    agreed_assert(
        comm,
        str(error) == "a bad row" and not list(shared_path.iterdir()),
        f"{error}, {list(shared_path.iterdir())}",
    )
