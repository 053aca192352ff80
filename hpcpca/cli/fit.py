"""``hpcpca fit`` and ``hpcpca resume``."""

import click

from ..engine.settings import AccuracySettings, MachineSettings, OutputSettings
from ..engine.signals import Signals
from ..errors import UsageError
from ..methods.registry import PARTS
from ..methods.settings import MethodSettings
from ..operators.settings import OperatorSettings
from ..pca.settings import FitSettings, PcaSettings, resumed
from .options import GroupedCommand, given, options_of
from .outputs import check_new, check_place_of, check_places, check_resumed
from .running import run_fit
from .session import holding, speaker, world

AGAIN = (
    "tol",
    "max_rounds",
    "basis",
    "precision",
    "operator",
    "checkpoint",
    "checkpoint_every",
    "no_checkpoint",
    "grid",
    "threads",
    "memory",
    "max_time",
)  # what a resumed run may change


def shown(function):
    """Add the options that say what a run shows."""
    function = click.option("-q", "--quiet", is_flag=True, help="Only errors and the exit code.")(
        function
    )
    return click.option(
        "--log-json", type=click.Path(), help="Write one JSON object a round to this file."
    )(function)


@click.command(cls=GroupedCommand)
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@options_of(
    PcaSettings,
    OutputSettings,
    MethodSettings,
    *PARTS,
    AccuracySettings,
    OperatorSettings,
    MachineSettings,
)
@shown
def fit(log_json, quiet, **options):
    """Compute the K leading principal components of DATA.

    DATA: HDF5 files, globs or folders, in order; :dataset may be left out if a file has one large
    dataset, and that is 2-D. Rows are samples.
    """
    config = FitSettings(**given(FitSettings, options)).check()
    if not config.output.strip():
        raise UsageError("-o '': name the result file")
    with Signals() as signals, world() as ranks:
        ranks.decide(lambda: check_places(config, log_json))
        with holding(ranks, config) as lock:
            ranks.decide(lambda: check_new(config, log_json))
            return run_fit(ranks, config, None, log_json, quiet, signals, lock)


@click.command(cls=GroupedCommand)
@click.argument("file", metavar="CKPT|RESULT")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    help="Result file; default: the one recorded. A result that was moved or copied needs it.",
)
@click.option(
    "--data", multiple=True, metavar="DATA[:dataset]", help="Where the data are now, if they moved."
)
@options_of(
    AccuracySettings, *PARTS, OutputSettings, OperatorSettings, MachineSettings, names=AGAIN
)
@shown
def resume(file, log_json, quiet, **options):
    """Go on from a checkpoint or a result, on any number of ranks."""
    with Signals() as signals, world() as ranks:
        start, warning = ranks.decide(lambda: load_when_free(file))
        ranks.decide(lambda: check_place_of(start, options["output"]))
        if warning:
            speaker(ranks)(f"hpcpca: warning: {warning}")
        changes = given(FitSettings, options)
        if start.config["grid"] and "grid" not in changes:
            changes["grid"] = None  # it belonged to another number of ranks
        config = ranks.decide(
            lambda: resumed(
                start,
                **{
                    "threads": None,
                    "memory": None,
                    "max_time": None,
                    "no_checkpoint": False,
                    "inject_latency": None,
                    **changes,
                },
            ).check()
        )
        ranks.decide(lambda: check_places(config, log_json))
        with holding(ranks, config) as lock:
            ranks.decide(lambda: check_resumed(config, log_json, start))
            return run_fit(ranks, config, start, log_json, quiet, signals, lock)


def load_when_free(path):
    """The stored run to go on from; raise PlatformError where it is going on and has written
    nothing yet. For one rank to call.
    """
    import os

    from ..errors import PlatformError
    from ..files import lock
    from ..files.result import load

    if (
        not os.path.exists(path)
        and not os.path.exists(path + ".1")
        and lock.is_running(path + lock.SUFFIX)
    ):
        raise PlatformError(
            f"{path} belongs to a run that is going on, and is not written yet; wait for it, or"
            " stop it"
        )
    return load(path)
