"""The base of all operators."""

from copy import copy


class Operator:
    """A covariance that the ranks of ``_exchange`` apply together."""

    unfinished = None  # the pass that a run was stopped in, until it is taken up

    def over(self, exchange):
        """The same operator applied by the ranks of another exchange, which hold all rows or Σ; a
        copy that shares its memory.
        """
        made = copy(self)
        made._exchange = exchange
        return made
