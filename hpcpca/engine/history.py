"""The record of a run, as it is stored in results and checkpoints."""

import numpy as np

COLUMNS = ("round", "passes", "reads", "applications", "seconds", "bytes_exchanged")


class History:
    """One row of figures a round; ``earlier`` are those of the run this one goes on from,
    ``before`` its counts.
    """

    def __init__(self, earlier=None, before=None):
        self.rows, self.before = [] if earlier is None else list(earlier), before or {}

    def __call__(self, report):
        counts = [
            getattr(report.counters, name) + self.before.get(name, 0)
            for name in ("passes", "reads", "applications", "bytes_exchanged")
        ]
        figures = (report.state.round, *counts[:3], report.seconds, counts[3])
        if (
            self.rows and self.rows[-1][0][0] >= report.state.round
        ):  # where an earlier run stopped, or measured again
            self.rows.pop()
        self.rows.append(
            (figures, report.eigenvalues[: report.components].copy(), report.residuals.copy())
        )

    def arrays(self):
        """{name: array} for the file: one entry a round; eigenvalues and residuals (R, K)."""
        if not self.rows:
            return {}
        figures = np.array([row[0] for row in self.rows], dtype=np.float64)
        found = {
            f"history/{name}": (
                figures[:, i].astype(
                    np.float64 if name in ("seconds", "reads", "passes") else np.int64
                )
            )
            for i, name in enumerate(COLUMNS)
        }
        found["history/eigenvalues"] = np.stack([row[1] for row in self.rows])
        found["history/residuals"] = np.stack([row[2] for row in self.rows])
        return found

    @staticmethod
    def rows_of(arrays):
        """The inverse of ``arrays``."""
        if "history/round" not in arrays:
            return []
        figures = zip(*(arrays[f"history/{name}"].tolist() for name in COLUMNS))
        return list(zip(figures, arrays["history/eigenvalues"], arrays["history/residuals"]))
