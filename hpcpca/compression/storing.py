"""States of compressors and of SGD in files, from which any number of workers can go on."""

from ..files.worker_state import read_state, write_state

OWED = "owed/"  # what a worker keeps for itself


def save(path, part):
    """Write the state of a compressor, or of an SGD with its compressor, to ``path``; the file
    before it stays as PATH.1.

    Collective; raises DataError on all workers, and then the old file is as it was.
    """
    state = part.state()
    own = {name: array for name, array in state.items() if name.startswith(OWED)}
    shared = {name: array for name, array in state.items() if name not in own}
    write_state(part.world, path, own, shared)


def load(path, part):
    """Take up the state in ``path``, with any number of workers: nothing that is owed is lost.

    As many workers as have written it go on as if nothing had been; on another number, all owe the
    mean of what those did. Collective; raises DataError on all workers.
    """
    own, shared = read_state(part.world, path)
    part.restore(own | shared)
