"""What tests of kernels share."""

import importlib

import pytest


@pytest.fixture(params=["compiled", "plain"])
def kernels(request):
    """Each set of kernels in turn."""
    return importlib.import_module(f"hpcpca.kernels.{request.param}")
