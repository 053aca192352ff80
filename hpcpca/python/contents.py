"""All of a result, in memory."""

import json
from dataclasses import dataclass

from ..files.result import Stored

SIDES = ("inputs", "targets")  # of pairs, which are as long as vectors


@dataclass(frozen=True)
class Contents:
    """As ``files.result.Stored``, with all arrays: ``attributes`` and ``arrays`` are those of the
    file; ``path`` is its name, or what it is called in messages.
    """

    problem: str
    named: str  # the dataset of the vectors
    attributes: dict
    arrays: dict
    path: str

    is_checkpoint = False

    @classmethod
    def read(cls, path):
        """Return that of a file; raise DataError."""
        stored = Stored(path)
        stored.require_vectors()
        name = stored.attributes.get("vectors", "components")
        long = {
            each: stored.rows(each, 0, None) for each in (name, *SIDES) if each in stored.shapes
        }
        return cls(stored.problem, name, stored.attributes, stored.arrays | long, path)

    @classmethod
    def made(cls, attributes, arrays, name):
        """Return that of a run that has written no file."""
        return cls(attributes["problem"], attributes["vectors"], attributes, arrays, name)

    @property
    def config(self):
        """The options of the run."""
        return json.loads(self.attributes["config"])

    @property
    def source(self):
        """What the data were: a dict for every part."""
        return json.loads(self.attributes["source"])

    @property
    def count(self):
        """How many vectors there are."""
        return self.arrays[self.named].shape[0]

    @property
    def d(self):
        """Their length."""
        return self.arrays[self.named].shape[1]

    def vectors(self, start=0, stop=None):
        """Vectors start..stop−1: (stop − start, d)."""
        return self.arrays[self.named][start:stop]
