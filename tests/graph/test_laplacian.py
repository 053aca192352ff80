"""The engine with another problem: loop, exchange, checkpoints, resume and command line."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from launch import run

PLUGGED_IN = f"""import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
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


@pytest.mark.parametrize("exchange", ["ritz", "vectors", "window"])
def test_a_graph(edges, tmp_path, exchange):
    data, values = edges
    out, options = tmp_path / "out.h5", ["--exchange", exchange, "--tol", 1e-7, "--max-rounds"]
    fit = run(2, "laplacian", data, "-k", 3, "-o", out, *options, 2, inject=PLUGGED_IN).ended(4)
    assert "9 × 7" not in fit.stderr and "63 nodes, 110 edges" in fit.stderr
    status = run(0, "status", f"{out}.ckpt", inject=PLUGGED_IN).ok().stdout
    assert "of 3 components converged" in status
    again = ["resume", f"{out}.ckpt", "--max-rounds", 3000]
    run(3, *again, inject=PLUGGED_IN).ok()
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["eigenvalues"], values[:3], rtol=1e-9)
        assert file["vectors"].shape == (3, 63) and "mean" not in file
    assert "3 components of 63 features" in run(0, "info", out, inject=PLUGGED_IN).ok().stdout
    run(0, "plot", out, inject=PLUGGED_IN).ok()
    assert "nothing missed" in run(1, "verify", out, data, inject=PLUGGED_IN).ok().stdout
