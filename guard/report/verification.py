"""What ``guard verify`` prints: for each file who built or signed it, from what, when, and which checks failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timezone

from guard.model import Claims, Evidence, EvidenceKind, EvidenceState, Judged, Level, Verdict
from guard.policy.expectation import Expectation
from guard.policy.provenance import verified_provenance
from guard.report.model import RunReport, without_credentials
from guard.report.text import printable
from guard.sigstore.slsa_level import slsa_level

_HEADINGS = {
    Verdict.BLOCK: "not verified",
    Verdict.UNDECIDED: "undecided",
    Verdict.WARN: "verified",
    Verdict.ALLOW: "verified",
}
_KINDS = {
    EvidenceKind.PEP740_PUBLISH: "published on PyPI by",
    EvidenceKind.SLSA_PROVENANCE: "built by",
    EvidenceKind.FILE_SIGNATURE: "signed by",
    EvidenceKind.OTHER_STATEMENT: "stated by",
}
_COLUMN = 12


def render_verification(report: RunReport, expectation: Expectation) -> str:
    """Return the text for standard output, one block for each file.

    Args:
        report: of the run.
        expectation: what had to be shown.
    """
    lines = (line for judged in report.artifacts for line in _block(judged, expectation))
    return "".join(f"{printable(without_credentials(line))}\n" for line in lines)


def _block(judged: Judged, expectation: Expectation) -> Iterator[str]:
    artifact = judged.artifact
    yield f"{_HEADINGS[judged.decision.verdict]}: {artifact.file or artifact.spec}"
    for digest in artifact.digests[:1]:
        yield _row("digest", str(digest))
    for evidence in verified_provenance(judged.facts):
        is_expected = not expectation.signer.differences(evidence)
        yield from _evidence(evidence, note="" if is_expected else " (not the expected signer)")
    for finding in judged.decision.findings:
        if finding.level in (Level.BLOCK, Level.UNDECIDED):
            yield _row("failed", f"{finding.rule.value}: {finding.message}")
            if finding.next:
                yield _row("next", finding.next)
    if any(_is_registry_evidence(evidence) for evidence in judged.facts.evidence):
        yield _row("registry", "its own signature holds")


def _evidence(evidence: Evidence, *, note: str) -> Iterator[str]:
    claims = evidence.claims
    who = f"the key {evidence.key_id}" if claims is None else claims.san
    yield _row(_KINDS[evidence.kind], f"{who}{note}", wide=True)
    if claims is not None:
        yield from _claims(claims)
    if evidence.predicate_type is not None:
        yield _row("statement", evidence.predicate_type)
    if evidence.signed_at is not None:
        moment = evidence.signed_at.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        yield _row("signed", f"{moment}, log index {evidence.log_index}")
    if evidence.kind is EvidenceKind.SLSA_PROVENANCE and claims is not None:
        yield _row("SLSA level", str(slsa_level(claims)))


def _claims(claims: Claims) -> Iterator[str]:
    source = claims.source_repository_uri
    if source is not None and claims.source_repository_ref is not None:
        source += f" at {claims.source_repository_ref}"
    rows = (
        ("issuer", claims.issuer),
        ("source", source),
        ("commit", claims.source_repository_digest),
        ("workflow", claims.build_config_uri),
        ("run", claims.run_invocation_uri),
        ("runner", claims.runner_environment),
    )
    for name, value in rows:
        if value is not None:
            yield _row(name, value)


def _row(name: str, value: str, *, wide: bool = False) -> str:
    return f"  {name} {value}" if wide else f"    {name:<{_COLUMN}}{value}"


def _is_registry_evidence(evidence: Evidence) -> bool:
    kinds = (EvidenceKind.NPM_SIGNATURE, EvidenceKind.NPM_PUBLISH)
    return evidence.kind in kinds and evidence.state is EvidenceState.VERIFIED
