"""The memory that a product of a panel is planned to take, beside what it takes."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hpcpca.kernels import compiled
from hpcpca.kernels.tiles import Tiles
from hpcpca.operators.cost import Job, scratch
from hpcpca.operators.products import PanelSum
from hpcpca.operators.team import Team

pytestmark = pytest.mark.once

OBJECTS = 16 << 10  # bytes that Python takes for arrays and threads themselves
SHAPES = {  # rows, columns, vectors, type of the rows
    "tall": (6_000, 500, 32, np.float32),
    "bytes": (6_000, 784, 40, np.uint8),
    "double": (3_000, 2_000, 16, np.float64),
    "wide": (300, 50_000, 24, np.float32),
    "narrow": (6_000, 20, 8, np.float32),
}


def most_allocated(rows, work, panel, threads):
    """Bytes that a product and its sums take at most, in threads that are new."""
    team = Team(threads)
    shift = np.zeros(rows.shape[1], np.int16 if rows.dtype.kind == "u" else work)

    def product():
        total = PanelSum(team, panel, with_sums=True)
        total.add(Tiles(rows, shift, 1.0, work, compiled))
        return total.images()

    with ThreadPoolExecutor(1) as other:
        tracemalloc.start()
        try:
            other.submit(product).result()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            team.close()


@pytest.mark.parametrize("name", SHAPES)
def test_scratch_is_what_is_allocated(name):
    """Hardly more, and never less; of several threads, some may have had nothing to do."""
    n, d, m, dtype = SHAPES[name]
    rows, panel = np.zeros((n, d), dtype), np.ones((m, d))
    sizes = {"n": n, "d": d, "dtype": np.dtype(dtype), "panel": m, "double": False, "ritz": True}
    for threads in (1, 2):
        machine = {"ranks": 1, "ranks_on_node": 1, "threads": threads, "shards": 1}
        job = Job(**sizes, **machine, memory=1 << 30)
        most_allocated(rows[:300], job.work, panel, 1)  # loads kernels
        planned, held = scratch(job, 1), most_allocated(rows, job.work, panel, threads)
        assert held <= planned + OBJECTS, (threads, held, planned)
        assert threads > 1 or planned <= 1.4 * held, (held, planned)
