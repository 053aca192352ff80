"""What a result knows of the rows that it was fitted to: for runs that go on from it."""

import json
import os
from dataclasses import replace

import numpy as np

from ..errors import DataError, UsageError, on_all_ranks
from ..sources.described import holds_same, other_data
from ..sources.held import ARRAYS
from ..sources.learned import Learned
from ..sources.reading import NAMES, STATISTICS

ADOPTED = (*NAMES, *STATISTICS, "covariance")  # options that have to be those of the result


class Known:
    """The result ``stored`` (of a file, or in memory): K vectors and eigenvalues, and of the rows
    their number, mean and total variance.
    """

    def __init__(self, stored):
        """Raise DataError if it is no result of exact passes over rows, or of a covariance."""
        self.stored, self.path = stored, stored.path
        if stored.problem != "fit":
            raise DataError(
                f"{self.path} is a result of 'hpcpca {stored.problem}'; a result of 'hpcpca fit' is"
                " needed"
            )
        if stored.is_checkpoint:
            raise DataError(
                f"{self.path} is a checkpoint; go on with 'hpcpca resume {self.path}' first"
            )
        if stored.attributes.get("estimated", False):
            raise DataError(
                f"{self.path} has estimates of mini-batches; finish it with 'hpcpca resume"
                f" {self.path}' first"
            )
        at, arrays = stored.attributes, stored.arrays
        self.attributes = at
        self.count, self.d, self.vectors = stored.count, stored.d, stored.vectors
        self.values, self.residuals = arrays["explained_variance"], arrays["residuals"]
        self.shape = self.count, self.d
        self.n, self.mean = at.get("n_samples"), arrays.get("mean")
        self.total, self.learned = float(at["total_variance"]), Learned.of(arrays)

    @property
    def errors(self):
        """‖Σv − λv‖ of every vector (K), bounds if it was updated itself."""
        return self.residuals * float(self.values.max(initial=0.0))

    @property
    def rest(self):
        """The largest variance that its rows may have outside of its vectors, if no component was
        missed: as the next eigenvalue says, and not more than all that is left.
        """
        arrays, largest = self.stored.arrays, float(self.values.max(initial=0.0))
        unknown = float(self.attributes.get("unknown_variance", 0.0))
        found = [self.total - float(self.values.sum()), float(self.values[-1]) + unknown]
        if len(after := arrays.get("guard_eigenvalues", ())):
            found.append(float(after[0] + arrays["guard_residuals"][0] * largest))
        return max(0.0, min(found))

    def extending(self, config):
        """Return the settings of a run that keeps these components and adds others; raise
        UsageError.
        """
        asked, count = config.components, self.count
        if not isinstance(asked, int) or asked <= count:
            raise UsageError(
                f"-k {asked}: {self.path} has {count} components already; ask for more than that"
            )
        if (worst := float(self.residuals.max())) > config.tol:
            raise UsageError(
                f"--tol {config.tol:g}: the components of {self.path}, which stay as they are, have"
                f" residuals of up to {worst:.1e}; give a larger --tol, or 'hpcpca resume"
                f" {self.path} --tol {config.tol:g}' first"
            )
        data = config.data or tuple(self.stored.config["data"])
        return replace(self._adopted(config, ADOPTED), data=data, kept=count).check()

    def updating(self, config):
        """Return the settings of a run that folds rows into this result; raise UsageError,
        DataError.
        """
        if self.n is None:
            raise DataError(
                f"{self.path} comes from a covariance, and does not know of how many rows; add the"
                " covariances yourself"
            )
        names = [name for name in ADOPTED if name not in ("rows", "row_weights", "covariance")]
        taken = self._adopted(config, names)
        weights = config.row_weights or self.stored.config.get("row_weights")
        barred = [f"--nan {taken.nan}"] if taken.nan in ("em", "drop-rows") else []
        barred += [f"--row-weights {weights}"] if weights else []
        if barred:
            raise UsageError(f"--update {self.path} does not go with {barred[0]}; start a new fit")
        return taken.check()

    def _adopted(self, config, names):
        """Settings that read data as the result's were; raise UsageError if others are given."""
        changes = {}
        for name in names:
            default = type(config).__dataclass_fields__[name].default
            value, wanted = getattr(config, name), self.stored.config.get(name, default)
            if value == default:
                changes[name] = wanted
            elif value != wanted:
                flag = f"--{name.replace('_', '-')}"
                with_it = f"with {flag} {wanted}" if wanted != default else "without it"
                raise UsageError(
                    f"{flag} {value}: {self.path} was fitted {with_it}; leave {flag} out, or start"
                    " a new fit"
                )
        return replace(config, **changes)

    @property
    def seal(self):
        """A checksum of its file; 0 if it is none."""
        return int(self.attributes.get("seal", 0))

    @property
    def sources(self):
        """Descriptions of all files that were fitted or folded in, with ``taken``: which rows."""
        before = json.loads(self.attributes.get("known_sources", "[]"))
        taken = self.stored.config.get("rows")
        return before + [part | {"taken": taken} for part in self.stored.source]

    def handed_on(self, config):
        """Return {attribute: value} of a result that goes on from this one with ``config``."""
        found = {"known_seal": self.seal}
        return found | ({"known_sources": json.dumps(self.sources)} if config.update else {})

    def tell_repeated(self, data, taken, say):
        """Warn of each file of ``data``, of which the rows ``taken`` are to be folded in, that is
        in the result already. Rows that are named in two ways are supposed to be others.
        """
        for part, told in zip(data.parts, data.describe()):
            for before in self.sources:
                both = None not in (taken, before["taken"])
                is_other = both and (taken != before["taken"] or taken in ARRAYS)
                if is_other or not holds_same(told, before):
                    continue
                there, now = (os.path.realpath(each["path"]) for each in (before, told))
                other = f", as {before['path']}" if there != now else ""
                say(
                    f"hpcpca: warning: {part.name} is in {self.path} already{other}: its rows count"
                    " twice"
                )
                break

    def check_unchanged(self, seal):
        """Raise DataError on all ranks unless its file is the one that a stopped run began with."""
        if self.seal != seal:
            raise on_all_ranks(
                DataError(
                    f"{self.path} was written anew after the run that goes on from it had begun;"
                    " restore it, or start again"
                )
            )

    def check_width(self, data):
        """Raise DataError unless data have the columns of the result."""
        if data.d != self.d:
            raise DataError(
                f"{data.parts[0].name} has {data.d} columns, the components of {self.path} have"
                f" {self.d}; give data with the features that were fitted"
            )

    def check_same(self, data):
        """Raise DataError unless data are those of the result."""
        if other := other_data(data.describe(), self.stored.source):
            raise DataError(
                f"{self.path} belongs to other data: {other}; its components can be kept for its"
                " own data alone: give --init for others, or --update for more rows"
            )


def check_columns(stored, data):
    """Raise DataError if a result to begin from has other columns than data."""
    theirs, mine = stored.arrays.get("columns"), data.view.numbers
    if stored.d == data.d and not _alike(theirs, mine):
        raise DataError(
            f"the components of {stored.path} are of other columns than those taken of"
            f" {data.parts[0].name}; give the same --columns, or other start vectors with --init"
        )


def _alike(some, others):
    """Whether two lists of numbers, or None of all, are the same."""
    return (some is None) == (others is None) and (some is None or np.array_equal(some, others))


class KeptHold:
    """Raises DataError in the first round that measures kept components as what they are not."""

    def __init__(self, known):
        self.known = known

    def __call__(self, report):
        """As of engine.report.Monitor."""
        found = report.residuals[: self.known.count]
        if not np.isfinite(found).all():
            return
        late = np.flatnonzero(found > report.tol + 2 * report.rounding)
        if len(late) and not report.state.estimated:
            k, path = int(late[0]), self.known.path
            why, remedy = (
                "they are not those that it was fitted to",
                "start a new fit, or give --init",
            )
            if found[k] <= 2 * (self.known.residuals[k] + report.rounding):
                why = "as it was fitted"
                remedy = f"go on with 'hpcpca resume {path} --tol {report.tol:g}' first"
            raise on_all_ranks(
                DataError(
                    f"component {k} of {path} has a residual of {found[k]:.1e} on these data, --tol"
                    f" is {report.tol:g}: {why}; {remedy}"
                )
            )
