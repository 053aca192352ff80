"""hpcpca against what people use today: end to end, same files in, components out, residuals measured by ``verify``."""

import os
import subprocess
import sys
import tempfile

import numpy as np

from ..units import format_size
from .process import Contender, alternate, launcher
from .sklearn_pca import SOLVERS


def contenders(data, components, tol, folder, mpiexec, solvers):
    """Commands of all peers: hpcpca on 2 ranks × 1 thread and 1 × 2, scikit-learn's solvers with all threads."""
    program, found = [sys.executable, "-m", "hpcpca"], []
    for ranks, threads in ((2, 1), (1, 2)):
        out = os.path.join(folder, f"{ranks}x{threads}.h5")
        found.append(Contender(f"hpcpca, {ranks} rank(s) × {threads} thread(s)",
                               [*launcher(mpiexec), "-n", str(ranks), *program, "fit", *data, "-k", str(components), "-o", out,
                                "--tol", str(tol), "--threads", str(threads), "--overwrite", "-q", "--no-checkpoint"], out))
    for solver in solvers:
        out = os.path.join(folder, f"{solver}.npy")
        found.append(Contender(f"scikit-learn {solver}", [sys.executable, "-m", "hpcpca.bench.sklearn_pca", solver, str(components), out, *data], out))
    return found


def residual_of(out, data):
    """Largest residual that an independent ``verify`` measures of components in a file; NaN where there are none."""
    command = [sys.executable, "-m", "hpcpca", "verify", out, *data, "--tol", "1"]
    printed = subprocess.run(command, capture_output=True, text=True)
    figures = [line.split() for line in printed.stdout.splitlines()[1:]]
    residuals = [float(words[2]) for words in figures if len(words) == 5 and words[0].isdigit()]
    return max(residuals, default=float("nan"))


def compare(data, components, tol=1e-6, runs=5, mpiexec=None, solvers=tuple(SOLVERS)):
    """Return the markdown table, lines, of all peers on DATA."""
    with tempfile.TemporaryDirectory() as folder:
        found = contenders(data, components, tol, folder, mpiexec, solvers)
        alternate(found, runs)
        residuals = [float("nan") if peer.error else residual_of(peer.out, data) for peer in found]
    reference = found[0].median
    lines = ["| program | wall seconds, median (min–max) | × hpcpca | peak memory | largest residual |", "|---|---|---|---|---|"]
    for peer, residual in zip(found, residuals):
        if peer.error:
            lines.append(f"| {peer.name} | failed: {peer.error} | | | |")
            continue
        lines.append(f"| {peer.name} | {peer.median:.2f} ({min(peer.seconds):.2f}–{max(peer.seconds):.2f}) | {peer.median / reference:.2f} "
                     f"| {format_size(np.median(peer.memory))} | {residual:.1e} |")
    return lines
