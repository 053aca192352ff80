"""What ``plan`` says of rounds on mini-batches and of workers that do not wait."""

import math
from dataclasses import replace

import h5py
import numpy as np
import pytest
from launch import HERE, batch
from spectra import data_rows, power_law

from hpcpca.operators.cost import Job, Rates, pass_seconds
from hpcpca.operators.minibatch import cost, expected_rounds, round_seconds
from hpcpca.planning.forecast import Cluster, exchange_bytes, seconds
from hpcpca.planning.plan import choose

pytestmark = pytest.mark.once

FASHION = HERE.parent / "data" / "fashion-mnist"
FAST = Rates(*(1e15,) * 9)  # nothing takes time
GIB = 1 << 30


def job(**changes):
    """A job on mini-batches: 1,000 rows a round for each of 16 vectors."""
    given = {
        "n": 200_000,
        "d": 2_000,
        "dtype": np.dtype("f4"),
        "panel": 16,
        "double": False,
        "ritz": False,
        "ranks": 2,
        "ranks_on_node": 2,
        "threads": 1,
        "shards": None,
        "memory": 64 * GIB,
        "tol": 1e-2,
        "batch_rows": 1_000,
        "drawn": 10**6,
        "rates": FAST,
    }
    return Job(**(given | changes))


def test_rounds_are_foreseen_within_a_factor_of_three(tmp_path):
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["x"] = data_rows(power_law(300, 1), 2000, seed=1)
    cases = {  # data, columns, --tol, --batch-rows, --exchange, how many times as many rounds
        "pictures": (FASHION, 784, 2e-2, 300, "ritz", 1.0),
        "law": (tmp_path / "rows.h5", 300, 3e-2, 100, "ritz", 1.0),
        "vectors": (tmp_path / "rows.h5", 300, 5e-2, 100, "vectors", 2.5),
    }
    commands = {
        name: (
            *("fit", data, "-k", 4, "--batch-rows", size, "--tol", tol, "--exchange", exchange),
            *("-o", tmp_path / f"{name}.h5"),
        )
        for name, (data, _, tol, size, exchange, _) in cases.items()
    }
    for name, done in batch(1, commands).items():
        done.ok()
        _, d, tol, size, _, slowness = cases[name]
        sizes = {"d": d, "tol": tol, "batch_rows": size, "drawn": 1000 * size}
        with h5py.File(tmp_path / f"{name}.h5") as file:
            ratio = expected_rounds(job(**sizes, slowness=slowness)) / file.attrs["rounds"]
        assert 1 / 3 < ratio < 3, (name, ratio)


def test_rounds_end_with_max_rounds_and_where_exact_passes_take_over():
    assert expected_rounds(job()) == math.ceil(4 / 3 * (math.log(2000) + 1.58) / 1e-4 / 1000)
    assert expected_rounds(job(drawn=7_000)) == 7
    assert expected_rounds(job(ritz=True, tol=1e-6, n=20_000)) == 20
    read = {"unmapped": "compressed"}
    assert cost(job(**read)).reads == 2
    exact = {"ritz": True, "tol": 1e-6}
    assert cost(job(**read, **exact)).reads == job(**exact).passes == 6


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "changes, rates, expected",
    [
        # of 8 vectors of each rank, 1,000 rows: copied, since runs of 125 rows are short
        ({}, {"copy": 1e6}, 8 * 1_000 * 8_000 / 1e6),
        ({"batch_rows": 2_000}, {"copy": 1e6}, 0.0),  # runs of 2 MB are not
        ({"batch_rows": 2_000, "unmapped": "so"}, {"copy": 1e6}, 8 * 2_000 * 8_000 / 1e6),
        ({}, {"convert": 1e6}, 8 * 1_000 * 2_000 / 1e6),
        ({"d": 20_000}, {"convert": 1e6}, 8 * 1_000 * 20_000 * 2 / 1e6),  # read twice
        # two ranks at a time, eight chunks each batch
        (
            {"unmapped": "so", "chunk_bytes": 10**6},
            {"read": 1e6},
            2 * 8 * (1_000 * 8_000 + 8 * 10**6) / 1e6,
        ),
        ({"unmapped": "so", "n": 5_000, "chunk_bytes": 10**6}, {"read": 1e6}, 0.0),  # kept
        ({}, {"large8": 1e6}, 20 * 8 * 16 * 2_000 / 0.5e6),
        ({}, {"touch": 1e3}, 6 * 8 * 16 * 2_000 / 1e3),
    ],
)
def test_seconds_of_a_round_by_made_rates(threads, changes, rates, expected):
    """Threads share vectors; files give what they give, and memory too."""
    asked = job(**changes, threads=threads, rates=replace(FAST, **rates))
    own = next(iter(rates)) in ("copy", "convert", "large8")
    found = round_seconds(asked) - round_seconds(job(**changes, threads=threads))
    assert found == pytest.approx(expected / (threads if own else 1), rel=1e-6, abs=1e-3)


def test_what_does_not_depend_on_sizes_is_counted_too():
    some, more = (round_seconds(job(batch_rows=100 * n, batches=n)) for n in (1, 5))
    assert more - some == pytest.approx(8 * 4 * 0.25e-3, rel=1e-3) and some > 8 * 0.25e-3


def test_the_forecast_has_passes_rounds_and_messages():
    asked = job(rates=Rates(), ranks=4)
    plan = choose(asked, "mini-batch", None)
    parts = seconds(asked, plan, Cluster(2, 1e6))
    passes = cost(replace(asked, drawn=asked.batch_rows)).seconds - round_seconds(asked)
    assert plan.rounds == expected_rounds(asked) == 123
    assert parts["read and compute"] == pytest.approx(passes + 123 * round_seconds(asked))
    across = exchange_bytes(asked, plan) / 4 / 1e6
    assert parts["exchange"] == pytest.approx(123 * across, rel=0.01)


def test_windows_are_as_vectors_on_their_grid_but_nobody_waits():
    """Each rank reads its superiors' vectors. With few vectors, converting rows takes the time."""
    exact = {"batch_rows": 0, "drawn": 0, "panel": 8, "ranks": 4, "ranks_on_node": 2, "shards": 1}
    vectors, window = job(**exact), job(**exact, private=1)
    plan = choose(window, "streaming", None)
    assert plan.seconds == choose(vectors, "streaming", None).seconds
    read = exchange_bytes(window, plan)
    assert read == pytest.approx((2 + 4 + 6) * 2_000 * 8, rel=0.01)
    assert exchange_bytes(job(**exact, private=2), plan) == pytest.approx(2 * read, rel=0.01)
    messages = seconds(window, plan, Cluster(2, 1e6))["exchange"]
    assert messages == pytest.approx(window.passes * read / 4 / 1e6)
    slow = replace(FAST, convert=1e6)
    assert pass_seconds(job(**exact, rates=slow)) == pytest.approx(200_000 * 2_000 / 1e6)
    assert pass_seconds(job(**exact | {"shards": 4}, rates=slow)) == pytest.approx(100.0)


def test_few_vectors_take_longer_than_their_flops():
    """As measured for 32 of them; what rows take is the same for fewer, in each group."""
    rates = replace(FAST, skinny4=50e9, large4=100e9)
    exact = {"batch_rows": 0, "drawn": 0, "ranks": 4, "rates": rates}
    elements, flops = 200_000 * 2_000 / 4, 4 * 32
    assert pass_seconds(job(**exact, panel=32)) == pytest.approx(elements * flops / 50e9)
    row = flops / 50e9 - flops / 100e9
    expected = elements * (row + 4 * 2 / 100e9)
    assert pass_seconds(job(**exact, panel=2)) == pytest.approx(expected)
    expected = elements * (4 * row + 4 * 2 / 100e9)
    assert pass_seconds(job(**exact, panel=2, shards=1)) == pytest.approx(expected)


def test_what_plan_says(tmp_path):
    words = ("plan", FASHION, "-k", 8, "--ranks", 2)
    commands = {
        "batches": (*words, "--batch-rows", 100),
        "few": (*words, "--batch-rows", 100, "--max-rounds", 30),
        "oja": (*words, "--batch-rows", 100, "--exchange", "vectors"),
        "window": (*words, "--exchange", "window", "--operator", "streaming"),
        "both": (*words, "--exchange", "window", "--batch-rows", 100),
        "script": (*words, "--batch-rows", 100, "--sbatch", tmp_path / "job.sh"),
    }
    done = batch(0, commands)
    for name, drawn, rounds in (("batches", 1600, 1000), ("few", 1600, 30), ("oja", 800, 1000)):
        told = done[name].ok().stdout
        assert f"a round draws {drawn} rows" in told and f"rounds: about {rounds} (" in told, told
        assert "time: about" in told and "not forecast" not in told, told
    told = done["window"].ok().stdout
    assert "grid 2x1" in told and "supposed: ranks that are equally fast" in told, told
    assert "read from files: 222 × 7.5 MiB" in told, told  # 111 passes of each rank
    assert "--batch-rows 100 goes with" in done["both"].ended(2).messages[0]
    done["script"].ok()
    assert "--batch-rows 100" in (tmp_path / "job.sh").read_text()
