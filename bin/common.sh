# Sourced by bin/quickstart, bin/faults and bin/test: the interpreter, and virtual environments that
# are made once.
# bash 3.2 and POSIX tools only. The caller has set ROOT, the top of the clone, and is in it.

say() { printf '%s\n' "${0##*/}: $*"; }
die() { printf '%s\n' "${0##*/}: $*" >&2; exit 5; }

# Nothing of the caller's Python or pip set-up may shadow what is installed in the environments.
unset PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX

# find_python: PYTHON (default python3) becomes an interpreter that will do.
find_python() {
    PYTHON=${PYTHON:-python3}
    local other='set PYTHON=/path/to/python3'
    command -v "$PYTHON" >/dev/null ||
        die "there is no $PYTHON: install Python 3.10 or later, or $other"
    PYTHON_VERSION=$("$PYTHON" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])') ||
        die "$PYTHON does not run"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        die "$PYTHON is Python $PYTHON_VERSION, hpcpca needs 3.10 or later: $other"
}

# make_venv FOLDER [KEY]: an environment of PYTHON's version; one made with another version or KEY
# is made anew.
make_venv() {
    local made
    made="python ${PYTHON_VERSION%.*} ${2-}"
    if [ -e "$1/.made" ] && [ "$(cat "$1/.made")" != "$made" ]; then
        rm -rf "$1"
    fi
    if "$1/bin/python" -c 'import pip' 2>/dev/null; then
        return
    fi
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$PYTHON cannot make a virtual environment, do this first:" \
            "apt-get install python3-venv"
    "$PYTHON" -m venv --clear "$1" ||
        die "$PYTHON -m venv failed; if ensurepip is missing: apt-get install python3-venv"
    echo "$made" >"$1/.made"
}

# pip_install FOLDER ARGUMENTS...: pip install, unless the same was done before with the same
# setup.cfg and pyproject.toml.
pip_install() {
    local venv stamp
    venv=$1
    shift
    stamp=$({ cat setup.cfg pyproject.toml; printf '%s\n' "$ROOT" "$@"; } | cksum)
    if [ "$(cat "$venv/.installed" 2>/dev/null)" = "$stamp" ]; then
        return
    fi
    rm -f "$venv/.installed"
    if ! "$venv/bin/python" -m pip install --disable-pip-version-check "$@" \
        >"$venv/pip.log" 2>&1; then
        tail -n 20 "$venv/pip.log" >&2
        return 1
    fi
    echo "$stamp" >"$venv/.installed"
}

# use_mpich FOLDER: as `. FOLDER/bin/activate` does, and sure to take launcher and library from
# there, whatever MPI the machine has besides. Without these variables mpi4py looks in its own
# environment first; with MPI4PY_MPIABI it would not look at all; and a folder in LD_LIBRARY_PATH
# (an environment module) can hold an older libfabric or UCX, with which this MPICH does not load.
use_mpich() {
    export VIRTUAL_ENV="$1" PATH="$1/bin:$PATH" MPI4PY_LIBMPI="$1/lib"
    unset MPI4PY_MPIABI
    if [ -n "${LD_LIBRARY_PATH-}" ]; then
        export LD_LIBRARY_PATH="$1/lib:$1/lib/mpich:$LD_LIBRARY_PATH"
    fi
}
