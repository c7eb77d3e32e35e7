"""JUnit XML, as CI services read it: one case for each artifact, and one for each finding on the run itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timezone
from xml.etree import ElementTree as ET

from guard.model import Finding, Judged, Level, Location, Verdict
from guard.report.model import RunReport, without_credentials
from guard.report.text import printable

_OUTCOMES = {Verdict.BLOCK: ("failure", Level.BLOCK), Verdict.UNDECIDED: ("error", Level.UNDECIDED)}
_VERDICTS = {level: verdict for verdict, (_, level) in _OUTCOMES.items()}


def render_junit(report: RunReport) -> str:
    """Return the report as JUnit XML: a blocked artifact fails, an undecided one is an error, all else passes.

    There is no standard; attributes are those of Jenkins' and pytest's xunit2 schema, and ``file`` and ``line``, which
    GitLab shows.
    """
    cases = [_case_of_run(finding) for finding in report.findings]
    cases += [_case(judged) for judged in report.artifacts]
    if report.verdict in _OUTCOMES and not any(_has_stopped(case) for case in cases):
        cases.append(_element(report.verdict.label, None, "run"))
        _add_findings(cases[-1], (), report.verdict)  # a run that did not happen is no success
    totals = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
    }
    seconds = f"{max(0.0, (report.finished - report.started).total_seconds()):.3f}"
    started = report.started.astimezone(timezone.utc).isoformat(timespec="seconds").removesuffix("+00:00")
    suites = ET.Element("testsuites", {"name": "guard", **totals, "time": seconds})
    suite = ET.SubElement(
        suites, "testsuite", {"name": "guard", **totals, "skipped": "0", "time": seconds, "timestamp": started}
    )
    suite.extend(cases)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _has_stopped(case: ET.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def _case(judged: Judged) -> ET.Element:
    artifact = judged.artifact
    case = _element(artifact.file or artifact.spec, artifact.location, artifact.purl)
    _add_findings(case, judged.decision.findings, judged.decision.verdict)
    return case


def _case_of_run(finding: Finding) -> ET.Element:
    case = _element(finding.rule.value, finding.location, "run")
    _add_findings(case, (finding,), _VERDICTS.get(finding.level, Verdict.ALLOW))
    return case


def _element(name: str, location: Location | None, subject: str) -> ET.Element:
    attributes = {"classname": subject if location is None else f"{location.path}: {subject}", "name": name}
    if location is not None:
        attributes["file"] = location.path
        if location.line:
            attributes["line"] = str(location.line)
    return ET.Element("testcase", {key: _text(value) for key, value in attributes.items()})


def _add_findings(case: ET.Element, findings: Sequence[Finding], verdict: Verdict) -> None:
    """Say the findings that made the verdict as the outcome of a case, and the others as its output."""
    kind, level = _OUTCOMES.get(verdict, ("", Level.NOTE))
    stopping = [finding for finding in findings if kind and finding.level is level]
    if kind:
        reason = stopping[0].rule.value if stopping else verdict.label
        message = _text(stopping[0].message) if stopping else "not allowed, without a finding that says why"
        outcome = ET.SubElement(case, kind, {"type": reason, "message": message})
        outcome.text = "\n".join(map(_said, stopping))
    others = [finding for finding in findings if finding not in stopping]
    if others:
        ET.SubElement(case, "system-out").text = "\n".join(map(_said, others))


def _said(finding: Finding) -> str:
    step = f"; next: {finding.next}" if finding.next else ""
    return _text(f"{finding.level.label}: {finding.rule.value}: {finding.message}{step}")


def _text(value: str) -> str:
    """Return text that XML 1.0 can hold (section 2.2, "Characters"), without credentials."""
    return printable(without_credentials(value))
