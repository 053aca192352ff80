"""What an adapter is: pairs (a_k, b_k) of every module, in order."""

from dataclasses import dataclass, field

import numpy as np

from ..errors import UsageError


def pointed(name):
    """The name of a module as files have it: a point for each /."""
    return name.replace("/", ".")


@dataclass(frozen=True, eq=False)
class Adapter:
    """Pairs {module: (a (r, d), b (r, q))}: its weights (q, d) get Σ_k b_k a_kᵀ, and its outputs
    the bias {module: (q)}, if there is one.

    Modules may have pairs in different numbers; the first pairs are an adapter by themselves. / and
    a point are the same in names of modules. Raise UsageError for pairs that are none.
    """

    pairs: dict
    biases: dict = field(default_factory=dict)

    def __post_init__(self):
        for name, (a, b) in self.pairs.items():
            sides = [np.shape(each) for each in (a, b)]
            if {len(side) for side in sides} != {2} or sides[0][0] != sides[1][0]:
                raise UsageError(
                    f"module {name} has inputs of shape {sides[0]} and components of shape"
                    f" {sides[1]}; give as many rows of both"
                )

    @property
    def ranks(self):
        """{module: its number of pairs}."""
        return {name: len(a) for name, (a, _) in self.pairs.items()}

    @property
    def parameters(self):
        """How many numbers the pairs are."""
        return sum(a.size + b.size for a, b in self.pairs.values())

    def prefix(self, rank):
        """The first ``rank`` pairs of every module, or as many as it has.

        Raise UsageError if that is below 1.
        """
        if rank < 1:
            raise UsageError(f"rank {rank}: an adapter has at least one pair; give 1 or more")
        cut = {name: (a[:rank], b[:rank]) for name, (a, b) in self.pairs.items()}
        return Adapter(cut, self.biases)

    def extended(self, other):
        """This one with the pairs of ``other`` behind its own, and the sum of their biases.

        Raise UsageError if a module has other sizes there.
        """
        pairs, own = dict(self.pairs), {pointed(name): name for name in self.pairs}
        for name, (a, b) in other.pairs.items():
            name = name if name in self.pairs else own.get(pointed(name), name)
            if name in pairs:
                mine = pairs[name]
                for side, (old, new) in zip(("inputs", "outputs"), zip(mine, (a, b))):
                    if old.shape[1] != new.shape[1]:
                        raise UsageError(
                            f"module {name} has {new.shape[1]} {side}, and {old.shape[1]} in the"
                            " adapter that is extended; give adapters of the same network"
                        )
                a, b = (np.concatenate(both) for both in zip(mine, (a, b)))
            pairs[name] = (a, b)
        biases = dict(self.biases)
        for name, bias in other.biases.items():
            name = name if name in self.pairs else own.get(pointed(name), name)
            biases[name] = biases[name] + bias if name in biases else bias
        return Adapter(pairs, biases)

    def change(self, name):
        """What the weights (q, d) of a module get: Σ_k b_k a_kᵀ."""
        a, b = self.pairs[name]
        return b.T @ a

    def merged(self, weights):
        """Return ``weights`` {name: array}, those of modules changed: (q, d), in their type.

        Biases are left to the caller, who knows what they are called. Raise UsageError if a module
        is not among them, or has another shape there.
        """
        names, changed = {pointed(name): name for name in weights}, dict(weights)
        for name, (a, b) in self.pairs.items():
            place = name if name in weights else names.get(pointed(name))
            if place is None:
                raise UsageError(
                    f"module {name} of the adapter is not among the weights; give those of its"
                    " network, by the same names"
                )
            there, wanted = np.shape(weights[place]), (b.shape[1], a.shape[1])
            if there != wanted:
                turned = ", transposed perhaps" if there == wanted[::-1] else ""
                raise UsageError(
                    f"module {name} has weights of shape {there}, and the adapter is for {wanted}"
                    f" (outputs, inputs){turned}; give the weights of its network"
                )
            held = weights[place]
            changed[place] = (held + self.change(name)).astype(held.dtype)
        return changed
