"""Error feedback between calls: nothing is lost, only late."""

import h5py
import numpy as np
import pytest
from launch import batch, run

pytestmark = pytest.mark.once

SHAPES = {"layer/w": (20, 12), "b": (15, 30), "bias": (4,)}


def gradients(here, call):
    """Two files of a call; return the means."""
    rng, found = np.random.default_rng(call), {}
    common = np.random.default_rng(9)
    for name, shape in SHAPES.items():
        both = common.standard_normal(shape) + 0.3 * rng.standard_normal((2, *shape))
        both = both.astype("f4" if name == "b" else "f8")
        for i in range(2):
            with h5py.File(here / f"c{call}-{i}.h5", "a") as file:
                file[name] = both[i]
        found[name] = both.astype(float).mean(axis=0)
    return found


def test_nothing_is_lost(tmp_path):
    """The sum of the means is that of all factors, and what is owed, on any number of ranks."""
    state, total, sent = tmp_path / "state.h5", {}, {}
    for call, n in enumerate((1, 3, 2, 2)):
        for name, mean in gradients(tmp_path, call).items():
            total[name] = total.get(name, 0) + mean
        out = tmp_path / f"low{call}.h5"
        words = ["compress", tmp_path / f"c{call}-*.h5", "-r", 1, "-o", out, "--tol", 1e-4]
        said = run(n, *words, "--error-feedback", state).ok().stderr
        assert f"owed: {state}" in said
        with h5py.File(out) as file:
            for name in ("layer/w", "b"):
                sent[name] = sent.get(name, 0) + file[f"{name}/P"][:] @ file[f"{name}/Q"][:].T
    with h5py.File(state) as file:
        for name, unit in (("layer/w", 1e-12), ("b", 1e-5)):
            owed = file[f"owed/{name}"][:]
            assert np.abs(total[name] - sent[name] - owed).max() < unit, name
            assert np.linalg.norm(owed) > 1, name
    assert "what is owed of 2 matrices" in run(0, "info", state).ok().stdout

    # mistakes leave it as it is
    before = state.read_bytes()
    data, out = tmp_path / "c3-*.h5", tmp_path / "again.h5"
    start = ["compress", "-r", 1, "-o", out]
    with h5py.File(tmp_path / "others.h5", "w") as file:
        file["b"] = np.ones((15, 31))
    commands = {
        "again": (3, "already", [*start, data, "--error-feedback", state]),
        "others": (
            3,
            "of other matrices: it has 15 × 30 of b, which is 15 × 31",
            [*start, tmp_path / "others.h5", "--error-feedback", state],
        ),
        "result": (
            3,
            "is no file of what is owed",
            [*start, data, "--error-feedback", tmp_path / "low3.h5"],
        ),
        "data": (
            3,
            "is no file of hpcpca",
            [*start, data, "--error-feedback", tmp_path / "others.h5"],
        ),
        "memory": (
            2,
            "takes the means in memory",
            [*start, tmp_path / "c2-*.h5", "--error-feedback", state, "--memory", "22K"],
        ),
        "verify": (3, "what was owed of earlier calls", ["verify", tmp_path / "low3.h5", data]),
    }
    done = batch(1, {name: words for name, (*_, words) in commands.items()})
    for name, (code, text, _) in commands.items():
        done[name].ended(code)
        assert text in done[name].stderr and len(done[name].messages) == 1, done[name].stderr
    assert state.read_bytes() == before and not out.exists()
