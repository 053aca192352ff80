"""Where rows lie in files, as HDF5 and numpy write them: what lies there is what is read."""

import h5py
import numpy as np
import pytest

from hpcpca.sources import lying
from hpcpca.sources.formats import open_rows
from hpcpca.sources.lying import CannotMap, runs_of

ROWS = np.random.default_rng(0).standard_normal((90, 40)).astype(np.float32)


def written(path, rows=ROWS, order=None, **options):
    """A file with a dataset x, whose chunks are written in this order of their first rows."""
    with h5py.File(path, "w", **options.pop("file", {})) as file:
        made = file.create_dataset("x", rows.shape, rows.dtype, **options)
        if order is None:
            made[...] = rows
        for first in order or ():
            made[first : first + made.chunks[0]] = rows[first : first + made.chunks[0]]
    return path


def npy(path, rows):
    np.save(path, rows)
    return path


LYING = {
    "contiguous": (lambda path: written(path), 1),
    "chunks": (lambda path: written(path, chunks=(20, 40)), None),
    "chunks in another order": (
        lambda path: written(path, chunks=(30, 40), order=[60, 0, 30]),
        None,
    ),
    "more than two axes": (lambda path: written(path, ROWS.reshape(90, 8, 5)), 1),
    "chunks of whole images": (
        lambda path: written(path, ROWS.reshape(90, 8, 5), chunks=(30, 8, 5)),
        None,
    ),
    "bytes": (lambda path: written(path, ROWS.astype(np.uint8)), 1),
    "half precision": (lambda path: written(path, ROWS.astype(np.float16)), 1),
    "64-bit integers": (lambda path: written(path, (ROWS * 1e9).astype(np.int64)), 1),
    "a user block": (lambda path: written(path, file={"userblock_size": 1024}), 1),
    "the newest format": (
        lambda path: written(path, chunks=(20, 40), file={"libver": "latest"}),
        None,
    ),
    "numpy": (lambda path: npy(path.with_suffix(".npy"), ROWS), 1),
}


@pytest.fixture(autouse=True)
def _any_run(monkeypatch):
    """These files are small."""
    monkeypatch.setattr(lying, "LEAST_RUN", 1)


@pytest.mark.once
@pytest.mark.parametrize("case", LYING)
def test_what_lies_there_is_what_is_read(tmp_path, case):
    make, count = LYING[case]
    path = str(make(tmp_path / "x.h5"))
    with open_rows(path) as opened, open(path, "rb") as file:
        runs, read = runs_of(opened), np.empty(opened.shape, opened.dtype)
        opened.read(0, len(read), read)
        there = file.read()
    assert count in (None, len(runs))
    assert runs[0, 0] == 0 and runs[-1, 1] == 90 and (runs[1:, 0] == runs[:-1, 1]).all()
    found = [
        np.frombuffer(there, read.dtype, (stop - start) * read.shape[1], offset)
        for start, stop, offset in runs.tolist()
    ]
    assert np.concatenate(found).tobytes() == read.tobytes()


def virtual(path):
    layout = h5py.VirtualLayout(ROWS.shape, ROWS.dtype)
    layout[...] = h5py.VirtualSource(written(path.with_name("v.h5")), "x", ROWS.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)
    return path


def compact(path):
    with h5py.File(path, "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((5, 4))
        h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_FLOAT, space, plist)
    return path


NOT_LYING = {
    "compressed": (lambda path: written(path, chunks=(20, 40), compression="lzf"), "compressed"),
    "checksums": (lambda path: written(path, chunks=(20, 40), fletcher32=True), "compressed"),
    "part of each row": (lambda path: written(path, chunks=(90, 20)), "a part of each row"),
    "the other byte order": (lambda path: written(path, ROWS.astype(">f4")), "type >f4"),
    "truth values": (lambda path: written(path, ROWS > 0), "type |b1"),
    "never written": (lambda path: written(path, chunks=(30, 40), order=[0, 60]), "never written"),
    "virtual": (virtual, "in other files"),
    "external": (
        lambda path: written(path, external=[(str(path) + ".raw", 0, h5py.h5f.UNLIMITED)]),
        "in other files",
    ),
    "in the header": (compact, "too small"),
    "Fortran's order": (
        lambda path: npy(path.with_suffix(".npy"), np.asfortranarray(ROWS)),
        "another axis",
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("case", NOT_LYING)
def test_rows_that_do_not_lie_as_in_memory(tmp_path, case):
    make, why = NOT_LYING[case]
    with open_rows(str(make(tmp_path / "x.h5"))) as opened, pytest.raises(CannotMap) as raised:
        runs_of(opened)
    assert why in str(raised.value)


@pytest.mark.once
def test_no_rows_at_all(tmp_path):
    with open_rows(str(written(tmp_path / "x.h5", ROWS[:0]))) as opened:
        assert runs_of(opened).shape == (0, 3)


@pytest.mark.once
def test_another_axis(tmp_path):
    with open_rows(str(written(tmp_path / "x.h5")), axis=1) as opened:
        with pytest.raises(CannotMap, match="another axis"):
            runs_of(opened)


@pytest.mark.once
def test_scattered_rows_are_not_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr(lying, "LEAST_RUN", 20 * 40 * 4)
    path = written(
        tmp_path / "x.h5", chunks=(10, 40), order=[*range(80, -1, -20), *range(10, 90, 20)]
    )
    with open_rows(str(path)) as opened, pytest.raises(CannotMap, match="scattered in"):
        runs_of(opened)


@pytest.mark.once
@pytest.mark.parametrize("kind", ["nfs4", "lustre", "fuse.sshfs"])
def test_remote_file_systems(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(lying, "file_system", lambda path: kind)
    with open_rows(str(written(tmp_path / "x.h5"))) as opened:
        with pytest.raises(CannotMap, match=f"remote file system .{kind}"):
            runs_of(opened)


@pytest.mark.once
def test_rows_elsewhere_than_said_are_not_mapped(tmp_path, monkeypatch):
    """As if the library gave offsets of something else."""
    with open_rows(str(written(tmp_path / "x.h5"))) as opened:
        (first,) = opened.runs().tolist()
        monkeypatch.setattr(opened, "runs", lambda: np.array([[*first[:2], first[2] - 8]]))
        with pytest.raises(CannotMap, match="do not lie as they are read"):
            runs_of(opened)


@pytest.mark.once
def test_the_file_system_of_a_path():
    assert lying.file_system("/proc/self/stat") == "proc"
    assert lying.file_system("/dev/shm") == "tmpfs"
