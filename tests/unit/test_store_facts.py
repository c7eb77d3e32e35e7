"""Remembered facts: found again only by all that they depend on; nothing that is wrong with the file is believed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard import limits
from guard.errors import EvidenceCode
from guard.model import Claims, Digest, Ecosystem, Evidence, EvidenceKind, EvidenceState, UnavailableCause
from guard.store import facts as module
from guard.store.facts import Answer, FactKey, Facts

NOW = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)
KEY = FactKey(
    ecosystem=Ecosystem.PYPI,
    name="six-1.17.0-py2.py3-none-any.whl",
    artifact=Digest("sha256", "a" * 64),
    evidence=Digest("sha256", "b" * 64),
    trust_root=Digest("sha256", "c" * 64),
    verifier="1",
)
OTHER_KEYS = {
    "ecosystem": Ecosystem.NPM,
    "name": "six-1.16.0-py2.py3-none-any.whl",
    "artifact": Digest("sha256", "d" * 64),
    "evidence": Digest("sha256", "d" * 64),
    "trust_root": Digest("sha256", "d" * 64),
    "verifier": "2",
}
CLAIMS = Claims(
    **{each.name: f"{each.name} é" for each in fields(Claims) if each.name not in ("signed_at", "log_index")},
    signed_at=datetime(2029, 5, 6, 7, 8, 9, 10, tzinfo=timezone.utc),
    log_index=123_456_789_012,
)
VERIFIED = Evidence(
    kind=EvidenceKind.PEP740_PUBLISH,
    state=EvidenceState.VERIFIED,
    digest=Digest("sha256", "b" * 64),
    predicate_type="https://example.test/publish/v1",
    claims=CLAIMS,
)
INVALID = Evidence(
    kind=EvidenceKind.NPM_SIGNATURE, state=EvidenceState.INVALID, reason="forged", code=EvidenceCode.SIGNATURE
)
LISTING = "https://index.example.test/simple/six/"


@pytest.fixture
def facts(tmp_path: Path) -> Iterator[Facts]:
    opened = Facts(tmp_path / "facts")
    yield opened
    opened.close()


def reopened(facts: Facts) -> Facts:
    facts.close()
    return Facts(facts.path.parent)


def set_aside(facts: Facts) -> list[str]:
    return sorted(path.name for path in facts.path.parent.glob("*.set-aside"))


def connect(facts: Facts) -> sqlite3.Connection:
    facts.close()
    return sqlite3.connect(facts.path, isolation_level=None)


def test_what_was_stored_is_loaded(facts: Facts) -> None:
    assert facts.load(KEY) is None
    facts.store(KEY, [VERIFIED, INVALID])
    assert facts.load(KEY) == (VERIFIED, INVALID)
    assert reopened(facts).load(KEY) == (VERIFIED, INVALID)


def test_every_member_of_evidence_is_kept(facts: Facts) -> None:
    every = replace(
        VERIFIED,
        reason="r",
        code=EvidenceCode.EMPTY,
        cause=UnavailableCause.OUTAGE,
        key_id="SHA256:é",
        signed_at=CLAIMS.signed_at,
        log_index=CLAIMS.log_index,
        registry="https://registry.example",
    )
    unset = [each.name for each in fields(Evidence) if getattr(every, each.name) in (None, "")]
    unset += [each.name for each in fields(Claims) if getattr(CLAIMS, each.name) in (None, "")]
    assert unset == []
    facts.store(KEY, [every])
    assert facts.load(KEY) == (every,)


@pytest.mark.parametrize("member", [each.name for each in fields(FactKey)])
def test_a_fact_is_found_only_by_all_of_its_key(facts: Facts, member: str) -> None:
    facts.store(KEY, [VERIFIED])
    changed: dict[str, Any] = {member: OTHER_KEYS[member]}
    assert facts.load(replace(KEY, **changed)) is None


def test_the_parts_of_a_key_do_not_run_together(facts: Facts) -> None:
    facts.store(replace(KEY, name="a", verifier="1"), [VERIFIED])
    facts.store_answer(Answer.KEYS, "x", b"", now=NOW)
    assert facts.load(replace(KEY, name='a", "1')) is None


@pytest.mark.parametrize("state", [each for each in EvidenceState if each not in (VERIFIED.state, INVALID.state)])
def test_what_may_be_there_a_moment_later_is_no_fact(facts: Facts, state: EvidenceState) -> None:
    facts.store(KEY, [VERIFIED, replace(VERIFIED, state=state)])
    assert facts.load(KEY) is None


def test_nothing_is_no_fact(facts: Facts) -> None:
    facts.store(KEY, [])
    assert facts.load(KEY) is None


def test_the_last_one_stored_holds(facts: Facts) -> None:
    facts.store(KEY, [VERIFIED])
    facts.store(KEY, [INVALID])
    assert (facts.load(KEY), facts.count()) == ((INVALID,), 1)


@pytest.mark.parametrize(
    ("kind", "life"),
    [(Answer.LISTING, timedelta(hours=1)), (Answer.ABSENT, timedelta(hours=1)), (Answer.KEYS, timedelta(hours=24))],
)
def test_an_answer_lives_as_long_as_its_kind(facts: Facts, kind: Answer, life: timedelta) -> None:
    facts.store_answer(kind, LISTING, b"body", now=NOW)
    assert facts.load_answer(kind, LISTING, now=NOW) == b"body"
    assert facts.load_answer(kind, LISTING, now=NOW + life - timedelta(seconds=1)) == b"body"
    assert facts.load_answer(kind, LISTING, now=NOW + life) is None
    assert facts.load_answer(kind, LISTING, now=NOW - timedelta(seconds=1)) is None


def test_an_answer_is_of_its_kind_and_address(facts: Facts) -> None:
    facts.store_answer(Answer.ABSENT, LISTING, b"", now=NOW)
    assert facts.load_answer(Answer.ABSENT, LISTING, now=NOW) == b""
    assert facts.load_answer(Answer.LISTING, LISTING, now=NOW) is None
    assert facts.load_answer(Answer.ABSENT, f"{LISTING}x", now=NOW) is None


def test_no_login_is_remembered_and_no_address_is_in_the_file(facts: Facts) -> None:
    facts.store_answer(Answer.LISTING, "https://user:secret@index.example.test/", b"private", now=NOW)
    facts.store_answer(Answer.LISTING, f"{LISTING}?token=secret", b"listing", now=NOW)
    assert facts.count() == 1
    facts.close()
    content = b"".join(path.read_bytes() for path in facts.path.parent.iterdir())
    assert b"listing" in content
    assert b"secret" not in content
    assert b"private" not in content


def test_the_files_are_the_users_own(facts: Facts) -> None:
    facts.store(KEY, [VERIFIED])
    assert facts.path.parent.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in facts.path.parent.iterdir()} == {0o600}
    assert Path(f"{facts.path}-wal").exists()


# Whatever is wrong with the file.


@pytest.mark.parametrize("data", [b"x", b"SQLite format 3\0", b"\0" * 4096], ids=["short", "header", "zeros"])
def test_what_is_no_database_is_set_aside(facts: Facts, data: bytes) -> None:
    facts.path.parent.mkdir()
    facts.path.write_bytes(data)
    facts.path.chmod(0o600)
    facts.store(KEY, [VERIFIED])
    assert facts.load(KEY) == (VERIFIED,)
    assert set_aside(facts) == ["facts-1.sqlite3.set-aside"]


@pytest.mark.parametrize("pragma", ["application_id = 7", "user_version = 2"])
def test_a_database_of_somebody_else_or_of_a_newer_guard_is_set_aside(facts: Facts, pragma: str) -> None:
    facts.store(KEY, [VERIFIED])
    with_other_mark = connect(facts)
    with_other_mark.execute(f"PRAGMA {pragma}")
    with_other_mark.close()
    assert reopened(facts).load(KEY) is None
    assert set_aside(facts) == ["facts-1.sqlite3.set-aside"]


def test_a_database_whose_tables_are_others_is_passed_over(facts: Facts) -> None:
    facts.store(KEY, [VERIFIED])
    changed = connect(facts)
    changed.execute("DROP TABLE entry")
    changed.execute("CREATE VIEW entry AS SELECT 1 AS number")
    changed.close()
    again = reopened(facts)
    again.store(KEY, [VERIFIED])
    assert again.load(KEY) is None


@pytest.mark.parametrize("mode", [0o620, 0o666])
def test_a_file_that_others_can_write_to_is_set_aside(facts: Facts, mode: int) -> None:
    facts.store(KEY, [VERIFIED])
    facts.close()
    facts.path.chmod(mode)
    assert facts.load(KEY) is None
    assert set_aside(facts) == ["facts-1.sqlite3.set-aside"]


def test_a_file_of_another_user_is_set_aside(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    facts.store(KEY, [VERIFIED])
    facts.close()
    monkeypatch.setattr(os, "getuid", lambda: facts.path.stat().st_uid + 1)
    assert facts.load(KEY) is None


def test_a_link_is_set_aside_and_not_followed(facts: Facts, tmp_path: Path) -> None:
    facts.store(KEY, [VERIFIED])
    facts.close()
    facts.path.rename(tmp_path / "elsewhere")
    facts.path.symlink_to(tmp_path / "elsewhere")
    assert facts.load(KEY) is None
    assert (tmp_path / "elsewhere").exists()


def test_a_folder_in_its_place_is_set_aside(facts: Facts) -> None:
    facts.path.mkdir(parents=True)
    facts.store(KEY, [VERIFIED])
    assert facts.load(KEY) == (VERIFIED,)


def test_a_log_that_belongs_to_another_database_goes_with_it(facts: Facts) -> None:
    facts.path.parent.mkdir()
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{facts.path}{suffix}").write_bytes(b"foreign")
    facts.path.chmod(0o666)
    facts.store(KEY, [VERIFIED])
    assert facts.load(KEY) == (VERIFIED,)
    assert len(list(facts.path.parent.glob("*.set-aside*"))) == 4


def test_a_database_damaged_while_it_is_used_is_set_aside_once(facts: Facts) -> None:
    for number in range(50):
        facts.store(replace(KEY, name=str(number)), [VERIFIED])
    facts.close()
    content = bytearray(facts.path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    facts.path.write_bytes(content)
    other = Facts(facts.path.parent)
    assert (facts.load(KEY), other.load(KEY)) == (None, None)
    facts.store(KEY, [VERIFIED])
    assert other.load(KEY) == (VERIFIED,)
    other.close()
    assert set_aside(facts) == ["facts-1.sqlite3.set-aside"]


@pytest.mark.parametrize(
    "change",
    [
        "value = replace(value, 'verified', 'invalid ')",
        "value = CAST('[]' AS BLOB)",
        "value = 'text'",
        "value = 7",
        "checksum = x'00'",
        "checksum = 'text'",
        "stored_at = 9e9",
        "stored_at = 'x'",
        "key = x'00'",
    ],
)
def test_a_row_that_was_changed_does_not_exist(facts: Facts, change: str) -> None:
    facts.store(KEY, [VERIFIED])
    changed = connect(facts)
    changed.execute(f"UPDATE entry SET {change}")
    changed.close()
    assert reopened(facts).load(KEY) is None


def test_a_row_moved_to_another_key_does_not_exist(facts: Facts) -> None:
    other = replace(KEY, name="other")
    facts.store(KEY, [VERIFIED])
    facts.store(other, [INVALID])
    changed = connect(facts)
    rows = changed.execute("SELECT number, key FROM entry ORDER BY number").fetchall()
    changed.execute("UPDATE entry SET key = x'00' WHERE number = ?", (rows[0][0],))
    changed.execute("UPDATE entry SET key = ? WHERE number = ?", (rows[0][1], rows[1][0]))
    changed.close()
    assert facts.load(KEY) is None


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        [7],
        [{}],
        [{"kind": "pep740-publish", "state": "absent"}],
        [{"kind": "pep740-publish", "state": "new"}],
        [{"kind": "new", "state": "verified"}],
        [{"kind": "pep740-publish", "state": "verified", "new": "x"}],
        [{"kind": "pep740-publish", "state": "verified", "reason": 7}],
        [{"kind": "pep740-publish", "state": "verified", "digest": "sha256:00"}],
        [{"kind": "pep740-publish", "state": "verified", "claims": {"san": "x"}}],
        [{"kind": "pep740-publish", "state": "verified", "claims": {"san": "x", "issuer": []}}],
        [{"kind": "pep740-publish", "state": "verified", "claims": []}],
    ],
    ids=json.dumps,
)
def test_a_value_of_another_form_does_not_exist(facts: Facts, document: object) -> None:
    facts._store(module._digest_of(KEY), json.dumps(document).encode(), stored_at=0.0)
    assert facts.count() == 1
    assert facts.load(KEY) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**9), flip=st.integers(1, 255), cut=st.booleans())
def test_any_bytes_give_the_fact_or_none(tmp_path: Path, place: int, flip: int, cut: bool) -> None:
    folder = tmp_path / "facts"
    good = tmp_path / "good"
    if not good.exists():
        facts = Facts(good)
        facts.store(KEY, [VERIFIED])
        facts.close()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    facts = Facts(folder)
    content = bytearray(facts.path.read_bytes())
    content[place % len(content)] ^= flip
    facts.path.write_bytes(content[: place % len(content)] if cut else content)
    assert facts.load(KEY) in (None, (VERIFIED,))
    facts.store(KEY, [INVALID])
    assert facts.load(KEY) in (None, (INVALID,), (VERIFIED,))
    facts.close()


def test_a_folder_that_cannot_be_used_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    facts = Facts(tmp_path / "file" / "facts")
    facts.store(KEY, [VERIFIED])
    facts.clear()
    assert (facts.load(KEY), facts.count()) == (None, 0)


def test_a_database_that_cannot_be_written_to_is_passed_over(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    facts.store(KEY, [VERIFIED])
    facts.close()

    def open_read_only(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)

    monkeypatch.setattr(module, "_open", open_read_only)
    facts.store(KEY, [INVALID])
    assert facts.load(KEY) == (VERIFIED,)
    assert set_aside(facts) == []


def test_a_busy_database_is_passed_over(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    facts.store(KEY, [VERIFIED])
    other = connect(facts)
    other.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(limits, "FACTS_BUSY_SECONDS", 0.01)
    facts.store(KEY, [INVALID])
    other.execute("ROLLBACK")
    other.close()
    assert facts.load(KEY) == (VERIFIED,)
    assert set_aside(facts) == []


def test_a_damaged_database_that_cannot_be_moved_is_not_asked_again(
    facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Facts) -> None:
        raise PermissionError

    asked: list[Path] = []

    def find_damage(path: Path) -> sqlite3.Connection:
        asked.append(path)
        raise sqlite3.DatabaseError("malformed")

    monkeypatch.setattr(module, "_open", find_damage)
    monkeypatch.setattr(Facts, "_move_aside", fail)
    assert (facts.load(KEY), facts.load(KEY)) == (None, None)
    assert len(asked) == 1


def test_a_member_without_a_form_is_an_error_of_guards_own() -> None:
    with pytest.raises(TypeError, match="tuple has no form"):
        module._plain(())


# Size, and several at once.


def test_what_was_read_ahead_is_what_is_there(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = [f"{LISTING}{number}" for number in range(1200)]
    for url in urls[::2]:
        facts.store_answer(Answer.LISTING, url, url.encode(), now=NOW)
    facts.read_ahead(Answer.LISTING, urls)
    with monkeypatch.context() as patched:
        patched.setattr(facts, "_attempt", lambda _: None)  # the database is not asked again
        found = {url for url in urls if facts.load_answer(Answer.LISTING, url, now=NOW) == url.encode()}
    assert found == set(urls[::2])
    assert facts.load_answer(Answer.LISTING, urls[0], now=NOW + timedelta(hours=1)) is None
    facts.store_answer(Answer.LISTING, urls[0], b"newer", now=NOW)
    assert facts.load_answer(Answer.LISTING, urls[0], now=NOW) == b"newer"
    facts.clear()
    assert facts.load_answer(Answer.LISTING, urls[2], now=NOW) is None


def test_the_oldest_go_when_there_is_too_much(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FACTS_MAX_BYTES", 400_000)
    for number in range(100):
        facts.store_answer(Answer.LISTING, f"{LISTING}{number}", os.urandom(10_000), now=NOW)
    kept = [facts.load_answer(Answer.LISTING, f"{LISTING}{number}", now=NOW) is not None for number in range(100)]
    assert 20 < sum(kept) < 45 + 8  # what is stored is measured at every eighth entry
    assert kept == sorted(kept)  # the newest are the ones that are kept
    assert facts.path.stat().st_size < 600_000


def test_what_is_too_large_is_not_kept(facts: Facts) -> None:
    facts.store_answer(Answer.LISTING, LISTING, b"x" * (limits.FACT_MAX_BYTES + 1), now=NOW)
    assert facts.load_answer(Answer.LISTING, LISTING, now=NOW) is None


def test_clearing_forgets_all_and_what_was_set_aside(facts: Facts) -> None:
    facts.path.parent.mkdir()
    facts.path.write_bytes(b"foreign")
    facts.store(KEY, [VERIFIED])
    other = Facts(facts.path.parent)
    assert other.load(KEY) == (VERIFIED,)
    facts.clear()
    assert (other.load(KEY), other.count(), set_aside(facts)) == (None, 0, [])
    other.store(KEY, [INVALID])
    assert facts.load(KEY) == (INVALID,)
    other.close()


def test_clearing_nothing_makes_nothing(facts: Facts) -> None:
    facts.clear()
    assert not facts.path.parent.exists()


def test_threads_share_one(facts: Facts) -> None:
    def work(thread: int) -> None:
        for number in range(20):
            key = replace(KEY, name=f"{thread}-{number}")
            facts.store(key, [VERIFIED])
            assert facts.load(key) == (VERIFIED,)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert facts.count() == 80


_MANY = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.unit.test_store_facts import KEY, VERIFIED
from guard.store.facts import Facts
facts = Facts(Path(sys.argv[1]))
for number in range(50):
    facts.store(replace(KEY, name=f"{sys.argv[2]}-{number}"), [VERIFIED])
"""

_HIT = """
import sys
from pathlib import Path
from guard.model import Digest, Ecosystem
from guard.store.facts import FactKey, Facts
digests = [Digest("sha256", letter * 64) for letter in "abc"]
key = FactKey(ecosystem=Ecosystem.PYPI, name="six-1.17.0-py2.py3-none-any.whl",
              artifact=digests[0], evidence=digests[1], trust_root=digests[2], verifier="1")
(evidence,) = Facts(Path(sys.argv[1])).load(key)
print(evidence.claims.san)
heavy = {"sigstore", "cryptography", "tuf", "requests", "pydantic"}
print(*sorted(heavy.intersection(name.partition(".")[0] for name in sys.modules)))
"""


def run(script: str, *arguments: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[2]
    return subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=root, stdout=subprocess.PIPE, text=True)


def test_processes_share_one(facts: Facts) -> None:
    running = [run(_MANY, str(facts.path.parent), str(number)) for number in range(2)]
    assert [(process.communicate()[0], process.returncode) for process in running] == [("", 0)] * 2
    assert facts.count() == 100
    assert set_aside(facts) == []


def test_a_hit_imports_neither_sigstore_nor_cryptography(facts: Facts) -> None:
    facts.store(KEY, [VERIFIED])
    facts.close()
    assert run(_HIT, str(facts.path.parent)).communicate()[0].splitlines() == ["san é", ""]
