"""Regressions that make no sense are refused in one line."""

import h5py
import numpy as np
import pytest
from launch import batch

REFUSED = {  # a mistake: (options, exit code, what is said)
    "unequal rows": ("{tall}.x0.h5 --targets {tall}.y0.h5 -r 2", 3, "180 rows, the targets"),
    "NaN": ("{tmp}/nan.h5 --targets {tmp}/y.h5 -r 2", 3, "row 5, column 2 is nan"),
    "NaN in targets": ("{tmp}/x.h5 --targets {tmp}/nan.h5 -r 2", 3, "row 5, column 2 is nan"),
    "interpolation": ("{tmp}/wide.h5 --targets {tmp}/few.h5 -r 2", 3, "give --ridge"),
    "constant": ("{tmp}/flat.h5 --targets {tmp}/y.h5 -r 1", 3, "the inputs have zero variance"),
    "flat targets": ("{tmp}/x.h5 --targets {tmp}/flat.h5 -r 1", 3, "the targets have zero var"),
    "nothing kept back": ("{tmp}/x.h5 --targets {tmp}/y.h5 -r 2 --held-out 0.2", 2, "with -r auto"),
    "no number of pairs": ("{tmp}/x.h5 --targets {tmp}/y.h5 -r all", 2, "nor auto"),
    "too many pairs": ("{tmp}/x.h5 --targets {tmp}/y.h5 -r 4", 2, "ask for 3 or fewer"),
    "no targets": ("{tmp}/x.h5 -r 2", 2, "--targets is missing"),
    "no number": ("{tmp}/x.h5 --targets {tmp}/y.h5 -r 2 --ridge much", 2, "--ridge much"),
    "PLS with ridge": (
        "{tmp}/x.h5 --targets {tmp}/y.h5 -r 2 --whiten none --ridge 1",
        2,
        "no coefficients to penalise",
    ),
    "a covariance": ("{tmp}/x.h5 --covariance -r 2 --inputs 2", 2, "needs one square dataset"),
    "how many inputs": ("{tmp}/x.h5 --covariance -r 2", 2, "--inputs"),
}


@pytest.mark.once
def test_refused(folder, tmp_path):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((60, 5)), rng.standard_normal((60, 3))
    holes = x.copy()
    holes[5, 2] = np.nan
    made = {"x": x, "y": y, "nan": holes, "flat": np.ones((60, 2))}
    made |= {"wide": rng.standard_normal((20, 30)), "few": y[:20]}
    for name, rows in made.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["rows"] = rows
    where = {"tall": folder / "tall", "tmp": tmp_path}
    commands = {
        name: ["regress", *options.format(**where).split(), "-o", tmp_path / "out.h5"]
        for name, (options, _, _) in REFUSED.items()
    }
    of_data = {name: commands.pop(name) for name in list(commands) if REFUSED[name][1] == 3}
    found = batch(2, of_data) | batch(1, commands)
    for name, (_, code, said) in REFUSED.items():
        told = found[name].ended(code).messages
        assert len(told) == 1 and said in told[0], (name, told)
    assert not list(tmp_path.glob("out.h5*"))
