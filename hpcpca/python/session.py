"""Runs problems in this process, or on all ranks of an mpiexec: no files, no signals, no terminal.

What a run says goes to the logger "hpcpca", from the first rank alone.
"""

import logging
import os
import warnings
import zlib
from contextlib import contextmanager
from dataclasses import fields, replace

import numpy as np

from ..engine.ranks import joined
from ..errors import DataError, PlatformError, describe, on_all_ranks
from ..sources.held import holding, values_of
from .contents import Contents
from .errors import NotConverged

WHOLE_BYTES = 16 << 20  # of an array that is compared over the ranks as it is
SAMPLED_ROWS = 4  # of a larger one
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


@contextmanager
def at_the_door():
    """Run the body on all ranks; if it fails on some, these raise their own error, and the others
    that of the lowest of them. Nothing in it is collective.
    """
    world, error = ranks(), None
    try:
        yield
    except Exception as caught:
        error = caught
    everyone = world.comm.allgather(error and describe(error))
    if error is not None:
        raise error
    for rank, said in enumerate(everyone):
        if said:
            raise on_all_ranks(DataError(f"rank {rank}: {said}"))


def carried_out(problem_of, config, arrays, *, is_all=False, known=None):
    """Run a problem whose data are ``arrays`` {name: array} or files; return its ``Contents``.
    ``problem_of()`` imports the class, once MPI is started. ``is_all`` asks for as many components
    as there are; ``known`` is what a result in memory knows, to go on from. Raise HpcpcaErrors.
    Collective.
    """
    world = ranks()
    with holding(arrays):
        _check_alike(world, config, arrays, is_all=is_all, known=known)
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


def _check_alike(world, config, arrays, *, is_all, known):
    """Raise DataError on all ranks unless all have the same settings and arrays, these as far as
    sizes, types and checksums say. Collective.
    """
    with at_the_door():
        found = {each.name: _checksum(repr(getattr(config, each.name))) for each in fields(config)}
        found["components"] = "all" if is_all else found["components"]
        found |= {name: _described(array) for name, array in arrays.items()}
        if known is not None:
            made = {name: _described(array) for name, array in known.stored.arrays.items()}
            found["update" if config.update else "extend"] = made
        found[config.typed("components")] = found.pop("components")
    everyone = world.comm.allgather(found)
    for rank, theirs in enumerate(everyone):
        if theirs != everyone[0]:
            names = ", ".join(n for n in everyone[0] if theirs.get(n) != everyone[0][n]) or "data"
            raise on_all_ranks(
                DataError(
                    f"{names} of rank {rank} differs from that of rank 0; all ranks give the same"
                    " parameters and arrays, and share out their rows"
                )
            )


def _checksum(text):
    return zlib.crc32(text.encode())


def _described(array):
    """Shape, type and a checksum, of some rows if it is large."""
    array = values_of(array)
    told, count = f"{array.shape} {array.dtype}", array.shape[0] if array.shape else 0
    if array.dtype.hasobject:
        return told
    if hasattr(array, "indptr"):
        some = array.data[: 1 << 10], array.indptr[:: max(1, count // SAMPLED_ROWS)]
    elif isinstance(array, np.ndarray) and (array.ndim == 1 or array.nbytes <= WHOLE_BYTES):
        some = (array,)
    else:
        numbers = sorted(set(np.linspace(0, count - 1, SAMPLED_ROWS).astype(int))) if count else []
        some = [array[number] for number in numbers]
    return told, [zlib.crc32(np.ascontiguousarray(each).tobytes()) for each in some]
