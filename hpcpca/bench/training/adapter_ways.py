"""Ways to train adapters at equal numbers of parameters, and what comes of them."""

import math
from itertools import islice
from time import perf_counter

from ...adapters.training import (
    AdaLoRA,
    Discovery,
    Growth,
    IncreLoRA,
    LoRA,
    ParallelDeflation,
    Schedule,
)
from ...adapters.training.checks import shapes_of
from . import adapting, describing

RANK, EPOCHS, EACH = 3, 10, 6  # pairs of all modules; epochs; epochs of a pair alone
AT_FIRST = 5  # pairs of all modules before some are pruned
PRUNED = (0.1, 0.6)  # between these shares of all batches
# Shares of all batches before the first growth, and from one to the next; growths that the budget
# is for. Pairs that come sooner end worse: what they are trained on is not yet what the first ones
# will leave.
WARM_UP, EVERY, GROWTHS = 0.15, 0.075, 6
RANK_MAX = {"pictures": 8, "sentences": 4}  # most pairs of a module


class Run:
    """A training on ``setting``: ``count`` batches, of which an epoch has ``in_epoch``."""

    def __init__(self, comm, setting, epochs, steps, *, rank, rank_max):
        self.comm, self.setting, self.rank, self.rank_max = comm, setting, rank, rank_max
        self.in_epoch = min(setting.in_epoch, steps or setting.in_epoch)
        self.count, self.steps = epochs * self.in_epoch, steps
        shapes = shapes_of(setting.weights, setting.modules)
        self.budget = rank * sum(q + d for q, d in shapes.values())

    def _given(self, *more):
        return (self.setting.loss, self.setting.weights, self.setting.modules, *more)

    def _growth(self):
        of_all = {"warm_up": WARM_UP, "every": EVERY}
        when = {name: max(1, round(x * self.count)) for name, x in of_all.items()}
        by = max(1, math.ceil((self.rank - 1) * len(self.setting.modules) / GROWTHS))
        return Growth(self.budget, rank_max=self.rank_max, by=by, **when)

    def joint(self):
        """LoRA."""
        return LoRA(*self._given(self.rank), seed=self.setting.seed)

    def sequential(self):
        """Pair after pair, each in as many batches as ``EACH`` to ``EPOCHS`` of all."""
        each = max(1, self.count * EACH // EPOCHS)
        self.count = self.rank * each
        return self._parallel(Schedule(each, sequential=True))

    def grown(self):
        """IncreLoRA."""
        return IncreLoRA(*self._given(self._growth()), seed=self.setting.seed)

    def pruned(self):
        """AdaLoRA."""
        span = [round(x * self.count) for x in PRUNED]
        more = {"budget": self.budget, "span": span}
        return AdaLoRA(*self._given(AT_FIRST), **more, seed=self.setting.seed)

    def at_once(self):
        """Parallel deflation, all workers from the start."""
        return self._parallel(Schedule())

    def staggered(self):
        """Parallel deflation, worker k from epoch k on."""
        return self._parallel(Schedule(self.in_epoch))

    def advance(self):
        """Parallel deflation from the start, but worker k is seen from epoch k on only."""
        return self._parallel(Schedule(self.in_epoch, advance=True))

    def discovered(self):
        """Parallel deflation that finds the ranks."""
        return Discovery(*self._given(self._growth()), comm=self.comm, seed=self.setting.seed)

    def extended(self):
        """All pairs but the last ones in half of the batches; then these, behind the others."""
        return Extended(self, self.count // 2)

    def _parallel(self, schedule):
        how = {"schedule": schedule, "comm": self.comm, "seed": self.setting.seed}
        return ParallelDeflation(*self._given(self.rank), **how)


class Extended:
    """A trained adapter, to which pairs are added after ``before`` batches."""

    def __init__(self, run, before):
        self._run, self._before, self._first = run, before, None
        self.steps = self.applications = 0
        self._trainer = self._made(run.setting.weights, run.rank - 1)

    def _made(self, weights, rank):
        setting = self._run.setting
        how = {"comm": self._run.comm, "seed": setting.seed + (self._first is not None)}
        return ParallelDeflation(setting.loss, weights, setting.modules, rank, **how)

    def step(self, *batch):
        """Train on a batch."""
        if self.steps == self._before:
            self._first = self._trainer.adapter
            self._trainer.close()
            self._trainer = self._made(self._first.merged(self._run.setting.weights), 1)
        before = self._trainer.counters.applications
        self._trainer.step(*batch)
        self.applications += self._trainer.counters.applications - before
        self.steps += 1

    @property
    def adapter(self):
        """The pairs of before, and those behind them."""
        own = self._trainer.adapter
        return self._first.extended(own) if self._first else own

    def close(self):
        """Release what the trainer holds."""
        self._trainer.close()


WAYS = {
    "joint LoRA": Run.joint,
    "sequential": Run.sequential,
    "IncreLoRA": Run.grown,
    "AdaLoRA": Run.pruned,
    "parallel, at once": Run.at_once,
    "parallel, staggered": Run.staggered,
    "parallel, advance": Run.advance,
    "parallel, discovered": Run.discovered,
    "parallel, extended": Run.extended,
}


def pictures(seed, steps=None, before=adapting.BEFORE):
    """Setting A, ``before`` epochs after the network's own start."""
    return adapting.setting_of(adapting.known(seed, before, steps), adapting.NEW, seed)


def sentences(seed, steps=None, **size):
    """Setting B."""
    return describing.setting_of(seed, **size)


SETTINGS = {"pictures": pictures, "sentences": sentences}


def train(comm, *, way, seed, rank=RANK, epochs=EPOCHS, steps=None, of="pictures", **size):
    """Train one way on a setting, and return what came of it. Collective.

    ``steps``: of an epoch at most; ``size`` of the setting. "accuracy" of the first 1, 2, … pairs,
    and "before"; "ranks" {module: pairs}, "parameters", "applications" (gradients of a worker on a
    batch), "batches", "seconds" of all of them but the first, and "parts" of these.
    """
    setting = SETTINGS[of](seed, steps, **size)
    run = Run(comm, setting, epochs, steps, rank=rank, rank_max=RANK_MAX[of])
    trainer = WAYS[way](run)
    batches = islice(setting.batches(math.ceil(run.count / run.in_epoch), steps), run.count)
    trainer.step(*next(batches))  # compiles
    begun, before_it = perf_counter(), parts_of(trainer)
    for batch in batches:
        trainer.step(*batch)
    seconds = perf_counter() - begun
    parts = {name: each - before_it.get(name, 0) for name, each in parts_of(trainer).items()}
    adapter = trainer.adapter
    found = {
        "before": setting.accuracy(setting.weights),
        "accuracy": setting.prefixes(adapter),
        "ranks": adapter.ranks,
        "parameters": adapter.parameters,
        "applications": applications(trainer),
        "batches": trainer.steps,
        "seconds": seconds,
        "parts": parts,
    }
    trainer.close()
    return found


def parts_of(trainer):
    """Seconds by part, if they are taken."""
    return trainer.counters.split() if hasattr(trainer, "counters") else {}


def applications(trainer):
    """How many gradients of a worker on a batch."""
    own = getattr(trainer, "counters", trainer)
    return own.applications
