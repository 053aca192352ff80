"""Operators that other ranks than those who built them may apply."""

from copy import copy


class Regrouped:
    """What an operator has whose ``_group`` is the exchange of the ranks that apply it together."""

    def over(self, group):
        """The same operator applied by the ranks of ``group``, which hold all rows or Σ; a copy
        that shares its memory.
        """
        made = copy(self)
        made._group = group
        return made
