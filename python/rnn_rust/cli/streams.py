"""Standard output and error: encodings that lack a character, closed pipes and full disks."""

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
    r"""Let both streams show characters that their encoding lacks as ``\xb2`` or ``\u65e5``.

    Otherwise, a superscript or a letter of an id could end the program after hours of work.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def named_output() -> Iterator[None]:
    """Write everything to standard output, and let its errors name it.

    A reader that stops early, as ``head`` does, is not an error: the work goes on.
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
    """Give standard output a buffer if it has none, as with PYTHONUNBUFFERED.

    Without a buffer, a stream drops what a pipe or a full disk does not accept at once.
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
    """Drop what could not be written: otherwise Python fails on it again at exit, with code 120."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            try:
                if stream is not None:
                    stream.flush()
            except OSError:
                with open(os.devnull, "wb") as nothing:
                    os.dup2(nothing.fileno(), stream.fileno())


def write_data(text: str) -> None:
    """Write a table for other programs; warn if the text differs from what a file would have."""
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
