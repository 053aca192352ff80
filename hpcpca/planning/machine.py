"""What this machine offers: memory that may be used, memory that is used."""

import os
import re
import time

SHARE = 0.9  # of what is free: leave some for the page cache


def _number(path, pattern=r"^(\d+)"):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            match = re.search(pattern, file.read(), re.M)
    except OSError:
        return None
    return int(match[1]) if match else None


def available_memory():
    """Bytes that jobs on this node may use: what is free, within limits of cgroup and SLURM."""
    limits = []
    free = _number("/proc/meminfo", r"^MemAvailable:\s+(\d+)")
    if free is not None:
        limits.append(free << 10)
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        most = _number(limit)
        if most is not None:
            limits.append(most - (_number(used) or 0))
    if os.environ.get("SLURM_MEM_PER_NODE", "").isdigit():
        limits.append(int(os.environ["SLURM_MEM_PER_NODE"]) << 20)
    return int(SHARE * min(limits, default=1 << 32))


def node_name():
    """Name of this node."""
    return os.uname().nodename


def process_age():
    """Seconds since this process was started; 0 where the system does not tell."""
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            ticks = float(file.read().rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError, IndexError, ValueError):
        return 0.0


def used_memory():
    """Bytes that this process holds: (its own pages, and shared memory divided among those who
    share it; what whole ones, and pages of files, would add).
    """
    try:
        with open("/proc/self/smaps_rollup", encoding="ascii") as file:
            text = file.read()  # once: the system goes over all pages for it
    except OSError:
        return 0, 0
    held = {name: int(size) << 10 for name, size in re.findall(r"^(\w+):\s+(\d+)", text, re.M)}
    # older systems do not tell files' pages apart
    share = held.get("Pss_Anon", held["Pss"]) + held.get("Pss_Shmem", 0)
    return share, max(0, held["Rss"] - share)


def most_memory():
    """Bytes that this process has held at most, with all of its shared pages, since
    ``forget_most_memory``.
    """
    return (_number("/proc/self/status", r"^VmHWM:\s+(\d+)") or 0) << 10


def forget_most_memory():
    """Let ``most_memory`` begin anew, if the system lets us."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        pass
