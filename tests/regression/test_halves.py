"""The walk of docs/regress.md: left halves of images predict right halves."""

import re
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
from launch import HERE, run

pytestmark = pytest.mark.once

PAGE = (HERE.parent / "docs" / "regress.md").read_text(encoding="utf-8")
R2 = {1: 0.254905, 2: 0.455957, 4: 0.542267, 8: 0.625492, 16: 0.665519, 32: 0.693507, 64: 0.709742}


def blocks():
    """(kind, text) of every block of the walk, in order."""
    return re.findall(r"^```(python|sh) walk\n(.*?)^```", PAGE, re.M | re.S)


def commands(text):
    """{command: lines that it is shown to print}"""
    shown = {}
    for line in text.splitlines():
        if line.startswith("$ "):
            shown[line] = said = []
        else:
            said.append(line)
    return shown


def test_the_walk(tmp_path, monkeypatch):
    """Commands print what is shown, up to figures, and R² is what the page says."""
    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(HERE.parent / "data")
    for kind, text in blocks():
        if kind == "python":
            exec(compile(text, "page", "exec"), {})
            continue
        for line, said in commands(text).items():
            before, _, words = line.partition("hpcpca ")
            ranks = int(re.search(r"-n (\d+)", before)[1]) if "-n" in before else 1
            done = run(ranks, *shlex.split(words)).ok()
            printed = [each.strip() for each in (done.stderr + done.stdout).splitlines()]
            for each in said:
                start = re.split(r"[\d…:(]", each, maxsplit=1)[0].strip()
                assert any(one.startswith(start) for one in printed), (line, each, printed)
    run(1, "regress", "left.h5", "--targets", "right.h5", "-r", 392, "-o", "full.h5").ok()
    with h5py.File("halves.h5") as file:
        np.testing.assert_allclose([file["r2"][k - 1] for k in R2], list(R2.values()), atol=1e-6)
    with h5py.File("full.h5") as file:
        assert abs(file["r2"][-1] - 0.719060) < 1e-6
