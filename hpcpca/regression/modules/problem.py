"""Many low-rank regressions that share a budget of pairs."""

from ...engine.problem import Problem
from ...errors import UsageError
from .data import open_modules
from .run import Run
from .settings import ModulesSettings


class RegressionOfModules(Problem):
    """``regress --modules``. It has a loop of its own: how many pairs there are is found on the
    way.
    """

    name = "regress --modules"
    settings = ModulesSettings
    runs = Run

    def open(self, own=()):
        """Return the ``Modules``."""
        return open_modules(self.config, own)

    def check(self, data):
        """Return the budget; raise UsageError if it is too small."""
        if self.config.budget < len(data):
            raise UsageError(
                f"--budget {self.config.budget}: {len(data)} modules have a pair each; give"
                f" {len(data)} or more"
            )
        return self.config.budget


PROBLEM = RegressionOfModules
