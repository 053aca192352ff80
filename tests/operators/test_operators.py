"""Covariance operators built from files equal the dense float64 covariance: any type, shift,
scale, sharding, grid, kernels.
"""

import numpy as np
import pytest
from spectra import build, data_rows, dense_covariance, images, power_law, write, wrong
from threadpoolctl import threadpool_limits

from hpcpca.errors import DataError
from hpcpca.kernels import compiled, plain

KINDS = ["gram", "in-memory", "mapped", "streaming"]
N, D = 200, 12
BASE = data_rows(power_law(D, 0.5), N, seed=5)  # standard deviations 0.4 to 1


def integers(dtype, spread, centre):
    return (np.rint(BASE * spread).astype(np.int64).astype(object) + centre).astype(dtype)


def drifted():
    """The first rows lie a thousand standard deviations away, as those of an instrument that
    warms up.
    """
    rows = BASE.copy()
    rows[:2] += 1000
    return rows.astype(np.float32)


def outlying():
    """One row far out of the range that the others let expect: float32 products overflow until
    the scale is found anew.
    """
    rows = BASE.copy()
    rows[137] = 1e25 * np.where(np.arange(D) % 2, -1, 1)
    return rows.astype(np.float32)


CASES = {
    "uint8": lambda: integers(np.uint8, 20, 120),
    "int8": lambda: integers(np.int8, 20, -3),
    "uint16": lambda: integers(np.uint16, 5000, 30000),
    "int16": lambda: integers(np.int16, 50, -30000),
    "uint32": lambda: integers(np.uint32, 10**6, 2**31),
    "int32": lambda: integers(np.int32, 10, 2**31 - 100),
    "int64 small beside 2^62": lambda: integers(np.int64, 10**3, 2**62),
    "uint64 at the top": lambda: integers(np.uint64, 10**3, 2**64 - 10**4),
    "int64 over the whole range": (
        lambda: np.random.default_rng(1).integers(-(2**63), 2**63 - 1, (N, D))
    ),
    "uint64 over the whole range": (
        lambda: np.random.default_rng(1).integers(0, 2**64 - 1, (N, D), dtype=np.uint64)
    ),
    "float16": lambda: (BASE + 3).astype(np.float16),
    "float32": lambda: BASE.astype(np.float32),
    "float32 mean 1000": lambda: (BASE + 1000).astype(np.float32),
    "float32 tiny": lambda: (BASE * 1e-20).astype(np.float32),
    "float32 huge": lambda: ((BASE + 5) * 1e18).astype(np.float32),
    "float32 at its limit": lambda: (BASE / np.abs(BASE).max() * 3.3e38).astype(np.float32),
    "float32 drifted": drifted,
    "float32 outlying": outlying,
    "float32 constant column": lambda: np.where(np.arange(D) == 4, 7, BASE).astype(np.float32),
    "float64": lambda: BASE,
    "float64 mean 1e3": lambda: BASE + 1e3,
    "float64 mean 1e8": lambda: BASE + 1e8 * np.where(np.arange(D) % 3, 1, -1),
    "float64 1e150": lambda: (BASE + 1) * 1e150,
    "float64 1e-150": lambda: (BASE + 1) * 1e-150,
    "big-endian float32": lambda: BASE.astype(">f4"),
}
SINGLE = {np.dtype(t) for t in (np.uint8, np.int8, np.uint16, np.int16, np.float16, np.float32)}
# Of the compiled kernels those that ``tests/kernels`` has: {type: precisions, whether double}.
TO_COMPILE = {
    "uint8": (False,),
    "int16": (True,),
    "uint64": (False, True),
    "float16": (False, True),
    "float32": (False,),
    "float64": (False, True),
}


@pytest.mark.once
@pytest.mark.parametrize("kernels", [plain, compiled], ids=["plain", "compiled"])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8])
def test_small_integers_without_rounding(alone, exchange_over, tmp_path, kernels, dtype):
    """Integers less an integer shift: products in single precision are integers too, and Σ is
    that of float64.
    """
    rows = (np.random.default_rng(3).random((5000, D)) < np.linspace(0.02, 0.98, D)).astype(
        dtype
    ) * dtype(1 if dtype == np.bool_ else 9)
    operator = build(
        exchange_over(alone, 1, 1), "gram", write(alone, tmp_path, rows), False, kernels
    )
    sigma = np.ldexp(operator.apply(np.eye(D), np.array([0, D])), operator.exponent)
    np.testing.assert_allclose(
        sigma, np.cov(rows.astype(np.float64), rowvar=False), rtol=0, atol=1e-13 * 81
    )
    assert operator.rounding == 2.0**-23


@pytest.mark.once
def test_rounding_of_gram_is_measured(alone, exchange_over, tmp_path):
    """Equal terms of less than half a unit in the last place of one large one are lost beside it
    in single precision; it is noticed.
    """
    rows = np.zeros((6500, D), np.float32)
    rows[:, 0] = np.where(np.arange(6500) % 2, 150, -150)
    rows[7, 0] = 1e6
    exchange, parts = exchange_over(alone, 1, 1), write(alone, tmp_path, rows)
    sigma, _ = dense_covariance(rows.astype(np.longdouble))
    for double in (False, True):
        operator = build(exchange, "gram", parts, double, plain)
        error = abs(
            np.ldexp(operator.apply(np.eye(1, D), np.array([0, 1]))[0, 0], operator.exponent)
            / sigma[0, 0]
            - 1
        )
        assert error <= 1.01 * operator.rounding and (operator.rounding > 2.0**-23) != double


def in_turn(kernels):
    """(Kind, case, whether in double, kernels): each case with one precision for every kind, the
    other one for the next kind and for the other set of kernels.
    """
    for place, kind in enumerate(KINDS):
        for number, case in enumerate(CASES):
            double = (number + place + (kernels is plain)) % 2 == 1
            if kernels is plain or double in TO_COMPILE.get(case.split()[0], ()):
                name = kernels.__name__.rpartition(".")[2]
                yield pytest.param(kind, case, double, kernels, id=f"{kind}-{case}-{name}")


@pytest.mark.once
@pytest.mark.parametrize("kind, case, double, kernels", [*in_turn(plain), *in_turn(compiled)])
def test_operator_is_the_covariance(
    alone, exchange_over, tmp_path, monkeypatch, kind, case, double, kernels
):
    """``tests/kernels`` has all of both sets of kernels."""
    monkeypatch.setattr("hpcpca.kernels.tiles.TILE_BYTES", 2000)  # several tiles, the last one cut
    monkeypatch.setattr("hpcpca.kernels.tiles.TILE_ROWS", 8)
    monkeypatch.setattr("hpcpca.sources.source.PIECE_BYTES", 5000)  # several pieces
    rows = CASES[case]()
    exchange = exchange_over(alone, 1, 1)
    operator = build(exchange, kind, write(alone, tmp_path, rows), double, kernels)
    work = np.float32 if rows.dtype.newbyteorder("=") in SINGLE and not double else np.float64
    assert not (why := wrong(operator, exchange, rows, work)), why
    assert (operator.n, operator.d, operator.is_double) == (N, D, double)


@pytest.mark.once
@pytest.mark.parametrize(
    "case", ["uint8", "float16", "float32 mean 1000", "int64 small beside 2^62", "float64 1e150"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_going_on_in_double(alone, exchange_over, tmp_path, kind, case):
    rows = CASES[case]()
    exchange = exchange_over(alone, 1, 1)
    operator = build(exchange, kind, write(alone, tmp_path, rows))
    images(operator, exchange, np.eye(1, D))
    operator.to_double()
    assert operator.is_double and not (why := wrong(operator, exchange, rows, np.float64)), why


@pytest.mark.once
@pytest.mark.parametrize("case", ["uint8", "float64"])
@pytest.mark.parametrize("kind", ["in-memory", "mapped", "streaming"])
def test_threads_share_the_tiles(alone, exchange_over, tmp_path, monkeypatch, kind, case):
    monkeypatch.setattr("hpcpca.kernels.tiles.TILE_BYTES", 2000)
    monkeypatch.setattr("hpcpca.kernels.tiles.TILE_ROWS", 8)
    exchange = exchange_over(alone, 1, 1)
    with threadpool_limits():  # a team sets how many threads BLAS has; put that back
        operator = build(exchange, kind, write(alone, tmp_path, CASES[case]()), threads=3)
        why = wrong(
            operator, exchange, CASES[case](), np.float32 if case == "uint8" else np.float64
        )
    assert not why, why


@pytest.mark.once
@pytest.mark.parametrize(
    "shape, seed",
    [
        *((shape, seed) for shape in ((300, 8), (3000, 20)) for seed in range(3)),
        ((20_000, 50), 0),
        ((5000, 784), 1),
    ],
)
def test_gram_reads_data_that_do_not_drift_once(alone, exchange_over, tmp_path, shape, seed):
    rows = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    exchange = exchange_over(alone, 1, 1)
    build(exchange, "gram", write(alone, tmp_path, rows))
    assert exchange.counters.reads == 1


@pytest.mark.once
@pytest.mark.parametrize("kind", ["gram", "mapped", "streaming"])
def test_reads_again_where_the_sample_misled(alone, exchange_over, tmp_path, monkeypatch, kind):
    """A step in the data that the sampled row does not see: the shift is moved to the mean that
    was measured.
    """
    monkeypatch.setattr("hpcpca.operators.gram_build.SAMPLE_BYTES", 1)
    rows = np.concatenate([BASE[:150], BASE[150:] + 300]).astype(np.float32)
    exchange = exchange_over(alone, 1, 1)
    operator = build(exchange, kind, write(alone, tmp_path, rows), sample_rows=1)
    if kind != "gram":
        images(operator, exchange, np.eye(1, D))
    assert int(exchange.counters.reads) == 2
    assert not (why := wrong(operator, exchange, rows, np.float32)), why


@pytest.mark.once
def test_streaming_reads_once_a_pass(alone, exchange_over, tmp_path):
    """With a sample of all rows, which counts as a read, the shift needs no second look."""
    exchange = exchange_over(alone, 1, 1)
    operator = build(exchange, "streaming", write(alone, tmp_path, BASE), sample_rows=N)
    assert (exchange.counters.reads, exchange.counters.passes) == (1, 0)
    for number in range(1, 4):
        images(operator, exchange, np.eye(3, D))
        assert (exchange.counters.reads, exchange.counters.passes) == (1 + number, number)


@pytest.mark.once
@pytest.mark.parametrize("kind", KINDS)
def test_data_without_variance_are_refused(alone, exchange_over, tmp_path, kind):
    exchange = exchange_over(alone, 1, 1)
    with pytest.raises(DataError, match="zero variance"):
        images(
            build(exchange, kind, write(alone, tmp_path, np.full((50, 3), 1e8 + 0.1))),
            exchange,
            np.eye(1, 3),
        )


@pytest.mark.once
def test_a_sample_is_the_covariance_of_its_rows(alone, exchange_over, tmp_path):
    """About the mean of all rows; by its rows and as a matrix, at once and vector by vector."""
    exchange = exchange_over(alone, 1, 1)
    operator = build(exchange, "in-memory", write(alone, tmp_path, BASE))
    numbers = np.r_[3:40, 120]
    sample = operator.sampled(numbers, 0.19)
    picked = BASE[numbers] - BASE.mean(axis=0)
    found, passes = images(sample, exchange, np.eye(D)), exchange.counters.passes
    expected = np.ldexp(picked.T @ picked / 37, -operator.exponent)
    offsets = exchange.grid.offsets(D)
    for images_found in (
        found,
        sample.images(np.eye(D), offsets),
        images(sample.as_matrix(), exchange, np.eye(D)),
    ):
        assert np.abs(images_found - expected).max() <= 1e-14 * np.abs(expected).max() * D
    assert passes == 0.19 and exchange.counters.sample_flops == 2 * 4 * 38 * D**2 + 38 * D**2 + (
        2 * D**3
    )
    none = operator.sampled(np.zeros(0, np.int64), 0.0)
    assert not images(none, exchange, np.eye(D)).any()
