"""Atomic making of folders: a reader sees none, the old one or the whole new one."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from rnn_rust.base.checks import path_text
from rnn_rust.errors import WriteError


@contextlib.contextmanager
def replacing_folder(
    path: str | os.PathLike[str], is_ours: Callable[[Path], bool]
) -> Iterator[Path]:
    """Give an empty folder beside ``path`` that takes its place when the block ends well.

    After an error what stood there before still does. An old folder is replaced only if every file
    in it ``is_ours``.

    Raises
    ------
    WriteError
        The folder cannot be written, is something else, or has other files.
    ParameterError
        ``path`` is not one.
    """
    target = Path(os.path.realpath(path_text("folder", path)))
    name = f".{target.name[:100]}-{secrets.token_hex(8)}"
    new, old = target.parent / f"{name}.tmp", target.parent / f"{name}.old"
    try:
        _check_replaceable(target, is_ours)
        new.mkdir()
        yield new
        _sync(new)
        # Again: the work in between may have taken long.
        _check_replaceable(target, is_ours)
        _swap(target, new, old)
    except BaseException as error:
        shutil.rmtree(new, ignore_errors=True)
        if isinstance(error, OSError):
            raise WriteError.of(error, path) from None
        raise
    shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(target: Path, is_ours: Callable[[Path], bool]) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise OSError(errno.ENOTDIR, "it is not a folder")
    if os.path.samefile(target, "."):
        # Whoever works in it would go on working in the old one, which is removed.
        raise OSError(errno.EBUSY, "it is the current folder; name it from outside, or another")
    for file in sorted(target.iterdir()):
        if file.is_symlink() or not file.is_file() or not is_ours(file):
            reason = f"it has other contents, {file.name}, which are not to be lost; name another"
            raise OSError(errno.ENOTEMPTY, reason)


def _swap(target: Path, new: Path, old: Path) -> None:
    """Put the new folder in place; the old one, if there is one, comes back if that fails."""
    exists = target.exists()
    if exists:
        new.chmod(target.stat().st_mode)
        target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        if exists:
            old.rename(target)
        raise


def _sync(folder: Path) -> None:
    """Bring what was written to the disk before the folder gets its name."""
    for file in folder.iterdir():
        with open(file, "rb+") as opened:
            os.fsync(opened.fileno())
