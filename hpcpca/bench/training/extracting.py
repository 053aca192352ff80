"""Setting C of the experiment on adapters: the perceptron of setting A, fine-tuned whole on all ten
classes, and adapters taken out of that.
"""

import functools

from ...adapters.adapter import Adapter
from ...adapters.extraction import Sums, layer_after_layer, ranks_within, truncated
from ...adapters.training.recording import Recording
from .adapting import BEFORE, NETWORK, known, setting_of, trained_whole
from .networks import Layers
from .tasks import CLASSES

EPOCHS = 2  # of fine-tuning
ROWS, AT_ONCE = 20_000, 500  # images that regressions see
RANKS = (3, 5, 8, 16)
MOST = 64  # pairs of a module whose share is looked at


def outputs(weights, images):
    """The network's."""
    return NETWORK.outputs(Layers(weights, {}), images)


class Extraction:
    """The frozen network and the tuned one of a seed, and what they do to images."""

    def __init__(self, seed, *, before=BEFORE, epochs=EPOCHS, steps=None, rows=ROWS):
        frozen = known(seed, before, steps)
        self.setting = setting_of(frozen, range(CLASSES), seed)
        tuned = trained_whole(frozen, self.setting.batches(epochs, steps))
        names = self.setting.modules
        biases = {name: f"{name} bias" for name in names}
        self.recording = Recording(outputs, frozen, tuned, names, biases)
        self.frozen, self.tuned = frozen, tuned
        images = self.setting.examples.images[:rows]
        self.batches = [(images[at : at + AT_ONCE],) for at in range(0, len(images), AT_ONCE)]

    def accuracy(self, adapter):
        """Of the frozen network with an adapter, in %."""
        return self.setting.accuracy(self.recording.adapted(adapter))

    def truncated(self, ranks):
        """The adapter from plain SVD of what fine-tuning changed, with the biases it changed."""
        names = self.setting.modules
        found = truncated({name: self.tuned[name] - self.frozen[name] for name in names}, ranks)
        for name in names:
            found.biases[name] = self.tuned[f"{name} bias"] - self.frozen[f"{name} bias"]
        return found

    def module_by_module(self, ranks):
        """The adapter from regressions on what the tuned network's modules receive."""
        pairs, biases = {}, {}
        for name, sums in self._own_sums.items():
            *pair, biases[name], _ = sums.solved(ranks[name])
            pairs[name] = tuple(pair)
        return Adapter(pairs, biases)

    def layer_after_layer(self, ranks):
        """The adapter from regressions on what modules receive behind those already fitted."""
        names = self.setting.modules

        def rows(name, adapter):
            return self.recording.lacking(name, adapter, self.batches)

        return layer_after_layer({name: ranks[name] for name in names}, rows, biased=names)

    def discovered(self, budget):
        """{module: pairs}, by one regression of each module on what the tuned one receives."""
        squares, totals, costs = {}, {}, {}
        for name, sums in self._own_sums.items():
            q, d = self.frozen[name].shape
            squares[name], totals[name] = sums.solved(min(MOST, q))[-1], sums.total
            costs[name] = d + q
        return ranks_within(budget, squares, totals, costs)

    @functools.cached_property
    def _own_sums(self):
        """{module: sums over what it receives in the tuned network, and what it lacks there}."""
        return {name: Sums.over(self._in_tuned(name)) for name in self.setting.modules}

    def _in_tuned(self, name):
        change, bias = (self.tuned[each] - self.frozen[each] for each in (name, f"{name} bias"))
        for inputs in self.batches:
            x = self.recording.received(self.tuned, *inputs)[name]
            yield x, x @ change.T + bias


def extract(comm, *, seed, ranks=RANKS, **size):
    """Accuracies of adapters taken out of the tuned network of a seed, in %.

    "frozen", "tuned": of these networks. By way, a number for each of ``ranks``; "pairs" are those
    that are discovered within as many parameters, or equal ones if these leave less of the outputs.
    """
    work = Extraction(seed, **size)
    shapes = {name: work.frozen[name].shape for name in work.setting.modules}
    found = {
        "frozen": work.setting.accuracy(work.frozen),
        "tuned": work.setting.accuracy(work.tuned),
        "pairs": [],
    }
    for rank in ranks:
        uniform = {name: min(rank, *shape) for name, shape in shapes.items()}
        budget = sum(r * sum(shapes[name]) for name, r in uniform.items())
        equal, other = map(work.layer_after_layer, (uniform, work.discovered(budget)))
        better = min(equal, other, key=lambda each: work.recording.left(each, work.batches))
        for way, adapter in {
            "plain SVD": work.truncated(uniform),
            "regression": work.module_by_module(uniform),
            "layer after layer": equal,
            "layer after layer, discovered": better,
        }.items():
            found.setdefault(way, []).append(work.accuracy(adapter))
        found["pairs"].append(better.ranks)
    return found
