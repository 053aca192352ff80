"""The problems that have a command each: one line for each."""

from importlib import import_module

PROBLEMS = {"fit": "hpcpca.pca.problem"}  # command: the module whose PROBLEM it runs


def problem_of(name):
    """Return the Problem whose command is ``name``; raise DataError if there is none."""
    if name not in PROBLEMS:
        from ..errors import DataError

        raise DataError(f"the file is of 'hpcpca {name}', which this hpcpca does not know; upgrade")
    return import_module(PROBLEMS[name]).PROBLEM
