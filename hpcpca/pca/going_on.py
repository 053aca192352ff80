"""What results hold of runs that go on from another one, and what is said of them."""

import numpy as np

from ..files.hdf5 import Rows
from ..linalg.determination import judge
from ..linalg.orth import with_positive_peak


def kept_vectors(known, content):
    """Return the ``Rows`` of all components; the first ones are those of the result to the bit."""
    first, count = content.first, content.components
    own = content.state.vectors[: max(0, min(len(content.state.vectors), count - first))]
    own = own * with_positive_peak(own)[:, None]
    stop = min(known.count, first + len(own))
    if stop > first:
        own[: stop - first] = known.vectors(first, stop)
    return Rows(own, np.minimum(content.offsets, count))


def bounded(known, content, operator, rank_limit):
    """Return ({name: array}, {attribute: value}) of an updated result, whose residuals are bounds:
    of what was measured, and of what the result that was updated does not know. Collective.

    Σ of all rows is that of the operator plus share·E. E is what is not known of the old rows: R,
    outside of their components v_k, and the errors e_k of these. For a vector with |c_k| of v_k in
    it, and s outside of all, ‖Ev‖ ≤ Σ|c_k|‖e_k‖ + s(‖R‖ + ‖e‖); and ‖E‖ ≤ ‖R‖ + 2‖e‖, which the
    eigenvalues after the last component may be larger by.
    """
    count, state = content.components, content.state
    largest = float(content.eigenvalues.max())
    if not largest > 0 or not state.has_images:
        return {}, {}
    inside, outside = operator.parts(state.vectors, content.offsets)
    errors, all_errors = known.errors, float(np.linalg.norm(known.errors))
    most = operator.share * (known.rest + 2 * all_errors)
    unknown = operator.share * (inside @ errors + outside * (known.rest + all_errors))
    unknown[count:] = most
    residuals = state.residuals + unknown / largest
    d = state.vectors.shape[1]
    found = judge(state.eigenvalues, residuals, count, rank_limit, d, rounding=content.rounding)
    arrays = {
        "residuals": residuals[:count],
        "guard_residuals": residuals[count:],
        "update_errors": unknown[:count] / largest,
        "standing": found.standing.astype("S"),
        "angle_bounds": found.separation.bounds,
        "clusters": found.separation.clusters,
        "cluster_angle_bounds": found.separation.cluster_bounds,
    }
    tol = max(float(content.attributes["tol"]), float(residuals[:count].max()))
    return arrays, {"tol": tol, "unknown_variance": most}


def saved(problem, report):
    """Lines on what a run owes to the result that it went on from."""
    config, known, now = problem.config, problem.known, report.counters
    if known is None:
        return []
    before = known.attributes["passes"]
    if config.init and known.problem != "fit":
        return []  # passes of another problem
    if config.extend:
        added = report.components - known.count
        return [
            f"kept {known.count} components of {known.path}: 1 pass, where they took"
            f" {before:.4g}; added {added} in {now.passes:.4g} passes"
        ]
    if config.update:
        n, unknown = problem.rows
        return [
            f"updated {known.path}: its {known.n} rows of {n} were not read; what it does not know"
            f" of them adds at most {unknown:.1e} to residuals"
        ]
    gain = f": {before - now.passes:.4g} saved" if before > now.passes else ""
    return [f"begun from {known.path}: {now.passes:.4g} passes; it took {before:.4g}{gain}"]
