"""Ranks of modules found while training."""

import importlib.util

import numpy as np
import pytest
from reference_network import (
    MODULES,
    batches_of,
    loss_and_slopes,
    loss_in_jax,
    merged,
    weights_of,
)

from hpcpca.adapters.layout import Layout
from hpcpca.errors import UsageError

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
]


def grown(alone, steps, **growth):
    """A trainer after so many steps, with its panel when it was last asked for gains."""
    from hpcpca.adapters.training import Discovery, Growth

    class Watched(Discovery):
        def gains(self):
            self.asked = self.panel.copy()
            return super().gains()

    trainer = Watched(
        loss_in_jax, weights_of(7, np.float32), MODULES, Growth(**growth), comm=alone, rate=0.03
    )
    for batch in batches_of(7, steps, np.float32):
        trainer.step(*batch)
    trainer.close()
    return trainer


def test_reserves_join_as_they_are(alone):
    """By what they take off the loss of the last batches, for their parameters."""
    before = grown(alone, 5, budget=80, warm_up=6, every=3, judged=2)
    assert list(before.ranks) == [1, 1, 1] and not before.grown
    assert before.counters.applications == 5 + 2  # reserves begin ``every`` batches before
    after = grown(alone, 6, budget=80, warm_up=6, every=3, judged=2)
    ((step, name, score),) = after.grown
    assert step == 6 and after.adapter.ranks == {n: 1 + (n == name) for n in MODULES}
    number, reserve = MODULES.index(name), after.asked[-1]
    columns = after.layout.span(number)
    assert reserve.any() and (after.panel[1, columns] == reserve[columns]).all()
    # all reserves begin anew
    assert not any(b[-1].any() for _, b in after.layout.parts(after.panel).values())
    weights = weights_of(7)
    parts = after.layout.parts(after.asked.astype(float))
    pairs, reserves = ({n: [(a[at], b[at])] for n, (a, b) in parts.items()} for at in (0, -1))

    ((a, b),) = reserves[name]

    def slope(names, x, y):
        """How the loss changes with the reserve's share, if these reserves are there."""
        there = {n: pairs[n] + (reserves[n] if n in names else []) for n in MODULES}
        return b @ loss_and_slopes(merged(weights, there), x, y)[1][name] @ a

    batches = batches_of(7, 6, np.float32)[-2:]
    gain = -np.mean([slope(names, *each) for each in batches for names in ((), MODULES)])
    assert score == pytest.approx(gain / after.layout.costs[number], rel=1e-3)


def test_budget_and_limits(alone):
    """Parameters never exceed the budget; nobody exceeds its limit; the reserves end then."""
    trainer = grown(alone, 40, budget=75, rank_max=2, warm_up=2, every=1)
    costs = trainer.layout.costs
    spent = int((trainer.ranks * costs).sum())
    assert trainer.adapter.parameters == spent <= 75
    assert max(trainer.ranks) == 2
    open_ones = (trainer.ranks < 2) & (spent + costs <= 75)
    assert not open_ones.any()
    before = trainer.counters.applications
    assert before < 3 * 40


def test_several_grow_at_a_time():
    """The largest scores first, each if it still fits."""
    from hpcpca.adapters.training import Growth

    layout = Layout({"one": (4, 6), "two": (2, 2), "three": (5, 5)})  # 10, 4 and 10 parameters
    ones = np.ones(3, int)
    for budget, by, scores, grown in (
        (48, 3, (1.0, 2.0, 3.0), [2, 1, 0]),
        (48, 2, (1.0, -2.0, 3.0), [2, 0]),
        (40, 3, (1.0, 2.0, 3.0), [2, 1]),  # then there are 2 left
        (30, 3, (3.0, 1.0, 3.0), [1]),
        (48, 2, (1.0, 1.0, 1.0), [0, 1]),
    ):
        assert Growth(budget, by=by).chosen(layout, ones, np.array(scores)) == grown


def test_importance_is_that_of_the_formula():
    from hpcpca.adapters.training.growth import Importance

    found, average, spread = Importance(2), np.zeros(2), np.zeros(2)
    for signal in np.random.default_rng(0).random((4, 2)):
        found.observe(signal)
        average = 0.85 * average + 0.15 * signal
        spread = 0.85 * spread + 0.15 * abs(signal - average)
    assert found.scores == pytest.approx(average * spread)


def test_others_to_compare_with():
    """LoRA moves all pairs down one gradient; IncreLoRA grows, AdaLoRA prunes, to the budget."""
    from hpcpca.adapters.training import AdaLoRA, Growth, IncreLoRA, LoRA

    weights, batch = weights_of(8, np.float32), batches_of(8, 1, np.float32)[0]
    given = (loss_in_jax, weights, MODULES)
    with pytest.raises(UsageError, match="budget 32: one pair for every module takes 33"):
        AdaLoRA(*given, 4, budget=32, span=(5, 20))
    with pytest.raises(UsageError, match="span 20 to 5 batches"):
        AdaLoRA(*given, 4, budget=75, span=(20, 5))
    lora = LoRA(*given, 2, rate=0.03)
    incre = IncreLoRA(*given, Growth(budget=75, warm_up=3, every=2), rate=0.03)
    ada = AdaLoRA(*given, 4, budget=75, span=(5, 20), rate=0.03)
    exact = {name: each.astype(float) for name, each in weights.items()}
    x, y = batch
    for trainer in (lora, incre, ada):
        for _ in range(40):
            trainer.step(x, y)
        assert trainer.applications == 40
        pairs = {name: list(zip(*each)) for name, each in trainer.adapter.pairs.items()}
        after = loss_and_slopes(merged(exact, pairs), x, y)[0]
        assert after < 0.7 * loss_and_slopes(exact, x, y)[0]
    assert lora.adapter.ranks == dict.fromkeys(MODULES, 2)
    for trainer in (incre, ada):
        assert 75 - 13 < trainer.adapter.parameters <= 75
    assert ada._kept.sum() == sum(ada.adapter.ranks.values())
