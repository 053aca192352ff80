"""The guarded entry: one message from one rank, the right exit code, and no rank left waiting
for a failed one.
"""

import _thread
import atexit
import ctypes
import errno
import gc
import os
import platform
import sys
import time

from .cli import streams
from .comm.launch import launched_rank
from .errors import BAD_INPUT, INTERNAL, USAGE, HpcpcaError, describe

SPOKEN = 0.3  # seconds in which a launcher passes on a message
LINGER = SPOKEN  # seconds that ranks without anything to say stay after an error
GARBAGE = 400_000  # objects made between two looks for cycles: loading modules makes none
PIPE_CLOSED = 141  # as shells count a death by SIGPIPE


def main(arguments=None):
    """Run the command line; return never, exit with the code of the design."""
    prepare()
    code = run(sys.argv[1:] if arguments is None else arguments) or _lost()
    if "hpcpca.files.hdf5" in sys.modules:
        _leave(code)
    sys.exit(code)


def prepare():
    """Set what HDF5 looks for in the environment when it is loaded, patient streams, and a start
    without detours.
    """
    os.environ.setdefault(
        "HDF5_EXTFILE_PREFIX", "${ORIGIN}"
    )  # external storage beside its file, not whatever has its name here
    os.environ.setdefault(
        "HDF5_USE_FILE_LOCKING", "FALSE"
    )  # as files are opened here: old HDF5 refuses what it has opened otherwise, as a source
    streams.prepare()
    gc.set_threshold(GARBAGE)
    # h5py asks for all that is known of the machine; for this Python would start a program
    vars(platform.uname()).setdefault("processor", "")


def _leave(code):
    """End without taking the interpreter apart, which takes longer than the end of MPI; and if
    there are files that could not be written, without HDF5's own clean-up, which crashes on them.
    """
    atexit._run_exitfuncs()
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized():
        mpi.Finalize()
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.modules["hpcpca.files.hdf5"].unfinished:
        os._exit(code)
    # what libraries do at the end has to be done: MPICH tells its launcher only then that all is
    # well, and that one kills the other ranks if nobody says so
    ctypes.CDLL(None).exit(code)


def _not_lost(unraisable):
    """Python drops exceptions of callbacks in C code; Ctrl-C must not be one of them."""
    if unraisable.exc_type is KeyboardInterrupt:
        _thread.interrupt_main()
    else:
        sys.__unraisablehook__(unraisable)


def run(arguments):
    """Run the command line; return its exit code."""
    import click

    sys.unraisablehook = _not_lost

    from .cli import commands
    from .cli.options import as_typed

    def told(message, code, everywhere):
        return _told(as_typed(message, arguments), code, everywhere)

    try:
        return commands.main(args=list(arguments), prog_name="hpcpca", standalone_mode=False) or 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except SystemExit as stop:  # of click, once it has said how a word of a shell goes on
        return stop.code or 0
    except click.exceptions.NoArgsIsHelpError as error:
        if launched_rank() == 0:
            print(error.ctx.get_help())
        return USAGE
    except click.ClickException as error:
        return told(f"{_command(error)}: {error.format_message()}", USAGE, everywhere=True)
    except (click.Abort, KeyboardInterrupt):
        return _told("interrupted", 130, everywhere=False)
    except HpcpcaError as error:
        return told(str(error), error.exit_code, everywhere=error.is_agreed)
    except MemoryError as error:
        return _told(
            f"out of memory: {describe(error)}; give more memory or ranks", 5, everywhere=False
        )
    except BaseException:
        return _crash()


def _lost():
    """The exit code of a command that is done, but whose output could not be written."""
    failure = streams.failure()
    if failure is None:
        return 0
    if failure.errno == errno.EPIPE:  # a reader that went away, such as head
        return PIPE_CLOSED
    return _told(
        f"standard output cannot be written: {failure.strerror}; make room, or send it elsewhere",
        BAD_INPUT,
        everywhere=True,
    )


def _command(error):
    context = getattr(error, "ctx", None)
    return context.command_path if context else "hpcpca"


def _told(message, code, everywhere):
    """Say ``message`` once and return ``code``; where only this rank knows of the error, end the
    others too.
    """
    from .cli.wrapping import fitted

    rank, size = _place()
    if not everywhere and size > 1:
        time.sleep(3 * SPOKEN * (rank > 0))
        _write(fitted(f"hpcpca: error (rank {rank}): {message}", sys.stderr) + "\n")
        _abort(code)
    if rank == 0:
        _write(fitted(f"hpcpca: error: {message}", sys.stderr) + "\n")
    else:
        time.sleep(LINGER)  # some launchers end the job at the first rank that fails
    return code


def _write(text):
    """In one piece: what other ranks write must not come between."""
    sys.stderr.write(text)
    sys.stderr.flush()


def _abort(code):
    """End every rank, once the launcher has had time to pass on what was said."""
    time.sleep(SPOKEN)
    sys.modules["mpi4py.MPI"].COMM_WORLD.Abort(code)


def _crash():
    import traceback

    rank, size = _place()
    time.sleep(3 * SPOKEN * (rank > 0))  # where all ranks fail, the first one's message is enough
    _write(
        f"hpcpca: internal error on rank {rank}; please report what"
        f" follows\n{traceback.format_exc()}"
    )
    if size > 1:
        _abort(INTERNAL)
    return INTERNAL


def _place():
    """Rank and size of the MPI world; where there is none (yet), the launcher's rank, and 1."""
    mpi = sys.modules.get("mpi4py.MPI")
    if (
        mpi is not None
        and mpi.Is_initialized()
        and not mpi.Is_finalized()
        and mpi.COMM_WORLD.size > 1
    ):
        return mpi.COMM_WORLD.rank, mpi.COMM_WORLD.size
    return launched_rank(), 1


if __name__ == "__main__":
    main()
