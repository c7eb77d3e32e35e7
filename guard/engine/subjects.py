"""Files that a user wants verified, as the engines of registries and the rules know them."""

from __future__ import annotations

from dataclasses import replace

from typing_extensions import assert_never

from guard.attest.subject import NpmRelease, PythonFile, Subject
from guard.engine.locked import LockedRequest
from guard.model import Artifact, Ecosystem, SourceKind


def artifact_of(subject: Subject) -> Artifact:
    """Return the artifact that a file at hand is: the user's own, whatever a registry may list under its name."""
    match subject.package:
        case PythonFile() as file:
            ecosystem, name, version = Ecosystem.PYPI, file.project, file.version
        case NpmRelease() as release:
            ecosystem, name, version = Ecosystem.NPM, release.name, release.version
        case None:
            ecosystem, name, version = Ecosystem.GENERIC, subject.name, ""
        case _:
            assert_never(subject.package)
    return Artifact(
        ecosystem=ecosystem,
        name=name,
        version=version,
        file=subject.filename,
        digests=subject.digests,
        source=SourceKind.LOCAL,
    )


def registry_request(subject: Subject) -> LockedRequest:
    """Return the question to a registry what it says about a file: its digests are as a lock would pin them."""
    artifact = artifact_of(subject)
    file = artifact.file if isinstance(subject.package, PythonFile) else None
    return LockedRequest(
        artifact=replace(artifact, file=file, digests=(), source=SourceKind.REGISTRY, pinned=subject.digests)
    )
