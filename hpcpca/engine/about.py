"""What ``info`` and ``plot`` say of a problem's results besides what all have."""


class About:
    """The defaults; a problem may say more. Nothing here needs MPI."""

    def described(self, stored):
        """Return all lines on a Stored file of a problem whose results are none of vectors, else
        None.
        """

    def counted(self, stored):
        """Return how many components of what a Stored result has, in a few words."""
        return f"{stored.count} components of {stored.d} features"

    def origin(self, stored):
        """Return what a Stored result was computed from, in a few words."""
        return f"{len(stored.source)} file(s)"

    def spectra(self, stored):
        """Return {name: (values (r), error)} of each matrix of a Stored result, both over its norm,
        if that is what it has.
        """

    def lines(self, stored):
        """Return lines on a Stored result."""
        return []

    def curves(self, stored):
        """Return (what it is, {label: values}) of what the first 1, 2, … components of a Stored
        result do together, or None.
        """

    def sides(self, stored, most):
        """Return {name: rows (count, entries)} of the first components, ``most`` in all: what is
        drawn of each.
        """
        return {"components": stored.vectors(0, min(stored.count, most))}

    def shares(self, stored):
        """Return what share of the whole each component of a Stored result has, or None."""
