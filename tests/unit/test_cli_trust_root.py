"""``guard trust-root`` and ``guard cache``, and the trust root that every other command gets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from guard.app import App, Options, start_detached
from guard.cli import trust_root as module
from guard.cli.cache import size_bytes
from guard.cli.run import run
from guard.engine.outcome import Outcome
from guard.model import (
    Artifact,
    Decision,
    Digest,
    Ecosystem,
    Evidence,
    EvidenceKind,
    EvidenceState,
    Facts,
    Judged,
    Verdict,
)
from guard.policy.policy import Policy
from guard.policy.schema import AnchorFile, Anchors, RefreshMode
from guard.sigstore.trust_root import TrustRoot, TufVersions
from guard.store.facts import Answer
from guard.store.trust_roots import load_shipped_root
from tests.sim.sigstore import MintingSigstore
from tests.sim.tuf import TufSimulator, serve_tuf

FIRST, SECOND = MintingSigstore().trusted_root_json(), MintingSigstore().trusted_root_json()
VERSIONS = TufVersions(1, 1, 1, 1)
SHIPPED = load_shipped_root()
NOW = datetime.now(timezone.utc)


def digest_of(data: bytes) -> str:
    from hashlib import sha256

    return f"sha256:{sha256(data).hexdigest()}"


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of the user's own, and no proxy."""
    for name in ("STATE", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tuf(monkeypatch: pytest.MonkeyPatch) -> Iterator[TufSimulator]:
    """A repository in the place of the public one."""
    with serve_tuf(TufSimulator(FIRST)) as simulator:
        monkeypatch.setattr(module, "SIGSTORE_TUF_URL", simulator.url)
        monkeypatch.setattr(module, "load_shipped_tuf_root", lambda: simulator.root)
        yield simulator


def app(*, started: datetime = NOW, environ: dict[str, str] | None = None, **options: Any) -> App:
    return App(options=Options(**options), environ=environ or {}, cwd=Path.cwd(), started=started)


def in_force() -> TrustRoot:
    return app().load_trust_root(Policy())


def store(data: bytes, *, now: datetime) -> None:
    app().trust_roots.store(data, versions=VERSIONS, source="TUF repository", now=now)


# Showing and refreshing.


def test_the_shipped_one_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trust-root", "show"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{SHIPPED.digest}  shipped with guard"
    assert SHIPPED.as_of is not None
    age = (NOW - SHIPPED.as_of).days
    assert second == f"current as of {SHIPPED.as_of.date()}, {max(0, age)} day{'' if age == 1 else 's'} ago"


def test_a_file_has_no_age(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "root.json"
    path.write_bytes(FIRST)
    assert run(["--trust-root", str(path), "trust-root", "show"]) == 0
    assert capsys.readouterr().out == f"{digest_of(FIRST)}  {path}\n"


def test_a_refreshed_one_is_in_force(tuf: TufSimulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trust-root", "update"]) == 0
    line = f"{digest_of(FIRST)}  TUF repository {tuf.url}"
    assert capsys.readouterr().out == f"{line}\n"
    tuf.publish(SECOND)
    tuf.count_requests()
    assert in_force().data == FIRST
    assert run(["trust-root", "update"]) == run(["trust-root", "update"]) == 0
    assert tuf.count_requests() == 5 + 2
    assert run(["trust-root", "show"]) == 0
    today = datetime.now(timezone.utc).date()
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{digest_of(SECOND)}  TUF repository {tuf.url}",
        f"current as of {today}, 0 days ago",
    ]


def test_what_was_verified_before_stays_in_force(tuf: TufSimulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trust-root", "update"]) == 0
    tuf.status["*"] = 404
    assert run(["trust-root", "update"]) == 11
    told = capsys.readouterr().err
    assert "cannot be read" in told
    assert "stays in force" in told
    assert in_force().data == FIRST
    assert run(["trust-root", "show"]) == 0
    assert f"the last refresh, on {datetime.now(timezone.utc).date()}, failed: the TUF" in capsys.readouterr().out
    tuf.status.clear()
    assert run(["trust-root", "update"]) == run(["trust-root", "show"]) == 0
    assert "failed" not in capsys.readouterr().out


def test_an_older_repository_is_refused(tuf: TufSimulator, tmp_path: Path) -> None:
    old = dict(tuf.files)
    tuf.publish(SECOND)
    assert run(["trust-root", "update"]) == 0
    tuf.files = old
    assert run(["trust-root", "update"]) == 10
    # As well when what TUF remembers is lost.
    [metadata] = (tmp_path / "state").rglob("tuf")
    for path in metadata.rglob("*.json"):
        path.unlink()
    assert run(["trust-root", "update"]) == 10
    assert in_force().data == SECOND


@pytest.mark.parametrize(
    "change",
    [
        {"tlogs": []},
        {"tlogs": [{"logId": {"keyId": "AAAA"}, "publicKey": {"rawBytes": "AAAA"}}]},
        {"certificateAuthorities": [{"certChain": {"certificates": [{"rawBytes": "AAAA"}]}}]},
    ],
    ids=["none", "key", "certificate"],
)
def test_what_guard_cannot_use_is_not_stored(tuf: TufSimulator, change: dict[str, object]) -> None:
    assert run(["trust-root", "update"]) == 0
    tuf.publish(json.dumps(json.loads(SECOND) | change).encode())
    assert run(["trust-root", "update"]) == 10
    assert in_force().data == FIRST


def test_a_black_hole_costs_the_time_that_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert run(["trust-root", "update", "--tuf-url", url, "--timeout", "1"]) == 11
    assert "time limit" in capsys.readouterr().err


def test_another_process_that_never_ends_is_not_waited_for(
    tuf: TufSimulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0)
    with app().trust_roots.exclusive():
        assert run(["trust-root", "update", "--timeout", "1"]) == 11
    assert "took longer than 1 seconds" in capsys.readouterr().err


def test_it_goes_through_the_proxy_of_the_environment(tuf: TufSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", tuf.url)
    assert run(["trust-root", "update", "--tuf-url", "http://tuf.invalid"]) == 0
    assert tuf.requests[0].startswith("http://tuf.invalid/")


def test_a_mirror_of_the_public_one(tuf: TufSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGSTORE_TUF_URL", "http://tuf.invalid")
    assert run(["trust-root", "update", "--tuf-url", tuf.url]) == 0
    assert in_force().data == FIRST


def test_a_private_repository_goes_into_a_file(tuf: TufSimulator, tmp_path: Path) -> None:
    private = TufSimulator(SECOND)
    (tmp_path / "1.root.json").write_bytes(private.root)
    with serve_tuf(private):
        line = ["trust-root", "update", "--tuf-url", private.url, "--tuf-root", "1.root.json", "-o", "root.json"]
        assert run(line) == 0
        private.count_requests()
        assert run(line) == 0
        assert private.count_requests() == 2
    assert (tmp_path / "root.json").read_bytes() == SECOND
    assert in_force() == SHIPPED
    assert run(["trust-root", "update"]) == 0  # one does not stand in the other's way
    assert in_force().data == FIRST


@pytest.mark.parametrize(
    "options",
    [
        ["--tuf-root", "1.root.json"],
        ["--tuf-root", "1.root.json", "--tuf-url", "http://tuf.invalid"],
        ["--tuf-root", "1.root.json", "--output", "root.json"],
        ["--tuf-root", "none.json", "--tuf-url", "http://tuf.invalid", "--output", "root.json"],
        ["--tuf-root", "bad.json", "--tuf-url", "http://tuf.invalid", "--output", "root.json"],
        ["--tuf-url", "ftp://user:secret@tuf.invalid"],
        ["--timeout", "0"],
    ],
)
def test_what_cannot_be_carried_out(tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "1.root.json").write_bytes(TufSimulator(FIRST).root)
    (tmp_path / "bad.json").write_text("{}")
    assert run(["trust-root", "update", *options]) == 2
    assert "secret" not in capsys.readouterr().err


def test_files_that_cannot_be_written(tuf: TufSimulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trust-root", "update", "-o", str(tmp_path)]) == 2
    (tmp_path / "state" / "provenance-guard").rename(tmp_path / "away")
    (tmp_path / "state" / "provenance-guard").write_text("")
    assert run(["trust-root", "update"]) == 2
    assert "cannot be used" in capsys.readouterr().err


def test_two_processes_at_once(tuf: TufSimulator, tmp_path: Path) -> None:
    (tmp_path / "1.root.json").write_bytes(tuf.root)
    guard = [sys.executable, "-I", "-m", "guard", "trust-root", "update", "--tuf-url", tuf.url]
    lines = [[*guard, "--tuf-root", "1.root.json", "--output", f"{name}.json"] for name in "ab"]
    running = [subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for line in lines]
    assert [(process.communicate()[1], process.returncode) for process in running] == [(b"", 0)] * 2
    assert [(tmp_path / f"{name}.json").read_bytes() for name in "ab"] == [FIRST, FIRST]
    assert tuf.count_requests() == 5 + 2  # one after the other


# The trust root in force.


def test_a_tampered_one_is_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(FIRST, now=NOW)
    assert in_force().data == FIRST
    [record] = (tmp_path / "state").rglob("trust-root.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"document": SECOND.decode()}))
    assert in_force() == SHIPPED
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("guard: warning: the stored trust root")
    assert told.endswith("the trust root that guard ships is used. Next: guard trust-root update")


@pytest.mark.parametrize(
    ("distance", "is_used"),
    [
        pytest.param(timedelta(0), True, id="on the day"),
        pytest.param(-timedelta(seconds=1), False, id="before the shipped one"),
        pytest.param(timedelta(days=3650), False, id="in the future"),
    ],
)
def test_one_that_may_be_older_than_the_shipped_one_is_not_used(distance: timedelta, is_used: bool) -> None:
    assert SHIPPED.as_of is not None
    store(FIRST, now=SHIPPED.as_of + distance)
    assert (app(started=SHIPPED.as_of).load_trust_root(Policy()).data == FIRST) is is_used


def test_a_failed_refresh_is_said_with_v_only(capsys: pytest.CaptureFixture[str]) -> None:
    app().trust_roots.store_failure("the network is \x1b down", now=NOW)
    app().load_trust_root(Policy())
    assert capsys.readouterr().err == ""
    app(verbose=1).load_trust_root(Policy())
    assert "could not be refreshed: the network is \\x1b down" in capsys.readouterr().err


@pytest.mark.parametrize(("age", "expected"), [(timedelta(days=3, hours=5), 3), (-timedelta(hours=1), 0)])
def test_reports_name_source_digest_and_age(tmp_path: Path, age: timedelta, expected: int) -> None:
    root = TrustRoot("TUF repository", Digest("sha256", "a" * 64), b"", NOW - age)
    report = tmp_path / "report.json"
    app(report=report, quiet=True).conclude(Outcome(tool_status=0), command=("pip",), trust_root=root)
    assert json.loads(report.read_text())["trust_root"] == {
        "source": "TUF repository",
        "digest": "sha256:" + "a" * 64,
        "age_days": expected,
    }


# The daily refresh.


def outcome(state: EvidenceState | None) -> Outcome:
    evidence = () if state is None else (Evidence(kind=EvidenceKind.PEP740_PUBLISH, state=state),)
    artifact = Artifact(ecosystem=Ecosystem.PYPI, name="six", version="1.17.0")
    judged = Judged(facts=Facts(artifact=artifact, evidence=evidence), decision=Decision(verdict=Verdict.ALLOW))
    return Outcome(tool_status=0, judged=(judged,), planned=1)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    lines: list[Sequence[str]] = []
    monkeypatch.setattr("guard.app.start_detached", lambda arguments, _: lines.append(arguments))
    return lines


def conclude(
    policy: Policy | None = None,
    *,
    state: EvidenceState | None = EvidenceState.VERIFIED,
    environ: dict[str, str] | None = None,
    started: datetime = NOW,
    **options: Any,
) -> None:
    own = app(started=started, environ=environ, quiet=True, **options)
    own.conclude(outcome(state), command=("pip",), policy=policy or Policy(), trust_root=SHIPPED)


@pytest.mark.parametrize("state", [EvidenceState.VERIFIED, EvidenceState.INVALID])
def test_a_run_that_checked_signatures_starts_a_refresh_once_a_day(
    started: list[Sequence[str]], state: EvidenceState
) -> None:
    conclude(state=state)
    conclude(state=state, started=NOW + timedelta(hours=23))
    assert started == [("trust-root", "update")]
    conclude(state=state, started=NOW + timedelta(hours=25))
    assert len(started) == 2


@pytest.mark.parametrize(
    "state", [None, *(each for each in EvidenceState if each.value not in ("verified", "invalid"))]
)
def test_a_run_that_checked_none_does_not(started: list[Sequence[str]], state: EvidenceState | None) -> None:
    conclude(state=state)
    assert started == []


@pytest.mark.parametrize(
    "anchors",
    [Anchors(refresh=RefreshMode.NEVER), Anchors(trust_root=AnchorFile(name="root.json", named_by="guard.toml"))],
    ids=["never", "file"],
)
def test_a_policy_that_wants_none(started: list[Sequence[str]], anchors: Anchors) -> None:
    conclude(Policy(anchors=anchors))
    assert started == []


def test_a_project_that_wants_none_waits_for_trust(started: list[Sequence[str]], tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "guard.toml").write_text('version = 1\n[sigstore]\nrefresh = "never"\n')
    project = app(environ={"HOME": str(tmp_path / "home")})
    conclude(project.load_policy())
    assert len(started) == 1
    assert "guard.toml sets sigstore.refresh" in project.notes[0].message
    (tmp_path / "config" / "provenance-guard").mkdir(parents=True)
    (tmp_path / "guard.toml").rename(tmp_path / "config" / "provenance-guard" / "guard.toml")
    conclude(project.load_policy(), started=NOW + timedelta(days=2))
    assert len(started) == 1


def test_a_trust_root_of_the_command_line_needs_none(started: list[Sequence[str]]) -> None:
    conclude(trust_root=Path("root.json"))
    assert started == []


@pytest.mark.parametrize(("value", "count"), [("true", 0), ("1", 0), ("TRUE", 0), ("", 1), ("false", 1), ("0", 1)])
def test_ci_needs_none(started: list[Sequence[str]], value: str, count: int) -> None:
    conclude(Policy(anchors=Anchors(refresh=RefreshMode.DAILY)), environ={"CI": value})
    assert len(started) == count


def test_a_state_folder_that_cannot_be_written_to_starts_none(started: list[Sequence[str]], tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    conclude()
    assert started == []


def test_the_refresh_is_a_process_that_nobody_waits_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    processes: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def remember(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(popen(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", remember)
    with serve_tuf(TufSimulator(FIRST)) as simulator:  # which the shipped root does not believe
        start_detached(("trust-root", "update", "--tuf-url", simulator.url), dict(os.environ))
        [process] = processes
        assert os.getsid(process.pid) != os.getsid(0)
        assert process.wait(60) == 10
        assert simulator.requests
    attempt = app().trust_roots.load_attempt()
    assert attempt is not None
    assert "does not verify" in attempt.problem
    assert capfd.readouterr() == ("", "")


def test_a_process_that_cannot_be_started_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    start_detached(("trust-root", "update"), {})


# The cache.


def test_the_cache_is_shown_and_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "info"]) == 0
    assert "0 verifications" in capsys.readouterr().out
    own = app()
    stored = own.file_store.store(lambda stream: stream.writelines([b"x" * 3_000_000]), algorithms=frozenset())
    own.facts.store_answer(Answer.ABSENT, "https://index.example.test/", b"", now=NOW)
    assert run(["cache", "info"]) == 0
    shown = capsys.readouterr().out
    assert "downloaded files: 1 files, 3.0 MB" in shown
    assert "1 verifications and answers" in shown
    store(FIRST, now=NOW)
    assert run(["cache", "clear"]) == run(["cache", "clear"]) == 0
    assert not stored.path.exists()
    assert own.facts.count() == 0
    assert in_force().data == FIRST


def test_a_file_that_goes_while_it_is_measured_counts_nothing(tmp_path: Path) -> None:
    assert size_bytes(tmp_path / "gone") == 0


def test_a_cache_that_cannot_be_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cache" / "provenance-guard").mkdir(parents=True)
    (tmp_path / "cache" / "provenance-guard" / "files").write_text("")
    assert run(["cache", "clear"]) == 2
    assert "cannot be removed" in capsys.readouterr().err
