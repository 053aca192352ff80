"""What experiments are made of: problems, trajectories and errors, tables, figures."""

import numpy as np
import pytest
import spectra

from hpcpca.bench.experiments import asynchronous, synthetic
from hpcpca.bench.experiments.paced import Timed, merged, settled
from hpcpca.bench.experiments.problems import covariance_of, errors, problem
from hpcpca.bench.experiments.record import Record, Series, middle, save
from hpcpca.bench.experiments.trajectory import Trajectory, follow, rounds_to

pytestmark = pytest.mark.once


def test_measures_of_some_with_more_seeds(tmp_path):
    """One without a number on the x axis is drawn all along it."""
    series = [
        Series(
            {"data": "a", "method": "m", "eta": eta},
            measures={"error": np.full(count, 0.1 + count)},
        )
        for eta, count in ((1.0, 2), (10.0, 3), ("none", 2))
    ]
    paths = save(Record("some", {}, series, ["a table"], "data", against="eta"), tmp_path)
    assert len(paths) == 3 and (tmp_path / "some.png").read_bytes().startswith(b"\x89PNG")


def test_logs_of_workers_at_the_same_times():
    """Each worker's last row by then; a level counts from when it is kept; applications are
    summed.
    """
    slow = np.array([[0.0, 0, 1, 1.0, 1.0], [4.0, 1, 2, 1e-5, 0.1]])
    fast = np.array(
        [
            [0.0, 0, 1, 1.0, 1.0],
            [1.0, 1, 2, 1e-5, 0.5],
            [2.0, 2, 3, 1e-3, 0.4],
            [3.0, 3, 4, 2e-5, 0.3],
        ]
    )
    found = merged([slow, fast], np.eye(2), np.eye(2))
    at = np.searchsorted(found.seconds, 2.5)
    assert found.seconds[[0, -1]].tolist() == [0, 4] and found.reached.tolist() == [4, 3]
    assert (
        found.residuals[at].tolist() == [1, 1e-3]
        and found.errors[at].tolist() == [1, 0.4]
        and found.applications[[0, at, -1]].tolist() == [2, 4, 6]
    )
    assert found.rounds[[0, at, -1]].tolist() == [0, 1, 2] and np.isnan(settled(slow[:1]))


def test_the_table_says_how_many_times_as_fast():
    def made(exchange, reached):
        found = Timed(
            np.full((3, 2), 0.1),
            np.full(3, 8),
            np.arange(3.0),
            None,
            None,
            None,
            None,
            np.array(reached),
        )
        return Series({"scenario": "x", "exchange": exchange}, 1, [found])

    row = asynchronous.table([made("vectors", [4.0, 8.0]), made("window", [1.0, 4.0])], 2, "")[-1]
    assert row.startswith("| x | window | 1 [1, 1] | 4 | 4 [4, 4] | 2 | 1 4 | 4 |")


def test_problem():
    """The eigenpairs are those of Σ; another seed is another problem; start vectors do not
    depend on what else is asked.
    """
    values = spectra.power_law(40)
    one, again, other = (
        problem(values, 40, 5, 1),
        problem(values, 40, 5, 1),
        problem(values, 40, 5, 2),
    )
    np.testing.assert_allclose(np.linalg.eigvalsh(one.sigma)[::-1], values, atol=1e-14)
    np.testing.assert_allclose(
        one.vectors @ one.sigma, one.values[:, None] * one.vectors, atol=1e-14
    )
    assert (
        (one.sigma == again.sigma).all()
        and (one.start == again.start).all()
        and np.abs(one.sigma - other.sigma).max() > 0.01
    )
    assert (one.start == problem(values[:7], 40, 5, 1).start).all()


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-8, 0.3, np.pi / 2])
def test_errors(angle):
    """2 sin(θ/2) of the angle to the nearer of ±u, also where sqrt(2 − 2|u·v|) would give
    rounding.
    """
    true = np.eye(2, 9)
    found = np.array([np.cos(angle) * true[0] + np.sin(angle) * np.eye(9)[5], -true[1]])
    np.testing.assert_allclose(
        errors(found, true), [2 * np.sin(angle / 2), 0], rtol=1e-12, atol=1e-16
    )


def test_rounds_to():
    assert rounds_to(np.array([1, 0.5, 0.01, 0.5, 0.01, 0.001]), 0.01) == 5
    assert rounds_to(np.array([0.001, 0.001]), 0.01) == 1
    assert np.isnan(rounds_to(np.array([1, 0.5]), 0.01)) and np.isnan(
        rounds_to(np.array([np.nan]), 0.01)
    )


def test_a_plane_is_right_whatever_the_vectors_in_it():
    true = np.eye(4, 9)
    turned = true.copy()
    turned[1:3] = (true[1] + true[2]) / np.sqrt(2), (true[1] - true[2]) / np.sqrt(2)
    made = Trajectory(errors(turned, true)[None], np.ones(1), np.ones(1), turned, true)
    assert (
        made.largest[0] > 0.7
        and made.plane(1) < 1e-15
        and abs(made.plane(0) - np.sqrt(0.5)) < 1e-12
    )


def test_follow_counts_what_is_applied(alone):
    from hpcpca.comm.world import World

    world = World(alone)
    case = problem(spectra.power_law(30), 30, 4, 0)
    found = follow(world, case, 6, every=2, exchange="vectors", local_steps=3, stagger=False)
    assert found.applications.tolist() == [
        4 + 12 * number for number in (2, 4, 6)
    ] and found.errors.shape == (3, 4)
    world.free()


@pytest.mark.parametrize(
    "ours, theirs, verdict",
    [(0.08, 0.043, "yes"), (0.09, 0.043, "NO"), (9e-7, 4.5e-8, "yes"), (1.1e-6, 4.5e-8, "NO")],
)
def test_the_comparison_can_fail(monkeypatch, ours, theirs, verdict):
    monkeypatch.setattr(synthetic, "AUTHORS", {("x", "parallel deflation"): {1: theirs}})
    made = Trajectory(np.full((1, 3), ours), np.ones(1), np.ones(1), None, None)
    row = synthetic.against_the_authors(
        [Series({"data": "x", "method": "parallel deflation", "T": 1}, 1, [made])]
    )[-1]
    assert row.endswith(f"| {verdict} |")


def test_middle():
    assert (
        middle(np.array([1.0, 3.0, 2.0]), "{:.0f}") == "2 [1, 3]"
        and middle(np.array([np.nan, 4.0]), "{:.0f}") == "– [4, –]"
    )
    assert middle(np.array([np.nan])) == "–" == middle([])


def test_covariance_of_files(tmp_path):
    rows = spectra.data_rows(spectra.power_law(12), 90, mean=1000.0)
    spectra.write_shards(tmp_path / "x", s1=rows[:40], s2=rows[40:])
    sigma, values, vectors = covariance_of([str(tmp_path / "x")])
    np.testing.assert_allclose(sigma, np.cov(rows.T), atol=1e-12 * values[0])
    np.testing.assert_allclose((vectors.T * values) @ vectors, sigma, atol=1e-12 * values[0])


def test_pairs_are_measured_as_they_are():
    """Errors, mismatches and loss of given pairs, against whole matrices."""
    from hpcpca.bench.experiments.pairs import _measured, regression

    case = regression(np.array([4.0, 2.5, 1.5, 0.7, 0.2]), (7, 6), 3, seed=1)
    rng = np.random.default_rng(0)
    true = [case.strengths[k] * np.outer(case.left[k], case.right[k]) for k in range(5)]
    right = case.right[:3] + 0.1 * rng.standard_normal((3, 6))
    right = right / np.linalg.norm(right, axis=1, keepdims=True)
    left = rng.standard_normal((3, 5)) * 0.1 + np.diag(case.strengths)[:3]
    left = left @ case.left
    whole = sum(true)
    found = _measured(case, -right, -left @ whole)
    pairs = [np.outer(*pair) for pair in zip(left, right)]
    off = [a - b for a, b in zip(pairs, true)]
    errors = [np.linalg.norm(each) / case.strengths[k] for k, each in enumerate(off)]
    np.testing.assert_allclose(found[0], errors)
    np.testing.assert_allclose(
        found[1], [0, np.linalg.norm(off[0]), np.linalg.norm(off[0] + off[1])], atol=1e-12
    )
    least = np.linalg.norm(whole - sum(true[:3])) ** 2
    excess = np.linalg.norm(whole - sum(pairs)) ** 2 - least
    assert abs(found[2] - excess / (case.strengths[:3] ** 2).sum()) < 1e-12
