"""Files replaced in one step: what becomes of the old one, and what an error says."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rnn_rust.base.files import replacing
from rnn_rust.errors import WriteError


def write(path: Path, content: bytes = b"new") -> None:
    with replacing(path) as file:
        file.write(content)


def test_the_permissions_of_the_old_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    for mode in (0o600, 0o664, 0o440):
        path.chmod(mode)
        write(path)
        assert path.stat().st_mode & 0o777 == mode
    assert path.read_bytes() == b"new"


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_name_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write(path)
    assert path.read_bytes() == b"new"


def test_what_is_no_regular_file_is_left_alone(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    before = sorted(os.listdir(tmp_path))
    for path in (fifo, tmp_path, Path(os.devnull)):
        with pytest.raises(OSError, match="it is not a regular file") as caught:
            write(path)
        assert caught.value.filename == str(path)
    assert fifo.is_fifo()
    assert sorted(os.listdir(tmp_path)) == before


def test_an_error_names_the_file_and_not_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    for path in (tmp_path / "missing" / "file", plain / "file"):
        with pytest.raises(WriteError, match=f"^cannot write {path}: No") as caught:
            write(path)
        assert caught.value.errno in (errno.ENOENT, errno.ENOTDIR)
        assert caught.value.filename == str(path)

    def fail(source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", source, None, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WriteError) as caught_too:
        write(plain)
    assert str(caught_too.value) == f"cannot write {plain}: Permission denied"
    assert os.listdir(tmp_path) == ["plain"]


def test_an_error_without_a_file_names_none() -> None:
    assert str(WriteError(errno.ENOSPC, "No space left")) == f"[Errno {errno.ENOSPC}] No space left"
    assert str(WriteError("no space left")) == "no space left"
