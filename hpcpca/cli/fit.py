"""``hpcpca fit``, and the commands of other problems."""

import click

from ..engine.signals import Signals
from ..errors import UsageError
from ..pca.settings import FitSettings
from .options import GroupedCommand, given, options_of
from .outputs import check_new, check_places
from .problems import problem_named
from .running import Shown, run
from .session import holding, world


def shown(function):
    """Add the options that say what a run shows."""
    function = click.option("-q", "--quiet", is_flag=True, help="Only errors and the exit code.")(
        function
    )
    return click.option(
        "--log-json", type=click.Path(), help="Write one JSON object a round to this file."
    )(function)


def command_of(name, settings, text, data="DATA[:dataset]...", check=lambda options: None):
    """Return the command that runs the problem ``name``, with the options of its ``settings``.

    ``text`` is its help, ``data`` what the user names; ``check(options)`` raises UsageError for
    options that do not go together.
    """

    @click.command(name, cls=GroupedCommand, help=text)
    @click.argument("data", nargs=-1, required=True, metavar=data)
    @options_of(*settings.parts, names=settings.offered())
    @shown
    def command(log_json, quiet, **options):
        check(options)
        return begun(name, settings(**given(settings, options)), Shown(quiet, log_json))

    return command


def begun(name, settings, shown):
    """Run the problem ``name`` from the start; return the exit code."""
    config, log_json = settings.check(), shown.log_json
    if not config.output.strip():
        raise UsageError("-o '': name the result file")
    with Signals() as signals, world() as ranks:
        problem = problem_named(name)(config)
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
)
