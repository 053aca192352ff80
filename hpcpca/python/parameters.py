"""Parameters of estimators, made from the same settings as the options of the command line."""

import inspect
from dataclasses import fields
from typing import Any

import numpy as np

from ..options import is_option
from ..sources.masked import unmasked
from .result import Result
from .values import as_option, is_array

# of the command line alone, or of another meaning here
NOT_HERE = (
    *("output", "overwrite", "checkpoint", "checkpoint_every", "no_checkpoint", "max_time"),
    *("row_weights", "warm_start", "inject_latency"),
)
OF_NUMBERS = ("columns", "rows")  # arrays of these become text, and results can be read with them


def parameters_of(settings, first, left_out=(), **own):
    """Return a decorator that gives a class an ``__init__`` with all options of ``settings`` as
    parameters: the field ``components`` is called ``first``, those of ``own`` {name: default},
    which are True or False, are added. Defaults are those of the settings.
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
        cls.first, cls.own = first, tuple(own)
        return cls

    return decorate


def config_of(estimator, components, data, **more):
    """Return (checked settings, {name: array}, the ``Contents`` to go on from, or None) of an
    estimator's parameters, ``more`` of them, and ``data`` {field: arguments}. What is given as an
    array is held under the name of its option; raise UsageError.
    """
    said, arrays, known = dict(data), {}, None
    options = {each.name: each for each in fields(estimator.settings) if is_option(each)}
    for name in estimator.own:
        as_option(bool, name, getattr(estimator, name))
    given = {name: getattr(estimator, name) for name in estimator.options} | more
    for name, value in given.items():
        at = options[name].metadata
        form = at["words"].get("metavar", "")
        if isinstance(value, Result) and "RESULT" in form:
            if name == "init":
                value = value.components_
            else:
                known, value = value.contents, value.contents.path
        if "FILE:dataset" not in form or not is_array(value):
            said[name] = as_option(options[name].type, name, value, at["choices"], **at["words"])
        elif name in OF_NUMBERS:
            said[name] = _numbers(unmasked(value))
        else:
            arrays[name], said[name] = unmasked(value), name
    count = options["components"]
    words = count.metadata["words"]
    said["components"] = as_option(count.type, estimator.first, components, **words)
    return estimator.settings(**said).check(), arrays, known


def _numbers(chosen):
    """Numbers, or a mask, as the options have them."""
    return ",".join(map(str, np.flatnonzero(chosen) if chosen.dtype == bool else chosen))
