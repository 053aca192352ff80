"""The ways to hold S, each against regressions solved in plain numpy, and what only some can do."""

import itertools
import os
import signal

import h5py
import numpy as np
import pytest
from cases import errors, words
from closed_form import planted, solved
from launch import batch, end, finish, ranks_of, run, start, wait_for

from hpcpca.planning.plan import choose
from hpcpca.regression.job import PairJob
from hpcpca.regression.kinds import kinds_for
from hpcpca.regression.settings import RegressSettings
from hpcpca.units import parse_size

BY_ROWS = "in-memory", "streaming"
OPERATORS = *BY_ROWS, "dual"
NAMES = (
    *("tall", "single", "ridge", "not centred", "whole numbers", "units", "many targets"),
    *("low rank", "more inputs than rows"),
)
UNITS = "units", "dual"


@pytest.mark.parametrize("n", [*(pytest.param(n, marks=pytest.mark.once) for n in (1, 2, 3)), 4])
def test_closed_form(folder, tmp_path, n):
    """Every operator gives the pairs of every case, which are shared out over numbers of ranks;
    as groups of four ranks each has a case of its own.
    """
    names = NAMES[n % 3 :: 3]
    # without a ridge the dual leaves out what is small in the data's own units
    asked = list(zip(names, OPERATORS)) if n == 4 else itertools.product(names, OPERATORS)
    asked = [each for each in asked if each != UNITS]
    commands = {
        (name, operator): words(
            folder,
            name,
            tmp_path / f"{name}.{operator}.h5",
            *("--operator", operator, "--tol", 1e-5 if name == "single" else 1e-9),
            *(("--grid", "2x2") if n == 4 else ()),
        )
        for name, operator in asked
    }
    found, wrong = batch(n, commands), {}
    for name, operator in asked:
        found[name, operator].ok()
        told = errors(name, tmp_path / f"{name}.{operator}.h5")
        wrong |= {(name, operator, key): pair for key, pair in told.items() if pair[0] > pair[1]}
    assert not wrong


@pytest.mark.once
def test_inputs_that_are_nearly_dependent(tmp_path):
    """A sum of two columns, rounded to float32, is left out; S stays symmetric, and its bound says
    what may be lost.
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((800, 30))
    x[:, 5], x[:, 8], x[:, 9] = x[:, 6] + x[:, 7], 3.0, 1e-8 * x[:, 9]
    y = x @ rng.standard_normal((30, 20)) + rng.standard_normal((800, 20))
    data = {"x": x.astype("f4"), "y": y}
    for name, rows in data.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["rows"] = rows
    given = [tmp_path / "x.h5", "--targets", tmp_path / "y.h5", "-r", 4]
    ways = ("gram", *BY_ROWS)
    done = batch(
        2, {way: ["regress", *given, "--operator", way, "-o", tmp_path / way] for way in ways}
    )
    centred = data["x"] - data["x"].astype(float).mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    left, sizes, _ = np.linalg.svd(
        centred / np.where(lengths > 1e-9, lengths, 1), full_matrices=False
    )
    basis = left[:, sizes > 1e-9 * sizes[0]]
    truth = np.linalg.svd(basis.T @ (y - y.mean(axis=0)), compute_uv=False)[:4] ** 2 / 799
    found = {}
    for way in ways:
        done[way].ok()
        with h5py.File(tmp_path / way) as file:
            found[way], bound = file["explained_variance"][:], file.attrs["rounding"]
        assert 1e-7 < np.abs(found[way] - truth).max() / truth[0] < bound < 1e-3
        np.testing.assert_allclose(found[way], found["gram"], rtol=1e-12)


WAYS = {
    "pls": "--whiten none --tol 1e-9",
    "auto": "-r auto --tol 1e-9",
    "window": "--exchange window --tol 1e-6",
    "pairs": "--exchange vectors --tol 1e-6",
    "rank": "--tol 1e-9",
}
OF_THE_DUAL = {"ridge": "--ridge auto --tol 1e-6"}


def held_by(operator, folder, place, ways):
    """{way: command} of regressions of low rank, PLACE/WAY.OPERATOR.h5."""
    return {
        way: words(
            folder,
            "low rank",
            place / f"{way}.{operator}.h5",
            *("--operator", operator, *options.split()),
        )
        for way, options in ways.items()
    }


@pytest.fixture(scope="module")
def by_gram(folder, tmp_path_factory):
    """A folder with what gram finds."""
    place = tmp_path_factory.mktemp("gram")
    for done in batch(2, held_by("gram", folder, place, WAYS | OF_THE_DUAL)).values():
        done.ok()
    return place


@pytest.mark.once
@pytest.mark.parametrize("operator", OPERATORS)
def test_like_gram(folder, by_gram, tmp_path, operator):
    """What is not in the closed form is what gram finds; readings are counted, the last too."""
    ways = WAYS | OF_THE_DUAL
    if operator != "dual":  # they hold S alike, and have these in turn
        turn = BY_ROWS.index(operator)
        ways = {way: WAYS[way] for way in ("rank", *list(WAYS)[turn:-1:2])}
    commands = held_by(operator, folder, tmp_path, ways)
    commands["verify"] = ["verify", tmp_path / f"rank.{operator}.h5", f"{folder}/low rank.x*.h5"]
    commands["verify"] += ["--targets", f"{folder}/low rank.y*.h5"]
    commands["info"] = ["info", tmp_path / f"rank.{operator}.h5"]
    found = batch(2, commands)
    assert all(done.code == 0 for done in found.values()), found
    for way, options in ways.items():
        near = 1e-8 if options.endswith("1e-9") else 1e-5
        paths = by_gram / f"{way}.gram.h5", tmp_path / f"{way}.{operator}.h5"
        with h5py.File(paths[0]) as gram, h5py.File(paths[1]) as file:
            assert gram.attrs["inputs_rank"] == file.attrs["inputs_rank"]
            np.testing.assert_allclose(file["strength"], gram["strength"], rtol=near)
            np.testing.assert_allclose(file["inputs"], gram["inputs"], atol=near)
            np.testing.assert_allclose(file.attrs["ridge"], gram.attrs["ridge"], rtol=1e-6)
            halves = file.attrs["passes"] - 1
            assert file.attrs["reads"] == (1 + halves if operator == "streaming" else 1)
            if operator == "dual":
                assert not halves
                continue
            np.testing.assert_allclose(file.attrs["condition"], gram.attrs["condition"], rtol=1e-9)
            # applications take two, and the inputs' side one
            if way != "window":
                assert halves == int(halves) and halves % 2 == 1
    assert "inputs of rank 8" in found["info"].stdout


REFUSED = {  # (options, what is said)
    "both": ("--whiten both --operator {held}", "only gram holds; leave --operator out"),
    "auto": ("--ridge auto --operator {held}", "--operator {held}: --ridge auto takes"),
}


@pytest.mark.once
def test_refused(folder, tmp_path):
    commands = {
        (held, name): words(folder, "tall", tmp_path / "out.h5", *options.format(held=held).split())
        for held in OPERATORS
        for name, (options, _) in REFUSED.items()
        if (held, name) != ("dual", "auto")
    }
    joint = ["regress", f"{folder}/tall.x0.h5", "--covariance", "--inputs", 5, "-r", 2, "-o", "o"]
    found = batch(0, commands | {"joint": [*joint, "--operator", "streaming"]})
    assert "gram is the only one" in found.pop("joint").ended(2).messages[0]
    for (held, name), done in found.items():
        told = done.ended(2).messages
        assert len(told) == 1 and REFUSED[name][1].format(held=held) in told[0]


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Few inputs and many targets, in two files each."""
    made = tmp_path_factory.mktemp("wide")
    x, y = planted(np.random.default_rng(8), 600, 6, 900, np.array([9.0, 6.0, 4.0, 3.0]), 0.1)
    for number, rows in enumerate(np.array_split(np.arange(600), 2)):
        for name, side in (("x", x), ("y", y)):
            with h5py.File(made / f"{name}{number}.h5", "w") as file:
                file["rows"] = side[rows]
    return made, solved(x, y, 3)


@pytest.mark.once
@pytest.mark.parametrize(
    "shape, memory, ridge, operator",
    [
        ((50_000, 100, 200), "8G", "1", "gram"),
        ((3000, 1500, 40_000), "8G", "0", "in-memory"),
        ((3000, 1500, 40_000), "1300M", "0", "streaming"),
        ((1500, 30_000, 1000), "8G", "auto", "dual"),
    ],
)
def test_auto_goes_by_time_and_memory(shape, memory, ridge, operator):
    """With many targets rows are held or, where memory is small, read again and again; with more
    inputs than rows and a ridge the dual is quickest.
    """
    n, inputs, targets = shape
    job = PairJob(
        n=n,
        d=targets,
        inputs=inputs,
        pair_bytes=8 * (inputs + targets),
        with_targets=False,
        dtype=np.dtype(float),
        panel=16,
        double=True,
        ritz=True,
        ranks=2,
        ranks_on_node=2,
        threads=1,
        shards=None,
        memory=parse_size(memory),
    )
    settings = RegressSettings(data=("x.h5",), targets=("y.h5",), ridge=ridge)
    assert choose(job, "auto", None, kinds_for(settings)).operator == operator


PIECES = """
from hpcpca.sources import source
from hpcpca.regression import streaming
streaming.LARGEST_PIECE = source.PIECE_BYTES = 200_000
source.Source.pieces_left.__defaults__ = source.Source.pieces.__defaults__ = (200_000,)
"""
SLOW = (
    PIECES
    + """
import os, time
from pathlib import Path
from hpcpca.regression import tiles
true, count = tiles.Across.add_product, [0]
def add_product(self, *arguments):
    true(self, *arguments)
    count[0] += 1
    if count[0] > {quick}:
        Path({path!r}).touch()
        time.sleep(0.3)
tiles.Across.add_product = add_product
"""
)


# pieces of a rank; a half of an application is 12
@pytest.mark.parametrize("quick", [6, pytest.param(42, marks=pytest.mark.once)])
def test_stopped_in_a_reading(wide, tmp_path, quick):
    """Rows that were multiplied before a stop are not read again for that, in either half of an
    application, and another number of ranks gives the same.
    """
    here, truth = wide
    out, begun = tmp_path / "out.h5", tmp_path / "begun"
    data = ["regress", f"{here}/x*.h5", "--targets", f"{here}/y*.h5", "-r", 3, "-o", out]
    data += ["--operator", "streaming", "--tol", 1e-10]
    going = start(2, *data, inject=SLOW.format(path=str(begun), quick=quick))
    wait_for(begun.exists)
    os.kill(ranks_of(going)[0], signal.SIGTERM)
    finish(going).ended(75)
    with h5py.File(f"{out}.ckpt") as file:
        assert 0 < np.diff(file["state/rows_done"], axis=1).sum() < 600
        assert "inputs" not in file
        assert ("state/pending_inputs" in file) == (quick == 42)
        stopped = file.attrs["reads"]
    assert "resume" in run(0, "predict", f"{out}.ckpt", f"{here}/x*.h5", "-o", "p").ended(3).stderr
    run(0, "info", f"{out}.ckpt").ok()
    commands = {"resume": ("resume", f"{out}.ckpt")}
    batch(3, commands, env={"HPCPCA_TEST_INJECT": PIECES})["resume"].ok()
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["strength"], truth.strength, rtol=1e-9)
        np.testing.assert_allclose(file["r2"], truth.r2, atol=1e-9)
        # C is summed again, but no other row twice
        assert abs(file.attrs["reads"] - round(file.attrs["reads"])) < 1e-9
        assert file.attrs["reads"] > stopped


LAST = """
from hpcpca.regression import by_rows
at_last = by_rows.FittedByRows._coefficients_of
def coefficients_of(self, *arguments):
    count[0] = 1_000_000
    return at_last(self, *arguments)
by_rows.FittedByRows._coefficients_of = coefficients_of
"""


@pytest.mark.once
def test_stopped_in_the_last_reading(wide, tmp_path):
    """The reading for the inputs' side can be stopped too; a run that goes on does only that."""
    here, truth = wide
    out, begun = tmp_path / "out.h5", tmp_path / "begun"
    data = ["regress", f"{here}/x*.h5", "--targets", f"{here}/y*.h5", "-r", 3, "-o", out]
    slow = SLOW.format(path=str(begun), quick=100_000) + LAST
    going = start(2, *data, "--operator", "streaming", inject=slow)
    wait_for(begun.exists)
    os.kill(ranks_of(going)[0], signal.SIGTERM)
    finish(going).ended(75)
    with h5py.File(f"{out}.ckpt") as file:
        rounds = file.attrs["rounds"]
        assert "state/rows_done" not in file
    run(1, "resume", f"{out}.ckpt").ok()
    with h5py.File(out) as file:
        assert file.attrs["rounds"] == rounds
        np.testing.assert_allclose(file["strength"], truth.strength, rtol=1e-6)
        np.testing.assert_allclose(file["r2"], truth.r2, atol=1e-6)


@pytest.mark.once
def test_killed_and_resumed(wide, tmp_path):
    """A run that is killed in a round goes on from its last checkpoint."""
    here, truth = wide
    out, begun = tmp_path / "out.h5", tmp_path / "begun"
    data = ["regress", f"{here}/x*.h5", "--targets", f"{here}/y*.h5", "-r", 3, "-o", out]
    data += ["--operator", "streaming", "--exchange", "vectors", "--tol", 1e-9]
    data += ["--checkpoint-every", "1"]
    going = start(2, *data, inject=SLOW.format(path=str(begun), quick=200))
    wait_for(lambda: begun.exists() and os.path.exists(f"{out}.ckpt"))
    end(going)
    going.communicate()
    told = run(2, "resume", f"{out}.ckpt").ok().stderr
    assert "streaming" in told
    with h5py.File(out) as file:
        assert file.attrs["rounds"] > 1
        np.testing.assert_allclose(file["strength"], truth.strength, rtol=1e-8)
