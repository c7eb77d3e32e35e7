"""``guard explain --format json``: the report of the run, with the explanation beside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from guard.model import Judged
from guard.policy.continuity import publishers_of
from guard.policy.proposals import Proposal
from guard.policy.provenance import provenance_state
from guard.policy.publisher import Publisher
from guard.policy.rule_by_rule import RuleOutcome
from guard.report.explanation import NOTHING_TO_JUDGE, OUTCOMES, Explanation
from guard.report.json_report import Json, report_document
from guard.report.model import RunReport, without_credentials


def render_explanation_json(report: RunReport, explanation: Explanation) -> str:
    """Return the report as JSON text, ASCII only, with a member ``explanation``.

    Args:
        report: of the run.
        explanation: of its artifact.
    """
    return json.dumps({**report_document(report), "explanation": _explanation(explanation)}, indent=2) + "\n"


def _explanation(explanation: Explanation) -> Mapping[str, Json]:
    return {
        "chosen": explanation.is_chosen,
        "fits_platform": explanation.fits,
        "rules": [_rule(outcome) for outcome in explanation.rules],
        "earlier": _earlier(explanation),
        "other_files": [_other(judged) for judged in explanation.others],
        "other_files_left_out": explanation.others_left_out,
        "guard_toml": {"pin": _proposal(explanation.pin), "exceptions": _proposal(explanation.exceptions)},
        "guard_lock": {"has_entry": explanation.is_recorded, "entry": _proposal(explanation.lock_entry)},
    }


def _rule(outcome: RuleOutcome) -> Json:
    said = [finding.message for finding in outcome.findings] or ([outcome.looked_at] if outcome.looked_at else [])
    return {
        "rule": outcome.rule.value,
        "outcome": OUTCOMES[outcome.level] if outcome.judged else NOTHING_TO_JUDGE,
        "said": [without_credentials(each) for each in said],
    }


def _earlier(explanation: Explanation) -> Json:
    earlier = explanation.earlier
    if earlier is None:
        return None
    return {
        "version": earlier.version,
        "is_same_line": earlier.is_same_line,
        "problem": without_credentials(earlier.problem),
        "publishers": [_publisher(each) for each in publishers_of(earlier.evidence)],
        "differences": list(_differences(explanation)),
    }


def _differences(explanation: Explanation) -> Iterator[Json]:
    for comparison in explanation.comparisons:
        for each in comparison.differences:
            yield {"fact": each.fact.value, "before": each.recorded, "now": each.found, "is_hard": each.is_hard}


def _publisher(publisher: Publisher) -> Json:
    return {fact.value: value for fact, value in publisher.facts.items()}


def _other(judged: Judged) -> Json:
    return {
        "file": judged.artifact.file,
        "verdict": judged.decision.verdict.label,
        "provenance": provenance_state(judged.facts).value,
        "publishers": [_publisher(each) for each in publishers_of(judged.facts.evidence)],
    }


def _proposal(proposal: Proposal | None) -> Json:
    if proposal is None:
        return None
    rules = [rule.value for rule in proposal.rules]
    return {"lines": proposal.lines, "rules": rules, "verdict": proposal.verdict.label}
