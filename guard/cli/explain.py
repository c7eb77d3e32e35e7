"""``guard explain``: who built a package, from what, and what the policy says of it and why. Nothing is installed."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from guard.app import App
from guard.attest.subject import Subject
from guard.audit.engines import Engines
from guard.cli.explained import Found, find_explained
from guard.engine.outcome import Outcome
from guard.errors import ExitCode, UsageError
from guard.model import Ecosystem
from guard.policy.continuity import compare_with_earlier
from guard.policy.patterns import PackageRelease
from guard.policy.policy import Policy
from guard.policy.proposals import propose_exceptions, propose_lock_entry, propose_pin
from guard.policy.rule_by_rule import explain_rules
from guard.report.explanation import Explanation, render_explanation
from guard.report.explanation_json import render_explanation_json
from guard.report.model import RunReport
from guard.report.text import printable
from guard.store.subjects import load_file_subject

_HINT = "guard explain pypi:NAME==VERSION, npm:NAME@VERSION, or a wheel, source distribution or npm tarball"


def run_explain(app: App, spec: str, *, as_json: bool) -> int:
    """Explain one package or file.

    Args:
        app: the outside.
        spec: as typed.
        as_json: whether JSON is printed.

    Returns:
        0, 10 or 11, as its installation would be decided.

    Raises:
        UsageError: ``spec`` names no package and no file of one.
        ConfigInvalid: a configuration file, a policy or a trust root cannot be used.
    """
    asked = _parse_spec(spec)
    policy = app.load_policy()
    trust_root = app.load_trust_root(policy)
    with ExitStack() as stack:
        engines = Engines(app=app, policy=policy, trust_root=trust_root, stack=stack, asks_anew=True)
        found = find_explained(app, asked, engines)
    return app.conclude(
        Outcome(judged=(found.judged,), held_back=found.held_back, planned=1, tool_status=ExitCode.ALLOWED),
        command=app.command,
        policy=policy,
        trust_root=trust_root,
        show=partial(_show, app, _explain(app, policy, found), as_json=as_json),
        is_explained=as_json or not app.options.quiet,
    )


def _parse_spec(spec: str) -> PackageRelease | Subject:
    if spec.partition(":")[0] in (Ecosystem.PYPI.value, Ecosystem.NPM.value):
        try:
            return PackageRelease.parse(spec)
        except ValueError as error:
            raise UsageError(f"SPEC {printable(str(error))}", hint=_HINT) from error
    subject = load_file_subject(Path(spec))
    if subject.package is None:
        raise UsageError(f"{printable(spec)} is no wheel, source distribution or npm tarball", hint=_HINT)
    return subject


def _explain(app: App, policy: Policy, found: Found) -> Explanation:
    facts, decision = found.judged.facts, found.judged.decision
    artifact = facts.artifact
    asked = policy.for_package(artifact.ecosystem, artifact.name, artifact.version, now=app.started)
    return Explanation(
        judged=found.judged,
        is_chosen=found.is_chosen,
        held_back=found.held_back,
        fits=found.fits,
        others=found.others,
        others_left_out=found.others_left_out,
        rules=explain_rules(facts, asked) if artifact.version else (),
        earlier=found.earlier,
        comparisons=compare_with_earlier(replace(facts, earlier=found.earlier), asked),
        is_recorded=bool(asked.locked),
        pin=propose_pin(facts, policy, now=app.started),
        exceptions=propose_exceptions(facts, decision.findings, policy, now=app.started),
        lock_entry=propose_lock_entry(facts, policy, now=app.started),
        policy=policy.sources_read,
    )


def _show(app: App, explanation: Explanation, report: RunReport, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(render_explanation_json(report, explanation))
    elif not app.options.quiet:
        sys.stdout.write(render_explanation(explanation, verbose=app.options.verbose > 0))
