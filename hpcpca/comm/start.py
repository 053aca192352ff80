"""Starts MPI, unless the launcher belongs to another MPI than the library: some libraries would
abort, others start worlds of size 1.
"""

import os

from ..errors import PlatformError, describe, on_all_ranks


def start_mpi():
    """Load and initialise MPI; raise PlatformError, alike on all ranks, if launcher and
    library do not match.
    """
    try:
        import mpi4py

        mpi4py.rc.initialize, mpi4py.rc.finalize = False, True
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise on_all_ranks(
            PlatformError(
                f"MPI cannot be loaded ({describe(error)}); pip install 'hpcpca[mpich]', or load"
                " your site's MPI module"
            )
        ) from error
    if not MPI.Is_initialized():
        _check_launcher(MPI.Get_library_version())
        MPI.Init_thread()


def _check_launcher(library):
    """Compare what Open MPI's launcher sets with whose library was loaded (it can say so before
    it is initialised).
    """
    launched = os.environ.get("OMPI_COMM_WORLD_SIZE")
    if launched and "Open MPI" not in library:
        name = " ".join(library.replace("\0", " ").split()[:3])
        raise on_all_ranks(
            PlatformError(
                f"Open MPI's mpiexec started {launched} processes, but the MPI library loaded is"
                f" {name}: use that library's mpiexec, or point MPI4PY_LIBMPI at Open MPI's"
                " libmpi.so"
            )
        )
