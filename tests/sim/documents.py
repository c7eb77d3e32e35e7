"""JSON as the simulated services write it."""

from __future__ import annotations

import base64
import json
from typing import Any, TypeAlias

# Tests take these documents apart and put them together wrongly; precise types would only be in the way.
JsonObject: TypeAlias = dict[str, Any]


def compact_json(document: JsonObject) -> bytes:
    """Serialise without white space, keys in the order given, as in-toto statements are signed."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def canonical_json(document: JsonObject) -> bytes:
    """Serialise as RFC 8785 does for the ASCII strings and integers that a log signs."""
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def base64_text(raw: bytes) -> str:
    """Encode as protobuf's JSON mapping writes bytes."""
    return base64.b64encode(raw).decode()
