"""The experiment on adapters: what it trains is what it says, and its tables hold it."""

import importlib.util
import itertools

import h5py
import numpy as np
import pytest

from hpcpca.bench.experiments import adapters, adapters_of_sentences
from hpcpca.bench.experiments.record import save

pytestmark = pytest.mark.once
needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)


def made_up(cases, ranks, mpiexec=None, about="gradients"):
    """Of each case figures that say where they come from."""
    if about == "extraction":
        return [
            {"frozen": 40.0, "tuned": 87.0}
            | {
                way: [50.0 + n + case["seed"] for _ in case["ranks"]]
                for n, way in enumerate(adapters.EXTRACTED)
            }
            for case in cases
        ]
    found = []
    for case in cases:
        pairs = case.get("rank", 3)
        work = 1 if case["way"] == "joint LoRA" else -(-pairs // ranks)
        batches = 11
        found.append(
            {
                "accuracy": [80.0 + case["seed"], 90.0][: 1 if case["way"] == "AdaLoRA" else 2],
                "ranks": {"dense 1": 1, "dense 2": 2, "dense 3": 3},
                "parameters": 100,
                "applications": 7,
                "batches": batches,
                "before": 65.5,
                "seconds": (batches - 1) * (0.002 * work + 0.001 * (ranks > 1) + 0.0005),
                "parts": {
                    "apply": (batches - 1) * 0.002 * work,
                    "exchange": (batches - 1) * 0.001 * (ranks > 1),
                },
            }
        )
    return found


def cells(table, *start):
    """The first row of the table that starts with these cells, from the next one on."""
    head = "| " + " | ".join(start) + " | "
    row = next(line for line in table if line.startswith(head))
    return row[len(head) :].strip("| ").split(" | ")


def test_tables(monkeypatch, tmp_path):
    monkeypatch.setattr(adapters, "trained", made_up)
    record = adapters.run(None, 4, quick=False)
    table = record.table
    assert cells(table, "joint LoRA")[:4] == [
        "4",
        "81.50 [80.00, 83.00]",
        *2 * ["90.00 [90.00, 90.00]"],
    ]
    assert cells(table, "AdaLoRA")[1:4] == 3 * ["81.50 [80.00, 83.00]"]
    assert cells(table, "parallel, advance")[0] == "3"  # with fewer seeds
    assert "* AdaLoRA: 1–2–3, 1–2–3, 1–2–3, 1–2–3" in table
    assert cells(table, "regression") == 4 * ["52.50 [51.00, 54.00]"]
    many = ("64", "parallel, at once")
    assert cells(table, "64", "joint LoRA", "1") == ["2.50", "–", "1.00", "0.0"]
    assert cells(table, *many, "1") == ["128.50", "1.00", "0.02", "0.0"]
    assert cells(table, *many, "2") == ["65.50", "1.96", "0.04", "1.5"]
    # 64 pairs on 8 ranks: 8 gradients of 2 ms, half a millisecond else, and one of messages
    assert cells(table, *many, "8, computed") == ["17.50", "7.34", "0.14", "5.7"]
    paths = save(record, tmp_path)
    with h5py.File(paths[0]) as file:
        assert len(file["series"]) == 9 * 3 + 4 * 4
    assert (tmp_path / "adapters.png").read_bytes().startswith(b"\x89PNG")


def test_table_of_sentences(monkeypatch):
    monkeypatch.setattr(adapters_of_sentences, "trained", made_up)
    record = adapters_of_sentences.run(None, 10, quick=False)
    assert "65.50 %" in record.table[0]
    row = cells(record.table, "parallel, staggered")
    assert row[:3] == ["3", "81.00 [80.00, 82.00]", "90.00 [90.00, 90.00]"]
    assert len(record.series) == 6 * 2


@pytest.fixture
def few_images(monkeypatch):
    """Fashion-MNIST with a tenth of the images to learn from, and of those to judge by."""
    from hpcpca.bench.training import adapting, tasks

    cut = tuple(
        tasks.Pictures(each.images[: len(each) // 10], each.labels[: len(each) // 10])
        for each in tasks.fashion_mnist()
    )
    monkeypatch.setattr(adapting, "fashion_mnist", lambda: cut)
    monkeypatch.setattr(adapting, "known", adapting.known.__wrapped__)


@needs_jax
@pytest.mark.full_data
def test_five_classes_are_learnt(few_images, alone):
    """Within the budget; every prefix is of use."""
    from hpcpca.bench.training import adapter_ways

    found = adapter_ways.train(alone, way="parallel, staggered", seed=0, rank=2, epochs=2)
    assert found["parameters"] <= 2 * (784 + 512 + 1024 + 522)
    assert len(found["accuracy"]) >= 2 and min(found["accuracy"]) > 50
    epoch = 3000 // 64
    assert found["batches"] == 2 * epoch
    assert found["applications"] == 3 * epoch


@needs_jax
@pytest.mark.full_data
def test_pairs_behind_pairs(few_images, alone):
    """The first ones stay, bit for bit; the new ones are trained behind them."""
    from hpcpca.bench.training import adapter_ways, adapting

    setting = adapting.setting_of(adapting.NETWORK.start(0), adapting.NEW, 0)
    run = adapter_ways.Run(alone, setting, epochs=1, steps=8, rank=3, rank_max=8)
    trainer, batches = adapter_ways.WAYS["parallel, extended"](run), setting.batches(1, 8)
    for batch in itertools.islice(batches, 4):
        trainer.step(*batch)
    before = trainer.adapter
    for batch in batches:
        trainer.step(*batch)
    after = trainer.adapter
    trainer.close()
    assert trainer.applications == 4 * 2 + 4 and set(after.ranks.values()) == {3}
    for name in setting.modules:
        for old, new in zip(before.pairs[name], after.pairs[name]):
            assert (new[:2] == old).all() and new[2].any()


@needs_jax
@pytest.mark.full_data
def test_ranks_grow_early(few_images, alone):
    """After 15 % of the batches, and after every 7.5 % from then on, until the budget is used."""
    from hpcpca.bench.training import adapter_ways, adapting

    setting = adapting.setting_of(adapting.NETWORK.start(0), adapting.NEW, 0)
    run = adapter_ways.Run(alone, setting, epochs=1, steps=40, rank=3, rank_max=8)
    trainer = adapter_ways.WAYS["parallel, discovered"](run)
    for batch in setting.batches(1, 40):
        trainer.step(*batch)
    trainer.close()
    grown = [step for step, *_ in trainer.grown]
    assert grown == list(range(6, 6 + 3 * len(grown), 3))
    assert not trainer.growth.affordable(trainer.layout, trainer.ranks).any()


@needs_jax
@pytest.mark.full_data
def test_adapters_are_extracted(few_images, alone):
    """They are better than the frozen network; ranks that are found are as many parameters."""
    from hpcpca.bench.training import extracting

    found = extracting.extract(alone, seed=0, ranks=(3,), before=1, epochs=1, rows=1000)
    assert found["tuned"] > found["frozen"] + 20
    assert all(found[way][0] > found["frozen"] + 5 for way in adapters.EXTRACTED)
    costs = np.array([784 + 512, 1024, 522])
    pairs = np.array(list(found["pairs"][0].values()))
    assert pairs @ costs <= 3 * costs.sum() < pairs @ costs + costs.max()
