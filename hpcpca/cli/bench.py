"""``hpcpca bench``: measurements against peers."""

import click


@click.group()
def bench():
    """Measure hpcpca on this machine."""


@bench.command()
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@click.option("-k", "--components", type=int, required=True, help="Number of principal components K.")
@click.option("--tol", type=float, default=1e-6, show_default=True, help="Tolerance of hpcpca.")
@click.option("--runs", type=int, default=5, show_default=True, help="Counted runs of each, in turn.")
@click.option("--mpiexec", help="Launcher with its options; default: the one beside this Python.")
def peers(data, components, tol, runs, mpiexec):
    """Compare with scikit-learn end to end on DATA: whole processes, warm cache. Start without mpiexec; extra [bench]."""
    from ..bench.peers import compare
    for line in compare(data, components, tol, runs, mpiexec):
        click.echo(line)
