"""``plan`` of a regression says what the run then says, and measures."""

import re

import h5py
import numpy as np
import pytest
from closed_form import planted
from launch import batch

pytestmark = pytest.mark.once


def test_a_plan_says_what_the_run_says(tmp_path):
    x, y = planted(np.random.default_rng(2), 600, 30, 20, np.array([6.0, 4.0]), noise=1.0)
    for name, part in (("x", x), ("y", y), ("joint", np.cov(np.hstack([x, y]).T))):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["rows"] = part
    pairs = [tmp_path / "x.h5", "--targets", tmp_path / "y.h5"]
    shapes = ["600x30", "--targets", "600x20", "--dtype", "float64"]
    asked = {
        "plain": [*pairs, "-r", 2],
        "vectors": [*pairs, "-r", 2, "--exchange", "vectors", "--tol", 1e-3],
        "both": [*pairs, "-r", 2, "--whiten", "both"],
        "joint": [tmp_path / "joint.h5", "--covariance", "--inputs", 30, "-r", 2],
        "auto": [*pairs, "-r", "auto", "--held-out", 0.2],
    }
    machine = ("--ranks", 2, "--memory", "1G")
    planned = {name: ("plan", *words, *machine) for name, words in asked.items()}
    planned["shapes"] = ("plan", *shapes, "-r", 2, *machine)
    said = {name: done.ok().stdout for name, done in batch(0, planned).items()}
    runs = {
        name: ("regress", *words, "--threads", 1, "--memory", "1G", "-o", tmp_path / f"{name}.out")
        for name, words in asked.items()
    }
    did = {name: done.ok().stderr for name, done in batch(2, runs).items()}
    for name, text in did.items():
        held = (re.search(r"operator: .* s, (.*)", each)[1] for each in (said[name], text))
        if name != "auto":
            assert len(set(held)) == 1, (said[name], text)
        with h5py.File(tmp_path / f"{name}.out") as file:
            most = int(np.diff(file["history/bytes_exchanged"][:]).max(initial=0))
        assert most <= _bytes(re.search(r"at most (.*) a round", said[name])[1]), name
    for text in ("-r auto: planned for all 20 pairs", "read from files: 2 ×"):
        assert text in said["auto"]
    first = said["shapes"].splitlines()[0]
    assert first == said["plain"].splitlines()[0] and "(30 inputs + 20 targets) float64" in first


def _bytes(text):
    number, unit = text.split()
    return float(number) * 1024 ** ["B", "KiB", "MiB"].index(unit) * 1.01


def test_what_a_plan_refuses_and_writes(tmp_path):
    pair = ("plan", "50x6", "--targets", "50x4")
    refused = {
        ("plan", "50x6"): "one of -k ('hpcpca fit') and -r ('hpcpca regress')",
        ("plan", "50x6", "-k", 2, "-r", 2): "one of -k",
        (*pair, "-k", 2): "--targets does not go with -k",
        (*pair, "-r", 2, "--operator", "dual", "--whiten", "both"): "which only gram holds",
        (*pair, "-r", 5): "at most 4 pairs",
        ("plan", "50x6", "-r", 2): "--targets is missing",
        ("plan", "50x6", "--targets", "40x4", "-r", 2): "both as many rows",
        ("plan", "50x6", "--targets", "y.h5", "-r", 2): "files for both",
        ("plan", "9x8", "--covariance", "--inputs", 3, "-r", 2): "9 × 8",
        ("plan", "8x8", "--covariance", "--inputs", 8, "-r", 2): "at least one is a target",
    }
    job = tmp_path / "job.sh"
    words = ("-r", "auto", "--r2", 0.5, "--ridge", 3, "--sbatch", job)
    done = batch(0, dict(enumerate(refused)) | {"job": (*pair, *words)})
    for number, told in enumerate(refused.values()):
        assert told in done[number].ended(2).messages[0]
    assert "DATA.h5 and TARGETS.h5 stand for your data" in done["job"].ok().stdout
    last = job.read_text().splitlines()[-1]
    assert last.startswith(
        "HPCPCA_COMMAND=regress hpcpca_run regress.h5 DATA.h5 --targets TARGETS.h5"
    )
    assert "-r auto --r2 0.5 --ridge 3 --threads 1" in last, last


def test_choosing_is_refused_where_memory_is_short(tmp_path):
    for name in "xy":
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["rows"] = np.random.default_rng(1).normal(size=(200, 100))
    words = ["regress", tmp_path / "x.h5", "--targets", tmp_path / "y.h5", "-r", "auto", "-o"]
    done = batch(1, {"run": [*words, tmp_path / "out.h5", "--memory", "1M"]})
    assert "-r auto needs" in done["run"].ended(2).messages[0]
