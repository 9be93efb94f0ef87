"""Standard output and error as they are: encodings that lack a letter, pipes and disks that end."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

_log = logging.getLogger("rnn_rust")

_NAME = "standard output"


def escape_unencodable() -> None:
    r"""Let both streams show what their encoding lacks as ``\xb2`` or ``\u65e5``.

    Without it a superscript or an id's letter would end the program, maybe after hours of work.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def named_output() -> Iterator[None]:
    """Write the whole of what goes to standard output, and let errors of it say so.

    A reader that leaves early, as ``head`` does, is no error: the work goes on.
    """
    try:
        with _buffered_output():
            yield
    except BrokenPipeError:
        return
    except OSError as error:
        raise OSError(error.errno, error.strerror, _NAME) from error


@contextlib.contextmanager
def _buffered_output() -> Iterator[None]:
    """Give standard output a buffer where it has none, as with PYTHONUNBUFFERED.

    A stream without one drops what the system did not take at once, as of a pipe or a full disk.
    """
    stream: Any = sys.stdout
    if not isinstance(getattr(stream, "buffer", None), io.RawIOBase):
        yield
        return
    how = {"encoding": stream.encoding, "errors": stream.errors}
    with (
        open(stream.fileno(), "w", closefd=False, **how) as buffered,
        contextlib.redirect_stdout(buffered),
    ):
        yield


def discard_unread() -> None:
    """Drop what could not be written: Python would fail on it once more as it ends, with 120."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            try:
                if stream is not None:
                    stream.flush()
            except OSError:
                with open(os.devnull, "wb") as nothing:
                    os.dup2(nothing.fileno(), stream.fileno())


def write_data(text: str) -> None:
    """Write a table for other programs; a warning says if it is not as it would be in a file."""
    if sys.stdout is None:
        return
    with named_output():
        sys.stdout.write(text)
        sys.stdout.flush()
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError as error:
        _log.warning(
            "The encoding of standard output, %s, lacks %r: it is written as an escape; --output "
            "writes a file, in UTF-8", encoding, text[error.start],
        )  # fmt: skip
