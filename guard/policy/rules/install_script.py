"""The package runs code of its own when it is installed, and the policy blocks such packages.

``skip`` installs them without that code, which guard can do for a package itself and not for what is bundled in it:
such a package is blocked. ``as-npm`` lets npm run the code after everything was decided, which is not judged here.

Source: npm, "scripts", life cycle of ``npm install``; the design, section 5 ``install-scripts``.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Facts, Finding, Level, RuleId
from guard.policy.policy import PackagePolicy
from guard.policy.settings import InstallScriptsMode

ID = RuleId.INSTALL_SCRIPT


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a block for a package with an install script where the policy blocks them."""
    if facts.has_install_script and policy.install_scripts is InstallScriptsMode.BLOCK:
        artifact = facts.artifact
        entry = f'[[package]] name = "{artifact.ecosystem.value}:{artifact.name}"'
        yield Finding(
            rule=ID,
            level=Level.BLOCK,
            message=f"{artifact.spec} runs a script when it is installed",
            next=f'read the script; then, in guard.toml, {entry} install-scripts = "skip" or "as-npm"',
            location=artifact.location,
        )
    if facts.bundles_install_script and policy.install_scripts is InstallScriptsMode.SKIP:
        yield Finding(
            rule=ID,
            level=Level.BLOCK,
            message=f"{facts.artifact.spec} bundles a package that runs a script, which cannot be skipped",
            next="choose a release that bundles none, or write a [[exception]] with a reason and an end",
            location=facts.artifact.location,
        )
