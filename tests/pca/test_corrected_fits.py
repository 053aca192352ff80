"""Fits whose directions come from correction equations on a sample: the eigenpairs of the rows, in
fewer passes, on all operators; stopped and gone on with.
"""

import os
import signal

import h5py
import numpy as np
import pytest
import spectra
from launch import run
from slow_reading import PACED, cut, paced, read

pytestmark = pytest.mark.once
K, N, D = 5, 6000, 60
# auto would not think such small data worth it
WORTH = """
import hpcpca.planning.plan as p, hpcpca.planning.corrected as c
c.FEWEST_SAMPLED = 200
p.is_worth = lambda *plans: True
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows in two shards, sorted by their largest component: samples must not be of one end."""
    here = tmp_path_factory.mktemp("corrected")
    rows = spectra.data_rows(spectra.power_law(D, 0.5), N, mean=3.0)
    rows = rows[np.argsort(rows @ spectra.leading(*[spectra.dense_covariance(rows)[0], 1])[1][0])]
    spectra.write_shards(here / "double", s1=rows[:2345], s2=rows[2345:])
    spectra.write_shards(here / "single", s1=rows[:2345].astype("f4"), s2=rows[2345:].astype("f4"))
    return here


def stored(path, *names):
    with h5py.File(path) as file:
        found = [file.attrs[name] if name in file.attrs else file[name][...] for name in names]
    return found if len(found) > 1 else found[0]


def words(folder, output, *options):
    return "fit", folder, "-k", K, "-o", output, "--overwrite", *options


def off(path, values):
    """How far the eigenvalues of a result are from the prescribed ones, over the largest."""
    return np.abs(stored(path, "explained_variance") - values[:K]).max() / values[0]


@pytest.mark.parametrize("kind", ["double", "single"])
@pytest.mark.parametrize("operator", ["in-memory", "streaming", "mapped"])
def test_fewer_passes_to_the_same(folder, tmp_path, operator, kind):
    output, passes = tmp_path / "out.h5", {}
    for corrections in ("off", "on", "auto"):
        options = ("--operator", operator, "--corrections", corrections)
        command = words(folder / kind, output, *options)
        (cut if corrections == "auto" else run)(3, *command).ok()
        passes[corrections] = stored(output, "rounds")
        assert off(output, spectra.power_law(D, 0.5)) <= (2e-7 if kind == "single" else 1e-11)
        held, flops = stored(output, "corrections", "sample_flops")
        assert bool(held) == (corrections == "on") and flops > 0
        if corrections == "on":
            assert stored(output, "sample_rows") == 1500
    assert passes["on"] <= passes["off"] and passes["auto"] == passes["off"]


@pytest.mark.parametrize("operator", ["in-memory", "streaming"])
def test_weights_of_rows(folder, tmp_path, operator):
    """The sample has the weights of its rows: its covariance would be another's."""
    weights, output = tmp_path / "weights.h5", tmp_path / "out.h5"
    with h5py.File(weights, "w") as file:
        file["w"] = np.where(np.arange(N) % 3 == 0, 9.0, 0.5)
    rounds = []
    for corrections in ("off", "on"):
        options = (
            "--operator",
            operator,
            "--row-weights",
            f"{weights}:w",
            "--corrections",
            corrections,
        )
        run(2, *words(folder / "double", output, *options)).ok()
        rounds.append(stored(output, "rounds"))
    assert rounds[1] <= rounds[0]
    run(1, "verify", output, folder / "double").ok()


def test_stopped_with_both_kinds_published(folder, tmp_path):
    """A pass over corrections and residuals goes on where it was stopped, on other ranks, with the
    same sample.
    """
    output, checkpoint, whole = tmp_path / "out.h5", tmp_path / "out.h5.ckpt", tmp_path / "whole.h5"
    inject = PACED + WORTH
    command = words(folder / "double", whole, "--operator", "streaming", "--tol", "1e-9")
    paced(2, *command, inject=inject).finish().ok()
    command = words(folder / "double", output, "--operator", "streaming", "--tol", "1e-9")
    going = paced(2, *command, seconds=0.3, quick=230, inject=inject)
    read(going, 240)
    os.kill(going.pids()[0], signal.SIGUSR1)
    going.finish().ended(75)
    rows, pending = stored(checkpoint, "sample_rows", "state/pending")
    assert rows == stored(whole, "sample_rows") and len(pending) > 16
    paced(3, "resume", checkpoint, inject=inject).finish().ok()
    assert stored(output, "sample_rows") == rows
    assert off(output, spectra.power_law(D, 0.5)) <= 1e-11
    assert stored(output, "reads") < stored(whole, "reads") + 3
    run(1, "verify", output, folder / "double", "--tol", "1e-9").ok()
