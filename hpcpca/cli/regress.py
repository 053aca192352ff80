"""``hpcpca regress`` and ``hpcpca predict``."""

from dataclasses import fields

import click

from ..errors import UsageError
from ..options import spelled
from ..regression.modules.settings import GrowthSettings, ModulesSettings
from ..regression.settings import RegressSettings
from ..sources.reading import Reading
from .command import Command
from .configured import ConfiguredCommand
from .fit import begun, shown
from .options import follow_links, given, headed, options_of
from .running import Shown
from .session import speaker, watching, world
from .transform import DTYPES, writing_options

# options of modules beside those that every regression has; --budget has another meaning there
OF_MODULES = ("budget", "rank_max", "grow", "warm_up", "grow_every", "grow_by")


@click.command(
    cls=ConfiguredCommand,
    settings={"regress": RegressSettings, "regress --modules": ModulesSettings},
    called={"regress --modules": {"data": "modules"}},
    examples=(
        "mpiexec -n 4 hpcpca regress x.h5 --targets y.h5 \\",
        "    -r 8 -o model.h5",
        "hpcpca regress x.h5 --targets y.h5 -r auto -o model.h5",
    ),
)
@click.argument("data", nargs=-1, metavar="DATA[:dataset]...")
@options_of(*RegressSettings.parts, names=RegressSettings.offered() - {"budget"})
@click.option(
    "--modules",
    multiple=True,
    metavar="FILE",
    cls=headed(GrowthSettings),
    help=(
        "Instead of DATA and --targets: many regressions, of X and Y in every group of these files;"
        " they share a --budget."
    ),
)
@options_of(GrowthSettings, names=OF_MODULES)
@shown
def regress(data, modules, log_json, quiet, verbose, **options):
    """Predict --targets from DATA through R rank-one pairs: reduced-rank regression.

    DATA (the inputs) and the targets are HDF5 files, globs or folders, in order; row i of the one
    belongs to row i of the other. The files may be cut differently.
    """
    show = Shown(quiet, log_json, verbose)
    if not modules:
        if not data:
            raise UsageError("DATA is missing: name the inputs, or many regressions by --modules")
        _refuse(options, RegressSettings, "goes with --modules")
        settings = RegressSettings(data=data, **given(RegressSettings, options))
        return begun("regress", settings, show)
    if data:
        raise UsageError(f"{data[0]}: --modules has inputs and targets; leave DATA out")
    _refuse(options, ModulesSettings, "does not go with --modules")
    settings = ModulesSettings(data=modules, **given(ModulesSettings, options))
    return begun("regress --modules", settings, show)


def _refuse(options, settings, why):
    """Raise UsageError if an option was given that ``settings`` do not have."""
    known = {
        each.name: each for part in (RegressSettings, ModulesSettings) for each in fields(part)
    }
    for name, value in options.items():
        if value not in (None, ()) and name not in settings.offered():
            raise UsageError(f"{spelled(known[name], value)} {why}")


@click.command(
    cls=Command,
    examples=("mpiexec -n 4 hpcpca predict model.h5 new.h5 -o y.h5",),
)
@click.argument("model", metavar="MODEL")
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@click.option("-r", "--rank", type=int, help="Only so many of the pairs.")
@click.option(
    "--dtype",
    type=DTYPES,
    help=(
        "Type of the predictions; default: float32 for float32, float16 and integers up to 16"
        " bits, else float64."
    ),
)
@follow_links
@options_of(Reading)
@writing_options
def predict(model, data, rank, quiet, **options):
    """Write what MODEL, a result of 'hpcpca regress', predicts from the rows of DATA as
    /predictions (n, q).
    """
    with world() as ranks:
        from ..mapping.streaming import Writing
        from ..regression.prediction import predict as run

        say, how = watching(ranks, speaker(ranks, quiet)), Writing(**given(Writing, options))
        run(ranks, say, model, data, how, count=rank, reading=given(Reading, options))
