"""The command that the Sigstore conformance suite drives (sigstore/sigstore-conformance, ``docs/cli_protocol.md``).

``python -m tests.conformance verify-bundle --bundle B --certificate-identity I --certificate-oidc-issuer U
[--trusted-root F] [--key K] FILE_OR_DIGEST`` ends with 0 when guard accepts, and with 1 and one line on
stderr when it refuses.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from guard.attest.evidence_file import parse_evidence_file
from guard.attest.evidence_set import EvidenceFile, verify_evidence_files
from guard.attest.file_evidence import Trusted, key_id_of
from guard.attest.npm import RegistryKeys
from guard.attest.subject import Subject
from guard.cli.expected import SignerOptions, parse_expectation
from guard.engine.subjects import artifact_of
from guard.errors import EvidenceCode, EvidenceInvalid, GuardError, UsageError
from guard.limits import BUNDLE_MAX_BYTES
from guard.model import Facts
from guard.policy.verification import evaluate_verification
from guard.sigstore.keys import load_pem_public_key
from guard.sigstore.trust_root import TrustRoot, parse_trust_root
from guard.sigstore.verify import Verifier
from guard.store.subjects import digest_subject, load_file_subject
from guard.store.trust_roots import load_shipped_root

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
    """Verify as ``guard verify`` does, without the user's configuration."""
    with options.bundle.open("rb") as stream:
        documents = parse_evidence_file(stream.read(BUNDLE_MAX_BYTES + 1))
    subject = _load_subject(options.subject)
    if options.key is not None and (options.certificate_identity or options.certificate_oidc_issuer):
        raise UsageError("a bundle is signed with a key or by an identity, and both were asked for")
    key = None if options.key is None else load_pem_public_key(options.key.read_bytes())
    signer = SignerOptions(identity=options.certificate_identity, issuer=options.certificate_oidc_issuer)
    expectation = parse_expectation(signer, key_id=None if key is None else key_id_of(key))
    verifier = Verifier(_load_root(options.trusted_root), now=datetime.now(timezone.utc))
    # Cases sign provenance of one build with certificates of another: predicates are no part of the protocol.
    trusted = Trusted(
        verifier=verifier, registry_keys=RegistryKeys(), registries=(), key=key, compares_predicates=False
    )
    brought = EvidenceFile(label=options.bundle.name, documents=documents)
    facts = Facts(artifact=artifact_of(subject), evidence=verify_evidence_files([brought], [subject], trusted)[0])
    decision = evaluate_verification(facts, expectation)
    if not decision.verdict.installs:
        reasons = "; ".join(finding.message for finding in decision.findings)
        raise EvidenceInvalid(EvidenceCode.SIGNATURE, reasons)


def _load_subject(text: str) -> Subject:
    if text.startswith(_DIGEST_PREFIX) and not Path(text).exists():
        return digest_subject(text)
    return load_file_subject(Path(text), with_content=True)


def _load_root(path: Path | None) -> TrustRoot:
    return load_shipped_root() if path is None else parse_trust_root(path.read_bytes(), source=path.name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
