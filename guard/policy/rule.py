"""What a rule is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from guard.model import Facts, Finding, RuleId
from guard.policy.policy import PackagePolicy


class Rule(Protocol):
    """A question that is asked about every artifact. Each module of :mod:`guard.policy.rules` is one.

    A rule sees facts and policy only, raises nothing, and yields nothing when it has nothing to say.
    Exceptions are applied afterwards, so that no rule can forget one or grant one.
    """

    @property
    def ID(self) -> RuleId:  # noqa: N802  a module's constant
        """The rule's identifier; every finding of the rule carries it."""

    def check(self, facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
        """Yield what the rule has to say about one artifact."""
