"""How data become rows: which axis has the samples, which columns are taken, and what is done to
their values. Nothing heavy is imported here.
"""

from dataclasses import dataclass, fields, replace

from ..errors import UsageError
from ..options import Settings, is_option, option


@dataclass(frozen=True)
class Reading(Settings):
    """Reading"""

    follow_links: bool = False  # an option of its own in each command
    nan: str = "raise"  # these are options of fit, in ``Statistics``
    scale: bool = False
    column_weights: str | None = None
    row_weights: str | None = None
    samples_axis: int = option(
        "Axis of DATA that has the samples; the others become columns (default 0).", default=0
    )
    columns: str | None = option(
        "Only these columns: numbers and ranges, or a dataset with numbers or a mask.",
        metavar="I,A:B,…|FILE:dataset",
    )
    rows: str | None = option(
        "Only these rows, numbered from 0 over all of DATA.", metavar="I,A:B,…|FILE:dataset"
    )
    join: bool = option(
        "DATA are side by side: the columns of the second after those of the first, and so on.",
        default=False,
    )
    normalize_rows: float | None = option(
        "Scale every row so that its values, in all columns, add up to SUM.", metavar="SUM"
    )
    log1p: bool = option("Take log(1 + x) of every value, after --normalize-rows.", default=False)

    @classmethod
    def of(cls, config, **changes):
        """Return that of any settings, or of a stored result's (which may know less)."""
        found = {each.name: getattr(config, each.name, each.default) for each in fields(cls)}
        return cls(**(found | changes))

    def check(self):
        """Raise UsageError if an option makes no sense."""
        total = self.normalize_rows
        if total is not None and not 0 < total < float("inf"):
            raise UsageError(f"--normalize-rows {total}: a number above 0 is needed")
        if getattr(self, "covariance", False) and (asked := self.asked()):
            raise UsageError(f"--covariance data are no samples: leave {', '.join(asked)} out")

    def but(self, **changes):
        """Return it with other options; raise UsageError if they make no sense."""
        found = replace(self, **changes)
        found.check()
        return found

    def asked(self):
        """How the options that were given are typed."""
        return [
            self.typed(each.name) for each in OPTIONS if getattr(self, each.name) != each.default
        ]

    @property
    def changes_values(self):
        """Whether values are not what the files have."""
        asked = self.log1p or self.normalize_rows is not None
        return asked or self.learns or self.column_weights is not None

    @property
    def learns(self):
        """Whether columns have to be learnt of in a reading of its own."""
        return self.scale or self.nan != "raise"


@dataclass(frozen=True)
class Statistics(Settings):
    """Statistics"""

    nan: str = option(
        "Missing values (NaN, and by attributes): raise refuses them (default); mean puts their"
        " column's mean there; drop-columns leaves out columns that have any, drop-rows rows; em"
        " puts what the components that fit all other values best have there.",
        default="raise",
        choices=("raise", "mean", "drop-columns", "drop-rows", "em"),
    )
    scale: bool = option("Divide every column by its standard deviation.", default=False)
    no_centre: bool = option("Take rows as they are: no mean is taken off.", default=False)
    column_weights: str | None = option(
        "Weights of the columns in the variance: a dataset, or coslat, the cosine of the latitudes"
        " that the file has for one of its axes.",
        metavar="FILE:dataset|coslat",
    )

    row_weights: str | None = option(
        "Weights of the rows in mean and variance: a dataset with one for each row of DATA.",
        metavar="FILE:dataset",
    )

    def check(self):
        """Raise UsageError if there are no rows."""
        for name in ("nan", "scale", "column_weights", "no_centre", "row_weights"):
            if self.covariance and getattr(self, name) not in ("raise", False, None):
                raise UsageError(f"--covariance data have no rows: leave {self.typed(name)} out")


PLAIN = Reading()
OPTIONS = [each for each in fields(Reading) if is_option(each)]
NAMES = tuple(each.name for each in OPTIONS)
STATISTICS = tuple(each.name for each in fields(Statistics) if is_option(each))


def told(config):
    """How data were read, as options of a stored ``config`` are typed."""
    found = []
    for each in (*OPTIONS, *(each for each in fields(Statistics) if is_option(each))):
        value = config.get(each.name, each.default)
        if value != each.default:
            flag = "--" + each.name.replace("_", "-")
            found.append(flag if value is True else f"{flag} {value}")
    return " ".join(found)
