"""What results hold of a regression besides what all problems have."""

import numpy as np

from ..engine.about import About

WHAT = {"x": "reduced-rank regression", "none": "PLS-SVD", "both": "canonical correlations"}


def explained(fitted, overlap, inputs, ridge, total):
    """Return R² (R) of W = Σ a_j b_jᵀ over the first 1, 2, … R pairs, on the rows that were fitted.

    ``fitted`` (R, R) are b_iᵀS b_j = a_iᵀC a_j, ``overlap`` b_iᵀb_j, ``inputs`` a_iᵀa_j; ``ridge``
    and ``total``, the trace of E, are divided as S is. If the b are orthonormal and there is no
    ridge, pair j adds θ_j² over the total.
    """
    gains = 2 * np.cumsum(np.diag(fitted))
    costs = overlap * (fitted - ridge * inputs)
    upto = np.cumsum(np.cumsum(costs, axis=0), axis=1)
    return (gains - np.diag(upto)) / total


class AboutRegression(About):
    """What pairs were found between, and what they explain."""

    def counted(self, stored):
        """Return the numbers of pairs and targets."""
        return f"{stored.count} pairs of {stored.d} targets"

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

    def curves(self, stored):
        """Return R² of the first pairs: on the rows fitted, and on those that chose R."""
        if "r2" not in stored.arrays:
            return None
        found = {"fitted": stored.arrays["r2"]}
        if stored.attributes.get("rows_kept_back"):
            found["rows kept back"] = stored.arrays["r2_by_rank"]
        return "R²", found

    def sides(self, stored, most):
        """Return the pairs: the weights of inputs that vary by one, and of targets."""
        count = min(stored.count, most // 2)
        inputs = stored.rows("inputs", 0, count)
        inputs = inputs * stored.arrays.get("input_deviation", np.ones(inputs.shape[1]))
        targets = stored.vectors(0, count)
        if "targets" in stored.shapes:
            targets = stored.rows("targets", 0, count)
        return {"inputs": inputs, "targets": targets}

    def shares(self, stored):
        """Return what each pair adds to R², or None."""
        r2 = stored.arrays.get("r2")
        return None if r2 is None else np.diff(r2, prepend=0.0)


def _joined(parts):
    return {"rows": sum(part["rows"] for part in parts if part.get("role") != "targets")}


ABOUT = AboutRegression()
