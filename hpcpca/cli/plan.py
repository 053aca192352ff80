"""``hpcpca plan``: what a job will take, without running it."""

import click

from ..errors import UsageError, on_all_ranks
from ..options import flags_of
from .command import Command
from .options import Size, options_of_all, parameters
from .problems import planned
from .session import show

WINDOW = (
    "supposed: ranks that are equally fast, whose local rounds are as many as those of --exchange"
    " vectors; what is gained where some are slower is not forecast"
)
PROBLEMS = planned()
OFFERED = {command: parameters(kind.settings, kind.options) for command, kind in PROBLEMS.items()}


@click.command(
    cls=Command,
    examples=(
        "hpcpca plan data.h5 -k 8",
        "hpcpca plan 1000000x5000 -k 20 --nodes 4 --sbatch job.sh",
    ),
)
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...|NxD")
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
@options_of_all(OFFERED)
@click.option(
    "-o",
    "--output",
    help="Result file, for the batch file; default: "
    + ", ".join(kind.output for kind in PROBLEMS.values())
    + ".",
)
@click.option("--sbatch", type=click.Path(), help="Write a SLURM batch file here.")
@click.option("--overwrite", is_flag=True, help="Replace an existing batch file.")
def plan(
    data,
    dtype,
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
    """Say what operator, memory, reads, exchange and time a job will take on DATA (or on N×D
    values): a fit with -k K, a regress with --targets and -r R. Not under mpiexec.
    """
    import os
    from dataclasses import replace

    from ..comm.launch import launched_size
    from ..files.outputs import check_output, write_text
    from ..kernels import kernels_for
    from ..operators.cost import Machine
    from ..planning import forecast
    from ..planning import sbatch as batch
    from ..planning.machine import available_memory
    from ..planning.plan import panel_width
    from ..planning.planned import with_places, words_of
    from ..planning.rates import measured_rates

    if launched_size() > 1:
        raise on_all_ranks(
            UsageError(
                f"mpiexec started {launched_size()} processes, a plan needs one: leave mpiexec out"
                f" and say --ranks {launched_size()}"
            )
        )
    command, kind, words = _asked(options)
    config = kind.settings(data=data, **words).check()
    if overwrite and not sbatch:
        raise UsageError(
            "--overwrite is about a batch file; name it with --sbatch, or leave --overwrite out"
        )
    if sbatch:
        check_output(sbatch, "--sbatch", overwrite, None, batch.is_no_script, what="batch file")
    output = output or kind.output
    planned_job = kind(config)
    sizes = planned_job.sizes(dtype, [output], lambda text: click.echo(text, err=True))
    most = planned_job.most(sizes)
    ranks = ranks or nodes * len(os.sched_getaffinity(0))
    if ranks < nodes:
        raise UsageError(f"--nodes {nodes} --ranks {ranks}: at least one rank per node is needed")
    machine = Machine(
        ranks=ranks,
        ranks_on_node=-(-ranks // nodes),
        threads=threads,
        memory=memory or available_memory(),
        rates=replace(measured_rates(), read=float(bandwidth), map=float(bandwidth)),
        shards=1 if config.exchange == "window" else None,
    )
    count = planned_job.count(most)
    job = planned_job.job(sizes, panel_width(count, None, most, config.is_ritz), machine)
    chosen = planned_job.choose(job)
    kernels = kernels_for(chosen.elements, sizes.types)
    cluster = forecast.Cluster(nodes, network, all(map(kernels.is_warm, sizes.types)))
    notes = (WINDOW,) if config.exchange == "window" else ()
    show(forecast.lines(job, chosen, count, cluster, (*notes, *planned_job.notes(most))))
    if sbatch:
        config, places = with_places(config, ("data", *kind.options))
        text = forecast.sbatch(
            job,
            chosen,
            cluster,
            command=command,
            words=[*config.data, *words_of(config, kind.options)],
            output=output,
            places=places,
        )
        write_text(sbatch, text, "name another place with --sbatch")
        note = f"; in its last line {batch.standing_for(places)}: edit it" if places else ""
        show([f"batch file: {sbatch}{note}"])


def _asked(options):
    """(command, what of it is planned, its settings that were given), by what is counted; raise
    UsageError if an option is another command's.
    """
    counts = {
        command: name
        for command, names in OFFERED.items()
        for name, each in names.items()
        if each.name == "components"
    }
    asked = [command for command, name in counts.items() if options[name] is not None]
    flags = {
        command: f"{flags_of(OFFERED[command][name])[0]} ('hpcpca {command}')"
        for command, name in counts.items()
    }
    if len(asked) != 1:
        raise UsageError(f"say what to plan by one of {' and '.join(flags.values())}")
    (command,) = asked
    given = {name: value for name, value in options.items() if value not in (None, ())}
    for name in given:
        if name not in OFFERED[command]:
            raise UsageError(
                f"--{name.replace('_', '-')} does not go with {flags[command]}; leave one of them"
                " out"
            )
    words = {OFFERED[command][name].name: value for name, value in given.items()}
    return command, PROBLEMS[command], words
