"""``hpcpca data``: make, import, shard, describe and check HDF5 data."""

import time

import click

from ..sources.reading import Reading
from .command import Group
from .importing import import_files
from .info import info
from .making import make_data, say_written
from .options import follow_links, options_of, reading_of
from .session import speaker, watching, world
from .storage import TYPES, check_storage, storage
from .types import Shape


@click.group(cls=Group)
def data():
    """Make test data, import, shard, describe and check HDF5 data."""


data.add_command(info)
data.add_command(import_files)


@data.command(examples=("hpcpca data make 10000x500 -o x.h5 --dtype float32",))
@click.argument("shape", type=Shape(), metavar="NxD")
@storage
@click.option(
    "--spectrum",
    default="powerlaw:1",
    show_default=True,
    metavar="SPECTRUM",
    help=(
        "powerlaw:EXPONENT, exponential:BASE, clusters:SIZE:GAP (of SIZE eigenvalues that lie"
        " GAP times the first apart; GAP is at most 0.4/(SIZE − 1)) or flat."
    ),
)
@click.option(
    "--rank",
    type=click.IntRange(1),
    help="Number of prescribed components; default min(64, d, n−1).",
)
@click.option(
    "--noise",
    type=float,
    default=1e-3,
    show_default=True,
    help="Isotropic variance under the spectrum, relative to λ₀.",
)
@click.option(
    "--mean-std",
    type=float,
    help="Mean over standard deviation of every column; default 0, unsigned integers 6.",
)
@click.option(
    "--dtype",
    type=click.Choice(TYPES),
    default="float32",
    show_default=True,
    metavar="TYPE",
    help=f"Element type: {', '.join(TYPES)}. Integers are scaled to use their range.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed; the rows depend on it and the shape, not on ranks or shards.",
)
@click.option(
    "--exact",
    "is_exact",
    is_flag=True,
    help=(
        "Small data whose sample covariance has exactly the prescribed eigenvalues (float64: to"
        " 1e-10)."
    ),
)
@click.option("--overwrite", is_flag=True, help="Replace files of the same names.")
def make(shape, output, shards, uneven, chunk_rows, compression, dataset, overwrite, **options):
    """Write N×D test data of known principal components, and the truth beside them
    (OUT.truth.h5).

    Rows are random: eigenvalues of the sample differ from those of the truth by about sqrt(2/N),
    relatively. Rank r writes shards r, r+ranks, …; start as many ranks as there are shards at most
    (a single file is written by one rank).
    """
    from ..files.file_set import layout
    from ..sources.synthetic import Recipe

    recipe = Recipe(*shape, **options)
    with world() as ranks:
        with ranks.agreed():
            recipe.check()
            check_storage(output, shards, chunk_rows, compression)
        laid_out = layout(
            output,
            recipe.n,
            recipe.d,
            recipe.kind,
            shards,
            uneven=uneven,
            dataset=dataset or "X",
            chunk_rows=chunk_rows,
            compression=compression,
        )
        make_data(ranks, recipe, laid_out, output, overwrite)


@data.command(examples=("hpcpca data shard big.h5 -o shards --shards 8",))
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@storage
@click.option(
    "--dtype",
    type=click.Choice(TYPES),
    metavar="TYPE",
    help=(
        f"Another element type, of {', '.join(TYPES)}: floats are rounded, integers must stay the"
        " same."
    ),
)
@follow_links
@options_of(Reading, names=("samples_axis", "columns", "rows", "join"))
def shard(
    data, follow_links, output, shards, uneven, chunk_rows, compression, dataset, dtype, **reading
):
    """Write the rows of DATA again, in order and bit for bit, in other files, chunks or
    compression.

    Rank r writes shards r, r+ranks, …, reading their rows only. Nothing is overwritten; files get
    their names when all are written.
    """
    import numpy as np

    from ..files.file_set import layout, prepare, write_set
    from ..sources.source import open_source
    from ..sources.source_rows import SourceRows

    begun = time.monotonic()
    with world() as ranks:
        with ranks.agreed():
            check_storage(output, shards, chunk_rows, compression)
        how = ranks.decide(lambda: reading_of(None, reading, follow_links))
        source = ranks.decide(lambda: open_source(data, how, is_whole=False))
        source.tell(watching(ranks, speaker(ranks)))
        kind = np.dtype(dtype or source.dtype)
        laid_out = layout(
            output,
            source.n,
            source.d,
            kind,
            shards,
            uneven=uneven,
            dataset=dataset or source.parts[0].dataset,
            chunk_rows=chunk_rows,
            compression=compression,
            attributes=ranks.decide(source.common_attributes),
            feature_shape=source.feature_shape if source.view.numbers is None else (),
        )
        ranks.decide(lambda: prepare(laid_out))
        with ranks.blaming(source.change):
            write_set(ranks, laid_out, SourceRows(source, kind, _room(ranks)))
        say_written(ranks, laid_out, begun)


def _room(ranks):
    """Bytes that a rank may hold of data while it reads."""
    from ..planning.machine import available_memory

    return available_memory() // (2 * ranks.node.size)


@data.command(examples=("mpiexec -n 4 hpcpca data check data.h5",))
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@follow_links
@options_of(Reading)
def check(data, follow_links, **reading):
    """Read all of DATA once and report NaN, constant columns, and chunks that will hurt; exit 4
    where there is trouble.
    """
    import sys

    from ..sources.health import TROUBLE, joint, scan, storage_findings, value_findings
    from ..sources.source import open_source
    from ..units import format_seconds, format_size

    begun = time.monotonic()
    with world() as ranks:
        say = speaker(ranks, stream=sys.stdout)
        how = ranks.decide(lambda: reading_of(None, reading, follow_links))
        source = ranks.decide(lambda: open_source(data, how))
        source.tell(watching(ranks, speaker(ranks)))
        say(
            f"{source.n} × {source.d} {source.dtype} in {len(source.parts)} file(s),"
            f" {format_size(source.bytes)}"
        )
        findings = ranks.decide(lambda: list(storage_findings(source)))
        with ranks.blaming(source.change), ranks.agreed():
            values = scan(source, *source.blocks.shard(ranks.size, ranks.rank), _room(ranks))
        joint(values, _reducing(ranks))
        say(
            f"read in {format_seconds(time.monotonic() - begun)} by {ranks.size} rank(s): values"
            f" from {values.low.min():g} to {values.high.max():g}, column means from"
            f" {values.means.min(initial=float('inf')):g} to"
            f" {values.means.max(initial=float('-inf')):g}"
        )
        findings += value_findings(source, values)
        if change := ranks.decide(source.change):
            findings.append((TROUBLE, f"{change}: check it again"))
        for kind, text in findings:
            say(f"{kind}: {text}")
        troubles = sum(kind == TROUBLE for kind, _ in findings)
        if not troubles:
            say("healthy")
            return 0
        speaker(ranks)(
            f"hpcpca: check found {troubles} trouble(s) in {data[0]}"
            + (", …" if len(data) > 1 else "")
        )
        return 4


def _reducing(ranks):
    from mpi4py import MPI

    kinds = {"min": MPI.MIN, "max": MPI.MAX, "sum": MPI.SUM}
    return lambda kind, array: ranks.comm.Allreduce(MPI.IN_PLACE, array, kinds[kind])
