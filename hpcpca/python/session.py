"""Runs problems in this process, or on all ranks of an mpiexec: no files, no signals, no terminal.

What a run says goes to the logger "hpcpca", from the first rank alone.
"""

import logging
import os
import warnings
import zlib
from dataclasses import replace

import numpy as np

from ..engine.ranks import joined
from ..errors import DataError, PlatformError, on_all_ranks
from ..sources.held import holding, values_of
from .contents import Contents
from .errors import NotConverged

SAMPLED_ROWS = 4  # of an array, compared over the ranks
WARNING = "hpcpca: warning: "
logger = logging.getLogger("hpcpca")
_JOINED: dict = {}  # {process id: World}; of a forked process it is another


def ranks():
    """Return the ``World`` of this process, made by the first call; raise PlatformError.

    Collective.
    """
    if _JOINED and os.getpid() not in _JOINED:
        raise PlatformError(
            "this process was forked from one that had started MPI, and cannot use it; start"
            " processes anew (multiprocessing's 'spawn', joblib's 'loky')"
        )
    if not _JOINED:
        _JOINED[os.getpid()] = joined()
    return _JOINED[os.getpid()]


def carried_out(problem_of, config, arrays, *, is_all=False, known=None):
    """Run a problem whose data are ``arrays`` {name: array} or files; return its ``Contents``.
    ``problem_of()`` imports the class, once MPI is started. ``is_all`` asks for as many components
    as there are; ``known`` is what a result in memory knows, to go on from. Raise HpcpcaErrors.
    Collective.
    """
    world = ranks()
    with holding(arrays):
        _check_alike(world, arrays)
        problem = problem_of()(config)
        problem.known = known
        problem.ground(world)
        if is_all:
            most = world.decide(lambda: problem.check(problem.open()))
            problem.config = replace(problem.config, components=most)
        problem.settle(world, _speaker(world))
        outcome = _run(problem, world)
    report = outcome.report
    done = int((report.residuals <= report.goals).sum())
    if outcome.name != "converged":
        warnings.warn(
            f"{outcome.name}: {done} of {report.components} components within"
            f" {problem.config.tol:g}; {outcome.lack or 'see result_.outcome'}",
            NotConverged,
            stacklevel=4,
        )
    return Contents.made(*outcome.kept, "the result")


def written(contents, path, overwrite):
    """Write a result to a file, whole or not at all; raise DataError, UsageError. Collective."""
    world = ranks()
    from ..files.checkpoint import write_result  # h5py may load MPI
    from ..files.outputs import check_output

    world.decide(lambda: check_output(path, "path", overwrite))
    write_result(world, path, contents.attributes, contents.arrays)


def _run(problem, world):
    """The ``Outcome`` of a problem; what was taken of the machine is given back. Collective."""
    from ..engine.run import Run  # it loads MPI
    from ..operators.team import unchanged_threads

    run = None
    with unchanged_threads():
        try:
            run = Run(problem, world, _speaker(world))
            outcome = run.run([])
        except BaseException as error:
            if run is not None and (world.size == 1 or getattr(error, "is_agreed", False)):
                run.close()
            raise
        run.close()
        return outcome


def _speaker(world):
    """``say(text)`` of a run."""

    def say(text):
        if not world.is_root:
            return
        if text.startswith(WARNING):
            logger.warning(text.removeprefix(WARNING))
        else:
            logger.info(text)

    return say


def _check_alike(world, arrays):
    """Raise DataError on all ranks unless all have the same arrays, as far as sizes, types and a
    few rows say. Collective.
    """
    found = {name: _described(array) for name, array in arrays.items()}
    everyone = world.comm.allgather(found)
    for rank, theirs in enumerate(everyone):
        if theirs != everyone[0]:
            names = ", ".join(n for n in everyone[0] if theirs.get(n) != everyone[0][n]) or "data"
            raise on_all_ranks(
                DataError(
                    f"{names} of rank {rank} differs from that of rank 0; all ranks give the same"
                    " arrays, and share out their rows"
                )
            )


def _described(array):
    """Shape, type and a checksum of some rows."""
    array = values_of(array)
    told, count = f"{array.shape} {array.dtype}", array.shape[0] if array.shape else 0
    if hasattr(array, "indptr"):
        some = array.data[: 1 << 10], array.indptr[:: max(1, count // SAMPLED_ROWS)]
    else:
        numbers = sorted(set(np.linspace(0, count - 1, SAMPLED_ROWS).astype(int))) if count else []
        some = [np.ascontiguousarray(array[number]) for number in numbers]
    if array.dtype.hasobject:
        return told
    return told, [zlib.crc32(np.ascontiguousarray(each).tobytes()) for each in some]
