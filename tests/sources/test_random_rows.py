"""Rows drawn from anywhere: the same from where they lie in their files as through HDF5."""

import os

import h5py
import numpy as np
import pytest

from hpcpca.errors import DataError
from hpcpca.sources import lying, random_rows
from hpcpca.sources.random_rows import RowReader
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once

COUNTS, WIDTH = (700, 1, 299), 20  # rows of each file, and columns
N = sum(COUNTS)
CHUNK = 100  # rows
LAYOUTS = "contiguous", "chunks", "chunks in another order", "numpy"


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """These files are small, and so are runs of rows and pieces."""
    monkeypatch.setattr(lying, "LEAST_RUN", 1)
    monkeypatch.setattr(random_rows, "SHORT", 40 * WIDTH)
    monkeypatch.setattr(random_rows, "BATCH_PIECE_BYTES", 150 * WIDTH)


def write(folder, rows, layout):
    """Write the rows to files; return their names."""
    names, first = [], 0
    for number, count in enumerate(COUNTS):
        some = rows[first : first + count]
        names.append(str(folder / f"{number}.{'npy' if layout == 'numpy' else 'h5'}"))
        first += count
        if layout == "numpy":
            np.save(names[-1], some)
            continue
        chunks = None if layout == "contiguous" else (min(CHUNK, count), WIDTH)
        with h5py.File(names[-1], "w") as file:
            made = file.create_dataset("x", some.shape, some.dtype, chunks=chunks)
            step = -CHUNK if "order" in layout else CHUNK
            for start in range(0, count, CHUNK)[:: step // CHUNK]:
                made[start : start + CHUNK] = some[start : start + CHUNK]
    return names


def readers(names):
    """(What draws rows where they lie, what reads them.)"""
    lying_there, read = open_source(names), open_source(names)
    read.copy_rows()
    assert read.unmapped and not lying_there.unmapped
    return RowReader(lying_there, 1 << 20), RowReader(read, 1 << 20)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_as_those_that_are_read(tmp_path, layout, dtype):
    """In the same pieces, so that all that is made of them is the same to the last bit; long runs
    are not copied.
    """
    random = np.random.default_rng(list(layout.encode()))
    rows = random.integers(0, 255, (N, WIDTH)).astype(dtype)
    mapped, read = readers(write(tmp_path, rows, layout))
    views = 0
    for _ in range(20):
        runs = [(int(random.integers(N)), int(random.integers(1, 200))) for _ in range(8)]
        pieces, expected = list(mapped.rows(runs)), list(read.rows(runs))
        assert [len(each) for each in pieces] == [len(each) for each in expected]
        for piece, copy in zip(pieces, expected):
            assert piece.dtype == copy.dtype and np.array_equal(piece, copy)
        views += sum(not each.flags.owndata for each in pieces)
        numbers = np.concatenate([np.arange(first, first + count) % N for first, count in runs])
        drawn = np.concatenate(pieces)
        assert np.array_equal(np.sort(drawn, axis=0), np.sort(rows[numbers], axis=0))
    assert views > 20
    read.close()


def test_short_runs_are_put_together_and_long_ones_left_alone(tmp_path):
    rows = np.arange(N * WIDTH, dtype=np.uint8).reshape(N, WIDTH)
    mapped, _ = readers(write(tmp_path, rows, "contiguous"))
    pieces = list(mapped.rows([(0, 300), (350, 15), (400, 30), (500, 3)]))
    assert [len(each) for each in pieces] == [48, 150, 150]
    assert [each.flags.owndata for each in pieces] == [True, False, False]


@pytest.mark.parametrize("how", ["cut short", "written to", "gone"])
@pytest.mark.parametrize("is_meanwhile", [True, False])
def test_files_that_change(tmp_path, how, is_meanwhile):
    """Noticed before rows are given, and after they were used."""
    names = write(tmp_path, np.zeros((N, WIDTH), np.uint8), "contiguous")
    mapped, _ = readers(names)
    assert sum(map(len, mapped.rows([(0, 120)]))) == 120
    pieces = mapped.rows([(0, 50)])
    if is_meanwhile:
        next(pieces)
    if how == "gone":
        os.remove(names[0])
    elif how == "cut short":
        os.truncate(names[0], os.path.getsize(names[0]) - 1)
    else:
        os.utime(names[0], (1, 1))
    expected = "went away" if how == "gone" else "was written to"
    with pytest.raises(DataError, match=f"0.h5 {expected}"):
        next(pieces)
