"""The report for people: what was blocked first, why, the exact next step; one line when all is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rich.console import Console
from rich.text import Text

from guard.errors import ExitCode
from guard.model import Artifact, Claims, EvidenceState, Finding, HeldBack, Judged, Level, RuleId, Verdict
from guard.policy.provenance import provenance_state, verified_provenance
from guard.report.model import RunReport, without_credentials

_STYLES = {Level.BLOCK: "bold red", Level.UNDECIDED: "bold magenta", Level.WARN: "yellow", Level.NOTE: "dim"}
_OUTCOMES = {
    Verdict.BLOCK: ("blocked", "bold red"),
    Verdict.UNDECIDED: ("undecided", "bold magenta"),
    Verdict.WARN: ("allowed", "green"),
    Verdict.ALLOW: ("allowed", "green"),
}
# What a registry does not serve is said once for each run, so that nobody takes it for checked.
_SAID_AS_NOTES = frozenset(
    {RuleId.PROVENANCE_UNAVAILABLE, RuleId.REGISTRY_SIGNATURE_UNAVAILABLE, RuleId.RELEASE_TOO_NEW}
)
_STATES = {
    EvidenceState.VERIFIED: "verified",
    EvidenceState.ABSENT: "without provenance",
    EvidenceState.STRIPPED: "with provenance stripped",
    EvidenceState.UNAVAILABLE: "with provenance unavailable",
    EvidenceState.INVALID: "with invalid provenance",
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """A finding and the artifacts that it was made on; none for a finding on the run."""

    finding: Finding
    artifacts: tuple[Artifact, ...]


def render_text(report: RunReport, console: Console, *, verbose: bool = False, is_explained: bool = False) -> None:
    """Print the report. Every line starts with ``guard:``; the last one is ``guard: blocked``, ``undecided`` or
    ``allowed`` followed by the counts, for scripts to read.

    Args:
        report: the run.
        console: where to print; usually standard error, which a wrapped tool's own output does not use.
        verbose: also print notes on single artifacts, and one line for each artifact.
        is_explained: whether the command says itself what was found on each artifact, so that it is not said twice.
    """
    entries = sorted(_entries(report), key=lambda entry: entry.finding.level)
    if is_explained:
        report, verbose = replace(report, held_back=()), False
        entries = [entry for entry in entries if not entry.artifacts]
    for entry in entries:
        if verbose or _is_said_always(entry):
            _print_entry(entry, console)
    for line in _held_back_lines(report, verbose=verbose):
        _print(console, line)
    for line in (*_changed_publishers(report, verbose=verbose), *_left_out(report)):
        _print(console, line)
    if verbose:
        for judged in report.artifacts:
            _print(console, _artifact_line(judged))
        for left in report.not_decided:
            at = f"{left.location}: " if left.location else ""
            _print(console, f"not decided: {at}{left.file or left.purl}: {left.reason}")
    outcome, style = _OUTCOMES[report.verdict]
    _print(console, f"{outcome} — {counts(report)}{_failure_of_tool(report)}", style=style)


def printable(text: str) -> str:
    """Return ``text`` with every character that could steer a terminal or reorder a line spelled out.

    These are control characters, escapes and the invisible and bidirectional format characters (Unicode general
    categories C and Z except the space), of which names and messages of a hostile package may be full.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def _entries(report: RunReport) -> Iterator[_Entry]:
    """Join equal findings of several artifacts: an index without provenance is said once, not for every file."""
    for finding in report.findings:
        yield _Entry(finding, ())
    joined: dict[tuple[RuleId, Level, str], tuple[Finding, list[Artifact]]] = {}
    for judged in report.artifacts:
        for finding in judged.decision.findings:
            key = (finding.rule, finding.level, finding.message)
            joined.setdefault(key, (finding, []))[1].append(judged.artifact)
    for finding, artifacts in joined.values():
        yield _Entry(finding, tuple(artifacts))


def _changed_publishers(report: RunReport, *, verbose: bool) -> Iterator[str]:
    """Say who publishes what a change brings: each one that is another or new, and how many stay the same."""
    same: set[Artifact] = set()
    said: dict[str, None] = {}
    for judged in report.artifacts if report.since is not None else ():
        now = _publisher(verified_claims(judged))
        spec, before = judged.artifact.spec, judged.previous
        if before is None:
            said[f"new: {spec}: published by {now}"] = None
            continue
        was, version = _publisher(before.claims), before.version or "another"
        if was != now:
            said[f"publisher changed: {spec}, before {version}: {was} -> {now}"] = None
        elif verbose:
            said[f"changed: {spec}, before {version}: published by {now}, as before"] = None
        else:
            same.add(replace(judged.artifact, location=None))
    yield from said
    if same:
        yield f"changed: {len(same)} with the publisher that they had"


def _publisher(claims: Claims | None) -> str:
    """Name a publisher as people compare them; what no release keeps, such as a tag, is no part of it."""
    if claims is None:
        return "nobody who says so"
    workflow = f" ({claims.workflow})" if claims.source_repository_uri and claims.workflow else ""
    return f"{claims.source_repository_uri or claims.san}{workflow}"


def verified_claims(judged: Judged) -> Claims | None:
    """Return what the certificate of an artifact's verified provenance says, if it has some."""
    return next((each.claims for each in verified_provenance(judged.facts) if each.claims is not None), None)


def _left_out(report: RunReport) -> Iterator[str]:
    """Say how much was not decided, once for each reason, so that nobody takes silence for an answer."""
    for reason, count in Counter(left.reason for left in report.not_decided).items():
        yield f"not decided: {count} entr{'y' if count == 1 else 'ies'}: {reason}"


def _is_said_always(entry: _Entry) -> bool:
    if entry.finding.level is not Level.NOTE:
        return True
    return not entry.artifacts or entry.finding.rule in _SAID_AS_NOTES


def _held_back_lines(report: RunReport, *, verbose: bool) -> Iterator[str]:
    """Say once for each package and rule what was held back, with the newest of it; every single one when verbose.

    What was yanked is left out unless asked for: no resolver takes it unless it must.
    """
    groups: dict[tuple[str, RuleId], list[HeldBack]] = {}
    for held in report.held_back:
        key = held.purl if verbose else held.purl.rpartition("@")[0]
        groups.setdefault((key, held.rule), []).append(held)
    for (_, rule), group in groups.items():
        if rule is RuleId.YANKED and not verbose and report.verdict.installs:
            continue
        more = f" and {len(group) - 1} more" if len(group) > 1 else ""
        yield f"held back: {group[-1].purl}{more} ({rule.value}): {group[-1].reason}"


def _print_entry(entry: _Entry, console: Console) -> None:
    finding = entry.finding
    _print(console, f"{finding.level.label}: {_subject(entry)}{finding.rule.value}", style=_STYLES[finding.level])
    _print(console, f"  {finding.message}")
    if finding.location is not None:
        _print(console, f"  at: {finding.location}")
    if finding.next:
        _print(console, f"  next: {finding.next}")


def _subject(entry: _Entry) -> str:
    specs = list(dict.fromkeys(artifact.spec for artifact in entry.artifacts))
    if not specs:
        return ""
    more = f" and {len(specs) - 1} more" if len(specs) > 1 else ""
    return f"{specs[0]}{more}: "


def _artifact_line(judged: Judged) -> str:
    artifact = judged.artifact
    signers = [each.claims for each in verified_provenance(judged.facts) if each.claims is not None]
    signer = f" by {signers[0].source_repository_uri or signers[0].san}" if signers else ""
    bound = "" if judged.bound_by == "none" else f", bound by {judged.bound_by}"
    built = "" if judged.installed or not bound else ", built and not installed"
    state = provenance_state(judged.facts).value
    label = judged.decision.verdict.label
    return f"{label}: {artifact.file or artifact.spec}: provenance {state}{signer}{bound}{built}"


def counts(report: RunReport) -> str:
    """Return in words how many files came to which verdict and state of evidence."""
    summary = report.summary()
    files = f"{summary.artifacts} file{'' if summary.artifacts == 1 else 's'}"
    stopped = [
        f"{count} {word}"
        for word, count in (
            ("blocked", summary.by_verdict[Verdict.BLOCK]),
            ("undecided", summary.by_verdict[Verdict.UNDECIDED]),
            ("with warnings", summary.by_verdict[Verdict.WARN]),
        )
        if count
    ]
    states = [f"{summary.by_state[state]} {word}" for state, word in _STATES.items() if summary.by_state[state]]
    return "; ".join(part for part in (_list(files, states), ", ".join(stopped)) if part)


def _failure_of_tool(report: RunReport) -> str:
    """Say that the tool failed where guard refused nothing, so that nobody takes the one for the other."""
    if report.tool is None or not report.verdict.installs or report.exit_code == ExitCode.ALLOWED:
        return ""
    return f"; nothing was refused, {report.tool.name} itself ended with status {report.exit_code}"


def _list(head: str, parts: Iterable[str]) -> str:
    text = ", ".join(parts)
    return f"{head}: {text}" if text else head


def _print(console: Console, line: str, *, style: str = "") -> None:
    text = Text("guard: ", style="bold").append(printable(without_credentials(line)), style=style)
    console.print(text, soft_wrap=True, highlight=False)
