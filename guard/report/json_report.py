"""The JSON report, a public contract: ``guard/data/guard-report-1.schema.json`` and ``docs/report.md`` describe it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from guard.model import Claims, Digest, Evidence, EvidenceState, Finding, Judged, Location, Previous, Verdict
from guard.policy.provenance import build_level, provenance_state, verified_provenance
from guard.report.model import RunReport, Summary, without_credentials

SCHEMA = "guard-report/1"

Json = None | bool | int | str | Sequence["Json"] | Mapping[str, "Json"]


def render_json(report: RunReport) -> str:
    """Return the report as JSON text, ASCII only, so that no terminal can be reached through a package's name."""
    return json.dumps(report_document(report), indent=2) + "\n"


def report_document(report: RunReport) -> dict[str, Json]:
    """Return the report as a document."""
    root = report.trust_root
    return {
        "schema": SCHEMA,
        "guard": {"version": report.guard_version},
        "run": {
            "command": [without_credentials(word) for word in report.command],
            "cwd": report.cwd,
            "tool": None if report.tool is None else {"name": report.tool.name, "version": report.tool.version},
            "started": _time(report.started),
            "finished": _time(report.finished),
            "since": report.since,
        },
        "verdict": report.verdict.label,
        "exit_code": int(report.exit_code),
        "policy": [
            {"path": source.path, "digest": str(source.digest), "class": source.policy_class.value}
            for source in report.policy
        ],
        "identity_lock": None
        if report.identity_lock is None
        else {"path": report.identity_lock.path, "digest": str(report.identity_lock.digest)},
        "trust_root": None
        if root is None
        else {"source": without_credentials(root.source), "digest": str(root.digest), "age_days": root.age_days},
        "summary": {**_summary(report.summary()), "not_decided": len(report.not_decided)},
        "findings": [_finding(finding) for finding in report.findings],
        "held_back": [
            {
                "purl": held.purl,
                "rule": held.rule.value,
                "reason": without_credentials(held.reason),
                "until": None if held.until is None else _time(held.until),
            }
            for held in report.held_back
        ],
        "not_decided": [
            {"purl": left.purl, "file": left.file, "location": _location(left.location), "reason": left.reason}
            for left in report.not_decided
        ],
        "artifacts": [_artifact(judged) for judged in report.artifacts],
    }


def _summary(summary: Summary) -> dict[str, Json]:
    return {
        "artifacts": summary.artifacts,
        **{verdict.label: summary.by_verdict[verdict] for verdict in Verdict},
        "by_state": {state.value: summary.by_state[state] for state in EvidenceState},
    }


def _artifact(judged: Judged) -> dict[str, Json]:
    artifact = judged.artifact
    signed = [each.claims for each in verified_provenance(judged.facts) if each.claims is not None]
    return {
        "purl": artifact.purl,
        "ecosystem": artifact.ecosystem.value,
        "name": artifact.name,
        "version": artifact.version,
        "file": artifact.file,
        "source": artifact.source.value,
        "origin": None if artifact.origin is None else without_credentials(artifact.origin),
        "digests": _digests(artifact.digests or judged.facts.observed),
        "location": _location(artifact.location),
        "provenance": provenance_state(judged.facts).value,
        "evidence": [_evidence(evidence) for evidence in judged.facts.evidence],
        "identity": _identity(signed[0]) if signed else None,
        "previous": None if judged.previous is None else _previous(judged.previous),
        "slsa_level": build_level(judged.facts),
        "bound_by": judged.bound_by,
        "installed": judged.installed,
        "verdict": judged.decision.verdict.label,
        "findings": [_finding(finding) for finding in judged.decision.findings],
        "notes": [without_credentials(note) for note in judged.notes],
    }


def _previous(previous: Previous) -> dict[str, Json]:
    return {
        "version": previous.version,
        "identity": None if previous.claims is None else _identity(previous.claims),
    }


def _evidence(evidence: Evidence) -> dict[str, Json]:
    claims = evidence.claims
    return {
        "kind": evidence.kind.value,
        "state": evidence.state.value,
        "reason": without_credentials(evidence.reason),
        "code": None if evidence.code is None else evidence.code.value,
        "cause": None if evidence.cause is None else evidence.cause.value,
        "digest": None if evidence.digest is None else str(evidence.digest),
        "predicate_type": evidence.predicate_type,
        "claims": None if claims is None else _identity(claims),
        "key_id": evidence.key_id,
        "signed_at": None if evidence.signed_at is None else _time(evidence.signed_at),
        "log_index": evidence.log_index,
    }


def _identity(claims: Claims) -> dict[str, Json]:
    return {
        "issuer": claims.issuer,
        "san": claims.san,
        "repository": claims.source_repository_uri,
        "repository_id": claims.source_repository_identifier,
        "owner_id": claims.source_repository_owner_identifier,
        "ref": claims.source_repository_ref,
        "commit": claims.source_repository_digest,
        "workflow": claims.workflow,
        "signer": claims.signer,
        "trigger": claims.build_trigger,
        "runner": claims.runner_environment,
        "environment": claims.deployment_environment,
        "run": claims.run_invocation_uri,
        "visibility": claims.source_repository_visibility,
    }


def _finding(finding: Finding) -> dict[str, Json]:
    return {
        "rule": finding.rule.value,
        "level": finding.level.label,
        "message": without_credentials(finding.message),
        "next": without_credentials(finding.next),
        "help": finding.help,
        "location": _location(finding.location),
    }


def _location(location: Location | None) -> dict[str, Json] | None:
    if location is None:
        return None
    return {"path": location.path, "line": location.line, "column": location.column}


def _digests(digests: Sequence[Digest]) -> dict[str, Json]:
    return {digest.algorithm: digest.hex for digest in sorted(set(digests))}


def _time(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
