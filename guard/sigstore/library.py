"""sigstore-python as a second opinion on the bundles that it supports.

guard's own steps (:mod:`guard.sigstore.own`) judge every bundle. What they accept, and this library can judge, must
hold before it as well: a mistake in one of two independent implementations is then not enough. It is imported when the
first such bundle comes, because that costs 0.4 s. Nothing of what it read is used.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from guard.errors import ConfigInvalid, EvidenceCode, EvidenceInvalid
from guard.sigstore.bundle import Bundle, DsseEnvelope, MessageSignature
from guard.sigstore.keys import Artifact
from guard.sigstore.strict_json import JsonObject
from guard.sigstore.trust_root import TrustRoot

if TYPE_CHECKING:
    from sigstore.models import Bundle as LibraryBundle
    from sigstore.models import TrustedRoot
    from sigstore.verify import Verifier

_KINDS = {DsseEnvelope: ("dsse", "0.0.1"), MessageSignature: ("hashedrekord", "0.0.1")}


def is_supported(bundle: Bundle) -> bool:
    """Tell whether the library can judge a bundle that guard's own steps accept.

    It asks for a proof of inclusion with a checkpoint, takes the integrated time of these two kinds of entries alone,
    hashes with SHA-256 whatever the key's curve, counts the characters of a payload's type and not its bytes, and
    leaves the last moment of a timestamp authority's validity out.
    """
    entry, content = bundle.entry, bundle.content
    is_ascii = not isinstance(content, DsseEnvelope) or content.payload_type.isascii()
    return (
        (entry.kind, entry.version) == _KINDS[type(content)]
        and entry.proof is not None
        and entry.proof.checkpoint != ""
        and not bundle.timestamps
        and is_ascii
        and _has_p256_certificate(bundle)
    )


def create_verifier(trust_root: TrustRoot) -> Verifier:
    """Create the library's verifier for a trust root.

    Raises:
        ConfigInvalid: the library cannot use it.
    """
    try:
        from sigstore.verify import Verifier

        # Refusals reach the user as evidence; the library's own lines would stand between a wrapped tool's output.
        logging.getLogger("sigstore").setLevel(logging.CRITICAL + 1)
        return Verifier(trusted_root=_decode_trust_root(trust_root))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise ConfigInvalid(f"trust root {trust_root.source} cannot be used: {_one_line(error)}") from error


def verify_again(verifier: Verifier, document: bytes | JsonObject, artifact: Artifact | None) -> None:
    """Verify a bundle that guard's own steps have accepted.

    Args:
        verifier: the library's.
        document: the bundle as it came, so that the library reads it for itself.
        artifact: what a bundle with a message signature is about; ``None`` for one with a statement.

    Raises:
        EvidenceInvalid: ``SIGNATURE``, the library refuses it, for whatever reason.
    """
    try:
        from sigstore.models import Bundle as LibraryBundle

        text = document if isinstance(document, bytes) else json.dumps(document)
        _verify(verifier, LibraryBundle.from_json(text), artifact)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # Rust code below the library panics with exceptions that are no Exception
        reason = f"guard accepts the bundle, and sigstore-python refuses it: {_one_line(error)}"
        raise EvidenceInvalid(EvidenceCode.SIGNATURE, reason) from error


class _IdentityIsJudgedByPolicy:
    """Accepts every certificate: guard's own policy judges the claims after the cryptography held."""

    def verify(self, cert: x509.Certificate) -> None:
        """Accept; the library's other checks of the certificate are not affected."""


def _verify(verifier: Verifier, bundle: LibraryBundle, artifact: Artifact | None) -> None:
    from sigstore.hashes import Hashed

    if artifact is None:
        verifier.verify_dsse(bundle, _IdentityIsJudgedByPolicy())
    else:
        digest = Hashed.model_validate({"algorithm": "SHA2_256", "digest": artifact.sha256})
        verifier.verify_artifact(digest, bundle, _IdentityIsJudgedByPolicy())


def _decode_trust_root(trust_root: TrustRoot) -> TrustedRoot:
    """Decode through a client trust configuration: the library reads a bare trust root from a file only."""
    from sigstore.models import ClientTrustConfig

    configuration = {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": json.loads(trust_root.data),
        "signingConfig": {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"},
    }
    return ClientTrustConfig.from_json(json.dumps(configuration)).trusted_root


def _has_p256_certificate(bundle: Bundle) -> bool:
    if not bundle.certificates:
        return False
    key = x509.load_der_x509_certificate(bundle.certificates[0]).public_key()
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"


def _one_line(error: BaseException) -> str:
    """Return the error's text as one short line that no document can use to write to a terminal."""
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return "".join(character if character.isprintable() else "?" for character in text)
