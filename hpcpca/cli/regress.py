"""``hpcpca regress`` and ``hpcpca predict``."""

import click

from ..regression.settings import RegressSettings
from .fit import command_of
from .options import follow_links
from .session import speaker, world
from .transform import DTYPES, writing_options

regress = command_of(
    "regress",
    RegressSettings,
    """Predict --targets from DATA through R rank-one pairs: reduced-rank regression.

    DATA (the inputs) and the targets are HDF5 files, globs or folders, in order; row i of the one
    belongs to row i of the other. The files may be cut differently.
    """,
)


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("data", nargs=-1, required=True, metavar="DATA[:dataset]...")
@click.option("-r", "--rank", type=int, help="Only so many of the pairs.")
@click.option(
    "--dtype",
    type=DTYPES,
    help=(
        "Type of the predictions; default: float32 for float32, float16 and integers up to 16"
        " bits, else float64."
    ),
)
@follow_links
@writing_options
def predict(model, data, rank, follow_links, quiet, **writing):
    """Write what MODEL, a result of 'hpcpca regress', predicts from the rows of DATA as
    /predictions (n, q).
    """
    with world() as ranks:
        from ..mapping.streaming import Writing
        from ..regression.prediction import predict as run

        say, how = speaker(ranks, quiet), Writing(**writing)
        run(ranks, say, model, data, how, count=rank, follow_links=follow_links)
