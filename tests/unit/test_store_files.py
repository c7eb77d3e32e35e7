"""The store of downloaded files: complete files under their digest, and nothing else, whatever happens."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from guard.errors import Unavailable
from guard.model import Digest
from guard.store.files import FileStore, StoredFile, measure

CONTENT = b"content" * 1000
STRONG = frozenset({"sha1", "sha512"})


def digest(algorithm: str, content: bytes = CONTENT) -> Digest:
    return Digest(algorithm, hashlib.new(algorithm, content).hexdigest())


def store(root: Path, content: bytes = CONTENT, *, named_by: str = "sha256") -> StoredFile:
    return FileStore(root).store(lambda sink: _write(sink, content), algorithms=STRONG, named_by=named_by)


def _write(sink: BinaryIO, content: bytes) -> None:
    sink.write(content)


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("named_by", ["sha256", "sha512"])
def test_a_file_is_found_by_the_digest_that_names_it(tmp_path: Path, named_by: str) -> None:
    stored = store(tmp_path, named_by=named_by)
    assert stored.path.read_bytes() == CONTENT
    assert stored.size_bytes == len(CONTENT)
    assert set(stored.digests) == {digest("sha1"), digest("sha256"), digest("sha512")}
    assert FileStore(tmp_path).load(digest(named_by), algorithms=STRONG) == stored
    other = ({"sha256", "sha512"} - {named_by}).pop()
    assert FileStore(tmp_path).load(digest(other), algorithms=STRONG) is None


def test_only_the_digests_that_are_asked_for_are_computed(tmp_path: Path) -> None:
    store(tmp_path)
    found = FileStore(tmp_path).load(digest("sha256"), algorithms=frozenset({"md5"}))
    assert found is not None
    assert set(found.digests) == {digest("md5"), digest("sha256")}
    with pytest.raises(StopIteration):
        found.digest("sha512")


def test_a_damaged_file_is_removed_and_not_found(tmp_path: Path) -> None:
    store(tmp_path).path.write_bytes(CONTENT[:-1])
    assert FileStore(tmp_path).load(digest("sha256"), algorithms=STRONG) is None
    assert files(tmp_path) == []
    assert store(tmp_path).path.read_bytes() == CONTENT


def test_a_file_under_a_foreign_name_is_not_found(tmp_path: Path) -> None:
    place = store(tmp_path).path
    store(tmp_path, b"other").path.replace(place)
    assert FileStore(tmp_path).load(digest("sha256"), algorithms=STRONG) is None


@pytest.mark.parametrize("error", [Unavailable("cut"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def write(sink: BinaryIO) -> None:
        sink.write(CONTENT)
        raise error

    with pytest.raises(type(error)):
        FileStore(tmp_path).store(write, algorithms=STRONG)
    assert files(tmp_path) == []


def test_the_writer_may_begin_again(tmp_path: Path) -> None:
    def write(sink: BinaryIO) -> None:
        sink.write(b"half of an answer that was cut")
        sink.seek(0)
        sink.truncate()
        sink.write(CONTENT)

    assert FileStore(tmp_path).store(write, algorithms=STRONG).sha256 == digest("sha256")


def test_the_same_bytes_are_stored_by_several_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        stored = set(pool.map(lambda _: store(tmp_path), range(16)))
    assert len(stored) == 1
    assert [path.read_bytes() for path in files(tmp_path)] == [CONTENT]


def test_nobody_else_can_read_the_store(tmp_path: Path) -> None:
    store(tmp_path / "new" / "store")
    assert (tmp_path / "new" / "store").stat().st_mode & 0o777 == 0o700


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    assert store(tmp_path, b"").size_bytes == 0
    assert FileStore(tmp_path).load(digest("sha256", b""), algorithms=STRONG) is not None


def test_files_larger_than_a_block_are_measured_whole(tmp_path: Path) -> None:
    large = bytes(range(256)) * 10_000
    path = tmp_path / "large"
    path.write_bytes(large)
    measured = measure(path, algorithms=frozenset({"sha512"}))
    assert (measured.size_bytes, measured.sha256) == (len(large), digest("sha256", large))
    assert measured.digest("sha512") == digest("sha512", large)


def test_what_cannot_be_read_is_an_error_for_measure_and_nothing_for_the_store(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        measure(tmp_path / "absent", algorithms=STRONG)
    store(tmp_path).path.unlink()
    assert FileStore(tmp_path).load(digest("sha256"), algorithms=STRONG) is None
