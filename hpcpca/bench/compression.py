"""A step of PowerSGD: seconds by part beside its floors, and beside PyTorch's hook."""

import json
import os
import sys
from pathlib import Path

from .process import finished, launcher, output_of

PYTHON = "/usr/bin/python3"  # Debian's python3-torch
HAS_TORCH = "import torch, sys; sys.exit(not torch.distributed.is_available())"
CLEAN = ("env", "-u", "PYTHONPATH", "-u", "LD_LIBRARY_PATH", "OMP_NUM_THREADS=1")


def has_torch():
    """Whether the system's Python has torch with gloo."""
    if not os.path.exists(PYTHON):
        return False
    return finished([*CLEAN, PYTHON, "-c", HAS_TORCH]).returncode == 0


def compare(shape, count, rank, ranks, *, runs=5, mpiexec=None):
    """Return the table, lines: ``count`` matrices of ``shape`` in float32 on so many ranks."""
    n, m = shape
    words = {"n": n, "m": m, "count": count, "rank": rank, "runs": runs}
    ours = [sys.executable, "-m", "hpcpca.bench.compression_step", json.dumps(words)]
    found = json.loads(output_of([*launcher(mpiexec), "-n", str(ranks), *ours]))
    parts, whole = found["parts"], found["step"]
    products = parts["products"] + parts.get("orthonormalisation", 0.0)
    blas, traffic = found["two products by BLAS"], found["memory traffic"]
    lines = [
        f"{count} matrices {n}×{m} in float32, rank {rank}, {ranks} ranks, medians of {runs}",
        "",
        "| | ms a step | × floor | floor |",
        "|---|---|---|---|",
        _row("whole step", whole, traffic, "memory traffic of a step"),
        _row("products, orthonormalisation", products, blas, "the two products by BLAS, stored"),
        *(f"| {name} | {1e3 * seconds:.1f} | | |" for name, seconds in parts.items()),
    ]
    if has_torch():
        peer = [*CLEAN, PYTHON, str(Path(__file__).with_name("torch_step.py"))]
        torch = json.loads(output_of([*peer, json.dumps({**words, "ranks": ranks})]))["step"]
        over = torch / whole
        lines.append(f"| PyTorch's hook over gloo | {1e3 * torch:.1f} | {over:.2f} | whole step |")
    return lines


def _row(name, seconds, floor, what):
    return f"| {name} | {1e3 * seconds:.1f} | {seconds / floor:.2f} | {what}: {1e3 * floor:.1f} |"
