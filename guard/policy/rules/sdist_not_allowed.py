"""The file is a source distribution, which runs code of its own to build itself, and the policy blocks those.

The user's own project is no file of an index and is built as it always was.

Source: PEP 517, "Build backend interface"; the design, section 5 ``sdist``.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Ecosystem, Facts, Finding, Level, RuleId, SourceKind
from guard.policy.policy import PackagePolicy
from guard.policy.settings import SdistMode

ID = RuleId.SDIST_NOT_ALLOWED

_OWN = frozenset({SourceKind.LOCAL, SourceKind.BUNDLED})


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a block for a Python file that is no wheel where the policy wants wheels."""
    artifact = facts.artifact
    if artifact.ecosystem is not Ecosystem.PYPI or policy.sdist is not SdistMode.BLOCK or artifact.source in _OWN:
        return
    if artifact.file is None or artifact.file.lower().endswith(".whl"):
        return
    yield Finding(
        rule=ID,
        level=Level.BLOCK,
        message=f'{artifact.file} is a source distribution, and sdist = "block"',
        next=f'choose a release with a wheel; or, in guard.toml, [[package]] name = "pypi:{artifact.name}" '
        'sdist = "allow"',
        location=artifact.location,
    )
