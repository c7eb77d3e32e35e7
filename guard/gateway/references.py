"""Requirements of a package on a place instead of a project (PEP 508, "URL"): pip goes there by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from guard.model import Artifact, Ecosystem, SourceKind
from guard.registry.credentials import redact_url

# Wider than PEP 508, so that nothing which some version of pip would follow is passed over.
_REFERENCE = re.compile(r"\s*(?P<name>[A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*@\s*(?P<url>[^\s;]+)")
_STOPPED = ("http:", "https:", "git+")


@dataclass(frozen=True, slots=True)
class DirectReference:
    """A project and the place from which it is required."""

    name: str
    url: str

    @property
    def is_stopped(self) -> bool:
        """Whether pip gets nothing from there: the gateway refuses foreign hosts, and git is left no protocol.

        Files and folders of this machine, and what Mercurial, Subversion and Bazaar fetch, pass neither.
        """
        return self.url.lower().startswith(_STOPPED)

    @property
    def artifact(self) -> Artifact:
        """What would be installed from there."""
        is_file = self.url.lower().startswith("file:")
        return Artifact(
            ecosystem=Ecosystem.PYPI,
            name=canonicalize_name(self.name),
            version="",
            source=SourceKind.PATH if is_file else SourceKind.VCS,
            origin=redact_url(self.url),
        )


def parse_direct_references(requires_dist: Iterable[str]) -> Iterator[DirectReference]:
    """Find the requirements that name a place.

    Args:
        requires_dist: dependency specifiers as core metadata writes them.
    """
    for requirement in requires_dist:
        match = _REFERENCE.match(requirement)
        if match is not None:
            yield DirectReference(match["name"], match["url"])
