"""The training loop of docs/compress.md, on several workers."""

import re
import sys

import pytest
from launch import HERE, launched

pytestmark = pytest.mark.once

PAGE = HERE.parent / "docs" / "compress.md"


def test_training_loop(tmp_path):
    """It comes near what exact means reach, as the page says."""
    loop = re.search(r"```python test\n(.*?)```", PAGE.read_text(), re.S)[1]
    told = re.findall(r"`R² ([0-9.]+), (\d+) times", PAGE.read_text())
    exact = loop.replace("PowerSGD(comm, rank=4)", "AllReduce(comm)")
    exact = exact.replace("import SGD, PowerSGD", "import SGD, AllReduce")
    (tmp_path / "data").symlink_to(HERE.parent / "data")
    for text, (r2, ratio) in zip((loop, exact), told):
        (tmp_path / "train.py").write_text(text)
        run = launched(2, command=[sys.executable, "train.py"], cwd=tmp_path)
        assert run.code == 0, run.stderr
        found = re.fullmatch(r"R² ([0-9.]+), (\d+) times fewer bytes\n", run.stdout)
        assert abs(float(found[1]) - float(r2)) < 0.005 and found[2] == ratio
