"""The ranks that a command, or a program, runs on."""

from ..comm.start import start_mpi


def joined():
    """Return the checked ``World`` of all ranks, and start MPI for it if nobody has; raise
    PlatformError. Collective.
    """
    start_mpi()
    # these load MPI, which has to be started as it should be by then
    from ..comm.world import World
    from ..files.hdf5 import LIBRARY

    made = World()
    made.check_launcher()
    made.check_alike(_versions() | {"h5py": LIBRARY, "MPI": made.library()})
    return made


def _versions():
    """Of what ranks have to agree on, whichever node they are on."""
    import numpy

    from .._version import __version__

    return {"hpcpca": __version__, "numpy": numpy.__version__}
