"""``hpcpca resume``, of what any problem has written."""

from dataclasses import fields

import click

from ..averaging.settings import AveragingSettings
from ..engine.settings import AccuracySettings, MachineSettings, OutputSettings
from ..engine.signals import Signals
from ..errors import UsageError, on_all_ranks
from ..methods.registry import PARTS
from ..pca.settings import FitSettings
from ..regression.settings import RegressSettings
from .command import Command
from .fit import shown
from .options import given, options_of, options_of_all, parameters
from .outputs import check_place_of, check_places, check_resumed
from .problems import problem_of
from .running import Shown, run
from .session import holding, speaker, world

AGAIN = (
    "tol",
    "max_rounds",
    "basis",
    "precision",
    "checkpoint",
    "checkpoint_every",
    "no_checkpoint",
    "grid",
    "threads",
    "memory",
    "max_time",
)  # what a resumed run may change


@click.command(
    cls=Command,
    examples=(
        "mpiexec -n 8 hpcpca resume pca.h5.ckpt",
        "mpiexec -n 4 hpcpca resume pca.h5 --tol 1e-9",
    ),
)
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
@click.option(
    "--targets", multiple=True, metavar="DATA[:dataset]", help="Where the targets are now."
)
@options_of(AccuracySettings, *PARTS, OutputSettings, MachineSettings, names=AGAIN)
@options_of_all(
    {
        "fit": parameters(FitSettings, ("operator",)),
        "regress": parameters(RegressSettings, ("operator",)),
        "compress": parameters(AveragingSettings, ("steps",)),
    }
)
@shown
def resume(file, log_json, quiet, verbose, **options):
    """Go on from a checkpoint or a result, on any number of ranks."""
    with Signals() as signals, world() as ranks:
        start, warning = ranks.decide(lambda: load_when_free(file))
        ranks.decide(lambda: check_place_of(start, options["output"]))
        if warning:
            speaker(ranks)(f"hpcpca: warning: {warning}")
        kind = ranks.decide(lambda: problem_of(start))
        check_known(kind, options)
        changes = given(kind.settings, options)
        if start.config.get("grid") and "grid" not in changes:
            changes["grid"] = None  # it belonged to another number of ranks
        config = ranks.decide(lambda: resumed(kind.settings, start, changes).check())
        problem = kind(config)
        problem.ground(ranks)
        config = problem.config
        ranks.decide(lambda: check_places(config, log_json))
        with holding(ranks, config) as lock:
            ranks.decide(lambda: check_resumed(problem, log_json, start))
            show = Shown(quiet, log_json, verbose)
            return run(problem, ranks, start, show, signals, lock=lock)


def resumed(settings, stored, changes):
    """Return the settings of a run that resumes the ``stored`` one, with ``changes``."""
    chain = (*stored.config.get("resumed_from", ()), stored.path)
    # these belong to the run that was stopped
    known = {each.name for each in fields(settings)}
    own = dict.fromkeys({"threads", "memory", "max_time", "inject_latency"} & known)
    changes = {**own, "no_checkpoint": False, "resumed_from": chain, **changes}
    return settings.restored(stored.config, **changes)


def check_known(problem, options):
    """Raise UsageError if an option was given that the problem has not."""
    known = problem.settings.offered() | {"data"}
    for name, value in options.items():
        if name not in known and value not in (None, ()):
            raise on_all_ranks(
                UsageError(f"--{name.replace('_', '-')} does not belong to 'hpcpca {problem.name}'")
            )


def load_when_free(path):
    """The stored run to go on from; raise PlatformError where it is going on and has written
    nothing yet. For one rank to call.
    """
    import os

    from ..errors import DataError, PlatformError
    from ..files import lock
    from ..files.result import load

    if not os.path.exists(path) and not os.path.exists(path + ".1"):
        if lock.is_running(path + lock.SUFFIX):
            raise PlatformError(
                f"{path} belongs to a run that is going on, and is not written yet; wait for it, or"
                " stop it"
            )
        checkpoint = path + ".ckpt"
        if os.path.exists(checkpoint) or os.path.exists(checkpoint + ".1"):
            raise DataError(
                f"{path}: no such file, but its run left a checkpoint; go on with 'hpcpca resume"
                f" {checkpoint}'"
            )
    return load(path)
