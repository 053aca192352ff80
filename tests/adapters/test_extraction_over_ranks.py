"""Extraction over ranks; it needs no JAX."""

import numpy as np
import pytest

pytestmark = pytest.mark.mpi


def test_extraction_over_ranks(comm, alone, findings):
    """Each rank has rows of its own; the adapter is that of all of them."""
    from hpcpca.adapters.extraction import layer_after_layer
    from hpcpca.errors import DataError

    random = np.random.default_rng(3)
    x = random.standard_normal((90, 6))
    y = x @ random.standard_normal((6, 5)) + random.standard_normal((90, 5)) + 1

    def rows(of):
        return lambda *_: zip(np.array_split(x[of], 3), np.array_split(y[of], 3))

    own = slice(comm.rank, None, comm.size)
    found = layer_after_layer({"one": 2}, rows(own), biased=("one",), comm=comm)
    whole = layer_after_layer({"one": 2}, rows(slice(None)), biased=("one",))
    near = np.allclose(found.change("one"), whole.change("one"), atol=1e-10)
    findings.that(near and np.allclose(found.biases["one"], whole.biases["one"]), "another one")
    none = slice(0, 0) if comm.rank == comm.size - 1 else own
    try:
        layer_after_layer({"one": 2}, rows(none), comm=comm)
    except DataError as error:
        findings.that("there are no rows" in str(error), str(error))
    else:
        findings.that(False, "no error")
