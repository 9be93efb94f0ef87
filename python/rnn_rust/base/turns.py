"""Threads that take turns, none of which waits for itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rnn_rust.errors import BusyError


class Turns:
    """A lock for threads that refuses a thread which holds it already.

    Python runs signal handlers between any two steps of the main thread. What one calls finds data
    half changed, and a lock taken that is not released before the handler returns.

    Parameters
    ----------
    what
        How messages call what is locked.
    """

    def __init__(self, what: str) -> None:
        self._what, self._taken = what, False
        # It lets the same thread in, which is then to be told.
        self._lock = threading.RLock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have a turn, once no other thread has.

        Raises
        ------
        BusyError
            This thread has one.
        """
        with self._lock:
            if self._taken:
                raise BusyError(
                    f"{self._what} was called by a signal handler while the same thread was in a "
                    "call of it; let the handler set a flag, and call it once that has returned"
                )
            try:
                self._taken = True
                yield
            finally:
                self._taken = False
