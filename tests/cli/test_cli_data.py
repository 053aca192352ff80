"""Data that break naive PCA: any magnitude, any type, ties, missing rank.

The right answer or a clear refusal, never a silently wrong one.
"""

import h5py
import numpy as np
import pytest
import spectra
from launch import batch

pytestmark = pytest.mark.once


OPERATORS = ("gram", "in-memory")
BASE = spectra.data_rows(spectra.exponential(24, 0.5), 300)  # columns of about unit size, mean 0
SPREAD = BASE.std(axis=0)
WHOLE = np.round(BASE * 1000).astype(np.int64)


def integers(dtype):
    """BASE in an integer type: its whole range up to 32 bits, ±10⁶ past that."""
    limits = np.iinfo(dtype)
    half = min((limits.max - limits.min) // 2, 10**6)
    return (
        np.round(BASE / np.abs(BASE).max() * half * 0.99).astype(np.int64)
        + (half if limits.min == 0 else 0)
    ).astype(dtype)


def changed(rows, column, value):
    rows = rows.copy()
    rows[:, column] = value
    return rows


def with_spectrum(*values, n=400, seed=3):
    return spectra.data_rows(np.array(values, dtype=float), n, seed)


RANK_3 = with_spectrum(4, 2, 1, *[0] * 17)
TAIL = (1, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05)
NOISE = np.random.default_rng(8)
ANSWERS = {  # rows, K
    "float32 at 1e-20": ((BASE * 1e-20).astype("f4"), 5),
    "float32 at 1e18": ((BASE * 1e18).astype("f4"), 5),
    "float32 at 1e-36": ((BASE * 1e-36).astype("f4"), 5),
    "float32 at 1e36": ((BASE * 1e36).astype("f4"), 5),
    "float64 at 1e150": (BASE * 1e150, 5),
    "float64 at 1e-150": (BASE * 1e-150, 5),
    **{dtype: (integers(dtype), 5) for dtype in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")},
    "uint64 near its end": (np.uint64(2**64 - 1) - (WHOLE - WHOLE.min()).astype("u8"), 5),
    "int64 around ±2^62": (WHOLE + np.where(np.arange(300) % 2, 2**62, -(2**62))[:, None], 1),
    "int64 at 2^62": (WHOLE + 2**62, 5),
    "int64 at -2^63": (np.int64(-(2**63)) + (WHOLE - WHOLE.min()), 5),
    "int64 at both ends": (np.where(NOISE.random((300, 24)) < 0.5, -(2**63), 2**63 - 1), 5),
    "bool": (NOISE.random((300, 24)) < np.linspace(0.05, 0.95, 24), 5),
    "big-endian float64": (BASE.astype(">f8"), 5),
    "big-endian float32": (BASE.astype(">f4"), 5),
    "big-endian int16": ((BASE * 3000).astype(">i2"), 5),
    "big-endian uint64": ((WHOLE - WHOLE.min()).astype(">u8"), 5),
    "float16": (BASE.astype("f2"), 5),
    "big-endian float16": (BASE.astype(">f2"), 5),
    "mean/std 1e8": (BASE + 1e8 * SPREAD, 5),
    "mean/std 1e4 to 1e8": (BASE + np.geomspace(1e4, 1e8, 24) * SPREAD, 5),
    "mean/std 1000 in float32": ((BASE + 1000 * SPREAD).astype("f4"), 5),
    "mean/std 300 in float32": ((BASE + 300 * SPREAD).astype("f4"), 5),
    "the mean drifts": (np.sort(NOISE.standard_normal((300, 24)), axis=0) + 1e6, 5),
    "rank below K": (RANK_3, 5),
    "rank below K, float32": (RANK_3.astype("f4"), 5),
    "rank 1": (np.outer(np.arange(300.0), np.arange(24)), 3),
    "one cell differs": (np.where(np.arange(7200).reshape(300, 24) == 77, 1.1, 0.1), 2),
    "tie across K": (with_spectrum(5, 4, 3, 3, 2, *TAIL), 3),
    "wide tie across K": (with_spectrum(5, 4, 3, 3, 3, 3, *TAIL), 4),
    "double": (with_spectrum(5, 4, 4, 3, *TAIL), 4),
    "double, float32": (with_spectrum(5, 4, 4, 3, *TAIL).astype("f4"), 4),
    "gaps of 1e-4": (with_spectrum(5, 5 - 5e-4, 5 - 1e-3, 3, 2, *TAIL), 4),
    "gaps of 1e-4, float32": (with_spectrum(5, 5 - 5e-4, 5 - 1e-3, 3, 2, *TAIL).astype("f4"), 4),
    "gaps of 1e-8": (with_spectrum(5, 4 + 4e-8, 4, 3, *TAIL), 4),
    "all equal": (with_spectrum(*[2] * 30), 4),
    "all equal, K = d": (with_spectrum(*[2] * 6), 6),
    "K = d": (with_spectrum(5, 4, 3, 2, 1), 5),
    "one column": (NOISE.standard_normal((50, 1)), 1),
    "n = K+1": (NOISE.standard_normal((6, 20)), 5),
    "two rows": (NOISE.standard_normal((2, 20)), 1),
    "n much below d": (NOISE.standard_normal((12, 3000)), 6),
    "n much below d, K = n-1": (NOISE.standard_normal((12, 3000)).astype("f4"), 11),
    "constant columns": (changed(changed(BASE, 3, 7), 10, 0), 5),
    "a huge constant column": (changed(BASE * 1e-3, 3, 1e8), 5),
    "a column that rules": (changed(BASE, 0, NOISE.standard_normal(300) * 1e12), 1),
    "equal rows but one": (np.vstack([np.ones((99, 8)), 2 * np.arange(8)]), 1),
}
REFUSALS = {  # rows, words of the message
    "variance past float64": (BASE * 1e160, "range"),
    "variance below float64": (BASE * 1e-170, "range"),
    "subnormal": (BASE * 1e-310, "range"),
    "no variance": (np.full((300, 24), 0.1), "zero variance"),
    "no variance, float32": (np.full((300, 24), 0.1, "f4"), "zero variance"),
    "no variance, uint64": (np.full((300, 24), 2**64 - 3, "u8"), "zero variance"),
}
EITHER = {
    "float32 at its end": ((BASE / np.abs(BASE).max() * 3.4e38).astype("f4"), 5),
    "float32, subnormal": ((BASE * 1e-41).astype("f4"), 3),
    "one outlier": (changed(BASE, 0, np.where(np.arange(300) == 7, 1e12, 0)).astype("f4"), 3),
}


def command(folder, number, rows, k, operator, options=()):
    path = folder / f"{number}.h5"
    if not path.exists():
        with h5py.File(path, "w") as file:
            file.create_dataset(
                "X", data=rows, chunks=(32, rows.shape[1]) if len(rows) > 32 else None
            )
    return (
        path,
        folder / f"{number}-{operator}{''.join(options)}.h5",
        ["fit", path, "-k", k, "--operator", operator, *options],
    )


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{(case, operator): (fit's Run, verify's Run, result)} of all cases: one operator on two
    ranks, the other one on one, in turn; what one of them found is verified, two ranks' or one's
    in turn.
    """
    folder, commands, verified, outputs = tmp_path_factory.mktemp("data"), {1: {}, 2: {}}, {}, {}
    cases = {**ANSWERS, **{name: (rows, 1) for name, (rows, _) in REFUSALS.items()}, **EITHER}
    for number, (name, (rows, k)) in enumerate(cases.items()):
        for turn, operator in enumerate(OPERATORS):
            data, output, words = command(folder, number, rows, k, operator)
            ranks = 1 + (turn + number) % 2
            commands[ranks][name, operator, "fit"] = [*words, "-o", output]
            if turn == number // 2 % len(OPERATORS):
                verified[name, operator, "verify"] = ["verify", output, data]
            outputs[name, operator] = output
    done = {**batch(1, commands[1]), **batch(2, commands[2]), **batch(1, verified)}
    return {
        case: (done[(*case, "fit")], done.get((*case, "verify")), output)
        for case, output in outputs.items()
    }


def reference(rows):
    """Mean (longdouble), eigenvalues (longdouble) and eigenvectors of any rows: integers centred
    exactly, then scaled by a power of two.
    """
    wide = (
        (rows.astype(object) - int(rows[0, 0])).astype(np.longdouble)
        if rows.dtype.kind in "iu"
        else rows.astype(np.longdouble)
    )
    mean = wide.mean(axis=0)
    centred = wide - mean
    scale = np.ldexp(np.longdouble(1), int(np.frexp(np.abs(centred).max())[1]))
    _, singular, vectors = np.linalg.svd((centred / scale).astype(np.float64), full_matrices=False)
    offset = np.longdouble(int(rows[0, 0])) if rows.dtype.kind in "iu" else 0
    return (
        mean + offset,
        (singular * scale) ** 2 / (len(rows) - 1),
        vectors,
        np.abs(centred).max(axis=0),
    )


def check(path, rows, tol=1e-6):
    """Assert eigenvalues, variance, mean, orthonormality, and that no claim about single vectors
    or clusters is false.
    """
    mean, values, vectors, reach = reference(rows)
    with h5py.File(path) as file:
        found = {name: file[name][...] for name in file if isinstance(file[name], h5py.Dataset)}
        total = file.attrs["total_variance"]
    k = len(found["components"])
    in_single = rows.dtype.itemsize <= 2 or rows.dtype.str[1:] == "f4"
    exact = np.pad(values, (0, max(0, k - len(values))))[:k]
    np.testing.assert_allclose(
        found["explained_variance"] / values[0],
        exact / values[0],
        rtol=0,
        atol=tol if in_single else 1e-3 * tol,
    )
    assert total / values.sum() == pytest.approx(1, abs=1e-6 if in_single else 1e-12)
    assert (np.abs(found["mean"] - mean) <= 1e-6 * reach + 4e-16 * np.abs(mean)).all()
    assert np.abs(found["components"] @ found["components"].T - np.eye(k)).max() < 1e-8
    assert (found["residuals"] <= tol).all()
    for i in range(min(k, len(vectors))):
        angle, bound = (
            spectra.sine(found["components"][i], vectors[i : i + 1]),
            found["angle_bounds"][i],
        )
        assert np.isnan(bound) or angle <= 1.01 * bound + 1e-11, (
            f"component {i}: angle {angle:.2e}, claimed {bound:.2e}"
        )
    for (first, stop, _), bound in zip(found["clusters"], found["cluster_angle_bounds"]):
        if stop <= len(vectors):
            angle = max(
                spectra.sine(v, vectors[first:stop]) for v in found["components"][first:stop]
            )
            assert angle <= 1.01 * bound + 1e-11, (
                f"cluster {first}–{stop - 1}: angle {angle:.2e}, claimed {bound:.2e}"
            )
    return found


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("name", ANSWERS)
def test_right_answer(outcomes, name, operator):
    fit, verify, path = outcomes[name, operator]
    fit.ok()
    check(path, ANSWERS[name][0])
    if verify:
        verify.ok()


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("name", REFUSALS)
def test_clear_refusal(outcomes, name, operator):
    fit, _, path = outcomes[name, operator]
    assert fit.code in (2, 3) and REFUSALS[name][1] in fit.messages[0] and not path.exists()


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("name", EITHER)
def test_right_or_refused(outcomes, name, operator):
    fit, verify, path = outcomes[name, operator]
    if fit.code in (2, 3):
        assert len(fit.messages) == 1 and not path.exists()
        return
    fit.ok()
    check(path, EITHER[name][0])
    if verify:
        verify.ok()


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    "name, clusters",
    {
        "double": [[1, 3, 0]],
        "tie across K": [[2, 3, 1]],
        "wide tie across K": [[2, 4, 1]],
        "all equal": [[0, 4, 1]],
        "all equal, K = d": [[0, 6, 0]],
        "K = d": [],
    }.items(),
)
def test_clusters(outcomes, name, clusters, operator):
    """What belongs together is reported as one cluster, and a cluster that goes on past the last
    component says so.
    """
    with h5py.File(outcomes[name, operator][2]) as file:
        assert file["clusters"][...].tolist() == clusters


def test_relative_gaps_of_1e_4_at_a_loose_tolerance(tmp_path):
    """Where residuals are as large as the gaps, the cluster is reported and nothing is claimed
    of single vectors.
    """
    cases = {
        seed: spectra.data_rows(
            np.array([10, 5, 5 - 5e-4, 5 - 1e-3, *2 * 0.9 ** np.arange(60)]), 400, seed
        )
        for seed in range(4)
    }
    commands = {
        seed: (*command(tmp_path, seed, rows, 4, "in-memory", ("--tol", "1e-4")),)
        for seed, rows in cases.items()
    }
    for seed, done in batch(
        2, {seed: [*words, "-o", output] for seed, (_, output, words) in commands.items()}
    ).items():
        done.ok()
        found = check(commands[seed][1], cases[seed], 1e-4)
        unresolved = np.flatnonzero(found["angle_bounds"] > 0.01)
        assert all(
            any(first <= k < stop for first, stop, _ in found["clusters"]) for k in unresolved
        )
    assert found["clusters"].size or not unresolved.size


VECTORS = (
    "rank below K",
    "rank 1",
    "double",
    "tie across K",
    "all equal",
    "n = K+1",
    "K = d",
    "constant columns",
    "one column",
    "float64 at 1e-150",
)


def test_vectors_exchange(tmp_path):
    """The paper's exchange on the same data: the right answer, or exit code 4 that says it is
    not.
    """
    commands = {
        name: command(
            tmp_path,
            number,
            *ANSWERS[name],
            "gram",
            ("--exchange", "vectors", "--max-rounds", "3000"),
        )
        for number, name in enumerate(VECTORS)
    }
    for name, done in batch(
        2, {name: [*words, "-o", output] for name, (_, output, words) in commands.items()}
    ).items():
        assert done.code in (0, 4), (name, done)
        with h5py.File(commands[name][1]) as file:
            values = reference(ANSWERS[name][0])[1]
            k = min(len(values), len(file["explained_variance"]))
            if done.code == 0:
                np.testing.assert_allclose(
                    file["explained_variance"][:k] / values[0],
                    values[:k] / values[0],
                    rtol=0,
                    atol=1e-5,
                )
            else:
                assert (
                    file.attrs["outcome"] == "max_rounds"
                    and not (file["residuals"][...] <= 1e-6).all()
                ), name
