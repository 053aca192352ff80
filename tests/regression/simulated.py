"""Modules that are tested with growth of ranks, and a plain simulation of it."""

import numpy as np
from closed_form import planted

from hpcpca.rng import stream

# name: (n, d, q, singular values of what is planted)
SIZES = {
    "encoder/0/query": (400, 12, 9, (9.0, 6.0, 4.0)),
    "encoder/0/value": (300, 7, 20, (5.0,)),
    "encoder/1/query": (400, 12, 9, (12.0, 7.0, 5.0, 3.5)),
    "one target": (150, 5, 1, (4.0,)),
    "Kopf/größer": (500, 20, 15, (3.0, 2.0)),
}
RANKS = [len(each[3]) for each in SIZES.values()]
TYPES = "f8", "f4", "f8", "i4", "f2"
BUDGET, LOCAL_STEPS = 9, 3


def made():
    """{name: (X, Y)}"""
    rng, found = np.random.default_rng(3), {}
    for (name, (n, d, q, strengths)), kind in zip(SIZES.items(), TYPES):
        x, y = planted(rng, n, d, q, np.array(strengths))
        x, y = x + 2, y - 3
        found[name] = (
            (np.rint(9 * x).astype(kind), np.rint(9 * y).astype(kind))
            if kind == "i4"
            else (x.astype(kind), y.astype(kind))
        )
    return found


DATA = made()
NAMES = sorted(DATA)  # the order in files


def simulated(rule="gain", ridge=0.0, is_centred=True, budget=BUDGET, rounds=60, by=1, most=8):
    """[(round, module, score)] of growth, and ranks (N), as the paper's letter has it: a by least
    squares, b by the image of a.
    """
    modules = [Simulated(*DATA[name], number, most, ridge, is_centred)
               for number, name in enumerate(NAMES)]  # fmt: skip
    grown = []
    for round in range(1, rounds + 1):
        for module in modules:
            module.step()
            module.observe()
        if round < 5 or (round - 5) % 3:
            continue
        scores = [module.score(rule) for module in modules]
        left = budget - sum(module.rank for module in modules)
        for number in np.argsort(-np.array(scores), kind="stable")[: min(by, left)]:
            if scores[number] > 0:
                grown.append((round, int(number), scores[number]))
                modules[number].grow()
    return grown, [module.rank for module in modules]


class Simulated:
    def __init__(self, x, y, number, most, ridge, is_centred):
        x, y = x.astype(float), y.astype(float)
        self.dof = len(x) - is_centred - x.shape[1]
        if is_centred:
            x, y = x - x.mean(0), y - y.mean(0)
        if ridge:
            x = np.vstack([x, np.sqrt(ridge) * np.eye(x.shape[1])])
            y = np.vstack([y, np.zeros((x.shape[1], y.shape[1]))])
        self.x, self.y, self.number, self.rank = x, y, number, 1
        self.inverse = np.linalg.pinv(x)
        self.limit, self.pairs = min(most, x.shape[1], y.shape[1]), []
        self.average = self.change = 0.0
        self.add()
        self.add()

    def add(self):
        if len(self.pairs) < self.limit:
            b = stream(0, self.number, len(self.pairs)).standard_normal(self.y.shape[1])
            self.pairs.append((np.zeros(self.x.shape[1]), b / np.linalg.norm(b)))

    def grow(self):
        self.rank += 1
        self.add()

    def left(self, count):
        """What the first pairs leave of Y."""
        return self.y - self.x @ sum((np.outer(*each) for each in self.pairs[:count]), 0 * self.w)

    @property
    def w(self):
        return np.zeros((self.x.shape[1], self.y.shape[1]))

    def step(self):
        new = []
        for k, (_, b) in enumerate(self.pairs):
            left = self.left(min(k, self.rank))
            for _ in range(LOCAL_STEPS):
                b = left.T @ (self.x @ (self.inverse @ (left @ b)))
                b = b / np.linalg.norm(b)
            new.append((self.inverse @ (left @ b), b))
        self.pairs = new

    def observe(self):
        w = sum((np.outer(*each) for each in self.pairs[: self.rank]), self.w)
        gradient = -self.x.T @ (self.y - self.x @ w)
        size = np.abs(w * gradient).sum() / np.sqrt(w.size)
        self.average = 0.85 * self.average + 0.15 * size
        self.change = 0.85 * self.change + 0.15 * abs(size - self.average)

    def score(self, rule):
        if len(self.pairs) == self.rank:
            return 0.0
        left = self.left(self.rank)
        a, b = self.pairs[self.rank]
        gain = (left**2).sum() - ((left - self.x @ np.outer(a, b)) ** 2).sum()
        if rule == "importance":
            return self.average * self.change
        if rule == "edge":
            (d, q), noise = self.w.shape, (left**2).sum() / (self.w.shape[1] * self.dof)
            ratio = gain / (noise * (np.sqrt(d) + np.sqrt(q)) ** 2)
            return ratio if ratio > 1.5 else 0.0
        return gain
