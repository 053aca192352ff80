"""What results hold of principal components besides what all problems have."""

import numpy as np

from ..engine.about import About
from ..sources.reading import told

EPSILON = np.finfo(float).eps
SHARE_ROUNDING = 1e-5  # by which shares of variance may exceed 1 in single precision


def arrays_of(variance, total, divisor, mean):
    """{name: array} from the explained variances (K), the total one, and of rows what their sums
    were divided by, and their mean; ``divisor`` is None for a covariance.
    """
    arrays = {"explained_variance_ratio": shares(variance, total)}
    if divisor is not None:
        arrays |= {"singular_values": np.sqrt(variance) * np.sqrt(divisor), "mean": mean}
    return arrays


def shares(variance, total):
    """Shares of the ``total`` variance, whose sum is at most 1.

    What exceeds it by rounding is scaled to 1; if it is more, variances are of data that changed,
    of vectors that overlap, or estimates, and there are no such shares: all are NaN.
    """
    found = variance / total
    explained = found.sum()
    if explained > 1 + SHARE_ROUNDING:
        return np.full(len(found), np.nan)
    return found * ((1 - len(found) * EPSILON) / explained) if explained > 1 else found


class AboutPca(About):
    """What components are of, and what they explain."""

    def counted(self, stored):
        """Return how many components of what, and the axes that samples had."""
        axes = " × ".join(map(str, stored.attributes.get("feature_shape", ())))
        if not axes:
            return super().counted(stored)
        some = "of " if "columns" in stored.arrays else ""
        return f"{super().counted(stored)} ({some}{axes})"

    def origin(self, stored):
        """Return the number of samples.

        A run that was stopped in its first pass knows it from its files only.
        """
        if stored.config["covariance"]:
            return "of a covariance"
        samples = stored.attributes.get("n_samples", sum(part["rows"] for part in stored.source))
        return f"{samples} samples"

    def lines(self, stored):
        """Return what share of the variance the components explain, and how rows were read."""
        read = told(stored.config)
        lines = [*self._explained(stored), *([f"  read with {read}"] if read else [])]
        if path := stored.config.get("extend"):
            lines.append(f"  components 0–{stored.config['kept'] - 1} are those of {path}")
        if path := stored.config.get("update"):
            lines.append(f"  updates {path}: residuals are bounds, for its rows and those below")
        return lines

    def _explained(self, stored):
        total, explained = stored.attributes["total_variance"], stored.eigenvalues.sum()
        share = self.shares(stored).sum()
        if np.isnan(share):
            return [
                f"  total variance {total:.6g}; what these explain is not known: their eigenvalues"
                f" add up to {explained / total:.4g} times that"
            ]
        return [
            f"  total variance {total:.6g}, of which these explain {100 * min(share, 1.0):.2f} %"
        ]

    def shares(self, stored):
        """Return each component's share of the variance."""
        return shares(stored.eigenvalues, stored.attributes["total_variance"])


ABOUT = AboutPca()
