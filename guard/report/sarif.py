"""SARIF 2.1.0 (OASIS), as code scanning services read it: one result for each finding that is more than a note."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from urllib.parse import quote

from guard.errors import ExitCode
from guard.model import Artifact, Finding, Level, Location, RuleId
from guard.report.model import RunReport, without_credentials
from guard.report.rule_meanings import RULE_MEANINGS
from guard.report.text import printable

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Level.BLOCK: "error", Level.UNDECIDED: "error", Level.WARN: "warning"}
_FAILURES_OF_GUARD = (ExitCode.USAGE, ExitCode.INTERNAL, ExitCode.TOOL_NOT_FOUND)

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]


def render_sarif(report: RunReport) -> str:
    """Return the report as SARIF text, ASCII only.

    Notes are no results: an index without provenance would make one for every file. The fingerprint of a result names
    the rule, the artifact's name and file, and the lockfile, so that it stays the same when lines move and when another
    version has the same problem.

    Source: SARIF 2.1.0, sections 3.13 "sarifLog object", 3.27 "result object", 3.49 "reportingDescriptor object".
    """
    run: dict[str, Json] = {
        "tool": {
            "driver": {
                "name": "guard",
                "version": report.guard_version,
                "rules": [_rule(rule) for rule in RuleId],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": report.exit_code not in _FAILURES_OF_GUARD,
                "exitCode": int(report.exit_code),
                "startTimeUtc": _time(report.started),
                "endTimeUtc": _time(report.finished),
            }
        ],
        "results": list(_results(report)),
        "properties": {"verdict": report.verdict.label, "artifacts": report.summary().artifacts},
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: RuleId) -> dict[str, Json]:
    words = rule.value.replace("-", " ")
    meaning = RULE_MEANINGS.get(rule, f"{words}.")
    section = f"docs/rules.md#{rule.value}"
    return {
        "id": rule.value,
        "name": "".join(word.capitalize() for word in rule.value.split("-")),
        "shortDescription": {"text": words},
        "fullDescription": {"text": meaning},
        "help": {
            "text": f"{meaning} How to mend it, and how to except it: {section}",
            "markdown": f"{meaning} How to mend it, and how to except it: `{section}`",
        },
        "defaultConfiguration": {"level": "error"},
    }


def _results(report: RunReport) -> Iterator[dict[str, Json]]:
    for finding in report.findings:
        yield from _result(finding, None, report)
    for judged in report.artifacts:
        for finding in judged.decision.findings:
            yield from _result(finding, judged.artifact, report)


def _result(finding: Finding, artifact: Artifact | None, report: RunReport) -> Iterator[dict[str, Json]]:
    level = _LEVELS.get(finding.level)
    if level is None:
        return
    location = finding.location or (artifact.location if artifact else None)
    path = _path(location, report)
    physical: dict[str, Json] = {"artifactLocation": {"uri": quote(path, errors="backslashreplace")}}
    if location is not None and location.line:
        column: dict[str, Json] = {"startColumn": location.column} if location.column else {}
        physical["region"] = {"startLine": location.line, **column}
    place: dict[str, Json] = {"physicalLocation": physical}
    if artifact is not None:
        place["logicalLocations"] = [{"fullyQualifiedName": artifact.purl, "kind": "package"}]
    yield {
        "ruleId": finding.rule.value,
        "ruleIndex": list(RuleId).index(finding.rule),
        "level": level,
        "message": {"text": _message(finding, artifact)},
        "locations": [place],
        "partialFingerprints": {"guardFinding/v1": _fingerprint(finding, artifact, path)},
        "properties": {"level": finding.level.label},
    }


def _message(finding: Finding, artifact: Artifact | None) -> str:
    subject = "" if artifact is None else f"{artifact.file or artifact.spec}: "
    step = f" Next: {finding.next}" if finding.next else ""
    return printable(without_credentials(f"{subject}{finding.message}{step}"))


def _path(location: Location | None, report: RunReport) -> str:
    """Return a path below the working directory as relative, which is what services join to the repository's root.

    Some services refuse a result without a place: one on the run has that of the first policy file, or the folder.
    """
    path = location.path if location else next((source.path for source in report.policy), None) or "."
    relative = posixpath.relpath(path, report.cwd) if posixpath.isabs(path) and posixpath.isabs(report.cwd) else path
    return path if relative.startswith("..") else posixpath.normpath(relative)


def _fingerprint(finding: Finding, artifact: Artifact | None, path: str) -> str:
    subject = ["", "", ""]
    if artifact is not None:
        file = (artifact.file or "").replace(artifact.version, "") if artifact.version else artifact.file or ""
        subject = [artifact.ecosystem.value, artifact.name, file]
    said = finding.message if artifact is None else ""
    words = json.dumps([finding.rule.value, *subject, path, said])
    return hashlib.sha256(words.encode()).hexdigest()


def _time(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
