"""Rows streamed from files through a projection into a file: what ``transform`` and
``reconstruct`` do. All functions are collective.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from ..errors import DataError, on_all_ranks
from ..files.result import ours_among
from ..kernels import kernels_for
from ..mapping.projection import Reconstruction, Scoring
from ..mapping.streaming import Made, Mapping, check_written, named, on_nodes
from ..operators.centring import work_type
from ..sources.source import open_source
from . import scores as files
from .matching import matched


@dataclass(frozen=True)
class Onto:
    """What rows are projected onto: the first ``components`` (None: all), and how. ``missing`` says
    what becomes of columns that are matched by name, and of which there are none (None: columns
    are matched by their places).
    """

    components: int | None = None
    whiten: bool = False
    centre: bool = True
    missing: str | None = None


def transform(world, say, result, data, writing, *, onto=Onto(), reading=MappingProxyType({})):
    """Write the scores (Y − 1μᵀ)Vᵀ of the rows of ``data`` on the components of ``result``;
    raise DataError, UsageError on all ranks.

    ``data`` are read as the result's were, but for what ``reading`` {option: value} says.
    """
    basis, source = opened(world, say, result, data, writing, onto=onto, reading=reading)
    kind = np.dtype(writing.dtype or work_type(source.dtype, False))
    work = work_type(source.dtype, kind == np.float64)
    kernels = warmed(world, source)
    panel = on_nodes(world, (basis.count, basis.d), work, basis.rows)

    def scoring(team):
        return Scoring(panel.array, basis.mean, source.dtype, basis.lengths, kernels, team=team)

    scratch = Scoring.scratch(basis.d, basis.count, work)
    made = _made(files.SCORES, basis.count, kind, basis, source)
    Mapping(world, source, [panel], scratch).run(say, writing, made, scoring)


def opened(world, say, result, data, writing, *, onto, reading):
    """Return the ``Basis`` of a result, and the ``Source`` of data with its columns, once all that
    is to be written and read was looked at; raise DataError, UsageError on all ranks.
    """
    world.decide(lambda: check_written(writing, [result, *named(data)]))
    basis = world.decide(
        lambda: files.load_basis(result, onto.components, onto.centre, onto.whiten)
    )
    own = ours_among([result, writing.output])
    if onto.missing is not None:  # numbers of columns are those of the other data
        basis = replace(basis, reading=replace(basis.reading, columns=None))
    how = world.decide(lambda: replace(basis.reading, rows=None).but(**reading))
    source = world.decide(lambda: open_source(data, how, own=own))
    source.tell(say)
    if onto.missing is not None:
        basis, note = world.decide(lambda: matched(basis, source, onto.missing))
        say(note)
    learned = replace(basis.learned, left_out=None)  # rows of other data
    source.learn(replace(learned, columns=None) if "columns" in reading else learned)
    if source.d != basis.d:
        raise on_all_ranks(
            DataError(
                f"{source.parts[0].name} has {source.d} columns, the components of {result} have"
                f" {basis.d}; give data with the features that were fitted, or match their names:"
                " 'hpcpca project'"
            )
        )
    return basis, source


def warmed(world, source):
    """Return the kernels for the rows of a source, ready on this node."""
    kernels = kernels_for(source.n * source.d // world.size, [source.dtype])
    world.first_on_node(
        lambda: kernels.is_warm(source.dtype), lambda: kernels.warm_up(source.dtype)
    )
    return kernels


def reconstruct(world, say, result, scores, writing):
    """Write the rows SV + 1μᵀ that a file of scores stands for, with the axes that the data had;
    raise DataError, UsageError on all ranks.
    """
    world.decide(lambda: check_written(writing, [result, scores]))
    source, basis = world.decide(lambda: files.load_scores(scores, result))
    kind = np.dtype(writing.dtype or source.dtype)
    work = np.promote_types(source.dtype, kind)

    scale = 1.0 if basis.learned.scale is None else basis.learned.scale
    scale = np.where(scale == 0, 1.0, scale)  # of columns without weight nothing is left

    def unscaled(start, stop):
        return basis.rows(start, stop) / scale

    panel = on_nodes(world, (basis.count, basis.d), work, unscaled)

    def reconstruction(team):
        return Reconstruction(panel.array, basis.mean / scale, basis.lengths, team)

    scratch = Reconstruction.scratch(basis.d, basis.count, work)
    made = _made(files.RECONSTRUCTION, basis.d, kind, basis, source)
    made = replace(made, axes=basis.axes or None)
    Mapping(world, source, [panel], scratch).run(say, writing, made, reconstruction)


def _made(form, columns, dtype, basis, source):
    header = files.header(form, basis, source)
    return Made(files.DATASETS[form], columns, dtype, header, f"{basis.count} components")
