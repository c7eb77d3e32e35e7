"""One version of an npm package as guard keeps it: the registry's own form, and of it only what guard reads."""

from __future__ import annotations

import json
from dataclasses import replace

from guard.errors import MalformedInput
from guard.registry.credentials import without_secrets
from guard.registry.packument import PublishedVersion, parse_version_document

# Members with an underscore are a registry's own notes (``_id``, ``_npmUser``), so that no package's can be this one.
_REGISTRY_MEMBER = "_guard_registry"


def parse_kept_version(data: bytes, *, name: str, version: str, registry: str) -> PublishedVersion:
    """Parse a version's document that was kept, by guard or with any other tool.

    Args:
        data: the document.
        name: of the package that is asked for.
        version: that is asked for.
        registry: URL of the registry that it is taken to be of where it names none.

    Raises:
        MalformedInput: it is no version, or another one.
    """
    published = parse_version_document(data, name=name, version=version, registry=registry)
    if _REGISTRY_MEMBER.encode() not in data or _stated(registry) in data:  # no need to parse it once more
        return published
    stated = json.loads(data).get(_REGISTRY_MEMBER, registry)
    if not isinstance(stated, str) or not stated.startswith(("https://", "http://")):
        raise MalformedInput("expected the address of a registry", context=_REGISTRY_MEMBER)
    return replace(published, registry=stated)


def render_version_document(published: PublishedVersion) -> bytes:
    """Return the document from which :func:`guard.registry.packument.parse_version_document` makes the same version.

    Logins and tickets in addresses are left out: they are nobody else's, and short-lived (I9). Dependencies and times
    are for resolvers and stay out as well.

    Args:
        published: the version.
    """
    dist: dict[str, object] = {"tarball": without_secrets(published.tarball)}
    if published.integrity is not None:
        dist["integrity"] = published.integrity
    shasum = next((digest.hex for digest in reversed(published.digests) if digest.algorithm == "sha1"), None)
    if shasum is not None:
        dist["shasum"] = shasum
    if published.carries_signatures:
        dist["signatures"] = [{"keyid": each.keyid, "sig": each.sig} for each in published.signatures]
    if published.has_attestations:
        url = published.attestations_url
        address = {} if url is None else {"url": without_secrets(url)}
        dist["attestations"] = {"provenance": published.promises_provenance, **address}
    document: dict[str, object] = {
        "name": published.name,
        "version": published.version,
        "dist": dist,
        _REGISTRY_MEMBER: published.registry,
    }
    if published.has_install_script:
        document["hasInstallScript"] = True
    if published.deprecated is not None:
        document["deprecated"] = published.deprecated or True
    return _compact(document)


def _stated(registry: str) -> bytes:
    """Return how a document that guard wrote names a registry; no text inside a JSON document can look like that."""
    return _compact({_REGISTRY_MEMBER: registry})[1:-1]


def _compact(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode("utf-8")
