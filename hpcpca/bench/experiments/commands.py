"""Experiments on whole commands: ``fit`` as a user starts it, from outside."""

import os
import sys

import h5py
import numpy as np

from ...errors import DataError
from ..process import Contender, launcher, run_once

UNCONVERGED = 4  # exit code: as asked for, when the rounds are what is given


def fitted(ranks, words, out):
    """Run ``fit`` on so many ranks of one thread; return (wall seconds, peak memory in bytes).

    Raises DataError where it writes no result.
    """
    command = [
        *launcher(),
        "-n",
        str(ranks),
        sys.executable,
        "-m",
        "hpcpca",
        "fit",
        *words,
        "-o",
        out,
        "--overwrite",
        "--no-checkpoint",
        "--threads",
        "1",
        "-q",
    ]
    if os.path.exists(out):
        os.remove(out)
    run = Contender("fit", command, out)
    run_once(run)
    if not os.path.exists(out):
        raise DataError(f"{' '.join(command)}: {run.error}; try it by itself")
    return run.seconds[0], run.memory[0]


def measured(out, true):
    """Of a result: the paper's error against eigenvectors (K, d), the largest residual, its
    history as {name: array}.
    """
    from .problems import errors

    with h5py.File(out) as file:
        error = float(np.sqrt(np.mean(errors(file["components"][...], true) ** 2)))
        return (
            error,
            float(file["residuals"][...].max()),
            {name: array[...] for name, array in file["history"].items()},
        )
