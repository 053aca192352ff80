"""Starts ranks that train."""

import importlib.util
import json
import sys

from ...errors import PlatformError
from ..process import launcher, output_of

# A rank has one thread; ranks may be more than cores, and then those that wait have to let the
# others work.
SETTINGS = (
    "JAX_PLATFORMS=cpu",
    "XLA_FLAGS=--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS=1",
    "MPIR_CVAR_ENABLE_HEAVY_YIELD=1",
    "OMPI_MCA_mpi_yield_when_idle=1",
)


def trained(cases, ranks, mpiexec=None, about="gradients"):
    """Return what is found of each of ``cases`` on so many ranks, as ``ranks.OF`` says for what
    they are ``about``; raise PlatformError if JAX is not installed.
    """
    if importlib.util.find_spec("jax") is None:
        raise PlatformError("JAX is not installed; pip install 'hpcpca[train]'")
    command = [sys.executable, "-m", "mpi4py", "-m", "hpcpca.bench.training.ranks"]
    run = [*launcher(mpiexec), "-n", str(ranks), *command, json.dumps(cases), about]
    return json.loads(output_of(["env", *SETTINGS, *run]))
