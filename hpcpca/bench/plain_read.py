"""Reading a file set once as plainly as h5py can, from the disk: mpiexec -n R python -m
hpcpca.bench.plain_read DATA… → seconds.
"""

import sys
import time

import h5py
import numpy as np
from mpi4py import MPI

from ..sources.hdf5 import forget
from ..sources.source import open_source

PIECE_BYTES = 32 << 20


def main(*data):
    """Every rank reads its share of the rows of every file piece by piece into one buffer, and
    forgets them; the root prints the time.
    """
    comm, source = MPI.COMM_WORLD, open_source(data)
    step = max(1, PIECE_BYTES // (source.d * source.dtype.itemsize))
    buffer = np.empty((step, source.d), source.dtype)
    comm.Barrier()
    begun = time.perf_counter()
    done = 0
    first, last = comm.rank * source.n // comm.size, (comm.rank + 1) * source.n // comm.size
    for part in source.parts:
        start, end = max(first - done, 0), min(last - done, part.rows)
        if start < end:
            with h5py.File(part.path, "r", locking=False) as file:
                item = file[part.dataset]
                for row in range(start, end, step):
                    stop = min(end, row + step)
                    item.read_direct(buffer, np.s_[row:stop], np.s_[: stop - row])
                    forget(file, item, row, stop)
        done += part.rows
    comm.Barrier()
    if comm.rank == 0:
        print(time.perf_counter() - begun)


if __name__ == "__main__":
    main(*sys.argv[1:])
