"""The report on many matrices: means in factors, or the models of many regressions."""

import os

from . import spectra
from .origin import cited, computed, data
from .page import Code, Figure, Page, Section, Table, Words

LISTED = 200  # matrices in the table
TITLES = {"compress": "Means of matrices", "regress --modules": "Low-rank regressions"}
WORDS = {
    "compress": [
        ("mean M", "of the datasets of one name in all files."),
        ("factors", "P (n, R) and Q (m, R): PQᵀ stands for M, and has fewer numbers."),
        ("error", "‖M − PQᵀ‖/‖M‖, measured; its square is the share that is left."),
    ]
}


def page(stored, about, again):
    """Return the ``Page`` on a Stored result or checkpoint."""
    at, many = stored.attributes, about.spectra(stored) or {}
    sections = []
    if many:
        size = 6.0, spectra.height(many)
        figures = [Figure(caption, draw, size) for caption, draw in spectra.panels(many).items()]
        sections.append(Section("Overview", [figures]))
    if stored.problem == "compress":
        sections.append(Section("Matrices", [_matrices(stored)]))
    else:
        sections.append(Section("Contents", [Code(about.described(stored) or [])]))
    if words := WORDS.get(stored.problem):
        sections.append(Section("What the words mean", [Words(words)]))
    sections += [computed(stored, again), data(stored), cited(stored)]
    lines = [line.strip() for line in (about.described(stored) or [])[1:3]]
    title = f"{TITLES.get(stored.problem, 'Result')}: {os.path.basename(stored.path)}"
    outcome = at["outcome"], at["outcome"] == "converged"
    lead = [f"{line[0].upper()}{line[1:]}." for line in lines]
    return Page(title, stored.path, outcome, lead, _facts(stored), sections)


def _facts(stored):
    at = stored.attributes
    if stored.problem != "compress":
        return [(name, f"{at[name]:.6g}") for name in ("budget", "loss") if name in at]
    count = len(stored.arrays["compression/names"])
    smaller = at["entries"] / max(1, at["kept"])
    return [
        ("matrices", str(count)),
        ("files", f"{at['files']:,}"),
        ("error over all", f"{at['error']:.3g}"),
        ("fewer numbers", f"{smaller:.3g} times"),
    ]


def _matrices(stored):
    found = stored.arrays
    names = [name.decode() for name in found["compression/names"]]
    columns = (found[f"compression/{what}"] for what in ("shapes", "ranks", "norms", "errors"))
    rows = [
        (
            name,
            f"{n:,}",
            f"{m:,}",
            str(rank),
            f"{norm:.4g}",
            f"{error:.3g}",
            f"{100 * error**2:.2f} %",
        )
        for name, (n, m), rank, norm, error in zip(names, *columns)
    ]
    more = len(rows) - LISTED
    whole = [name.decode() for name in found["compression/averaged"]]
    caption = f"{more} more are in the file. " if more > 0 else ""
    if whole:
        caption += (
            f"Averaged as they are: {', '.join(whole[:20])}{', …' if len(whole) > 20 else ''}."
        )
    head = ("matrix", "n", "m", "rank", "norm", "error", "left")
    return Table(head, rows[:LISTED], caption)
