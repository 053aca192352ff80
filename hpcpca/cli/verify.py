"""``hpcpca verify``: the measured error of any vectors on any data."""

import math

import click

from ..sources.reading import Reading
from .command import Command
from .options import follow_links, options_of, reading_of
from .problems import problem_named, problem_of
from .session import speaker, watching, world
from .wrapping import tell

DEFAULT_TOL = 1e-6
SHOWN = 64


@click.command(
    cls=Command,
    examples=(
        "mpiexec -n 4 hpcpca verify pca.h5 data.h5",
        "hpcpca verify vectors.npy data.h5 --tol 1e-4",
        "hpcpca verify model.h5 x.h5 --targets y.h5 --holdout",
    ),
)
@click.argument("vectors", metavar="RESULT|FILE.npy|FILE:dataset")
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@click.option("--tol", type=float, help="Tolerance to check; default: the stored one, else 1e-6.")
@click.option(
    "--covariance",
    is_flag=True,
    help="DATA is a d×d covariance matrix itself (known from a result).",
)
@click.option(
    "--targets",
    multiple=True,
    metavar="DATA[:dataset]",
    help="The targets of a regression.",
)
@click.option(
    "--holdout",
    is_flag=True,
    help="DATA and targets were not fitted: measure R² of the predictions only.",
)
@click.option("--save", is_flag=True, help="Store the findings in the result, under /verification.")
@click.option(
    "--no-search",
    "search",
    flag_value=False,
    default=True,
    help="Do not search for a missed component: one pass instead of nine. Of compress: not for the"
    " least error.",
)
@follow_links
@options_of(Reading)
@click.option("-q", "--quiet", is_flag=True, help="Only errors and the exit code.")
def verify(vectors, data, tol, save, search, quiet, holdout, targets, covariance, **reading):
    """Measure VECTORS against DATA in float64, with passes of its own; exit 4 where the
    tolerance does not hold.
    """
    import sys
    from dataclasses import replace

    from threadpoolctl import threadpool_limits

    from ..engine.vectors import load_vectors, save_finding, stored_whole
    from ..engine.verification import Request, examine
    from ..errors import UsageError, on_all_ranks
    from ..linalg.determination import in_words

    # ranks of a node share its processors: more threads than these would wait for each other
    with world() as ranks, threadpool_limits(ranks.default_threads()):
        watching(ranks, speaker(ranks, quiet))
        whole = ranks.decide(lambda: stored_whole(vectors))
        if whole is not None:
            how = ranks.decide(lambda: reading_of(None, **_split(reading)))
            request = Request(data, how, whole, 0, ranks, say=print)
            if tol is not None or save or holdout or targets or covariance or how.asked():
                raise on_all_ranks(
                    UsageError(f"{vectors} has many sets of vectors: of options only --no-search")
                )
            return _examined(problem_of(whole), request, search, quiet)
        rows, stored = ranks.decide(lambda: load_vectors(vectors))
        if save and not search:
            raise on_all_ranks(UsageError("--save stores whole findings; leave out --no-search"))
        if save and stored is None:
            raise on_all_ranks(UsageError(f"--save stores findings in a result; {vectors} is none"))
        if tol is not None and not 0 < tol <= 1:
            raise on_all_ranks(
                UsageError(f"--tol {tol}: a number above 0, and at most 1, is needed")
            )
        if tol is None:
            tol = stored.attributes["tol"] if stored else DEFAULT_TOL
        problem = ranks.decide(lambda: problem_of(stored) if stored else problem_named("fit"))
        how = ranks.decide(lambda: reading_of(stored, **_split(reading)))
        about = {"covariance": covariance, "targets": targets, "say": speaker(ranks, quiet)}
        request = Request(data, how, stored, rows.shape[1], ranks, **about)
        if holdout:
            return _held_out(problem, request, save, speaker(ranks, quiet, sys.stdout))
        plain = problem.plain(request)
        with ranks.blaming(plain.change):
            known = stored and (stored.eigenvalues, stored.arrays.get("update_errors", 0.0))
            finding = examine(plain, rows, tol, known, search=search)
            rest = plain.check_rest(tol) if hasattr(plain, "check_rest") else ((), ())
        finding = replace(finding, failures=(*finding.failures, *rest[1]))
        if change := ranks.decide(plain.change):
            finding = replace(finding, failures=(f"{change}: verify it again", *finding.failures))
        say = speaker(ranks, quiet, sys.stdout)
        for line in (*_lines(finding, search), *rest[0]):
            say(line)
        if save:
            ranks.decide(lambda: save_finding(stored.path, finding, tol))
        if not finding.failures:
            say(in_words(finding.standing))
            say(
                f"verified: all {len(rows)} residuals ≤ {tol:g},"
                f" {'nothing missed' if search else 'not searched for missed ones'} ({plain.reads}"
                " reads)"
            )
            return 0
        if ranks.is_root:
            tell(f"hpcpca: verification failed: {'; '.join(finding.failures)}", sys.stderr)
        return 4


def _split(reading):
    return {"follow_links": reading.pop("follow_links"), "options": reading}


def _examined(problem, request, search, quiet):
    """Measure a result that has many sets of vectors; return the exit code."""
    import sys

    if not hasattr(problem, "examined"):
        request.stored.require_vectors()
    lines, failures = problem.examined(request, search)
    say = speaker(request.ranks, quiet, sys.stdout)
    for line in lines:
        say(line)
    if failures and request.ranks.is_root:
        tell(f"hpcpca: verification failed: {'; '.join(failures)}", sys.stderr)
    return 4 if failures else 0


def _held_out(problem, request, save, say):
    """Say how well a result predicts rows that it has not seen; return the exit code."""
    from ..errors import UsageError, on_all_ranks

    if not hasattr(problem, "held_out"):
        raise on_all_ranks(
            UsageError("--holdout measures predictions: name a result of 'hpcpca regress'")
        )
    if save:
        raise on_all_ranks(UsageError("--save stores findings on the rows that were fitted"))
    for line in problem.held_out(request):
        say(line)
    return 0


def _lines(finding, search):
    from ..report.describe import cluster_lines

    separation = finding.separation
    yield (
        f"{'component':>9} {'eigenvalue':>16} {'residual':>9} {'gap':>10} {'angle ≤':>9}  standing"
    )
    for k in range(min(SHOWN, len(finding.eigenvalues))):
        yield (
            f"{k:>9} {finding.eigenvalues[k]:>16.9g} {finding.residuals[k]:>9.1e}"
            f" {separation.gaps[k]:>10.3g} {separation.bounds[k]:>9.1e}  {finding.standing[k]}"
        )
    if len(finding.eigenvalues) > SHOWN:
        yield f"{'…':>9} ({len(finding.eigenvalues)} in all)"
    yield f"max|VVᵀ−I| = {finding.orthonormality:.1e}" + (_outside(finding) if search else "")
    if search:  # else the last component's gap is not known
        yield from cluster_lines(separation.clusters, separation.cluster_bounds, finding.standing)


def _outside(finding):
    if math.isnan(finding.next_eigenvalue):
        return "; nothing is left outside of their span"
    return f"; largest eigenvalue found outside of their span: {finding.next_eigenvalue:.6g}"
