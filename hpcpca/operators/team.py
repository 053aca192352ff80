"""A team of threads that shares out tiles; BLAS runs on one thread inside it, so that all share
evenly.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count as counting

from threadpoolctl import ThreadpoolController


class Team:
    """``threads`` threads of this rank.

    BLAS outside of ``share`` uses all of them, inside one each.
    """

    def __init__(self, threads):
        self.threads = threads
        self._controller = ThreadpoolController()
        self._limit = self._controller.limit(limits=threads)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def share(self, count, begin, work, halt=lambda: False):
        """Run ``work(number, local)`` for every number below ``count``; return each thread's
        ``local = begin()``.

        Ends early if ``halt()``, which is asked before each.
        """
        if self._pool is None or count < 2:
            local = begin()
            for number in range(count):
                if halt():
                    break
                work(number, local)
            return [local]
        ticket = counting()  # next() on it is atomic

        def member(_):
            local = begin()
            while (number := next(ticket)) < count and not halt():
                work(number, local)
            return local

        with self._controller.limit(limits=1):
            return list(self._pool.map(member, range(min(self.threads, count))))

    def close(self):
        """Give BLAS its threads back."""
        self._limit.restore_original_limits()
        if self._pool is not None:
            self._pool.shutdown()


@contextmanager
def unchanged_threads():
    """Run the body; BLAS and OpenMP have as many threads behind it as before."""
    with ThreadpoolController().limit(limits=None):
        yield
