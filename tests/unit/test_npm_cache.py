"""npm's cache holds exactly what was decided, where npm looks for it."""

from __future__ import annotations

import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from guard.managers.npm.cache import fill_cache
from guard.store.files import StoredFile, measure

CONTENT = b"tarball"


@pytest.fixture
def stored(tmp_path: Path) -> StoredFile:
    path = tmp_path / "stored"
    path.write_bytes(CONTENT)
    return measure(path, algorithms=frozenset({"sha1", "sha512"}))


def place(cache: Path) -> Path:
    """Where cacache looks (``lib/content/path.js``, ``hash-to-segments.js``)."""
    value = hashlib.sha512(CONTENT).hexdigest()
    return cache / "_cacache" / "content-v2" / "sha512" / value[:2] / value[2:4] / value[4:]


def test_a_tarball_is_found_by_its_sha512(stored: StoredFile, tmp_path: Path) -> None:
    fill_cache(tmp_path / "cache", [stored])
    [found] = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert found == place(tmp_path / "cache")
    assert found.read_bytes() == CONTENT


def test_no_bytes_are_copied_where_links_will_do(stored: StoredFile, tmp_path: Path) -> None:
    fill_cache(tmp_path / "cache", [stored])
    assert place(tmp_path / "cache").samefile(stored.path)


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_other_file_systems_get_copies(
    stored: StoredFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", fail)
    fill_cache(tmp_path / "cache", [stored, stored])
    assert place(tmp_path / "cache").read_bytes() == CONTENT
    assert not place(tmp_path / "cache").samefile(stored.path)


def test_what_is_there_is_never_overwritten(stored: StoredFile, tmp_path: Path) -> None:
    there = place(tmp_path / "cache")
    there.parent.mkdir(parents=True)
    there.write_bytes(b"there")
    fill_cache(tmp_path / "cache", [stored])
    assert there.read_bytes() == b"there"
    assert stored.path.read_bytes() == CONTENT


def test_a_file_that_is_gone_is_an_error(stored: StoredFile, tmp_path: Path) -> None:
    stored.path.unlink()
    with pytest.raises(FileNotFoundError):
        fill_cache(tmp_path / "cache", [stored])


def test_a_link_is_followed(stored: StoredFile, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("stored")
    fill_cache(tmp_path / "cache", [replace(stored, path=link)])
    assert not place(tmp_path / "cache").is_symlink()
    assert place(tmp_path / "cache").read_bytes() == CONTENT


def test_nothing_is_nothing(tmp_path: Path) -> None:
    fill_cache(tmp_path / "cache", [])
    assert not (tmp_path / "cache").exists()
