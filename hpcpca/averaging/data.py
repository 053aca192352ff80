"""The matrices of many files with the same datasets, and their means."""

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..files.damage import reporting_damage
from ..files.opening import open_file
from ..files.paths import natural_order, whole_files
from ..operators.centring import work_type
from ..sources.contents import contents
from ..sources.part import part_of
from ..sources.reading import Reading
from ..sources.source import Source
from ..sources.values import values_of

# groups of a result that are not of a matrix
TAKEN = ("compression", "history", "state", "verification")


@dataclass(frozen=True)
class Matrix:
    """A matrix (n, m) that is in every file."""

    name: str
    sources: tuple  # of each file
    rank: int  # of its mean

    @property
    def shape(self):
        """(n, m)."""
        return self.sources[0].n, self.sources[0].d

    @property
    def work(self):
        """The type of factors, and in which rows are multiplied unless --tol asks for more."""
        return np.result_type(*(work_type(source.dtype, False) for source in self.sources))

    def read(self, start, stop, buffer, ended=lambda: False):
        """Return rows start..stop−1 of the mean (stop − start, m) in float64; None if ``ended()``
        between two files. ``buffer`` is one of ``buffers``. Raise DataError.
        """
        total = np.zeros((stop - start, self.shape[1]))
        for source, into in zip(self.sources, buffer):
            block = source.read(0, start, stop, into if source.unmapped else None)
            source.check_finite(block)
            total += block.rows * (1 / len(self.sources))  # sums of huge values would overflow
            if ended():
                return None
        return total

    def buffers(self, rows):
        """Return memory for ``read``: a buffer for each type of the files, shared by its files."""
        held = {source.dtype: source.buffer(rows) for source in self.sources}
        return [held[source.dtype] for source in self.sources]


@dataclass(frozen=True)
class Averages:
    """What all files have: ``matrices`` to be factored, and ``others``, averaged as they are."""

    files: tuple
    matrices: tuple
    others: tuple  # of tuples of Values, one of each file
    notes: tuple = ()

    @property
    def title(self):
        """How many there are, and how large, in words."""
        size = sum(n * m for n, m in (each.shape for each in self.matrices))
        return (
            f"{len(self.files)} file(s) with {len(self.matrices)} matrices, {size} entries in all,"
            f" and {len(self.others)} other datasets"
        )

    @property
    def entries(self):
        """Numbers in a file, of all datasets."""
        whole = sum(each[0].count for each in self.others)
        return whole + sum(n * m for n, m in (each.shape for each in self.matrices))

    @property
    def kept(self):
        """Numbers in a result."""
        whole = sum(each[0].count for each in self.others)
        return whole + sum(sum(each.shape) * each.rank for each in self.matrices)

    def describe(self):
        """Return the descriptions of all datasets."""
        parts = [part for each in self.matrices for s in each.sources for part in s.describe()]
        return parts + [values.describe() for each in self.others for values in each]

    def change(self):
        """What happened to the files since they were opened, in words, or None."""
        of_rows = (source.change() for each in self.matrices for source in each.sources)
        of_values = (values.change() for each in self.others for values in each)
        return next((change for some in (of_rows, of_values) for change in some if change), None)

    def tell(self, say):
        """Tell of datasets that are left out."""
        for note in self.notes:
            say(note)


def open_averages(config, own=()):
    """Return the ``Averages`` of the files that settings name; raise DataError.

    For one rank to call.
    """
    paths = whole_files(config.data, "all datasets of a file are averaged", set(own))
    if not paths:
        raise DataError("no file is left to average: what the pattern matches is the run's own")
    shapes, notes = {}, []
    for path in paths:
        held, left_out = _numbers(path)
        if left_out and not notes:
            notes.append(f"{path}: left out, since they are no real numbers: {', '.join(left_out)}")
        if shapes:
            _check_alike(path, held, paths[0], shapes)
        shapes = shapes or held
    matrices, others = [], []
    for name, shape in shapes.items():
        if name.partition("/")[0] in TAKEN:
            raise DataError(
                f"{paths[0]}:{name}: results have a group {name.partition('/')[0]} of their own;"
                " rename this one"
            )
        rank = _rank(shape, config)
        if rank:
            parts = (part_of(path, name, Reading(config.follow_links)) for path in paths)
            matrices.append(Matrix(name, tuple(Source([part]) for part in parts), rank))
        else:
            others.append(tuple(values_of(path, name, config.follow_links) for path in paths))
    return Averages(tuple(paths), tuple(matrices), tuple(others), tuple(notes))


def _numbers(path):
    """Return {name: shape} of a file's datasets of real numbers, and the names of others."""
    with reporting_damage(path), open_file(path) as file:
        held = sorted(contents(file), key=lambda each: natural_order(each.name))
    if sparse := next((each for each in held if each.is_sparse), None):
        raise DataError(f"{path}:{sparse.name} is {sparse.words}: write it as a dense matrix")
    numbers = {each.name: each.shape for each in held if each.is_real}
    if not numbers:
        raise DataError(f"{path} has no dataset of real numbers; name another file")
    return numbers, [each.name for each in held if not each.is_real]


def _check_alike(path, held, first, asked):
    for name in asked.keys() | held.keys():
        if name not in held or name not in asked:
            one, other = (path, first) if name not in held else (first, path)
            raise DataError(
                f"{one} has no dataset {name}, which {other} has; give files with the same ones"
            )
        if held[name] != asked[name]:
            sizes = (" × ".join(map(str, shape)) or "1" for shape in (held[name], asked[name]))
            raise DataError("{}:{} is {}, and {} in {}".format(path, name, *sizes, first))


def _rank(shape, config):
    """The rank that a dataset's mean is given; 0 if it is averaged as it is."""
    if len(shape) != 2 or 0 in shape:
        return 0
    rank = min(config.rank, *shape)
    return rank if sum(shape) * rank * config.least <= shape[0] * shape[1] else 0
