"""``hpcpca compress`` and ``hpcpca expand``."""

import click

from ..averaging.settings import AveragingSettings
from .command import Command
from .fit import command_of
from .session import show

compress = command_of(
    "compress",
    AveragingSettings,
    """Average the datasets of many files with the same ones, and write every matrix as factors.

    DATA: HDF5 files, globs or folders. Every 2-D dataset's mean is P·Q' of rank R, with its error
    measured; others are averaged as they are.
    """,
    data="FILE...",
    check=AveragingSettings.check_end,
    examples=("mpiexec -n 4 hpcpca compress 'grads-*.h5' -r 4 -o low.h5",),
)


@click.command(cls=Command, examples=("hpcpca expand low.h5 -o means.h5",))
@click.argument("result", metavar="RESULT")
@click.option("-o", "--output", required=True, type=click.Path(), help="File to write (HDF5).")
@click.option("--overwrite", is_flag=True, help="Replace a file that hpcpca has written.")
def expand(result, output, overwrite):
    """Write the means that RESULT of 'hpcpca compress' holds in factors as whole datasets."""
    from ..averaging.expansion import expand as run

    count = run(result, output, overwrite)
    show([f"{output}: {count} dataset(s)"])
