"""A small network in plain numpy and in JAX, and parallel deflation beside its weights."""

import numpy as np

SIDES = (7, 6, 5, 4)
MODULES = ("one", "two", "three")
BETAS, SMALL = (0.9, 0.999), 1e-8


def weights_of(seed, dtype=float):
    """{module: (q, d)}, and a bias of the first one."""
    random = np.random.default_rng(seed)
    found = {
        name: random.standard_normal((q, d)) / np.sqrt(d)
        for name, d, q in zip(MODULES, SIDES, SIDES[1:])
    }
    found["one bias"] = random.standard_normal(SIDES[1])
    return {name: each.astype(dtype) for name, each in found.items()}


def batches_of(seed, count, dtype=float, rows=9):
    """Batches of inputs and classes."""
    random = np.random.default_rng([seed, 1])
    return [
        (
            random.standard_normal((rows, SIDES[0])).astype(dtype),
            random.integers(0, SIDES[-1], rows).astype(np.int32),
        )
        for _ in range(count)
    ]


def loss_in_jax(weights, x, y):
    """Mean −log of the probability of y."""
    import jax
    import jax.numpy as jnp

    a = jnp.tanh(x @ weights["one"].T + weights["one bias"])
    a = jnp.tanh(a @ weights["two"].T)
    logs = jax.nn.log_softmax(a @ weights["three"].T)
    return -jnp.take_along_axis(logs, y[:, None], axis=1).mean()


def loss_and_slopes(weights, x, y):
    """The same, and {module: its gradient (q, d)} by hand."""
    inputs, a = {}, x
    for name in MODULES:
        inputs[name] = a
        a = a @ weights[name].T + weights.get(f"{name} bias", 0)
        a = np.tanh(a) if name != MODULES[-1] else a
    a = a - a.max(axis=1, keepdims=True)
    shares = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
    every = np.arange(len(y))
    value = -np.log(shares[every, y]).mean()
    shares[every, y] -= 1
    delta, slopes = shares / len(y), {}
    for name in reversed(MODULES):
        slopes[name] = delta.T @ inputs[name]
        delta = (delta @ weights[name]) * (1 - inputs[name] ** 2)
    return value, slopes


def merged(weights, pairs):
    """Weights with lists {module: [(a, b)]} of pairs in them."""
    changed = {n: weights[n] + sum(np.outer(b, a) for a, b in pairs[n]) for n in MODULES}
    return {**weights, **changed}


class Deflated:
    """``rank`` pairs of every module from a start {module: [(a, b)]}; worker k's turn is after
    k·every batches.
    """

    def __init__(self, weights, start, rank, every, rate):
        self.weights, self.rank, self.every, self.rate = weights, rank, every, rate
        self.pairs = {name: [[a.copy(), b.copy()] for a, b in start[name]] for name in MODULES}
        self.moments, self.counts, self.steps = {}, np.zeros(rank, int), 0

    def step(self, x, y, advance=False):
        """All workers that are at work take a step against pairs as they were before it."""
        before = {n: [[a.copy(), b.copy()] for a, b in each] for n, each in self.pairs.items()}
        for k in range(self.rank):
            if not advance and self.steps < k * self.every:
                continue
            seen = [j for j in range(k) if self.steps >= j * self.every]
            there = {name: [before[name][j] for j in (*seen, k)] for name in MODULES}
            slopes = loss_and_slopes(merged(self.weights, there), x, y)[1]
            self.counts[k] += 1
            for name in MODULES:
                a, b = before[name][k]
                for side, slope in enumerate((slopes[name].T @ b, slopes[name] @ a)):
                    self._move(k, name, side, slope)
        self.steps += 1

    def _move(self, k, name, side, slope):
        first, second = self.moments.get((k, name, side), (0.0, 0.0))
        first = BETAS[0] * first + (1 - BETAS[0]) * slope
        second = BETAS[1] * second + (1 - BETAS[1]) * slope**2
        self.moments[k, name, side] = first, second
        past = [1 - beta ** self.counts[k] for beta in BETAS]
        moved = self.rate * (first / past[0]) / (np.sqrt(second / past[1]) + SMALL)
        self.pairs[name][k][side] -= moved
