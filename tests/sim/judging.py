"""A mint, its trust root decoded, and the two verifiers that judge what it makes."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from typing import Any

from sigstore.models import Bundle, ClientTrustConfig
from sigstore.verify import Verifier

from guard.sigstore.authorities import Authorities, decode_authorities
from guard.sigstore.bundle import parse_bundle
from guard.sigstore.keys import Artifact, PublicKey
from guard.sigstore.own import Proven, verify_bundle
from guard.sigstore.trust_root import parse_trust_root
from tests.sim.documents import JsonObject
from tests.sim.forms import KEY, Change
from tests.sim.identity import Identity
from tests.sim.mint import ARTIFACT, Mint

NOW = datetime.now(timezone.utc).replace(microsecond=0)
IDENTITY = Identity.github(environment="release")


@cache
def mint() -> Mint:
    """Return the one mint of a process."""
    return Mint(NOW, IDENTITY)


def root_of(change: Change) -> JsonObject:
    """Return the mint's trust root with a change."""
    root = copy.deepcopy(mint().trust_root())
    change(mint(), root)
    return root


def authorities_of(root: JsonObject) -> Authorities:
    """Return a trust root as guard decodes it."""
    return decode_authorities(parse_trust_root(json.dumps(root).encode(), source="simulated"))


@dataclass(frozen=True, slots=True)
class Judged:
    """What is judged beside the bundle: the key and the artifact that it needs."""

    key: PublicKey | None
    artifact: Artifact | None


def needs_of(bundle: JsonObject) -> Judged:
    """Return what a bundle of the mint needs, found as a caller finds it: by what the document is."""
    is_keyed = "publicKey" in bundle["verificationMaterial"]
    key: Any = KEY.key.public_key()
    artifact = Artifact(hashlib.sha256(ARTIFACT).digest(), ARTIFACT) if "messageSignature" in bundle else None
    return Judged(key if is_keyed else None, artifact)


def judge(bundle: JsonObject, authorities: Authorities, *, now: datetime = NOW) -> Proven:
    """Verify with guard's own verifier."""
    needs = needs_of(bundle)
    parsed = parse_bundle(json.dumps(bundle).encode())
    return verify_bundle(parsed, authorities, now=now, key=needs.key, artifact=needs.artifact)


class _AnyIdentity:
    def verify(self, cert: object) -> None:
        """Accept: identities are judged by policy."""


def library_of(root: JsonObject) -> Verifier:
    """Return sigstore-python's verifier for a trust root."""
    logging.getLogger("sigstore").setLevel(logging.CRITICAL + 1)
    configuration = {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": root,
        "signingConfig": {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"},
    }
    return Verifier(trusted_root=ClientTrustConfig.from_json(json.dumps(configuration)).trusted_root)


def judge_by_library(bundle: JsonObject, library: Verifier, artifact: bytes = ARTIFACT) -> bytes:
    """Verify with sigstore-python and return what was signed; it raises whatever it raises."""
    parsed = Bundle.from_json(json.dumps(bundle))
    if "messageSignature" in bundle:
        library.verify_artifact(artifact, parsed, _AnyIdentity())
        return artifact
    return library.verify_dsse(parsed, _AnyIdentity())[1]
