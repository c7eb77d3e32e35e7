"""The policy asks for a known publisher, and neither guard.lock nor a pin names one.

Source: the design, section 5 ``identity = "required"``.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy
from guard.policy.provenance import REGISTRY_SOURCES
from guard.policy.settings import IdentityMode

ID = RuleId.IDENTITY_MISSING


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a block for a package of a registry whose publisher nobody recorded."""
    artifact = facts.artifact
    if policy.identity is not IdentityMode.REQUIRED or artifact.source not in REGISTRY_SOURCES:
        return
    if policy.locked or policy.identities or policy.lock_pins:
        return
    yield Finding(
        rule=ID,
        level=Level.BLOCK,
        message=f'nobody recorded who publishes {artifact.spec}, and identity = "required"',
        next="run guard lock and look at what it records, or pin [[package.identity]] in guard.toml",
        location=artifact.location,
    )
