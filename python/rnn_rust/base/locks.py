"""A lock for threads that raises an error where a thread would wait for itself."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

from rnn_rust.errors import BusyError


class NonReentrantLock:
    """A lock for threads that refuses a thread which already holds it.

    Python runs signal handlers between any two steps of the main thread. A call from a handler
    finds half-changed data, and a lock that is not released until the handler returns.

    Parameters
    ----------
    what
        What messages call the locked object.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.RLock()

    def hold(self) -> AbstractContextManager[object]:
        """Return a context manager that waits for other threads and holds the lock.

        Raises
        ------
        BusyError
            This thread already holds it.
        """
        # `threading.Condition` checks it the same way. Return the lock itself: with a manager in
        # Python, an exception raised by a handler, as Ctrl-C does, could leave the lock held.
        if self._lock._is_owned():  # type: ignore[attr-defined]
            raise BusyError(
                f"{self._what} was called by a signal handler while the same thread was in a call "
                "of it; let the handler set a flag, and call it once that has returned"
            )
        return self._lock
