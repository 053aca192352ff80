"""Results of files, as objects."""

import os

from ..errors import DataError
from .components import Components
from .contents import Contents
from .errors import FileMissing, python_errors
from .pairs import Pairs

KINDS: dict[str, type[Components] | type[Pairs]] = {"fit": Components, "regress": Pairs}


def load(path: str | os.PathLike) -> Components | Pairs:
    """Return the result in a file that 'hpcpca fit' or 'hpcpca regress' has written:
    ``Components`` or ``Pairs``; raise FileNotFoundError if there is none, ValueError if it is no
    such file. MPI is not started.
    """
    name = os.fspath(path)
    if not os.path.exists(name):
        raise FileMissing(f"{name}: no such file; check the name and the current folder")
    with python_errors():
        contents = Contents.read(name)
        if contents.problem not in KINDS:
            raise DataError(
                f"{name} is a result of 'hpcpca {contents.problem}'; Python reads those of fit and"
                " regress, and any HDF5 library all others"
            )
        return KINDS[contents.problem](contents)
