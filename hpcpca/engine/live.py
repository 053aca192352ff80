"""What the user sees while a run goes on: a live table, or a line a round, or nothing; and a
JSON log. Root only.
"""

import errno
import json
import math
import os
import sys
import time
from contextlib import suppress

from ..errors import DataError

QUIET_SECONDS = 3.0  # between lines where no terminal is


class Lines:
    """A line per round, at most every few seconds, on stderr."""

    def __init__(self, stream=None):
        self.stream, self._last = stream or sys.stderr, -QUIET_SECONDS

    def __call__(self, report):
        now = time.monotonic()
        if now - self._last >= QUIET_SECONDS:
            self._last = now
            self.stream.write(summary_line(report) + "\n")
            self.stream.flush()

    def close(self):
        """Nothing is left to do."""


def summary_line(report):
    """Return "round 12: 5 of 8 converged, largest residual 3.1e-05, 12 passes, 4.2 s"."""
    done = converged(report)
    estimated = " (estimated)" if report.state.estimated else ""
    return (
        f"round {report.state.round}: {sum(done)} of {report.components} converged, largest"
        f" residual {report.residuals.max():.1e}{estimated}, {report.counters.passes:.4g} passes,"
        f" {report.seconds:.1f} s"
    )


def converged(report):
    """Which components have reached their goals."""
    return (report.residuals <= report.goals).tolist()


class Table:
    """One live table on the terminal that stderr is."""

    ROWS, OTHERS = 40, 7  # components shown at most; lines of the table beside them

    def __init__(self):
        from rich.console import Console  # imported where a terminal is, it costs start-up time
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), refresh_per_second=8, transient=False)
        self._live.start()

    def __call__(self, report):
        from rich.table import Table as RichTable

        table = RichTable(
            title=(
                f"round {report.state.round}   passes {report.counters.passes:.4g}  "
                f" {report.seconds:.1f} s"
            )
            + ("   double" if report.is_double else "")
            + ("   estimated" if report.state.estimated else "")
        )
        for name in ("component", "eigenvalue", "residual", ""):
            table.add_column(name, justify="right")
        done, room = (
            converged(report),
            max(1, min(self.ROWS, self._live.console.height - self.OTHERS)),
        )
        for k, (value, residual) in enumerate(zip(report.eigenvalues[:room], report.residuals)):
            table.add_row(str(k), f"{value:.6g}", f"{residual:.1e}", "converged" if done[k] else "")
        if len(done) > room:
            table.add_row(f"… {len(done) - room} more", "", "", f"{sum(done[room:])} converged")
        self._live.update(table)

    def close(self):
        """Leave the last table standing."""
        self._live.stop()


class Note:
    """What ``hpcpca status`` reads while a run goes on: figures in its lock file, once a second
    at most.
    """

    def __init__(self, lock, checkpoint):
        self._lock, self._checkpoint, self._last = lock, checkpoint, -1.0

    def __call__(self, report):
        now = time.monotonic()
        if now - self._last >= 1.0:
            self._last, residual = now, float(report.residuals.max())
            self._lock.note(
                {
                    "round": report.state.round,
                    "components": report.components,
                    "converged": sum(converged(report)),
                    "residual": residual if math.isfinite(residual) else None,
                    "tol": report.tol,
                    "passes": report.counters.passes,
                    "seconds": report.seconds,
                    "checkpoint": self._checkpoint,
                }
            )

    def close(self):
        """Nothing is left to do: whoever holds the lock releases it."""


class JsonLog:
    """Append one JSON object per round to a file. A resumed run keeps the earlier lines.

    If it cannot be written, it ends with a warning.
    """

    def __init__(self, path, warn, is_resumed=False):
        """Open the file, or pipe; raise DataError if nobody reads the pipe."""
        self._path, self._warn, self._file = path, warn, None
        try:
            self._file = open(path, "ab" if is_resumed else "wb", buffering=0, opener=_appending)
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise DataError(
                    f"--log-json {path} is a pipe that nobody reads; "
                    "start its reader first, or name a file"
                ) from None
            self._lose(error)

    def __call__(self, report):
        if self._file is None:
            return
        counters = report.counters
        line = json.dumps(
            {
                "round": report.state.round,
                "seconds": report.seconds,
                "passes": counters.passes,
                "reads": counters.reads,
                "applications": counters.applications,
                "bytes_exchanged": counters.bytes_exchanged,
                "eigenvalues": report.eigenvalues[: report.components].tolist(),
                "residuals": report.residuals.tolist(),
                "converged": converged(report),
                "double": report.is_double,
                "estimated": report.state.estimated,
                "samples": counters.samples,
            }
        )
        before = os.fstat(self._file.fileno()).st_size
        try:
            left = f"{line}\n".encode()
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            with suppress(OSError):  # no half line
                self._file.truncate(before)
            self._lose(error)

    def _lose(self, error):
        self._warn(
            f"hpcpca: warning: --log-json {self._path} cannot be written: {error.strerror}; "
            "the run goes on, without the rest of this log"
        )
        self.close()

    def close(self):
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None


def _appending(path, flags):
    """Open a log; not waiting for ever for the reader of a pipe."""
    descriptor = os.open(path, flags | os.O_APPEND | os.O_NONBLOCK, 0o666)
    os.set_blocking(descriptor, True)
    return descriptor
