"""The recorded documents, whose folder the environment variable GUARD_CORPUS names; nothing without it."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from guard.sigstore.authorities import Authorities, decode_authorities
from guard.sigstore.keys import PublicKey, load_public_key
from guard.sigstore.trust_root import parse_trust_root

CORPUS = Path(os.environ.get("GUARD_CORPUS", ""))
IS_THERE = bool(os.environ.get("GUARD_CORPUS"))


@dataclass(frozen=True, slots=True)
class RecordedBundle:
    """One bundle of a recorded document.

    Args:
        name: of the document, and the bundle's place in it.
        bundle: the bundle.
        root: name of the trust root that judges it.
        says: what the index says of it.
    """

    name: str
    bundle: dict[str, Any]
    root: str
    says: dict[str, Any]


def load_rows() -> list[dict[str, Any]]:
    """Return the rows of the index."""
    rows: list[dict[str, Any]] = json.loads((CORPUS / "index.json").read_bytes()) if IS_THERE else []
    return rows


def bundles_of(row: dict[str, Any]) -> list[RecordedBundle]:
    """Return the bundles of a recorded document, one for each statement of its row."""
    document = json.loads((CORPUS / row["path"]).read_bytes())
    pairs = zip(_bundles_in(document), row["statements"], strict=True)
    name = Path(row["path"]).name
    return [
        RecordedBundle(f"{name}#{number}", bundle, row["root"], says) for number, (bundle, says) in enumerate(pairs)
    ]


def _bundles_in(document: dict[str, Any]) -> list[dict[str, Any]]:
    if "attestation_bundles" in document:
        return [_from_attestation(each) for one in document["attestation_bundles"] for each in one["attestations"]]
    if "attestations" in document:
        return [each["bundle"] for each in document["attestations"]]
    return [document if "verificationMaterial" in document else _from_attestation(document)]


def _from_attestation(attestation: dict[str, Any]) -> dict[str, Any]:
    """Rewrite a PEP 740 attestation as a bundle, as PEP 740's "Attestation objects" say the two correspond."""
    material, envelope = attestation["verification_material"], attestation["envelope"]
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": {"rawBytes": material["certificate"]},
            "tlogEntries": material["transparency_entries"],
        },
        "dsseEnvelope": {
            "payload": envelope["statement"],
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": envelope["signature"], "keyid": ""}],
        },
    }


def root_document(name: str) -> bytes:
    """Return a recorded trust root."""
    return (CORPUS / "trust" / f"{name}.trusted_root.json").read_bytes()


@cache
def authorities(name: str) -> Authorities:
    """Return a recorded trust root as guard decodes it."""
    return decode_authorities(parse_trust_root(root_document(name), source=name))


@cache
def registry_keys() -> dict[str, PublicKey]:
    """Return the keys with which npm's registry signs attestations, by name (sigstore/root-signing, ``keys.json``)."""
    keys = json.loads((CORPUS / "trust" / "npm-keys.json").read_bytes())["keys"]
    return {
        each["keyId"]: load_public_key(base64.b64decode(each["publicKey"]["rawBytes"]))
        for each in keys
        if each["keyUsage"] == "npm:attestations"
    }
