"""hpcpca against what people use today: end to end, same files in, components out, residuals
measured by ``verify``.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from glob import glob
from pathlib import Path

import h5py
import numpy as np

from ..errors import PlatformError
from ..planning.machine import available_memory
from ..sources.source import open_source
from ..units import format_size
from .process import Contender, alternate, environment, finished, launcher, threads_of
from .sklearn_pca import OF_SPARSE, SOLVERS

SLEPC_PYTHON, SLEPC_MPIEXEC = (
    "/usr/bin/python3",
    "mpiexec.openmpi",
)  # Debian: python3-slepc4py, python3-h5py, libopenblas0
OTHERS = ("SLEPc", "scanpy")
WORK = 24  # bytes per entry of Σ that eigh takes
LAYOUTS = ((2, 1), (1, 2))  # ranks × threads


def _ours(data, components, tol, folder, mpiexec):
    for ranks, threads in LAYOUTS:
        out = os.path.join(folder, f"{ranks}x{threads}.h5")
        words = [
            "fit",
            *data,
            "-k",
            str(components),
            "-o",
            out,
            "--tol",
            str(tol),
            "--threads",
            str(threads),
            "--overwrite",
            "-q",
            "--no-checkpoint",
        ]
        yield Contender(
            f"hpcpca, {ranks} rank(s) × {threads} thread(s)",
            [*launcher(mpiexec), "-n", str(ranks), sys.executable, "-m", "hpcpca", *words],
            out,
        )


def _scikit_learn(data, components, folder, solvers):
    source = open_source(data)
    columns = source.d
    if source.stored is not None:
        solvers = [name for name in solvers if name in OF_SPARSE]
    if solvers and importlib.util.find_spec("sklearn") is None:
        raise PlatformError("scikit-learn is not installed; pip install 'hpcpca[bench]'")
    for solver in solvers:
        out = os.path.join(folder, f"{solver}.npy")
        peer = Contender(
            f"scikit-learn {solver}, 2 threads",
            [sys.executable, "-m", "hpcpca.bench.sklearn_pca", solver, str(components), out, *data],
            out,
            threads_of(2),
        )
        if solver == "covariance_eigh" and WORK * columns**2 > available_memory():
            peer.error = f"not run: needs about {format_size(WORK * columns**2)} of memory"
        yield peer


def _scanpy(data, components, folder):
    out = os.path.join(folder, "scanpy.npy")
    command = [sys.executable, "-m", "hpcpca.bench.scanpy_pca", str(components), out, *data]
    yield Contender("scanpy pp.pca, 2 threads", command, out, threads_of(2))


def _slepc_environment():
    """Variables for Debian's Python: one thread, none of ours, and the folders that its petsc4py
    and slepc4py are in.
    """
    folders = sorted(glob("/usr/lib/*dir/*/*-real/lib/python3/dist-packages"))
    return threads_of(1) | {"LD_LIBRARY_PATH": "", "PYTHONPATH": ":".join(folders)}


def has_slepc():
    """Whether Debian's Python has slepc4py, and h5py to read with."""
    if not shutil.which(SLEPC_MPIEXEC) or not os.path.exists(SLEPC_PYTHON):
        return False
    command = [SLEPC_PYTHON, "-c", "import petsc4py, slepc4py, h5py"]
    return (
        subprocess.run(
            command, capture_output=True, env=environment(**_slepc_environment())
        ).returncode
        == 0
    )


def _slepc(data, components, tol, folder):
    source, job = open_source(data), os.path.join(folder, "slepc.json")
    out = os.path.join(folder, "slepc.npy")
    Path(job).write_text(
        json.dumps(
            {
                "files": [
                    [os.path.abspath(part.path), part.dataset, part.rows] for part in source.parts
                ],
                "columns": source.d,
                "components": components,
                "tol": tol,
                "out": out,
            }
        ),
        encoding="utf-8",
    )
    script = str(Path(__file__).with_name("slepc_svd.py"))
    yield Contender(
        "SLEPc SVD cross, 2 ranks × 1 thread",
        [
            SLEPC_MPIEXEC,
            "--allow-run-as-root",
            "--oversubscribe",
            "--bind-to",
            "none",
            "-n",
            "2",
            SLEPC_PYTHON,
            script,
            job,
        ],
        out,
        _slepc_environment(),
    )


def residual_of(out, data, mpiexec=None):
    """Largest residual that an independent ``verify`` on two ranks measures of components in a
    file; NaN where there are none.
    """
    command = [
        *launcher(mpiexec),
        "-n",
        "2",
        sys.executable,
        "-m",
        "hpcpca",
        "verify",
        out,
        *data,
        "--tol",
        "1",
        "--no-search",
    ]
    figures = [line.split() for line in finished(command).stdout.splitlines()[1:]]
    residuals = [float(words[2]) for words in figures if len(words) > 5 and words[0].isdigit()]
    return max(residuals, default=float("nan"))


def _passes(out):
    if not out.endswith(".h5"):
        return ""
    with h5py.File(out) as file:
        return f"{file.attrs['passes']:.3g} ({file.attrs['operator']})"


def compare(
    data, components, tol=1e-6, runs=5, mpiexec=None, *, solvers=tuple(SOLVERS), others=OTHERS
):
    """Return the markdown table, lines, of all peers on DATA; ``others`` than scikit-learn's
    solvers where they are installed.
    """
    is_sparse = open_source(data).stored is not None
    with tempfile.TemporaryDirectory() as folder:
        found = [
            *_ours(data, components, tol, folder, mpiexec),
            *_scikit_learn(data, components, folder, solvers),
        ]
        if "SLEPc" in others and not is_sparse and has_slepc():
            found += _slepc(data, components, tol, folder)
        if "scanpy" in others and is_sparse and importlib.util.find_spec("scanpy"):
            found += _scanpy(data, components, folder)
        alternate(found, runs)
        measured = [
            (
                ("", float("nan"))
                if peer.error
                else (_passes(peer.out), residual_of(peer.out, data, mpiexec))
            )
            for peer in found
        ]
    reference = min(
        (peer.median for peer in found[: len(LAYOUTS)] if not peer.error), default=float("nan")
    )
    lines = [
        (
            "| program | wall seconds, median (min–max) | × hpcpca | peak memory | passes | largest"
            " residual |"
        ),
        "|---|---|---|---|---|---|",
    ]
    for peer, (passes, residual) in zip(found, measured):
        if peer.error:
            lines.append(f"| {peer.name} | {peer.error} | | | | |")
            continue
        lines.append(
            f"| {peer.name} | {peer.median:.2f} ({min(peer.seconds):.2f}–{max(peer.seconds):.2f}) |"
            f" {peer.median / reference:.2f} | {format_size(np.median(peer.memory))} | {passes} |"
            f" {residual:.1e} |"
        )
    return lines
