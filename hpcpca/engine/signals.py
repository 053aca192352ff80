"""Signals that ask a run to stop: the first is remembered, a second one ends the process at
once.
"""

import os
import signal
import sys
import threading
import time

CAUGHT = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)
APART = 1.0  # seconds: launchers and terminals may deliver one signal twice


class Signals:
    """Context in which ``seen`` becomes the number of the first signal caught.

    A thread learns of signals through a pipe that C code writes to, so that they count while the
    main thread is inside MPI or HDF5.
    """

    def __enter__(self):
        self.seen = 0
        self._since = None
        self._ours, theirs = os.pipe()
        os.set_blocking(theirs, False)
        self._theirs = theirs
        self._before_wakeup = signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, lambda *_: None) for number in CAUGHT}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        while data := os.read(self._ours, 1):
            number = data[0]
            if number in CAUGHT:
                self._caught(number)
            elif number == 0:
                return

    def _caught(self, number):
        now = time.monotonic()
        if self._since is None:
            self._since, self.seen = now, number
        elif now - self._since > APART:
            sys.stderr.write(f"hpcpca: second signal ({name_of(number)}): ended at once\n")
            sys.stderr.flush()
            os._exit(128 + number)

    def __exit__(self, *_):
        signal.set_wakeup_fd(self._before_wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.write(self._theirs, b"\0")
        self._thread.join()
        os.close(self._ours)
        os.close(self._theirs)


def name_of(number):
    """SIGUSR1 and so on."""
    return signal.Signals(number).name
