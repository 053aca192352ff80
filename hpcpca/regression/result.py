"""What results hold of a regression besides what all problems have."""

import numpy as np

from ..engine.about import About

WHAT = {"x": "reduced-rank regression", "none": "PLS-SVD", "both": "canonical correlations"}


def explained(strength, inputs_squares, ridge, total):
    """Return R² (R) of the first 1, 2, … R pairs on the rows that were fitted.

    ``strength`` (R) θ, ``inputs_squares`` (R) |a_k|², the ``ridge`` and the ``total`` sum of
    squares, all undivided: what pair k takes off the loss is θ_k² + ρ|a_k|².
    """
    return np.cumsum(strength**2 + ridge * inputs_squares) / total


class AboutRegression(About):
    """What pairs were found between, and what they explain."""

    def origin(self, stored):
        """Return the numbers of inputs and samples."""
        inputs, config = stored.attributes["n_inputs"], stored.config
        if config["covariance"]:
            return f"from {inputs} inputs, of a covariance"
        samples = next(part["rows"] for part in [_joined(stored.source)])
        return f"from {inputs} inputs, {samples} samples"

    def lines(self, stored):
        """Return what the pairs are, how well the inputs are conditioned, and R²."""
        at, config = stored.attributes, stored.config
        how = WHAT[config["whiten"]]
        if at["ridge"]:
            how += f", ridge {at['ridge']:.6g}"
        lines = [
            f"  {how}; inputs of rank {at['inputs_rank']} and condition {at['condition']:.2g};"
            f" error of the sums ≤ {stored.attributes['rounding']:.1e} of the largest eigenvalue"
        ]
        if "r2" in stored.arrays:
            r2 = stored.arrays["r2"][-1]
            lines.append(
                f"  variance of the targets {at['total_variance']:.6g}, of which these explain"
                f" {100 * r2:.2f} %"
            )
        return lines

    def shares(self, stored):
        """Return what each pair adds to R², or None."""
        r2 = stored.arrays.get("r2")
        return None if r2 is None else np.diff(r2, prepend=0.0)


def _joined(parts):
    return {"rows": sum(part["rows"] for part in parts if part.get("role") != "targets")}


ABOUT = AboutRegression()
