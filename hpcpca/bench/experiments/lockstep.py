"""Several methods on the same mini-batches, round by round: each batch is drawn, and multiplied
with all methods' vectors, once.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from mpi4py import MPI

from ...comm.counters import Counters
from ...comm.exchange import Exchange
from ...comm.world import World
from ...operators.gram import GramCovariance
from ...partition import Grid
from ...pca.settings import FitSettings
from .problems import errors
from .trajectory import Trajectory


class Together:
    """Batches for ``parties`` methods, each in a thread of its own, that ask at the same time
    for the same round and step.

    ``draw(number, round, step)`` → centred rows (B, d) float32 of a worker's batch.
    """

    def __init__(self, draw, parties):
        self._draw, self._asked, self._given = draw, {}, {}
        self._barrier = threading.Barrier(parties, self._multiply)

    def apply(self, who, *asked):
        """Return images and squares for the vectors of one method, once all have asked."""
        self._asked[who] = asked
        self._barrier.wait()
        return self._given[who]

    def give_up(self):
        """Let nobody wait any longer."""
        self._barrier.abort()

    def _multiply(self):
        asked = self._asked
        round, step = next(iter(asked.values()))[2:4]
        self._given = {
            who: (
                np.zeros(vectors.shape),
                None if superiors is None else np.zeros((len(vectors), len(superiors))),
            )
            for who, (vectors, _, _, _, superiors) in asked.items()
        }
        for number in sorted({number for _, numbers, *_ in asked.values() for number in numbers}):
            rows = self._draw(number, round, step)
            rows *= 1 / np.sqrt(np.float32(len(rows)))
            places = [
                (who, int(np.flatnonzero(numbers == number)[0]))
                for who, (_, numbers, *_) in asked.items()
                if number in numbers
            ]
            panel = np.stack([asked[who][0][row] for who, row in places]).astype(np.float32)
            images = (rows @ panel.T).T @ rows
            for (who, row), image in zip(places, images):
                self._given[who][0][row] = image
            taken = [
                (who, row) for who, row in places if asked[who][4] is not None
            ]  # a worker's superiors come before it
            if taken and number:
                squares = np.square(
                    rows
                    @ np.concatenate([asked[who][4][:number] for who, _ in taken])
                    .astype(np.float32)
                    .T
                ).sum(axis=0)
                for (who, row), some in zip(taken, squares.reshape(len(taken), number)):
                    self._given[who][1][row, :number] = some


class _Batches:
    """One method's."""

    def __init__(self, together, who, size):
        self._together, self._who, self.size, self.drawn = together, who, size, 0

    def apply(self, vectors, numbers, round, step, superiors=None):
        return self._together.apply(self._who, vectors, numbers, round, step, superiors)

    def count(self, vectors):
        self.drawn += vectors


def follow_together(problem, draw, size, rounds, every, *, ways, seed):
    """Run every one of ``ways`` {name: options of fit} on a ``Problem`` for so many rounds;
    return {name: Trajectory} with every ``every``-th.

    Applications are batches drawn by all workers; there are no seconds.
    """
    together = Together(draw, len(ways))

    def go(who, world):
        try:
            return _alone(
                problem,
                _Batches(together, who, size),
                rounds,
                every,
                ways[who],
                world=world,
                seed=seed,
            )
        except BaseException:
            together.give_up()  # or the others would wait for this one
            raise

    worlds = [
        World(MPI.COMM_SELF) for _ in ways
    ]  # of its own each: threads must not share a communicator
    with ThreadPoolExecutor(len(ways)) as pool:
        running = {who: pool.submit(go, who, world) for who, world in zip(ways, worlds)}
        ended = sorted(
            running.values(),
            key=lambda each: isinstance(each.exception(), threading.BrokenBarrierError),
        )
        for each in ended:
            each.result()
    for world in worlds:
        world.free()
    return {who: each.result() for who, each in running.items()}


def _alone(problem, batches, rounds, every, options, *, world, seed):
    """One method's ``Trajectory``."""
    count = len(problem.vectors)
    config = FitSettings(
        components=count,
        batch_rows=batches.size,
        seed=seed,
        max_rounds=rounds + 1,
        **({"tol": 0.0} | options),
    ).check()
    exchange = Exchange(world, Grid(1, 1), Counters())
    operator = GramCovariance(
        lambda _: (problem.sigma, None, 0, 0.0), True, exchange, exchange.counters
    )
    panel = len(problem.start) if config.is_ritz else count
    parts = operator, exchange, panel, config, 0
    method, kept = config.chosen.build(*parts, batches=batches, rows=0), []
    state = method.initialize(problem.start[:panel])
    for number in range(1, rounds + 1):
        state = method.step(state)
        if number % every == 0:
            kept.append((errors(state.vectors[:count], problem.vectors), batches.drawn, 0.0))
    return Trajectory(*map(np.array, zip(*kept)), state.vectors[:count], problem.vectors)
