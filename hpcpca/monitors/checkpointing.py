"""Writes a checkpoint every so many seconds or rounds."""

from ..errors import DataError, UsageError
from ..units import parse_duration


def parse_cadence(text):
    """Return (seconds or None, rounds or None) of "30s", "10m", "10r"; raise UsageError."""
    try:
        if text.endswith("r"):
            if int(text[:-1]) < 1:
                raise ValueError(f"{text!r}: at least one round")
            return None, int(text[:-1])
        return parse_duration(text), None
    except ValueError as error:
        raise UsageError(f"--checkpoint-every {text}: write 30s, 10m or 10r (rounds)") from error


class Checkpointing:
    """Calls ``write(report)`` when it is time, by the root's clock; a write that fails costs a warning and the run goes on."""

    def __init__(self, every, write, warn):
        self.seconds, self.rounds = parse_cadence(every)
        self.write, self.warn = write, warn
        self.last_seconds, self.last_round = 0.0, None

    def __call__(self, report):
        if self.last_round is None:
            self.last_round = report.state.round - 1
        due = (report.state.round - self.last_round >= self.rounds) if self.rounds else (report.seconds - self.last_seconds >= self.seconds)
        if not due:
            return
        self.last_seconds, self.last_round = report.seconds, report.state.round
        try:
            self.write(report)
        except DataError as error:
            self.warn(f"warning: checkpoint not written: {error}; the run goes on, the last good checkpoint stays")
