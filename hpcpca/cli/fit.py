"""``hpcpca fit``, and the commands of other problems."""

import click

from ..engine.signals import Signals
from ..errors import UsageError
from ..pca.settings import FitSettings
from .configured import ConfiguredCommand
from .options import given, options_of
from .outputs import check_new, check_places
from .problems import problem_named
from .running import Shown, run
from .session import holding, world


def shown(function):
    """Add the options that say what a run shows."""
    for option in (
        click.option("-q", "--quiet", is_flag=True, help="Only errors and the exit code."),
        click.option(
            "-v", "--verbose", is_flag=True, help="Also say versions, places and all options."
        ),
        click.option(
            "--log-json", type=click.Path(), help="Write one JSON object a round to this file."
        ),
    ):
        function = option(function)
    return function


def command_of(
    name, settings, text, data="DATA[:dataset]...", check=lambda options: None, *, examples=()
):
    """Return the command that runs the problem ``name``, with the options of its ``settings``.

    ``text`` is its help, which ends with ``examples``, ``data`` what the user names;
    ``check(options)`` raises UsageError for options that do not go together.
    """
    words = {"help": text, "examples": examples, "settings": {name: settings}}

    @click.command(name, cls=ConfiguredCommand, **words)
    @click.argument("data", nargs=-1, metavar=data)
    @options_of(*settings.parts, names=settings.offered())
    @shown
    @click.pass_context
    def command(context, log_json, quiet, verbose, **options):
        if not options["data"] and not options.get("extend"):
            raise click.MissingParameter(ctx=context, param=context.command.params[0])
        check(options)
        show = Shown(quiet, log_json, verbose)
        return begun(name, settings(**given(settings, options)), show)

    return command


def begun(name, settings, shown):
    """Run the problem ``name`` from the start; return the exit code."""
    config, log_json = settings.check(), shown.log_json
    if not config.output.strip():
        raise UsageError("-o '': name the result file")
    with Signals() as signals, world() as ranks:
        problem = problem_named(name)(config)
        problem.ground(ranks)
        config = problem.config
        ranks.decide(lambda: check_places(config, log_json))
        with holding(ranks, config) as lock:
            ranks.decide(lambda: check_new(problem, log_json))
            return run(problem, ranks, None, shown, signals, lock=lock)


fit = command_of(
    "fit",
    FitSettings,
    """Compute the K leading principal components of DATA.

    DATA: HDF5 files, globs or folders, in order; :dataset may be left out if a file has one large
    dataset, and that is 2-D. Rows are samples.
    """,
    examples=(
        "mpiexec -n 4 hpcpca fit data.h5 -k 8 -o pca.h5",
        "mpiexec -n 4 hpcpca fit 'run-*.h5:X' -k 0.95 -o pca.h5",
        "hpcpca fit cells.h5ad --log1p --scale -k 50 -o pca.h5",
        "hpcpca fit --config pca.h5 -k 16 -o more.h5",
    ),
)
