"""The mean of the matrices in many files, in factors of low rank."""

from ..engine.problem import Problem
from ..errors import UsageError
from .data import open_averages
from .feedback import check_file
from .run import Run
from .settings import AveragingSettings
from .verification import examined


class Averaging(Problem):
    """``compress``. It has a loop of its own: there are many matrices, each with its pairs."""

    name = "compress"
    settings = AveragingSettings
    runs = Run

    def open(self, own=()):
        """Return the ``Averages``."""
        return open_averages(self.config, own)

    def reads(self, own=()):
        """Return the files that are averaged."""
        found = dict.fromkeys(self.open(own).files, "the data")
        if self.config.error_feedback:
            found[self.config.error_feedback] = "the file of what is owed"
        return found

    @classmethod
    def examined(cls, request, search):
        """Return lines on the errors of a result's factors, measured on files, and failures."""
        return examined(request, search)

    def check(self, data):
        """Return how many pairs there are; raise if what is owed is of others."""
        if self.config.error_feedback:
            check_file(self.config.error_feedback, data)
        if not data.matrices:
            raise UsageError(
                f"-r {self.config.rank}: no 2-D dataset of {data.files[0]} would get smaller"
                f" (--least {self.config.least:g}); ask for a lower rank, or for --least 0"
            )
        return sum(each.rank for each in data.matrices)


PROBLEM = Averaging
