"""What is written for peft, and what is not."""

import os
import subprocess
import sys

import numpy as np
import pytest
from adapters_at_hand import assert_same, some_adapter

from hpcpca.adapters import Adapter, peft
from hpcpca.errors import UsageError

pytestmark = pytest.mark.once


def test_names_with_slashes(tmp_path):
    """Files have points; both mean one module, in longer adapters and in weights too."""
    whole = some_adapter(biases=True)
    slashed = Adapter(
        {name.replace(".", "/"): each for name, each in whole.pairs.items()},
        {name.replace(".", "/"): each for name, each in whole.biases.items()},
    )
    peft.save(slashed, tmp_path / "out")
    found = peft.load(tmp_path / "out")
    assert_same(found, whole)
    weights = {name: np.zeros_like(whole.change(name.replace("/", "."))) for name in slashed.pairs}
    merged = found.merged(weights)
    assert merged.keys() == weights.keys()
    assert merged["encoder/0/query"] == pytest.approx(whole.change("encoder.0.query"), abs=1e-6)
    both = slashed.extended(found)
    assert list(both.pairs) == list(slashed.pairs) and sum(both.ranks.values()) == 16
    assert both.biases["encoder/0/out"] == pytest.approx(2 * whole.biases["encoder.0.out"])
    two = {"a/b": whole.pairs["query"], "a.b": whole.pairs["query"]}
    with pytest.raises(UsageError, match="two modules would both be a.b"):
        peft.save(Adapter(two), tmp_path / "other")


def test_modules_without_pairs(tmp_path):
    """One gets a pair of zeros, since peft knows no rank 0; an adapter has pairs."""
    whole = some_adapter(ranks=(3, 0, 3), biases=True)
    peft.save(whole, tmp_path / "out")
    found = peft.load(tmp_path / "out")
    assert found.ranks == {"encoder.0.query": 3, "query": 1, "encoder.0.out": 3}
    assert not found.change("query").any()
    assert found.biases["query"] == pytest.approx(whole.biases["query"])
    for none in (Adapter({}), some_adapter(ranks=(0, 0, 0))):
        with pytest.raises(UsageError, match="the adapter has no pairs"):
            peft.save(none, tmp_path / "other")
    assert os.listdir(tmp_path) == ["out"]


def test_what_is_no_adapter_is_not_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="path '': name a folder"):
        peft.save(some_adapter(), "", overwrite=True)
    a, b = np.ones((2, 5)), np.ones((2, 3))
    for pairs in ((a[:1], b), (a, b[0])):
        with pytest.raises(UsageError, match="module one has inputs of shape"):
            Adapter({"one": pairs})
    for each, dtype, words in (
        (np.where(a > 0, np.nan, a), np.float32, "not finite in float32"),
        (a * 1e60, np.float32, "not finite in float32"),
        (a, np.int32, "dtype int32 is not written"),
    ):
        with pytest.raises(UsageError, match=words):
            peft.save(Adapter({"one": (each, b)}), "out", dtype=dtype)
    assert os.listdir(tmp_path) == ["mine"]


def test_many_write_one_adapter(tmp_path):
    """What is there is whole all the while, whoever else writes it."""
    code = (
        "import sys; from hpcpca.adapters import peft; from hpcpca.errors import DataError\n"
        "whole = peft.load('first')\n"
        "for _ in range(40):\n"
        "    try: peft.save(whole, 'out', overwrite=True)\n"
        "    except DataError: pass\n"
    )
    peft.save(some_adapter(), tmp_path / "first")
    writers = [subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) for _ in range(3)]
    assert [writer.wait(timeout=600) for writer in writers] == [0, 0, 0]
    assert_same(peft.load(tmp_path / "out"), some_adapter())
    assert sorted(os.listdir(tmp_path)) == ["first", "out"]
