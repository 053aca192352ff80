"""Rows that are used where they lie: the same as those that are copied, and not written to."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from hpcpca.comm.counters import Counters
from hpcpca.errors import DataError
from hpcpca.sources import lying, mapped
from hpcpca.sources.paired import PairedSource
from hpcpca.sources.reading import Reading
from hpcpca.sources.rows import read_ahead, seconds_to_map
from hpcpca.sources.source import open_source

ROWS = np.random.default_rng(0).standard_normal((3_000, 40)).astype(np.float32)


@pytest.fixture(autouse=True)
def _any_run(monkeypatch):
    """These files are small."""
    monkeypatch.setattr(lying, "LEAST_RUN", 1)


def shuffled(path, rows=ROWS, chunk=500):
    """Rows in chunks that were written from the last to the first."""
    with h5py.File(path, "w") as file:
        made = file.create_dataset("x", rows.shape, rows.dtype, chunks=(chunk, rows.shape[1]))
        for first in range(len(rows) // chunk * chunk, -1, -chunk):
            made[first : first + chunk] = rows[first : first + chunk]
    return str(path)


@pytest.mark.once
def test_blocks_are_views_of_the_file(tmp_path):
    source = open_source([shuffled(tmp_path / "x.h5")])
    assert not source.unmapped and len(source.parts[0].runs) > 1
    pieces = list(source.pieces(0, len(source.blocks)))
    blocks = list(read_ahead(source, pieces, Counters()))
    assert np.array_equal(np.concatenate([block.rows for block in blocks]), ROWS)
    assert not any(block.rows.flags.writeable or block.rows.flags.owndata for block in blocks)
    assert [block.first for block in blocks] == [start for _, start, _ in pieces]
    # what does not follow in the file is put together; a buffer is filled
    assert np.array_equal(source.read(0, 400, 1_200).rows, ROWS[400:1_200])
    held = source.buffer(100)
    assert np.shares_memory(source.read(0, 5, 105, held).rows, held)
    assert np.array_equal(held, ROWS[5:105])


@pytest.mark.once
@pytest.mark.parametrize(
    "words, why",
    [
        ({"columns": "0:7"}, "columns are left out"),
        ({"rows": "5:900"}, "rows that are left out"),
        ({"log1p": True}, "values are changed"),
        ({"join": True}, "beside other datasets"),
    ],
)
def test_what_is_not_as_in_the_file_is_copied(tmp_path, words, why):
    path = shuffled(tmp_path / "x.h5", np.abs(ROWS))
    with h5py.File(path, "r+") as file:
        file["y"] = np.zeros(len(ROWS), np.float32)
    data = [f"{path}:x", f"{path}:y"] if "join" in words else [f"{path}:x"]
    source = open_source(data, Reading(**words))
    assert why in source.unmapped
    (block,) = list(read_ahead(source, [(0, 0, 50)], Counters()))
    assert block.rows.flags.writeable


@pytest.mark.once
def test_on_older_systems_every_page_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "POPULATE", 12345)  # no such advice
    touched, really = [], mapped.MappedRows._touched
    monkeypatch.setattr(
        mapped.MappedRows, "_touched", lambda *args: touched.append(really(*args)) or touched[-1]
    )
    source = open_source([shuffled(tmp_path / "x.h5")])
    source.fetch(0, 0, 3_000)
    source.fetch(0, 0, 3_000)
    assert len(touched) == 1 and touched[0] > 0
    source.expect_room(False)  # then pages have to be fetched each time
    source.fetch(0, 0, 3_000)
    source.fetch(0, 0, 3_000)
    source.let_go(0, 0, 3_000)
    assert len(touched) == 1  # of these that had been fetched
    source.fetch(0, 500, 1_000)
    source.fetch(0, 500, 1_000)
    assert len(touched) == 3
    assert np.array_equal(source.read(0, 500, 1_000).rows, ROWS[500:1_000])


def resident(path):
    """Kilobytes of a file's pages that this process has."""
    found, inside = 0, False
    with open("/proc/self/smaps") as file:
        for line in file:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                inside = line.rstrip().endswith(str(path))
            elif inside and words[0] == "Rss:":
                found += int(words[1])
    return found


@pytest.mark.once
def test_pages_are_dropped_behind_where_not_all_fit(tmp_path):
    path = shuffled(tmp_path / "x.h5", np.ones((20_000, 200), np.float32), 2_000)
    source, size = open_source([path]), os.path.getsize(path) >> 10
    pieces = list(source.pieces(0, len(source.blocks), 2 << 20))
    most = 0
    for stays in (False, True):
        source.expect_room(stays)
        for block in read_ahead(source, pieces, Counters()):
            assert block.rows.all()
            most = most if stays else max(most, resident(path))
        assert (resident(path) > 0.9 * size) == stays
    assert 0 < most < size / 2


@pytest.mark.once
@pytest.mark.parametrize("how", ["cut short", "written to", "gone"])
def test_files_that_change_while_they_are_mapped(tmp_path, how):
    """Noticed with the next window, before anything of it is used."""
    path = shuffled(tmp_path / "x.h5")
    source = open_source([path])
    pieces = list(source.pieces(0, len(source.blocks)))
    blocks = read_ahead(source, pieces, Counters())
    next(blocks)
    if how == "gone":
        os.remove(path)
    elif how == "cut short":
        os.truncate(path, os.path.getsize(path) - 1)
    else:
        os.utime(path, (1, 1))
    expected = "went away" if how == "gone" else "was written to"
    with pytest.raises(DataError, match=f"x.h5 {expected}"):
        next(blocks)


@pytest.mark.once
@pytest.mark.parametrize("is_touched_before", [True, False])
def test_a_window_that_is_lost_while_it_is_used(tmp_path, is_touched_before):
    """Cut off, its pages are zeros; the next look at the file says so, even if it has its size
    and time again.
    """
    path = shuffled(tmp_path / "x.h5")
    source, status = open_source([path]), os.stat(path)
    rows = source.read(0, 0, 500).rows
    if is_touched_before:
        assert np.array_equal(rows, ROWS[:500])
    os.truncate(path, 0)
    assert not rows.any()
    with pytest.raises(DataError, match="x.h5 was written to"):
        source.check_mapped(0)
    os.truncate(path, status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(DataError, match="x.h5 cannot be read at byte"):
        source.check_mapped(0)
    with pytest.raises(DataError, match="x.h5 cannot be read at byte"):
        source.check_unchanged()


LOST_ELSEWHERE = """
import mmap, os, sys, tempfile
from hpcpca.sources.source import open_source
open_source([sys.argv[1]]).read(0, 0, 5)
with tempfile.TemporaryFile() as file:
    file.write(bytes(5000))
    file.flush()
    other = mmap.mmap(file.fileno(), 0)
    os.ftruncate(file.fileno(), 0)
    other[4999]
"""


@pytest.mark.once
def test_the_signal_of_another_map_is_left_alone(tmp_path):
    words = [sys.executable, "-c", LOST_ELSEWHERE, shuffled(tmp_path / "x.h5")]
    assert subprocess.run(words, check=False).returncode == -signal.SIGBUS


@pytest.mark.once
def test_a_file_of_another_size_is_not_mapped(tmp_path):
    path = shuffled(tmp_path / "x.h5")
    source = open_source([path])
    os.truncate(path, os.path.getsize(path) + 5)
    with pytest.raises(DataError, match="was written to"):
        source.read(0, 0, 10)


@pytest.mark.once
def test_more_files_than_a_process_may_have_open(tmp_path):
    names = [str(tmp_path / f"{number:03}.npy") for number in range(60)]
    for first, name in enumerate(names):
        np.save(name, ROWS[first : first + 2])
    source, before = open_source(names), os.listdir("/proc/self/fd")
    rows = [source.read(number, 0, 2).rows for number in range(len(names))]
    # what other tests left open may have been closed meanwhile
    assert len(os.listdir("/proc/self/fd")) <= len(before)
    assert np.array_equal(np.concatenate(rows)[::2], ROWS[:60])
    del source
    assert np.array_equal(rows[7], ROWS[7:9])  # as long as they are in use


def maps_of(path):
    with open("/proc/self/maps") as file:
        return sum(str(path) in line for line in file)


@pytest.mark.once
def test_maps_go_with_the_last_of_their_rows(tmp_path):
    path = shuffled(tmp_path / "x.h5")
    source = open_source([path])
    rows = source.read(0, 0, 10).rows
    del source
    assert maps_of(path) == 1 and np.array_equal(rows, ROWS[:10])
    del rows
    assert maps_of(path) == 0


@pytest.mark.once
@pytest.mark.parametrize("cut", [500, 700], ids=["alike", "otherwise"])
def test_pairs_of_rows(tmp_path, cut):
    """Of the targets that are cut like the inputs nothing is copied."""
    x, y = shuffled(tmp_path / "x.h5"), shuffled(tmp_path / "y.h5", ROWS[:, :3] + 1, cut)
    pairs = PairedSource(open_source([x]), open_source([y]))
    blocks = list(read_ahead(pairs, pairs.pieces(0, len(pairs.blocks)), Counters()))
    assert np.array_equal(np.concatenate([block.rows.x for block in blocks]), ROWS)
    assert np.array_equal(np.concatenate([block.rows.y for block in blocks]), ROWS[:, :3] + 1)
    assert not any(block.rows.x.flags.writeable for block in blocks)
    assert (cut == 500) == (not any(block.rows.y.flags.writeable for block in blocks))
    pairs.copy_rows()
    assert pairs.unmapped == "they are copied"
    os.utime(y, (1, 1))
    pairs.check_mapped(0)  # what is copied is as it was read


@pytest.mark.parametrize("blocks, places", [(16, 3), (1, 1), (0, 0)])
def test_how_fast_maps_are_is_not_judged_by_one_place(monkeypatch, blocks, places):
    """One that is held up, by others or the disk; and pieces that are mere ends do not count."""
    clock, delays, seen = [0.0], iter([2.0, 90.0, 4.0]), []

    class Source:
        blocks = SimpleNamespace(shard=lambda shards, shard: (10, 10 + blocks))

        def pieces(self, first, last, most):
            assert 10 <= first and most == 10
            return iter([(0, first, first + 1), (0, first + 1, first + 11)] * (first < last))

        def fetch(self, *place):
            seen.append(place)
            clock[0] += next(delays)

        def read(self, number, start, stop):
            return np.zeros(stop - start, np.uint8)

    monkeypatch.setattr("hpcpca.sources.rows.perf_counter", lambda: clock[0])
    seconds, count = seconds_to_map(Source(), 2, 1, 30)
    assert count == 10 * places == 10 * len(set(seen))
    assert seconds == pytest.approx({3: 12.0, 1: 2.0, 0: 0.0}[places])
