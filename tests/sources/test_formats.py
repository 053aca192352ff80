"""Another dense format is one file and one line: here rows of numbers in text."""

import h5py
import numpy as np
import pytest
from launch import batch

from hpcpca.errors import DataError
from hpcpca.sources.block import Block
from hpcpca.sources.formats import FORMATS, open_rows
from hpcpca.sources.hdf5 import Hdf5Rows
from hpcpca.sources.source import open_source

ROWS = np.random.default_rng(0).standard_normal((90, 7)) * np.arange(7, 0, -1)
TEXT = '''
import numpy as np
from hpcpca.sources.opened import OpenRows

class TextRows(OpenRows):
    """Rows of numbers in text."""
    suffixes = (".rows",)

    def __init__(self, path, dataset=None, cache=0):
        self.path, self._rows = path, np.loadtxt(path, ndmin=2)
        self.shape, self.dtype = self._rows.shape, self._rows.dtype

    def read(self, start, stop, out):
        out[:] = self._rows[start:stop]
'''
LINE = TEXT + "from hpcpca.sources.opened import register\nregister('text', TextRows)\n"


@pytest.fixture
def folder(tmp_path):
    np.savetxt(tmp_path / "a.rows", ROWS[:50])
    np.savetxt(tmp_path / "b.rows", ROWS[50:])
    return tmp_path


def test_a_new_format_is_a_file_and_a_line(folder, monkeypatch):
    made = {}
    exec(TEXT, made)
    monkeypatch.setitem(FORMATS, "text", made["TextRows"])
    source = open_source([str(folder)])
    assert (source.n, source.d, source.dtype) == (90, 7, np.float64)
    assert source.parts[1].name == str(folder / "b.rows")
    np.testing.assert_array_equal(source.read(1, 3, 9).rows, ROWS[53:59])
    with h5py.File(folder / "x.h5", "w") as file:
        file["X"] = ROWS
    with open_rows(str(folder / "x.h5")) as opened:
        assert isinstance(opened, Hdf5Rows)


@pytest.mark.once
@pytest.mark.parametrize(
    "operator", ["streaming", "in-memory", "gram", pytest.param("batch", id="mini-batch")]
)
def test_a_run_reads_it(folder, operator):
    how = ("--batch-rows", 8) if operator == "batch" else ("--operator", operator)
    out = folder / "out.h5"
    commands = {
        "fit": ("fit", folder, "-k", 2, "-o", out, "--tol", 0.05, *how),
        "verify": ("verify", out, folder, "--tol", 0.05),
    }
    for done in batch(2, commands, env={"HPCPCA_TEST_INJECT": LINE}).values():
        done.ok()
    with h5py.File(out) as file:
        exact = np.linalg.eigvalsh(np.cov(ROWS, rowvar=False))[::-1][:2]
        np.testing.assert_allclose(file["explained_variance"], exact, rtol=0.05)


def test_a_block_is_a_view_of_the_buffer_it_was_read_into(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"] = ROWS[:20]
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["X"] = ROWS[20:]
    source = open_source([str(tmp_path / "a.h5"), str(tmp_path / "b.h5")])
    buffer = source.buffer(40)
    block = source.read(1, 10, 40, buffer)
    assert isinstance(block, Block) and block.rows.base is buffer and block.rows.flags.c_contiguous
    assert (len(block), block.first, block.stop, block.shape) == (30, 30, 60, (30, 7))
    assert block.nbytes == 30 * 7 * 8
    np.testing.assert_array_equal(buffer[:30], ROWS[30:60])
    np.testing.assert_array_equal(source.read(1, 10, 40).rows, block.rows)
    np.testing.assert_array_equal(source.first_row(), ROWS[0])
    assert [source.place(row) for row in (0, 19, 20, 89)] == [(0, 0), (0, 19), (1, 0), (1, 69)]


def test_the_first_row_is_checked(tmp_path):
    """It is the shift of all others."""
    rows = ROWS.copy()
    rows[0, 3] = np.nan
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["X"] = rows
    with pytest.raises(DataError, match="row 0, column 3 is nan"):
        open_source([str(tmp_path / "a.h5")]).first_row()
