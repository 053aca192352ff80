"""Fits of data larger than their memory, every read from the disk, with corrections on a sample and
without, beside the time that reading and computing take at least.
"""

import json
import os
import sys
import tempfile

import h5py
import numpy as np

from ..planning.rates import measured_rates
from ..sources.source import open_source
from ..units import format_seconds, format_size
from .peers import residual_of
from .process import Contender, alternate, launcher, output_of

PROGRAM = [sys.executable, "-m", "hpcpca"]
ONE_THREAD = ["--threads", "1", "--no-checkpoint", "-q"]
START = 2.0  # seconds granted for start-up and results
SLACK = 1.25  # of reading and computing
WAYS = ("off", "auto")  # --corrections


def _seconds_to_read(data, start):
    """Of reading the files once with plain h5py, from the disk: median of three."""
    command = [*start, sys.executable, "-m", "hpcpca.bench.plain_read", *data]
    return float(np.median([float(output_of(command)) for _ in range(3)]))


def _seconds_of_a_pass(data, components, start, folder):
    """Of one pass over all rows if they were in memory: a fit of the first file, scaled up."""
    out, source = os.path.join(folder, "warm.h5"), open_source(data)
    words = ["fit", source.parts[0].name, "-k", str(components), "-o", out]
    words += ["--operator", "in-memory", "--cold", "--corrections", "off", *ONE_THREAD]
    output_of([*start, *PROGRAM, *words])
    with h5py.File(out) as file:
        split = json.loads(file.attrs["seconds_by_activity"])
        return split["apply"] / file.attrs["passes"] * source.n / file.attrs["n_samples"]


def run_cold(data, components, memory, tol=1e-4, ranks=2, *, runs=3, mpiexec=None):
    """Yield lines: seconds to read, of a pass, of the fits; memory; the bound and how far above
    it.
    """
    with tempfile.TemporaryDirectory() as folder:
        start = [*launcher(mpiexec), "-n", str(ranks)]
        source = open_source(data)
        read = _seconds_to_read(data, start)
        one_pass = _seconds_of_a_pass(data, components, start, folder)
        rate = measured_rates().large(4) * ranks
        words = ["fit", *data, "-k", str(components), "--tol", str(tol), "--memory", memory]
        fits = []
        for way in WAYS:
            out = os.path.join(folder, f"{way}.h5")
            command = [*start, *PROGRAM, *words, "--corrections", way, "-o", out, *ONE_THREAD]
            made = Contender(way, [*command, "--overwrite"], out, {"HPCPCA_FORGET_FILES": "1"})
            fits.append(made)
        alternate(fits, runs)
        yield (
            f"{source.n} × {source.d} {source.dtype}, {format_size(source.bytes)} in"
            f" {len(source.parts)} file(s); K = {components}, --tol {tol:g}, --memory {memory},"
            f" {ranks} ranks"
        )
        yield (
            f"reading the files once, plain h5py, from the disk: {format_seconds(read)}"
            f" ({format_size(source.bytes / read)}/s)"
        )
        yield f"one pass from memory: {format_seconds(one_pass)}"
        for fit in fits:
            yield from _told(fit, max(read, one_pass), rate, data, mpiexec)


def _told(fit, each, rate, data, mpiexec):
    """Lines on a fit whose readings take ``each`` so many seconds at least."""
    if fit.error:
        yield f"fit --corrections {fit.name}: {fit.error}"
        return
    with h5py.File(fit.out) as file:
        at = dict(file.attrs)
    reads, flops = float(at["reads"]), float(at["sample_flops"])
    sample = f", {at['sample_rows']} rows sampled" if at.get("corrections") else ""
    yield (
        f"fit --corrections {fit.name} ({at['operator']}{sample}): {format_seconds(fit.median)},"
        f" {at['rounds']} rounds, {reads:.3g} reads, largest residual"
        f" {residual_of(fit.out, data, mpiexec):.1e}; peak memory of all ranks"
        f" {format_size(max(fit.memory))}"
    )
    bound = reads * each + flops / rate
    yield (
        f"reads × the slower of both, and {flops / 1e9:.3g} Gflop on the sample ="
        f" {format_seconds(bound)}; {SLACK} × that + {START:g} s ="
        f" {format_seconds(SLACK * bound + START)}; taken: {fit.median / bound:.2f} × the former"
    )
