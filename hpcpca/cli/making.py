"""How ``hpcpca data make`` writes test data and their truth."""

import time

from .session import speaker

_MEANING = {
    False: (
        "Eigenpairs and mean of the population V diag(signal) V' + (noise + rounding) I that rows"
        " were drawn from; those of the sample differ by O(1/sqrt(n)): eigenvalues by about"
        " sqrt(2/n), relatively."
    ),
    True: (
        "Eigenpairs and mean of the sample covariance (divisor n-1) itself, to the rounding of the"
        " element type."
    ),
}


def make_data(ranks, recipe, laid_out, output, overwrite):
    """Write the rows of a recipe, and the truth beside them. Collective."""
    from threadpoolctl import threadpool_limits

    from ..files.file_set import beside, prepare, write_set
    from ..files.formats import MADE_BY, TEST_DATA
    from ..files.outputs import check_output

    truth_path, begun = beside(output, "truth"), time.monotonic()

    def check():
        prepare(laid_out, overwrite)
        check_output(truth_path, "-o", overwrite)

    ranks.decide(check)
    with threadpool_limits(
        1
    ):  # values must not depend on how many threads a product is spread over
        truth, rows = _rows(ranks, recipe)
        write_set(ranks, laid_out, rows, {MADE_BY: TEST_DATA})
    _write_truth(ranks, truth_path, recipe, truth)
    say_written(ranks, laid_out, begun)
    speaker(ranks)(f"truth: {truth_path}")


def _rows(ranks, recipe):
    """The population (on the root) and what yields its rows, the same on all ranks."""
    import numpy as np

    from ..sources.synthetic import ExactRows, RandomRows, exact, population

    truth = rows = None
    with ranks.agreed():
        if ranks.is_root:
            truth = population(recipe)
            if recipe.is_exact:
                rows, truth = exact(recipe, truth)
    if recipe.is_exact:
        return truth, ExactRows(_shared(ranks, rows, (recipe.n, recipe.d), recipe.kind))
    weights = truth and np.sqrt(truth.signal)[:, None] * truth.components
    weights = _shared(ranks, weights, (recipe.components, recipe.d), recipe.work)
    mean = _shared(ranks, truth and truth.mean[None], (1, recipe.d), recipe.work)
    return truth, RandomRows(recipe, weights, mean, ranks.comm.bcast(truth and truth.noise))


def _shared(ranks, array, shape, dtype):
    """The root's array on all ranks, row by row: counts stay small, whatever the shape."""
    import numpy as np

    array = np.empty(shape, dtype) if array is None else np.ascontiguousarray(array, dtype)
    for row in array.view(np.uint8):
        ranks.comm.Bcast(row)
    return array


def _write_truth(ranks, path, recipe, truth):
    import json
    from dataclasses import asdict

    from ..files.formats import TRUTH
    from ..files.hdf5 import write

    attributes, arrays = {}, {}
    if ranks.is_root:
        attributes = {
            "format": TRUTH,
            "format_version": 1,
            "recipe": json.dumps(asdict(recipe)),
            "n_samples": recipe.n,
            "noise_variance": truth.noise,
            "rounding_variance": truth.rounding,
            "total_variance": truth.total_variance,
            "is_exact": recipe.is_exact,
            "meaning": _MEANING[recipe.is_exact],
        }
        arrays = {
            "eigenvalues": truth.eigenvalues,
            "components": truth.components,
            "mean": truth.mean,
        }
    write(ranks, path, attributes, arrays)


def say_written(ranks, laid_out, begun):
    """Say what was written since ``begun``."""
    from ..units import format_seconds, format_size

    size = laid_out.edges[-1] * laid_out.row_bytes
    shape = " × ".join(map(str, (laid_out.edges[-1], *laid_out.row_shape)))
    seconds = time.monotonic() - begun
    speaker(ranks)(
        f"wrote {shape} {laid_out.dtype} ({format_size(size)}) to"
        f" {len(laid_out.paths)} file(s), {laid_out.paths[0]} …, in {format_seconds(seconds)}"
    )
