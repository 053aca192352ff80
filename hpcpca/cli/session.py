"""What every parallel command starts with."""

import json
import os
import sys
from contextlib import contextmanager

import click

from ..errors import UsageError, on_all_ranks
from . import streams
from .wrapping import tell


@contextmanager
def world():
    """The world of ranks, checked; released at the end."""
    from ..engine.ranks import joined

    made = joined()
    context = click.get_current_context(silent=True)
    configured = json.dumps(context and context.default_map, default=str)
    made.check_alike(
        {"command line": " ".join(sys.argv[1:]), "--config": configured},
        "was started otherwise",
        "start all ranks with the same options",
    )
    yield made
    made.free()


@contextmanager
def holding(ranks, config):
    """The lock on a run's checkpoint, held by the root; raises PlatformError where another run
    has it, or writes the same result.
    """
    from ..files.lock import Lock

    locks, usual = (
        [],
        os.path.realpath(config.output) + ".ckpt",
    )  # a result is one file, whatever symlink names it
    try:
        with ranks.agreed():
            if ranks.is_root:
                for path in dict.fromkeys(
                    map(os.path.realpath, (config.checkpoint_path or usual, usual))
                ):
                    locks.append(Lock(path))
        yield locks[0] if locks else None
    finally:
        for lock in locks:
            lock.release()


def watching(world, say):
    """Return ``say``, and from now on let long readings tell it how far they are."""
    from ..sources.watch import Passage

    Passage.tell = say if world.is_root else None
    return say


def alone(what):
    """See to it that this is one process, whose long readings say how far they are; raise
    UsageError under mpiexec. ``what`` names the command.
    """
    from ..comm.launch import launched_size
    from ..sources.watch import Passage

    if launched_size() > 1:
        raise on_all_ranks(
            UsageError(
                f"mpiexec started {launched_size()} processes, 'hpcpca {what}' is one: leave"
                " mpiexec out"
            )
        )
    Passage.tell = lambda text: tell(text, sys.stderr)


def speaker(world, quiet=False, stream=None):
    """Return ``say(text)``: a line on stderr (or ``stream``) from the root, unless quiet."""

    def say(text):
        if world.is_root and not quiet:
            tell(text, stream or sys.stderr)

    return say


def show(lines):
    """Print lines on stdout as they come, until one cannot be written, which the entry says."""
    for line in lines:
        tell(line)
        if streams.failure():
            return
