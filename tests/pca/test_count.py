"""How many components: a share of the variance, and what stands out of noise."""

import h5py
import numpy as np
import pytest
from launch import batch, run
from mpi4py import MPI

from hpcpca.comm.counters import Counters
from hpcpca.comm.world import World
from hpcpca.linalg.noise import edge, hard_threshold, median
from hpcpca.pca.parallel_analysis import noise_levels
from hpcpca.sources.source import open_source

pytestmark = pytest.mark.once

RNG = np.random.default_rng(23)


def planted(n, d, signals):
    """Rows of white noise, and so many strong components."""
    basis = np.linalg.qr(RNG.standard_normal((d, len(signals))))[0]
    scores = RNG.standard_normal((n, len(signals))) * np.sqrt(signals)
    return scores @ basis.T + RNG.standard_normal((n, d)) + 5


def write(path, rows):
    with h5py.File(path, "w") as file:
        file["x"] = rows
    return path


@pytest.mark.parametrize("beta", [0.05, 0.3, 0.5, 0.8, 1.0])
def test_threshold(beta):
    """ω(β) of Gavish and Donoho's table, by their polynomial; 2.858 for square matrices."""
    n, d = 1000, round(1000 * beta)
    omega = np.sqrt(hard_threshold(np.ones(d), n, d))
    assert omega == pytest.approx(0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43, abs=0.02)
    if beta == 1:
        assert omega == pytest.approx(2.858, abs=1e-3)


@pytest.mark.parametrize("n, d", [(2000, 500), (300, 1200), (800, 800)])
def test_noise(n, d):
    """The median and the edge of eigenvalues of noise, measured."""
    values = np.linalg.svd(RNG.standard_normal((n, d)), compute_uv=False) ** 2 / n
    beta = min(n, d) / max(n, d)
    assert np.median(values) == pytest.approx(median(beta) * max(n, d) / n, rel=0.02)
    assert values[0] == pytest.approx(edge(values, n, d), rel=0.05)


@pytest.mark.parametrize("shape", [(400, 30), (50, 90)])
def test_a_share_of_the_variance(tmp_path, shape):
    """The fewest that reach it; the noise of the rest is stored, and how they were asked for."""
    rows = planted(*shape, [60.0, 25, 9])
    data, out = write(tmp_path / "x.h5", rows), tmp_path / "a.h5"
    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    shares = np.cumsum(values) / values.sum()
    for share, ranks in ((0.5, 1), (0.9, 3)):
        count = int(np.argmax(shares >= share)) + 1
        done = run(ranks, "fit", data, "-k", share, "-o", out, "--overwrite").ok()
        assert f"-k {share}: {count} component(s) explain" in done.stderr
        assert ", 2 reads" in done.stderr
        with h5py.File(out) as file:
            assert len(file["components"]) == count
            assert file["explained_variance_ratio"][...].sum() == pytest.approx(shares[count - 1])
            rest = values[count:].sum() / (shape[1] - count)
            assert file.attrs["noise_variance"] == pytest.approx(rest)
    run(2, "verify", out, data).ok()


@pytest.mark.parametrize("rule", ["auto", "edge"])
@pytest.mark.parametrize("shape", [(600, 80), (90, 300)])
def test_what_stands_out(tmp_path, shape, rule):
    """As many as were planted, whatever the scale of the noise and of columns."""
    rows = 1e-3 * planted(*shape, [80.0, 50, 30])
    data = write(tmp_path / "x.h5", rows)
    done = run(2, "fit", data, "-k", rule, "-o", tmp_path / "a.h5").ok()
    assert f"-k {rule}: 3 component(s) stand out by the" in done.stderr


def test_parallel_analysis(tmp_path):
    """Noise that differs from column to column hides what is planted from other rules; the levels
    are those of columns that are permuted, and the same from all numbers of ranks.
    """
    rows = RNG.standard_normal((700, 40)) * np.geomspace(20, 1, 40)
    basis = np.linalg.qr(RNG.standard_normal((40, 2)))[0]
    rows += RNG.standard_normal((700, 2)) @ (basis.T * [[60.0], [30.0]]) + 7
    data = write(tmp_path / "x.h5", rows)
    for ranks in (1, 3):
        words = ("-k", "parallel", "-o", tmp_path / "a.h5", "--overwrite")
        done = run(ranks, "fit", data, *words).ok()
        assert "-k parallel: 2 component(s) stand out by parallel analysis" in done.stderr
    source, permuted = open_source([str(data)]), []
    world = World(MPI.COMM_SELF)
    mean = rows.mean(axis=0)
    found = noise_levels(source, world, Counters(), mean, 0, room=1 << 20)
    assert np.allclose(found, noise_levels(source, world, Counters(), mean, 0, room=1 << 30))
    for _ in range(60):
        each = np.column_stack([RNG.permutation(column) for column in rows.T])
        permuted.append(np.linalg.eigvalsh(np.cov(each.T))[::-1])
    # each fluctuates as a variance does, by sqrt(2/n), here a twentieth
    expected = np.percentile(permuted, 95, axis=0)
    np.testing.assert_allclose(found[:10], expected[:10], rtol=0.08)


def test_nothing_stands_out(tmp_path):
    # rows of its own: of one sample in twenty something does stand out
    rows = np.random.default_rng(1).standard_normal((400, 20)) * np.geomspace(3, 1, 20)
    data = write(tmp_path / "x.h5", rows)
    done = run(2, "fit", data, "-k", "parallel", "-o", tmp_path / "a.h5").ended(4)
    assert "no component stands out by parallel analysis" in done.stderr


def test_after_columns_are_learnt_of(tmp_path):
    """Missing values and scales come first, and are learnt once."""
    rows = planted(300, 20, [30.0, 10]) * np.geomspace(1, 1e3, 20)
    rows[3, 4] = np.nan
    data, out = write(tmp_path / "x.h5", rows), tmp_path / "a.h5"
    done = run(2, "fit", data, "-k", 0.6, "--nan", "drop-columns", "--scale", "-o", out).ok()
    kept = np.delete(rows, 4, axis=1)
    values = np.linalg.eigvalsh(np.corrcoef(kept.T))[::-1]
    count = int(np.argmax(np.cumsum(values) / 19 >= 0.6)) + 1
    assert f"-k 0.6: {count} component(s)" in done.stderr and ", 3 reads" in done.stderr
    assert done.stderr.count("left out") == 1
    run(1, "verify", out, data).ok()


def test_what_makes_no_sense(tmp_path):
    data = write(tmp_path / "x.h5", RNG.standard_normal((200, 10)))
    square = write(tmp_path / "s.h5", np.eye(4))
    words = {
        "a number of no kind": ("fit", data, "-k", 1.5),
        "no rule": ("fit", data, "-k", "some"),
        "a covariance": ("fit", square, "--covariance", "-k", 0.9),
        "only noise": ("fit", data, "-k", "auto"),
        "too little memory": ("fit", data, "-k", 0.5, "--memory", "1K"),
    }
    done = batch(2, {k: (*w, "-o", tmp_path / "a.h5") for k, w in words.items()})
    said = {
        "a number of no kind": (
            2,
            "'1.5' is no whole number, no share below 1, none of auto, edge",
        ),
        "no rule": (2, "for '-k': 'some'"),
        "a covariance": (2, "give a number with --covariance"),
        "only noise": (4, "no component stands out"),
        "too little memory": (2, "Σ of 10 columns takes 2.3 KiB of 512 B a rank"),
    }
    for name, (code, text) in said.items():
        assert text in done[name].ended(code).messages[0], name
    assert "give a number" in run(0, "plan", data, "-k", 0.9).ended(2).messages[0]
