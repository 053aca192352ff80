"""``hpcpca fit`` and ``hpcpca resume``."""

from dataclasses import fields

import click

from ..config import EXCHANGES, FitConfig
from ..errors import UsageError
from ..signals import Signals
from .options import Size, follow_links
from .outputs import check_new, check_place_of, check_places, check_resumed
from .running import run_fit
from .session import holding, speaker, world


def _options(*options):
    """Apply click options in reading order."""
    def decorate(function):
        for option in reversed(options):
            function = option(function)
        return function
    return decorate


running = _options(
    click.option("--grid", metavar="WxS", help="Ranks as W groups of columns × S shards of rows; by default 1×ranks, ranks×1 for gram."),
    click.option("--threads", type=int, help="Threads per rank; default: processors ÷ ranks that share them, OMP_NUM_THREADS at most."),
    click.option("--memory", type=Size(), help="Memory per node that may be used, such as 2G; default: what is free."),
    click.option("--operator", type=click.Choice(["auto", "gram", "in-memory", "streaming"]), help="How Σ is held; auto decides by expected time and memory."),
    click.option("--checkpoint", type=click.Path(), help="Checkpoint file; default: OUT.ckpt."),
    click.option("--checkpoint-every", metavar="30s|10m|10r", help="Seconds, minutes or rounds between checkpoints (default 10m)."),
    click.option("--no-checkpoint", is_flag=True, default=None, help="Write no checkpoints; those that are there stay."),
    click.option("--max-time", metavar="55m", help="Stop in time with a checkpoint and exit 75; counted from the start of the program; a bare number is seconds."),
    click.option("--log-json", type=click.Path(), help="Write one JSON object a round to this file."),
    click.option("-q", "--quiet", is_flag=True, help="Only errors and the exit code."),
)


@click.command()
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@click.option("-k", "--components", type=int, required=True, help="Number of principal components K.")
@click.option("-o", "--output", required=True, type=click.Path(), help="Result file (HDF5).")
@click.option("--method", type=click.Choice(list(EXCHANGES)), help="Default parallel-deflation; the others to compare with.")
@click.option("--exchange", type=click.Choice(["ritz", "vectors", "window"]), help="What workers exchange: ritz (default); vectors, as in the paper; window: vectors, without waiting.")
@click.option("--top1", type=click.Choice(["power", "hebb", "oja", "momentum", "lanczos", "chebyshev"]), help="Top1 solver of the vectors and window exchanges (default power).")
@click.option("--deflation", type=click.Choice(["hotelling", "projection"]), help="Of these exchanges: by eigenvalues (default), or by orthonormalised superiors.")
@click.option("--batch-rows", type=int, metavar="B", help="Learn from mini-batches of B rows, drawn from the files for every worker; one pass before and one after, to measure.")
@click.option("--polish", is_flag=True, default=None, help="After mini-batches exact passes, to --tol.")
@click.option("--step-size", metavar="ETA|auto", help="η of --top1 hebb and oja, in units of 1/variance; auto (default): by the eigenvalues.")
@click.option("--step-schedule", type=click.Choice(["constant", "1/l", "harmonic", "adaptive"]), help="How η changes on mini-batches; default: adaptive, or constant for a given η.")
@click.option("--local-steps", type=int, metavar="T", help="Applications of Σ between two exchanges of vectors (default 1).")
@click.option("--stagger/--no-stagger", default=None, help="Vectors exchange: component k starts in round k+1 (default), or all at once.")
@click.option("--advance", is_flag=True, default=None, help="Vectors exchange: all at once, deflated by those only whose turn has come.")
@click.option("--max-staleness", type=int, metavar="S", help="Window exchange: no worker is more than S rounds ahead of a superior; default: any number.")
@click.option("--inject-latency", multiple=True, metavar="SPEC", help="Vectors, window: to try what it costs; rank=3:50ms, rank=*:0-20ms late; rank=3:5x slow; rank=*:apply=5ms.")
@click.option("--guards", type=int, help="Extra columns past K; default: to a multiple of 8, at least eight (ritz); none (vectors).")
@click.option("--basis", metavar="N|all", help="Rows of history the ritz exchange may keep, at least 3 panels; default by memory.")
@click.option("--warm-start/--cold", default=None, help="Ritz exchange: start from sampled rows (default where it pays), or at random.")
@click.option("--init", metavar="FILE:dataset", help="Start vectors (rows).")
@click.option("--tol", type=float, help="Residual ‖Σv−λv‖/λ₀ to reach for every component (default 1e-6; 1e-2 of mini-batches).")
@click.option("--max-rounds", type=int, help="Rounds after which to stop unconverged (default 1000).")
@click.option("--seed", type=int, help="Seed of everything random (default 0).")
@click.option("--precision", type=click.Choice(["auto", "single", "double"]), help="Arithmetic of the products (default auto: by type and tol).")
@click.option("--covariance", is_flag=True, default=None, help="DATA is a d×d covariance matrix itself.")
@follow_links
@click.option("--overwrite", is_flag=True, default=None, help="Replace an existing result and its checkpoint.")
@running
def fit(log_json, quiet, **options):
    """Compute the K leading principal components of DATA.

    DATA: HDF5 files, globs or folders, in order; :dataset may be left out where a file has one 2-D dataset. Rows are samples.
    """
    config = FitConfig(**_given(options)).check()
    if not config.output.strip():
        raise UsageError("-o '': name the result file")
    with Signals() as signals, world() as ranks:
        ranks.decide(lambda: check_places(config, log_json))
        with holding(ranks, config) as lock:
            ranks.decide(lambda: check_new(config, log_json))
            return run_fit(ranks, config, None, log_json, quiet, signals, lock)


@click.command()
@click.argument("file", metavar="CKPT|RESULT")
@click.option("-o", "--output", type=click.Path(), help="Result file; default: the one recorded. A result that was moved or copied needs it.")
@click.option("--data", multiple=True, metavar="DATA[:dataset]", help="Where the data are now, if they moved.")
@click.option("--tol", type=float, help="Another tolerance.")
@click.option("--max-rounds", type=int, help="Another limit on rounds, counted from the very start.")
@click.option("--basis", metavar="N|all", help="Rows of history the ritz exchange may keep.")
@click.option("--precision", type=click.Choice(["auto", "single", "double"]), help="Another precision.")
@running
def resume(file, log_json, quiet, **options):
    """Go on from a checkpoint or a result, on any number of ranks."""
    from ..driver import resumed_config
    with Signals() as signals, world() as ranks:
        start, warning = ranks.decide(lambda: load_when_free(file))
        ranks.decide(lambda: check_place_of(start, options["output"]))
        if warning:
            speaker(ranks)(f"hpcpca: warning: {warning}")
        changes = _given(options)
        if start.config["grid"] and "grid" not in changes:
            changes["grid"] = None  # it belonged to another number of ranks
        config = ranks.decide(lambda: resumed_config(start, **{"threads": None, "memory": None, "max_time": None, "no_checkpoint": False, "inject_latency": None, **changes}).check())
        ranks.decide(lambda: check_places(config, log_json))
        with holding(ranks, config) as lock:
            ranks.decide(lambda: check_resumed(config, log_json, start))
            return run_fit(ranks, config, start, log_json, quiet, signals, lock)


def load_when_free(path):
    """The stored run to go on from; raise PlatformError where it is going on and has written nothing yet. For one rank to call."""
    import os

    from ..errors import PlatformError
    from ..io import lock
    from ..io.result import load
    if not os.path.exists(path) and not os.path.exists(path + ".1") and lock.is_running(path + lock.SUFFIX):
        raise PlatformError(f"{path} belongs to a run that is going on, and is not written yet; wait for it, or stop it")
    return load(path)


def _given(options):
    """Only the options that were given; the rest are the defaults of FitConfig."""
    names = {field.name for field in fields(FitConfig)}
    return {name: value for name, value in options.items() if name in names and value not in (None, ())}
