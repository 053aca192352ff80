"""The command line: parse and delegate. Nothing heavy is imported before a command runs."""

import click

from .._version import __version__
from .bench import bench
from .data import data
from .doctor import doctor
from .fit import fit, resume
from .info import info
from .plan import plan
from .plot import plot
from .status import status
from .transform import reconstruct, transform
from .verify import verify
from .wrapping import Formatter

click.Context.formatter_class = Formatter


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hpcpca")
def commands():
    """Leading principal components of HDF5 data by parallel deflation over MPI.

    Run on all ranks: mpiexec -n 4 hpcpca fit DATA -k 8 -o pca.h5
    """


for command in (fit, resume, status, doctor, verify, info, plot, plan, bench, data, transform, reconstruct):
    commands.add_command(command)
