"""What is exported to where, and what is there in the way."""

from dataclasses import dataclass

from ..errors import DataError, UsageError
from ..files.paths import split_dataset
from ..files.result import Stored
from ..pca.scores import load_scores


@dataclass(frozen=True)
class Export:
    """What to export: ``text`` names it, ``scores`` a file of scores that goes with it, ``output``
    the file to write; ``into`` says that AnnData there are added to.
    """

    text: str
    output: str
    scores: str | None = None
    memory: int | None = None
    overwrite: bool = False
    into: bool = False

    def result(self):
        """Return the Stored result of principal components that is named, once scores are known to
        be of it; raise DataError, UsageError.
        """
        path, dataset = split_dataset(self.text)
        if dataset:
            raise UsageError(f"{self.text}: this format takes a whole result; leave :{dataset} out")
        stored = Stored(path)
        if stored.problem != "fit":
            raise DataError(
                f"{path} is a result of 'hpcpca {stored.problem}'; this format is for those of"
                " 'hpcpca fit'"
            )
        if self.scores:
            load_scores(self.scores, path)
        return stored

    def refuse_scores(self):
        """Raise UsageError if there are scores beside what is exported alone."""
        if self.scores:
            raise UsageError(
                f"--scores {self.scores}: such a file has one array; export them by themselves"
            )
