"""The problems that have a command each: a line for each."""

from importlib import import_module

# command: (the module with its PROBLEM; the one that is ABOUT its results, or None)
PROBLEMS = {
    "fit": ("hpcpca.pca.problem", "hpcpca.pca.result"),
    "regress": ("hpcpca.regression.problem", "hpcpca.regression.result"),
    "regress --modules": (
        "hpcpca.regression.modules.problem",
        "hpcpca.regression.modules.result",
    ),
    "compress": ("hpcpca.averaging.problem", "hpcpca.averaging.result"),
}

# command: the module with what of it can be PLANNED; the first is the usual one
PLANNED = {"fit": "hpcpca.pca.planned", "regress": "hpcpca.regression.planned"}


def planned():
    """Return {command: what of it is ``Planned``}."""
    return {name: import_module(module).PLANNED for name, module in PLANNED.items()}


def problem_named(name):
    """Return the Problem whose command is ``name``.

    It uses MPI, which has to be started by then.
    """
    return import_module(PROBLEMS[name][0]).PROBLEM


def problem_of(stored):
    """Return the Problem that a Stored file is of; raise DataError if this version has it not."""
    return problem_named(_known(stored))


def about(stored):
    """Return what is ``About`` the results of the problem that a Stored file is of; raise
    DataError. It needs no MPI.
    """
    from ..engine.about import About

    module = PROBLEMS[_known(stored)][1]
    return import_module(module).ABOUT if module else About()


def unknown(name):
    """Why this version cannot go on with what the command ``name`` has written, and what can; ""
    if it has that command itself.
    """
    if name in PROBLEMS:
        return ""
    return (
        f"was written by 'hpcpca {name}', a command that this version does not have; upgrade, or"
        " use the installation that has it"
    )


def _known(stored):
    if why := unknown(stored.problem):
        from ..errors import DataError

        raise DataError(f"{stored.path} {why}")
    return stored.problem
