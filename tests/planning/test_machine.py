"""Memory that a run may use, by the limits of the groups that its processes are in."""

import pytest

from hpcpca.planning.machine import group_limits

pytestmark = pytest.mark.once

MANY = 9223372036854771712


def group(folder, limit, used, files=(0, 0), version=2):
    """Write a group's files as the system has them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("max", "current") if version == 2 else ("limit_in_bytes", "usage_in_bytes")
    for name, value in zip(names, (limit, used)):
        (folder / f"memory.{name}").write_text(f"{value}\n")
    prefix = "" if version == 2 else "total_"
    own = "" if version == 2 else "inactive_file 1\nactive_file 1\n"
    (folder / "memory.stat").write_text(
        f"anon 5\n{own}{prefix}inactive_file {files[0]}\n{prefix}active_file {files[1]}\n"
    )


def test_the_tightest_group_counts(tmp_path):
    """Of this process or above it; not those of others. Pages of files are free."""
    root, listing = tmp_path / "fs", tmp_path / "cgroup"
    group(root / "jobs" / "7", 1_000, 600, files=(300, 100))
    group(root / "jobs", 5_000, 4_500, files=(50, 0))
    group(root / "others", 10, 10)
    listing.write_text("0::/jobs/7\n")
    assert group_limits(listing, root) == [800, 550]
    (root / "jobs" / "memory.max").write_text("max\n")
    assert group_limits(listing, root) == [800]


def test_the_older_version(tmp_path):
    root, listing = tmp_path / "fs", tmp_path / "cgroup"
    group(root / "memory" / "job", 1_000, 600, files=(0, 100), version=1)
    group(root / "memory", MANY, 5_000, version=1)
    listing.write_text("9:cpu,cpuacct:/job\n4:memory:/job\n1:name=systemd:/job\n0::/\n")
    assert min(group_limits(listing, root)) == 500


def test_containers_that_do_not_see_their_place(tmp_path):
    root, listing = tmp_path / "fs", tmp_path / "cgroup"
    group(root, 1_000, 100)
    listing.write_text("0::/kubepods/pod/container\n")
    assert group_limits(listing, root) == [900]
    assert group_limits(tmp_path / "none", root) == [900]
    assert group_limits(tmp_path / "none", tmp_path / "none") == []
