"""``hpcpca fit`` and ``hpcpca resume``."""

import sys
from dataclasses import fields

import click

from ..config import FitConfig
from ..units import format_seconds, format_size
from .options import Size
from .outputs import check_new, check_resumed
from .session import speaker, world


def _options(*options):
    """Apply click options in reading order."""
    def decorate(function):
        for option in reversed(options):
            function = option(function)
        return function
    return decorate


running = _options(
    click.option("--grid", metavar="WxS", help="Ranks as W groups of columns × S shards of rows; by default 1×ranks, ranks×1 for gram."),
    click.option("--threads", type=int, help="Threads per rank; default: processors ÷ ranks that share them."),
    click.option("--memory", type=Size(), help="Memory per node that may be used, such as 2G; default: what is free."),
    click.option("--operator", type=click.Choice(["auto", "gram", "in-memory", "streaming"]), help="How Σ is held; auto decides by expected time and memory."),
    click.option("--checkpoint", type=click.Path(), help="Checkpoint file; default: OUT.ckpt."),
    click.option("--checkpoint-every", metavar="30s|10m|10r", help="Seconds, minutes or rounds between checkpoints (default 10m)."),
    click.option("--no-checkpoint", is_flag=True, default=None, help="Write no checkpoints."),
    click.option("--log-json", type=click.Path(), help="Write one JSON object a round to this file."),
    click.option("-q", "--quiet", is_flag=True, help="Only errors and the exit code."),
)


@click.command()
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@click.option("-k", "--components", type=int, required=True, help="Number of principal components K.")
@click.option("-o", "--output", required=True, type=click.Path(), help="Result file (HDF5).")
@click.option("--exchange", type=click.Choice(["ritz", "vectors"]), help="What workers exchange: ritz (default), or vectors, as in the paper.")
@click.option("--top1", type=click.Choice(["power", "lanczos"]), help="Top1 solver of the vectors exchange (default power).")
@click.option("--local-steps", type=int, metavar="T", help="Applications of Σ between two exchanges of vectors (default 1).")
@click.option("--stagger/--no-stagger", default=None, help="Vectors exchange: component k starts in round k+1 (default), or all at once.")
@click.option("--guards", type=int, help="Extra columns past K; default: to a multiple of 8, at least eight (ritz); none (vectors).")
@click.option("--basis", metavar="N|all", help="Rows of history the ritz exchange may keep, at least 3 panels; default by memory.")
@click.option("--warm-start/--cold", default=None, help="Ritz exchange: start from sampled rows (default where it pays), or at random.")
@click.option("--init", metavar="FILE:dataset", help="Start vectors (rows).")
@click.option("--tol", type=float, help="Residual ‖Σv−λv‖/λ₀ to reach for every component (default 1e-6).")
@click.option("--max-rounds", type=int, help="Rounds after which to stop unconverged (default 1000).")
@click.option("--seed", type=int, help="Seed of everything random (default 0).")
@click.option("--precision", type=click.Choice(["auto", "single", "double"]), help="Arithmetic of the products (default auto: by type and tol).")
@click.option("--covariance", is_flag=True, default=None, help="DATA is a d×d covariance matrix itself.")
@click.option("--overwrite", is_flag=True, default=None, help="Replace an existing result and its checkpoint.")
@running
def fit(log_json, quiet, **options):
    """Compute the K leading principal components of DATA.

    DATA: HDF5 files, globs or folders, in order; :dataset may be left out where a file has one 2-D dataset. Rows are samples.
    """
    config = FitConfig(**_given(options)).check()
    with world() as ranks:
        ranks.decide(lambda: check_new(config, log_json))
        return _run(ranks, config, None, log_json, quiet)


@click.command()
@click.argument("file", metavar="CKPT|RESULT")
@click.option("-o", "--output", type=click.Path(), help="Result file; default: the one recorded.")
@click.option("--data", multiple=True, metavar="DATA[:dataset]", help="Where the data are now, if they moved.")
@click.option("--tol", type=float, help="Another tolerance.")
@click.option("--max-rounds", type=int, help="Another limit on rounds, counted from the very start.")
@click.option("--basis", metavar="N|all", help="Rows of history the ritz exchange may keep.")
@click.option("--precision", type=click.Choice(["auto", "single", "double"]), help="Another precision.")
@running
def resume(file, log_json, quiet, **options):
    """Go on from a checkpoint or a result, on any number of ranks."""
    from ..driver import resumed_config
    from ..io.result import load
    with world() as ranks:
        start, warning = ranks.decide(lambda: load(file))
        if warning:
            speaker(ranks)(f"hpcpca: warning: {warning}")
        changes = _given(options)
        if start.config["grid"] and "grid" not in changes:
            changes["grid"] = None  # it belonged to another number of ranks
        config = ranks.decide(lambda: resumed_config(start, **{"threads": None, "memory": None, **changes}).check())
        ranks.decide(lambda: check_resumed(config, log_json, start))
        return _run(ranks, config, start, log_json, quiet)


def _given(options):
    """Only the options that were given; the rest are the defaults of FitConfig."""
    names = {field.name for field in fields(FitConfig)}
    return {name: value for name, value in options.items() if name in names and value not in (None, ())}


def _run(ranks, config, start, log_json, quiet):
    from .. import driver
    from ..monitors import progress, stopping
    say = speaker(ranks, quiet)
    fit = driver.Fit(ranks, config, say, start)
    shown = []
    with ranks.agreed():
        if ranks.is_root:
            if not quiet:
                shown.append(progress.Table() if sys.stderr.isatty() else progress.Lines())
            if log_json:
                shown.append(progress.JsonLog(log_json))
    try:
        outcome = fit.run(shown)
    finally:
        for monitor in shown:
            monitor.close()
    _summarise(say, outcome, config, ranks.size)
    fit.close()
    if outcome.name == stopping.CONVERGED:
        return 0
    if ranks.is_root:
        print("hpcpca: " + _unconverged(outcome, config), file=sys.stderr)
    return 4


def _summarise(say, outcome, config, size):
    report, counters = outcome.report, outcome.report.counters
    split = outcome.seconds
    rest = sum(split.values()) - sum(split.get(name, 0) for name in ("read", "apply", "exchange"))
    done = int((report.residuals <= config.tol).sum())
    say(f"{outcome.name}: {done} of {config.components} components within {config.tol:g} (largest residual {report.residuals.max():.1e}), "
        f"{report.state.round} rounds, {counters.passes:.4g} passes, {counters.reads:g} reads")
    say(f"time {format_seconds(counters.elapsed())}: read {format_seconds(split.get('read', 0))}, apply {format_seconds(split.get('apply', 0))}, "
        f"exchange {format_seconds(split.get('exchange', 0))}, rest {format_seconds(rest)}; "
        f"exchanged {format_size(counters.bytes_exchanged)}; peak memory {format_size(outcome.peak_memory)} per node on {size} rank(s)")
    say(f"result: {outcome.result_path}" + (f"; checkpoint: {outcome.checkpoint_path}" if outcome.name != "converged" and outcome.checkpoint_path else ""))


def _unconverged(outcome, config):
    worst = int(outcome.report.residuals.argmax())
    source = outcome.checkpoint_path or outcome.result_path
    why = {"max_rounds": f"--max-rounds {config.max_rounds} reached", "exhausted": "no direction is left to improve along"}[outcome.name]
    remedy = {"max_rounds": f"go on with 'hpcpca resume {source} --max-rounds {2 * max(config.max_rounds, outcome.report.state.round)}'",
              "exhausted": "try --precision double or a larger --tol"}[outcome.name]
    return (f"not converged: {why}; component {worst} has residual {outcome.report.residuals[worst]:.1e}, asked for {config.tol:g}; "
            f"{remedy} (the result was written)")
