"""Which method is asked for, and the one check that what was given belongs to it."""

from dataclasses import dataclass, fields

from ..errors import UsageError
from ..options import Settings, is_option, option, spelled
from .registry import DEFAULT, EXCHANGES, METHODS, MINI_BATCHES, NAMES, PARTS

TOL = 1e-6  # asked for unless --tol says otherwise


@dataclass(frozen=True)
class MethodSettings(Settings):
    """Method"""

    method: str = option(
        f"{DEFAULT} (default), or, to compare with, {', '.join(NAMES[1:])}.",
        default=DEFAULT,
        choices=NAMES,
        metavar="NAME",
    )
    exchange: str | None = option(
        "What workers exchange: ritz (default); vectors, as in the paper; window: vectors, without"
        " waiting.",
        choices=EXCHANGES,
    )
    batch_rows: int | None = option(
        "Learn from mini-batches of B rows, drawn from the files for every worker; one pass before"
        " and one after, to measure.",
        metavar="B",
        least=2,
        by_problem=True,
    )

    def __post_init__(self):
        """Fill in what the method decides, unless it was given: the exchange, the tolerance."""
        if self.exchange is None:
            object.__setattr__(
                self,
                "exchange",
                next(each for each in EXCHANGES if (self.method, each) in METHODS),
            )
        if self.tol is None:
            chosen = (MINI_BATCHES if self.batch_rows else METHODS).get(
                (self.method, self.exchange)
            )
            object.__setattr__(self, "tol", (chosen and chosen.tol(self)) or TOL)

    @property
    def chosen(self):
        """The ``Kind`` of method that these settings ask for."""
        return self._methods[self.method, self.exchange]

    @property
    def is_ritz(self):
        """Whether rounds end in a Rayleigh–Ritz step."""
        return self.exchange == "ritz"

    @property
    def _methods(self):
        return MINI_BATCHES if self.batch_rows else METHODS

    @property
    def _name(self):
        return (
            f"the {self.exchange} exchange" if self.method == DEFAULT else f"--method {self.method}"
        )

    @property
    def _asked(self):
        """The method in words."""
        return self._name + (f" and --batch-rows {self.batch_rows}" if self.batch_rows else "")

    def _typed(self, each):
        """An option as it was given."""
        value = getattr(self, each.name)
        return spelled(each, value) + (
            ""
            if isinstance(value, bool)
            else f" {' '.join(value) if isinstance(value, tuple) else value}"
        )

    def check(self):
        """Raise UsageError if there is no such method, or it does not take what was given."""
        if (self.method, self.exchange) not in METHODS:
            exchanges = [exchange for name, exchange in METHODS if name == self.method]
            raise UsageError(
                f"--exchange {self.exchange}: --method {self.method} exchanges"
                f" {' or '.join(exchanges)}"
            )
        if (self.method, self.exchange) not in self._methods:
            raise UsageError(
                f"--batch-rows {self.batch_rows} goes with {self._nearest(list(MINI_BATCHES))}, not"
                f" with {self._name}"
            )
        if self.guards and not self.chosen.guards:
            raise UsageError(
                f"--guards {self.guards} does not go with {self._asked}: their turn would come"
                " after the last component's; leave it out"
            )
        for part in PARTS:
            for each in fields(part):
                if (
                    getattr(self, each.name) is not None
                    and part not in self.chosen.settings
                    and is_option(each)
                ):
                    raise UsageError(
                        f"{self._typed(each)} goes with {self._takers(part)}, not with"
                        f" {self._asked}"
                    )
        if self.top1 is not None and self.top1 not in self.chosen.solvers:
            on_batches = MINI_BATCHES.get((self.method, self.exchange))
            more = (
                f"; {self.top1} learns from mini-batches, --batch-rows"
                if on_batches and self.top1 in on_batches.solvers
                else ""
            )
            raise UsageError(
                f"--top1 {self.top1}: {self._asked} takes {' or '.join(self.chosen.solvers)}{more}"
            )

    def _takers(self, part):
        """The methods nearest to the chosen one that take the options of ``part``, as a user
        would ask for them.
        """
        takers = [
            (name, exchange)
            for name in NAMES
            for exchange in EXCHANGES
            if part in getattr(self._methods.get((name, exchange)), "settings", ())
        ]
        if takers:
            return self._nearest(takers)
        return "exact passes, without --batch-rows" if self.batch_rows else "--batch-rows"

    def _nearest(self, takers):
        """Those of the (method, exchange) pairs that differ least from the chosen one, in words."""
        if found := [exchange for name, exchange in takers if name == self.method]:
            return f"--exchange {' or '.join(found)}"
        if found := [name for name, exchange in takers if exchange == self.exchange]:
            return f"--method {' or '.join(found)}"
        methods, exchanges = (" or ".join(dict.fromkeys(each)) for each in zip(*takers))
        return f"--method {methods} and --exchange {exchanges}"
