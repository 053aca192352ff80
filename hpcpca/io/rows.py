"""From files to arrays: one rank's shard, or the pieces of it one after the other."""

import numpy as np


def load_shard(source, shards, shard, counters):
    """Read the blocks of a shard into one array; return rows (r, d) of the files' type and max |value| among them."""
    first, last = source.blocks.shard(shards, shard)
    rows = np.empty((int(source.blocks.rows[first:last].sum()), source.d), source.dtype)
    largest, done = 0.0, 0
    for number, start, stop in source.pieces(first, last):
        piece = rows[done:done + stop - start]
        with counters.time("read"):
            source.read_into(number, start, stop, piece)
        largest = max(largest, source.check_finite(number, start, piece))
        done += len(piece)
    return rows, largest


def pieces_of_shard(source, shards, shard, counters, known, largest):
    """Yield the rows of a shard piece by piece in one reused buffer, but blocks in ``known`` (number → rows) as they are.

    ``known`` blocks are taken out of the dictionary as they pass, so that nothing is read twice. ``largest[0]`` becomes the max |value| met.
    """
    first, last = source.blocks.shard(shards, shard)
    buffer = None
    for begin, end in _runs(first, last, sorted(known)):
        if begin in known:
            rows = known.pop(begin)
            largest[0] = max(largest[0], source.check_finite(*source.blocks.place(begin), rows))
            yield rows
            continue
        for number, start, stop in source.pieces(begin, end):
            if buffer is None or len(buffer) < stop - start:
                buffer = np.empty((stop - start, source.d), source.dtype)
            piece = buffer[:stop - start]
            with counters.time("read"):
                source.read_into(number, start, stop, piece)
            largest[0] = max(largest[0], source.check_finite(number, start, piece))
            yield piece


def _runs(first, last, known):
    """Runs of block numbers first..last−1, each known one a run of its own."""
    start = first
    for number in known:
        if start < number:
            yield start, number
        yield number, number + 1
        start = number + 1
    if start < last:
        yield start, last


def read_blocks(source, numbers, counters):
    """Read single blocks: {number: rows (r, d)}, and max |value| among them."""
    found, largest = {}, 0.0
    for number in numbers:
        block = source.blocks
        file, start, stop = int(block.file[number]), int(block.start[number]), int(block.stop[number])
        rows = np.empty((stop - start, source.d), source.dtype)
        with counters.time("read"):
            source.read_into(file, start, stop, rows)
        largest = max(largest, source.check_finite(file, start, rows))
        found[int(number)] = rows
    return found, largest
