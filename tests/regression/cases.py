"""Regressions that are tested with every way to hold S, and what a model file may be off by."""

import h5py
import numpy as np
from closed_form import conditioned, planted, solved

R = 4


def cases():
    """{name: (X, Y, options, settings of the truth)}"""
    rng = np.random.default_rng(5)
    falling = np.array([8.0, 5.0, 3.0, 2.0, 1.0])
    found = {}
    x, y = planted(rng, 900, 14, 9, falling)
    found["tall"] = x, y, "", {}
    found["float32"] = x.astype("f4"), y.astype("f4"), "", {}
    found["single"] = x.astype("f4"), y.astype("f4"), "--precision single", {}
    found["mixed types"] = x.astype("f2"), y, "", {}
    found["ridge"] = x, y, "--ridge 300", {"ridge": 300.0}
    found["not centred"] = x + 1, y, "--no-centre", {"is_centred": False}
    found["whole numbers"] = np.rint(20 * x).astype("i2"), np.rint(9 * y).astype("i8"), "", {}
    found["offset"] = x + 1e6 * (1 + np.arange(14)), y - 3e6, "", {}
    found["units"] = x * np.geomspace(1e-9, 1e6, 14), y * np.geomspace(1e-3, 1, 9), "", {}
    found["constant columns"] = np.hstack([x, np.full((900, 2), 7.0)]), y, "", {}
    found["all pairs"] = x, y, "-r 9", {"rank": 9}
    found["many targets"] = *planted(rng, 300, 6, 80, falling), "", {}
    found["one target"] = x, y[:, :1], "-r 1", {"rank": 1}
    found["one input"] = x[:, :1], y, "-r 1", {"rank": 1}
    found["more inputs than rows"] = *planted(rng, 40, 60, 9, falling), "--ridge 5", {"ridge": 5.0}
    found["equal strengths"] = *planted(rng, 900, 14, 9, 5 * np.ones(4), 0.1), "", {}
    low = planted(rng, 200, 8, 9, falling)
    found["low rank"] = np.hstack([low[0], low[0] @ rng.standard_normal((8, 5))]), low[1], "", {}
    mixing = conditioned(rng, 14, 1e6)
    found["collinear"] = *planted(rng, 900, 14, 9, 1e6 * falling, 1.0, mixing), "", {}
    return found


CASES = cases()
SHARDS = 0, 0.2, 0.9, 1  # of the inputs; the targets are in two halves


def words(folder, name, out, *more):
    options = CASES[name][2].split()
    rank = [] if "-r" in options else ["-r", min(R, *(part.shape[1] for part in CASES[name][:2]))]
    data = [f"{folder}/{name}.x*.h5", "--targets", f"{folder}/{name}.y*.h5"]
    return ["regress", *data, *rank, *options, "-o", out, *more]


def errors(name, path):
    """{what: (error, bound)} of a model file, relative to the largest of its kind."""
    x, y, _, how = CASES[name]
    rank = how.get("rank", min(R, x.shape[1], y.shape[1]))
    truth = solved(x, y, **({"rank": rank} | how))
    with h5py.File(path) as file:
        made = {key: file[key][...] for key in file if isinstance(file[key], h5py.Dataset)}
        stored = file.attrs["rounding"]
    weights = made["inputs"].T @ made["components"]
    xc = x.astype(np.float64) - (x.astype(np.float64).mean(axis=0) if "intercept" in made else 0)
    # what a difference of W makes of the fit
    fit = np.linalg.norm(xc @ (weights - truth.weights)) / np.linalg.norm(xc @ truth.weights)
    scale = np.linalg.norm(xc, axis=0)
    sizes = np.linalg.svd(xc / np.where(scale > 0, scale, 1), compute_uv=False)
    condition = sizes[0] / sizes[sizes > 1e-10 * sizes[0]][-1]
    unit = 2.0**-24 if "single" in name else 2.0**-53
    bound = max(1e-9, 10 * condition**2 * unit)
    found = {
        "θ": (np.abs(made["strength"] - truth.strength).max() / truth.strength[0], bound),
        "θ, stored bound": (
            np.abs(made["strength"] ** 2 - truth.strength**2).max() / truth.strength[0] ** 2,
            max(stored, 1e-13),
        ),
        "fit": (fit, max(1e-6, bound)),
        "R²": (np.abs(made["r2"] - truth.r2).max(), bound),
        "orthonormal": (
            np.abs(made["components"] @ made["components"].T - np.eye(rank)).max(),
            1e-9,
        ),
    }
    if "intercept" in made:
        size = np.abs(y.astype(float)).max() + np.abs(x.astype(float).mean(0)) @ np.abs(weights)
        gap = np.abs(made["intercept"] - truth.intercept) / size
        found["intercept"] = gap.max(), max(1e-6, bound)
    return found
