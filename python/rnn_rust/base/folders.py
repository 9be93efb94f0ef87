"""Atomic folder replacement: readers see the old folder (or none) or the whole new one."""

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
    """Yield an empty folder beside ``path`` that replaces it when the block ends without error.

    After an error, the old folder is still there. An old folder is replaced only if every file in
    it ``is_ours``.

    Raises
    ------
    WriteError
        The folder cannot be written, is not a folder, or has other files.
    ParameterError
        ``path`` is not a path.
    """
    target = Path(os.path.realpath(path_text("folder", path)))
    name = f".{target.name[:100]}-{secrets.token_hex(8)}"
    new, old = target.parent / f"{name}.tmp", target.parent / f"{name}.old"
    try:
        _check_replaceable(target, is_ours)
        new.mkdir()
        yield new
        _sync(new)
        # Check again: the block may have taken a long time.
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
        # Processes with this working directory would stay in the old folder, which is removed.
        raise OSError(errno.EBUSY, "it is the current folder; name it from outside, or another")
    for file in sorted(target.iterdir()):
        if file.is_symlink() or not file.is_file() or not is_ours(file):
            reason = f"it has other contents, {file.name}, which are not to be lost; name another"
            raise OSError(errno.ENOTEMPTY, reason)


def _swap(target: Path, new: Path, old: Path) -> None:
    """Put the new folder in place; if that fails, restore the old one, if any."""
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
    """Flush the files to the disk, before the folder gets its name."""
    for file in folder.iterdir():
        with open(file, "rb+") as opened:
            os.fsync(opened.fileno())
