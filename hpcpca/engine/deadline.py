"""When a run has to be over: --max-time, and the end of the SLURM job that it is in."""

import os
import subprocess
import time
from datetime import datetime

from ..units import format_seconds

MAX_TIME, JOB_END = 101, 102  # reasons to stop, beside the numbers of signals
EXIT = 1.0  # seconds to leave once the checkpoint is there
JOB_EXIT = 15.0  # and for launcher, batch script and scheduler
ASKED = 10.0  # seconds that squeue may take


class Deadline:
    """Ends of a run by the monotonic clock, {reason: time}; ``over`` while there is still
    ``margin`` to write a checkpoint.
    """

    def __init__(self, ends):
        self.ends = ends
        self.checkpoint_seconds = 0.0

    def over(self):
        """Return the reason whose time has come, or 0."""
        now = time.monotonic() + 2 * self.checkpoint_seconds
        return next((reason for reason, end in self.ends.items() if now >= end), 0)

    def describe(self):
        """Return "time: stops with a checkpoint in 54 min …", or None where there is no end."""
        if not self.ends:
            return None
        reason, end = min(self.ends.items(), key=lambda item: item[1])
        name = {MAX_TIME: "--max-time", JOB_END: "end of the SLURM job"}[reason]
        return (
            f"time: stops with a checkpoint in {format_seconds(max(0.0, end - time.monotonic()))}"
            f" at the latest ({name})"
        )


def deadline(max_time, age):
    """Return the ``Deadline`` of a process that is ``age`` seconds old: ``max_time`` seconds
    from its start (None: no limit), or SLURM's.
    """
    now, ends = time.monotonic(), {}
    if max_time is not None:
        ends[MAX_TIME] = now + max_time - age - EXIT
    left = job_seconds_left(os.environ)
    if left is not None:
        ends[JOB_END] = now + left - JOB_EXIT
    return Deadline(ends)


def job_seconds_left(environment):
    """Seconds until SLURM ends the job that this process is in; None outside of jobs, or where
    SLURM does not say.
    """
    job = environment.get("SLURM_JOB_ID")
    if not job:
        return None
    if environment.get("SLURM_JOB_END_TIME", "").isdigit():
        return int(environment["SLURM_JOB_END_TIME"]) - time.time()
    try:
        said = subprocess.run(
            ["squeue", "-h", "-j", job, "-o", "%e"],
            capture_output=True,
            text=True,
            timeout=ASKED,
            check=True,
        ).stdout.strip()
        return datetime.fromisoformat(said).timestamp() - time.time()
    except (
        OSError,
        subprocess.SubprocessError,
        ValueError,
    ):  # no squeue here, or "N/A": no limit that can be known
        return None
