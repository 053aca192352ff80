"""The batch file that ``hpcpca plan`` writes: a run that stops in time with a checkpoint and is
requeued until it is done.

The shell functions are those of slurm/env.sh in the sources; a batch file has to stand alone.
"""

import shlex

HEAD = """#!/bin/bash
# Edit: account, partition, how your site loads Python and MPI, and how it starts ranks.
#SBATCH --job-name=hpcpca
#SBATCH --nodes={nodes}
#SBATCH --ntasks={ranks}
#SBATCH --cpus-per-task={threads}
#SBATCH --mem={mem}M
#SBATCH --time={time}
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

# module load python openmpi
# . /path/to/venv/bin/activate
# srun starts the ranks; add --mpi as "srun --mpi=list" has it: --mpi=pmix for Open MPI,
# --mpi=pmi2 for MPICH. Or mpiexec, if srun cannot.
LAUNCH=${{LAUNCH:-srun -K --cpu-bind=cores}}
# LAUNCH="mpiexec"                  # MPICH, Intel MPI
# LAUNCH="mpiexec --bind-to none"   # Open MPI: it would bind a rank and its threads to one core
REQUEUES=${{REQUEUES:-20}}
export OMP_NUM_THREADS={threads} OPENBLAS_NUM_THREADS={threads}
export SRUN_CPUS_PER_TASK={threads} HDF5_USE_FILE_LOCKING=FALSE

"""

FUNCTIONS = r"""# hpcpca_run OUT WORDS...: hpcpca fit WORDS -o OUT, or resume if OUT.ckpt is there.
# HPCPCA_COMMAND=regress before it runs that instead of fit.
# USR1 (time limit) is passed on to the ranks, and a run that stopped with a checkpoint is requeued.
# TERM comes with scancel, or with preemption; then SLURM requeues by itself.
hpcpca_run() {
    local out=$1 job status mark cancelled=
    local id=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
    shift
    if [ -e "$out.ckpt" ] || [ -e "$out.ckpt.1" ]; then # .1 alone: killed between two renames
        set -- resume "$out.ckpt"
    elif [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] && [[ " $* " != *" --overwrite "* ]] &&
        hpcpca_done "$out"; then
        echo "hpcpca_run: $out is there, by an earlier start of this job"
        return 0
    else
        set -- "${HPCPCA_COMMAND:-fit}" "$@" -o "$out"
    fi
    mark=$(hpcpca_mark "$out")
    echo "hpcpca_run: $LAUNCH hpcpca $* (start ${SLURM_RESTART_COUNT:-0})"
    $LAUNCH hpcpca "$@" &
    job=$!
    trap 'kill -USR1 "$job" 2>/dev/null' USR1
    trap 'cancelled=yes; kill -USR1 "$job" 2>/dev/null' TERM
    wait "$job"
    status=$?
    while kill -0 "$job" 2>/dev/null; do # a signal that is trapped ends `wait` early
        wait "$job"
        status=$?
    done
    trap - USR1 TERM
    if [ -z "$cancelled" ] && hpcpca_stopped "$out" "$status" "$mark" &&
        [ "${SLURM_RESTART_COUNT:-0}" -lt "$REQUEUES" ]; then
        echo "hpcpca_run: requeued"
        scontrol requeue "${id:-$SLURM_JOB_ID}"
    fi
    return "$status"
}

# hpcpca_done OUT: whether a converged result is there.
hpcpca_done() {
    [ -e "$1" ] && [[ $(hpcpca status --json "$1" 2>/dev/null) == *'"outcome": "converged"'* ]]
}

# hpcpca_stopped OUT STATUS MARK: whether the run stopped with a checkpoint because its time was
# over (75). srun may report another exit code when it ends ranks that are a moment behind: then the
# checkpoint is asked, unless it is the one of an earlier start, with MARK.
hpcpca_stopped() {
    local mark said=
    # usage, data, environment, no launcher: the next start would end likewise
    case $2 in 0 | 2 | 3 | 5 | 126 | 127) return 1 ;; esac
    mark=$(hpcpca_mark "$1")
    [ -z "$mark" ] || [ "$mark" = "$3" ] || said=$(hpcpca status --json "$1.ckpt" 2>/dev/null)
    case $said in
        *'"reason": "SIGTERM'*) return 1 ;;
        *'"outcome": "interrupted"'*) return 0 ;; # not "state": that needs locks
        *) [ "$2" = 75 ] ;;
    esac
}

# What tells the checkpoint that is there from the next one.
hpcpca_mark() {
    stat -c '%i %y' "$1.ckpt" 2>/dev/null
}
"""


def batch_file(*, nodes, ranks, threads, mem, minutes, command, words, places):
    """Return the text of a batch file that runs ``hpcpca COMMAND``; ``words`` are the result's
    name and what the command is given, among which ``places`` stand for data; ``mem`` in MiB per
    node.
    """
    head = HEAD.format(
        nodes=nodes,
        ranks=ranks,
        threads=threads,
        mem=mem,
        time=f"{minutes // 60:02d}:{minutes % 60:02d}:00",
    )
    note = ""
    if places:
        note = f"# Edit: {standing_for(places)}, of which hpcpca plan knew the size only.\n"
    line = " ".join(shlex.quote(str(word)) for word in ("hpcpca_run", *words))
    chosen = "" if command == "fit" else f"HPCPCA_COMMAND={command} "
    return f"{head}{FUNCTIONS}\n{note}{chosen}{line}\n"


def standing_for(places):
    """Say that the names ``places`` stand for the user's data."""
    return f"{' and '.join(places)} stand{'s' * (len(places) == 1)} for your data"


def is_no_script(path):
    """Whether a file is none that a shell runs."""
    with open(path, "rb") as file:
        return file.read(2) != b"#!"
