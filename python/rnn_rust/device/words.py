"""Names, comments and numbers in C."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np

from rnn_rust.errors import ParameterError

# C99 distinguishes names by their first 63 characters; some linkers use fewer.
_LONGEST_NAME = 60
_LONGEST_PREFIX = 30
_WIDTH = 100
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")
# Headers of the standard, and headers that C libraries include from their own folder: with -I., a
# file with such a name would replace them.
_HEADERS = {
    "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits",
    "locale", "math", "setjmp", "signal", "stdalign", "stdarg", "stdatomic", "stdbit", "stdbool",
    "stdckdint", "stddef", "stdint", "stdio", "stdlib", "stdnoreturn", "string", "tgmath",
    "threads", "time", "uchar", "wchar", "wctype",
    "alloca", "availability", "corecrt", "crtdefs", "endian", "features", "newlib", "sal",
    "vcruntime",
}  # fmt: skip


def checked_prefix(name: object) -> str:
    """Return the prefix of all names; ParameterError if it is not valid in C, or is a header."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII):
        raise ParameterError(
            f"name must be letters of English, digits and _, a letter first, as in C, got {name!r}"
        )
    if len(name) > _LONGEST_PREFIX:
        raise ParameterError(f"name must have at most {_LONGEST_PREFIX} characters, got {name!r}")
    # Some file systems ignore case.
    if name.lower() in _HEADERS:
        raise ParameterError(
            f"name must not be that of a header of C, got {name!r}: {name}.h would hide it; give "
            "another"
        )
    return name


class Names:
    """Makes unique names for constants."""

    def __init__(self, prefix: str, taken: Iterable[str]) -> None:
        self._prefix = prefix.upper()
        self._taken = {f"{self._prefix}_{name}" for name in taken}
        # The next number to try after each stem: thousands of levels may share a stem.
        self._numbers: dict[str, int] = {}

    def new(self, *words: object) -> str:
        """Return a unique name made from these words, such as ``FRAUD_MERCHANT_FUEL``."""
        parts = [self._prefix, *(_upper(str(word)) for word in words)]
        name = "_".join(part for part in parts if part)[:_LONGEST_NAME]
        stem = name[: _LONGEST_NAME - 6]
        while name in self._taken:
            number = self._numbers.get(stem, 2)
            name, self._numbers[stem] = f"{stem}_{number}", number + 1
        self._taken.add(name)
        return name


def _upper(text: str) -> str:
    """Return text in ASCII capital letters, digits and ``_``."""
    plain = text
    if not text.isascii():
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _NOT_IN_NAMES.sub("_", plain).strip("_").upper()


def comment(text: object) -> str:
    """Return text on one line, made safe for use inside a comment."""
    shown = str(text)
    if not shown.isprintable():
        shown = "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode() for each in shown
        )
    for pair in ("*/", "/*", "??"):
        # Replace twice: three characters in a row contain two overlapping pairs.
        shown = shown.replace(pair, f"{pair[0]} {pair[1]}").replace(pair, f"{pair[0]} {pair[1]}")
    return shown.replace("\\", "/") if shown.endswith("\\") else shown


def number(value: Any) -> str:
    """Return a constant in the type of a NumPy scalar, which C reads as the same bits."""
    if math.isnan(value):  # math.isnan is faster than NumPy's.
        return "NAN" if value.dtype == np.float32 else "(double)NAN"
    digits = np.format_float_positional(value, trim="0")
    if not 1e-5 <= abs(value) < 1e9 and value != 0:
        digits = np.format_float_scientific(value, trim="0")
    return f"{digits}f" if value.dtype == np.float32 else digits


def rows_of(values: Iterable[str]) -> str:
    """Return constants separated by commas, wrapped into lines."""
    lines, line = [], "   "
    for value in values:
        if len(line) + len(value) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {value},"
    return "\n".join([*lines, line])


def array(name: str, values: Any, c_type: str, size: str, about: str) -> str:
    """Return the definition of a constant array ``(n,)``, preceded by a comment."""
    shown = (
        [number(value) for value in values]
        if values.dtype.kind == "f"
        else [str(int(value)) for value in values]
    )
    return f"/* {about} */\nstatic const {c_type} {name}[{size}] = {{\n{rows_of(shown)}\n}};\n"
