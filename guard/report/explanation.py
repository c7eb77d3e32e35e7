"""What ``guard explain`` prints: one file, who built it, what every rule says, what changed, and lines to add.

All values come from certificates and registries that nobody has vouched for yet: each line goes through
:func:`guard.report.text.printable`, and no URL keeps a login.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from guard.model import (
    Claims,
    EarlierRelease,
    Ecosystem,
    Evidence,
    EvidenceKind,
    EvidenceState,
    HeldBack,
    Judged,
    Level,
    RuleId,
    Verdict,
)
from guard.policy.continuity import Comparison, publishers_of
from guard.policy.policy import PolicySource
from guard.policy.proposals import REASON_TO_WRITE, Proposal
from guard.policy.provenance import build_level, provenance_state, signature_evidence, verified_provenance
from guard.policy.rule_by_rule import RuleOutcome
from guard.report.model import without_credentials
from guard.report.text import printable, verified_claims

OUTCOMES = {
    Level.BLOCK: "blocks",
    Level.UNDECIDED: "undecided",
    Level.WARN: "warns",
    Level.NOTE: "notes",
    None: "passes",
}
NOTHING_TO_JUDGE = "nothing to judge"
_VERDICTS = {
    Verdict.BLOCK: "blocked",
    Verdict.UNDECIDED: "undecided",
    Verdict.WARN: "allowed, with warnings",
    Verdict.ALLOW: "allowed",
}
_WORST_FIRST = [*Level, None]
_COLUMN = 13
_RULE_COLUMN = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that is said of one artifact.

    Args:
        judged: the artifact and what was decided.
        is_chosen: whether a resolver chose the release, since the user named none.
        held_back: newer releases that the resolver was not offered; the newest last.
        fits: whether this platform can install the file.
        others: the other files of the release that were decided, too.
        others_left_out: how many more there are.
        rules: what every rule says.
        earlier: the next lower release that has provenance; ``None`` where there is none.
        comparisons: publishers of the artifact, beside those of that release.
        is_recorded: whether guard.lock has an entry of the package.
        pin: lines that pin the publisher.
        exceptions: lines that except it.
        lock_entry: entry of guard.lock.
        policy: the policy files that were read.
    """

    judged: Judged
    is_chosen: bool = False
    held_back: tuple[HeldBack, ...] = ()
    fits: bool = True
    others: tuple[Judged, ...] = ()
    others_left_out: int = 0
    rules: tuple[RuleOutcome, ...] = ()
    earlier: EarlierRelease | None = None
    comparisons: tuple[Comparison, ...] = ()
    is_recorded: bool = False
    pin: Proposal | None = None
    exceptions: Proposal | None = None
    lock_entry: Proposal | None = None
    policy: tuple[PolicySource, ...] = ()

    @property
    def is_listed(self) -> bool:
        """Whether there is a release to explain: a registry lists it, or its file is at hand."""
        return bool(self.judged.facts.listed or self.judged.artifact.file)

    @property
    def needs_entry(self) -> bool:
        """Whether somebody else publishes than before, which guard.lock alone can accept for good."""
        findings = self.judged.decision.findings
        return any(each.rule is RuleId.IDENTITY_CHANGED and each.level is not Level.NOTE for each in findings)

    @property
    def different_others(self) -> tuple[Judged, ...]:
        """The other files that are not in the state of this one, or are by another publisher."""
        own = _state_of(self.judged)
        return tuple(each for each in self.others if _state_of(each) != own)


def render_explanation(explanation: Explanation, *, verbose: bool = False) -> str:
    """Return the text for standard output.

    Args:
        explanation: of one artifact.
        verbose: whether the entry of guard.lock is printed as well.
    """
    lines = [*_what(explanation)]
    if explanation.is_listed:
        lines += [*_who(explanation.judged), *_rules(explanation), *_change(explanation), *_other_files(explanation)]
    else:
        lines += _findings(explanation)
    shown = [without_credentials(line) for line in lines]
    # What is proposed is said as it is: a line with something taken out would pin something else.
    shown += _proposals(explanation, verbose=verbose)
    return "".join(f"{printable(line)}\n" for line in shown)


def _what(explanation: Explanation) -> Iterator[str]:
    judged = explanation.judged
    artifact = judged.artifact
    spec = f"{artifact.ecosystem.value}:{artifact.spec}"
    about = f"{artifact.file} ({spec})" if artifact.file else spec
    yield f"{_VERDICTS[judged.decision.verdict]}: {about}"
    if explanation.is_chosen and artifact.version:
        yield _row("chosen", "the newest release that a resolver is offered here")
    for held in explanation.held_back:
        yield _row("held back", f"{held.purl} ({held.rule.value}): {held.reason}")
    if not explanation.fits:
        yield _row("platform", "no file of this release fits this platform; this is another one")
    for digest in artifact.digests[:1]:
        yield _row("digest", str(digest))
    if artifact.origin is not None:
        yield _row("from", artifact.origin)
    if judged.facts.published_at is not None:
        yield _row("published", _moment(judged.facts.published_at))


def _who(judged: Judged) -> Iterator[str]:
    verified = verified_provenance(judged.facts)
    for evidence in verified:
        yield from _signer(evidence)
    if not verified:
        reasons = (each.reason for each in judged.facts.evidence if each.kind is not EvidenceKind.NPM_SIGNATURE)
        reason = next((each for each in reasons if each), "nothing says who built it")
        yield _row("provenance", f"{provenance_state(judged.facts).value}: {reason}")
    yield _row("SLSA level", f"{build_level(judged.facts)}{_about_level(verified)}")
    yield _row("registry", _registry_signature(judged))


def _signer(evidence: Evidence) -> Iterator[str]:
    claims = evidence.claims
    is_publish = evidence.kind is EvidenceKind.PEP740_PUBLISH
    who = f"the key {evidence.key_id}" if claims is None else claims.source_repository_uri or claims.san
    yield _row("published by" if is_publish else "built by", who)
    if claims is not None:
        yield from _claims(claims)
    if evidence.signed_at is not None:
        index = "" if evidence.log_index is None else f", log index {evidence.log_index}"
        yield _row("  signed", f"{_moment(evidence.signed_at)}{index}")


def _claims(claims: Claims) -> Iterator[str]:
    commit = claims.source_repository_digest
    if claims.source_repository_ref is not None:
        commit = f"{commit or 'not stated'} at {claims.source_repository_ref}"
    rows = (
        ("  commit", commit),
        ("  workflow", claims.workflow),
        ("  signer", None if claims.signer == "same" else claims.signer),
        ("  run", claims.run_invocation_uri),
        ("  runner", claims.runner_environment),
        ("  issuer", claims.issuer),
    )
    for name, value in rows:
        if value is not None:
            yield _row(name, value)


def _about_level(verified: tuple[Evidence, ...]) -> str:
    if any(each.kind is EvidenceKind.SLSA_PROVENANCE for each in verified):
        return ", as its certificate shows"
    return " (a publish attestation says who published, not how it was built)" if verified else ""


def _registry_signature(judged: Judged) -> str:
    if judged.artifact.ecosystem is Ecosystem.PYPI:
        return "Python indexes sign no files"
    for evidence in signature_evidence(judged.facts):
        if evidence.state is EvidenceState.VERIFIED:
            return f"its own signature holds{f', key {evidence.key_id}' if evidence.key_id else ''}"
        return f"its own signature is {evidence.state.value}{f': {evidence.reason}' if evidence.reason else ''}"
    return "no signature of its own was asked for"


def _rules(explanation: Explanation) -> Iterator[str]:
    yield f"what the policy says ({_policy_files(explanation.policy)})"
    judged = [each for each in explanation.rules if each.judged]
    for outcome in sorted(judged, key=lambda each: _WORST_FIRST.index(each.level)):
        for message in [finding.message for finding in outcome.findings] or [outcome.looked_at]:
            yield f"  {OUTCOMES[outcome.level]:<10}{outcome.rule.value:<{_RULE_COLUMN}}{message}"
        if outcome.level is not Level.NOTE:
            yield from (f"  {'':<10}next: {finding.next}" for finding in outcome.findings if finding.next)
    silent = [each.rule.value for each in explanation.rules if not each.judged]
    if silent:
        yield f"  {NOTHING_TO_JUDGE}: {', '.join(silent)}"


def _findings(explanation: Explanation) -> Iterator[str]:
    """Say why there is nothing to explain: no rule but these had anything to judge."""
    for finding in explanation.judged.decision.findings:
        yield f"  {OUTCOMES[finding.level]:<10}{finding.rule.value:<{_RULE_COLUMN}}{finding.message}"
        yield from [f"  {'':<10}next: {finding.next}"] if finding.next else []


def _policy_files(sources: tuple[PolicySource, ...]) -> str:
    return ", ".join(source.path for source in sources) or "the defaults"


def _change(explanation: Explanation) -> Iterator[str]:
    earlier = explanation.earlier
    is_verified = bool(verified_provenance(explanation.judged.facts))
    if earlier is None:
        new = "its provenance is new: " if is_verified else ""
        yield f"what changed: {new}no earlier release has any provenance by the registry's listing"
        return
    line = "" if earlier.is_same_line else ", of another line"
    yield f"what changed since {earlier.version}, the last release before it that has provenance{line}"
    before = publishers_of(earlier.evidence)
    if earlier.problem:
        yield _row("not compared", earlier.problem)
    elif not is_verified:
        yield _row("provenance", f"lost: {earlier.version} was published by {', '.join(map(str, before))}")
    elif not any(comparison.differences for comparison in explanation.comparisons):
        yield _row("publisher", f"the same: {', '.join(dict.fromkeys(map(str, before)))}")
    for comparison in explanation.comparisons:
        for difference in comparison.differences:
            weight = "a hard fact" if difference.is_hard else "a soft fact"
            now = difference.found or "not stated"
            recorded = difference.recorded or "not stated"
            yield _row(difference.fact.value, f"{recorded} -> {now} ({weight})")


def _other_files(explanation: Explanation) -> Iterator[str]:
    if not explanation.others:
        return
    different = explanation.different_others
    same = len(explanation.others) - len(different)
    left = f", {explanation.others_left_out} more not looked at" if explanation.others_left_out else ""
    yield f"other files of the release: {same} like this one{left}"
    for other in different:
        verdict, state, publisher = _state_of(other)
        by = f" by {publisher}" if publisher else ""
        yield f"  {_VERDICTS[verdict]}: {other.artifact.file}: provenance {state.value}{by}"


def _proposals(explanation: Explanation, *, verbose: bool) -> Iterator[str]:
    if explanation.pin is not None:
        caution = ", once you know that the project moved there" if explanation.needs_entry else ""
        yield f"to pin its publisher{caution}, add to guard.toml ({_then(explanation.pin)}):"
        yield from _indented(explanation.pin.lines)
    if explanation.exceptions is not None:
        rules = ", ".join(rule.value for rule in explanation.exceptions.rules)
        yield f"to except it from {rules}, once you know why, add to guard.toml ({_then(explanation.exceptions)}):"
        yield from _indented(explanation.exceptions.lines)
        yield f"  (with your reason in place of {REASON_TO_WRITE!r}, and a last day that suits it)"
    yield from _lock(explanation, verbose=verbose)


def _lock(explanation: Explanation, *, verbose: bool) -> Iterator[str]:
    entry = explanation.lock_entry
    if explanation.is_recorded:
        yield "guard.lock has an entry of this package"
    elif entry is None:
        return
    elif explanation.needs_entry:
        then = _then(entry)
        yield f"to record its publisher, once you know that the project moved there, add to guard.lock ({then}):"
        yield from _indented(entry.lines)
    else:
        how = "guard lock records this publisher in guard.lock"
        yield f"{how}:" if verbose else f"{how}, where a lockfile here names the package (-v shows the entry)"
        yield from _indented(entry.lines) if verbose else ()


def _then(proposal: Proposal) -> str:
    return f"it is then {_VERDICTS[proposal.verdict]}"


def _indented(lines: str) -> Iterable[str]:
    return (f"  {line}" if line else "" for line in lines.splitlines())


def _state_of(judged: Judged) -> tuple[Verdict, EvidenceState, str]:
    claims = verified_claims(judged)
    publisher = "" if claims is None else claims.source_repository_uri or claims.san
    return judged.decision.verdict, provenance_state(judged.facts), publisher


def _moment(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _row(name: str, value: str) -> str:
    return f"  {name:<{_COLUMN}} {value}"
