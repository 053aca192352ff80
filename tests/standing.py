"""Run on every rank by ``launch.Standing``: executes commands as they come, one after the other.

FOLDER/RANK is a pipe of lines with a command each; FOLDER/NUMBER.RANK.{out,err,code} tell what it
did. The end of the pipe is the end. Python in $HPCPCA_TEST_INJECT is executed first.
"""

import json
import os
import sys
from pathlib import Path

from hpcpca import __main__ as entry


def main(folder):
    """Execute what the pipe says, until it ends."""
    entry.prepare()
    from mpi4py import MPI  # after that, as in a command

    exec(os.environ.get("HPCPCA_TEST_INJECT", ""), {})
    comm, entry.LINGER = MPI.COMM_WORLD, 0.0  # there is no launcher that has to hear of an error
    with (folder / str(comm.rank)).open() as pipe:
        for line in pipe:
            number, place, changes, arguments = json.loads(line)
            os.environ.update(changes)
            execute(folder / f"{number}.{comm.rank}", place, arguments)
            for name in changes:
                del os.environ[name]


def execute(path, place, arguments):
    """Execute a command in the folder ``place``; ``path``.{out,err,code} tell what it did."""
    os.chdir(place)
    for descriptor, kind in ((1, "out"), (2, "err")):
        file = os.open(f"{path}.{kind}", os.O_CREAT | os.O_WRONLY)
        os.dup2(file, descriptor)
        os.close(file)
    code = entry.run(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    Path(f"{path}.new").write_text(str(code))
    os.rename(f"{path}.new", f"{path}.code")


main(Path(sys.argv[1]))
