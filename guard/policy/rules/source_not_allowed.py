"""The artifact comes from a source that the policy does not allow, or another index offers the same name.

A repository without a full commit and a URL without a hash can deliver other bytes tomorrow: no setting allows them.
The user's own project needs no permission, nor does what is inside another package's tarball. A name that several
indexes offer is dependency confusion waiting.

Source: the design, section 5 ``sources`` and section 12 "Local sources"; pip, ``--extra-index-url`` warning.
"""

from __future__ import annotations

from collections.abc import Iterable

from guard.model import Artifact, Ecosystem, Facts, Finding, Level, RuleId, SourceKind
from guard.policy.policy import PackagePolicy

ID = RuleId.SOURCE_NOT_ALLOWED

_NEVER = {SourceKind.VCS: "a repository without a full commit", SourceKind.URL: "a URL without a hash"}
_PINS = {
    (Ecosystem.PYPI, SourceKind.VCS): "pin it to a full commit: NAME @ git+URL@COMMIT",
    (Ecosystem.PYPI, SourceKind.URL): "pin it by its hash: NAME @ URL#sha256=HEX",
    (Ecosystem.NPM, SourceKind.VCS): "pin it to a full commit: git+URL#COMMIT",
    (Ecosystem.NPM, SourceKind.URL): "pin it by its integrity in package-lock.json",
}
_NEED_NO_PERMISSION = frozenset({SourceKind.LOCAL, SourceKind.BUNDLED})


def check(facts: Facts, policy: PackagePolicy) -> Iterable[Finding]:
    """Yield a block for a source that is not allowed and a warning for a name that other indexes have, too."""
    artifact = facts.artifact
    if artifact.source in _NEVER:
        message = f"{artifact.spec} is taken from {_NEVER[artifact.source]}"
        yield _finding(artifact, Level.BLOCK, message, _PINS[artifact.ecosystem, artifact.source])
    elif artifact.source not in policy.sources | _NEED_NO_PERMISSION:
        sources = ", ".join(f'"{kind.value}"' for kind in SourceKind if kind in policy.sources | {artifact.source})
        message = f"{artifact.spec} is taken from a source that the policy does not allow: {artifact.source.value}"
        name = f"{artifact.ecosystem.value}:{artifact.name}"
        yield _finding(
            artifact, Level.BLOCK, message, f'in guard.toml, [[package]] name = "{name}" sources = [{sources}]'
        )
    if facts.other_indexes:
        message = f"{artifact.name} is also offered by {', '.join(facts.other_indexes)}"
        yield _finding(artifact, Level.WARN, message, "take the name from one index only")


def _finding(artifact: Artifact, level: Level, message: str, mend: str) -> Finding:
    return Finding(rule=ID, level=level, message=message, next=mend, location=artifact.location)
