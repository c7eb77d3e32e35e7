"""What a GitHub workflow shows: annotations on the lines of a lockfile, and a summary of the step in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.model import Artifact, Finding, Level, Location, Verdict
from guard.report.model import RunReport, without_credentials
from guard.report.text import counts, printable

_COMMANDS = {Level.BLOCK: "error", Level.UNDECIDED: "error", Level.WARN: "warning"}
_TITLES = {Verdict.BLOCK: "blocked", Verdict.UNDECIDED: "undecided", Verdict.WARN: "allowed", Verdict.ALLOW: "allowed"}
# A summary may have 1 MiB, and nobody reads more; the JSON report has them all.
_ROWS_MAX_COUNT = 200
_CELL_MAX_CHARACTERS = 500
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def render_annotations(report: RunReport) -> str:
    """Return one workflow command for each finding that is more than a note, the worst first.

    Values are escaped as ``@actions/core`` does it, so that none can end a command or begin another one; what steers a
    terminal is spelled out.

    Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions and
    ``packages/core/src/command.ts`` of actions/toolkit.
    """
    return "".join(f"{_annotation(finding, artifact)}\n" for finding, artifact in _worst_first(report))


def render_step_summary(report: RunReport) -> str:
    """Return the summary of the step, GitHub's Markdown, for the end of the file that ``GITHUB_STEP_SUMMARY`` names."""
    lines = [f"### guard: {_TITLES[report.verdict]}", "", _cell(counts(report)), ""]
    rows = list(_worst_first(report))
    if rows:
        lines += ["| | package | rule | why | next |", "|---|---|---|---|---|"]
        lines += [_row(finding, artifact) for finding, artifact in rows[:_ROWS_MAX_COUNT]]
        lines.append("")
    if len(rows) > _ROWS_MAX_COUNT:
        lines += [f"And {len(rows) - _ROWS_MAX_COUNT} more.", ""]
    return "\n".join(lines)


def _worst_first(report: RunReport) -> list[tuple[Finding, Artifact | None]]:
    return sorted(_findings(report), key=lambda each: each[0].level)


def _findings(report: RunReport) -> Iterator[tuple[Finding, Artifact | None]]:
    for finding in report.findings:
        if finding.level in _COMMANDS:
            yield finding, None
    for judged in report.artifacts:
        for finding in judged.decision.findings:
            if finding.level in _COMMANDS:
                yield finding, judged.artifact


def _annotation(finding: Finding, artifact: Artifact | None) -> str:
    location = finding.location or (artifact.location if artifact else None)
    subject = "" if artifact is None else f"{artifact.file or artifact.spec}: "
    step = f"\nnext: {printable(finding.next)}" if finding.next else ""
    properties = ",".join(_properties(finding, location))
    message = without_credentials(f"{printable(subject + finding.message)}{step}")
    return f"::{_COMMANDS[finding.level]} {properties}::{_escape(message)}"


def _properties(finding: Finding, location: Location | None) -> Iterator[str]:
    if location is not None:
        yield f"file={_escape_property(location.path)}"
        if location.line:
            yield f"line={location.line}"
            if location.column:
                yield f"col={location.column}"
    yield f"title={_escape_property(f'guard: {finding.rule.value}')}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(printable(text)).replace(":", "%3A").replace(",", "%2C")


def _row(finding: Finding, artifact: Artifact | None) -> str:
    name = "" if artifact is None else artifact.file or artifact.spec
    cells = (finding.level.label, name, finding.rule.value, finding.message, finding.next)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    """Return text that Markdown cannot take for markup, a link, a mention or the end of a cell.

    A character reference never stands for structure (CommonMark 0.31, section 2.5).
    """
    shown = printable(without_credentials(text))[:_CELL_MAX_CHARACTERS]
    return _PUNCTUATION.sub(lambda match: f"&#{ord(match[0])};", shown)
