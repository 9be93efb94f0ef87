"""Text files that grow line by line, written in place: a log keeps its owner, links and rights."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from rnn_rust.errors import WriteError


class LogFile:
    """A file that is open for lines to be added, and whose text can be replaced.

    What cannot be written leaves the text as it was, on a full disk too.

    Attributes
    ----------
    is_replaceable
        Whether it is a regular file of its own. To a pipe, a device, or the output of this very
        program, text can only be added.

    Parameters
    ----------
    path
        A missing file is made.

    Raises
    ------
    WriteError
        Here and in all methods: the file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        # A relative path would follow a change of the working directory.
        self._place = os.path.realpath(path)
        with self._named():
            output = _own_output(self._path)
            self._is_new = output is None and not os.path.exists(self._path)
            # A position of its own in the program's output would write over other lines of it.
            self._descriptor = _opened(self._path) if output is None else os.dup(output)
            is_regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self.is_replaceable = is_regular and output is None

    def add(self, text: str) -> None:
        """Write text at the end."""
        with self._named():
            if self.is_replaceable:
                self._extend(text.encode("utf-8"))
            else:
                self._write(text.encode("utf-8"))

    def replace(self, text: str) -> None:
        """Write text in place of all that is there."""
        data = text.encode("utf-8")
        with self._named():
            # What may not fit on the disk comes first.
            size = self._extend(data[os.fstat(self._descriptor).st_size :])
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            self._write(data[:size])
            os.ftruncate(self._descriptor, len(data))

    def close(self) -> None:
        """Close the file; one that was made here and has no text goes."""
        with self._named():
            is_unused = self._is_new and os.fstat(self._descriptor).st_size == 0
            os.close(self._descriptor)
        if is_unused and self.is_replaceable:
            with contextlib.suppress(OSError):
                os.unlink(self._place)

    def _extend(self, data: bytes) -> int:
        """Write at the end, all or nothing; return how much there was before."""
        size = os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            self._write(data)
        except BaseException:
            os.ftruncate(self._descriptor, size)
            raise
        return size

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Let errors, as of a full disk, name the file."""
        try:
            yield
        except OSError as error:
            raise WriteError.of(error, self._path) from error


def _opened(path: str) -> int:
    flags = os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        # Not at once: in a shared folder it would refuse files of others that may be written.
        return os.open(path, flags | os.O_CREAT, 0o666)


def _own_output(path: str) -> int | None:
    """Return the descriptor of standard output or error if the path is one of these."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(path), os.fstat(descriptor)):
                return descriptor
    return None
