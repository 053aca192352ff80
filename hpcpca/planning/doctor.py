"""Is this machine, and this way of starting, set up right: findings with verdicts and remedies,
agreed over the ranks.
"""

import os
import tempfile
import time

import numpy as np

from ..comm.shared import shm_free
from ..files.hdf5 import HAS_MPI, LIBRARY, sync
from ..files.lock import Lock
from ..units import format_seconds, format_size
from .machine import available_memory, group_limits, node_name
from .rates import measured_rates

FINE, NOTE, TROUBLE = "fine", "note", "TROUBLE"
SMALLEST_SHM = 256 << 20  # bytes: default containers have 64 MiB
SMALLEST_MEMORY = 1 << 30
SLOW_GEMM = 8e9  # flop/s of sgemm on a core: numpy without an optimised BLAS has less
SLOW_FOLDER = 5.0  # seconds to create, sync and rename a file
BLOCK = 1 << 25  # elements read to see the bandwidth


def examine(world, folder):
    """Return [(verdict, what, text)] for this run of ranks and a folder that files are to be
    written to. Collective.
    """
    found = [_ranks(world), *_threads(world), _memory(world), _shm(world), _hdf5(world)]
    found += world.decide(lambda: [*_folder(folder), _kernels()])
    return [*found, *_speed(world)]


def _ranks(world):
    nodes = sorted(set(world.comm.allgather(node_name())))
    asked = os.environ.get("SLURM_NTASKS") or "1"
    text = f"{world.size} rank(s) on {len(nodes)} node(s)"
    if world.decide(
        lambda: asked.isdigit() and int(asked) > world.size and "SLURM_STEP_ID" in os.environ
    ):
        return (
            TROUBLE,
            "launcher",
            (
                f"{text}, but SLURM started {asked}: give srun the --mpi of this library (srun"
                " --mpi=list)"
            ),
        )
    return FINE, "launcher", text


def _threads(world):
    """Processors against ranks and threads, on the node where it is worst."""
    mine = os.sched_getaffinity(0)
    masks = world.node.allgather(sorted(mine))
    union = set().union(*masks)
    crowded = world.comm.allreduce(max(0, len(masks) - len(union)))
    per_rank = world.default_threads()
    least, most = min(world.comm.allgather(len(mine))), max(world.comm.allgather(per_rank))
    threads = os.environ.get("OMP_NUM_THREADS", "")
    text = (
        f"{len(masks)} rank(s) on this node, {len(union)} processor(s), {per_rank} thread(s) per"
        " rank by default"
    )
    if crowded and least < os.cpu_count() and len(union) < os.cpu_count():
        yield (
            TROUBLE,
            "binding",
            (
                f"{text}: ranks share processors while others of the node's {os.cpu_count()} are"
                " idle; mpiexec --bind-to none (Open MPI), srun --cpus-per-task"
            ),
        )
    elif crowded:
        yield TROUBLE, "binding", f"{text}: more ranks than processors; start fewer"
    else:
        yield FINE, "binding", text
    if world.decide(lambda: threads.isdigit() and int(threads) > most):
        yield (
            TROUBLE,
            "threads",
            (
                f"OMP_NUM_THREADS={threads}, but a rank has {most} processor(s) to itself; unset"
                f" it, or set it to {most}"
            ),
        )


def _memory(world):
    free = min(world.comm.allgather(available_memory()))
    limits = [name for name in ("SLURM_MEM_PER_NODE",) if os.environ.get(name)] + ["cgroup"] * bool(
        group_limits()
    )
    text = f"{format_size(free)} per node may be used" + (
        f" (limits looked at: {', '.join(limits)})" if limits else ""
    )
    return (
        (FINE, "memory", text)
        if free >= SMALLEST_MEMORY
        else (TROUBLE, "memory", f"{text}: ask for more (sbatch --mem, container limits)")
    )


def _shm(world):
    free, most = min(world.comm.allgather(shm_free())), max(world.comm.allgather(world.node.size))
    text = f"{format_size(free)} in /dev/shm for what ranks of a node share"
    return (
        (FINE, "/dev/shm", text)
        if free >= SMALLEST_SHM or most == 1
        else (
            TROUBLE,
            "/dev/shm",
            f"{text}: docker run --shm-size=8g, or fewer ranks and more threads",
        )
    )


def _hdf5(world):
    how = (
        "all ranks write"
        if HAS_MPI
        else (
            "the first rank writes for all; a parallel h5py would let all write (README,"
            " installing)"
        )
    )
    return FINE if HAS_MPI or world.size == 1 else NOTE, "h5py", f"{LIBRARY}: {how}"


def _folder(folder):
    begun = time.monotonic()
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".hpcpca-doctor-") as file:
            file.write(b"x")
            file.flush()
            sync(file.name)
        sync(folder)
    except OSError as error:
        yield (
            TROUBLE,
            "folder",
            f"{folder} cannot be written: {error.strerror}; write elsewhere (-o)",
        )
        return
    seconds = time.monotonic() - begun
    yield (
        (FINE if seconds < SLOW_FOLDER else NOTE),
        "folder",
        f"{folder}: a file is written and synced in {format_seconds(seconds)}",
    )
    with tempfile.TemporaryDirectory(dir=folder, prefix=".hpcpca-doctor-") as inside:
        lock = Lock(os.path.join(inside, "lock"))
        is_held = lock.is_held
        lock.release()
    if is_held:
        yield FINE, "locks", "this file system locks files"
    else:
        yield (
            NOTE,
            "locks",
            (
                "this file system has no locks: nothing stops two runs on one checkpoint; for other"
                " programs' HDF5 set HDF5_USE_FILE_LOCKING=FALSE"
            ),
        )


def _kernels():
    from ..kernels import compiled, store

    kinds = ("uint8", "float32", "float64")
    cold = [kind for kind in kinds if not compiled.is_warm(np.dtype(kind))]
    trouble = compiled.trouble()
    if cold and trouble:
        return TROUBLE, "kernels", f"compiled in every run (10 s): {trouble}"
    state = f"compiled at first use for {', '.join(cold)}" if cold else "compiled"
    return FINE, "kernels", f"{store.folder()}, {state}"


def _speed(world):
    """Ceilings of a core while all ranks work at once, the slowest rank's."""
    rates = world.decide(measured_rates)
    from threadpoolctl import threadpool_limits

    block, best = np.ones(BLOCK, np.float32), np.inf
    for _ in range(3):
        world.comm.Barrier()
        begun = time.perf_counter()
        block.max()
        best = min(best, time.perf_counter() - begun)
    square, gemm = np.ones((1024, 1024), np.float32), np.inf
    with threadpool_limits(1):
        for _ in range(3):
            world.comm.Barrier()
            begun = time.perf_counter()
            square @ square
            gemm = min(gemm, time.perf_counter() - begun)
    slowest, where = max(world.comm.allgather((gemm, node_name())))
    bandwidth, flops = block.nbytes / max(world.comm.allgather(best)), 2 * 1024**3 / slowest
    text = (
        f"with all ranks at work the slowest core reads {bandwidth / 1e9:.1f} GB/s and multiplies"
        f" at {flops / 1e9:.0f} Gflop/s (sgemm); panels {rates.skinny4 / 1e9:.0f} Gflop/s"
    )
    if flops < SLOW_GEMM:
        yield (
            TROUBLE,
            "speed",
            (
                f"{text}: too slow for an optimised BLAS on a processor of its own; node {where}:"
                " other jobs, binding, or numpy without OpenBLAS"
            ),
        )
    else:
        yield FINE, "speed", text
