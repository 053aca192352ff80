"""The script of docs/adapters.md prints what the page says, and its file is one for regress."""

import importlib.util
import re
import sys

import pytest
from launch import HERE, launched, run

from hpcpca.adapters import peft

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed"),
]

PAGE = (HERE.parent / "docs" / "adapters.md").read_text()


def test_script(tmp_path):
    blocks = re.findall(r"```python walk\n(.*?)```", PAGE, re.S)
    told = re.findall(r"^(.*): R² (-?\d\.\d\d)$", PAGE, re.M)
    assert len(blocks) == 2 and len(told) == 11
    (tmp_path / "data").symlink_to(HERE.parent / "data")
    (tmp_path / "train.py").write_text("\n".join(blocks), encoding="utf-8")
    done = launched(2, command=[sys.executable, "-m", "mpi4py", "train.py"], cwd=tmp_path).ok()
    found = re.findall(r"^(.*): R² (-?\d\.\d\d)$", done.stdout, re.M)
    assert [what for what, _ in found] == [what for what, _ in told]
    for (_, mine), (_, there) in zip(found, told):
        assert float(mine) == pytest.approx(float(there), abs=0.02)
    assert peft.load(tmp_path / "flipped").ranks == {"first": 6, "second": 6}
    words = ("--modules", "activations.h5", "--budget", 4, "--tol", 1e-3, "-o", "model.h5")
    run(0, "regress", *words, cwd=tmp_path).ok()
    done = run(0, "adapter", "model.h5", "-o", "taken", cwd=tmp_path).ok()
    assert "taken: adapter of 2 module(s), 4 pairs" in done.stdout
