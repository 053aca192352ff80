"""What happens when a page of a mapped file is not there any more: a file was cut short, or its
disk failed.

The system sends SIGBUS to the thread that used it, which ends a process. Here such a page is
replaced by zeros and remembered, so that whoever checks the file after a window of rows can say in
a line what happened. The signal comes from a load instruction in the middle of a product: nothing
that Python or its libraries guard is half done then, so the handler may be Python.
"""

import ctypes
import mmap
import signal

LIBC = ctypes.CDLL(None, use_errno=True)
PAGE = mmap.PAGESIZE
PROT_READ, MAP_PRIVATE, MAP_FIXED, MAP_ANONYMOUS = 1, 2, 16, 32
SA_SIGINFO, SA_ONSTACK = 4, 0x08000000
ADDRESS = 16  # offset of the address in what the system tells of a fault, on 64-bit Linux

Handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = (
    *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int),
    ctypes.c_long,
)


class Action(ctypes.Structure):
    """The system's ``struct sigaction``."""

    _fields_ = (
        ("handler", Handler),
        ("mask", ctypes.c_ulong * (1024 // (8 * ctypes.sizeof(ctypes.c_ulong)))),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


class _Guard:
    """The handler of this process, and the maps that it watches: {first address: (end, pages)}."""

    def __init__(self):
        self.maps, self._former, self._action = {}, Action(), None

    def install(self):
        if self._action is None:
            self._action = Action(Handler(self._handle))
            self._action.flags = SA_SIGINFO | SA_ONSTACK
            LIBC.sigaction(signal.SIGBUS, ctypes.byref(self._action), ctypes.byref(self._former))

    def _handle(self, number, info, context):
        address = ctypes.c_size_t.from_address(info + ADDRESS).value
        page = address // PAGE * PAGE
        for begin, (end, lost) in self.maps.items():
            if begin <= address < end:
                lost.append(page)
                flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS
                if LIBC.mmap(page, PAGE, PROT_READ, flags, -1, 0) == page:
                    return
        # not ours: it comes again, to whom it went before
        LIBC.sigaction(signal.SIGBUS, ctypes.byref(self._former), None)


_GUARD = _Guard()


def guard(begin, end, lost):
    """Replace lost pages between two addresses of a map by zeros from now on, and append their
    addresses to the list ``lost``.
    """
    _GUARD.maps[begin] = end, lost
    _GUARD.install()


def release(begin):
    """Watch the map that begins at an address no longer."""
    _GUARD.maps.pop(begin, None)
