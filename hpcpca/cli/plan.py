"""``hpcpca plan``: what a job will take, without running it."""

import re

import click

from ..engine.settings import AccuracySettings, PanelSettings
from ..errors import UsageError, on_all_ranks
from ..methods.settings import MethodSettings
from ..operators.settings import OperatorSettings
from ..pca.settings import FitSettings, PcaSettings
from .options import Size, given, options_of
from .session import show

SHAPE = r"(\d+)[xX×](\d+)"

WINDOW = (
    "not forecast: what --exchange window gains or loses as nobody waits; passes and time are those"
    " of --exchange vectors"
)


@click.command()
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...|NxD")
@options_of(PanelSettings, names=("components",))
@click.option(
    "--dtype",
    default="float32",
    show_default=True,
    help="Type of the values, where only NxD is given.",
)
@click.option("--nodes", type=click.IntRange(1), default=1, show_default=True, help="Nodes.")
@click.option(
    "--ranks",
    type=click.IntRange(1),
    help="Ranks over all nodes; default: one per processor of this machine on each.",
)
@click.option(
    "--threads", type=click.IntRange(1), default=1, show_default=True, help="Threads per rank."
)
@click.option(
    "--memory", type=Size(), help="Memory per node, such as 64G; default: what is free here."
)
@click.option(
    "--bandwidth",
    type=Size(),
    default="1G",
    show_default=True,
    help="Bytes a second that a node gets from the files.",
)
@click.option(
    "--network",
    type=Size(),
    default="1G",
    show_default=True,
    help="Bytes a second between nodes, per rank.",
)
@options_of(OperatorSettings, names=("operator",))
@options_of(MethodSettings, names=("exchange", "batch_rows"))
@options_of(AccuracySettings, names=("tol", "precision"))
@options_of(PanelSettings, PcaSettings, names=("covariance", "follow_links"))
@click.option(
    "-o", "--output", default="pca.h5", show_default=True, help="Result file, for the batch file."
)
@click.option("--sbatch", type=click.Path(), help="Write a SLURM batch file here.")
@click.option("--overwrite", is_flag=True, help="Replace an existing batch file.")
def plan(
    data,
    components,
    nodes,
    ranks,
    threads,
    memory,
    bandwidth,
    network,
    sbatch,
    overwrite,
    output,
    **options,
):
    """Say what operator, memory, reads, exchange and time a fit of DATA (or of N×D values) will
    take. Not under mpiexec.
    """
    import os
    from dataclasses import replace

    import numpy as np

    from ..comm.launch import launched_size
    from ..files.outputs import check_output, write_text
    from ..kernels import kernels_for
    from ..operators.cost import Machine
    from ..pca.job import job_of, most_components, operator_of
    from ..planning import forecast
    from ..planning import sbatch as batch
    from ..planning.machine import available_memory
    from ..planning.plan import choose, panel_width
    from ..planning.rates import measured_rates

    if launched_size() > 1:
        raise on_all_ranks(
            UsageError(
                f"mpiexec started {launched_size()} processes, a plan needs one: leave mpiexec out"
                f" and say --ranks {launched_size()}"
            )
        )
    if overwrite and not sbatch:
        raise UsageError(
            "--overwrite is about a batch file; name it with --sbatch, or leave --overwrite out"
        )
    if sbatch and options["batch_rows"]:
        raise UsageError(
            "--sbatch needs a forecast of the time, which mini-batches have none of; leave"
            " --batch-rows out, and add it and a time limit of your own to the file"
        )
    if sbatch:
        check_output(sbatch, "--sbatch", overwrite, None, batch.is_no_script, what="batch file")
    sizes = _sizes(data, options.pop("dtype"), options["follow_links"], output, np)
    config = FitSettings(components=components, **given(FitSettings, options)).check()
    if config.covariance and sizes.n != sizes.d:
        raise UsageError(
            f"--covariance needs one square dataset; {data[0]} is {sizes.n} × {sizes.d}"
        )
    limit = most_components(components, sizes.n, sizes.d, config.covariance)
    ranks = ranks or nodes * len(os.sched_getaffinity(0))
    if ranks < nodes:
        raise UsageError(f"--nodes {nodes} --ranks {ranks}: at least one rank per node is needed")
    machine = Machine(
        ranks=ranks,
        ranks_on_node=-(-ranks // nodes),
        threads=threads,
        memory=memory or available_memory(),
        rates=replace(measured_rates(), read=float(bandwidth)),
        shards=1 if config.exchange == "window" else None,
    )
    panel = panel_width(components, None, limit, config.is_ritz)
    job = job_of(config, sizes, panel, machine)
    chosen = choose(job, operator_of(config), None)
    is_warm = kernels_for(chosen.elements).is_warm(sizes.dtype)
    cluster = forecast.Cluster(nodes, network, is_warm)
    notes = (WINDOW,) if config.exchange == "window" else ()
    show(forecast.lines(job, chosen, components, cluster, notes))
    if sbatch:
        named = () if re.fullmatch(SHAPE, data[0]) else data
        words = _words(config)
        text = forecast.sbatch(
            job, chosen, components, cluster, data=named, output=output, options=words
        )
        write_text(sbatch, text, "name another place with --sbatch")
        note = f"; in its last line {batch.PLACEHOLDER} stands for your data: edit it"
        show([f"batch file: {sbatch}" + ("" if named else note)])


def _words(config):
    """Options of ``fit`` that make the job the one that was planned."""
    defaults, words = type(config)(), []
    for name in ("operator", "exchange", "tol", "precision"):
        if getattr(config, name) != getattr(defaults, name):
            words += [f"--{name}", str(getattr(config, name))]
    return (
        words
        + ["--covariance"] * bool(config.covariance)
        + ["--follow-links"] * bool(config.follow_links)
    )


def _sizes(data, dtype, follow_links, output, np):
    """The ``Sizes`` that "NxD" or files say."""
    from ..pca.job import Sizes

    match = re.fullmatch(SHAPE, data[0]) if len(data) == 1 else None
    if match:
        try:
            kind = np.dtype(dtype)
            if kind.kind not in "iuf" or kind.itemsize > 8:
                raise UsageError(f"--dtype {dtype}: real numbers of at most 64 bits are needed")
            n, d = int(match[1]), int(match[2])
            if min(n, d) < 1:
                raise UsageError(f"{data[0]}: at least one row and one column are needed")
            return Sizes(n=n, d=d, dtype=kind)
        except TypeError:
            raise UsageError(
                f"--dtype {dtype} is no type of numpy; write float32, uint8, …"
            ) from None
    from ..files.result import ours_among
    from ..sources.source import open_source

    source = open_source(data, follow_links, own=ours_among([output]))
    source.tell(lambda text: click.echo(text, err=True))
    return Sizes.of(source)
