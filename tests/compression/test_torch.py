"""PyTorch's own hook, where the system's Python has it, says what was recorded of it."""

import subprocess

import h5py
import numpy as np
import pytest
import torch_hook
from launch import HERE

pytestmark = pytest.mark.once

PYTHON = "/usr/bin/python3"
WANTED = "import torch, sys; sys.exit(not torch.distributed.is_available())"
CLEAN = {"PATH": "/usr/bin:/bin"}


def test_recorded(tmp_path):
    """The figures of tests/golden are those of the hook that is installed here."""
    try:
        has_torch = not subprocess.run(
            [PYTHON, "-c", WANTED], env=CLEAN, capture_output=True
        ).returncode
    except FileNotFoundError:
        has_torch = False
    if not has_torch:
        pytest.skip("the system's Python has no torch; tests compare with what was recorded of it")
    out = tmp_path / "means.npz"
    subprocess.run([PYTHON, torch_hook.__file__, str(out)], env=CLEAN, check=True)
    with h5py.File(HERE / "golden" / "power_sgd.h5") as golden:
        for name, found in np.load(out).items():
            expected = golden[name][...]
            assert np.linalg.norm(found - expected) < 1e-5 * np.linalg.norm(expected), name
