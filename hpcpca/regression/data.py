"""The data of a regression: pairs of rows, or a joint covariance."""

from ..errors import DataError, UsageError
from ..sources.paired import PairedSource
from ..sources.reading import Reading
from ..sources.source import open_source


class Pairs(PairedSource):
    """Inputs and targets."""

    @property
    def inputs(self):
        """Number of columns of X."""
        return self.x.d

    @property
    def types(self):
        """Those of the values of both sides."""
        return [self.x.dtype, self.y.dtype]

    @property
    def chunk_bytes(self):
        """Of the largest chunk's rows, of both."""
        return sum(
            max(part.chunk_rows for part in side.parts) * side.row_bytes
            for side in (self.x, self.y)
        )


class JointCovariance:
    """A covariance (d + q, d + q), inputs first. The number of targets is ``d`` to the engine."""

    n, chunk_bytes = None, 0

    def __init__(self, source, inputs):
        name = source.parts[0].name
        if source.n != source.d or len(source.parts) != 1:
            raise UsageError(
                f"--covariance needs one square dataset; {name} is {source.n} × {source.d}"
            )
        if not inputs < source.d:
            raise UsageError(
                f"--inputs {inputs}: {name} has {source.d} columns, and at least one is a target"
            )
        self.source, self.inputs, self.d = source, inputs, source.d - inputs
        self.title = f"{source.title}: {inputs} inputs, {self.d} targets"
        self.dtype, self.row_bytes, self.types = source.dtype, source.row_bytes, [source.dtype]
        self.describe, self.change, self.tell = source.describe, source.change, source.tell


def open_data(config, own=()):
    """Return the ``Pairs`` or the ``JointCovariance`` that settings name; raise DataError.

    For one rank to call.
    """
    x = open_source(config.data, Reading.of(config), own=own)
    if config.covariance:
        return JointCovariance(x, config.inputs)
    read = Reading.of(config)
    how = {"samples_axis": getattr(config, "targets_axis", 0), "rows": read.rows}
    if read.nan == "drop-rows":
        how["nan"] = read.nan
    reading = Reading(config.follow_links, **how)
    y = open_source(config.targets, reading, own=own, least=1)
    if getattr(config, "starts_in_double", True):
        x.be_exact()
        y.be_exact()
    pairs = Pairs(x, y)
    least = 1 if config.no_centre else 2
    if pairs.n < least:
        raise DataError(f"{x.parts[0].name} has one row only; a regression needs at least two")
    return pairs
