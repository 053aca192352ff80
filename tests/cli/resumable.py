"""Runs that were stopped early, for ``hpcpca resume`` to go on with."""

import shutil

import h5py
import spectra
from launch import run

K, N, D = 6, 400, 40
VECTORS = ("--exchange", "vectors", "--precision", "double", "--tol", "0", "--local-steps", "2")


def write_data(folder):
    """Write rows in three shards."""
    rows = spectra.data_rows(spectra.exponential(D, 0.9), N, mean=1.0)
    spectra.write_shards(folder / "data", s1=rows[:33], s2=rows[33:300], s10=rows[300:])


def fit(folder, output, *options, n=2):
    return run(n, "fit", folder / "data", "-k", K, "-o", output, *options)


def components(path):
    with h5py.File(path) as file:
        return file["components"][...]


def uninterrupted(folder):
    """Components of an uninterrupted vectors run of 60 rounds."""
    path = folder / "whole.h5"
    fit(folder, path, *VECTORS, "--max-rounds", 60).ended(4)
    return components(path)


def stopped_runs(folder):
    """A vectors run and a ritz run stopped early: {name: result}; the checkpoint lies beside it."""
    found = {"vectors": folder / "vectors.h5", "ritz": folder / "ritz.h5"}
    fit(folder, found["vectors"], *VECTORS, "--max-rounds", 23).ended(4)
    fit(folder, found["ritz"], "--max-rounds", 2, "--operator", "in-memory").ended(4)
    return found


def copied(path, folder):
    """A copy of a result and its checkpoint in another folder; return the copy of the
    checkpoint.
    """
    for end in ("", ".ckpt"):
        shutil.copy(f"{path}{end}", folder)
    return folder / f"{path.name}.ckpt"
