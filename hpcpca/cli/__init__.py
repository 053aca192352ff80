"""The command line: parse and delegate.

A command is imported when it is asked for; nothing heavy before it runs.
"""

from importlib import import_module

import click

from .._version import __version__
from .command import Group
from .wrapping import Formatter

click.Context.formatter_class = Formatter

COMMANDS = {  # name: (module, what its line in the list of commands says)
    "fit": (".fit", "Compute the K leading principal components of DATA."),
    "regress": (".regress", "Predict many targets from many inputs through R rank-one pairs."),
    "compress": (".compress", "Average the datasets of many files, matrices as factors."),
    "resume": (".resume", "Go on from a checkpoint or a result, on any number of ranks."),
    "status": (".status", "Say how far the run is that writes CKPT, or wrote RESULT."),
    "transform": (".transform", "Write the scores of DATA's rows on the components in RESULT."),
    "project": (".transform", "The same of other data, with columns matched by name."),
    "reconstruct": (".transform", "Write the rows that scores stand for, or what is lost so."),
    "predict": (".regress", "Write what a regression predicts from DATA's rows."),
    "expand": (".compress", "Write what compress has in factors as whole datasets."),
    "adapter": (".adapter", "Show an adapter, cut it, extend it, or write it for peft."),
    "verify": (".verify", "Measure VECTORS against DATA in float64, with passes of its own."),
    "export": (".export", "Write results for other programs: npy, csv, AnnData, NetCDF."),
    "compare": (".compare", "Say how far two sets of components agree."),
    "info": (".info", "Say what FILEs hold: data, or what hpcpca has written."),
    "plot": (".plot", "Draw a result, scores, errors or an experiment."),
    "report": (".report", "Write a page for people: figures, tables, words, provenance."),
    "plan": (".plan", "Say what a fit or a regress of DATA will take, without running it."),
    "data": (".data", "Make test data, import, shard, describe and check HDF5 data."),
    "doctor": (".doctor", "Look whether this machine is set up right."),
    "bench": (".bench", "Measure hpcpca on this machine."),
}


class LazyGroup(Group):
    """A group that imports its commands one by one."""

    def list_commands(self, ctx):
        """Names in the order in which users need them."""
        return list(COMMANDS)

    def get_command(self, ctx, name):
        """Import a command; None if there is no such."""
        if name not in COMMANDS:
            return None
        return getattr(import_module(COMMANDS[name][0], __package__), name)

    def format_commands(self, ctx, formatter):
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hpcpca")
def commands():
    """Leading principal components of HDF5 data by parallel deflation over MPI.

    Run on all ranks: mpiexec -n 4 hpcpca fit DATA -k 8 -o pca.h5
    """
