"""The file format, independent of networks: a description and tensors, with a checksum of both.

A file is safetensors. Its header's only metadata key is ``rnn_rust``, whose value is canonical JSON
(sorted keys, no spaces), so that equal models are equal files:

- version 2, ``{"digest": …, "format_version": 2, "model": description}``. The digest is the SHA-256
  of version, description and tensors, in an order that does not depend on the file's layout.
- version 1, the description itself with its ``"format_version"``, without a digest.

A damaged version number cannot turn one version into the other: the descriptions are in different
places.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_rust.base.checks import path_text
from rnn_rust.base.files import replacing
from rnn_rust.errors import MissingFileError, ModelFileError, ParameterError

if TYPE_CHECKING:
    from rnn_rust.base.arrays import FloatArray

    Tensors = dict[str, FloatArray]

_log = logging.getLogger("rnn_rust")

FORMAT_VERSION = 2
_WITHOUT_DIGEST = 1
_KEY = "rnn_rust"

BAD_VALUES = (LookupError, TypeError, AttributeError, ValueError, OverflowError)
"""The exceptions that an invalid value in a description causes."""


def pack(description: dict[str, Any], tensors: Tensors) -> bytes:
    """Return the contents of a file.

    Raises
    ------
    TypeError, ValueError
        The description has something that JSON cannot represent, including NaN, infinity and
        unpaired surrogates.
    """
    from safetensors.numpy import save

    stored = {
        "digest": _digest(FORMAT_VERSION, description, tensors),
        "format_version": FORMAT_VERSION,
        "model": description,
    }
    text = _canonical(stored)
    _require_whole_characters(text, stored)
    return save(tensors, metadata={_KEY: text})


def unpack(data: bytes, source: str | os.PathLike[str]) -> tuple[dict[str, Any], Tensors]:
    """Return the description and the tensors of a file; ``source`` names it in the log.

    Raises
    ------
    ModelFileError
        It was not written by this package, is damaged, or was written by a newer version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise ModelFileError(
            f"this is not a safetensors file, or it is damaged ({error})"
        ) from error
    stored = _stored(data)
    try:
        version = stored["format_version"]
        if version == _WITHOUT_DIGEST and "digest" not in stored:
            _log.warning(
                "%s is of format version 1, which has no checksum: whether it is damaged cannot be "
                "told. Saved again, it has one", source,
            )  # fmt: skip
            return stored, tensors
        _check_version(version)
        description: dict[str, Any] = stored["model"]
        intact = stored["digest"] == _digest(version, description, tensors)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelFileError(f"the description of the model is damaged: {error}") from error
    if not intact:
        raise ModelFileError(
            "the file is damaged: its contents do not match its checksum; use a copy of it"
        )
    return description, tensors


def _stored(data: bytes) -> dict[str, Any]:
    """Return the JSON of a file that is known to be safetensors: a length, then a JSON header."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        text = header.get("__metadata__", {}).get(_KEY)
        stored: dict[str, Any] | None = None if text is None else json.loads(text)
        if text is not None:
            _require_whole_characters(text, stored)
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"the description of the model is damaged: {error}") from error
    if stored is None:
        raise ModelFileError(
            "this safetensors file was not written by rnn_rust; weights of PyTorch are read by "
            "from_torch(safetensors.numpy.load_file(path))"
        )
    return stored


def _check_version(version: object) -> None:
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        raise ModelFileError(
            f"this file has format version {version!r}, this package reads up to {FORMAT_VERSION}; "
            + ("a newer rnn-rust can read it" if newer else "it is damaged")
        )


def _digest(version: int, description: dict[str, Any], tensors: Tensors) -> str:
    """Return the SHA-256 of ``[version, description, layout]`` as JSON, then all tensors.

    The layout has ``[name, dtype, shape]`` of each, sorted by name; their bytes follow in this
    order, little-endian and C-contiguous.
    """
    ordered = sorted(tensors.items())
    arrays = [np.asarray(tensor, tensor.dtype.newbyteorder("<"), "C") for _, tensor in ordered]
    layout = [
        [name, array.dtype.str, array.shape]
        for (name, _), array in zip(ordered, arrays, strict=True)
    ]  # fmt: skip
    digest = hashlib.sha256(_canonical([version, description, layout]).encode())
    for array in arrays:
        # Hash the array without a copy, as it may be large.
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _require_whole_characters(text: str, value: Any) -> None:
    """Raise ValueError if JSON has an unpaired surrogate, which files and terminals refuse."""
    # Pairs, which are characters beyond the first 65536, are written in the same way.
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


# Files ---------------------------------------------------------------------------------------


def read(path: str | os.PathLike[str]) -> bytes:
    """Return the contents of a file; errors as :func:`load`."""
    with _reading(path):
        return Path(path).read_bytes()


def check_readable(path: str | os.PathLike[str]) -> None:
    """Check that a model's file, of any format, can be read; errors as :func:`load`."""
    with _reading(path), open(path, "rb"):
        pass


@contextlib.contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors in reading a file into this package's errors."""
    path_text("path", path)
    try:
        mode = os.stat(path).st_mode
        # A device may be endless, and opening a pipe waits for its writer. Opening a folder raises
        # a suitable error anyway.
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        yield
    except FileNotFoundError:
        raise MissingFileError(f"there is no file {path}; check the path") from None
    except OSError as error:
        raise ModelFileError(f"cannot read the model {path}: {error.strerror or error}") from error


def write_packed(
    path: str | os.PathLike[str], description: dict[str, Any], tensors: Tensors
) -> None:
    """Write a model, or anything with a description and tensors; replace an existing file.

    Raises
    ------
    ParameterError
        The description has something that cannot be stored in a file.
    WriteError
        The file cannot be written there.
    """
    try:
        data = pack(description, tensors)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"a model's file holds finite numbers and text: {error}") from error
    write(path, data)


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file; an existing one is replaced in one step.

    Raises
    ------
    WriteError
        The file cannot be written there.
    """
    with replacing(path) as file:
        file.write(data)
