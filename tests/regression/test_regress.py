"""``hpcpca regress`` as a user runs it, against regressions solved in plain numpy."""

import os
import signal

import h5py
import numpy as np
import pytest
import spectra
from cases import CASES, R, errors, words
from closed_form import conditioned, planted, solved
from launch import batch, finish, ranks_of, run, start, wait_for


@pytest.mark.parametrize("n", [*(pytest.param(n, marks=pytest.mark.once) for n in (1, 2, 4)), 3])
def test_closed_form(folder, tmp_path, n):
    """Every case, shared out over numbers of ranks."""
    names = list(CASES)[n - 1 :: 4]
    commands = {name: words(folder, name, tmp_path / f"{name}.h5", "--tol", 1e-9) for name in names}
    if "single" in names:
        commands["single"] = words(folder, "single", tmp_path / "single.h5", "--tol", 1e-5)
    found = batch(n, commands)
    wrong = {}
    for name in names:
        assert found[name].code == 0, (name, found[name].stderr)
        told = errors(name, tmp_path / f"{name}.h5")
        wrong |= {(name, key): pair for key, pair in told.items() if not pair[0] <= pair[1]}
    assert not wrong
    if "tall" in names:
        said = found["tall"].stderr
        assert "900 × 14 float64 in 3 file(s) → y, 900 × 9 float64 in 2 file(s)" in said


@pytest.mark.once
def test_against_peers(folder, tmp_path):
    """Ridge, PLS-SVD and canonical correlations are scikit-learn's where definitions agree."""
    from sklearn.cross_decomposition import CCA, PLSSVD
    from sklearn.linear_model import Ridge

    x, y, _, _ = CASES["tall"]
    commands = {
        "ridge": words(folder, "tall", tmp_path / "ridge.h5", "--ridge", 70, "-r", 9),
        "pls": words(folder, "tall", tmp_path / "pls.h5", "--whiten", "none", "--tol", 1e-9),
        "cca": words(folder, "tall", tmp_path / "cca.h5", "--whiten", "both", "--tol", 1e-9),
    }
    for done in batch(1, commands).values():
        done.ok()
    with h5py.File(tmp_path / "ridge.h5") as file:
        peer = Ridge(alpha=70).fit(x, y)
        weights = file["inputs"][:].T @ file["components"][:]
        np.testing.assert_allclose(weights, peer.coef_.T, atol=1e-9)
        np.testing.assert_allclose(file["intercept"], peer.intercept_, atol=1e-9)
    with h5py.File(tmp_path / "pls.h5") as file:
        peer = PLSSVD(R, scale=False).fit(x, y)
        for name, theirs in (("inputs", peer.x_weights_), ("components", peer.y_weights_)):
            mine = file[name][:]
            signs = np.sign((mine * theirs.T).sum(axis=1))[:, None]
            np.testing.assert_allclose(mine * signs, theirs.T, atol=1e-6)
        scores = x @ file["inputs"][:].T, y @ file["components"][:].T
        covariances = [np.cov(*pair)[0, 1] for pair in zip(*(each.T for each in scores))]
        np.testing.assert_allclose(file["strength"], covariances, rtol=1e-6)
        assert "r2" not in file
    with h5py.File(tmp_path / "cca.h5") as file:
        peer = CCA(R, scale=False, tol=1e-13, max_iter=100_000).fit(x, y)
        scores = [
            np.corrcoef(*pair)[0, 1] for pair in zip(*(each.T for each in peer.transform(x, y)))
        ]
        np.testing.assert_allclose(file["strength"], scores, atol=1e-6)
        mine = (x - x.mean(0)) @ file["inputs"][:].T, (y - y.mean(0)) @ file["targets"][:].T
        for scores in mine:
            np.testing.assert_allclose(scores.var(axis=0, ddof=1), 1, rtol=1e-9)
        np.testing.assert_allclose(correlations(*mine), file["strength"], atol=1e-9)


@pytest.mark.once
def test_angle_bounds(tmp_path):
    """Of runs that were stopped early no pair is further off than its bound says."""
    told = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x, y = planted(rng, 400, 150, 120, 2.0 * 0.9 ** np.arange(40))
        centred = x - x.mean(axis=0)
        fitted = centred @ np.linalg.lstsq(centred, y - y.mean(axis=0), rcond=None)[0]
        true = np.linalg.svd(fitted, full_matrices=False)[2]
        for name, rows in {"x": x, "y": y}.items():
            with h5py.File(tmp_path / f"{seed}.{name}.h5", "w") as file:
                file["rows"] = rows
        data = [tmp_path / f"{seed}.x.h5", "--targets", tmp_path / f"{seed}.y.h5", "-r", 5]
        for rounds in (2, 4, 6):
            ends = ["--max-rounds", rounds, "--tol", 1e-12]
            ends += ["--no-checkpoint", "-o", tmp_path / f"{seed} {rounds}"]
            assert run(1, "regress", *data, *ends).code in (0, 4)
            with h5py.File(tmp_path / f"{seed} {rounds}") as file:
                bounds, vectors = file["angle_bounds"][:], file["components"][:]
            for k in np.flatnonzero(bounds < 1):
                off = spectra.sine(vectors[k], true[k : k + 1])
                assert off <= bounds[k] + 1e-9, (seed, rounds, k)
                told += 1
    assert told > 30


@pytest.mark.once
def test_the_bound_covers_what_is_left_out(tmp_path):
    """In single precision some inputs look dependent, and what they explain is lost."""
    rng = np.random.default_rng(3)
    latent = rng.standard_normal((500, 14))
    x = latent @ conditioned(rng, 14, 3e3)
    y = latent @ rng.standard_normal((14, 9)) + rng.standard_normal((500, 9))
    for name, rows in {"x": x, "y": y}.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["rows"] = rows.astype("f4")
    data = [tmp_path / "x.h5", "--targets", tmp_path / "y.h5", "-r", R, "-o", tmp_path / "out"]
    told = run(1, "regress", *data, "--precision", "single", "--tol", 1e-4).ended(4).stderr
    truth = solved(x.astype("f4"), y.astype("f4"), R).strength ** 2
    with h5py.File(tmp_path / "out") as file:
        off = np.abs(file["strength"][:] ** 2 - truth).max() / truth[0]
        assert 1e-3 < off <= file.attrs["rounding"] and file.attrs["inputs_rank"] < 14
    assert "leave --precision single out" in told


def correlations(a, b):
    return [np.corrcoef(*columns)[0, 1] for columns in zip(a.T, b.T)]


@pytest.mark.once
def test_ridge_by_cross_validation(folder, tmp_path):
    """No ridge has a smaller error of generalised cross-validation than the one that is found."""
    x, y, _, _ = CASES["more inputs than rows"]
    out = tmp_path / "out.h5"
    told = run(1, *words(folder, "more inputs than rows", out, "--ridge", "auto")).ok().stderr
    with h5py.File(out) as file:
        found = float(file.attrs["ridge"])
    assert f"ridge by generalised cross-validation: {found:.6g}" in told
    xc, yc = x - x.mean(0), y - y.mean(0)

    def error(ridge):
        hat = xc @ np.linalg.solve(xc.T @ xc + ridge * np.eye(x.shape[1]), xc.T)
        return ((yc - hat @ yc) ** 2).sum() / (1 - np.trace(hat) / (len(x) - 1)) ** 2

    assert error(found) <= min(error(each) for each in np.geomspace(1e-3, 1e5, 400)) * (1 + 1e-9)
    assert "least ridge looked at" not in told


@pytest.mark.once
def test_a_ridge_that_rows_do_not_tell(tmp_path):
    """If less always looks better, the run says so, whatever holds S."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((30, 50))
    for name, rows in {"x": x, "y": x @ rng.standard_normal((50, 8))}.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["rows"] = rows
    data = [
        "regress",
        tmp_path / "x.h5",
        "--targets",
        tmp_path / "y.h5",
        "-r",
        R,
        "--ridge",
        "auto",
    ]
    ways = ("gram", "dual")
    runs = {held: [*data, "--operator", held, "-o", tmp_path / f"{held}.h5"] for held in ways}
    for told in batch(2, runs).values():
        assert "that is the least ridge looked at" in told.ok().stderr


@pytest.mark.once
def test_a_covariance(folder, tmp_path):
    """A joint covariance gives what the rows give, but for what needs rows."""
    x, y, _, _ = CASES["tall"]
    with h5py.File(tmp_path / "joint.h5", "w") as file:
        file["c"] = np.cov(np.hstack([x, y]).T)
    given = ["regress", tmp_path / "joint.h5", "--covariance", "--inputs", 14, "-r", R]
    commands = {
        "rows": words(folder, "tall", tmp_path / "rows.h5"),
        "given": [*given, "-o", tmp_path / "given.h5"],
        "both": [*given, "-o", tmp_path / "both.h5", "--whiten", "both"],
        "cca": words(folder, "tall", tmp_path / "cca.h5", "--whiten", "both"),
        "verify": ["verify", tmp_path / "given.h5", tmp_path / "joint.h5"],
    }
    for done in batch(1, commands).values():
        done.ok()
    for one, other in (("rows", "given"), ("cca", "both")):
        with h5py.File(tmp_path / f"{one}.h5") as a, h5py.File(tmp_path / f"{other}.h5") as b:
            for name in ("explained_variance", "inputs", "components"):
                np.testing.assert_allclose(a[name], b[name], atol=1e-9)
            if one == "rows":
                np.testing.assert_allclose(a["r2"], b["r2"], atol=1e-9)
            assert "intercept" not in b and "n_samples" not in b.attrs


@pytest.mark.once
@pytest.mark.parametrize("exchange", ["vectors", "window"])
def test_other_exchanges(folder, tmp_path, exchange):
    """Vectors alone find the same pairs, to the accuracy that is asked for."""
    out = tmp_path / "out.h5"
    run(2, *words(folder, "tall", out, "--exchange", exchange, "--tol", 1e-7)).ok()
    truth = solved(*CASES["tall"][:2], R)
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["strength"], truth.strength, rtol=1e-6)
        np.testing.assert_allclose(file["r2"], truth.r2, atol=1e-6)


def test_stopped_and_resumed(folder, tmp_path):
    """A run stopped between rounds goes on, on other ranks and from files that were moved."""
    out, ends = tmp_path / "out.h5", ["--exchange", "vectors", "--tol", 1e-7]
    run(2, *words(folder, "tall", out, *ends, "--max-rounds", 3)).ended(4)
    assert "of 4 components converged" in run(0, "status", f"{out}.ckpt").ok().stdout
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in folder.glob("tall.*"):
        (moved / path.name).write_bytes(path.read_bytes())
    where = ["--data", f"{moved}/tall.x*.h5", "--targets", f"{moved}/tall.y*.h5"]
    run(3, "resume", f"{out}.ckpt", *where, "--max-rounds", 900).ok()
    truth = solved(*CASES["tall"][:2], R)
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["strength"], truth.strength, rtol=1e-6)
    told = run(2, "resume", out, "--targets", f"{folder}/units.y*.h5").ended(3).messages
    assert len(told) == 1 and "belongs to other data" in told[0]


SLOW = """
from hpcpca.regression import tiles
from pathlib import Path
true = tiles.PairedTiles.add
def add(*arguments):
    true(*arguments)
    Path({path!r}).touch()
    while not INTERRUPT.requested():
        pass
tiles.PairedTiles.add = add
from hpcpca.comm import world
init = world.World.__init__
def noting(self, *arguments):
    global INTERRUPT
    init(self, *arguments)
    INTERRUPT = self.interrupt
world.World.__init__ = noting
from hpcpca.sources import source
source.PIECE_BYTES = 4000
source.Source.pieces_left.__defaults__ = (4000,)
source.Source.pieces.__defaults__ = (4000,)
"""


@pytest.mark.once
def test_stopped_while_it_reads(folder, tmp_path):
    """Rows that were read before a stop are not read again, and the answer is the same."""
    out, begun = tmp_path / "out.h5", tmp_path / "begun"
    going = start(2, *words(folder, "tall", out), inject=SLOW.format(path=str(begun)))
    wait_for(begun.exists)
    os.kill(ranks_of(going)[0], signal.SIGTERM)
    finish(going).ended(75)
    with h5py.File(f"{out}.ckpt") as file:
        done = file["state/rows_done"][:]
        assert 0 < np.diff(done, axis=1).sum() < 900
        assert file["state/gram"].shape == (14, 23)
    told = run(3, "resume", f"{out}.ckpt").ok().stderr
    assert "1 reads" in told.replace("of this run: ", "") or "0." in told
    truth = solved(*CASES["tall"][:2], R)
    with h5py.File(out) as file:
        np.testing.assert_allclose(file["strength"], truth.strength, rtol=1e-9)
        assert abs(file.attrs["reads"] - 1) < 1e-9


@pytest.mark.once
def test_predictions(folder, tmp_path):
    """``predict`` and ``verify`` give what numpy gives with the stored pairs."""
    x, y, _, _ = CASES["offset"]
    out = tmp_path / "out.h5"
    data, targets = f"{folder}/offset.x*.h5", f"{folder}/offset.y*.h5"
    commands = {
        "fit": words(folder, "offset", out),
        "predict": ["predict", out, data, "-o", tmp_path / "made.h5"],
        "two": ["predict", out, data, "-o", tmp_path / "two.h5", "-r", 2, "--dtype", "float32"],
        "verify": ["verify", out, data, "--targets", targets],
        "holdout": ["verify", out, data, "--targets", targets, "--holdout"],
        "info": ["info", out],
        "of predictions": ["info", tmp_path / "made.h5"],
    }
    found = batch(3, commands)
    for done in found.values():
        done.ok()
    for name, rank in (("made", R), ("two", 2)):
        truth = solved(x, y, rank)
        with h5py.File(tmp_path / f"{name}.h5") as file:
            made = file["predictions"][:]
        expected = x @ truth.weights + truth.intercept
        np.testing.assert_allclose(made, expected, rtol=1e-6, atol=1e-3)
        if rank == R:
            left = ((y - made) ** 2).sum() / ((y - y.mean(0)) ** 2).sum()
            assert abs(1 - left - truth.r2[-1]) < 1e-9
    assert "nothing missed" in found["verify"].stdout
    assert f"{solved(x, y, R).r2[-1]:.6f}" in found["verify"].stdout
    lines = [line.split() for line in found["holdout"].stdout.splitlines()[1:-1]]
    np.testing.assert_allclose(
        [(float(a), float(b)) for _, a, b in lines],
        np.tile(solved(x, y, R).r2, (2, 1)).T,
        atol=2e-6,
    )
    assert "14 inputs" in found["info"].stdout
    assert "9 targets by 4 pairs" in found["of predictions"].stdout


@pytest.mark.once
def test_a_wrong_model_is_found(folder, tmp_path):
    """``verify`` tells of input sides, R² and intercepts that are not those of the data."""
    out, data = tmp_path / "out.h5", f"{folder}/tall.x*.h5"
    targets = ["--targets", f"{folder}/tall.y*.h5"]
    run(1, *words(folder, "tall", out)).ok()
    spoilt = {"inputs": "input sides", "r2": "R² is", "intercept": "the intercept is off"}
    for name in spoilt:
        (tmp_path / f"{name}.h5").write_bytes(out.read_bytes())
        text = f"""
import h5py
from hpcpca.files import hdf5, seal, trailer
with hdf5.writing({str(tmp_path / name)!r} + '.h5', 'r+') as file:
    file[{name!r}][...] = file[{name!r}][...] * 1.01
    seal.reseal(file)
trailer.append_trailer({str(tmp_path / name)!r} + '.h5')
"""
        exec(text, {})
    commands = {
        name: ["verify", tmp_path / f"{name}.h5", data, *targets, "--no-search"] for name in spoilt
    }
    commands["no targets"] = ["verify", out, data]
    found = batch(1, commands)
    for name, said in spoilt.items():
        assert said in found[name].ended(4).stderr
    assert "--targets is missing" in found["no targets"].ended(2).messages[0]
