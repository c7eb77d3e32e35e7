"""Requirement files as lockfiles: what of each line becomes an entry."""

from __future__ import annotations

import pytest

from guard_lockfiles.lockfile import Include, LockedArtifact, Lockfile, Source
from guard_lockfiles.requirements_lock import parse_requirements_lock

HASH = "sha256:" + "0" * 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def parse(*lines: str) -> Lockfile:
    return parse_requirements_lock("".join(f"{line}\n" for line in lines).encode())


def parse_one(line: str) -> LockedArtifact:
    lock = parse(line)
    assert lock.unreadable == ()
    (artifact,) = lock.artifacts
    return artifact


def test_a_hashed_requirement() -> None:
    lock = parse(
        "# by a tool",
        "Six.Core==1.17.0 ; python_version > '3' \\",
        f"  --hash={HASH} \\",
        f"  --hash=SHA512:{'A' * 128}",
    )
    (artifact,) = lock.artifacts
    assert (artifact.name, artifact.version, artifact.source, artifact.line) == (
        "six-core",
        "1.17.0",
        Source.REGISTRY,
        2,
    )
    assert artifact.digests == (HASH, "sha512:" + "a" * 128)
    assert artifact.markers == ('python_version > "3"',)
    assert lock.is_pinned
    assert artifact.file is None


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("six", ""),
        ("six>=1", ""),
        ("six==1.*", ""),
        ("six==1.0,<2", ""),
        ("six===1.0", "1.0"),
        ("six == 1.0+local", "1.0+local"),
    ],
)
def test_only_an_exact_version_is_one(line: str, version: str) -> None:
    assert parse_one(line).version == version


@pytest.mark.parametrize(
    ("line", "source", "resolved"),
    [
        (f"six @ https://u:p@example.test/six.zip#sha256={'0' * 64}", Source.URL, None),
        ("https://example.test/six-1.0.tar.gz", Source.URL, None),
        (f"git+https://example.test/six@{COMMIT}#egg=six", Source.GIT, None),
        ("-e git+ssh://git@example.test/six@main#egg=six", Source.GIT, None),
        ("-e .", Source.FOLDER, "."),
        ("../lib", Source.FOLDER, "../lib"),
        ("file:///lib", Source.FOLDER, "file:///lib"),
        ("./six-1.0-py3-none-any.whl", Source.FILE, "./six-1.0-py3-none-any.whl"),
    ],
)
def test_where_a_line_takes_it_from(line: str, source: Source, resolved: str | None) -> None:
    artifact = parse_one(line)
    assert artifact.source is source
    if resolved is not None:
        assert artifact.resolved == resolved


def test_a_fragment_and_a_commit_pin() -> None:
    assert parse_one(f"six @ https://example.test/six.zip#egg=six&sha256={'A' * 64}").digests == ("sha256:" + "a" * 64,)
    assert parse_one(f"six @ git+https://example.test/six@{COMMIT}").commit == COMMIT
    assert parse_one(f"six @ git+https://example.test/six@{COMMIT[1:]}").commit is None
    assert parse_one(f"six @ bzr+https://example.test/six@{COMMIT}").commit is None


def test_includes_indexes_and_what_cannot_be_read() -> None:
    lock = parse(
        "-i https://one.example.test/simple",
        "--extra-index-url=https://two.example.test/simple",
        "-r base.txt",
        "-c limits.txt",
        f"--hash={HASH}",
        "six==1.0 --nothing",
    )
    assert lock.indexes == ("https://one.example.test/simple", "https://two.example.test/simple")
    assert lock.includes == (Include(path="base.txt", line=3), Include(path="limits.txt", line=4, is_constraint=True))
    assert [(entry.line, entry.place) for entry in lock.unreadable] == [(5, f"--hash={HASH}"), (6, "six==1.0")]
    assert lock.artifacts == ()


@pytest.mark.parametrize(
    ("lines", "is_pinned"),
    [
        (["six==1.0"], False),
        ([], False),
        (["six==1.0", f"idna==1.0 --hash={HASH}"], True),
        (["--require-hashes", "six==1.0"], True),
        ([f"six @ https://example.test/six.zip#sha256={'0' * 64}"], False),
    ],
)
def test_one_hash_makes_a_lock(lines: list[str], is_pinned: bool) -> None:
    assert parse(*lines).is_pinned is is_pinned


@pytest.mark.parametrize("digest", ["sha256:0", "0" * 64, "md4:00", f"sha256:{'g' * 64}"])
def test_a_digest_that_is_none_makes_its_line_unreadable(digest: str) -> None:
    lock = parse(f"idna==1.0 --hash={HASH}", f"six==1.0 --hash={digest}")
    assert [artifact.name for artifact in lock.artifacts] == ["idna"]
    assert [(entry.place, entry.line) for entry in lock.unreadable] == [("six==1.0", 2)]
    assert lock.is_pinned
