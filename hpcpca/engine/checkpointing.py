"""Writes a checkpoint every so many seconds or rounds; knows what is left to go on from."""

import os

from ..errors import DataError


class Checkpointing:
    """Calls ``write(report)`` when it is time (every so many seconds, or rounds), by the root's
    clock; a write that fails costs a warning and the run goes on.

    Reports count from ``since`` seconds on, those of the runs before this one.
    """

    def __init__(self, cadence, write, warn, since=0.0):
        self.seconds, self.rounds = cadence
        self.write, self.warn = write, warn
        self.last_seconds, self.last_round = since, None

    def __call__(self, report):
        if self.last_round is None:
            self.last_round = report.state.round - 1
        due = (
            (report.state.round - self.last_round >= self.rounds)
            if self.rounds
            else (report.seconds - self.last_seconds >= self.seconds)
        )
        if not due:
            return
        self.last_seconds, self.last_round = report.seconds, report.state.round
        try:
            self.write(report)
        except DataError as error:
            self.warn(
                f"warning: checkpoint not written: {error}; the run goes on, the last good"
                " checkpoint stays"
            )


def checkpointing(config, write, warn, since):
    """Return the monitors, one or none, that write checkpoints as settings ask for."""
    if config.checkpoint_path is None:
        return []
    return [Checkpointing(config.cadence(), write, warn, since=since)]


def left_by(context):
    """Return the file to go on from if a run can write no other: its last checkpoint, or what it
    resumed; None if there is neither. Collective.
    """
    path, start = context.config.checkpoint_path, context.start

    def left():
        if path and any(map(os.path.exists, (path, path + ".1"))):
            return path
        return start and start.path

    return context.world.decide(left)
