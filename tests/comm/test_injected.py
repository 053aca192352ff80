"""Latency that is injected for experiments: what it does to reading, sums and exchanges."""

import pytest

from hpcpca.comm.late import Injection, injected, parse
from hpcpca.errors import UsageError


@pytest.mark.once
@pytest.mark.parametrize(
    "text, expected",
    [
        ("rank=3:50ms", Injection(3, delay=(0.05, 0.05))),
        ("rank=*:0-20ms", Injection(None, delay=(0.0, 0.02))),
        ("rank=12:2.5x", Injection(12, factor=2.5)),
        ("rank=*:apply=5ms", Injection(None, apply=(0.005, 0.005))),
        ("rank=0:apply=1-3ms", Injection(0, apply=(0.001, 0.003))),
    ],
)
def test_what_is_injected(text, expected):
    assert parse(text) == expected


@pytest.mark.once
@pytest.mark.parametrize(
    "text",
    [
        "",
        "rank=3",
        "3:50ms",
        "rank=3:50",
        "rank=-1:5ms",
        "rank=3:20-10ms",
        "rank=3:0.5x",
        "rank=3:apply=5x",
        "rank=3:5s",
    ],
)
def test_what_cannot_be(text):
    with pytest.raises(UsageError, match="write rank=3:50ms"):
        parse(text)


def test_injected_into_one_rank():
    """Later ones of a kind win; delays are random and keyed by seed and rank; nothing asked for
    leaves the parts as they are.
    """

    class Nothing:
        def apply(self, panel, offsets):
            return panel

    texts = ("rank=*:0-20ms", "rank=1:5ms", "rank=*:apply=4ms", "rank=2:3x")
    made = [injected(texts, rank, 3, 0) for rank in range(3)]
    delays = [[each.exchange(None)._late() for _ in range(9)] for each in made]
    assert (
        delays[1] == [0.005] * 9
        and 0 <= min(delays[0]) < max(delays[0]) <= 0.02
        and delays[0] != delays[2]
    )
    assert (
        injected(texts, 0, 3, 0).exchange(None)._late()
        == delays[0][0]
        != injected(texts, 0, 3, 1).exchange(None)._late()
    )
    operator = made[2].operator(Nothing())
    from time import monotonic

    begun = monotonic()
    assert operator.apply("panel", None) == "panel" and monotonic() - begun >= 0.012
    plain, parts = injected((), 0, 3, 0), (object(), object())
    assert plain.exchange(parts[0]) is parts[0] and plain.operator(parts[1]) is parts[1]
