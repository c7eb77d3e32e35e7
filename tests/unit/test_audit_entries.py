"""Entries of any lock that can be read become questions: nothing in a file ends an audit by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.audit.deciding import batches_of, select_entries
from guard.audit.discovery import FoundFile
from guard.audit.entries import AuditEntry, entries_of
from guard.audit.reading import LoadedLock, LockReader
from guard.errors import ConfigInvalid
from guard.model import SourceKind
from guard.report.model import without_credentials
from guard_lockfiles.formats import find_format

DATA = Path(__file__).parent / "data" / "lockfiles"
HEX = "0" * 64
ROOT = Path("/nonexistent/project")
REQUIREMENTS = f"""\
six==1.17.0 --hash=sha256:{HEX}
-e ./lib
x @ git+https://example.test/x@{HEX[:40]}
y @ https://u:p@example.test/y.zip#sha256={HEX}
-i https://example.test/simple
../out
file:///z.zip
"""
PYLOCK = f"""\
lock-version = "1.0"
created-by = "x"
[[packages]]
name = "a"
version = "1"
index = "https://example.test/simple"
wheels = [{{url = "https://example.test/a-1-py3-none-any.whl", hashes = {{sha256 = "{HEX}"}}}}]
[[packages]]
name = "b"
archive = {{path = "file:///b.zip", hashes = {{sha256 = "{HEX}"}}}}
[[packages]]
name = "c"
directory = {{path = "../c"}}
[[packages]]
name = "d"
vcs = {{type = "git", url = "https://example.test/d", commit-id = "1"}}
"""
PACKAGE_LOCK = """\
{"lockfileVersion": 3, "packages": {
"node_modules/a": {"version": "1.0.0", "inBundle": true},
"node_modules/b": {"resolved": "file:b.tgz"},
"node_modules/c": {"resolved": "git+ssh://x@example.test/c.git#1"},
"node_modules/d": {"resolved": "../d", "link": true},
"node_modules/e": {"name": "f", "version": "1.0.0"}}}
"""
OWN = {"requirements.txt": REQUIREMENTS, "pylock.toml": PYLOCK, "package-lock.json": PACKAGE_LOCK}
EXAMPLES = {name: text.encode() for name, text in OWN.items()}
EXAMPLES |= {f"{path.parent.name}/{path.name}": path.read_bytes() for path in sorted(DATA.glob("*/*[!n]"))[::4]}
PIECES = [
    b"[",
    b"{",
    b'"',
    b"\\",
    b"\n",
    b"\x00",
    b"file://[",
    b"://[",
    b"\xe2\x80\xae",
    b"\\u0000",
    b"..",
    b"1",
    b"null",
]


def read(name: str, data: bytes) -> LoadedLock | None:
    def load(path: Path) -> bytes:
        if path != ROOT / name:
            raise ConfigInvalid("there is no other file")
        return data

    form = find_format(Path(name).name)
    assert form is not None
    reader = LockReader(load, cwd=ROOT, project=ROOT, environ={})
    lock = reader.read(FoundFile(ROOT / name, form))
    return lock if isinstance(lock, LoadedLock) else None


def sources(name: str) -> dict[str, SourceKind]:
    lock = read(name, EXAMPLES[name])
    assert lock is not None
    return {entry.artifact.name: entry.artifact.source for entry in entries_of(lock)}


def check(entries: tuple[AuditEntry, ...]) -> None:
    for entry in entries:
        shown = without_credentials(f"{entry.artifact.purl} {entry.artifact.origin} {entry.location}")
        assert "://u:p@" not in shown
        assert entry.artifact.name


@pytest.mark.campaign(4)
@pytest.mark.parametrize("name", EXAMPLES)
@given(data=st.data())
def test_any_file_that_can_be_read_becomes_questions(name: str, data: st.DataObject) -> None:
    example = EXAMPLES[name]
    at = data.draw(st.integers(0, len(example)))
    end = data.draw(st.integers(at, min(len(example), at + 12)))
    lock = read(name, example[:at] + data.draw(st.sampled_from(PIECES)) + example[end:])
    if lock is not None:
        check(entries_of(lock))
        batches_of(select_entries([lock], named=None, all_platforms=False))


def test_where_things_come_from() -> None:
    kinds = SourceKind
    assert sources("requirements.txt") == {
        "six": kinds.REGISTRY,
        "./lib": kinds.LOCAL,
        "x": kinds.VCS_PINNED,
        "y": kinds.URL_HASHED,
        "../out": kinds.PATH,
        "/z.zip": kinds.PATH,
    }
    assert sources("pylock.toml") == {"a": kinds.REGISTRY, "b": kinds.PATH, "c": kinds.PATH, "d": kinds.VCS}
    assert sources("package-lock.json") == {
        "a": kinds.REGISTRY,
        "b": kinds.LOCAL,
        "c": kinds.VCS,
        "d": kinds.PATH,
        "f": kinds.ALIAS,
    }
