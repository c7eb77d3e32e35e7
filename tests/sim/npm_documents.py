"""npm's evidence: registry keys and signatures, statements about packages, and the attestations document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.sim.authority import public_der
from tests.sim.documents import JsonObject, base64_text
from tests.sim.identity import Identity
from tests.sim.sigstore import KeyPair

PUBLISH_PREDICATE = "https://github.com/npm/attestation/tree/main/specs/publish/v0.1"
SLSA_PREDICATE = "https://slsa.dev/provenance/v1"

_BUILD_TYPE = "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1"
_SCHEME = "ecdsa-sha2-nistp256"


@dataclass(frozen=True, slots=True)
class RegistryKey:
    """A key of a registry, ECDSA on P-256.

    Args:
        expires: when its signatures cease to count; ``None`` for never.
        key: the private key.
    """

    expires: datetime | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def keyid(self) -> str:
        """What signatures call it: ``SHA256:`` and the digest of the public key, without padding."""
        return f"SHA256:{base64_text(hashlib.sha256(public_der(self.key)).digest()).rstrip('=')}"

    @property
    def pair(self) -> KeyPair:
        """The same as the Sigstore takes it."""
        return KeyPair(self.key, self.keyid)

    def sign(self, name: str, version: str, integrity: str) -> JsonObject:
        """Return one of ``dist.signatures`` (docs.npmjs.com, "ECDSA registry signatures"; pacote ``lib/registry.js``).

        Args:
            name: of the package, with its scope.
            version: of the package.
            integrity: as ``dist.integrity`` has it.
        """
        signature = self.key.sign(f"{name}@{version}:{integrity}".encode(), ec.ECDSA(hashes.SHA256()))
        return {"keyid": self.keyid, "sig": base64_text(signature)}


def keys_document(keys: Iterable[RegistryKey]) -> JsonObject:
    """Return what ``/-/npm/v1/keys`` answers."""
    return {
        "keys": [
            {
                "expires": key.expires and key.expires.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "keyid": key.keyid,
                "keytype": _SCHEME,
                "scheme": _SCHEME,
                "key": base64_text(public_der(key.key)),
            }
            for key in keys
        ]
    }


def purl_of(name: str, version: str) -> str:
    """Return the package URL that a statement names its subject by (npm-package-arg, ``toPurl``)."""
    return f"pkg:npm/{name.replace('@', '%40')}@{version}"


def provenance_statement(name: str, version: str, content: bytes, identity: Identity) -> JsonObject:
    """Return the statement that ``npm publish --provenance`` signs on GitHub (libnpmpublish, ``lib/provenance.js``).

    Its predicate agrees with ``identity``.
    """
    repository = identity.source_repository_uri or ""
    config = (identity.build_config_uri or "").rpartition("@")[0]
    workflow = {
        "ref": identity.source_repository_ref,
        "repository": repository,
        "path": config.removeprefix(f"{repository}/"),
    }
    source = {
        "uri": f"git+{repository}@{identity.source_repository_ref}",
        "digest": {"gitCommit": identity.source_repository_digest},
    }
    github = {
        "event_name": identity.build_trigger,
        "repository_id": identity.source_repository_identifier,
        "repository_owner_id": identity.source_repository_owner_identifier,
    }
    predicate = {
        "buildDefinition": {
            "buildType": _BUILD_TYPE,
            "externalParameters": {"workflow": workflow},
            "internalParameters": {"github": github},
            "resolvedDependencies": [source],
        },
        "runDetails": {
            "builder": {"id": f"https://github.com/actions/runner/{identity.runner_environment}"},
            "metadata": {"invocationId": identity.run_invocation_uri},
        },
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [_subject(name, version, content)],
        "predicateType": SLSA_PREDICATE,
        "predicate": predicate,
    }


def publish_statement(name: str, version: str, content: bytes, registry: str) -> JsonObject:
    """Return the statement that the registry signs when it takes a package (npm/attestation, specs/publish/v0.1)."""
    return {
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [_subject(name, version, content)],
        "predicateType": PUBLISH_PREDICATE,
        "predicate": {"name": name, "version": version, "registry": registry},
    }


def attestations_document(bundles: Iterable[tuple[str, JsonObject]]) -> JsonObject:
    """Return what the endpoint of attestations answers: bundles, each beside the type that it is said to have."""
    return {
        "attestations": [
            {"predicateType": predicate_type, "bundle": bundle, "signedAccessSignatureUrl": ""}
            for predicate_type, bundle in bundles
        ]
    }


def _subject(name: str, version: str, content: bytes) -> JsonObject:
    return {"name": purl_of(name, version), "digest": {"sha512": hashlib.sha512(content).hexdigest()}}
