"""What is done to every element of the data, in two sets with the same functions: ``compiled`` and
``plain`` (numpy).

Arrays in, arrays out. The compiled ones read a tile once and release the GIL. They are about 1 ns
an element ahead. Loading what was compiled before takes 0.04 s a run; compiling it takes 7 to 14 s,
once.
"""

# elements touched per rank, over all passes
WORTH_LOADING = 40_000_000
WORTH_COMPILING = 500_000_000


def kernels_for(elements, dtypes, is_sparse=False):
    """Return the set of kernels that finishes sooner for a rank that touches so many elements in
    all, of data of ``dtypes``, or of sparse rows that are held in them.
    """
    if elements >= WORTH_LOADING:
        from . import compiled

        if elements >= WORTH_COMPILING or all(compiled.is_warm(each, is_sparse) for each in dtypes):
            return compiled
    from . import plain

    return plain
