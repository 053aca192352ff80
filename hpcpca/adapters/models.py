"""Adapters from models of ``regress --modules``, and whatever an argument names."""

import os

from ..errors import DataError
from ..files.result import Stored
from . import peft
from .adapter import Adapter, pointed


def adapter_of(stored):
    """Return the ``Adapter`` that a Stored model of ``regress --modules`` is; / in names is a point
    there. Raise DataError for another file.
    """
    if stored.problem != "regress --modules":
        raise DataError(
            f"{stored.path} is a result of 'hpcpca {stored.problem}'; an adapter is made of one of"
            " 'hpcpca regress --modules'"
        )
    if stored.is_checkpoint:
        raise DataError(
            f"{stored.path} is a checkpoint; go on first with 'hpcpca resume {stored.path}'"
        )
    pairs, biases = {}, {}
    for name in (each.decode() for each in stored.arrays["names"]):
        found = {
            what: stored.arrays.get(f"modules/{name}/{what}")
            for what in ("inputs", "components", "intercept")
        }
        plain = pointed(name)
        if plain in pairs:
            raise DataError(f"{stored.path}: two modules would both be {plain}; rename one")
        pairs[plain] = (found["inputs"], found["components"])
        if found["intercept"] is not None:
            biases[plain] = found["intercept"]
    return Adapter(pairs, biases)


def open_adapter(path):
    """Return the ``Adapter`` that ``path`` names: a folder of peft's, or a model of ``regress
    --modules``. Raise DataError.
    """
    return peft.load(path) if os.path.isdir(path) else adapter_of(Stored(path))
