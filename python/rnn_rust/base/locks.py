"""A lock for threads, none of which waits for itself."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

from rnn_rust.errors import BusyError


class NonReentrantLock:
    """A lock for threads that refuses a thread which holds it already.

    Python runs signal handlers between any two steps of the main thread. What one calls finds data
    half changed, and a lock taken that is not released before the handler returns.

    Parameters
    ----------
    what
        How messages call what is locked.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.RLock()

    def hold(self) -> AbstractContextManager[object]:
        """Return what a ``with`` statement holds the lock with, once no other thread does.

        Raises
        ------
        BusyError
            This thread holds it.
        """
        # As `threading.Condition` asks. The lock itself is returned, not what holds it in Python:
        # an exception that a handler raises, as Ctrl-C does, would leave that one locked.
        if self._lock._is_owned():  # type: ignore[attr-defined]
            raise BusyError(
                f"{self._what} was called by a signal handler while the same thread was in a call "
                "of it; let the handler set a flag, and call it once that has returned"
            )
        return self._lock
