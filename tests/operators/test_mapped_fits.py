"""Fits of rows that are used where they lie: memory, reads, and what is said."""

import re

import h5py
import numpy as np
import pytest
from launch import run

WIDTH = 1_000


def rows_of(count):
    """Rows of an exact rank of six, near which nothing has to be found."""
    random = np.random.default_rng(0)
    loads = random.standard_normal((count, 6), dtype=np.float32)
    return loads @ random.standard_normal((6, WIDTH), dtype=np.float32)


@pytest.mark.once
def test_memory_does_not_grow_with_the_data(tmp_path):
    """96 MB of rows by two ranks that may use 24 MB: mapped, in about as much memory as 2 MB take;
    and read once.
    """
    rows, peaks = rows_of(24_000), []
    for count in (500, 24_000):
        data, out = tmp_path / f"x{count}.h5", tmp_path / "out.h5"
        with h5py.File(data, "w") as file:
            file.create_dataset("x", data=rows[:count], chunks=(500, WIDTH))
        words = ("fit", data, "-k", 2, "-o", out, "--overwrite", "--cold", "--operator", "mapped")
        done = run(2, *words, "--memory", "24M").ok()
        assert "operator: mapped (asked for" in done.stderr
        with h5py.File(out) as file:
            assert file["history/reads"][-1] < (2.1 if count == 500 else 1.2)
            assert file["history/passes"][-1] > 1.5
        peaks.append(float(re.search(r"peak memory ([\d.]+) MiB", done.stderr)[1]))
    assert peaks[1] < peaks[0] + 24


@pytest.mark.once
def test_why_rows_are_not_mapped_is_said(tmp_path):
    data = tmp_path / "x.h5"
    with h5py.File(data, "w") as file:
        file.create_dataset("x", data=rows_of(300), compression="lzf")
    words = ("fit", data, "-k", 2, "-o", tmp_path / "out.h5", "--operator", "mapped")
    done = run(2, *words).ended(2)
    why = f"rows cannot be used where they lie: {data}:x is compressed"
    assert done.messages == [f"hpcpca: error: --operator mapped: {why}"]
    done = run(2, *words, "--columns", "0:9").ended(2)
    assert "columns are left out" in done.messages[0]
