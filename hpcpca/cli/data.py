"""``hpcpca data``: make, shard, describe and check HDF5 data."""

import time

import click

from .info import info
from .options import follow_links
from .session import speaker, world
from .types import Shape


def _storage(function):
    """Options that say how files are laid out."""
    for option in reversed((
        click.option("-o", "--output", required=True, type=click.Path(), metavar="OUT", help="File (OUT.h5), or folder for shards."),
        click.option("--shards", type=click.IntRange(1), help="Number of files in the folder; default: of about 512 MiB each."),
        click.option("--uneven", is_flag=True, help="Shards of very different sizes (1 : 2 : 3 …)."),
        click.option("--chunk-rows", type=click.IntRange(0), help="Rows per HDF5 chunk, 0 for contiguous; default: chunks of about 1 MiB."),
        click.option("--compression", type=click.Choice(["none", "gzip", "lzf"]), default="none", show_default=True, help="HDF5 filter."),
        click.option("--dataset", metavar="NAME", help="Name of the dataset in each file; default X, or as in DATA."),
    )):
        function = option(function)
    return function


TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64"]


@click.group()
def data():
    """Make test data, shard, describe and check HDF5 data."""


data.add_command(info)


@data.command()
@click.argument("shape", type=Shape(), metavar="NxD")
@_storage
@click.option("--spectrum", default="powerlaw:1", show_default=True, metavar="SPECTRUM",
              help="powerlaw:EXPONENT, exponential:BASE, clusters:SIZE:GAP (relative gap within a cluster) or flat.")
@click.option("--rank", type=click.IntRange(1), help="Number of prescribed components; default min(64, d, n−1).")
@click.option("--noise", type=float, default=1e-3, show_default=True, help="Isotropic variance under the spectrum, relative to λ₀.")
@click.option("--mean-std", type=float, help="Mean over standard deviation of every column; default 0, unsigned integers 6.")
@click.option("--dtype", type=click.Choice(TYPES), default="float32", show_default=True, metavar="TYPE",
              help=f"Element type: {', '.join(TYPES)}. Integers are scaled to use their range.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed; the rows depend on it and the shape, not on ranks or shards.")
@click.option("--exact", "is_exact", is_flag=True, help="Small data whose sample covariance has exactly the prescribed eigenvalues (float64: to 1e-10).")
@click.option("--overwrite", is_flag=True, help="Replace files of the same names.")
def make(shape, output, shards, uneven, chunk_rows, compression, dataset, overwrite, **options):
    """Write N×D test data of known principal components, and the truth beside them (OUT.truth.h5).

    Rows are random: eigenvalues of the sample differ from those of the truth by about sqrt(2/N), relatively. Rank r writes
    shards r, r+ranks, …; start as many ranks as there are shards at most (a single file is written by one rank).
    """
    from ..sources.shards import layout
    from ..sources.synthetic import Recipe
    recipe = Recipe(*shape, **options)
    with world() as ranks:
        with ranks.agreed():
            recipe.check()
            _check_storage(output, shards, chunk_rows, compression)
        laid_out = layout(output, recipe.n, recipe.d, recipe.kind, shards, uneven, dataset=dataset or "X", chunk_rows=chunk_rows, compression=compression)
        _make(ranks, recipe, laid_out, output, overwrite)


def _make(ranks, recipe, laid_out, output, overwrite):
    from threadpoolctl import threadpool_limits

    from ..sources.shards import beside, prepare, write_set
    from ..files.formats import MADE_BY, TEST_DATA
    from ..files.outputs import check_output
    truth_path, begun = beside(output, "truth"), time.monotonic()

    def check():
        prepare(laid_out, overwrite)
        check_output(truth_path, "-o", overwrite)
    ranks.decide(check)
    with threadpool_limits(1):  # values must not depend on how many threads a product is spread over
        truth, rows = _rows(ranks, recipe)
        write_set(ranks, laid_out, rows, {MADE_BY: TEST_DATA})
    _write_truth(ranks, truth_path, recipe, truth)
    _say_written(ranks, laid_out, begun)
    speaker(ranks)(f"truth: {truth_path}")


def _rows(ranks, recipe):
    """The population (on the root) and what yields its rows, the same on all ranks."""
    import numpy as np

    from ..sources.synthetic import ExactRows, RandomRows, exact, population
    truth = rows = None
    with ranks.agreed():
        if ranks.is_root:
            truth = population(recipe)
            if recipe.is_exact:
                rows, truth = exact(recipe, truth)
    if recipe.is_exact:
        return truth, ExactRows(_shared(ranks, rows, (recipe.n, recipe.d), recipe.kind))
    weights = truth and np.sqrt(truth.signal)[:, None] * truth.components
    weights = _shared(ranks, weights, (recipe.components, recipe.d), recipe.work)
    mean = _shared(ranks, truth and truth.mean[None], (1, recipe.d), recipe.work)
    return truth, RandomRows(recipe, weights, mean, ranks.comm.bcast(truth and truth.noise))


def _shared(ranks, array, shape, dtype):
    """The root's array on all ranks, row by row: counts stay small, whatever the shape."""
    import numpy as np
    array = np.empty(shape, dtype) if array is None else np.ascontiguousarray(array, dtype)
    for row in array.view(np.uint8):
        ranks.comm.Bcast(row)
    return array


def _write_truth(ranks, path, recipe, truth):
    import json
    from dataclasses import asdict

    from ..files.formats import TRUTH
    from ..files.hdf5 import write
    attributes, arrays = {}, {}
    if ranks.is_root:
        attributes = {"format": TRUTH, "format_version": 1, "recipe": json.dumps(asdict(recipe)), "n_samples": recipe.n,
                      "noise_variance": truth.noise, "rounding_variance": truth.rounding, "total_variance": truth.total_variance,
                      "is_exact": recipe.is_exact, "meaning": _MEANING[recipe.is_exact]}
        arrays = {"eigenvalues": truth.eigenvalues, "components": truth.components, "mean": truth.mean}
    write(ranks, path, attributes, arrays)


_MEANING = {
    False: "Eigenpairs and mean of the population V diag(signal) V' + (noise + rounding) I that rows were drawn from; those of the sample "
           "differ by O(1/sqrt(n)): eigenvalues by about sqrt(2/n), relatively.",
    True: "Eigenpairs and mean of the sample covariance (divisor n-1) itself, to the rounding of the element type.",
}


def _say_written(ranks, laid_out, begun):
    from ..units import format_seconds, format_size
    size = laid_out.edges[-1] * laid_out.row_bytes
    seconds = time.monotonic() - begun
    speaker(ranks)(f"wrote {laid_out.edges[-1]} × {laid_out.columns} {laid_out.dtype} ({format_size(size)}) to {len(laid_out.paths)} file(s), "
                   f"{laid_out.paths[0]} …, in {format_seconds(seconds)}")


def _check_storage(output, shards, chunk_rows, compression):
    """Raise UsageError where options contradict each other."""
    from ..errors import UsageError
    from ..files.paths import SUFFIXES
    if output.lower().endswith(SUFFIXES) and (shards or 1) > 1:
        raise UsageError(f"--shards {shards} with -o {output}: a file is one shard; name a folder")
    if compression != "none" and chunk_rows == 0:
        raise UsageError(f"--compression {compression} with --chunk-rows 0: only chunks can be compressed; leave one of them out")


@data.command()
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@_storage
@click.option("--dtype", type=click.Choice(TYPES), metavar="TYPE",
              help=f"Another element type, of {', '.join(TYPES)}: floats are rounded, integers must stay the same.")
@follow_links
def shard(data, follow_links, output, shards, uneven, chunk_rows, compression, dataset, dtype):
    """Write the rows of DATA anew, in order and bit for bit, in other files, chunks or compression.

    Rank r writes shards r, r+ranks, …, reading their rows only. Nothing is overwritten; files get their names when all are written.
    """
    import numpy as np

    from ..sources.shards import SourceRows, layout, prepare, write_set
    from ..sources.source import open_source
    begun = time.monotonic()
    with world() as ranks:
        with ranks.agreed():
            _check_storage(output, shards, chunk_rows, compression)
        source = ranks.decide(lambda: open_source(data, follow_links, is_whole=False))
        source.tell(speaker(ranks))
        kind = np.dtype(dtype or source.dtype)
        laid_out = layout(output, source.n, source.d, kind, shards, uneven, dataset=dataset or source.parts[0].dataset,
                          chunk_rows=chunk_rows, compression=compression,
                          attributes=ranks.decide(source.common_attributes))
        ranks.decide(lambda: prepare(laid_out))
        with ranks.blaming(source.change):
            write_set(ranks, laid_out, SourceRows(source, kind, _room(ranks)))
        _say_written(ranks, laid_out, begun)


def _room(ranks):
    """Bytes that a rank may hold of data while it reads."""
    from ..planning.machine import available_memory
    return available_memory() // (2 * ranks.node.size)


@data.command()
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@follow_links
def check(data, follow_links):
    """Read all of DATA once and report NaN, constant columns, and chunks that will hurt; exit 4 where there is trouble."""
    import sys

    from ..sources.health import TROUBLE, joint, scan, storage_findings, value_findings
    from ..sources.source import open_source
    from ..units import format_seconds, format_size
    begun = time.monotonic()
    with world() as ranks:
        say = speaker(ranks, stream=sys.stdout)
        source = ranks.decide(lambda: open_source(data, follow_links))
        source.tell(speaker(ranks))
        say(f"{source.n} × {source.d} {source.dtype} in {len(source.parts)} file(s), {format_size(source.bytes)}")
        findings = ranks.decide(lambda: list(storage_findings(source)))
        with ranks.blaming(source.change), ranks.agreed():
            values = scan(source, *source.blocks.shard(ranks.size, ranks.rank), _room(ranks))
        joint(values, _reducing(ranks))
        say(f"read in {format_seconds(time.monotonic() - begun)} by {ranks.size} rank(s): values from {values.low.min():g} to {values.high.max():g}, "
            f"column means from {values.means.min(initial=float('inf')):g} to {values.means.max(initial=float('-inf')):g}")
        findings += value_findings(source, values)
        if change := ranks.decide(source.change):
            findings.append((TROUBLE, f"{change}: check it again"))
        for kind, text in findings:
            say(f"{kind}: {text}")
        troubles = sum(kind == TROUBLE for kind, _ in findings)
        if not troubles:
            say("healthy")
            return 0
        speaker(ranks)(f"hpcpca: check found {troubles} trouble(s) in {data[0]}" + (", …" if len(data) > 1 else ""))
        return 4


def _reducing(ranks):
    from mpi4py import MPI
    kinds = {"min": MPI.MIN, "max": MPI.MAX, "sum": MPI.SUM}
    return lambda kind, array: ranks.comm.Allreduce(MPI.IN_PLACE, array, kinds[kind])
