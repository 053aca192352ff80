"""``hpcpca bench``: measurements on this machine.

Start without mpiexec: they start it themselves.
"""

import click

from ..errors import NOT_ACHIEVED
from ..operators.settings import OperatorSettings
from .command import Group
from .options import options_of
from .session import show
from .types import Numbers, Shape

FAILED = "| failed"

EXPERIMENTS = (
    "synthetic",
    "local-steps",
    "gaps",
    "top1",
    "step-size",
    "batch-size",
    "high-dimensional",
    "scaling",
    "asynchronous",
    "corrections",
    "regression",
    "advance",
    "rank-discovery",
    "mnist",
    "compression",
    "effective-rank",
    "adapters",
    "adapters-of-sentences",
)
OF_TRAINING = ("compression", "effective-rank", "adapters", "adapters-of-sentences")
ON_DATA, ALSO_ON_DATA = ("mnist",), ("step-size", "batch-size", "high-dimensional")
INPUTS = ("fashion", "tall", "wide", "cells")
PEERS = ("covariance_eigh", "randomized", "arpack", "IncrementalPCA", "SLEPc", "scanpy")
OTHERS = ("SLEPc", "scanpy")  # than solvers of scikit-learn
RUNS = click.option(
    "--runs",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Counted runs of each, in turn.",
)
MPIEXEC = click.option(
    "--mpiexec", help="Launcher with its options; default: the one beside this Python."
)


@click.group(cls=Group)
def bench():
    """Measure hpcpca on this machine."""
    from ..comm.launch import launched_size
    from ..errors import UsageError, on_all_ranks

    if launched_size() > 1:
        raise on_all_ranks(UsageError("benchmarks start mpiexec themselves: run this without it"))


def _shown(lines):
    """Show a table; return the exit code: 4 where a run of it failed."""
    lines = list(lines)
    show(lines)
    return NOT_ACHIEVED if any(FAILED in line for line in lines) else 0


@bench.command(
    examples=(
        "hpcpca bench peers data.h5 -k 8",
        "hpcpca bench peers --input fashion --input tall",
    )
)
@click.argument("data", nargs=-1, metavar="[DATA[:dataset]...]")
@click.option(
    "-k", "--components", type=click.IntRange(1), help="Number of principal components K."
)
@click.option(
    "--input",
    "inputs",
    type=click.Choice(INPUTS),
    multiple=True,
    help="Data made for the purpose instead of DATA; may be given several times.",
)
@click.option(
    "--folder",
    default=".",
    show_default=True,
    help="Where such data are made, or found from last time (tall, wide: 1.6 GB each; cells: 0.5).",
)
@click.option(
    "--tol", type=float, default=1e-6, show_default=True, help="Tolerance of hpcpca and SLEPc."
)
@click.option(
    "--solver",
    "solvers",
    type=click.Choice(PEERS),
    multiple=True,
    metavar="NAME",
    help=f"Peers to compare with, of {', '.join(PEERS)}; may be given several times. Default: all.",
)
@click.option(
    "--compression",
    is_flag=True,
    help=(
        "Train on Fashion-MNIST instead, beside PyTorch with its PowerSGD hook (Debian's"
        " python3-torch); extra [train]. --runs: seeds."
    ),
)
@RUNS
@MPIEXEC
def peers(data, components, inputs, folder, tol, solvers, compression, runs, mpiexec):
    """Compare with scikit-learn, and SLEPc where Debian's python3-slepc4py and python3-h5py are
    installed, end to end on DATA: whole processes, warm cache. Sparse rows with scanpy, if it is
    installed, in place of SLEPc. Extra [bench].
    """
    from ..bench import inputs as made
    from ..bench.peers import compare
    from ..errors import UsageError

    if compression and (data or inputs or components or solvers):
        raise UsageError("--compression has data of its own; leave DATA and options of fit out")
    if compression:
        from ..bench.training.against_torch import compare as against_torch

        return _shown(against_torch(2, runs, mpiexec=mpiexec))
    if bool(data) == bool(inputs) or (data and not components):
        raise UsageError("give DATA and -k, or --input")
    chosen = {
        "solvers": [name for name in solvers or PEERS if name not in OTHERS],
        "others": [name for name in solvers or PEERS if name in OTHERS],
    }
    code = _shown(compare(data, components, tol, runs, mpiexec, **chosen)) if data else 0
    for name in inputs:
        given = made.INPUTS[name]
        how, files = given.make(folder, f"bench-{name}")
        show([f"{name}: {how}; K = {components or given.components}\n"])
        table = compare(files, components or given.components, tol, runs, mpiexec, **chosen)
        code = max(code, _shown([*table, ""]))
    return code


@bench.command(examples=("hpcpca bench kernels --dtype float32 --vectors 8,16",))
@click.option(
    "--dtype",
    "types",
    multiple=True,
    help="Element type; may be given several times. Default: all.",
)
@click.option(
    "--vectors", type=Numbers(), help="Panel widths, with commas. Default: nine from 1 to 64."
)
@click.option(
    "-d",
    "--columns",
    type=Numbers(),
    default="784,2000,50000",
    show_default=True,
    help="Columns of the blocks.",
)
@RUNS
def kernels(types, vectors, columns, runs):
    """The block product (B−c)'((B−c)V) on one core as a share of its ceiling, measured in turn, by
    element type, shape and panel width.
    """
    from ..bench.kernels import TYPES, WIDTHS, compare
    from ..errors import UsageError

    if unknown := set(types) - set(TYPES):
        raise UsageError(f"--dtype {min(unknown)}: choose from {', '.join(TYPES)}")
    show(compare(types or TYPES, vectors or WIDTHS, columns, runs))


@bench.command(examples=("hpcpca bench scaling 100000x1000 -k 8 --ranks 1,2,4",))
@click.argument("shapes", nargs=-1, required=True, type=Shape(), metavar="NxD...")
@click.option(
    "-k",
    "--components",
    type=click.IntRange(1),
    required=True,
    help="Number of principal components K.",
)
@click.option(
    "--ranks", type=Numbers(), default="1,2,3,4", show_default=True, help="Numbers of ranks to try."
)
@options_of(OperatorSettings, names=("operator",))
@click.option(
    "--folder",
    help="Where the data are made for the time being; default: the system's folder for such.",
)
@RUNS
@MPIEXEC
def scaling(shapes, components, ranks, operator, folder, runs, mpiexec):
    """Strong and weak scaling over ranks of one thread on this machine, on N×D data made here,
    with the share of time in exchange; a table for each size.
    """
    import os

    from ..bench.scaling import scale
    from ..errors import DataError

    if folder and not os.path.isdir(folder):
        raise DataError(f"--folder {folder}: no such folder; make it first")
    more = {"runs": runs, "mpiexec": mpiexec, "folder": folder}
    return max(
        _shown([*scale(*shape, components, ranks, operator or "auto", **more), ""])
        for shape in shapes
    )


@bench.command(examples=("hpcpca bench cold big.h5 -k 8 --memory 1G",))
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@click.option(
    "-k",
    "--components",
    type=click.IntRange(1),
    required=True,
    help="Number of principal components K.",
)
@click.option(
    "--memory", default="1G", show_default=True, help="As in fit: less than the data need."
)
@click.option("--tol", type=float, default=1e-4, show_default=True, help="As in fit.")
@click.option(
    "--ranks", type=click.IntRange(1), default=2, show_default=True, help="Ranks of one thread."
)
@RUNS
@MPIEXEC
def cold(data, components, memory, tol, ranks, runs, mpiexec):
    """Fits of DATA larger than their memory with every read from the disk, with corrections on a
    sample and without, in turn, beside what reading and computing take at least.
    """
    from ..bench.cold import run_cold

    show(run_cold(data, components, memory, tol, ranks, runs=runs, mpiexec=mpiexec))


@bench.command(examples=("hpcpca bench compression 4096x1024 --count 2",))
@click.argument("shape", type=Shape(), default="2048x2048", metavar="[NxM]")
@click.option("--count", type=click.IntRange(1), default=4, show_default=True, help="Matrices.")
@click.option(
    "-r", "--rank", type=click.IntRange(1), default=2, show_default=True, help="Of means."
)
@click.option(
    "--ranks", type=click.IntRange(1), default=2, show_default=True, help="Ranks of one thread."
)
@RUNS
@MPIEXEC
def compression(shape, count, rank, ranks, runs, mpiexec):
    """A step of PowerSGD on matrices NxM (default 2048x2048): seconds by part, beside the two
    products and the memory traffic alone, and beside PyTorch's hook if Debian's python3-torch is
    installed.
    """
    from ..bench.compression import compare

    show(compare(shape, count, rank, ranks, runs=runs, mpiexec=mpiexec))


@bench.command(examples=("hpcpca bench experiments gaps --folder results",))
@click.argument("names", nargs=-1, type=click.Choice(EXPERIMENTS), metavar="[NAME]...")
@click.option(
    "--folder",
    default=".",
    show_default=True,
    help="Where NAME.h5, NAME.md and (extra [plot]) NAME.png are written.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    help="Of data, eigenvectors and start vectors; default: 10, with --quick 2.",
)
@click.option("--overwrite", is_flag=True, help="Replace files of an experiment that are there.")
@click.option(
    "--quick", is_flag=True, help="Small sizes and few rounds: whether it runs, not what it shows."
)
@click.option(
    "--data",
    multiple=True,
    metavar="DATA[:dataset]",
    help=(
        "Pictures for mnist, and for those of mini-batches, such as data/fashion-mnist of the"
        " sources."
    ),
)
def experiments(names, folder, seeds, overwrite, quick, data):
    """Experiments on this machine: the paper's, synthetic, local-steps, gaps, top1, step-size,
    batch-size, high-dimensional, scaling, asynchronous, corrections, and, on --data, mnist; of
    regressions regression, advance and rank-discovery; of training (extra [train]) compression and
    effective-rank, with compressed gradients, adapters and adapters-of-sentences. Default: all but
    those of training; mnist only with --data. With medians and ranges over seeds.
    """
    from importlib import import_module

    from ..bench.experiments.record import check_places, save
    from ..errors import UsageError
    from .session import world

    if not data and set(names) & set(ON_DATA):
        raise UsageError("mnist needs --data, such as data/fashion-mnist of the sources")
    if data and names and not set(names) & {*ON_DATA, *ALSO_ON_DATA}:
        raise UsageError(
            f"--data is for {', '.join([*ON_DATA, *ALSO_ON_DATA])}; {', '.join(names)}: data of its"
            " own; leave --data out"
        )
    seeds = seeds or (2 if quick else 10)
    left_out = OF_TRAINING if data else (*OF_TRAINING, *ON_DATA)
    names = names or [name for name in EXPERIMENTS if name not in left_out]
    check_places(names, folder, overwrite)
    with world() as ranks:
        for name in names:
            given = (data,) if name in (*ON_DATA, *ALSO_ON_DATA) else ()
            record = import_module(
                f"..bench.experiments.{name.replace('-', '_')}", __package__
            ).run(ranks, seeds, quick, *given)
            record.settings["quick"] = quick
            paths = save(record, folder)
            show([f"## {name}", "", *record.table, "", "written: " + ", ".join(paths), ""])
