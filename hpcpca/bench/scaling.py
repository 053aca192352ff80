"""Strong and weak scaling on one machine: wall seconds of ``fit``, the share of them spent in
exchange, and what sgemm alone reaches on so many cores.
"""

import json
import os
import sys
import tempfile

import h5py

from .gemm import side_by_side
from .inputs import make
from .process import Contender, alternate, launcher

SHARDS = 12  # divides into 1, 2, 3 and 4 ranks' shares


def _runs(shards, ranks, components, operator, folder, *, mpiexec):
    """(kind, ranks, Contender): strong with all shards, weak with as many as there are ranks in
    their share.
    """
    for kind in ("strong", "weak"):
        for count in ranks:
            data = shards if kind == "strong" else shards[: len(shards) * count // max(ranks)]
            out = os.path.join(folder, f"{kind}-{count}.h5")
            words = [
                "fit",
                *data,
                "-k",
                str(components),
                "-o",
                out,
                "--threads",
                "1",
                "--operator",
                operator,
                *("--corrections", "off"),  # or it depends on the ranks whether a sample is drawn
                "--overwrite",
                "-q",
                "--no-checkpoint",
            ]
            yield (
                kind,
                count,
                Contender(
                    f"{kind} {count}",
                    [*launcher(mpiexec), "-n", str(count), sys.executable, "-m", "hpcpca", *words],
                    out,
                    seen=_split,
                ),
            )


def _split(out):
    """Seconds of a run by activity, from its first look at the data."""
    with h5py.File(out) as file:
        return json.loads(file.attrs["seconds_by_activity"])


def scale(
    rows,
    columns,
    components,
    ranks=(1, 2, 3, 4),
    operator="auto",
    *,
    runs=3,
    mpiexec=None,
    folder=None,
):
    """Return the markdown table, lines, for rows × columns float32 data, made here; weak: a
    share of the rows per rank.
    """
    with tempfile.TemporaryDirectory(dir=folder) as folder:
        _, shards = make(
            rows, columns, ("--spectrum", "powerlaw:1", "--shards", str(SHARDS)), folder, "data"
        )
        found = list(_runs(shards, ranks, components, operator, folder, mpiexec=mpiexec))
        alternate([contender for _, _, contender in found], runs)
        gemm = {count: side_by_side(count) / count for count in ranks}
        first = {}
        lines = [
            (
                f"{rows} × {columns} float32, K = {components}, 1 thread per rank,"
                f" {len(os.sched_getaffinity(0))} core(s), medians of {runs}"
            ),
            "",
            (
                "| scaling | ranks | wall seconds | without start | operator | passes | apply |"
                " exchange | efficiency of a pass | of sgemm side by side |"
            ),
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for kind, count, contender in found:
            if contender.error:
                lines.append(f"| {kind} | {count} | {contender.error} | | | | | | |")
                continue
            with h5py.File(contender.out) as file:
                used, passes = file.attrs["operator"], file.attrs["passes"]
            split = sorted(contender.found, key=lambda each: sum(each.values()))[runs // 2]
            seconds = sum(split.values())
            pace = seconds / passes  # with fewer rows there may be more of them
            first.setdefault(kind, (count, pace))
            fewest, alone = first[kind]
            efficiency = alone / pace * (fewest / count if kind == "strong" else 1)
            lines.append(
                f"| {kind} | {count} | {contender.median:.2f} | {seconds:.2f} | {used} |"
                f" {passes:.3g} | {split.get('apply', 0):.2f} s |"
                f" {split.get('exchange', 0):.2f} s | {efficiency:.0%} |"
                f" {efficiency * gemm[fewest] / gemm[count]:.0%} |"
            )
    return lines
