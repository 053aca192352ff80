"""What tests share: communicators, a folder all ranks see, and exchanges over any grid, released
at the end.
"""

import atexit
import contextlib
import os
import shutil
import tempfile

import launch
import numpy as np
import pytest

if "OMPI_MCA_orte_tmpdir_base" not in os.environ and "OMPI_COMM_WORLD_SIZE" not in os.environ:
    # Open MPI's runs share a folder under TMPDIR, and some fail when another one makes or removes
    # it just then: not those of two workers.
    os.environ["OMPI_MCA_orte_tmpdir_base"] = tempfile.mkdtemp(prefix="hpcpca-mpi-")
    atexit.register(shutil.rmtree, os.environ["OMPI_MCA_orte_tmpdir_base"], ignore_errors=True)


# Serial runs are shared out by files (pytest-xdist): those that take longest come first, so that
# none is left alone at the end; but before all others those that compile what others use.
LONG = (
    "slurm",
    "kernels",
    "low_rank",
    "object_code",
    "stop",
    "experiments",
    "training",
    "held",
    "cli_failures",
    "streams",
    "cli_fit",
    "fit_seen",
    "bench",
    "mishaps",
    "cli_data",
    "plot",
    "regress",
    "compress",
    "transform",
    "modules",
    "cli_resume",
    "resume_changed",
    "cli_methods",
    "steep",
    "faults",
    "cli_window",
    "cli_batches",
    "full_disks",
    "cli_errors",
    "operators",
    "plan",
    "streaming",
    "reading",
    "killed",
    "data_commands",
    "statistics",
    "compression",
    "matrix",
    "pages",
    "going_on",
    "estimators",
    "load",
    "recipes",
    "problem",
    "torch",
    "walk",
    "watch",
    "names",
    "contents",
    "cli_verify",
    "batch",
    "big_counts",
    "status",
)


def pytest_ignore_collect(collection_path, config):
    """Under mpiexec every rank imports the files that have tests for it, and no others."""
    if config.getoption("markexpr").startswith("mpi") and collection_path.match("test_*.py"):
        return "mark.mpi" not in collection_path.read_text() or None
    return None


def pytest_collection_modifyitems(items):
    """Sort tests by how long their files take, in a stable way; mark those of modules that start
    processes.
    """
    place = {f"test_{name}": number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))
    starting = {name: vars(launch)[name] for name in ("run", "start", "batch", "PROGRAM")}
    for item in items:
        if any(vars(item.module).get(name) is value for name, value in starting.items()):
            item.add_marker("processes")


@pytest.fixture(autouse=True)
def nothing_left_running():
    """A test that fails leaves no program running that would take the time of the next ones."""
    yield
    launch.end_started()


@pytest.fixture
def comm():
    """All ranks of the run."""
    from mpi4py import MPI

    return MPI.COMM_WORLD


@pytest.fixture
def findings(comm):
    """What this rank finds wrong; agreed on by all when the test ends without an error."""
    from spectra import Findings

    found = Findings(comm)
    yield found
    found.agree()


@pytest.fixture
def shared_path(comm, tmp_path):
    """The root's ``tmp_path``, on all ranks; nobody leaves before everybody is done with it."""
    yield comm.bcast(tmp_path)
    comm.Barrier()


@pytest.fixture
def alone():
    """A communicator of this process only, for tests without mpiexec."""
    from mpi4py import MPI

    return MPI.COMM_SELF


@pytest.fixture
def exchange_over():
    """Return ``make(comm, W, S, node_of=None) -> Exchange``."""
    from hpcpca.comm.counters import Counters
    from hpcpca.comm.exchange import Exchange
    from hpcpca.comm.world import World
    from hpcpca.partition import Grid

    with contextlib.ExitStack() as stack:

        def make(comm, groups, shards, node_of=None):
            world = World(comm, node_of)
            stack.callback(world.free)
            exchange = Exchange(world, Grid(groups, shards), Counters())
            stack.callback(exchange.free)
            return exchange

        yield make


@pytest.fixture
def gram_operator():
    """Return ``make(exchange, sigma) -> GramCovariance`` of a matrix that every rank has."""
    from hpcpca.operators.gram import GramCovariance

    def make(exchange, sigma, is_double=True):
        return GramCovariance(
            lambda double: (np.array(sigma), None, 0, 2.0**-46),
            is_double,
            exchange,
            exchange.counters,
        )

    return make
