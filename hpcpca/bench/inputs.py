"""The inputs of ``bench peers``: most as ``hpcpca data make`` makes them."""

import sys
from dataclasses import dataclass
from pathlib import Path

from . import cells
from .process import output_of


@dataclass(frozen=True)
class Input:
    """Rows × columns, the number of components asked for, and options of ``data make``."""

    rows: int
    columns: int
    components: int
    options: tuple

    def make(self, folder, name):
        """Make the data in ``folder`` unless they are there; return how, in words, and what they
        are called.
        """
        words, files = make(self.rows, self.columns, self.options, folder, name)
        return f"hpcpca {' '.join(words)}", files


@dataclass(frozen=True)
class Cells:
    """Sparse counts of single cells, of about so many molecules each."""

    rows: int
    columns: int
    components: int
    molecules: int

    def make(self, folder, name):
        """As ``Input.make``."""
        path = str(Path(folder) / f"{name}.h5ad")
        cells.write(path, self.rows, self.columns, self.molecules)
        return f"{self.rows} cells × {self.columns} genes, log(1 + counts), CSR", [f"{path}:X"]


INPUTS = {
    "fashion": Input(
        60_000,
        784,
        30,
        (
            "--dtype",
            "uint8",
            "--spectrum",
            "powerlaw:1",
            "--rank",
            "200",
            "--noise",
            "1e-3",
            "--shards",
            "4",
        ),
    ),
    "tall": Input(
        200_000, 2_000, 20, ("--spectrum", "powerlaw:1", "--noise", "1e-3", "--shards", "4")
    ),
    "wide": Input(
        8_000, 50_000, 16, ("--spectrum", "powerlaw:1", "--noise", "1e-3", "--shards", "2")
    ),
    "cells": Cells(100_000, 20_000, 50, 700),
}


def make(rows, columns, options, folder, name):
    """Make the data in ``folder`` unless they are there; return the command's words and the list
    of shards.
    """
    target = Path(folder) / name
    command = ["data", "make", f"{rows}x{columns}", "-o", str(target), *options]
    if not (Path(folder) / f"{name}.truth.h5").exists():
        output_of([sys.executable, "-m", "hpcpca", *command])
    return command, sorted(str(path) for path in target.glob("*.h5"))
