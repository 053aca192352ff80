"""Networks of the experiments on training: their gradients, and what a training leaves."""

import gzip
import importlib.util
import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from launch import PATIENCE, batch, run

from hpcpca.bench.compression import has_torch
from hpcpca.bench.experiments import compression
from hpcpca.bench.training import launch
from hpcpca.errors import PlatformError

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
]

SIZE = 5  # examples
KINDS = ("perceptron", "convolutional", "attention")


def _examples(kind):
    """(Network, inputs, targets), small ones."""
    from hpcpca.bench.training import networks  # here and below: importing JAX takes a while

    random = np.random.default_rng(3)
    if kind == "attention":
        text = random.integers(0, 9, (SIZE, 7)).astype(np.int32)
        return networks.attention(9, 6, 8, blocks=2, heads=2), text[:, :-1], text[:, 1:]
    side = 8
    images = random.integers(0, 256, (SIZE, side * side), dtype=np.uint8)
    labels = random.integers(0, 4, SIZE).astype(np.int32)
    if kind == "perceptron":
        return networks.perceptron((side * side, 6, 5, 4)), images, labels
    return networks.convolutional(side, (2, 3), 6, 4), images, labels


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    """They are the slopes of the mean loss, and DᵀA/N of the statistics."""
    from hpcpca.bench.training import networks, tasks

    assert set(tasks.TASKS) == set(KINDS)
    network, inputs, targets = _examples(kind)
    made, start = networks.Differentiated(network), network.start(1)
    found = made.gradients(start, inputs, targets)
    random = np.random.default_rng(5)
    way = {name: random.standard_normal(array.shape) for name, array in start.items()}
    slope = sum(float((np.asarray(found[name]) * way[name]).sum()) for name in way)

    def loss(step):
        moved = {name: start[name] + np.float32(step * way[name]) for name in start}
        return float(made.judged(moved, inputs, targets)[0]) / targets.size

    step = 3e-4
    assert slope == pytest.approx((loss(step) - loss(-step)) / (2 * step), rel=0.01)

    statistics = made.statistics(start, inputs, targets)
    assert statistics.keys() == found.keys() == start.keys()
    for name, each in statistics.items():
        if name in network.dense:
            d, a = map(np.asarray, each)
            each = d.T @ a / len(d)
        np.testing.assert_allclose(each, found[name], atol=1e-6, err_msg=name)


def test_a_perceptron_in_numpy():
    from hpcpca.bench.training import networks

    network, images, labels = _examples("perceptron")
    start = network.start(2)
    a, kept = images / np.float32(255), []
    for number in (1, 2, 3):
        kept.append(a)
        z = a @ start[f"dense {number}"].T + start[f"dense {number} bias"]
        a = np.maximum(z, 0)
    shares = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    loss = -np.log(shares[np.arange(SIZE), labels])
    found = networks.Differentiated(network)
    judged = found.judged(start, images, labels)
    assert float(judged[0]) == pytest.approx(loss.sum(), rel=1e-5)
    assert int(judged[1]) == (z.argmax(axis=1) == labels).sum()
    d = (shares - np.eye(4)[labels]) / SIZE
    gradients = found.gradients(start, images, labels)
    for number in (3, 2, 1):
        a = kept[number - 1]
        np.testing.assert_allclose(gradients[f"dense {number}"], d.T @ a, atol=1e-6)
        np.testing.assert_allclose(gradients[f"dense {number} bias"], d.sum(axis=0), atol=1e-6)
        d = (d @ start[f"dense {number}"]) * (a > 0)


def test_attention_does_not_see_what_is_to_come():
    from hpcpca.bench.training import networks

    network, text, _ = _examples("attention")
    start, later = network.start(1), text.copy()
    later[:, 4:] = 0
    outputs = [
        np.asarray(network.outputs(networks.Layers(start, {}), each)).reshape(SIZE, 6, -1)
        for each in (text, later)
    ]
    np.testing.assert_array_equal(outputs[0][:, :4], outputs[1][:, :4])
    assert np.abs(outputs[0][:, 4:] - outputs[1][:, 4:]).max() > 1e-3


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float32"])
def test_arrays_of_jax_are_averaged(alone, kind):
    """What is handed out and what is still owed are what was handed in, to rounding."""
    import jax.numpy as jnp

    from hpcpca.compression import PowerSGD

    random = np.random.default_rng(7)
    given = {"w": jnp.asarray(random.standard_normal((40, 30)), kind)}
    given["b"] = jnp.asarray(random.standard_normal(3), kind)
    compressor = PowerSGD(alone)
    means = compressor.aggregate(given)
    assert means["w"].dtype == means["b"].dtype == np.asarray(given["w"]).dtype
    owed = compressor.state()["owed/w"]
    w, back = (np.asarray(each["w"]).astype(np.float32) for each in (given, means))
    np.testing.assert_allclose(back + owed, w, atol=1e-6)
    np.testing.assert_array_equal(means["b"], np.asarray(given["b"]))
    compressor.close()


def test_the_rate_rises_and_falls_to_zero():
    from hpcpca.bench.training import training

    rates = [training.rate_of(step, 100, 0.4) for step in range(100)]
    assert rates[0] == pytest.approx(0.4 / 5) and max(rates) == 0.4 == rates[4]
    assert rates[-1] == pytest.approx(0.4 / 95) and np.all(np.diff(rates[5:]) < 0)


def test_text_is_cut_into_examples():
    from hpcpca.bench.training import tasks

    text = tasks.Text(np.arange(200))
    inputs, targets = text.take(np.array([1]))
    assert len(text) == 3 and inputs[0].tolist() == [*range(64, 128)]
    assert targets[0].tolist() == [*range(65, 129)]


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    from hpcpca.bench.training import tasks

    monkeypatch.setenv("HPCPCA_FASHION_MNIST", str(tmp_path))
    with pytest.raises(PlatformError, match="dataset-fashion-mnist"):
        tasks.fashion_mnist.__wrapped__()
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PlatformError, match=r"hpcpca\[train\]"):
        launch.trained([], 1)


def test_links():
    """A message less, and a byte less, than Allreduce's."""
    one = {"parts": {"gradients": 1.0, "products": 0.5, "messages": 9.0}, "messages": 3}
    one |= {"sent": 100.0, "gathered": 40.0}
    seconds, traffic = compression._cost(one, one, 4)
    assert seconds == 1.5 + 3 * 50e-6 and traffic == 1.5 * 60 + 3 * 40
    assert compression._speed(1.0, 1e9) == "8" and compression._speed(-1.0, 1e9) == "any"
    assert compression._speed(1.0, -1.0) == "–"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Folder of Fashion-MNIST with a tenth of the images to learn from."""
    from hpcpca.bench.training.tasks import DEBIAN

    folder = tmp_path_factory.mktemp("images")
    whole = Path(os.environ.get("HPCPCA_FASHION_MNIST") or DEBIAN)
    for name, head, count in (("images-idx3", 16, 6000 * 784), ("labels-idx1", 8, 6000)):
        with gzip.open(whole / f"train-{name}-ubyte.gz") as file:
            cut = gzip.compress(file.read(head + count), 1)
        (folder / f"train-{name}-ubyte.gz").write_bytes(cut)
        shutil.copy(whole / f"t10k-{name}-ubyte.gz", folder)
    return folder


WITHOUT_RANKS = """
import hpcpca.bench.experiments.compression as c
def trained(cases, ranks):
    from mpi4py import MPI
    from hpcpca.bench.training.training import train
    return [train(MPI.COMM_WORLD, **case) for case in cases]
c.trained = trained
"""


@pytest.fixture(scope="module")
def quick(tmp_path_factory, images):
    """Folder with what the experiments leave, small ones: compression trains in one process,
    effective-rank on ranks that it starts.
    """
    folder, env = tmp_path_factory.mktemp("training"), {"HPCPCA_FASHION_MNIST": images}
    env |= dict(word.split("=", 1) for word in launch.SETTINGS)
    how = ("--quick", "--seeds", 1, "--folder", folder)
    words = ("bench", "experiments", "effective-rank", *how)
    run(0, *words, timeout=4 * PATIENCE, env=env).ok()
    env["HPCPCA_TEST_INJECT"] = WITHOUT_RANKS
    words = ("bench", "experiments", "compression", *how)
    batch(0, {"compression": words}, env=env)["compression"].ok()
    return folder


@pytest.mark.full_data
def test_bytes_of_schemes(quick):
    """By the shapes: PowerSGD sends (n + m)·r of the two matrices that gain by it."""
    sizes = (256 * 784, 256 * 256, 10 * 256, 256, 256, 10)
    sent = {
        "SGD": sum(sizes),
        "PowerSGD, rank 2": 2 * (256 + 784) + 2 * (256 + 256) + 2 * (10 + 256) + 522,
    }
    with h5py.File(quick / "compression.h5") as file:
        found = {
            json.loads(group.attrs["labels"])["scheme"]: group for group in file["series"].values()
        }
        for scheme, count in sent.items():
            assert found[scheme]["bytes"][0, 0] == 6 * 4 * count
        assert all(10 < group["accuracy"][0, 0] < 90 for group in found.values())
        assert found["rank-dAD, rank 10"]["accuracy"][0, 0] == pytest.approx(
            found["SGD"]["accuracy"][0, 0], abs=2
        )
    table = (quick / "compression.md").read_text()
    assert table.count("| PowerSGD, rank 2 |") == 3 and "| dense 1 | 256 × 784 | 0.08 |" in table
    assert (quick / "compression.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.full_data
def test_effective_ranks(quick):
    with h5py.File(quick / "effective-rank.h5") as file:
        (group,) = file["series"].values()
        assert json.loads(group.attrs["of"]) == ["dense 1", "dense 2", "dense 3"]
        ranks = group["effective rank"][0]
    assert ranks.shape == (2, 3) and (ranks[:, :2] > 5).all() and (ranks[:, 2] <= 10).all()
    assert (quick / "effective-rank.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.full_data
def test_torch_learns_the_same(images, monkeypatch):
    """Without compression, step by step: the same accuracy, and as many bytes; with it as many."""
    from hpcpca.bench.training import against_torch, tasks

    if not has_torch():
        pytest.skip("the system's Python has no torch")
    monkeypatch.setenv("HPCPCA_FASHION_MNIST", str(images))
    monkeypatch.setattr(tasks, "task_of", tasks.task_of.__wrapped__)
    monkeypatch.setattr(tasks, "fashion_mnist", tasks.fashion_mnist.__wrapped__)
    ways, found = against_torch.WAYS, {}
    for workers, scheme in ((2, "SGD"), (1, "PowerSGD, rank 2")):
        monkeypatch.setattr(against_torch, "WAYS", {scheme: ways[scheme]})
        rows = [line.split(" | ") for line in against_torch.compare(workers, 1, steps=3)[4:]]
        assert [row[1] for row in rows] == 2 * [scheme]
        found[scheme] = rows
    assert found.keys() == ways.keys()
    ended = [float(row[2].split()[0]) for row in found["SGD"]]
    assert ended[0] == pytest.approx(ended[1], abs=0.05) and 10 < ended[0]
    assert found["SGD"][0][3] == found["SGD"][1][3]
    ours, theirs = (float(row[3]) for row in found["PowerSGD, rank 2"])
    assert ours == pytest.approx(theirs)
