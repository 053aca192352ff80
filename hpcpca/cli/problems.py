"""The problems that have a command each: a line for each."""

from importlib import import_module

# command: (the module with its PROBLEM; the one that is ABOUT its results, or None)
PROBLEMS = {
    "fit": ("hpcpca.pca.problem", "hpcpca.pca.result"),
    "regress": ("hpcpca.regression.problem", "hpcpca.regression.result"),
}


def problem_of(name):
    """Return the Problem whose command is ``name``; raise DataError if there is none.

    It uses MPI, which has to be started by then.
    """
    return import_module(_known(name)[0]).PROBLEM


def about(name):
    """Return what is ``About`` the results of the problem; raise DataError. It needs no MPI."""
    from ..engine.about import About

    module = _known(name)[1]
    return import_module(module).ABOUT if module else About()


def _known(name):
    if name not in PROBLEMS:
        from ..errors import DataError

        raise DataError(
            f"a file was written by 'hpcpca {name}', a command that this version does not have;"
            " upgrade"
        )
    return PROBLEMS[name]
