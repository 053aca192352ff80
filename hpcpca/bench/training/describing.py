"""Setting B of the experiment on adapters: a sentence encoder learns to tell the sections of Debian
packages from their descriptions. Its head is trained first, and frozen too.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from .networks import surprise
from .packages import SECTIONS, descriptions
from .sentences import encoded, loaded, modules_of
from .setting import Setting

LENGTH, BATCH, JUDGED = (
    24,
    32,
    100,
)  # pieces of a text; texts that are learnt from, judged at a time
HEAD, HEAD_STEPS, HEAD_RATE = "head", 400, 0.05


@dataclass(frozen=True)
class Texts:
    """Texts as ``numbers`` (n, length) of pieces, those that are ``there``, and their labels."""

    numbers: np.ndarray
    there: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def take(self, rows):
        """Return (numbers, there, labels) of these."""
        return self.numbers[rows], self.there[rows], self.labels[rows]


def loss(weights, numbers, there, labels):
    """The mean loss of the head on the encoded texts."""
    return surprise(_outputs(weights, encoded(weights, numbers, there)), labels).mean()


def right(weights, numbers, there, labels):
    """How many of the labels are what the head says."""
    return (_outputs(weights, encoded(weights, numbers, there)).argmax(axis=1) == labels).sum()


def _outputs(weights, vectors):
    return vectors @ weights[HEAD].T + weights[f"{HEAD}.bias"]


@functools.cache
def texts(most=None):
    """(``Texts`` to learn from, ``most`` at most; ``Texts`` to judge by)."""
    pieces = loaded()[1]
    learnt, judged = descriptions()
    return tuple(
        Texts(*pieces.padded(each.texts[:count], LENGTH), each.labels[:count])
        for each, count in ((learnt, most), (judged, None))
    )


@functools.cache
def headed(most=None):
    """The weights {name: array} with a head, trained by Adam on texts as they are encoded."""
    weights, (learnt, _) = loaded()[0], texts(most)
    encode = jax.jit(encoded)
    parts = np.split(np.arange(len(learnt)), range(JUDGED, len(learnt), JUDGED))
    vectors = np.concatenate([encode(weights, *learnt.take(rows)[:2]) for rows in parts])
    head = {
        HEAD: jnp.zeros((len(SECTIONS), vectors.shape[1])),
        f"{HEAD}.bias": jnp.zeros(len(SECTIONS)),
    }

    @jax.jit
    def step(head, moments, number):
        slopes = jax.grad(lambda h: surprise(_outputs(h, vectors), learnt.labels).mean())(head)
        first, second = (
            jax.tree.map(lambda m, g: beta * m + (1 - beta) * g**power, each, slopes)
            for each, beta, power in zip(moments, (0.9, 0.999), (1, 2))
        )
        scale = HEAD_RATE * jnp.sqrt(1 - 0.999**number) / (1 - 0.9**number)
        moved = jax.tree.map(
            lambda h, m, v: h - scale * m / (jnp.sqrt(v) + 1e-8), head, first, second
        )
        return moved, (first, second)

    moments = tuple(jax.tree.map(jnp.zeros_like, head) for _ in range(2))
    for number in range(HEAD_STEPS):
        head, moments = step(head, moments, number + 1.0)
    return {**weights, **{name: np.asarray(each) for name, each in head.items()}}


def setting_of(seed, most=None):
    """The ``Setting``; ``most``: texts to learn from."""
    weights, (learnt, judged) = headed(most), texts(most)
    given = {"loss": loss, "right": right, "modules": modules_of(weights), "batch": BATCH}
    return Setting(weights=weights, examples=learnt, others=judged, seed=seed, **given)
