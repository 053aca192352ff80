"""The walk of docs/regress.md: left halves of images predict right halves."""

import re
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
from launch import HERE, batch

pytestmark = pytest.mark.once

PAGE = (HERE.parent / "docs" / "regress.md").read_text(encoding="utf-8")
R2 = {1: 0.254905, 2: 0.455957, 4: 0.542267, 8: 0.625492, 16: 0.665519, 32: 0.693507, 64: 0.709742}


def blocks(info):
    return re.findall(rf"^```{info} walk\n(.*?)^```", PAGE, re.M | re.S)


def test_the_walk(tmp_path, monkeypatch):
    """Commands print what is shown, up to figures, and R² is what the page says."""
    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(HERE.parent / "data")
    cut, model = blocks("python")
    exec(compile(cut, "cut", "exec"), {})
    shown = {}
    for line in "".join(blocks("sh")).splitlines():
        if line.startswith("$ "):
            shown[line] = said = []
        else:
            said.append(line)
    words = {line: shlex.split(line.partition("hpcpca ")[2]) for line in shown}
    words["full"] = shlex.split("regress left.h5 --targets right.h5 -r 392 -o full.h5")
    done = batch(1, words, cwd=tmp_path)
    for line, said in shown.items():
        printed = (done[line].ok().stderr + done[line].stdout).splitlines()
        for each in said:
            start = re.split(r"[\d…:(]", each, maxsplit=1)[0].strip()
            assert any(one.strip().startswith(start) for one in printed), (line, each, printed)
    done["full"].ok()
    exec(compile(model, "model", "exec"), {})
    with h5py.File("halves.h5") as file:
        np.testing.assert_allclose([file["r2"][k - 1] for k in R2], list(R2.values()), atol=1e-6)
    with h5py.File("full.h5") as file:
        assert abs(file["r2"][-1] - 0.719060) < 1e-6
