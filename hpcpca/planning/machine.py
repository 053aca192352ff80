"""What this machine offers: memory that may be used, memory that is used."""

import os
import re
import time

SHARE = 0.9  # of what is free: leave some for the page cache
LIMITS = (  # files with the limit of a memory group, and what it uses
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def _number(path, pattern=r"^(\d+)"):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            match = re.search(pattern, file.read(), re.M)
    except OSError:
        return None
    return int(match[1]) if match else None


def _groups(listing, root):
    """Yield the folders of the memory groups that this process is in, from its own to that of all
    (cgroup v1 and v2; containers may see the last one only).
    """
    try:
        with open(listing, encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        lines = []
    own = {controllers: path for _, controllers, path in lines}
    for name, path in own.items():
        if name == "" or "memory" in name.split(","):
            top = root if name == "" else os.path.join(root, "memory")
            parts = path.strip("/").split("/")
            yield from (os.path.join(top, *parts[:count]) for count in range(len(parts), 0, -1))
    yield from (root, os.path.join(root, "memory"))


def _files(folder, kind):
    """Bytes of files' pages of a group, and of those below it."""
    stat = os.path.join(folder, "memory.stat")
    found = (_number(stat, rf"^{prefix}{kind}_file (\d+)") for prefix in ("total_", ""))
    return next((size for size in found if size is not None), 0)


def group_limits(listing="/proc/self/cgroup", root="/sys/fs/cgroup"):
    """Bytes that are left to this process in each of its memory groups that has a limit. Pages of
    files count as free: the system takes them back.
    """
    found = []
    for folder in _groups(listing, root):
        for limit, used in LIMITS:
            most = _number(os.path.join(folder, limit))
            if most is not None:
                files = sum(_files(folder, kind) for kind in ("active", "inactive"))
                taken = (_number(os.path.join(folder, used)) or 0) - files
                found.append(most - max(0, taken))
    return found


def available_memory():
    """Bytes that jobs on this node may use: what is free, within limits of cgroup and SLURM."""
    limits = group_limits()
    free = _number("/proc/meminfo", r"^MemAvailable:\s+(\d+)")
    if free is not None:
        limits.append(free << 10)
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
