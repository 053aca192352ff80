"""What ``info`` and ``plot`` say of a problem's results besides what all have."""


class About:
    """The defaults; a problem may say more. Nothing here needs MPI."""

    def origin(self, stored):
        """Return what a Stored result was computed from, in a few words."""
        return f"{len(stored.source)} file(s)"

    def lines(self, stored):
        """Return lines on a Stored result."""
        return []

    def shares(self, stored):
        """Return what share of the whole each component of a Stored result has, or None."""
