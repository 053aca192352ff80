"""What surrounds a run: its lock, signals, its deadline, what it shows, and how it ends."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass

from ..errors import INTERRUPTED, NOT_ACHIEVED
from ..units import format_seconds, format_size
from .wrapping import tell


@dataclass(frozen=True)
class Shown:
    """What a run shows while it goes on."""

    quiet: bool = False
    log_json: str | None = None
    verbose: bool = False


def run(problem, ranks, start, shown, signals, *, lock):
    """Run a checked problem to its end; return the exit code. Collective."""
    from ..engine import run as engine
    from ..engine import stopping
    from .session import speaker, watching

    say = watching(ranks, speaker(ranks, shown.quiet))
    if start is None:
        problem.settle(ranks, say)
    config = problem.config
    if shown.verbose:
        for line in _told(ranks, config):
            say(line)
    begun = (problem.runs or engine.Run)(problem, ranks, say, start)
    if crowding := ranks.crowding(begun.context.threads):
        say(crowding)
    _listen(ranks, config, signals, begun.recorder, say)
    with ExitStack() as stack:
        monitors = _monitors(ranks, config, shown, lock, is_resumed=start is not None)
        for monitor in monitors:
            stack.callback(monitor.close)
        outcome = begun.run(monitors)
    _summarise(say, outcome, config, ranks.size)
    if outcome.name == stopping.CONVERGED:
        for line in problem.closing(outcome.report):
            say(line)
    begun.close()
    if outcome.name == stopping.CONVERGED and not outcome.changed:
        return 0
    if ranks.is_root:
        tell("hpcpca: " + _closing(outcome, config), sys.stderr)
    return (
        INTERRUPTED
        if outcome.name == stopping.INTERRUPTED and outcome.checkpoint_path
        else NOT_ACHIEVED
    )


def _told(ranks, config):
    """Yield lines on what runs, where, and with which options; collective."""
    from mpi4py import MPI

    from .._version import __version__
    from ..files.hdf5 import LIBRARY
    from .configured import as_toml

    hosts = ranks.comm.allgather(MPI.Get_processor_name())
    places = {host: hosts.count(host) for host in dict.fromkeys(hosts)}
    yield f"hpcpca {__version__}, Python {sys.version.split()[0]}, h5py {LIBRARY}"
    yield MPI.Get_library_version().replace("\0", " ").splitlines()[0].strip()
    yield "ranks: " + ", ".join(f"{count} on {host}" for host, count in places.items())
    given = {name: each for name, each in config.stored().items() if each not in (None, (), "")}
    yield "options:"
    yield from (f"  {line}" for line in as_toml(given))


def _monitors(ranks, config, shown, lock, is_resumed):
    """What the user sees of the rounds, on the root."""
    from ..engine import live
    from .session import speaker

    monitors = []
    with ranks.agreed():
        if ranks.is_root:
            if not shown.quiet:
                monitors.append(live.Table() if sys.stderr.isatty() else live.Lines())
            if shown.log_json:
                monitors.append(live.JsonLog(shown.log_json, speaker(ranks), is_resumed))
            monitors.append(live.Note(lock, config.checkpoint_path))
    return monitors


def _listen(ranks, config, signals, recorder, say):
    """Let signals to any rank, and the root's clock, ask the run to stop."""
    from ..engine.deadline import JOB_END, MAX_TIME, deadline
    from ..engine.signals import name_of
    from ..planning.machine import process_age
    from ..units import parse_duration

    ranks.interrupt.text = lambda reason: (
        {
            MAX_TIME: f"--max-time {config.max_time} is over",
            JOB_END: "the SLURM job is about to end",
        }.get(reason)
        or f"{name_of(reason)} received"
    )
    if not ranks.is_root:
        ranks.interrupt.asked = lambda: signals.seen
        return
    ends = deadline(config.max_time and parse_duration(config.max_time), process_age())
    if ends.ends:
        say(ends.describe())

    def asked():
        ends.checkpoint_seconds = recorder.checkpoint_seconds
        return signals.seen or ends.over()

    ranks.interrupt.asked = asked


def _summarise(say, outcome, config, size):
    report, counters = outcome.report, outcome.report.counters
    split = outcome.seconds
    rest = sum(split.values()) - sum(split.get(name, 0) for name in ("read", "apply", "exchange"))
    done = int((report.residuals <= report.goals).sum())
    within = f"{config.tol:g}" + ", or a tenth of their own variance" * bool(
        (report.goals < config.tol).any()
    )
    largest = f"largest residual {report.residuals.max():.1e}"
    if report.state.estimated:
        largest += ", estimated"
    reached = (
        f"{outcome.name}: {done} of {report.components} components within {within} ({largest})"
    )
    say(
        (f"{outcome.ended}: {largest}" if outcome.ended else reached)
        + f", {report.state.round} rounds, "
        + ("of this run: " if config.resumed_from else "")
        + f"{counters.passes:.4g} passes, {counters.reads:.4g} reads"
        + f"; {counters.sample_flops / 1e9:.3g} Gflop on a sample" * bool(counters.sample_flops)
    )
    if outcome.standing is not None and not report.state.estimated:
        from ..linalg.determination import in_words

        say(in_words(outcome.standing))
    say(
        f"time {format_seconds(counters.elapsed())}: read {format_seconds(split.get('read', 0))},"
        f" apply {format_seconds(split.get('apply', 0))}, exchange"
        f" {format_seconds(split.get('exchange', 0))}, rest {format_seconds(rest)}; exchanged"
        f" {format_size(counters.bytes_exchanged)}; peak memory {format_size(outcome.peak_memory)}"
        f" per node on {size} rank(s)"
    )
    if outcome.laggard:
        say(
            "rank {} on node {} read and computed for {}, the others for {}: they waited for it;"
            " look for other jobs there, or its share of the data".format(
                *outcome.laggard[:2], *map(format_seconds, outcome.laggard[2:])
            )
        )
    files = (
        [f"result: {outcome.result_path}"]
        if outcome.name != "interrupted" or not outcome.checkpoint_path
        else []
    )
    if outcome.name != "converged" and outcome.checkpoint_path:
        files.append(f"checkpoint: {outcome.checkpoint_path}")
    say("; ".join(files))


def _closing(outcome, config):
    """What to tell of a run that did not simply converge: how it ended, and if the data changed."""
    from ..engine.stopping import AT_ROUNDING, CONVERGED, INTERRUPTED

    if outcome.name == CONVERGED:
        return f"data changed: {_changed(outcome)} (the result was written)"
    if outcome.changed and outcome.name != INTERRUPTED:
        told = f"(not converged: {outcome.lack}; the result was written)"
        return f"data changed: {_changed(outcome)} {told}"
    tell = {INTERRUPTED: _interrupted, AT_ROUNDING: _undetermined}.get(outcome.name, _unconverged)
    told = tell(outcome, config)
    return f"data changed: {_changed(outcome)}; {told}" if outcome.changed else told


def _interrupted(outcome, config):
    where = f"interrupted: {outcome.reason}; {outcome.report.state.round} rounds were done; "
    if outcome.checkpoint_path:
        return where + f"go on with 'hpcpca resume {outcome.checkpoint_path}'"
    return (
        where + f"the result so far was written; go on with 'hpcpca resume {outcome.result_path}'"
    )


def _changed(outcome):
    return (
        f"{outcome.changed}, so that what was found may belong to neither state; measure a result "
        "with 'hpcpca verify', or start again"
    )


def _unconverged(outcome, config):
    source = outcome.checkpoint_path or outcome.result_path
    why = {
        "max_rounds": f"--max-rounds {config.max_rounds} reached",
        "exhausted": "no direction is left to improve along",
    }[outcome.name]
    remedy = {
        "max_rounds": (
            f"go on with 'hpcpca resume {source} --max-rounds"
            f" {2 * max(config.max_rounds, outcome.report.state.round)}'"
        ),
        "exhausted": (
            "ask for a larger --tol"
            if outcome.report.is_double
            else "try --precision double or a larger --tol"
        ),
    }[outcome.name]
    if (
        config.exchange == "window"
        and config.max_staleness is None
        and outcome.name == "max_rounds"
    ):
        remedy += (
            ", or start again with --max-staleness 4: quick workers may have used their rounds up"
            " against poor superiors"
        )
    return f"not converged: {why}; {outcome.lack}; {remedy} (the result was written)"


def _undetermined(outcome, config):
    from ..linalg.determination import UNDETERMINED, named

    report = outcome.report
    words, largest = outcome.standing, report.eigenvalues.max()
    first = int((words == UNDETERMINED).argmax())
    remedy = "leave --precision single out"
    if report.is_double:
        fewer = f"-k {first}, or " if first else ""
        remedy = f"ask for {fewer}bring the columns to like units (one may outweigh all others)"
    return (
        f"not determined: {named(words, UNDETERMINED)}: a variance of"
        f" {report.eigenvalues[first]:.2g} is too near to what rounding leaves uncertain beside"
        f" {largest:.2g}, {report.rounding * largest:.1g}; {remedy} (the result was written)"
    )
