"""A fit of data larger than its memory, every read from the disk, beside the time that reading
and computing take at least.
"""

import json
import os
import sys
import tempfile

import h5py
import numpy as np

from ..sources.source import open_source
from ..units import format_seconds, format_size
from .peers import residual_of
from .process import Contender, alternate, launcher, output_of

PROGRAM = [sys.executable, "-m", "hpcpca"]
START = 4.0  # seconds granted for start-up and results
SLACK = 1.25  # of reading and computing


def _seconds_to_read(data, start):
    """Of reading the files once with plain h5py, from the disk: median of three."""
    command = [*start, sys.executable, "-m", "hpcpca.bench.plain_read", *data]
    return float(np.median([float(output_of(command)) for _ in range(3)]))


def _seconds_of_a_pass(data, components, start, folder):
    """Of one pass over all rows if they were in memory: a fit of the first file, scaled up."""
    out, source = os.path.join(folder, "warm.h5"), open_source(data)
    words = [
        "fit",
        source.parts[0].name,
        "-k",
        str(components),
        "-o",
        out,
        "--operator",
        "in-memory",
        "--cold",
        "--threads",
        "1",
        "--no-checkpoint",
        "-q",
    ]
    output_of([*start, *PROGRAM, *words])
    with h5py.File(out) as file:
        split = json.loads(file.attrs["seconds_by_activity"])
        return split["apply"] / file.attrs["passes"] * source.n / file.attrs["n_samples"]


def run_cold(data, components, memory, tol=1e-4, ranks=2, *, runs=3, mpiexec=None):
    """Yield lines: seconds to read, of a pass, of the fit; memory; the bound and how far above
    it.
    """
    with tempfile.TemporaryDirectory() as folder:
        start = [*launcher(mpiexec), "-n", str(ranks)]
        source, out = open_source(data), os.path.join(folder, "cold.h5")
        read = _seconds_to_read(data, start)
        one_pass = _seconds_of_a_pass(data, components, start, folder)
        fit = Contender(
            "cold",
            [
                *start,
                *PROGRAM,
                "fit",
                *data,
                "-k",
                str(components),
                "-o",
                out,
                "--tol",
                str(tol),
                "--memory",
                memory,
                "--threads",
                "1",
                "--no-checkpoint",
                "--overwrite",
                "-q",
            ],
            out,
            {"HPCPCA_FORGET_FILES": "1"},
        )
        alternate([fit], runs)
        yield (
            f"{source.n} × {source.d} {source.dtype}, {format_size(source.bytes)} in"
            f" {len(source.parts)} file(s); K = {components}, --memory {memory}, {ranks} ranks"
        )
        yield (
            f"reading the files once, plain h5py, from the disk: {format_seconds(read)}"
            f" ({format_size(source.bytes / read)}/s)"
        )
        yield f"one pass from memory: {format_seconds(one_pass)}"
        if fit.error:
            yield f"fit {fit.error}"
            return
        with h5py.File(out) as file:
            reads, operator = float(file.attrs["reads"]), file.attrs["operator"]
        bound = reads * max(read, one_pass)
        yield (
            f"fit ({operator}): {format_seconds(fit.median)}, {reads:.3g} reads, largest residual"
            f" {residual_of(out, data, mpiexec):.1e}; peak memory of all ranks"
            f" {format_size(max(fit.memory))}"
        )
        yield (
            f"reads × the slower of both = {format_seconds(bound)}; {SLACK} × that + {START:g} s ="
            f" {format_seconds(SLACK * bound + START)}; taken: {fit.median / bound:.2f} × the"
            " former"
        )
