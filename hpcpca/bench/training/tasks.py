"""What networks are trained for: Fashion-MNIST's classes, and the next character of a text."""

import functools
import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from ...errors import PlatformError
from .networks import Differentiated, Network, attention, convolutional, perceptron

DEBIAN = "/usr/share/datasets/fashion-mnist"  # of its package dataset-fashion-mnist
CLASSES, SIDE = 10, 28
JUDGED = 100  # examples at a time
LENGTH, HELD_OUT = 64, 0.1  # characters that are seen at once; share of the text to judge by


@dataclass(frozen=True)
class Task:
    """A network, examples to learn from and others to judge by, and how it learns: ``batch``
    examples a worker and step, ``epochs`` of all examples, at most the ``rate``.

    ``measure``: "accuracy" (in %) or "perplexity".
    """

    network: Network
    examples: "Pictures | Text"
    others: "Pictures | Text"
    batch: int
    epochs: int
    rate: float
    measure: str

    def judge(self, comm, differentiated, parameters):
        """Return the measure on the other examples, which workers share out. Collective."""
        surprise = right = count = 0.0
        for number in range(comm.rank, len(self.others) // JUDGED, comm.size):
            rows = np.arange(number * JUDGED, (number + 1) * JUDGED)
            inputs, targets = self.others.take(rows)
            found = differentiated.judged(parameters, inputs, targets)
            surprise, right = surprise + float(found[0]), right + float(found[1])
            count += targets.size
        surprise, right, count = comm.allreduce(np.array([surprise, right, count]))
        if self.measure == "accuracy":
            return 100 * right / count
        return float(np.exp(min(surprise / count, 100.0)))


@dataclass(frozen=True)
class Pictures:
    """Images (n, 784) uint8 and their classes (n)."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.images)

    def take(self, rows):
        """Return (inputs, targets) of these rows."""
        return self.images[rows], self.labels[rows]


@dataclass(frozen=True)
class Text:
    """Symbols (n) as numbers; an example is ``LENGTH`` of them, and the next after each."""

    symbols: np.ndarray

    def __len__(self):
        return (len(self.symbols) - 1) // LENGTH

    def take(self, rows):
        """Return (inputs, targets) of these examples."""
        at = LENGTH * rows[:, None] + np.arange(LENGTH + 1)
        found = self.symbols[at]
        return found[:, :-1], found[:, 1:]


@functools.cache
def fashion_mnist():
    """(Pictures to learn from, 60,000; Pictures to judge by, 10,000); raise PlatformError."""
    return tuple(
        Pictures(
            _idx(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, SIDE * SIDE),
            _idx(f"{part}-labels-idx1-ubyte.gz", 8).astype(np.int32),
        )
        for part in ("train", "t10k")
    )


def _idx(name, head):
    folder = os.environ.get("HPCPCA_FASHION_MNIST") or DEBIAN
    try:
        packed = (Path(folder) / name).read_bytes()
    except OSError as error:
        raise PlatformError(
            f"Fashion-MNIST: {folder}/{name}: {error.strerror}; install Debian's package"
            " dataset-fashion-mnist, or name its folder with HPCPCA_FASHION_MNIST"
        ) from None
    return np.frombuffer(gzip.decompress(packed), np.uint8, offset=head)


@functools.cache
def documentation():
    """(Text to learn from, Text to judge by, number of symbols): Python's help on its language,
    which every Python brings, under the licence of the Python Software Foundation.
    """
    letters, symbols = np.unique(list("\n".join(topics.values())), return_inverse=True)
    symbols = symbols.astype(np.int32)
    split = round((1 - HELD_OUT) * len(symbols))
    return Text(symbols[:split]), Text(symbols[split:]), len(letters)


def _perceptron():
    network = perceptron((SIDE * SIDE, 256, 256, CLASSES))
    return Task(network, *fashion_mnist(), batch=64, epochs=5, rate=0.1, measure="accuracy")


def _convolutional():
    network = convolutional(SIDE, (16, 32), 256, CLASSES)
    return Task(network, *fashion_mnist(), batch=64, epochs=3, rate=0.1, measure="accuracy")


def _attention():
    examples, others, symbols = documentation()
    network = attention(symbols, LENGTH, 96, blocks=2, heads=4)
    return Task(network, examples, others, batch=4, epochs=3, rate=0.3, measure="perplexity")


TASKS = {
    "perceptron": _perceptron,
    "convolutional": _convolutional,
    "attention": _attention,
}


@functools.cache
def task_of(name):
    """(Task, Differentiated) by name."""
    task = TASKS[name]()
    return task, Differentiated(task.network)
