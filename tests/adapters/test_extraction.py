"""Adapters out of networks that were fine-tuned whole."""

import importlib.util
import itertools
import os

import h5py
import numpy as np
import pytest
from launch import run
from reference_network import MODULES, batches_of, weights_of

from hpcpca.adapters import extraction
from hpcpca.adapters.adapter import Adapter
from hpcpca.adapters.models import open_adapter
from hpcpca.errors import DataError, UsageError

pytestmark = pytest.mark.once
needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)


def cut_up(x, y, count):
    return zip(np.array_split(x, count), np.array_split(y, count))


@pytest.mark.parametrize("seed", (0, 1, 2))
@pytest.mark.parametrize("ridge", (0.0, 30.0))
@pytest.mark.parametrize("has_bias", (True, False))
def test_best_pairs(seed, ridge, has_bias):
    """They are those of the full fit's dense SVD, rows far from zero included; a column that is
    constant, and one that repeats another, do not matter.
    """
    random = np.random.default_rng(seed)
    x = random.standard_normal((300, 8)) + (1000 if has_bias else 1)
    x[:, 3], x[:, 4] = 5.0, x[:, 2]
    y = x @ random.standard_normal((8, 6)) + random.standard_normal((300, 6))
    a, b, bias, squares = extraction.Sums.over(cut_up(x, y, 7)).solved(3, ridge, has_bias)
    mean, to = (x.mean(axis=0), y.mean(axis=0)) if has_bias else (np.zeros(8), np.zeros(6))
    about, of = x - mean, y - to
    cross = about.T @ of
    full = np.linalg.pinv(about.T @ about + ridge * np.eye(8), rcond=1e-9, hermitian=True) @ cross
    values, vectors = np.linalg.eigh(cross.T @ full)
    best = vectors[:, ::-1][:, :3]
    assert squares == pytest.approx(values[::-1][:3], rel=1e-7)
    assert a.T @ b == pytest.approx(full @ best @ best.T, abs=1e-6)
    assert b @ b.T == pytest.approx(np.eye(3), abs=1e-12)
    assert (b[np.arange(3), abs(b).argmax(axis=1)] > 0).all()
    assert np.broadcast_to(bias, 6) == pytest.approx(to - mean @ a.T @ b)


def test_ranks_within_a_budget():
    """By shares of R² for a parameter, one pair each at least: as by trying all."""
    random = np.random.default_rng(2)
    squares = {name: np.sort(random.random(4))[::-1] for name in "abc"}
    totals = {name: each.sum() + 1 for name, each in squares.items()}
    costs = {"a": 5, "b": 5, "c": 5}
    found = extraction.ranks_within(37, squares, totals, costs)
    assert sum(found.values()) == 7 and min(found.values()) >= 1

    def shares(ranks):
        return sum(squares[n][:r].sum() / totals[n] for n, r in zip("abc", ranks))

    every = [r for r in itertools.product(range(1, 5), repeat=3) if sum(r) == 7]
    assert tuple(found.values()) == max(every, key=shares)
    costs["c"] = 11  # what does not fit is passed over
    found = extraction.ranks_within(37, squares, totals, costs)
    spent = sum(costs[n] * r for n, r in found.items())
    assert 37 - 5 < spent <= 37 or set(found.values()) == {4}
    with pytest.raises(UsageError, match="budget 20: one pair for every module takes 21"):
        extraction.ranks_within(20, squares, totals, costs)


def test_plain_truncation():
    changes = {"one": np.random.default_rng(0).standard_normal((5, 7))}
    found = extraction.truncated(changes, {"one": 2})
    u, sizes, v = np.linalg.svd(changes["one"])
    assert found.change("one") == pytest.approx((u[:, :2] * sizes[:2]) @ v[:2], abs=1e-12)


def network(weights, x):
    import jax.numpy as jnp

    a = jnp.tanh(x @ weights["one"].T + weights["one bias"])
    a = jnp.tanh(a @ weights["two"].T)
    return a @ weights["three"].T


@pytest.fixture
def tuned():
    """Frozen weights, and those with a change of rank 2 of every module and of the bias."""
    frozen = weights_of(0, np.float32)
    random, changed = np.random.default_rng(9), {}
    for name, each in frozen.items():
        sides = (2, *each.shape)[: each.ndim + 1]
        parts = [0.4 * random.standard_normal((2, side)) for side in sides[1:]]
        change = parts[0].T @ parts[1] if each.ndim == 2 else parts[0][0]
        changed[name] = (each + change).astype(np.float32)
    return frozen, changed


@pytest.fixture
def recording(tuned):
    from hpcpca.adapters.training.recording import Recording

    return Recording(network, *tuned, MODULES, {"one": "one bias"})


def fitted(recording, ranks, batches):
    def rows(name, adapter):
        return recording.lacking(name, adapter, batches)

    return extraction.layer_after_layer(ranks, rows, biased=("one",))


@needs_jax
def test_a_change_of_low_rank_is_found(tuned, recording):
    """Layer after layer, exactly; and the outputs are those of the tuned network."""
    batches = [(x,) for x, _ in batches_of(3, 8, np.float32, rows=40)]
    assert recording.order(*batches[0]) == MODULES
    adapter = fitted(recording, dict.fromkeys(MODULES, 2), batches)
    for name in MODULES:
        change = tuned[1][name] - tuned[0][name]
        assert adapter.change(name) == pytest.approx(change, abs=1e-4)
    assert adapter.biases["one"] == pytest.approx(
        tuned[1]["one bias"] - tuned[0]["one bias"], abs=1e-4
    )
    (x,) = batches[0]
    found, true = (np.asarray(network(w, x)) for w in (recording.adapted(adapter), tuned[1]))
    assert found == pytest.approx(true, abs=1e-3)
    nothing = Adapter({})
    lacks = [network(tuned[1], x) - network(tuned[0], x) for (x,) in batches]
    expected = sum(float((np.asarray(each, float) ** 2).sum()) for each in lacks)
    assert recording.left(nothing, batches) == pytest.approx(expected, rel=1e-5) and expected > 1
    assert recording.left(adapter, batches) < 1e-4 * expected


@needs_jax
def test_a_layer_sees_the_layers_before_as_they_are_now(tuned, recording):
    """Of rank 1, the second module is fitted on what the first one's adapter gives."""
    batches = [(x,) for x, _ in batches_of(3, 8, np.float32, rows=40)]
    first = fitted(recording, {"one": 1}, batches)
    exact = [{name: each.astype(float) for name, each in weights.items()} for weights in tuned]
    ((x, y),) = recording.lacking("two", first, batches[:1])
    given = batches[0][0]
    changed = exact[0]["one"] + first.change("one")
    bias = exact[0]["one bias"] + first.biases["one"]
    received = np.tanh(given @ changed.T + bias)
    assert x == pytest.approx(received, abs=1e-5)
    wanted = np.tanh(given @ exact[1]["one"].T + exact[1]["one bias"]) @ exact[1]["two"].T
    assert y == pytest.approx(wanted - received @ exact[0]["two"].T, abs=1e-5)


@needs_jax
def test_recorded_rows_are_those_that_regress_takes(tuned, recording, tmp_path):
    """One adapter of rows in memory, and of the file by the command: module by module."""
    batches = [(x,) for x, _ in batches_of(5, 6, np.float32, rows=50)]
    recording.write(tmp_path / "activations.h5", batches)
    with h5py.File(tmp_path / "activations.h5") as file:
        rows = {name: (file[name]["X"][:], file[name]["Y"][:]) for name in MODULES}
    assert rows["one"][0] == pytest.approx(np.concatenate([x for (x,) in batches]))
    for name in MODULES:
        x, y = rows[name]
        change = (tuned[1][name] - tuned[0][name]).astype(float)
        bias = tuned[1]["one bias"] - tuned[0]["one bias"] if name == "one" else 0
        assert y == pytest.approx(x @ change.T + bias, abs=1e-4)
    words = ("--modules", "activations.h5", "--budget", 5, "-o", "model.h5")
    run(0, "regress", *words, cwd=tmp_path).ok()
    model = open_adapter(tmp_path / "model.h5")
    assert sum(model.ranks.values()) == 5
    for name, (x, y) in rows.items():
        r = model.ranks[name]
        a, b, bias, _ = extraction.Sums.over(cut_up(x, y, 3)).solved(r)
        assert model.change(name) == pytest.approx(b.T @ a, abs=1e-4)
        assert model.biases[name] == pytest.approx(bias, abs=1e-4)


def test_rows_that_cannot_be():
    def fitted_on(batches, ranks=1, **more):
        return extraction.layer_after_layer({"one": ranks}, lambda *_: batches, **more)

    x, y = np.ones((4, 3)), np.ones((4, 2))
    x[1], y[2] = 0, 0
    for batches in ([], [(x[:0], y[:0])]):
        with pytest.raises(DataError, match="there are no rows"):
            fitted_on(batches)
    assert fitted_on([(x[:0], y[:0]), (x, y)]).ranks == {"one": 1}
    for bad in (np.nan, np.inf):
        with pytest.raises(DataError, match="rows have numbers that are not finite"):
            fitted_on([(x, np.where(y > 0, bad, y))])
    for ranks in (0, -1, 2.5):
        with pytest.raises(UsageError, match=f"module one: {ranks} pairs"):
            fitted_on([(x, y)], ranks)
    with pytest.raises(UsageError, match="ridge -1"):
        fitted_on([(x, y)], ridge=-1)


@needs_jax
def test_recordings_that_cannot_be(tuned, recording, tmp_path):
    """Names that are not there; no batches; a module that the network does not use."""
    import jax

    from hpcpca.adapters.training.recording import Recording

    for modules, biases in ((("ones",), {}), (("one",), {"one": "ones"})):
        with pytest.raises(UsageError, match="ones is not among the weights; did you mean one"):
            Recording(network, *tuned, modules, biases)
    with pytest.raises(UsageError, match="no batches"):
        recording.write(tmp_path / "none.h5", [])
    unused = [{**each, "more": each["two"]} for each in tuned]
    batches = [(x,) for x, _ in batches_of(3, 1, np.float32)]
    with pytest.raises(UsageError, match="the network does not use module more"):
        Recording(network, *unused, ("one", "more")).write(tmp_path / "more.h5", batches)
    with pytest.raises(UsageError, match=r"shape \(6, 7\) are used otherwise than as x @ W.T"):
        Recording(lambda w, x: x @ (2 * w["one"]).T, *tuned, MODULES).received(
            tuned[0], *batches[0]
        )
    assert not os.listdir(tmp_path)
    compiled = Recording(jax.jit(network), *tuned, MODULES)
    assert compiled.order(*batches[0]) == MODULES


@needs_jax
def test_an_error_leaves_no_file(recording, tmp_path):
    """And a file of somebody else stays."""
    from hpcpca.errors import DataError

    def broken():
        yield from [(x,) for x, _ in batches_of(5, 1, np.float32)]
        raise RuntimeError("no more")

    path = tmp_path / "activations.h5"
    with pytest.raises(RuntimeError, match="no more"):
        recording.write(path, broken())
    assert not list(tmp_path.iterdir())
    with h5py.File(path, "w") as file:
        file["mine"] = 1
    with pytest.raises(DataError, match="exists and is no file of hpcpca"):
        recording.write(path, broken(), overwrite=True)
