"""The command that the Sigstore conformance suite drives (sigstore/sigstore-conformance, ``docs/cli_protocol.md``).

``python -m tests.conformance verify-bundle --bundle B --certificate-identity I --certificate-oidc-issuer U
[--trusted-root F] [--key K] FILE_OR_DIGEST`` ends with 0 when guard accepts, and with 1 and one line on
stderr when it refuses.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib import resources
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from guard.attest.statement import STATEMENT_PAYLOAD_TYPE, parse_statement
from guard.errors import EvidenceCode, EvidenceInvalid, GuardError, UsageError
from guard.limits import BUNDLE_MAX_BYTES
from guard.model import Claims
from guard.sigstore.bundle import DsseEnvelope, parse_bundle
from guard.sigstore.keys import Artifact, PublicKey, checked_key
from guard.sigstore.trust_root import TrustRoot, parse_trust_root
from guard.sigstore.verify import PublicKeyWithWindow, VerifiedSignature, Verifier

_DIGEST_PREFIX = "sha256:"


def main(arguments: Sequence[str]) -> int:
    """Verify as the command line says and return the exit status."""
    options = _parse(arguments)
    try:
        _verify(options)
    except (GuardError, OSError, ValueError) as error:
        print(f"refused: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    command = parser.add_subparsers(required=True).add_parser("verify-bundle")
    command.add_argument("--bundle", type=Path, required=True)
    command.add_argument("--certificate-identity")
    command.add_argument("--certificate-oidc-issuer")
    command.add_argument("--trusted-root", type=Path)
    command.add_argument("--key", type=Path)
    command.add_argument("subject", metavar="FILE_OR_DIGEST")
    return parser.parse_args(arguments)


def _verify(options: argparse.Namespace) -> None:
    with options.bundle.open("rb") as stream:
        data = stream.read(BUNDLE_MAX_BYTES + 1)
    artifact = _read_subject(options.subject)
    verifier = Verifier(_load_root(options.trusted_root), now=datetime.now(timezone.utc))
    key = None if options.key is None else _load_key(options.key)
    bundle = parse_bundle(data)
    signed: VerifiedSignature
    if isinstance(bundle.content, DsseEnvelope):
        spki = b"" if key is None else key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        keys = {} if bundle.key_hint is None or key is None else {bundle.key_hint: PublicKeyWithWindow(spki=spki)}
        signed = verifier.verify_dsse(data, keys=keys)
        _verify_subject(bundle.content, artifact)
    else:
        signed = verifier.verify_artifact(data, artifact, key=key)
    if key is None:
        _verify_identity(signed.claims, options.certificate_identity, options.certificate_oidc_issuer)
    elif signed.claims is not None:
        raise EvidenceInvalid(EvidenceCode.SIGNATURE, "it is signed with a certificate, and not with the key")


def _read_subject(subject: str) -> Artifact:
    if subject.startswith(_DIGEST_PREFIX) and not Path(subject).exists():
        return Artifact(bytes.fromhex(subject.removeprefix(_DIGEST_PREFIX)))
    content = Path(subject).read_bytes()
    return Artifact(hashlib.sha256(content).digest(), content)


def _load_root(path: Path | None) -> TrustRoot:
    if path is None:
        return parse_trust_root(
            (resources.files("guard") / "data" / "trusted_root.json").read_bytes(), source="shipped"
        )
    return parse_trust_root(path.read_bytes(), source=path.name)


def _load_key(path: Path) -> PublicKey:
    return checked_key(serialization.load_pem_public_key(path.read_bytes()))


def _verify_subject(envelope: DsseEnvelope, artifact: Artifact) -> None:
    if envelope.payload_type != STATEMENT_PAYLOAD_TYPE:
        raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, "what is signed is no statement")
    if parse_statement(envelope.payload).subject_digests.get("sha256") != artifact.sha256.hex():
        raise EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, "the statement is about another artifact")


def _verify_identity(claims: Claims | None, identity: str | None, issuer: str | None) -> None:
    if not identity or not issuer:
        raise UsageError("an identity and an issuer are needed where no key is given")
    if claims is None or (claims.san, claims.issuer) != (identity, issuer):
        raise EvidenceInvalid(EvidenceCode.CERTIFICATE, "it is signed by somebody else")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
