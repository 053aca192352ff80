"""Adapters in files: as peft has them, from models of regress, longer and shorter ones."""

import copy
import importlib.util
import json
import os

import h5py
import numpy as np
import pytest
from adapters_at_hand import assert_same, some_adapter
from launch import run

from hpcpca.adapters import Adapter, peft
from hpcpca.errors import DataError, UsageError
from hpcpca.files.safetensors import read_tensors, write_tensors

pytestmark = pytest.mark.once


def by_hand(config, tensors, name):
    """ΔW as peft makes it: scale·B·A, with the rank and α of the first pattern that fits."""
    import re

    def fitting(patterns, usual):
        for pattern, value in patterns.items():
            if re.match(rf"(.*\.)?({pattern})$", name):
                return value
        return usual

    a, b = (tensors[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    rank = fitting(config["rank_pattern"], config["r"])
    assert a.shape[0] == b.shape[1] == rank
    return fitting(config["alpha_pattern"], config["lora_alpha"]) / rank * (b @ a)


@pytest.mark.parametrize("biases", (False, True))
def test_what_is_written_is_what_peft_reads(tmp_path, biases):
    adapter = some_adapter(biases=biases)
    peft.save(adapter, tmp_path / "out", base="some/network")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA" and config["base_model_name_or_path"] == "some/network"
    assert config.get("lora_bias", False) is biases and set(config["target_modules"]) == set(
        adapter.pairs
    )
    tensors, metadata = read_tensors(tmp_path / "out" / "adapter_model.safetensors")
    assert metadata == {"format": "pt"} and len(tensors) == (9 if biases else 6)
    for name in adapter.pairs:
        assert by_hand(config, tensors, name) == pytest.approx(adapter.change(name), abs=1e-5)
    assert_same(peft.load(tmp_path / "out"), adapter)
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("root_scale", (False, True))
def test_scales_of_others_are_multiplied_in(tmp_path, root_scale):
    adapter = some_adapter()
    peft.save(adapter, tmp_path / "out")
    path = tmp_path / "out" / "adapter_config.json"
    config = json.loads(path.read_text())
    config |= {"use_rslora": root_scale, "lora_alpha": 16, "alpha_pattern": {"0.out": 4}}
    path.write_text(json.dumps(config))
    found = peft.load(tmp_path / "out")
    for name, alpha in {"encoder.0.query": 16, "query": 16, "encoder.0.out": 4}.items():
        r = adapter.ranks[name]
        scale = alpha / (r**0.5 if root_scale else r)
        assert found.change(name) == pytest.approx(scale * adapter.change(name), rel=1e-5)


WRONG = {  # text of an entry of the configuration: what is said of it
    '"lora_alpha": "x"': 'lora_alpha is "x", not a finite number',
    '"lora_alpha": null': "lora_alpha is null, not a finite number",
    '"lora_alpha": true': "lora_alpha is true, not a finite number",
    '"lora_alpha": NaN': "lora_alpha is NaN, not a finite number",
    f'"lora_alpha": 1{"0" * 400}': "lora_alpha is 1000000",
    '"alpha_pattern": {"first": "a"}': 'alpha_pattern "first" is "a", not a finite number',
    '"alpha_pattern": {"(": 3}': 'a name in alpha_pattern is "(", not a regular expression',
    '"alpha_pattern": ["first"]': 'alpha_pattern is ["first"], not a table',
    '"use_rslora": "yes"': 'use_rslora is "yes", not true or false',
}


def test_entries_that_make_no_scale(tmp_path):
    """The command tells file and entry, in a line."""
    peft.save(some_adapter(), tmp_path / "out")
    for text, said in WRONG.items():
        whole = f'{{"peft_type": "LORA", {text}}}'
        (tmp_path / "out" / "adapter_config.json").write_text(whole)
        done = run(0, "adapter", "out", cwd=tmp_path).ended(3)
        assert len(done.messages) == 1
        assert f"out/adapter_config.json: {said}" in done.messages[0]


def test_prefix_and_extension():
    """The first pairs, and pairs behind pairs, as sums of ΔW; old pairs stay bit for bit."""
    one, other = some_adapter(biases=True), some_adapter(1, (1, 1, 2), biases=True)
    both = one.extended(other)
    for name in one.pairs:
        total = one.change(name) + other.change(name)
        assert both.change(name) == pytest.approx(total, abs=1e-5)
        assert both.biases[name] == pytest.approx(one.biases[name] + other.biases[name])
        for old, new in zip(one.pairs[name], both.pairs[name]):
            assert (new[: len(old)] == old).all()
    weights = {name: np.ones(one.change(name).shape) for name in one.pairs}
    cut = both.prefix(2)
    assert set(cut.ranks.values()) == {2} and cut.parameters == 2 * (9 + 11 + 9)
    a, b = one.pairs["query"]
    changed = cut.merged(weights)["query"]
    assert changed == pytest.approx(1 + b[:2].T @ a[:2], abs=1e-6)
    with pytest.raises(UsageError, match="rank 0: an adapter has at least one pair"):
        one.prefix(0)
    for wrong, said in {
        "none": "module query of the adapter is not among the weights",
        (6, 1): r"query has weights of shape \(6, 1\), and the adapter is for \(6, 5\) \(outputs",
        (5, 6): r"query has weights of shape \(5, 6\), .*\), transposed perhaps",
    }.items():
        other = {"query": np.ones(wrong)} if wrong != "none" else {}
        with pytest.raises(UsageError, match=said):
            cut.merged({name: each for name, each in weights.items() if name != "query"} | other)
    odd = Adapter({"query": (np.ones((1, 4)), np.ones((1, 6)))})
    with pytest.raises(UsageError, match="module query has 4 inputs, and 5 in the adapter"):
        one.extended(odd)


TENSORS = {
    "whole": np.arange(6, dtype=np.float64).reshape(2, 3),
    "half": np.array([1.5, -2.0], np.float16),
    "odd": np.array([[7], [8], [9]], np.int8),
    "none": np.zeros((0, 4), np.float32),
    "one": np.array(3.5, np.float32),
}


def test_tensors_are_those_of_the_package(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write_tensors(ours, TENSORS, {"of": "tests"})
    found, metadata = read_tensors(ours)
    assert metadata == {"of": "tests"} and found.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array)
    package = pytest.importorskip("safetensors.numpy")
    loaded = package.load_file(ours)
    package.save_file(TENSORS, theirs)
    back, _ = read_tensors(theirs)
    for name, array in TENSORS.items():
        for each in (loaded[name], back[name]):
            assert each.dtype == array.dtype and np.array_equal(each, array)


def test_bfloat16_is_read(tmp_path):
    values = np.array([1.0, -2.5, 3e20], np.float32)
    header = {"x": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    text = json.dumps(header).encode()
    halves = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    (tmp_path / "f").write_bytes(len(text).to_bytes(8, "little") + text + halves)
    assert read_tensors(tmp_path / "f")[0]["x"] == pytest.approx(values, rel=2**-7)


def broken(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
BROKEN = {
    "no safetensors file, or damaged: a header of": broken(b"{}", length=10**9),
    "its header is not JSON": broken(b"{nothing"),
    "its header is not a table": broken([1]),
    "x lies outside of the file": broken({"x": ENTRY}, b"1234"),
    r"x has 8 bytes for a shape of \[3\]": broken({"x": ENTRY | {"shape": [3]}}, bytes(8)),
    "x has no dtype, shape and data_offsets": broken({"x": {"shape": [2]}}, bytes(8)),
    "x is of type F8_E4M3, which is not read": broken(
        {"x": ENTRY | {"dtype": "F8_E4M3"}}, bytes(8)
    ),
}


@pytest.mark.parametrize("words", BROKEN)
def test_broken_files_of_tensors(tmp_path, words):
    (tmp_path / "f").write_bytes(BROKEN[words])
    with pytest.raises(DataError, match=words):
        read_tensors(tmp_path / "f")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folder with rows of two modules, and a model of them by regress."""
    folder = tmp_path_factory.mktemp("models")
    random = np.random.default_rng(4)
    with h5py.File(folder / "rows.h5", "w") as file:
        for name, d, q in (("layer/0", 6, 5), ("layer/1", 5, 4)):
            x = random.standard_normal((200, d))
            file[f"{name}/X"], file[f"{name}/Y"] = x, x @ random.standard_normal((d, q)) + 1
    words = ("regress", "--modules", "rows.h5", "--budget", 5, "-o", "model.h5")
    run(0, *words, cwd=folder).ok()
    return folder


def test_command(models):
    """A model of regress becomes an adapter, shorter and longer ones, and back."""
    done = run(0, "adapter", "model.h5", "-o", "out", "--base", "mine", cwd=models).ok()
    assert "out: adapter of 2 module(s), 5 pairs, " in done.stdout
    with h5py.File(models / "model.h5") as file:
        for name in ("layer/0", "layer/1"):
            group = file[f"modules/{name}"]
            whole = peft.load(models / "out")
            change = group["components"][:].T @ group["inputs"][:]
            assert whole.change(name.replace("/", ".")) == pytest.approx(change, abs=1e-5)
            bias = whole.biases[name.replace("/", ".")]
            assert bias == pytest.approx(group["intercept"][:], abs=1e-5)
    run(0, "adapter", "out", "-r", 1, "-o", "one", cwd=models).ok()
    assert peft.load(models / "one").ranks == {"layer.0": 1, "layer.1": 1}
    done = run(0, "adapter", "out", "-r", 9, "-o", "nine", cwd=models).ok()
    assert "-r 9: 2 of 2 module(s) have fewer pairs" in done.stderr
    assert peft.load(models / "nine").ranks == peft.load(models / "out").ranks
    done = run(0, "adapter", "out", "--extend", "one", "-o", "both", cwd=models).ok()
    assert "both: adapter of 2 module(s), 7 pairs" in done.stdout
    both, one = (peft.load(models / name) for name in ("both", "one"))
    assert_same(both.prefix(1), Adapter(one.pairs, both.biases))
    done = run(0, "adapter", "both", cwd=models).ok()
    assert "layer.1" in done.stdout and len(os.listdir(models)) == 6


def test_mistakes(models):
    def fails(code, *words):
        done = run(0, "adapter", *words, cwd=models).ended(code)
        assert done.stderr.count("\n") == 1
        return done.stderr

    (models / "notes").mkdir(exist_ok=True)
    (models / "notes" / "text").write_text("mine", encoding="utf-8")
    assert "is no adapter, --overwrite will not" in fails(
        3, "model.h5", "-o", "notes", "--overwrite"
    )
    assert "notes/adapter_config.json cannot be read" in fails(3, "notes")
    assert "-o '': name a folder" in fails(2, "model.h5", "-o", "")
    done = run(2, "adapter", "model.h5", "-o", "two", cwd=models).ended(2)
    assert done.stderr.count("'hpcpca adapter' is one: leave mpiexec out") == 1
    assert "--base goes with -o" in fails(2, "model.h5", "--base", "mine")
    assert "would overwrite what is read" in fails(2, "model.h5", "-o", "./model.h5")
    assert "of nowhere/out does not exist" in fails(3, "model.h5", "-o", "nowhere/out")
    assert "rows.h5" in fails(3, "rows.h5")
    peft.save(some_adapter(), models / "kept")
    assert "kept exists; name another" in fails(3, "model.h5", "-o", "kept")
    with pytest.raises(DataError, match="^path .*kept exists; .*or give overwrite=True$"):
        peft.save(some_adapter(1), models / "kept")
    assert_same(peft.load(models / "kept"), some_adapter())
    run(0, "adapter", "model.h5", "-o", "kept", "--overwrite", cwd=models).ok()
    assert set(peft.load(models / "kept").pairs) == {"layer.0", "layer.1"}


@pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="peft is not installed")
def test_peft_loads_what_is_exported(tmp_path):
    """Outputs of a network with the adapter are those of its weights with ΔW added."""
    import torch
    from peft import PeftModel

    adapter = some_adapter()
    layers = torch.nn.ModuleDict({"0": torch.nn.ModuleDict()})
    layers["0"]["query"], layers["0"]["out"] = torch.nn.Linear(5, 4), torch.nn.Linear(4, 5)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.query = layers, torch.nn.Linear(5, 6)

        def forward(self, x):
            within = self.encoder["0"]
            return self.query(within["out"](torch.tanh(within["query"](x))))

    net, x = Net(), torch.randn(7, 5)
    wanted = copy.deepcopy(net)
    for name, module in wanted.named_modules():
        if name in adapter.pairs:
            module.weight.data += torch.from_numpy(adapter.change(name))
    peft.save(adapter, tmp_path / "out")
    loaded = PeftModel.from_pretrained(net, str(tmp_path / "out"))
    assert torch.allclose(loaded(x), wanted(x), atol=1e-5)
