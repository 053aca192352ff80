"""What a terminal of 60 columns shows: lines that break between words, and a table that says how
much it leaves out.
"""

import fcntl
import os
import pty
import struct
import subprocess
import termios

import h5py
import pytest
from click.testing import CliRunner
from launch import environment, program
from spectra import data_rows, power_law
from test_units import commands_of

from hpcpca.cli import commands

pytestmark = pytest.mark.once


ROWS, COLUMNS = 60, 60


def shown(*words, cwd):
    """Exit code and all that a command shows on a terminal."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [*program(), *map(str, words)],
        cwd=cwd,
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=environment(COLUMNS=None, LINES=None, TERM="xterm"),
    )
    os.close(inner)
    pieces = []
    try:
        while piece := os.read(outer, 1 << 16):
            pieces.append(piece)
    except OSError:  # how Linux tells that nobody has the terminal open any more
        pass
    os.close(outer)
    return process.wait(60), b"".join(pieces).decode().replace("\r", "")


@pytest.fixture
def folder(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = data_rows(power_law(80), 400)
    return tmp_path


def test_a_fit(folder):
    code, text = shown("fit", "x.h5", "-k", 60, "-o", "out.h5", cwd=folder)
    *_, last, border, after = text[text.rindex("eigenvalue") :].split("\n", 44)
    assert (
        code == 0 and border.startswith("└") and "… 20 more" in last and "20 converged" in last
    ), text
    assert all(len(line) <= COLUMNS for line in after.split("\n")), after
    assert "converged: 60 of 60 components within 1e-06 (largest\n  residual" in after


def test_an_error(folder):
    code, text = shown("fit", "x.h5", "-k", 90, "-o", "out.h5", cwd=folder)
    assert (code, text) == (
        2,
        (
            "hpcpca: error: -k 90: the data have at most 80 components\n  (there are 80 features);"
            " ask for 80 or fewer\n"
        ),
    )


@pytest.mark.parametrize("name", [name for name, _ in commands_of(commands)])
def test_help(name):
    """No line is longer, and no option is broken at one of its hyphens."""
    text = CliRunner().invoke(commands, [*name.split(), "--help"], terminal_width=COLUMNS).output
    assert (
        "Usage:" in text
        and [line for line in text.splitlines() if len(line) > COLUMNS or line.endswith("-")] == []
    )
