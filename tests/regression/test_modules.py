"""``hpcpca regress --modules``: pairs against closed forms, growth against a plain simulation."""

import os
import signal

import h5py
import numpy as np
import pytest
from closed_form import solved
from launch import batch, finish, ranks_of, start, wait_for
from simulated import BUDGET, DATA, LOCAL_STEPS, NAMES, RANKS, SIZES, simulated

GOOD = ["--budget", BUDGET, "--local-steps", LOCAL_STEPS, "--tol", 1e-10]


def write(path, data):
    """A file with these modules; return its path."""
    with h5py.File(path, "w") as file:
        for name, (x, y) in data.items():
            file[f"{name}/X"], file[f"{name}/Y"] = x, y
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("modules")
    write(place / "all.h5", DATA)
    return place


def words(folder, out, *more):
    return ["regress", "--modules", folder / "all.h5", *GOOD, "-o", out, *more]


def growth(path):
    """[(round, module)] of a model."""
    with h5py.File(path) as file:
        return list(zip(file["growth/round"][:].tolist(), file["growth/module"][:].tolist()))


def errors(path, ridge=0.0, is_centred=True):
    """What pairs of a model are off by, over the largest of their kind."""
    wrong = {}
    with h5py.File(path) as file:
        names = [name.decode() for name in file["names"][:]]
        assert names == NAMES
        for name, rank in zip(names, file["ranks"][:]):
            x, y = DATA[name]
            group = file[f"modules/{name}"]
            truth = solved(x, y, rank, ridge, is_centred)
            weights = group["inputs"][:].T @ group["components"][:]
            gaps = {
                "θ": np.abs(group["strength"][:] - truth.strength).max() / truth.strength[0],
                "W": np.abs(weights - truth.weights).max() / np.abs(truth.weights).max(),
                "R²": np.abs(group["r2"][:] - truth.r2).max(),
                "rank": len(group["strength"]) - rank,
            }
            if is_centred:
                size = np.abs(y.astype(float)).max() + np.abs(truth.weights).sum()
                gaps["intercept"] = np.abs(group["intercept"][:] - truth.intercept).max() / size
            wrong |= {(name, what): gap for what, gap in gaps.items() if not gap <= 1e-8}
    return wrong


HOW = {
    "gain": ([], {}),
    "edge": (["--grow", "edge"], {}),
    "importance": (["--grow", "importance"], {}),
    "ridge": (["--ridge", 30], {"ridge": 30.0}),
    "not centred": (["--no-centre"], {"is_centred": False}),
}


@pytest.mark.parametrize("n", [*(pytest.param(n, marks=pytest.mark.once) for n in (1, 2, 3)), 4])
def test_closed_form(folder, tmp_path, n):
    names = list(HOW) if n == 1 else ["gain"]
    commands = {name: words(folder, tmp_path / f"{name}.h5", *HOW[name][0]) for name in names}
    for name, done in batch(n, commands).items():
        done.ok()
        assert not errors(tmp_path / f"{name}.h5", **HOW[name][1]), name
        rule = name if name in ("edge", "importance") else "gain"
        how = HOW[name][1] if name != "edge" else {}
        assert growth(tmp_path / f"{name}.h5") == [each[:2] for each in simulated(rule, **how)[0]]


@pytest.mark.once
def test_budget(folder, tmp_path):
    """Never more than the budget, or than a module may have; the least loss at a budget; ranks that
    were planted.
    """
    cases = {
        "three at a time": (["--grow-by", 3, "--budget", 10], 10, None),
        "most": (["--rank-max", 2, "--budget", 30], 9, [2, 2, 2, 2, 1]),
        "none to grow": (["--budget", 5], 5, [1] * 5),
        "edge": (["--grow", "edge", "--budget", 40], sum(RANKS), "planted"),
        "held out": (["--grow", "held-out", "--budget", 40, "--held-out", 0.2], None, "planted"),
        "early": (["--warm-up", 1, "--grow-every", 1, "--tol", 1e-3], BUDGET, None),
    }
    commands = {
        name: words(folder, tmp_path / f"{name}.h5", *how) for name, (how, *_) in cases.items()
    }
    done = batch(1, commands)
    for name, (_, total, ranks) in cases.items():
        done[name].ok()
        with h5py.File(tmp_path / f"{name}.h5") as file:
            found = file["ranks"][:].tolist()
            pairs = file["history/pairs"][:]
        assert total is None or sum(found) == total == pairs[-1], (name, found)
        assert (np.diff(pairs) >= 0).all()
        if ranks:
            planted_ranks = [len(SIZES[each][3]) for each in NAMES]
            assert found == (planted_ranks if ranks == "planted" else ranks), name
    assert growth(tmp_path / "three at a time.h5") == [
        each[:2] for each in simulated(by=3, budget=10)[0]
    ]
    assert best_over(tmp_path / "early.h5", BUDGET) < 1.01


def best_over(path, budget):
    """The loss of a model over the least with so many pairs."""
    strengths = [solved(*DATA[name], min(DATA[name][0].shape[1], DATA[name][1].shape[1])).strength
                 for name in NAMES]  # fmt: skip
    total = sum(((y - y.astype(float).mean(0)) ** 2).sum() for _, y in DATA.values())
    later = np.sort(np.concatenate([each[1:] for each in strengths]) ** 2)[::-1]
    first = sum(each[0] ** 2 for each in strengths)
    least = (total - first - later[: budget - len(NAMES)].sum()) / 2
    with h5py.File(path) as file:
        assert file.attrs["loss"] > least * (1 - 1e-9)
        return file.attrs["loss"] / least


# stops, and going on


def assert_same(one, other):
    """Two models are the same but for rounding."""
    with h5py.File(one) as first, h5py.File(other) as second:
        assert first["ranks"][:].tolist() == second["ranks"][:].tolist()
        assert growth(one) == growth(other)
        assert first["history/round"][:].tolist() == second["history/round"][:].tolist()
        for name in NAMES:
            for what in ("inputs", "components", "strength", "r2", "intercept"):
                a, b = (file[f"modules/{name}/{what}"][:] for file in (first, second))
                np.testing.assert_allclose(a, b, rtol=0, atol=1e-8 * np.abs(a).max())


SLOW = """
import pathlib
from hpcpca.regression.modules.discovery import Discovery
step = Discovery.step
def slowly(self, state):
    import time
    if state.round == 9:
        pathlib.Path({path!r}).touch()
        time.sleep({seconds})
    return step(self, state)
Discovery.step = slowly
"""


@pytest.mark.once
def test_stopped(folder, tmp_path):
    """A run that is stopped by rounds, a signal or SIGKILL goes on to the same model, on other
    numbers of ranks; one that has no checkpoint goes on from its model.
    """
    rule = ["--grow", "importance"]
    made = {name: tmp_path / f"{name}.h5" for name in ("whole", "rounds", "model", "term", "kill")}
    commands = {
        "whole": words(folder, made["whole"], *rule),
        "rounds": words(folder, made["rounds"], *rule, "--max-rounds", 7),
        "model": words(folder, made["model"], "--max-rounds", 9, "--no-checkpoint"),
        "status": ["status", made["rounds"]],
    }
    done = batch(2, commands)
    told = done["rounds"].ended(4).stderr
    assert "--max-rounds 7 reached; pair" in told and "go on with 'hpcpca resume" in told
    assert "round 7" in done["status"].ok().stdout
    for name, number, seconds in (("term", signal.SIGTERM, 1), ("kill", signal.SIGKILL, 60)):
        begun = tmp_path / name
        inject = SLOW.format(path=str(begun), seconds=seconds)
        going = start(
            2, *words(folder, made[name], *rule, "--checkpoint-every", "8r"), inject=inject
        )
        wait_for(begun.exists)
        os.kill(ranks_of(going)[0], number)
        code = finish(going).code
        assert code == 75 if name == "term" else code != 0
    again = {name: ["resume", f"{made[name]}.ckpt"] for name in ("rounds", "term", "kill")}
    again["rounds"] += ["--max-rounds", 500]
    again["model"] = ["resume", made["model"], "--max-rounds", 500]
    for name, each in batch(3, again).items():
        each.ok()
        if name != "model":
            assert_same(made["whole"], made[name])
        assert not os.path.exists(f"{made[name]}.ckpt")
    assert not errors(made["model"])


@pytest.mark.once
def test_mistakes(folder, tmp_path):
    """Whatever is wrong is said in one line: file, group and row of what the data have."""
    x, y = DATA["encoder/0/query"]
    bad = y.copy()
    bad[17, 3] = np.nan
    files = {
        "nan": {"a": (x, bad)},
        "rows": {"a": (x, y[:-1])},
        "flat": {"a": (x, y[:, 0])},
        "one row": {"a": (x[:1], y[:1])},
        "through": {"a": (x[:10], y[:10])},
        "same": {"a": (x, 0 * y + 1)},
        "again": {"encoder/0/query": (x, y)},
        "inside": {"a": (x, y), "a/inputs/b": (x, y)},
    }
    for name, data in files.items():
        write(tmp_path / f"{name}.h5", data)
    with h5py.File(tmp_path / "half.h5", "w") as file:
        file["a/b/X"] = x
    with h5py.File(tmp_path / "root.h5", "w") as file:
        file["X"], file["Y"] = x, y
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file["rows"] = x
    out = tmp_path / "out.h5"
    every = folder / "all.h5"
    start = ["regress", "--budget", 9, "-o", out, "--modules"]
    cases = {
        "nan": (3, "nan.h5:a/Y: row 17, column 3 is nan", []),
        "rows": (3, "a/X) have 400 rows, the targets", []),
        "flat": (3, "flat.h5:a/Y", []),
        "one row": (3, "module a has one row only", []),
        "through": (3, "module a: the inputs have rank 9 over 10 rows", []),
        "same": (3, "module a: the targets have zero variance", []),
        "inside": (3, "module a/inputs/b would lie in what a model has of module a", []),
        "again": (3, "module encoder/0/query is in", ["--modules", every]),
        "half": (3, "module a/b has no Y", []),
        "root": (3, "X and Y stand outside of groups", []),
        "none": (3, "has no modules", []),
    }
    commands = {
        name: [*start, tmp_path / f"{name}.h5", *more] for name, (_, _, more) in cases.items()
    }
    usage = {
        "small": ("--budget 4: 5 modules have a pair each", ["--budget", 4]),
        "targets": ("--targets does not go with --modules", ["--targets", every]),
        "rank": ("-r does not go with --modules", ["-r", 3]),
        "whiten": ("--whiten does not go with --modules", ["--whiten", "both"]),
        "share": ("--held-out 2.0", ["--grow", "held-out", "--held-out", 2]),
        "rule": ("is not one of", ["--grow", "most"]),
        "ridge": ("--ridge -1: a number from 0 on", ["--ridge", -1]),
        "memory": ("the modules need", ["--memory", "1K"]),
        "every": ("--grow-every 0: at least 1", ["--grow-every", 0]),
    }
    alone = {name: [*start, every, *more] for name, (_, more) in usage.items()}
    cases |= {name: (2, text, []) for name, (text, _) in usage.items()}
    model = tmp_path / "model.h5"
    alone |= {"model": [*start[:3], "-o", model, "--modules", every]}
    through, rho = tmp_path / "through.h5", ["--ridge", 1]
    about = {
        "predict": (3, "multiply a module's rows", ["predict", model, every, "-o", out]),
        "verify": (3, "not one set of vectors", ["verify", model, every]),
        "plot": (3, "not one set of vectors", ["plot", model, "-o", tmp_path / "a.png"]),
        "grow": (2, "--grow goes with --modules", ["regress", every, "--grow", "edge", "-o", out]),
        "data": (2, "leave DATA out", ["regress", every, "--modules", every, "-o", out]),
        "budget": (2, "--budget is missing", ["regress", "--modules", every, "-o", out]),
        "pairs": (2, "-r is missing", ["regress", every, "--targets", every, "-o", out]),
        "moved": (2, "--targets does not belong", ["resume", model, "--targets", every]),
        "edge": (2, "none are left to measure noise", [*start, through, "--grow", "edge", *rho]),
    }
    alone |= {name: each for name, (_, _, each) in about.items()}
    cases |= {name: (code, text, []) for name, (code, text, _) in about.items()}
    alone["info"] = ["info", model]
    done = batch(2, commands) | batch(0, alone)
    done["model"].ok()
    for name, (code, text, _) in cases.items():
        done[name].ended(code)
        assert text in done[name].stderr, (name, done[name].stderr)
        assert len(done[name].messages) == 1
    assert not out.exists()
    table = done["info"].ok().stdout
    assert "regressions of 5 modules, 9 pairs of a budget of 9, by gain" in table
    assert "encoder/1/query      12       9" in table
