"""``hpcpca report``: a result as one page of HTML."""

from ..files.outputs import write_text
from ..files.result import Stored
from ..pca.scores import load_scores
from . import report_matrices, report_vectors
from .page import render
from .scores import Scores

START = b"<!doctype html>"


def is_no_page(path):
    """Whether a file begins otherwise than our pages do; an empty one is nothing."""
    with open(path, "rb") as file:
        found = file.read(len(START))
    return bool(found) and found.lower() != START


def write(path, output, about, again, *, shape=None, scores=None, colour=None):
    """Write the report on the result or checkpoint at ``path``; raise DataError, PlatformError.

    ``about(stored)`` knows what its problem has to say, ``again(stored)`` gives lines of TOML with
    which it is computed again. Vectors are pictures of a ``shape``, if it is given; rows of a file
    of ``scores`` are drawn in the ``colour`` that FILE:dataset says.
    """
    stored = Stored(path)
    if scores:
        load_scores(scores, path)
    if stored.vectors_name:
        points = Scores(scores, colour) if scores else None
        page = report_vectors.page(stored, about(stored), again(stored), shape, points)
    else:
        page = report_matrices.page(stored, about(stored), again(stored))
    write_text(output, render(page), "name another place with -o")
