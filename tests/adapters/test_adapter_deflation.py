"""Parallel deflation of pairs beside the weights of a network, against plain numpy."""

import importlib.util

import numpy as np
import pytest
from mpi4py import MPI
from reference_network import (
    MODULES,
    SIDES,
    Deflated,
    batches_of,
    loss_and_slopes,
    loss_in_jax,
    merged,
    weights_of,
)

from hpcpca.adapters.layout import Layout
from hpcpca.errors import DataError, UsageError

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
]

RANK = 3
PRECISE = {np.float32: 2e-4, np.float64: 1e-9}


@pytest.fixture(params=PRECISE, ids=lambda kind: kind.__name__)
def dtype(request):
    import jax

    with jax.enable_x64(request.param is np.float64):
        yield request.param


def random_panel(layout, rows, dtype):
    random = np.random.default_rng(5)
    return (0.5 * random.standard_normal((rows, layout.length))).astype(dtype)


def lists_of(layout, panel, ranks=None):
    """{module: [(a, b)]} of a panel."""
    pairs = {name: list(zip(a, b)) for name, (a, b) in layout.parts(panel.astype(float)).items()}
    return pairs if ranks is None else {n: pairs[n][:r] for n, r in zip(pairs, ranks)}


@pytest.mark.parametrize("outer", [(), (5,), (3, 4), (0, 4)], ids=str)
def test_rows_may_have_any_axes(dtype, outer):
    """Products with weights that have pairs, and their gradients, are those of the sum."""
    import jax

    from hpcpca.adapters.training.low_rank_sum import LowRankSum

    random = np.random.default_rng(len(outer))
    shapes = {"rows": (*outer, 7), "whole": (6, 7), "a": (2, 7), "b": (2, 6), "g": (*outer, 6)}
    rows, whole, a, b, g = (random.standard_normal(s).astype(dtype) for s in shapes.values())

    def summed(rows, a, b):
        return (g * (rows @ LowRankSum(whole, a, b).T)).sum()

    value, slopes = jax.value_and_grad(summed, argnums=(0, 1, 2))(rows, a, b)
    dense = whole + b.T @ a
    change = g.reshape(-1, 6).T @ rows.reshape(-1, 7)
    expected = (g * (rows @ dense.T)).sum(), g @ dense, b @ change, a @ change.T
    for found, wanted in zip((value, *slopes), expected):
        assert np.shape(found) == np.shape(wanted) and found.dtype == dtype
        np.testing.assert_allclose(found, wanted, rtol=PRECISE[dtype], atol=PRECISE[dtype])


def test_gradients_are_difference_quotients(dtype):
    """Of every number of every worker's pairs, and of all together."""
    from hpcpca.adapters.training.network import Network

    seed = int(dtype is np.float32)
    weights = weights_of(seed, dtype)
    layout = Layout({name: weights[name].shape for name in MODULES})
    network, panel = Network(loss_in_jax, weights, layout), random_panel(layout, RANK, dtype)
    (batch,) = batches_of(seed, 1, dtype)
    exact = {name: each.astype(float) for name, each in weights.items()}

    def value(panel, rows):
        pairs = {name: [each[j] for j in rows] for name, each in lists_of(layout, panel).items()}
        return loss_and_slopes(merged(exact, pairs), *batch)[0]

    def quotients(row, rows):
        found, small = np.zeros(layout.length), 1e-5
        for at in range(layout.length):
            ahead, behind = (panel.astype(float) for _ in range(2))
            ahead[row, at] += small
            behind[row, at] -= small
            found[at] = (value(ahead, rows) - value(behind, rows)) / (2 * small)
        return found

    near = {"abs": 1e-6 if dtype is np.float32 else 1e-9, "rel": 1e-4}
    for k in range(RANK):
        seen = np.repeat((np.arange(RANK) < k)[:, None], 3, axis=1).astype(dtype)
        slopes = network.slopes_of_worker(k, panel, seen, batch)
        assert slopes.dtype == dtype
        assert np.asarray(slopes) == pytest.approx(quotients(k, range(k + 1)), **near)
    loss, slopes = network.slopes_of_all(panel, np.ones((RANK, 3), dtype), batch)
    assert float(loss) == pytest.approx(value(panel, range(RANK)), rel=1e-5)
    for k in range(RANK):
        assert np.asarray(slopes[k]) == pytest.approx(quotients(k, range(RANK)), **near)


SCHEDULES = {"at once": (0, False), "staggered": (3, False), "advance": (3, True)}


@pytest.mark.parametrize("way", SCHEDULES)
def test_training_is_that_of_plain_numpy(way, dtype, alone):
    from hpcpca.adapters.training import ParallelDeflation, Schedule

    every, advance = SCHEDULES[way]
    weights = weights_of(2, dtype)
    trainer = ParallelDeflation(
        loss_in_jax,
        weights,
        MODULES,
        RANK,
        comm=alone,
        schedule=Schedule(every, advance),
        rate=0.03,
    )
    start = lists_of(trainer.layout, trainer.panel)
    exact = {name: each.astype(float) for name, each in weights.items()}
    reference = Deflated(exact, start, RANK, every, rate=0.03)
    losses = []
    for batch in batches_of(2, 12, dtype):
        trainer.step(*batch)
        reference.step(*batch, advance=advance)
        losses.append(loss_and_slopes(merged(exact, reference.pairs), *batch)[0])
    trainer.close()
    found, true = trainer.adapter, reference.pairs
    assert found.ranks == dict.fromkeys(MODULES, RANK)
    assert found.parameters == RANK * sum(map(sum, zip(SIDES, SIDES[1:])))
    for name in MODULES:
        for side in range(2):
            rows = np.array([pair[side] for pair in true[name]])
            assert abs(rows).max() > 0.05  # it has moved
            assert found.pairs[name][side] == pytest.approx(rows, abs=PRECISE[dtype])
    expected = {"at once": 36, "staggered": 12 + 9 + 6, "advance": 36}
    assert trainer.counters.applications == expected[way]


def test_sequential_pairs_are_those_of_networks_with_the_pairs_before(alone):
    """Pair after pair is the same as training one pair, merging it, and training the next."""
    from hpcpca.adapters.adapter import Adapter
    from hpcpca.adapters.training import ParallelDeflation, Schedule

    weights, batches = weights_of(3, np.float32), batches_of(3, 10, np.float32)
    both = ParallelDeflation(
        loss_in_jax,
        weights,
        MODULES,
        2,
        comm=alone,
        schedule=Schedule(5, sequential=True),
        rate=0.03,
    )
    start = both.panel.copy()
    for batch in batches:
        both.step(*batch)
    both.close()
    for k in range(2):
        one = ParallelDeflation(loss_in_jax, weights, MODULES, 1, comm=alone, rate=0.03)
        one.panel[:] = start[k]
        for batch in batches[5 * k : 5 * k + 5]:
            one.step(*batch)
        one.close()
        for name, (a, b) in one.adapter.pairs.items():
            assert a[0] == pytest.approx(both.adapter.pairs[name][0][k], abs=1e-5)
            assert b[0] == pytest.approx(both.adapter.pairs[name][1][k], abs=1e-5)
        weights = one.adapter.merged(weights)
    assert isinstance(one.adapter, Adapter)


def test_what_cannot_be_is_refused(alone):
    from hpcpca.adapters.training import Discovery, Growth, ParallelDeflation, Schedule

    weights = weights_of(4, np.float32)
    given = {"comm": alone}
    whole = {**weights, "whole": np.ones((2, 2), int)}
    for modules, rank, more, words in (
        (("one", "four"), 1, {}, "module four has no weights; name one"),
        (("ones",), 1, {}, "module ones has no weights; did you mean one"),
        (("one bias",), 1, {}, r"of shape \(6,\) and type float32; a matrix"),
        (("whole",), 1, {}, r"of shape \(2, 2\) and type int64; a matrix of floats"),
        (MODULES, {"one": 1, "three": 2}, {}, "module two: 0 pairs"),
        (MODULES, {**dict.fromkeys(MODULES, 1), "four": 1}, {}, "rank is given for four"),
        (MODULES, 2.5, {}, "module one: 2.5 pairs"),
        (MODULES, "2", {}, "module one: '2' pairs"),
        (MODULES, 1, {"rate": np.nan}, "rate nan"),
        (MODULES, 1, {"rate": -1e-3}, "rate -0.001"),
    ):
        with pytest.raises(UsageError, match=words):
            ParallelDeflation(loss_in_jax, whole, modules, rank, **given, **more)
    with pytest.raises(UsageError, match="comm is MPI.COMM_NULL"):
        ParallelDeflation(loss_in_jax, weights, MODULES, 1, comm=MPI.COMM_NULL)
    for words in ("warm_up", "every", "by", "judged", "rank_max"):
        with pytest.raises(UsageError, match=f"{words} 0; give a whole number"):
            Growth(80, **{words: 0})
    with pytest.raises(UsageError, match="every -1; give"):
        Schedule(-1)
    with pytest.raises(UsageError, match="budget 32: one pair for every module takes 33"):
        Discovery(loss_in_jax, weights, MODULES, Growth(32), **given)


def test_numbers_that_are_not_finite(alone):
    """It is said what is wrong, and nothing changes."""
    from hpcpca.adapters.training import AdaLoRA, LoRA, ParallelDeflation

    x, y = batches_of(4, 1, np.float32)[0]
    weights = weights_of(4, np.float32)
    spoilt = {**weights, "one bias": np.full_like(weights["one bias"], np.nan)}
    for make in (
        lambda held, rate: ParallelDeflation(loss_in_jax, held, MODULES, 1, comm=alone, rate=rate),
        lambda held, rate: LoRA(loss_in_jax, held, MODULES, 1, rate=rate),
        lambda held, rate: AdaLoRA(
            loss_in_jax, held, MODULES, 2, budget=40, span=(1, 2), rate=rate
        ),
    ):
        trainer = make(weights, 1e-3)
        before = trainer.panel.copy()
        with pytest.raises(DataError, match="batch 0: it has numbers that are not finite"):
            trainer.step(np.full_like(x, np.nan), y)
        with pytest.raises(UsageError, match="batch 0 is empty"):
            trainer.step(x[:0], y[:0])
        assert (trainer.panel == before).all() and trainer.steps == 0
        trainer.close()
        trainer = make(spoilt, 1e-3)
        with pytest.raises(DataError, match="batch 0: a gradient .* look at the weights"):
            trainer.step(x, y)
        trainer.close()
        trainer = make(weights, 1e30)
        with pytest.raises(DataError, match="batch [1-3]: a gradient .* take a lower rate"):
            for _ in range(4):
                trainer.step(x, y)
        trainer.close()


@pytest.mark.parametrize("dtype", ("bfloat16", "float16"))
def test_weights_of_half_the_size(alone, dtype):
    """Pairs are float32 beside them, and take the loss down as beside float32."""
    import jax.numpy as jnp

    from hpcpca.adapters.training import LoRA, ParallelDeflation

    def loss(weights, x, y):
        return loss_in_jax(weights, x.astype(weights["one bias"].dtype), y).astype(jnp.float32)

    weights, batch = weights_of(8, np.float32), batches_of(8, 1, np.float32)[0]
    short = {name: jnp.asarray(each, dtype) for name, each in weights.items()}
    ends = []
    for held in (weights, short):
        for trainer in (
            ParallelDeflation(loss, held, MODULES, 2, comm=alone, rate=0.03),
            LoRA(loss, held, MODULES, 2, rate=0.03),
        ):
            for _ in range(40):
                trainer.step(*batch)
            assert trainer.panel.dtype == np.float32
            merged = trainer.adapter.merged(held)
            assert all(merged[name].dtype == held[name].dtype for name in MODULES)
            ends.append(float(loss(merged, *batch)))
            trainer.close()
    assert ends[2:] == pytest.approx(ends[:2], abs=0.05) and max(ends) < 0.7 * loss(short, *batch)


def test_uses_that_pairs_cannot_have(alone):
    """They are refused; another type is not."""
    import jax.numpy as jnp

    from hpcpca.adapters.training import ParallelDeflation

    weights = weights_of(4, np.float32)
    x, y = batches_of(4, 1, np.float32)[0]

    def stepped(changed):
        def loss(weights, x, y):
            return loss_in_jax({**weights, "one": changed(weights["one"])}, x, y)

        with ParallelDeflation(loss, weights, MODULES, 1, comm=alone) as trainer:
            trainer.step(x, y)
        return trainer.panel

    for changed in (lambda w: 2 * w, lambda w: w + w, lambda w: w[:, ::-1], jnp.asarray):
        with pytest.raises(UsageError, match="are used otherwise than as x @ W.T"):
            stepped(changed)
    plain = stepped(lambda w: w)
    assert (stepped(lambda w: w.astype(jnp.float32)) == plain).all()


def test_closed_trainers(alone):
    from hpcpca.adapters.training import ParallelDeflation

    trainer = ParallelDeflation(loss_in_jax, weights_of(4, np.float32), MODULES, 1, comm=alone)
    trainer.close()
    trainer.close()
    with pytest.raises(UsageError, match="this trainer is closed"):
        trainer.step(*batches_of(4, 1, np.float32)[0])
