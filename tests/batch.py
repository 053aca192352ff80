"""Run on every rank by ``launch.batch``: executes the commands of FOLDER/commands.json, their
output and exit codes in files.

Python in $HPCPCA_TEST_INJECT is executed first.
"""

import json
import os
import sys
from pathlib import Path

from mpi4py import MPI

from hpcpca import __main__ as entry


def main(folder):
    """Execute every command of ``folder``; FOLDER/NUMBER.RANK.{out,err,code} tell what each did."""
    exec(os.environ.get("HPCPCA_TEST_INJECT", ""), {})
    rank, entry.LINGER = MPI.COMM_WORLD.rank, 0.0  # there is no launcher that has to hear of it
    for number, arguments in enumerate(json.loads((folder / "commands.json").read_text())):
        for descriptor, kind in ((1, "out"), (2, "err")):
            file = os.open(folder / f"{number}.{rank}.{kind}", os.O_CREAT | os.O_WRONLY)
            os.dup2(file, descriptor)
            os.close(file)
        code = entry.run(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        (folder / f"{number}.{rank}.code").write_text(str(code))
        MPI.COMM_WORLD.Barrier()


main(Path(sys.argv[1]))
