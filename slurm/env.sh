# Sourced by the batch scripts of this folder: what depends on the site, and how a run is started,
# stopped in time and requeued.
# Edit: the lines under "site".

# ---- site: Python with hpcpca, MPI, and (better) parallel HDF5; docs/slurm.md says how to install
# module load python openmpi hdf5-mpi
# . "$HOME/hpcpca-env/bin/activate"
# export MPI4PY_LIBMPI=libmpi.so.40  # where mpi4py does not find the site's library by itself

# srun starts the ranks; --mpi as "srun --mpi=list" has it: pmix for Open MPI, pmi2 for MPICH. Or
# mpiexec, where srun cannot (Open MPI's would bind every rank, and all its threads, to one core).
LAUNCH=${LAUNCH:-srun -K --mpi=pmix --cpu-bind=cores}
# LAUNCH="mpiexec"                   # MPICH, Intel MPI
# LAUNCH="mpiexec --bind-to none"    # Open MPI
REQUEUES=${REQUEUES:-20}             # how often a job may start again

# ---- the same everywhere
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} OPENBLAS_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
export MKL_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
# Lustre and GPFS often have no locks; hpcpca has its own on the checkpoint.
export HDF5_USE_FILE_LOCKING=FALSE
# srun of SLURM 22.05 and later no longer takes it from sbatch.
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}

# hpcpca_run OUT WORDS...: hpcpca fit WORDS -o OUT, or resume if OUT.ckpt is there.
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
