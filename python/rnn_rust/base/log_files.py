"""Text files that grow line by line, written in place to keep owner, links and permissions."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from rnn_rust.errors import WriteError


class LogFile:
    """A file that is open for adding lines, and whose text can be replaced.

    If writing fails, for example on a full disk, the text is unchanged.

    Attributes
    ----------
    is_replaceable
        Whether it is a regular file. To a pipe, a device, or this program's own output, text can
        only be added.

    Parameters
    ----------
    path
        The file; it is created if it does not exist.

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
            # With its own file position, it would overwrite other lines of the program's output.
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
        """Replace the whole text."""
        data = text.encode("utf-8")
        with self._named():
            # First write the part that may not fit on the disk.
            size = self._extend(data[os.fstat(self._descriptor).st_size :])
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            self._write(data[:size])
            os.ftruncate(self._descriptor, len(data))

    def close(self) -> None:
        """Close the file; remove it if it was created here and is empty."""
        with self._named():
            is_unused = self._is_new and os.fstat(self._descriptor).st_size == 0
            os.close(self._descriptor)
        if is_unused and self.is_replaceable:
            with contextlib.suppress(OSError):
                os.unlink(self._place)

    def _extend(self, data: bytes) -> int:
        """Write all or nothing at the end; return the size before."""
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
        """Make errors, such as that of a full disk, name the file."""
        try:
            yield
        except OSError as error:
            raise WriteError.of(error, self._path) from error


def _opened(path: str) -> int:
    flags = os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        # Not in the first call: in a shared folder, O_CREAT can fail for writable files of others.
        return os.open(path, flags | os.O_CREAT, 0o666)


def _own_output(path: str) -> int | None:
    """Return the descriptor of standard output or error if the path is one of them, else None."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(path), os.fstat(descriptor)):
                return descriptor
    return None
