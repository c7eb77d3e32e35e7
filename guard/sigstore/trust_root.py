"""The trust root: which certificate authorities, transparency logs and timestamp authorities are believed.

It is a value that the caller passes in. Nothing here looks for one, so a cache that somebody else may write cannot
become a root. Its bytes are kept and handed to the verifying library at first use: importing that library costs 0.4 s,
which commands that verify nothing do not pay.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from guard.errors import ConfigInvalid, MalformedInput
from guard.limits import TRUST_ROOT_MAX_BYTES
from guard.model import Digest
from guard.sigstore.strict_json import objects_member, parse_json_object, text_member

_MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"


class TufVersions(NamedTuple):
    """Versions of the TUF metadata that vouched for a trust root, as integers that only grow."""

    root: int
    timestamp: int
    snapshot: int
    targets: int


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """A Sigstore ``TrustedRoot`` document (sigstore/protobuf-specs, sigstore_trustroot.proto).

    Made by :func:`parse_trust_root` only.

    Args:
        source: where it came from, in the user's words, for reports.
        digest: sha256 of its bytes; part of every cache key.
        data: its bytes.
        as_of: when it was known to be the current one; ``None`` for a file of the user's, which has no such date.
    """

    source: str
    digest: Digest
    data: bytes = field(repr=False)
    as_of: datetime | None = None


def parse_trust_root(data: bytes, *, source: str, as_of: datetime | None = None) -> TrustRoot:
    """Parse a ``trusted_root.json``.

    Its structure is checked here; keys and certificates inside are decoded when the first bundle is verified.

    Args:
        data: the document's bytes.
        source: where they came from.
        as_of: when they were known to be the current ones.

    Returns:
        The trust root.

    Raises:
        ConfigInvalid: it is too large, not JSON, of another media type, or names no transparency log, which every
            verification needs; without the authorities of certificates, bundles of bare keys can be verified.
    """
    if len(data) > TRUST_ROOT_MAX_BYTES:
        raise ConfigInvalid(f"trust root {source} is larger than {TRUST_ROOT_MAX_BYTES} bytes")
    try:
        root = parse_json_object(data, what=f"trust root {source}")
        media_type = text_member(root, "mediaType", context=f"trust root {source}")
        logs = objects_member(root, "tlogs", context=f"trust root {source}")
    except MalformedInput as error:
        raise ConfigInvalid(error.message) from error
    if media_type != _MEDIA_TYPE:
        raise ConfigInvalid(f"trust root {source} has the media type {media_type[:120]!r}, not {_MEDIA_TYPE!r}")
    if not logs:
        raise ConfigInvalid(f"trust root {source} lists no tlogs: nothing could ever be verified")
    return TrustRoot(source, Digest("sha256", hashlib.sha256(data).hexdigest()), data, as_of)
