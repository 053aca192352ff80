"""Object code → functions, by LLVM's loader alone; and what it depends on, in its name."""

import ctypes
import functools
import hashlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import llvmlite.binding as llvm

NO_MATTER = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS")  # to machine code
FORM = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_char_p)


@functools.cache
def _engine():
    """What holds all the machine code of this process."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)


def load(symbol, code):
    """Return a function that takes its arguments as bytes; it returns a number that is not 0 if it
    raises, and leaves the GIL to others meanwhile.
    """
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return FORM(engine.get_function_address(symbol))


@functools.cache
def _version():
    """All that the machine code of every kernel depends on, as a digest."""
    here, numba = Path(__file__).parent, Path(find_spec("numba").origin).parent
    processor = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
    settings = sorted(
        (name, value)
        for name, value in os.environ.items()
        if name.startswith("NUMBA_") and name not in NO_MATTER
    )
    machine = llvm.get_process_triple(), processor, llvm.llvm_version_info
    found = hashlib.sha256(repr((machine, sys.version_info, settings)).encode())
    for source in (numba / "_version.py", *sorted(here.glob("*.py"))):
        found.update(source.read_bytes())
    return found.digest()


def name_of(kernel, signature):
    """Name of the machine code of a ``kernel`` for arguments of a ``signature`` in words."""
    digest = hashlib.sha256(_version() + signature.encode()).hexdigest()
    return f"{kernel}-{digest[:32]}"
