"""How far a run is, from the files it leaves while it goes on: lock, checkpoint, result."""

import os
import time

import numpy as np

from ..errors import DataError
from ..linalg.determination import reached
from ..partition import count_rows
from . import lock
from .result import load

RUNNING, FINISHED, KILLED, CONVERGED, MAX_ROUNDS = (
    "running",
    "finished",
    "not running",
    "converged",
    "max_rounds",
)


def status_of(path):
    """Return what is known of the run whose checkpoint or result is ``path`` as a dict; raise
    DataError where there is nothing. For one rank to call.
    """
    path = _of_its_run(path)
    found = {"checkpoint": path, "state": KILLED}
    is_running = lock.is_running(path + lock.SUFFIX)
    if is_running is not False:
        found |= {
            "state": RUNNING if is_running else "perhaps running (this file system has no locks)",
            "now": lock.read(path + lock.SUFFIX),
        }
    if os.path.exists(path) or os.path.exists(path + ".1"):
        found |= _of_stored(*load(path))
    elif is_running is False:
        result = path.removesuffix(".ckpt")
        if result == path or not os.path.exists(result):
            raise DataError(
                f"{path}: no such file, and no run that would write it; check the name and the"
                " current folder"
            )
        found |= _of_stored(*load(result))
    if is_running is False and found["outcome"] != RUNNING:
        found["state"] = FINISHED if "result" in found else found["outcome"]
    return found


def _of_its_run(path):
    """The checkpoint beside a result where a run that writes it goes on, or has stopped; else
    ``path`` itself.
    """
    beside = path + ".ckpt"
    is_there = (
        lock.is_running(beside + lock.SUFFIX) is not False
        or os.path.exists(beside)
        or os.path.exists(beside + ".1")
    )
    return beside if is_there else path


def _of_stored(stored, warning):
    at, residuals = stored.attributes, stored.residuals
    done = stored.arrays.get("state/rows_done")
    return {
        "checkpoint" if stored.is_checkpoint else "result": stored.path,
        "problem": stored.problem,
        "outcome": at["outcome"],
        "reason": at.get("reason", ""),
        "warning": warning,
        "written": os.stat(stored.path).st_mtime,
        "round": at["rounds"],
        "components": stored.count,
        "converged": int(
            reached(stored.eigenvalues, residuals, at["tol"], at.get("rounding", 0.0)).sum()
        ),
        "residual": float(residuals.max()) if np.isfinite(residuals).all() else None,
        "tol": at["tol"],
        "passes": at["passes"],
        "reads": at["reads"],
        "seconds": at["seconds"],
        "estimated": bool(at.get("estimated", False)),
        "pass_done": done
        if done is None
        else count_rows(done) / sum(part["rows"] for part in stored.source),
    }


def lines_of(found, unknown):
    """The same in lines of text. ``unknown(problem)`` says why a file of that problem cannot be
    gone on from here, or "".
    """
    now, lines = time.time(), []
    told = found.get("now") or {}
    head = f"{found['checkpoint']}: {found['state']}"
    if told:
        head += f" (process {told['pid']} on {told['host']}" + (
            f", SLURM job {told['job']}" if told.get("job") else ""
        )
        head += (
            f", since {_clock(told['started'])}; last sign of it {_ago(now - told['updated'])} ago)"
        )
    elif found.get("reason"):
        head += f" ({found['reason']})"
    lines.append(head)
    if "round" in told:
        lines.append("now: " + _progress(told))
    if "written" in found:
        kind = f"result ({found['outcome']})" if "result" in found else "checkpoint"
        lines.append(
            f"{kind} of {_clock(found['written'])}, {_ago(now - found['written'])} ago:"
            f" {_progress(found)}"
        )
        if found["pass_done"] is not None:
            lines.append(f"in the next pass {100 * found['pass_done']:.0f} % of the rows are done")
    elif found["state"] == RUNNING:
        lines.append(f"no checkpoint {found['checkpoint']} yet")
    if found.get("warning"):
        lines.append(f"warning: {found['warning']}")
    if "result" in found:
        lines.append(f"the result is there: hpcpca info {found['result']}")
    if found["state"] != RUNNING and not ("result" in found and found["outcome"] == CONVERGED):
        more = f" --max-rounds {2 * found['round']}" if found.get("outcome") == MAX_ROUNDS else ""
        path = found.get("result", found["checkpoint"])
        why = unknown(found["problem"]) if "problem" in found else ""
        lines.append(
            f"not to go on with here: {path} {why}"
            if why
            else f"to go on: hpcpca resume {path}{more}"
        )
    return lines


def _progress(figures):
    residual = (
        "not known yet"
        if figures["residual"] is None
        else f"{figures['residual']:.1e}" + " by estimate" * bool(figures.get("estimated"))
    )
    return (
        f"round {figures['round']}, {figures['converged']} of {figures['components']} components"
        f" converged, largest residual {residual} (asked for {figures['tol']:g}),"
        f" {figures['passes']:.4g} passes, {_ago(figures['seconds'])}"
    )


def _clock(when):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def _ago(seconds):
    seconds = max(0, round(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
