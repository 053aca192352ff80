"""How much the panel product keeps in registers, by what this processor has."""

import platform

from llvmlite import binding

FEATURES = binding.get_host_cpu_features()
BYTES = 64 if FEATURES.get("avx512f") else 32 if FEATURES.get("avx") else 16  # of a register
IS_LARGE = BYTES == 64 or platform.machine() == "aarch64"  # 32 registers in place of 16
GROUP = 6 if IS_LARGE else 3  # rows that are multiplied with four vectors at a time
BROAD = 8 if IS_LARGE else 4  # vectors whose images are summed up at a time,
STRIP = 3 if IS_LARGE else 2  # over so many registers of columns
LINE = 64  # bytes that caches fetch at a time
