"""The engine with another problem: loop, exchange, checkpoints, resume and command line."""

import h5py
import numpy as np
import pytest
from launch import HERE, batch

PLUGGED_IN = f"""import sys
sys.path.insert(0, {str(HERE / "graph")!r})
from hpcpca.cli import COMMANDS, problems
COMMANDS["laplacian"] = "laplacian", "Largest eigenvalues of a graph."
problems.PROBLEMS["laplacian"] = "laplacian", None
"""
SIDES = 9, 7  # of a grid, whose eigenvalues are sums of those of two paths


@pytest.fixture(scope="module")
def edges(tmp_path_factory):
    numbers = np.arange(SIDES[0] * SIDES[1]).reshape(SIDES)
    pairs = [numbers[:-1], numbers[1:]], [numbers[:, :-1], numbers[:, 1:]]
    path = tmp_path_factory.mktemp("graph") / "edges.h5"
    with h5py.File(path, "w") as file:
        file["edges"] = np.concatenate([np.stack(pair, axis=-1).reshape(-1, 2) for pair in pairs])
    paths = [2 - 2 * np.cos(np.pi * np.arange(side) / side) for side in SIDES]
    return path, np.sort(np.add.outer(*paths).ravel())[::-1]


def plugged_in(n, *words):
    """Run a command of a program that has the problem, on ranks that stand by."""
    return batch(n, {"it": words}, env={"HPCPCA_TEST_INJECT": PLUGGED_IN})["it"]


@pytest.mark.parametrize(
    "exchange",
    [*(pytest.param(each, marks=pytest.mark.once) for each in ("ritz", "vectors")), "window"],
)
def test_a_graph(edges, tmp_path, exchange):
    data, values = edges
    out, options = tmp_path / "out.h5", ["--exchange", exchange, "--tol", 1e-7, "--max-rounds"]
    words = ("laplacian", data, "--nodes", 63, "-k", 3, "-o", out, *options, 2)
    fit = plugged_in(3, *words).ended(4)
    assert "9 × 7" not in fit.stderr and "63 nodes, 110 edges" in fit.stderr
    status = plugged_in(1, "status", f"{out}.ckpt").ok().stdout
    assert "of 3 components converged" in status
    plugged_in(1, "resume", f"{out}.ckpt", "--max-rounds", 3000).ok()
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["eigenvalues"], values[:3], rtol=1e-9)
        assert file["vectors"].shape == (3, 63) and "mean" not in file
    assert "3 components of 63 features" in plugged_in(1, "info", out).ok().stdout
    plugged_in(1, "plot", out).ok()
    assert "nothing missed" in plugged_in(1, "verify", out, data).ok().stdout


def test_what_belongs_to_other_problems(edges, tmp_path):
    """Options, commands and versions that do not fit are refused in one line."""
    data, out = edges[0], tmp_path / "out.h5"
    words = ("laplacian", data, "--nodes", 63, "-k", 2, "-o", out, "-q")
    fresh = ("--batch-rows=8", "--memory=1G", "--grid=1x1", "--precision=single", "--cold")
    again = ("--operator=gram", "--memory=1G", "--grid=1x1")
    commands = {
        **{option: (*words, option) for option in fresh},
        "fit": words,
        **{("resume", option): ("resume", out, option) for option in again},
        "short": (*words, "--overwrite", "--max-rounds", 1),
    }
    done = batch(1, commands, env={"HPCPCA_TEST_INJECT": PLUGGED_IN})
    done["fit"].ok()
    done["short"].ended(4)
    for option in fresh:
        (told,) = done[option].ended(2).messages
        assert f"No such option '{option.split('=')[0]}'" in told
    for option in again:
        (told,) = done["resume", option].ended(2).messages
        assert f"{option.split('=')[0]} does not belong to 'hpcpca laplacian'" in told

    commands = {
        "scores": ("transform", out, data, "-o", tmp_path / "scores.h5"),
        **{name: (name, out) for name in ("info", "resume", "status")},
        "verify": ("verify", out, data),
        "checkpoint": ("status", f"{out}.ckpt"),
    }
    done = batch(1, commands)
    assert "scores are of results of 'hpcpca fit'" in done["scores"].ended(3).messages[0]
    for name in ("info", "verify", "resume"):
        (told,) = done[name].ended(3).messages
        assert f"{out} was written by 'hpcpca laplacian'" in told and "upgrade" in told
    for name in ("status", "checkpoint"):
        told = done[name].ok().stdout
        assert "was written by 'hpcpca laplacian'" in told and "hpcpca resume" not in told, told


def test_largest_eigenvalues_have_to_be_positive():
    from types import SimpleNamespace

    from hpcpca.engine.breakdown import finite
    from hpcpca.errors import HpcpcaError

    values = np.array([-0.5, -2.0])
    state = SimpleNamespace(round=1, eigenvalues=values, residuals=np.full(2, np.nan))
    with pytest.raises(HpcpcaError, match="largest eigenvalue found in round 1 is -0.5"):
        finite(SimpleNamespace(state=state, eigenvalues=values))


def test_a_resumed_run_waits_before_it_writes_a_checkpoint():
    from types import SimpleNamespace

    from hpcpca.engine.checkpointing import Checkpointing

    written = []
    checkpointing = Checkpointing((600.0, None), written.append, print, since=5000.0)
    for seconds in (5001.0, 5599.0, 5601.0, 5700.0):
        checkpointing(SimpleNamespace(seconds=seconds, state=SimpleNamespace(round=1)))
    assert [report.seconds for report in written] == [5601.0]
