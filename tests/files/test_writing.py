"""Files that a run writes as a whole, and keeps the one before."""

import errno
import os

import h5py
import numpy as np
import pytest

from hpcpca.errors import DataError
from hpcpca.files import hdf5


def write(path, number):
    from mpi4py import MPI

    from hpcpca.comm.world import World

    world = World(MPI.COMM_SELF)
    hdf5.write(world, str(path), {"number": number}, {"x": np.arange(5.0)}, keep_previous=True)
    world.free()


def number_in(path):
    with h5py.File(path) as file:
        return int(file.attrs["number"])


def test_a_damaged_file_does_not_take_the_place_of_the_good_one_before_it(tmp_path):
    path = tmp_path / "a.ckpt"
    for number in (1, 2):
        write(path, number)
    data = bytearray(path.read_bytes())
    data[200] ^= 0xFF
    path.write_bytes(data)
    write(path, 3)
    assert (number_in(path), number_in(f"{path}.1")) == (3, 1)
    write(path, 4)
    assert (number_in(path), number_in(f"{path}.1")) == (4, 3)


def test_a_file_that_is_kept_stands_beside_a_symlink(tmp_path):
    """The link is kept as PATH.1, and leads to the old file still; the new one takes its place."""
    (tmp_path / "scratch").mkdir()
    path, real = tmp_path / "a.ckpt", tmp_path / "scratch" / "real.ckpt"
    write(real, 1)
    path.symlink_to("scratch/real.ckpt")
    write(path, 2)
    assert (number_in(path), number_in(f"{path}.1"), number_in(real)) == (2, 1, 1)
    assert not path.is_symlink() and os.path.islink(f"{path}.1")


def test_a_failed_renaming_leaves_the_old_file(tmp_path, monkeypatch):
    path, replace = tmp_path / "a.ckpt", os.replace
    write(path, 1)

    def fails(source, target):
        if target == str(path):
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(DataError, match="cannot be written: Input/output error"):
        write(path, 2)
    assert [each.name for each in tmp_path.iterdir()] == ["a.ckpt.1"]
    assert number_in(f"{path}.1") == 1


def test_looking_for_room_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match="No space left"):
        hdf5.require_room(str(tmp_path / "out.h5"), 1000)
    assert not list(tmp_path.iterdir())
