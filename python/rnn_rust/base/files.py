"""Atomic file replacement: readers see the old file or the whole new one, never a part."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rnn_rust.base.checks import path_text
from rnn_rust.errors import WriteError


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` that replaces it when the block ends without error.

    Readers see the old file or the whole new one, never a part; after an error the old file is
    still there. The new file has the permissions of the old one.

    Raises
    ------
    WriteError
        The file cannot be written, or is not a regular file.
    ParameterError
        ``path`` is not a path.
    """
    target = Path(os.path.realpath(path_text("path", path)))
    temporary = target.parent / _temporary_name(target, secrets.token_hex(8))
    try:
        old = target.stat().st_mode if target.exists() else None
        if old is not None and not stat.S_ISREG(old):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with open(temporary, "xb") as file:
            if old is not None:
                os.chmod(temporary, stat.S_IMODE(old))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise WriteError.of(error, path) from None
        raise


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Check that :func:`replacing` can write the file, as far as that can be known beforehand.

    Raises
    ------
    WriteError
        The file cannot be written.
    """
    import tempfile

    target = Path(os.path.realpath(path_text("path", path)))
    try:
        if target.exists() and not target.is_file():
            raise OSError(errno.EINVAL, "it is not a regular file")
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise WriteError.of(error, path) from None


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove files that processes killed during :func:`replacing` left beside ``path``.

    No other process may be writing the same file.
    """
    target = Path(os.path.realpath(path_text("path", path)))
    for leftover in target.parent.glob(_temporary_name(target, "*")):
        with contextlib.suppress(OSError):
            leftover.unlink()


def _temporary_name(target: Path, number: str) -> str:
    """Return a short name that identifies the target, also if the target's own name is long."""
    owner = hashlib.blake2b(os.fsencode(target.name), digest_size=4).hexdigest()
    return f".{owner}-{number}.tmp"
