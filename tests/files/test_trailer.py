"""The checksum behind the end of our files: what it covers, what it leaves out, and that HDF5
takes no notice of it.
"""

import h5py
import numpy as np
import pytest

from hpcpca.errors import DataError
from hpcpca.files.opening import open_file
from hpcpca.files.result import is_foreign
from hpcpca.files.seal import check, reseal
from hpcpca.files.trailer import LARGE, MAGIC, append_trailer, check_trailer


@pytest.fixture
def path(tmp_path):
    """A file with a large dataset between two small ones."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["small"], file["large"], file["last"] = (
            np.arange(10),
            np.arange(LARGE // 4.0),
            np.arange(5),
        )
        file["chunked"] = file.create_dataset("c", data=np.arange(2 * LARGE), chunks=True)
    append_trailer(tmp_path / "a.h5")
    return tmp_path / "a.h5"


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_hdf5_reads_it_as_before(path):
    check_trailer(path)
    with open_file(path) as file:
        assert file["large"][-1] == LARGE // 4 - 1 and file["last"][-1] == 4


def test_every_byte_but_large_values_is_covered(path):
    whole = path.read_bytes()
    with h5py.File(path) as file:
        start, count = file["large"].id.get_offset(), file["large"].id.get_storage_size()
    assert count == 2 * LARGE and whole.endswith(MAGIC)
    chance = np.random.default_rng(1)
    for at in [
        0,
        start - 1,
        start + count,
        len(whole) - len(MAGIC) - 1,
        *chance.integers(0, len(whole) - len(MAGIC), 200),
    ]:
        flip(path, at)
        if start <= at < start + count:
            check_trailer(path)
        else:
            with pytest.raises(DataError, match="damaged"):
                open_file(path)
        flip(path, at)


@pytest.mark.parametrize("bytes_cut", [1, 30, 200, 5000])
def test_cut_files(path, bytes_cut):
    path.write_bytes(path.read_bytes()[:-bytes_cut])
    check_trailer(path)  # no trailer is seen: it is up to HDF5
    if bytes_cut == 5000:
        with pytest.raises(DataError, match="truncated|opened"):
            open_file(path)


def test_bytes_put_before_the_trailer(path):
    whole = path.read_bytes()
    end = whole.rindex(b'{"size"')
    path.write_bytes(whole[:end] + b"x" + whole[end:])
    with pytest.raises(DataError, match="damaged"):
        check_trailer(path)


def test_hdf5_cuts_it_off_when_it_changes_the_file(path):
    with h5py.File(path, "r+") as file:
        file.attrs["note"] = "mine"
    assert not path.read_bytes().endswith(MAGIC)
    open_file(path).close()


@pytest.mark.parametrize("content", [b"", b"x", MAGIC, b"12345678" + MAGIC, b"\xff" * 8 + MAGIC])
def test_files_that_are_something_else(tmp_path, content):
    (tmp_path / "b").write_bytes(content)
    try:
        check_trailer(tmp_path / "b")
    except DataError as error:
        assert "damaged" in str(error)


def test_a_file_of_ours_stays_ours(path):
    """Even where not so much as HDF5's signature is left: --overwrite may replace it."""
    flip(path, 0)
    assert not h5py.is_hdf5(path) and not is_foreign(str(path))
    path.write_bytes(path.read_bytes()[:-40])
    assert is_foreign(str(path))


@pytest.mark.parametrize(
    "change, told",
    [
        (
            lambda file: file.create_dataset("mine", data=1),
            (
                "changed after it was written, by whatever program: /mine is none of its datasets;"
                " remove that"
            ),
        ),
        (
            lambda file: file["last"].__setitem__(0, 7),
            "or was changed after it was written: /last does not match its checksum; use a copy",
        ),
        (
            lambda file: file.attrs.update(note="mine"),
            "its attributes or the list of its datasets do not match .*; use a copy",
        ),
        (
            lambda file: file.__delitem__("last"),
            "its attributes or the list of its datasets do not match .*; use a copy",
        ),
    ],
)
def test_changed_by_another_program(path, change, told):
    """Said as what it is, with what to do; without what was added the file is right again."""
    with h5py.File(path, "r+") as file:
        reseal(file)
        check(file, "a.h5")
        change(file)
        with pytest.raises(DataError, match=told):
            check(file, "a.h5")
        if "mine" in file:
            del file["mine"]
            check(file, "a.h5")
