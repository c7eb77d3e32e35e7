"""pylock.toml: one entry for each file, at its place; what installers refuse is malformed, with its line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import LockedArtifact, Source
from guard_lockfiles.pylock import parse_pylock

HEX = "0" * 64
HASHES = f'SHA256 = "{HEX}", md5 = "{HEX[:32]}"'
HEAD = 'lock-version = "1.0"\ncreated-by = "test"\n'
SIX = f"""[[packages]]
name = "six"
version = "1.17.0"
marker = "sys_platform == 'linux'"
index = "https://index.example.test/simple"
sdist = {{ url = "https://files.example.test/six-1.17.0.tar.gz", hashes = {{ sha256 = "{HEX}" }} }}
wheels = [
  {{ name = "six-1.17.0-py3-none-any.whl", url = "https://files.example.test/w", hashes = {{ {HASHES} }} }},
  {{ path = "wheels/six-1.17.0-py2-none-any.whl", hashes = {{ sha256 = "{HEX}" }} }},
]
"""


def parse(text: str) -> tuple[LockedArtifact, ...]:
    return parse_pylock((HEAD + text).encode()).artifacts


def test_every_file_is_an_entry() -> None:
    wheel, local, sdist = parse(SIX)
    assert (wheel.name, wheel.version, wheel.file, wheel.source) == (
        "six",
        "1.17.0",
        "six-1.17.0-py3-none-any.whl",
        Source.REGISTRY,
    )
    assert wheel.digests == (f"sha256:{HEX}", f"md5:{HEX[:32]}")
    assert (wheel.registry, wheel.markers) == ("https://index.example.test/simple", ('sys_platform == "linux"',))
    assert (wheel.resolved, wheel.line, wheel.column) == ("https://files.example.test/w", 10, 3)
    assert (local.source, local.resolved, local.line) == (Source.FILE, "wheels/six-1.17.0-py2-none-any.whl", 11)
    assert (sdist.file, sdist.line, sdist.source) == ("six-1.17.0.tar.gz", 8, Source.REGISTRY)


@pytest.mark.parametrize(
    ("member", "source", "resolved"),
    [
        (
            'vcs = { type = "git", url = "https://example.test/a", commit-id = "abc" }',
            Source.GIT,
            "https://example.test/a",
        ),
        ('directory = { path = "../a" }', Source.FOLDER, "../a"),
        (
            f'archive = {{ url = "https://example.test/a.zip", hashes = {{ sha256 = "{HEX}" }} }}',
            Source.URL,
            "https://example.test/a.zip",
        ),
        (f'archive = {{ path = "a.zip", hashes = {{ sha256 = "{HEX}" }} }}', Source.FILE, "a.zip"),
    ],
)
def test_a_package_without_files_is_one_entry(member: str, source: Source, resolved: str) -> None:
    (artifact,) = parse(f'[[packages]]\nname = "a"\n{member}\n')
    assert (artifact.source, artifact.resolved, artifact.line, artifact.version) == (source, resolved, 3, "")
    assert artifact.commit == ("abc" if source is Source.GIT else None)
    assert artifact.digests == ((f"sha256:{HEX}",) if member.startswith("archive") else ())


def test_the_environments_that_it_is_for() -> None:
    lock = parse_pylock(f"{HEAD}environments = [\"os_name == 'nt'\", \"os_name == 'posix'\"]\npackages = []\n".encode())
    assert (lock.version, lock.environments) == ("1.0", ('os_name == "nt"', 'os_name == "posix"'))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[[packages]\n", 3, "no TOML"),
        ("packages = []\npackages = []\n", 4, "no TOML"),
        ("packages = 1\n", 3, "packages"),
        (SIX + '[[packages]]\nname = "no files"\n', 14, "packages[1].name"),
        (SIX + '[[packages]]\nname = "idna"\n', 13, "packages[1]"),
        (SIX.replace("hashes = { SHA256", "hash = { SHA256"), 10, "packages[0].wheels[0].hashes"),
        (SIX.replace("six-1.17.0-py3", "six-1.16.0-py3"), 10, "packages[0].wheels[0]"),
        ("", 1, "packages"),
        ("packages = " + "[" * 5000, None, "nested"),
    ],
)
def test_what_is_no_lock_has_its_line(text: str, line: int | None, message: str) -> None:
    with pytest.raises(MalformedLockfile) as raised:
        parse(text)
    assert (raised.value.line, message in raised.value.message) == (line, True), raised.value.message


def test_a_later_version_is_refused_by_its_number() -> None:
    with pytest.raises(MalformedLockfile, match=r"version 2\.0 is not supported"):
        parse_pylock(b'lock-version = "2.0"\ncreated-by = "x"\npackages = []\n')


def test_other_encodings_are_malformed_with_their_line() -> None:
    with pytest.raises(MalformedLockfile) as raised:
        parse_pylock(HEAD.encode() + b"# caf\xe9\n")
    assert raised.value.line == 3
    with pytest.raises(MalformedLockfile):
        parse_pylock(HEAD.encode("utf-16"))


@pytest.mark.parametrize(
    ("hashes", "digests"),
    [
        ("sha256 = '0'", None),
        ("blake3 = '00'", None),
        (f"blake3 = '00', md5 = '{HEX[:32]}'", (f"md5:{HEX[:32]}",)),
    ],
)
def test_a_digest_that_is_none_makes_its_file_unreadable(hashes: str, digests: tuple[str, ...] | None) -> None:
    lock = parse_pylock((HEAD + SIX.replace(HASHES, hashes)).encode())
    assert len(lock.artifacts) + len(lock.unreadable) == 3
    if digests is None:
        (entry,) = lock.unreadable
        assert (entry.place, entry.line, entry.column) == ("six", 10, 3)
    else:
        assert lock.artifacts[0].digests == digests


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_newer_minor_version_is_read_and_remarked_on(version: str) -> None:
    lock = parse_pylock((HEAD.replace("1.0", version) + SIX).encode())
    assert (len(lock.artifacts), len(lock.remarks)) == (3, 0 if version == "1.0" else 1)


def test_nothing_is_printed_about_a_newer_minor_version() -> None:
    program = "import sys; from guard_lockfiles.pylock import parse_pylock; parse_pylock(sys.stdin.buffer.read())"
    text = HEAD.replace("1.0", "1.1") + SIX
    result = subprocess.run([sys.executable, "-c", program], input=text.encode(), capture_output=True, check=True)
    assert (result.stdout, result.stderr) == (b"", b"")
