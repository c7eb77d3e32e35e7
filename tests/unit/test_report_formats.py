"""The JSON and the text report."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from importlib import resources
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from guard.errors import EvidenceCode
from guard.model import (
    Artifact,
    Claims,
    Decision,
    Digest,
    Ecosystem,
    Evidence,
    EvidenceKind,
    EvidenceState,
    Facts,
    Finding,
    HeldBack,
    Judged,
    Level,
    Location,
    RuleId,
    SourceKind,
    UnavailableCause,
    Verdict,
)
from guard.policy.policy import PolicyClass, PolicySource
from guard.report.json_report import render_json
from guard.report.model import RunReport, Tool, TrustRootUsed
from guard.report.text import printable, render_text

DIGEST = Digest("sha256", "a" * 64)
NOON = datetime(2026, 6, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
CLAIMS = Claims(
    san="https://github.com/acme/six/.github/workflows/r.yml@refs/tags/v1",
    issuer="https://token.actions.githubusercontent.com",
    source_repository_uri="https://github.com/acme/six",
    source_repository_digest="c0ffee",
    signed_at=NOON,
    log_index=7,
)
VERIFIED = Evidence(
    kind=EvidenceKind.PEP740_PUBLISH,
    state=EvidenceState.VERIFIED,
    claims=CLAIMS,
    digest=DIGEST,
    signed_at=NOON,
    log_index=7,
)
ABSENT = Evidence(kind=EvidenceKind.PEP740_PUBLISH, state=EvidenceState.ABSENT)
SECRET = "https://user:s3cret@index.example/simple/"
RUN = RunReport(
    guard_version="0.1", command=("pip", "install", "six", "-i", SECRET), cwd="/c", started=NOON, finished=NOON
)


def finding(level: Level, rule: RuleId = RuleId.HASH_MISMATCH, message: str = "differs", step: str = "") -> Finding:
    return Finding(rule=rule, level=level, message=message, next=step, location=Location("r.txt", 3))


def judged(name: str, *findings: Finding, evidence: Evidence = ABSENT, installed: bool = True) -> Judged:
    artifact = Artifact(ecosystem=Ecosystem.PYPI, name=name, version="1.0", file=f"{name}-1.0.whl", digests=(DIGEST,))
    verdict = min((Verdict(each.level.value) for each in findings), default=Verdict.ALLOW)
    return Judged(
        facts=Facts(artifact=artifact, evidence=(evidence,)),
        decision=Decision(verdict=verdict, findings=findings),
        installed=installed,
    )


BLOCKED = replace(
    RUN,
    verdict=Verdict.BLOCK,
    exit_code=10,
    artifacts=(
        judged("warned", finding(Level.WARN, RuleId.HASH_WEAK, "weak")),
        judged("unsure", finding(Level.UNDECIDED, RuleId.REGISTRY_UNAVAILABLE, "down", "try again later")),
        judged("evil", finding(Level.BLOCK, step="do not install it")),
        judged("good", evidence=VERIFIED),
    ),
)


def schema() -> Any:
    return json.loads(resources.files("guard.data").joinpath("guard-report-1.schema.json").read_text())


def as_json(report: RunReport) -> Any:
    value = json.loads(render_json(report))
    jsonschema.Draft202012Validator(schema()).validate(value)
    return value


def as_text(report: RunReport, *, verbose: bool = False) -> list[str]:
    out = io.StringIO()
    render_text(report, Console(file=out, width=40, force_terminal=False), verbose=verbose)
    return out.getvalue().splitlines()


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    ("definition", "field", "values"),
    [
        ("finding", "rule", [rule.value for rule in RuleId]),
        ("finding", "level", [level.label for level in Level]),
        ("artifact", "verdict", [verdict.label for verdict in Verdict]),
        ("artifact", "ecosystem", [ecosystem.value for ecosystem in Ecosystem]),
        ("artifact", "source", [source.value for source in SourceKind]),
        ("artifact", "provenance", [state.value for state in EvidenceState]),
        ("evidence", "kind", [kind.value for kind in EvidenceKind]),
        ("evidence", "state", [state.value for state in EvidenceState]),
        ("evidence", "code", [*(code.value for code in EvidenceCode), None]),
        ("evidence", "cause", [*(cause.value for cause in UnavailableCause), None]),
    ],
)
def test_the_schema_lists_every_value(definition: str, field: str, values: list[str]) -> None:
    assert schema()["$defs"][definition]["properties"][field]["enum"] == values


def test_the_schema_lists_every_class_and_run_verdict() -> None:
    properties = schema()["properties"]
    assert properties["policy"]["items"]["properties"]["class"]["enum"] == [each.value for each in PolicyClass]
    assert set(properties["verdict"]["enum"]) == {"allow", "block", "undecided"}


def test_an_empty_run_is_valid() -> None:
    value = as_json(RUN)
    assert (value["schema"], value["verdict"], value["exit_code"]) == ("guard-report/1", "block", 70)
    assert value["run"]["started"] == "2026-06-01T12:00:00Z"
    assert value["summary"] == {
        "artifacts": 0,
        **dict.fromkeys(["block", "undecided", "warn", "allow"], 0),
        "by_state": dict.fromkeys(["verified", "absent", "stripped", "unavailable", "invalid"], 0),
        "not_decided": 0,
    }


def test_a_full_run() -> None:
    report = replace(
        BLOCKED,
        tool=Tool(name="pip", version="26.1"),
        policy=(PolicySource("guard.toml", DIGEST, PolicyClass.PROJECT),),
        trust_root=TrustRootUsed(source="built in", digest=DIGEST, age_days=3),
        findings=(finding(Level.NOTE, RuleId.POLICY_LOOSENED),),
        held_back=(HeldBack(purl="pkg:pypi/x@1", rule=RuleId.SOURCE_NOT_ALLOWED, reason="needs a URL"),),
    )
    value = as_json(report)
    assert value["policy"] == [{"path": "guard.toml", "digest": str(DIGEST), "class": "project"}]
    assert value["trust_root"] == {"source": "built in", "digest": str(DIGEST), "age_days": 3}
    assert value["held_back"] == [
        {"purl": "pkg:pypi/x@1", "rule": "source-not-allowed", "reason": "needs a URL", "until": None}
    ]
    assert value["findings"][0]["rule"] == "policy-loosened"
    assert value["run"]["tool"] == {"name": "pip", "version": "26.1"}
    assert value["summary"]["by_state"] == {
        "verified": 1,
        "absent": 3,
        "stripped": 0,
        "unavailable": 0,
        "invalid": 0,
    }
    evil, good = value["artifacts"][2:]
    assert evil["findings"] == [
        {
            "rule": "hash-mismatch",
            "level": "block",
            "message": "differs",
            "next": "do not install it",
            "help": "docs/rules.md#hash-mismatch",
            "location": {"path": "r.txt", "line": 3, "column": None},
        }
    ]
    assert (evil["verdict"], evil["identity"], evil["provenance"]) == ("block", None, "absent")
    assert good["digests"] == {"sha256": "a" * 64}
    assert good["identity"]["repository"] == "https://github.com/acme/six"
    assert good["identity"]["commit"] == "c0ffee"
    assert good["evidence"][0]["claims"] == good["identity"]
    assert (good["evidence"][0]["signed_at"], good["evidence"][0]["log_index"]) == ("2026-06-01T12:00:00Z", 7)


BUILT = replace(
    CLAIMS,
    build_config_uri="https://github.com/acme/six/.github/workflows/r.yml@refs/tags/v1",
    runner_environment="github-hosted",
)


@pytest.mark.parametrize(
    ("evidence", "level"),
    [
        pytest.param(replace(VERIFIED, kind=EvidenceKind.SLSA_PROVENANCE, claims=BUILT), 2, id="built"),
        pytest.param(replace(VERIFIED, claims=BUILT), 0, id="published-not-built"),
        pytest.param(
            replace(VERIFIED, kind=EvidenceKind.SLSA_PROVENANCE, claims=BUILT, state=EvidenceState.INVALID),
            0,
            id="not-verified",
        ),
        pytest.param(ABSENT, 0, id="absent"),
    ],
)
def test_the_build_level_is_that_of_verified_provenance(evidence: Evidence, level: int) -> None:
    (artifact,) = as_json(replace(RUN, artifacts=(judged("x", evidence=evidence),)))["artifacts"]
    assert artifact["slsa_level"] == level


def test_evidence_names_the_registrys_key() -> None:
    published = replace(VERIFIED, kind=EvidenceKind.NPM_PUBLISH, claims=None, key_id="SHA256:ours")
    (artifact,) = as_json(replace(RUN, artifacts=(judged("x", evidence=published),)))["artifacts"]
    (evidence,) = artifact["evidence"]
    assert (evidence["key_id"], evidence["claims"]) == ("SHA256:ours", None)
    assert (evidence["signed_at"], evidence["log_index"]) == ("2026-06-01T12:00:00Z", 7)


def test_the_identity_is_not_taken_from_evidence_that_was_not_verified() -> None:
    forged = replace(VERIFIED, state=EvidenceState.INVALID, code=EvidenceCode.SIGNATURE)
    (artifact,) = as_json(replace(RUN, artifacts=(judged("x", evidence=forged),)))["artifacts"]
    assert artifact["identity"] is None


def test_credentials_are_in_no_format() -> None:
    bad = finding(Level.BLOCK, message=f"{SECRET} failed", step=f"pip install -i {SECRET}")
    artifact = judged("x", bad)
    origin = replace(artifact.facts.artifact, origin=SECRET)
    held = HeldBack(purl="pkg:pypi/x", rule=RuleId.HASH_WEAK, reason=SECRET)
    report = replace(
        RUN,
        artifacts=(replace(artifact, facts=replace(artifact.facts, artifact=origin)),),
        findings=(bad,),
        held_back=(held,),
    )
    text = render_json(report) + "\n".join(as_text(report, verbose=True))
    assert "s3cret" not in text
    assert "https://index.example/simple/ failed" in text


def test_what_was_blocked_comes_first_and_the_last_line_is_the_outcome() -> None:
    assert as_text(BLOCKED) == [
        "guard: block: evil==1.0: hash-mismatch",
        "guard:   differs",
        "guard:   at: r.txt:3",
        "guard:   next: do not install it",
        "guard: undecided: unsure==1.0: registry-unavailable",
        "guard:   down",
        "guard:   at: r.txt:3",
        "guard:   next: try again later",
        "guard: warn: warned==1.0: hash-weak",
        "guard:   weak",
        "guard:   at: r.txt:3",
        "guard: blocked — 4 files: 1 verified, 3 without provenance; 1 blocked, 1 undecided, 1 with warnings",
    ]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (RUN, "guard: blocked — 0 files"),
        (replace(RUN, verdict=Verdict.UNDECIDED), "guard: undecided — 0 files"),
        (replace(RUN, verdict=Verdict.ALLOW), "guard: allowed — 0 files"),
        (
            replace(RUN, verdict=Verdict.ALLOW, artifacts=(judged("a", evidence=VERIFIED),)),
            "guard: allowed — 1 file: 1 verified",
        ),
    ],
)
def test_a_run_without_findings_is_one_line(report: RunReport, expected: str) -> None:
    assert as_text(report) == [expected]


def test_a_tool_that_fails_by_itself_is_told_from_a_refusal() -> None:
    failed = replace(RUN, verdict=Verdict.ALLOW, exit_code=1, tool=Tool(name="pip", version="26.3"), artifacts=())
    assert as_text(failed) == ["guard: allowed — 0 files; nothing was refused, pip itself ended with status 1"]
    assert "itself" not in as_text(replace(failed, exit_code=0))[-1]
    assert "itself" not in as_text(replace(failed, verdict=Verdict.BLOCK, exit_code=10))[-1]


def test_notes_on_artifacts_are_said_only_when_asked_for() -> None:
    report = replace(RUN, verdict=Verdict.ALLOW, artifacts=(judged("a", finding(Level.NOTE), evidence=VERIFIED),))
    assert len(as_text(report)) == 1
    verbose = as_text(report, verbose=True)
    assert "guard: note: a==1.0: hash-mismatch" in verbose
    line = "guard: allow: a-1.0.whl: provenance verified by https://github.com/acme/six, bound by gateway"
    assert line in verbose


def test_a_file_that_was_only_built_is_said() -> None:
    report = replace(RUN, verdict=Verdict.ALLOW, artifacts=(judged("a", installed=False),))
    assert as_text(report, verbose=True)[0].endswith("built and not installed")


def test_notes_on_the_run_and_what_was_held_back_are_said() -> None:
    held = HeldBack(purl="pkg:pypi/x@1", rule=RuleId.SOURCE_NOT_ALLOWED, reason="needs a URL")
    note = finding(Level.NOTE, RuleId.POLICY_LOOSENED, "looser")
    assert as_text(replace(RUN, verdict=Verdict.ALLOW, findings=(note,), held_back=(held,))) == [
        "guard: note: policy-loosened",
        "guard:   looser",
        "guard:   at: r.txt:3",
        "guard: held back: pkg:pypi/x@1 (source-not-allowed): needs a URL",
        "guard: allowed — 0 files",
    ]


@pytest.mark.parametrize("rule", [RuleId.PROVENANCE_UNAVAILABLE, RuleId.REGISTRY_SIGNATURE_UNAVAILABLE])
def test_what_a_registry_does_not_serve_is_said_once(rule: RuleId) -> None:
    note = finding(Level.NOTE, rule, "the index serves none")
    report = replace(RUN, verdict=Verdict.ALLOW, artifacts=tuple(judged(name, note) for name in "abc"))
    lines = as_text(report)
    assert lines[0] == f"guard: note: a==1.0 and 2 more: {rule.value}"
    assert sum("serves none" in line for line in lines) == 1


@pytest.mark.parametrize(
    "hostile",
    ["\x1b[2J", "\x1b]0;title\x07", "\r", "\nguard: allowed", "\u202e", "\u200b", "\x9b31m", "\u2028"],
    ids=ascii,
)
def test_names_and_messages_cannot_steer_the_terminal(hostile: str) -> None:
    report = replace(RUN, artifacts=(judged(f"x{hostile}", finding(Level.BLOCK, message=hostile)),))
    out = io.StringIO()
    render_text(report, Console(file=out, width=200, force_terminal=False), verbose=True)
    assert hostile not in out.getvalue()
    assert all(line.startswith("guard: ") for line in out.getvalue().split("\n")[:-1])
    assert hostile not in render_json(report).replace("\n", " ").replace("  ", "")


def test_half_a_character_is_spelled_out() -> None:
    report = replace(RUN, artifacts=(judged("x", finding(Level.BLOCK, message="\ud800")),))
    assert "guard:   \\ud800" in as_text(report)
    assert render_json(report).isascii()


def test_rich_markup_in_a_name_is_text() -> None:
    report = replace(RUN, artifacts=(judged("x", finding(Level.BLOCK, message="[bold]x[/nope]")),))
    assert "guard:   [bold]x[/nope]" in as_text(report)


@given(st.text())
def test_printable_text_is_printable(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)
