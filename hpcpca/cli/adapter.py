"""``hpcpca adapter``."""

import click

from .command import Command
from .session import alone, show
from .wrapping import tell


@click.command(
    cls=Command,
    examples=(
        "hpcpca adapter model.h5 -o tuned-adapter",
        "hpcpca adapter tuned-adapter -r 4 -o smaller",
    ),
)
@click.argument("source", metavar="ADAPTER|MODEL")
@click.option(
    "-o", "--output", type=click.Path(), help="Folder to write, as peft reads it; default: none."
)
@click.option("-r", "--rank", type=int, help="Only so many pairs of every module, the first ones.")
@click.option(
    "--extend",
    metavar="ADAPTER|MODEL",
    help="Put the pairs behind those of this one, which stay as they are.",
)
@click.option("--base", metavar="NAME", help="Name of the network, for peft.")
@click.option("--overwrite", is_flag=True, help="Replace an adapter.")
def adapter(source, output, rank, extend, base, overwrite):
    """Show an adapter, or write it for peft: a folder with adapter_model.safetensors and
    adapter_config.json.

    ADAPTER is such a folder, MODEL a result of 'hpcpca regress --modules'.
    """
    import os
    import sys

    from ..adapters import peft
    from ..adapters.models import open_adapter
    from ..errors import UsageError

    alone("adapter")
    for what, given in (("--base", base), ("--overwrite", overwrite)):
        if given and output is None:
            raise UsageError(f"{what} goes with -o: name a folder")
    if output is not None:
        for path in filter(None, (source, extend)):
            if os.path.realpath(path) == os.path.realpath(output):
                raise UsageError(f"-o {output} would overwrite what is read; name another folder")
        peft.check_folder(output, overwrite, "-o")
    found = open_adapter(source)
    if rank is not None:
        fewer = sum(each < rank for each in found.ranks.values())
        found = found.prefix(rank)
        if fewer:
            tell(
                f"-r {rank}: {fewer} of {len(found.ranks)} module(s) have fewer pairs, and give all"
                " that they have",
                sys.stderr,
            )
    if extend:
        found = open_adapter(extend).extended(found)
    if output is not None:
        peft.save(found, output, overwrite=overwrite, base=base)
    show(_lines(found, output or source))


def _lines(found, path):
    ranks, biased = found.ranks, ", with biases" if found.biases else ""
    yield (
        f"{path}: adapter of {len(ranks)} module(s), {sum(ranks.values())} pairs,"
        f" {found.parameters} parameters{biased}"
    )
    width = max(6, *map(len, ranks))
    yield f"  {'module':<{width}} {'inputs':>7} {'outputs':>7} {'pairs':>5}"
    for name, (a, b) in found.pairs.items():
        yield f"  {name:<{width}} {a.shape[1]:>7} {b.shape[1]:>7} {len(a):>5}"
