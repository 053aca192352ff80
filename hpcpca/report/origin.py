"""Sections that all reports have: from what, with what, and how to cite it."""

import os
import time

import numpy as np

from ..units import format_seconds, format_size
from .page import Code, Section, Table

SHOWN = 40  # files
PAPER = (
    "F. Liao, W. Su and A. Kyrillidis (2025). Provable Model-Parallel Distributed Principal"
    " Component Analysis with Parallel Deflation. Conference on Parsimony and Learning, Proceedings"
    " of Machine Learning Research 280, 392–416. arXiv:2502.17615"
)


def computed(stored, again):
    """Return the section on how a Stored result was computed; ``again`` are lines of TOML."""
    at = stored.attributes
    facts = [
        ("Program", f"hpcpca {at['hpcpca_version']}, format {at['format_version']}"),
        ("Command", f"hpcpca {stored.problem}"),
        ("Method", f"{at['method']}; operator {at['operator']}"),
        ("Outcome", at["outcome"] + (f" ({at['reason']})" if at.get("reason") else "")),
        ("Tolerance, seed", f"{at['tol']:g}, {at['seed']}"),
        ("Work", f"{at['rounds']} rounds, {at['reads']:.4g} reading(s) of the data"),
        ("Time", f"{format_seconds(at['seconds'])} on {at['ranks']} MPI rank(s)"),
        ("Written", _clock(os.stat(stored.path).st_mtime)),
        ("Seal (checksum)", f"{int(at['seal']):08x}"),
    ]
    if at.get("changed"):
        facts.append(("Data changed", at["changed"]))
    blocks = [Table(("", ""), facts, texts=(0, 1))]
    if again:
        blocks += [
            f"Every option is stored in the result. hpcpca {stored.problem.split()[0]} --config"
            f" {os.path.basename(stored.path)} -o again.h5 computes it again; these are the options"
            " that are no defaults:",
            Code(again),
        ]
    return Section("How it was computed", blocks)


def data(stored):
    """Return the section on the files that a Stored result was made from."""
    rows = [
        (
            f"{part['path']}:{part['dataset']}" if part["dataset"] else part["path"],
            f"{part['rows']:,} × {part['columns']:,}",
            str(np.dtype(part["dtype"])),
            format_size(part["size"]),
            _clock(part["mtime"]),
        )
        for part in stored.source[:SHOWN]
    ]
    more = len(stored.source) - SHOWN
    caption = f"{more} more files" if more > 0 else ""
    head = ("file and dataset", "rows × columns", "type", "size", "last changed")
    return Section("The data", [Table(head, rows, caption, spare=(2, 3))])


def cited(stored):
    """Return the section on how to cite."""
    version = stored.attributes["hpcpca_version"]
    program = (
        "The hpcpca developers. hpcpca: principal components of large HDF5 data by parallel"
        f" deflation. Version {version}."
    )
    return Section(
        "How to cite", ["Please cite the program, and the paper of its method:", program, PAPER]
    )


def _clock(seconds):
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
