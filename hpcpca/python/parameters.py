"""Parameters of estimators, made from the same settings as the options of the command line."""

import inspect
from dataclasses import fields
from typing import Any

import numpy as np

from ..errors import UsageError
from ..options import is_option
from ..sources.masked import unmasked
from ..units import parse_size
from .result import Result

# of the command line alone, or of another meaning here
NOT_HERE = (
    *("output", "overwrite", "checkpoint", "checkpoint_every", "no_checkpoint", "max_time"),
    *("row_weights", "warm_start", "inject_latency"),
)
OF_NUMBERS = ("columns", "rows")  # arrays of these become text, and results can be read with them


def parameters_of(settings, first, left_out=(), **own):
    """Return a decorator that gives a class an ``__init__`` with all options of ``settings`` as
    parameters: the field ``components`` is called ``first``, those of ``own`` {name: default} are
    added. Defaults are those of the settings.
    """
    offered = settings.offered() - {*NOT_HERE, *left_out, "components"}
    kept = [each for each in fields(settings) if is_option(each) and each.name in offered]
    found = {first: None} | own | {each.name: each.default for each in reversed(kept)}

    def decorate(cls):
        def __init__(self, *values, **named):
            bound = signature.bind(self, *values, **named)
            bound.apply_defaults()
            for name in found:
                setattr(self, name, bound.arguments[name])

        this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        shape = [this]
        for number, (name, default) in enumerate(found.items()):
            kind = (
                inspect.Parameter.KEYWORD_ONLY
                if number
                else inspect.Parameter.POSITIONAL_OR_KEYWORD
            )
            shape.append(inspect.Parameter(name, kind, default=default, annotation=Any))
        signature = inspect.Signature(shape)
        __init__.__signature__ = signature
        cls.__init__, cls.settings, cls.options = __init__, settings, tuple(offered)
        return cls

    return decorate


def config_of(estimator, components, **more):
    """Return (checked settings, {name: array}, the ``Contents`` to go on from, or None) of an
    estimator's parameters and ``more``: what is given as an array is held under the name of its
    option; raise UsageError.
    """
    said, arrays, known = {}, {}, None
    given = {name: getattr(estimator, name) for name in estimator.options} | more
    for name, value in given.items():
        if isinstance(value, Result):
            if name == "init":
                value = value.components_
            else:
                known, value = value.contents, value.contents.path
        if name == "memory" and isinstance(value, str):
            value = _size(value)
        if isinstance(value, np.ndarray | list | range) or hasattr(value, "__array__"):
            if isinstance(value, np.generic):
                value = value.item()
            elif name in OF_NUMBERS:
                value = _numbers(unmasked(value))
            else:
                arrays[name], value = unmasked(value), name
        said[name] = value
    if isinstance(components, np.generic):
        components = components.item()
    config = estimator.settings(components=components, **said)
    return config.check(), arrays, known


def _size(text):
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"memory: {error}") from None


def _numbers(chosen):
    """Numbers, or a mask, as the options have them."""
    return ",".join(map(str, np.flatnonzero(chosen) if chosen.dtype == bool else chosen))
