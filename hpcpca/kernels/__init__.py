"""What is done to every element of the data, in two sets with the same functions: ``compiled``
(Numba) and ``plain`` (numpy).

Arrays in, arrays out. The compiled ones read a tile once and release the GIL; but importing Numba
and loading what it compiled takes about 0.6 s a run, in which numpy converts half a billion
elements.
"""

WORTH_COMPILING = 500_000_000  # elements touched per rank, over all passes


def kernels_for(elements):
    """Return the set of kernels that finishes sooner for a rank that touches so many elements in
    all.
    """
    if elements < WORTH_COMPILING:
        from . import plain

        return plain
    from . import compiled

    return compiled
