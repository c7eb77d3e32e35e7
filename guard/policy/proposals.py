"""Lines for guard.toml and guard.lock that would pin the publisher of an artifact, or except it from a rule.

Every line that is proposed is parsed and judged first: what guard could not read, or what would not do what is said of
it, is not proposed. Values come from certificates and registries, so that each is written as a string of TOML in which
nothing can end the string, steer a terminal or reorder a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from guard.errors import ConfigInvalid
from guard.model import Artifact, Claims, Ecosystem, Facts, Finding, Level, RuleId, Verdict
from guard.policy.continuity import publishers_of
from guard.policy.evaluate import evaluate_artifact
from guard.policy.identity_lock import (
    IdentityLock,
    LockedIdentity,
    LockedPackage,
    parse_identity_lock,
    render_identity_lock,
)
from guard.policy.policy import Policy
from guard.policy.provenance import verified_provenance
from guard.policy.schema import RULES_WITHOUT_EXCEPTION, parse_policy

REASON_TO_WRITE = "write why this is right"
_EXCEPTION_DAYS = 30
# An outage says nothing about the package: what is excepted from it would never be looked at.
_NOT_EXCEPTED = RULES_WITHOUT_EXCEPTION | {RuleId.REGISTRY_UNAVAILABLE}
_LOCK_DIGEST = {Ecosystem.PYPI: "sha256", Ecosystem.NPM: "sha512"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Lines that the user may add to guard.toml or guard.lock.

    Args:
        lines: TOML, each line ended.
        rules: those that it excepts from; none for a pin.
        verdict: what the artifact would come to with them.
    """

    lines: str
    rules: tuple[RuleId, ...] = ()
    verdict: Verdict


def propose_pin(facts: Facts, policy: Policy, *, now: datetime) -> Proposal | None:
    """Return the ``[[package]]`` that pins who published an artifact.

    There is none where nobody is verified, where the publisher is pinned already, and where something else stops the
    artifact: nobody shall pin what looks like a theft because guard printed how.

    Args:
        facts: of the artifact.
        policy: the one in force.
        now: as for :func:`guard.policy.evaluate.evaluate_artifact`.
    """
    artifact = facts.artifact
    claims = [each.claims for each in verified_provenance(facts) if each.claims is not None]
    pinned = policy.for_package(artifact.ecosystem, artifact.name, artifact.version, now=now).identities
    if not claims or any(not pin.differences(each) for pin in pinned for each in claims):
        return None
    head = _table("package", [("name", _package(artifact))])
    exact = "".join(dict.fromkeys(_identity(each, by_repository=True) for each in claims))
    by_name = "".join(dict.fromkeys(_identity(each, by_repository=False) for each in claims))
    tried = (_tried(f"{head}\n{identities}", facts, policy, now) for identities in (exact, by_name))
    return next((proposal for proposal in tried if proposal is not None and proposal.verdict.installs), None)


def propose_exceptions(facts: Facts, findings: Iterable[Finding], policy: Policy, *, now: datetime) -> Proposal | None:
    """Return a ``[[exception]]`` for each rule that stops an artifact, or that warns where none does.

    Args:
        facts: of the artifact.
        findings: of its decision.
        policy: the one in force.
        now: as above.
    """
    artifact = facts.artifact
    stopping = [each for each in findings if each.level in (Level.BLOCK, Level.UNDECIDED)]
    found = stopping or [each for each in findings if each.level is Level.WARN]
    rules = tuple(dict.fromkeys(each.rule for each in found if each.rule not in _NOT_EXCEPTED))
    if not rules or not artifact.version or not facts.listed:
        return None
    until = (now.astimezone(timezone.utc) + timedelta(days=_EXCEPTION_DAYS)).date()
    separator = "==" if artifact.ecosystem is Ecosystem.PYPI else "@"
    package = f"{_package(artifact)}{separator}{artifact.version}"
    tables = (
        _table("exception", [("package", package), ("rule", rule.value), ("reason", REASON_TO_WRITE)])
        + f"expires = {until.isoformat()}\n"
        for rule in rules
    )
    proposal = _tried("\n".join(tables), facts, policy, now)
    return None if proposal is None else replace(proposal, rules=rules)


def propose_lock_entry(facts: Facts, policy: Policy, *, now: datetime) -> Proposal | None:
    """Return the entry that ``guard lock`` would make of an artifact; ``None`` where nobody is verified, or it has one.

    Args:
        facts: of the artifact.
        policy: the one in force.
        now: as above.
    """
    artifact = facts.artifact
    wanted = _LOCK_DIGEST.get(artifact.ecosystem)
    digest = next((each for each in (*artifact.digests, *facts.listed) if each.algorithm == wanted), None)
    publishers = publishers_of(facts.evidence) if verified_provenance(facts) else ()
    lock = policy.identity_lock or IdentityLock.of(())
    if digest is None or not publishers or lock.find(artifact.ecosystem, artifact.name):
        return None
    identities = tuple(
        LockedIdentity(publisher=each, first_seen=artifact.version, digest=digest) for each in publishers
    )
    package = LockedPackage(ecosystem=artifact.ecosystem, name=artifact.name, identities=identities)
    rendered = render_identity_lock(IdentityLock.of([package]))
    try:
        parse_identity_lock(rendered, path="guard.lock")
    except ConfigInvalid:
        return None
    text = rendered.decode("utf-8")
    changed = replace(policy, identity_lock=IdentityLock.of([*lock.packages.values(), package]))
    verdict = evaluate_artifact(facts, changed, now=now).verdict
    return Proposal(lines=text[text.index("[[package]]") :], verdict=verdict)


def with_lines(policy: Policy, lines: str) -> Policy:
    """Return a policy as it would be with some lines added to a file of it.

    Raises:
        ConfigInvalid: they are no policy.
    """
    file = parse_policy(f"version = 1\n{lines}".encode(), path="guard.toml")
    return replace(
        policy, packages=(*policy.packages, *file.packages), exceptions=(*policy.exceptions, *file.exceptions)
    )


def _tried(lines: str, facts: Facts, policy: Policy, now: datetime) -> Proposal | None:
    try:
        changed = with_lines(policy, lines)
    except ConfigInvalid:
        return None
    return Proposal(lines=lines, verdict=evaluate_artifact(facts, changed, now=now).verdict)


def _identity(claims: Claims, *, by_repository: bool) -> str:
    return _table("package.identity", _pinned_facts(claims, by_repository=by_repository))


def _pinned_facts(claims: Claims, *, by_repository: bool) -> Iterator[tuple[str, str]]:
    """Yield what does not change from one release to the next (facts/amendments, number 10)."""
    yield "issuer", claims.issuer
    repository = claims.source_repository_uri
    if not by_repository or repository is None:
        yield "san", claims.san
        return
    yield "repository", repository
    if claims.source_repository_identifier is not None:
        yield "repository-id", claims.source_repository_identifier
    if claims.signer not in (None, "same") and not (claims.signer or "").lower().startswith(f"{repository.lower()}/"):
        yield "signer", claims.signer or ""


def _package(artifact: Artifact) -> str:
    return f"{artifact.ecosystem.value}:{artifact.name}"


def _table(name: str, values: Iterable[tuple[str, str]]) -> str:
    return f"[[{name}]]\n" + "".join(f"{key} = {quoted(value)}\n" for key, value in values)


def quoted(text: str) -> str:
    """Return a TOML basic string, in which all that is not printable is escaped (TOML 1.0.0, "String")."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
