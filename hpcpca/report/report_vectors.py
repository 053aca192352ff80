"""The report on a single set of vectors: principal components, or pairs of a regression."""

import os
from math import prod

import numpy as np

from ..errors import UsageError
from ..linalg.determination import NONE, NOT_SEPARATED, RESOLVED, UNDETERMINED, in_words
from ..pca.features import of_result
from . import loadings, result
from .describe import cluster_lines, standing_of
from .origin import cited, computed, data
from .page import Figure, Page, Section, Table, Words
from .scores import pairs_of

LISTED = 60  # components in the table
DRAWN = 12
SMALL = (3.0, 2.3)
TITLES = {"fit": "Principal components", "regress": "Low-rank regression"}

OF_ALL = [
    (
        "residual",
        "‖Σv − λv‖ over the largest eigenvalue: how far Σ turns v off its direction, measured.",
    ),
    (
        "angle ≤",
        "a bound on the sine of the angle between the vector and the true one, from residuals and"
        " the distance to the next eigenvalue. 1: nothing is known of the single direction.",
    ),
    (
        RESOLVED,
        "the direction is known: its angle bound, or that of its cluster's subspace, is at most"
        " 0.01.",
    ),
    (
        NOT_SEPARATED,
        "the variance is known, but the next one is so close that directions may be mixed; the"
        " subspace counts, not the single vector.",
    ),
    (UNDETERMINED, "the residual is too large beside the own eigenvalue to say anything."),
    (NONE, "no variance above rounding is left here."),
]
OF_PROBLEM = {
    "fit": [
        (
            "component",
            "a direction v along which rows vary most, after those before it; an eigenvector of"
            " their covariance Σ. Components are numbered from 0.",
        ),
        ("eigenvalue λ", "the variance of the rows along v (divisor n − 1)."),
        ("share", "λ over the total variance of all columns."),
    ],
    "regress": [
        (
            "pair",
            "a direction a of the inputs and a direction b of the targets: predictions are sums of"
            " (x·a)·b over all pairs. Pairs are numbered from 0.",
        ),
        ("eigenvalue λ", "the variance of the fitted values along b."),
        ("share", "what the pair adds to R², the share of the targets' variance."),
    ],
}


def page(stored, about, again, shape=None, scores=None):
    """Return the ``Page`` on a Stored result or checkpoint; raise DataError if nothing was
    measured yet, UsageError if vectors are no pictures of ``shape``. ``scores`` are ``Scores`` to
    be drawn too, or None.
    """
    shares, curves = about.shares(stored), about.curves(stored)
    drawn = result.panels(stored, shares, curves)
    words = standing_of(stored)
    at, residuals = stored.attributes, stored.arrays["residuals"]
    name = "pairs" if stored.problem == "regress" else "components"
    lead = [
        f"{about.counted(stored)}, {about.origin(stored)}.",
        f"Every one of them was measured: the largest residual is {residuals.max():.1e}, and"
        f" {at['tol']:g} was asked for. {_sentence(in_words(words))}",
    ]
    if at.get("estimated"):
        lead.append(
            "Eigenvalues and residuals are estimates from mini-batches; nothing follows from them"
            " for angles."
        )
    if "verification/residuals" in stored.arrays:
        found = stored.arrays["verification/residuals"].max()
        lead.append(
            f"An independent check ('hpcpca verify --save') has found residuals of at most"
            f" {found:.1e}."
        )
    facts = [
        (name, str(stored.count)),
        ("columns" if stored.problem == "fit" else "targets", f"{stored.d:,}"),
    ]
    if "n_samples" in at:
        facts.append(("rows", f"{at['n_samples']:,}"))
    if shares is not None and np.isfinite(shares).all():
        what = "explained variance" if stored.problem == "fit" else "R²"
        facts.append((what, f"{100 * min(1.0, shares.sum()):.2f} %"))
    facts += [("largest residual", f"{residuals.max():.1e}"), ("resolved", _resolved(words))]
    sections = [
        Section("Overview", [[Figure(caption, draw) for caption, draw in drawn.items()]]),
        Section(
            name.capitalize(),
            [_components(stored, about, shares), *_pictures(stored, about, shares, shape)],
        ),
        Section("What the words mean", [Words(OF_PROBLEM.get(stored.problem, []) + OF_ALL)]),
        computed(stored, again),
        data(stored),
        cited(stored),
    ]
    if scores is not None:
        sections.insert(2, _scores(scores))
    lines = about.lines(stored)
    if lines:
        sections[0].blocks.insert(0, " ".join(map(_sentence, lines)))
    title = f"{TITLES.get(stored.problem, 'Components')}: {os.path.basename(stored.path)}"
    outcome = (at["outcome"], at["outcome"] == "converged" and not at.get("changed"))
    return Page(title, stored.path, outcome, lead, facts, sections)


def _scores(scores):
    """The section on where rows are."""
    figures = [
        Figure(
            f"Rows by their scores on components {first} and {second}",
            lambda axis, pair=(first, second): scores.draw(axis, pair),
        )
        for first, second in pairs_of((), scores.width)
    ]
    return Section("Scores", [f"{scores.count:,} rows.", figures])


def _sentence(text):
    text = text.strip().rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _resolved(words):
    return f"{sum(word == RESOLVED for word in words)} of {len(words)}"


def _components(stored, about, shares):
    """The table, with what stands in clusters below it."""
    arrays, words = stored.arrays, standing_of(stored)
    head = ["", "eigenvalue λ", "residual", "angle ≤", "standing"]
    if shares is not None:
        head[2:2] = ["share", "together"]
    rows = []
    for k in range(min(LISTED, stored.count)):
        row = [
            str(k),
            f"{stored.eigenvalues[k]:.7g}",
            f"{arrays['residuals'][k]:.1e}",
            f"{arrays['angle_bounds'][k]:.1e}",
            words[k],
        ]
        if shares is not None:
            row[2:2] = [f"{100 * shares[k]:.2f} %", f"{100 * shares[: k + 1].sum():.2f} %"]
        rows.append(tuple(row))
    clusters = cluster_lines(arrays["clusters"], arrays["cluster_angle_bounds"], words)
    told = " ".join(map(_sentence, clusters))
    more = stored.count - LISTED
    if more > 0:
        told = f"{more} more are in the file. {told}"
    spare = () if shares is None else (head.index("together"),)
    return Table(tuple(head), rows, told, texts=(len(head) - 1,), spare=spare)


def _pictures(stored, about, shares, shape):
    """Lists of figures of the first vectors: pictures, of a ``shape`` if it is given, maps, lines
    along an axis, or the columns that weigh most.
    """
    sides = about.sides(stored, 2 * DRAWN if stored.problem == "regress" else DRAWN)
    entries = {name: rows.shape[1] for name, rows in sides.items()}
    if shape and prod(shape) not in entries.values():
        had = ", ".join(f"{name} have {count} entries" for name, count in entries.items())
        pixels = "x".join(map(str, shape))
        raise UsageError(f"--images {pixels} are {prod(shape)} pixels, {had}")
    features = of_result(stored) if stored.problem == "fit" else None
    for name, rows in sides.items():
        draw = _drawing(stored, rows, features, shape)
        title = "component " if len(sides) == 1 else f"{name} "
        yield [
            Figure(
                f"{title}{loadings.titled(k, shares)}", lambda axis, row=row: draw(axis, row), SMALL
            )
            for k, row in enumerate(rows[:DRAWN])
        ]


def _drawing(stored, rows, features, shape):
    """Return draw(axis, row) as fits what samples are."""
    if shape and prod(shape) == rows.shape[1]:
        pass
    elif features is not None and loadings.has_maps(features):
        return lambda axis, row: loadings.draw_map(axis, row, features, "x-small")
    else:
        shape = _picture_shape(stored, rows.shape[1])
    if shape:

        def draw_picture(axis, row):
            axis.axis("off")
            result.draw_side(axis, row, shape)

        return draw_picture
    if features is not None and features.names and not loadings.own_axis(stored):
        return lambda axis, row: loadings.draw_bars(axis, row, features.name, "x-small")
    along = loadings.own_axis(stored) if features is not None else None

    def draw_line(axis, row):
        result.draw_side(axis, row, along=along and along[0])
        if along:
            axis.set_xlabel(along[1], fontsize="x-small")
        axis.tick_params(labelsize="x-small")

    return draw_line


def _picture_shape(stored, entries):
    """The shape of the pictures that samples were, or None."""
    shape = tuple(int(each) for each in stored.attributes.get("feature_shape", ()))
    if len(shape) in (2, 3) and prod(shape) == entries and (len(shape) == 2 or shape[-1] in (1, 3)):
        return shape[:2] if len(shape) == 3 and shape[-1] == 1 else shape
    return None
