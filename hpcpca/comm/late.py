"""Latency and slow ranks, injected into a run to see what they cost: ``--inject-latency
'rank=3:50ms'``.
"""

import re
from collections import deque
from dataclasses import dataclass
from time import monotonic, sleep

from ..errors import UsageError
from ..options import Settings, option

SPEC = re.compile(
    r"rank=(?P<rank>\*|\d+):"
    r"(?:(?P<apply>apply=)?(?P<low>\d+(?:\.\d+)?)(?:-(?P<high>\d+(?:\.\d+)?))?ms"
    r"|(?P<factor>\d+(?:\.\d+)?)x)"
)
STREAM = 0x1A7E  # of random delays


@dataclass(frozen=True)
class LatencySettings(Settings):
    """Exchange of vectors"""

    inject_latency: tuple | None = option(
        "To try what it costs: rank=3:50ms, rank=*:0-20ms late; rank=3:5x slow; rank=*:apply=5ms.",
        metavar="SPEC",
        multiple=True,
    )

    def check(self):
        """Raise UsageError for what cannot be understood."""
        for text in self.inject_latency or ():
            parse(text)


@dataclass(frozen=True)
class Injection:
    """Delays of a ``rank`` (None: of all). Its publications are seen ``delay`` seconds late, at
    random between the two. Applying Σ takes at least ``apply`` seconds, times ``factor``.
    """

    rank: int | None
    delay: tuple | None = None
    apply: tuple | None = None
    factor: float | None = None


def parse(text):
    """The ``Injection`` of "rank=3:50ms", "rank=*:0-20ms", "rank=3:5x" or "rank=*:apply=5ms";
    raise UsageError.
    """
    found = SPEC.fullmatch(text.strip())
    if (
        not found
        or (found["factor"] and float(found["factor"]) < 1)
        or (found["high"] and float(found["high"]) < float(found["low"]))
    ):
        raise UsageError(
            f"--inject-latency {text}: write rank=3:50ms, rank=*:0-20ms, rank=3:5x (slower) or"
            " rank=*:apply=5ms, a rank or * for all"
        )
    rank = None if found["rank"] == "*" else int(found["rank"])
    if found["factor"]:
        return Injection(rank, factor=float(found["factor"]))
    seconds = float(found["low"]) / 1e3, float(found["high"] or found["low"]) / 1e3
    return Injection(rank, apply=seconds) if found["apply"] else Injection(rank, delay=seconds)


def injected(texts, rank, size, seed):
    """The ``Injected`` of a rank; later ones of a kind replace earlier ones.

    Raise UsageError for ranks that are not there.
    """
    found = {"delay": None, "apply": None, "factor": None}
    for text in texts:
        each = parse(text)
        if each.rank is not None and each.rank >= size:
            raise UsageError(
                f"--inject-latency {text}: the run has {size} rank(s), numbered from 0"
            )
        if each.rank in (None, rank):
            found = {name: getattr(each, name) or former for name, former in found.items()}
    from ..rng import stream  # numpy: not for help

    return Injected(stream(seed, STREAM, rank), **found)


class Injected:
    """Delays of one rank, put around its exchange and its operator if any were asked for."""

    def __init__(self, random, delay, apply, factor):
        self._random, self._delay, self._apply, self._factor = (
            random,
            delay,
            apply or (0.0, 0.0),
            factor or 1.0,
        )

    def exchange(self, exchange):
        """An ``exchange`` whose publications arrive late."""
        return (
            exchange
            if self._delay is None
            else LateExchange(exchange, lambda: self._random.uniform(*self._delay))
        )

    def operator(self, operator):
        """An ``operator`` that takes its time."""
        is_slow = self._factor > 1 or self._apply[1] > 0
        return (
            SlowOperator(operator, lambda: self._random.uniform(*self._apply), self._factor)
            if is_slow
            else operator
        )


class _Around:
    """Has all that ``inner`` has; subclasses replace some of it."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)


class LateExchange(_Around):
    """Publishing together takes ``delay()`` seconds longer; what is published in windows is seen
    so much later.
    """

    def __init__(self, inner, delay):
        super().__init__(inner)
        self._late = delay

    def publish(self, own, panel, offsets, first=0):
        """As in ``Exchange``, but later."""
        sleep(self._late())
        return self._inner.publish(own, panel, offsets, first)

    def publish_columns(self, panel, count, first=0):
        """As in ``Exchange``, but later."""
        sleep(self._late())
        return self._inner.publish_columns(panel, count, first)

    def window(self, *sizes):
        """As in ``Exchange``, but later."""
        return LateWindow(self._inner.window(*sizes), self._late)


class LateWindow(_Around):
    """A window whose publications are let out in order when they are due, at this rank's next
    look at the others.
    """

    def __init__(self, inner, delay):
        super().__init__(inner)
        self._late, self._waiting = delay, deque()

    def publish(self, front, rows):
        """As in ``Window``, but seen later."""
        due = monotonic() + self._late()
        self._waiting.append(
            (max(due, self._waiting[-1][0] if self._waiting else due), front, rows)
        )

    def restart(self, front, rows):
        """At once, in place of all that is under way."""
        self._waiting.clear()
        self._inner.restart(front, rows)

    def has_ended(self, phase):
        """As in ``Window``. Asked before every local round, it lets out what is due."""
        while self._waiting and self._waiting[0][0] <= monotonic():
            self._inner.publish(*self._waiting.popleft()[1:])
        return self._inner.has_ended(phase)


class SlowOperator(_Around):
    """Applying Σ takes at least ``least()`` seconds, and ``factor`` times that or what it takes
    by itself.
    """

    def __init__(self, inner, least, factor):
        super().__init__(inner)
        self._least, self._factor = least, factor

    def apply(self, panel, offsets):
        """As the operator does, but slower."""
        begun = monotonic()
        images = self._inner.apply(panel, offsets)
        taken = monotonic() - begun
        sleep(max(0.0, self._factor * max(taken, self._least()) - taken))
        return images

    def over(self, exchange):
        """The operator over other ranks, as slow as this one."""
        return SlowOperator(self._inner.over(exchange), self._least, self._factor)
