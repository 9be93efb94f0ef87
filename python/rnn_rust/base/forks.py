"""Polars in forked processes: an immediate error where Polars would wait forever.

A fork copies the memory of a process, but no threads except the one that forks. Polars starts a
pool of threads when it is first used. A child of a process that has used Polars refers to a pool
whose threads it does not have, so work submitted to the pool is never done. Importing Polars before
the fork is harmless.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path

from rnn_rust.errors import ForkError

_TASKS = Path("/proc/self/task")
_WORKER = re.compile(r"polars-[0-9]+\s*")
_FORKED_WITHOUT_EXEC = 0x40  # PF_FORKNOEXEC among the flags of a Linux process
_PATIENCE = 10.0  # seconds to wait until threads that were started get their names

_forked_with_polars = threading.Event()


def require_polars() -> None:
    """Raise ForkError if this process lost Polars' threads in a fork."""
    if _threads_are_lost(os.getpid()):
        raise ForkError(
            "Polars cannot be used in this process: it was forked from one that had used Polars, "
            "whose threads a fork does not copy; start workers by "
            "multiprocessing.get_context('spawn'), or hand them data sets that are read already"
        )


@lru_cache(maxsize=1)
def _threads_are_lost(_process: int) -> bool:
    if not _TASKS.exists():
        # Only Linux lists a process's threads; on other systems few programs fork.
        return _forked_with_polars.is_set()
    return _is_fork() and not _has_pool()


def _is_fork() -> bool:
    """Return whether this Linux process was forked and runs its parent's program."""
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return bool(int(after_name[6]) & _FORKED_WITHOUT_EXEC)


def _has_pool() -> bool:
    """Return whether Polars' threads run; start them if neither this process nor a parent did."""
    from rnn_rust.base.polars import pl

    before = _threads()
    if any(map(_WORKER.fullmatch, before.values())):
        return True
    pl.thread_pool_size()  # starts the pool at the first call; later calls do not check it
    end = time.monotonic() + _PATIENCE
    while (after := _threads()).keys() - before and time.monotonic() < end:
        if any(map(_WORKER.fullmatch, after.values())):
            return True
        time.sleep(0.001)
    return False


def _threads() -> dict[str, str]:
    """Return the names of the threads of this process."""
    names = {}
    for task in _TASKS.iterdir():
        try:
            names[task.name] = (task / "comm").read_text()
        except OSError:  # the thread has ended meanwhile
            continue
    return names


def _note_fork() -> None:
    if "polars" in sys.modules:
        _forked_with_polars.set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
