"""Reading a rank's shard: into one array, or block by block."""

from concurrent.futures import ThreadPoolExecutor, wait
from itertools import islice
from statistics import median
from time import perf_counter

import numpy as np

from ..files.damage import reporting_damage
from ..partition import NO_ROWS
from .block import joined
from .watch import Passage

LOOK_EVERY = 0.02  # seconds
BATCH_PIECE_BYTES = 16 << 20  # of a mini-batch, read at a time
SHORT = 1 << 20  # bytes of its runs: shorter ones are put together, for products of more rows


def never():
    """No request to stop."""
    return False


def shard_rows(source, shards, shard):
    """Number of rows of a shard."""
    first, last = source.blocks.shard(shards, shard)
    return int(source.blocks.rows[first:last].sum())


def load_shard(source, place, counters, rows, halt=never):
    """Read the rows of a shard into ``rows`` (r, d) of the files' type; return max |value| among
    them, as ``source.check_finite`` gives it. ``place`` is (number of shards, which of them). Ends
    early if ``halt()``.
    """
    first, last = source.blocks.shard(*place)
    largest, done, passage = 0.0, 0, Passage(shard_rows(source, *place))
    for number, start, stop in source.pieces(first, last):
        if halt():
            break
        with counters.time("read"):
            block = source.read(number, start, stop, rows[done:])
        largest, done = np.maximum(largest, source.check_finite(block)), done + len(block)
        passage.done(len(block))
    return largest


def size_of_shard(source, shards, shard):
    """How many stored values the files have for a shard of sparse rows, at most; and its rows."""
    stored = rows = 0
    for number, start, stop in source.blocks.run(*source.blocks.shard(shards, shard)):
        with reporting_damage(source.parts[number].path), source.open(number) as opened:
            stored, rows = stored + opened.stored_in(start, stop), rows + stop - start
    return stored, rows


def stored_blocks(source, place, counters, halt=never):
    """Yield the ``SparseBlock``s of a shard. Ends early if ``halt()``."""
    passage = Passage(shard_rows(source, *place))
    for number, start, stop in source.pieces(*source.blocks.shard(*place)):
        if halt():
            return
        with counters.time("read"):
            block = source.read_stored(number, start, stop)
        yield block
        passage.done(len(block))


def in_steps(blocks, counts):
    """Yield the rows of consecutive ``SparseBlock``s anew in blocks of so many rows as ``counts``
    says, until one of them ends.
    """
    blocks, left = iter(blocks), []
    for count in counts:
        while sum(map(len, left)) < count:
            block = next(blocks, None)
            if block is None:
                return
            left.append(block)
        whole = joined(left)
        yield whole.part(0, count)
        left = [whole.part(count, len(whole))]


def read_ahead(source, places, counters, halt=never):
    """Yield the ``Block`` of every (file, start, stop) of ``places``; the next is read while one
    is worked on.

    Two buffers serve in turn, so a block is valid until the next; rows that are mapped need none.
    Time spent waiting counts as "read". Ends early if ``halt()``, which is asked while waiting too:
    messages that carry such a request may travel only then.
    """
    places = list(places)
    most = max((stop - start for _, start, stop in places), default=0)
    buffers = [source.buffer(most) for _ in places[:2]] if source.unmapped else (None, None)
    passage = Passage(sum(stop - start for _, start, stop in places))

    def read(index):
        source.fetch(*places[index])
        return source.read(*places[index], buffers[index % 2])

    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(read, 0) if places else None
        for index in range(len(places)):
            with counters.time("read"):
                while not wait([waiting], LOOK_EVERY).done:
                    halt()
                block = waiting.result()
            if halt():
                return
            if index + 1 < len(places):
                waiting = reader.submit(read, index + 1)
            source.check_mapped(places[index][0])
            yield block
            source.check_mapped(places[index][0])
            source.let_go(*places[index])
            passage.done(len(block))


def blocks_of_shard(
    source, place, piece_bytes, counters, *, checked=None, done=NO_ROWS, halt=never
):
    """Yield the blocks of a shard, read ahead, without the rows ``done``.

    Given ``checked`` = [largest, count], blocks are checked for NaN, and max |value| and the number
    of rows are put there.
    """
    left = source.pieces_left(done, *place, piece_bytes)
    for block in read_ahead(source, left, counters, halt):
        if checked is not None:
            checked[:] = max(checked[0], source.check_finite(block)), checked[1] + len(block)
        yield block


def pieces_of_shard(source, place, counters, known, largest, *, done=NO_ROWS, halt=never):
    """Yield (intervals of rows, rows) of a shard piece by piece, read ahead.

    The list ``known`` = [rows, runs, max |value|] of ``read_blocks`` comes first and is emptied,
    so that nothing is read twice or held for long. If there are rows ``done``, they are left out,
    and what is known is read again. ``largest[0]`` becomes the max |value| so far.
    """
    rows, runs, largest[0] = known if known and not len(done) else (None, [], 0.0)
    known.clear()
    edges = source.blocks.edges
    taken = [(edges[begin], edges[end]) for begin, end in runs]
    if runs:
        yield taken, rows
    rows = None
    if len(done):
        places = source.pieces_left(done, *place)
    else:
        first, last = source.blocks.shard(*place)
        ends = [first, *(number for run in runs for number in run), last]
        runs = zip(ends[::2], ends[1::2])
        places = [piece for begin, end in runs for piece in source.pieces(begin, end)]
    for block in read_ahead(source, places, counters, halt):
        largest[0] = max(largest[0], source.check_finite(block))
        yield [(block.first, block.stop)], block.rows


def seconds_to_read(source, shards, shard, most):
    """Read up to ``most`` bytes from the middle of a shard; return seconds and bytes."""
    first, last = source.blocks.shard(shards, shard)
    place = next(source.pieces((first + last) // 2, last, most), None)
    if place is None:
        return 0.0, 0
    buffer = source.buffer(place[2] - place[1])
    buffer[...] = 1  # memory used before, as the second piece of a run has
    begun = perf_counter()
    block = source.read(*place, buffer)
    return perf_counter() - begun, block.nbytes


def seconds_to_map(source, shards, shard, most):
    """As ``seconds_to_read``, of rows that are mapped, in three places: at the rate of the second
    quickest, since one may be held up.
    """
    first, last = source.blocks.shard(shards, shard)
    paces, count = [], 0
    for start in sorted({last + (first - last) * part // 8 for part in (3, 2, 1)}):
        two = islice(source.pieces(start, last, most // 3), 2)  # the first may be the end of one
        place = max(two, key=lambda piece: piece[2] - piece[1], default=None)
        if place is not None:
            begun = perf_counter()
            source.fetch(*place)
            seconds, size = perf_counter() - begun, source.read(*place).nbytes
            paces.append(seconds / size)
            count += size
    return count * median(paces) if paces else 0.0, count


def read_blocks(source, numbers, counters, halt=never):
    """Read some blocks of the partition, consecutive ones together. Return their rows (r, d), one
    after the other in memory, their runs [(first, last)], and max |value|.

    Ends early if ``halt()``.
    """
    runs, largest, done = list(source.blocks.runs(numbers)), 0.0, 0
    rows = source.buffer(int(source.blocks.rows[numbers].sum()))
    for first, last in runs:
        if halt():
            break
        (file, start), stop = source.blocks.place(first), int(source.blocks.stop[last - 1])
        with counters.time("read"):
            block = source.read(file, start, stop, rows[done:])
        largest, done = max(largest, source.check_finite(block)), done + len(block)
    return rows, runs, largest
