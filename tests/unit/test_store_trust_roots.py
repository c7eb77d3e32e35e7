"""Trust roots on disk: only what guard stored itself is believed, and never less than what it ships."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.constants import SIGSTORE_TUF_URL
from guard.errors import ConfigInvalid, MalformedInput
from guard.model import Digest
from guard.sigstore.trust_root import TufVersions
from guard.store.trust_roots import Attempt, TrustRoots, load_shipped_root, load_shipped_tuf_root
from tests.sim.sigstore import MintingSigstore

DATA = files("guard") / "data"
ROOT = Path(__file__).parents[2]
DOCUMENT = MintingSigstore().trusted_root_json()
NOW = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)
VERSIONS = TufVersions(root=3, timestamp=30, snapshot=20, targets=10)
FRESH_DAYS = 183


@pytest.fixture
def roots(tmp_path: Path) -> TrustRoots:
    return TrustRoots(tmp_path / "trust-root")


@pytest.fixture
def record(roots: TrustRoots, tmp_path: Path) -> Path:
    """The file of a trust root that was stored."""
    store(roots)
    return tmp_path / "trust-root" / "trust-root.json"


def store(roots: TrustRoots, *, versions: TufVersions = VERSIONS, data: bytes = DOCUMENT) -> None:
    roots.store(data, versions=versions, source="TUF repository http://tuf.invalid", now=NOW)


def change(record: Path, **members: object) -> None:
    document = json.loads(record.read_text()) | members
    record.write_text(json.dumps({name: value for name, value in document.items() if value is not ...}))


def problem(roots: TrustRoots) -> str:
    with pytest.raises(MalformedInput) as caught:
        roots.load()
    return caught.value.message


def test_nothing_is_stored_at_first(roots: TrustRoots) -> None:
    assert (roots.load(), roots.load_attempt()) == (None, None)


def test_what_was_stored_is_loaded(roots: TrustRoots, record: Path) -> None:
    stored = roots.load()
    assert stored is not None
    assert (stored.root.data, stored.root.as_of, stored.versions) == (DOCUMENT, NOW, VERSIONS)
    assert stored.root.source == "TUF repository http://tuf.invalid"
    assert roots.load_attempt() == Attempt(at=NOW)
    assert record.stat().st_mode & 0o777 == 0o600
    assert record.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in record.parent.iterdir()) == ["attempt.json", "trust-root.json"]


def test_another_document_is_refused(roots: TrustRoots, record: Path) -> None:
    change(record, document=MintingSigstore().trusted_root_json().decode())
    assert "does not have the digest that was stored with it" in problem(roots)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"format": 2}, id="newer format"),
        pytest.param({"document": 7}, id="document of another type"),
        pytest.param({"document": "{}"}, id="document that is no trust root"),
        pytest.param({"digest": "md5:00"}, id="weak digest"),
        pytest.param({"digest": ...}, id="no digest"),
        pytest.param({"as_of": "2030-01-01T12:00:00"}, id="no time zone"),
        pytest.param({"as_of": "yesterday"}, id="no time"),
        pytest.param({"versions": {}}, id="no versions"),
        pytest.param({"versions": VERSIONS._asdict() | {"root": 0}}, id="version 0"),
        pytest.param({"versions": VERSIONS._asdict() | {"root": True}}, id="version true"),
        pytest.param({"versions": VERSIONS._asdict() | {"root": "3"}}, id="version of another type"),
    ],
)
def test_a_record_that_guard_did_not_write_is_refused(
    roots: TrustRoots, record: Path, members: dict[str, object]
) -> None:
    change(record, **members)
    assert str(record) in problem(roots)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 100_000), flip=st.integers(0, 255), cut=st.booleans())
def test_any_bytes_are_refused_or_hold(roots: TrustRoots, record: Path, place: int, flip: int, cut: bool) -> None:
    good = record.read_bytes()
    changed = bytearray(good)
    changed[place % len(good)] ^= flip
    record.write_bytes(changed[: place % len(good)] if cut else changed)
    try:
        stored = roots.load()
    except MalformedInput:
        return
    finally:
        record.write_bytes(good)
    assert stored is not None
    assert stored.root.data == DOCUMENT


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_to_is_refused(roots: TrustRoots, record: Path, mode: int) -> None:
    record.chmod(mode)
    assert "not a file that only you can write to" in problem(roots)


def test_a_file_of_another_user_is_refused(roots: TrustRoots, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: record.stat().st_uid + 1)
    assert "not a file that only you can write to" in problem(roots)


def test_a_link_is_refused(roots: TrustRoots, record: Path, tmp_path: Path) -> None:
    record.rename(tmp_path / "elsewhere")
    record.symlink_to(tmp_path / "elsewhere")
    assert "cannot be read" in problem(roots)


def test_a_pipe_is_refused_and_not_waited_for(roots: TrustRoots, record: Path) -> None:
    record.unlink()
    os.mkfifo(record, 0o600)
    assert "not a file" in problem(roots)


def test_a_folder_is_refused(roots: TrustRoots, record: Path) -> None:
    record.unlink()
    record.mkdir()
    assert str(record) in problem(roots)


def test_a_file_that_is_too_large_is_refused(roots: TrustRoots, record: Path) -> None:
    with record.open("ab") as stream:
        stream.write(b" " * (4 * 1024 * 1024))
    assert "larger than" in problem(roots)


@pytest.mark.parametrize("role", VERSIONS._fields)
def test_an_older_one_is_not_stored(roots: TrustRoots, record: Path, role: str) -> None:
    before = record.read_bytes()
    with pytest.raises(MalformedInput, match="older metadata than before"):
        store(roots, versions=VERSIONS._replace(**{role: 2}))
    assert record.read_bytes() == before


def test_a_new_root_may_start_anew(roots: TrustRoots, record: Path) -> None:
    store(roots, versions=TufVersions(root=4, timestamp=1, snapshot=1, targets=1))
    stored = roots.load()
    assert stored is not None
    assert stored.versions.timestamp == 1


def test_a_tampered_one_does_not_keep_a_good_one_out(roots: TrustRoots, record: Path) -> None:
    change(record, versions=VERSIONS._asdict() | {"root": 99}, digest="sha256:" + "0" * 64)
    store(roots)
    assert roots.load() is not None


def test_what_is_no_trust_root_is_not_stored(roots: TrustRoots, record: Path) -> None:
    with pytest.raises(MalformedInput, match="mediaType"):
        store(roots, data=b"{}")
    assert roots.load() is not None


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    roots = TrustRoots(tmp_path / "file" / "trust-root")
    with pytest.raises(ConfigInvalid, match="cannot be stored"):
        store(roots)
    with pytest.raises(ConfigInvalid, match="cannot be used"), roots.exclusive():
        pytest.fail("was let in")
    assert roots.claim_refresh(NOW) is False
    roots.store_failure("x", now=NOW)
    assert roots.load_attempt() is None


def test_a_refresh_is_due_once_a_day(roots: TrustRoots) -> None:
    assert roots.claim_refresh(NOW) is True
    assert roots.claim_refresh(NOW) is False
    assert roots.claim_refresh(NOW + timedelta(hours=24) - timedelta(seconds=1)) is False
    assert roots.claim_refresh(NOW + timedelta(hours=24)) is True


def test_a_refresh_that_was_asked_for_is_one_of_the_day(roots: TrustRoots) -> None:
    store(roots)
    assert roots.claim_refresh(NOW + timedelta(hours=1)) is False


def test_a_failed_refresh_is_one_of_the_day(roots: TrustRoots) -> None:
    roots.store_failure("the network is down", now=NOW)
    assert roots.load_attempt() == Attempt(at=NOW, problem="the network is down")
    assert roots.claim_refresh(NOW + timedelta(hours=1)) is False


def test_an_attempt_in_the_future_was_of_a_wrong_clock(roots: TrustRoots) -> None:
    assert roots.claim_refresh(NOW + timedelta(days=400)) is True
    assert roots.claim_refresh(NOW) is True


def test_a_damaged_note_of_an_attempt_is_none(roots: TrustRoots, tmp_path: Path) -> None:
    roots.claim_refresh(NOW)
    (tmp_path / "trust-root" / "attempt.json").write_text('{"at": 7}')
    assert roots.load_attempt() is None
    assert roots.claim_refresh(NOW) is True


def test_no_refresh_is_due_while_one_goes_on(roots: TrustRoots) -> None:
    with roots.exclusive():
        assert roots.claim_refresh(NOW) is False
    assert roots.claim_refresh(NOW) is True


# What guard ships.


def shipped_record() -> dict[str, Any]:
    record = json.loads((DATA / "trusted_root.record.json").read_bytes())
    assert isinstance(record, dict)
    return record


def newest_date(data: bytes) -> str:
    """Return the last day on which the document says that something began."""
    found: list[str] = re.findall(r'"start":\s*"(\d{4}-\d{2}-\d{2})', data.decode())
    return max(found)


def library_copy(name: str) -> bytes:
    """Return what the release of sigstore that is locked for development ships."""
    return (files("sigstore._store") / quote(SIGSTORE_TUF_URL, safe="") / name).read_bytes()


def test_the_shipped_root_is_the_one_of_its_record() -> None:
    root = load_shipped_root()
    assert root.digest == Digest.from_text(shipped_record()["digest"])
    assert root.as_of == datetime.fromisoformat(shipped_record()["as_of"].replace("Z", "+00:00"))
    assert root.source == "shipped with guard"


def test_the_shipped_root_is_dated_after_all_that_it_knows() -> None:
    root = load_shipped_root()
    assert root.as_of is not None
    assert newest_date(root.data) <= root.as_of.date().isoformat()


def test_the_shipped_root_is_not_older_than_the_librarys() -> None:
    # Fails when the locked release of sigstore brings a newer one: docs/trust-root.md says how to renew guard's.
    assert newest_date(load_shipped_root().data) >= newest_date(library_copy("trusted_root.json"))
    ours, theirs = (
        json.loads(each)["signed"]["version"] for each in (load_shipped_tuf_root(), library_copy("root.json"))
    )
    assert ours >= theirs


def test_a_release_is_made_with_a_fresh_root() -> None:
    headings = re.findall(r"^## \[[^\]]+\] - (\d{4}-\d{2}-\d{2})$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    released = [datetime.fromisoformat(f"{day}T00:00:00+00:00") for day in headings[:1]]
    as_of = load_shipped_root().as_of
    assert as_of is not None
    assert all(day - as_of <= timedelta(days=FRESH_DAYS) for day in released)
