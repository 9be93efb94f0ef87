"""Standard output and error as they are: encodings that lack a letter, pipes and disks that end."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator

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
    """Let errors of what is written to standard output say so.

    That its reader leaves early, as ``head`` does, is none: the work goes on.
    """
    try:
        yield
    except BrokenPipeError:
        return
    except OSError as error:
        raise OSError(error.errno, error.strerror, _NAME) from error


def discard_unread() -> None:
    """Drop what is left in pipes that nobody reads: Python would fail as it ends, with 120."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            try:
                if stream is not None:
                    stream.flush()
            except BrokenPipeError:
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
