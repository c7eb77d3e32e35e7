"""SARIF, GitHub and JUnit: what is blocked stands at its line, and no name of a package can say anything by itself."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import ExitCode
from guard.model import Decision, Finding, Level, Location, RuleId, Verdict
from guard.policy.policy import PolicyClass, PolicySource
from guard.report.github import render_annotations, render_step_summary
from guard.report.junit import render_junit
from guard.report.model import RunReport
from guard.report.sarif import render_sarif
from tests.unit.test_report_formats import BLOCKED, DIGEST, RUN, SECRET, finding, judged

HOSTILE = "a\x1b[2J\r\n::error::x%0A,:|<b>`*[x](https://evil.example)\u202e\x00\ud800"
SAID = HOSTILE + SECRET
# The schema of the standard, as it is in this package of npm's registry (MIT).
SCHEMA_PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"
SCHEMA_MEMBER = "package/lib/schemas/sarif-2.1.0-rtm.5.json"
SCHEMA_SHA256 = "2d99159ae54a3eea97f81781cff48780548657c35949f4b7f25e99a2ba4de4f8"


def hostile(level: Level) -> RunReport:
    what = Finding(rule=RuleId.HASH_MISMATCH, level=level, message=SAID, next=SAID, location=Location(HOSTILE, 3, 2))
    each = judged("x", what)
    artifact = replace(each.artifact, name=HOSTILE, file=HOSTILE, location=Location(HOSTILE, 1))
    facts = replace(each.facts, artifact=artifact)
    return replace(RUN, artifacts=(replace(each, facts=facts),), findings=(what,), verdict=Verdict.BLOCK)


HOSTILE_REPORTS = [hostile(level) for level in Level]


@pytest.fixture(scope="session")
def sarif_schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("sarif")
    command = ["npm", "pack", "--silent", SCHEMA_PACKAGE, "--pack-destination", str(folder)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=240)
    (package,) = folder.glob("*.tgz")
    with tarfile.open(package) as archive:
        member = archive.extractfile(SCHEMA_MEMBER)
        assert member is not None
        content = member.read()
    assert hashlib.sha256(content).hexdigest() == SCHEMA_SHA256
    return json.loads(content)


def as_sarif(report: RunReport) -> Any:
    text = render_sarif(report)
    assert text.isascii()
    return json.loads(text)["runs"][0]


@pytest.mark.online
@pytest.mark.parametrize("report", [RUN, BLOCKED, *HOSTILE_REPORTS], ids=range(6))
def test_sarif_is_valid_by_the_schema_of_the_standard(report: RunReport, sarif_schema: Any) -> None:
    checker = jsonschema.Draft4Validator(sarif_schema, format_checker=jsonschema.FormatChecker())
    checker.validate(json.loads(render_sarif(report)))


def test_a_result_stands_at_its_line_and_names_its_rule_and_package() -> None:
    run = as_sarif(BLOCKED)
    warned, unsure, evil = run["results"]
    assert [each["level"] for each in (warned, unsure, evil)] == ["warning", "error", "error"]
    assert evil["ruleId"] == "hash-mismatch"
    assert run["tool"]["driver"]["rules"][evil["ruleIndex"]]["id"] == "hash-mismatch"
    assert evil["message"]["text"] == "evil-1.0.whl: differs Next: do not install it"
    (location,) = evil["locations"]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": "r.txt"}, "region": {"startLine": 3}}
    assert location["logicalLocations"] == [{"fullyQualifiedName": "pkg:pypi/evil@1.0", "kind": "package"}]
    assert run["properties"] == {"verdict": "block", "artifacts": 4}
    assert run["columnKind"] == "unicodeCodePoints"


def test_every_rule_is_explained() -> None:
    rules = as_sarif(RUN)["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.value for rule in RuleId]
    assert all(f"docs/rules.md#{rule['id']}" in rule["help"]["text"] for rule in rules)


@pytest.mark.parametrize(
    ("code", "successful"),
    [(0, True), (ExitCode.BLOCKED, True), (ExitCode.UNDECIDED, True), (ExitCode.INTERNAL, False), (2, False)],
)
def test_an_invocation_is_successful_when_guard_came_to_a_verdict(code: int, successful: bool) -> None:
    (invocation,) = as_sarif(replace(RUN, exit_code=code))["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (successful, code)
    assert invocation["startTimeUtc"] == "2026-06-01T12:00:00Z"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/c/sub/uv.lock", "sub/uv.lock"),
        ("/elsewhere/uv.lock", "/elsewhere/uv.lock"),
        ("./uv.lock", "uv.lock"),
        ("a b%/uv.lock", "a%20b%25/uv.lock"),
    ],
)
def test_paths_are_from_the_working_directory(path: str, shown: str) -> None:
    what = replace(finding(Level.BLOCK), location=Location(path, 1, 7))
    (result,) = as_sarif(replace(RUN, findings=(what,)))["results"]
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": shown}
    assert physical["region"] == {"startLine": 1, "startColumn": 7}


def test_a_result_on_the_run_stands_at_the_policy() -> None:
    what = replace(finding(Level.BLOCK), location=None)
    policy = PolicySource(path="/c/guard.toml", digest=DIGEST, policy_class=PolicyClass.PROJECT)
    for policies, uri in (((), "."), ((policy,), "guard.toml")):
        (result,) = as_sarif(replace(RUN, findings=(what,), policy=policies))["results"]
        assert result["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": uri}}


def fingerprint(name: str, what: Finding, version: str = "1.0") -> str:
    each = judged(name, what)
    artifact = replace(each.artifact, version=version, file=f"{name}-{version}.whl")
    report = replace(RUN, artifacts=(replace(each, facts=replace(each.facts, artifact=artifact)),))
    return str(as_sarif(report)["results"][0]["partialFingerprints"]["guardFinding/v1"])


def test_a_fingerprint_is_of_rule_package_and_file_and_not_of_line_or_version() -> None:
    what = finding(Level.BLOCK)
    same = fingerprint("a", what)
    assert fingerprint("a", replace(what, location=Location("r.txt", 90))) == same
    assert fingerprint("a", what, version="2.0") == same
    assert fingerprint("a", replace(what, message="other")) == same
    others = [
        fingerprint("b", what),
        fingerprint("a", replace(what, rule=RuleId.HASH_WEAK)),
        fingerprint("a", replace(what, location=Location("other.txt", 3))),
    ]
    assert len({same, *others}) == 4


def test_notes_are_no_results() -> None:
    report = replace(RUN, artifacts=(judged("a", finding(Level.NOTE)),), findings=(finding(Level.NOTE),))
    assert as_sarif(report)["results"] == []
    assert render_annotations(report) == ""
    assert "|" not in render_step_summary(report)


def test_annotations_stand_at_their_lines_the_worst_first() -> None:
    assert render_annotations(BLOCKED).splitlines() == [
        "::error file=r.txt,line=3,title=guard%3A hash-mismatch::evil-1.0.whl: differs%0Anext: do not install it",
        "::error file=r.txt,line=3,title=guard%3A registry-unavailable::unsure-1.0.whl: down%0Anext: try again later",
        "::warning file=r.txt,line=3,title=guard%3A hash-weak::warned-1.0.whl: weak",
    ]


@pytest.mark.parametrize(
    ("location", "properties"),
    [
        (None, "title=guard%3A hash-mismatch"),
        (Location("a,b:c%.txt"), "file=a%2Cb%3Ac%25.txt,title=guard%3A hash-mismatch"),
        (Location("r.txt", 3, 9), "file=r.txt,line=3,col=9,title=guard%3A hash-mismatch"),
    ],
)
def test_what_an_annotation_says_of_its_place(location: Location | None, properties: str) -> None:
    what = replace(finding(Level.BLOCK), location=location)
    assert render_annotations(replace(RUN, findings=(what,))) == f"::error {properties}::differs\n"


def test_the_summary_says_the_verdict_the_counts_and_every_finding() -> None:
    text = render_step_summary(BLOCKED)
    assert text.startswith("### guard: blocked\n\n4 files")
    assert [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")][1:] == [
        "| block",
        "| undecided",
        "| warn",
    ]
    assert render_step_summary(replace(RUN, verdict=Verdict.ALLOW)).startswith("### guard: allowed\n")


def test_a_long_summary_is_cut_and_says_so() -> None:
    report = replace(BLOCKED, findings=(replace(finding(Level.BLOCK), message="x" * 10_000),) * 1000)
    text = render_step_summary(report)
    assert "And 803 more." in text
    assert len(text) < 1024 * 1024


def as_junit(report: RunReport) -> ET.Element:
    return ET.fromstring(render_junit(report).encode())


def test_every_artifact_is_a_case() -> None:
    suites = as_junit(BLOCKED)
    (suite,) = suites
    assert {key: suites.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
    }
    cases = {case.get("name"): case for case in suite}
    assert [child.tag for child in cases["warned-1.0.whl"]] == ["system-out"]
    assert [child.tag for child in cases["unsure-1.0.whl"]] == ["error"]
    assert list(cases["good-1.0.whl"]) == []
    (failure,) = cases["evil-1.0.whl"]
    assert (failure.tag, failure.get("type"), failure.get("message")) == ("failure", "hash-mismatch", "differs")
    assert failure.text == "block: hash-mismatch: differs; next: do not install it"
    assert cases["evil-1.0.whl"].get("classname") == "pkg:pypi/evil@1.0"


def test_a_case_knows_its_line_and_says_lesser_findings_as_output() -> None:
    each = judged("a", finding(Level.WARN, message="lesser"), finding(Level.BLOCK))
    artifact = replace(each.artifact, location=Location("uv.lock", 8))
    report = replace(RUN, artifacts=(replace(each, facts=replace(each.facts, artifact=artifact)),))
    (case,) = as_junit(report)[0]
    assert (case.get("file"), case.get("line")) == ("uv.lock", "8")
    assert case.get("classname") == "uv.lock: pkg:pypi/a@1.0"
    assert [child.tag for child in case] == ["failure", "system-out"]
    assert case[1].text == "warn: hash-mismatch: lesser"


@pytest.mark.parametrize(("level", "tag"), [(Level.BLOCK, "failure"), (Level.UNDECIDED, "error")])
def test_a_finding_on_the_run_is_a_case(level: Level, tag: str) -> None:
    (case,) = as_junit(replace(RUN, verdict=Verdict.BLOCK, findings=(finding(level),)))[0]
    assert (case.get("name"), case[0].tag) == ("hash-mismatch", tag)


def test_a_decision_made_of_nothing_and_a_run_that_did_not_happen_fail() -> None:
    undecided = replace(judged("a"), decision=Decision())
    for report in (replace(RUN, artifacts=(undecided,)), replace(RUN, verdict=Verdict.BLOCK)):
        suites = as_junit(report)
        assert suites.get("failures") == "1"
        assert suites[0][0][0].tag == "failure"
    assert as_junit(replace(RUN, verdict=Verdict.ALLOW)).get("tests") == "0"


@pytest.mark.parametrize("report", HOSTILE_REPORTS, ids=range(4))
def test_no_hostile_name_says_anything_by_itself(report: RunReport) -> None:
    annotations, summary, junit = render_annotations(report), render_step_summary(report), render_junit(report)
    for text in (annotations, summary, junit, render_sarif(report)):
        assert all(character.isprintable() or character == "\n" for character in text)
        assert "s3cret" not in text
        text.encode()  # no half of a pair
    assert all(re.match(r"::(?:error|warning) file=", line) for line in annotations.splitlines())
    assert all(line.count("::") >= 2 for line in annotations.splitlines())
    assert not re.search(r"[<>*`\[\]]", summary.replace("### ", ""))
    assert all(len(re.findall(r"(?<!&)\|", line)) in (0, 6) for line in summary.splitlines())
    ET.fromstring(junit.encode())


@given(st.text(st.characters(exclude_categories=()), max_size=30))
def test_any_text_stays_inside_its_place(text: str) -> None:
    what = Finding(rule=RuleId.HASH_MISMATCH, level=Level.BLOCK, message=text, location=Location(text or "f", 1))
    report = replace(RUN, findings=(what,), verdict=Verdict.BLOCK)
    assert len(render_annotations(report).splitlines()) == 1
    assert len(render_step_summary(report).splitlines()) == 7
    assert len(as_junit(report)[0]) == 1
    json.loads(render_sarif(report))
