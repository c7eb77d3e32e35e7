"""Readers of what registries, logs and users bring, with documents of the simulated services to begin from."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from guard.attest import npm, npm_signature, publisher, pypi
from guard.attest.evidence_file import parse_evidence_file
from guard.attest.file_evidence import Trusted, verify_document
from guard.attest.slsa import verify_provenance_predicate
from guard.attest.statement import Statement, parse_statement
from guard.attest.subject import Subject, parse_python_file
from guard.errors import ConfigInvalid, EvidenceInvalid, MalformedInput
from guard.model import Claims, Digest, Evidence, EvidenceState
from guard.sigstore.authorities import decode_authorities
from guard.sigstore.envelope import bundle_with_entry, log_query, parse_certified_envelope
from guard.sigstore.strict_json import parse_json_object
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from tests.fuzz.mutations import bytes_like, documents_like
from tests.fuzz.target import Target, bytes_of, is_said, parses, refuses
from tests.sim import npm_documents, pep740
from tests.sim.forms import entry_of
from tests.sim.identity import Identity
from tests.sim.judging import NOW, mint
from tests.sim.sigstore import EntryKind, MintingSigstore

# --- documents of registries -----------------------------------------------------------------------------------------

_SIGSTORE, _PERSON, _REGISTRY = MintingSigstore(NOW), Identity.github(), npm_documents.RegistryKey()
_VERIFIER = Verifier(parse_trust_root(_SIGSTORE.trusted_root_json(), source="minted"), now=NOW)
_CONTENT, _WHEEL, _URL = b"content", "example-1.0-py3-none-any.whl", "https://registry.example.test/"
_SHA256 = Digest("sha256", hashlib.sha256(_CONTENT).hexdigest())
_SHA512 = Digest("sha512", hashlib.sha512(_CONTENT).hexdigest())
_PUBLISHED = pep740.publish_statement(_WHEEL, _CONTENT)
_BUILT = pep740.slsa_statement(_WHEEL, _CONTENT, _PERSON)
_NPM_BUILT = npm_documents.provenance_statement("@a/example", "1.0.0", _CONTENT, _PERSON)
_NPM_PUBLISHED = npm_documents.publish_statement("@a/example", "1.0.0", _CONTENT, _URL)
_PROVENANCE = pep740.provenance(
    [(pep740.publisher_of(_PERSON), [_SIGSTORE.attest(each, _PERSON) for each in (_PUBLISHED, _BUILT)])]
)
_ATTESTATIONS = npm_documents.attestations_document(
    [
        (npm_documents.SLSA_PREDICATE, _SIGSTORE.bundle(_NPM_BUILT, _PERSON, entry_kind=EntryKind.INTOTO)),
        (npm_documents.PUBLISH_PREDICATE, _SIGSTORE.key_bundle(_NPM_PUBLISHED, _REGISTRY.pair)),
    ]
)
_KEYS = npm_documents.keys_document([_REGISTRY])
_TUF_KEYS = {
    "keys": [
        {
            "keyId": _REGISTRY.keyid,
            "keyUsage": usage.value,
            "publicKey": {
                "rawBytes": _KEYS["keys"][0]["key"],
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": {"start": "2022-12-01T00:00:00.000Z"},
            },
        }
        for usage in npm_signature.KeyUsage
    ]
}
_CLAIMS = Claims(
    **{name: getattr(_PERSON, name) for name in Claims.__dataclass_fields__ if name not in ("signed_at", "log_index")}
)
_PREDICATE_V02 = {
    "buildType": "https://github.com/npm/cli/gha/v2",
    "builder": {"id": "https://github.com/actions/runner"},
    "invocation": {
        "configSource": {"uri": f"git+{_PERSON.source_repository_uri}@refs/heads/main", "digest": {"sha1": "0" * 40}},
        "environment": {"GITHUB_REF": "refs/heads/main", "GITHUB_RUN_ID": "1", "GITHUB_RUN_ATTEMPT": "1"},
    },
    "metadata": {"buildInvocationId": "1-1"},
    "materials": [{"uri": f"git+{_PERSON.source_repository_uri}@refs/heads/main", "digest": {"sha1": "0" * 40}}],
}


def _is_evidence(evidence: tuple[Evidence, ...]) -> None:
    """Check that there is some, and that each says what its state needs."""
    assert evidence
    for each in evidence:
        assert (each.state is EvidenceState.INVALID) is (each.code is not None)
        assert each.reason.isprintable(), ascii(each.reason)
        assert each.state is EvidenceState.VERIFIED or each.reason


def _verify_provenance(data: bytes) -> None:
    _is_evidence(pypi.verify_provenance(data, filename=_WHEEL, sha256=_SHA256, verifier=_VERIFIER))


def _verify_attestations(data: bytes) -> None:
    keys = npm.RegistryKeys(known=npm_signature.parse_registry_keys(json.dumps(_KEYS).encode()))
    _is_evidence(
        npm.verify_attestations(
            data, name="@a/example", version="1.0.0", sha512=_SHA512, registries=(_URL,), keys=keys, verifier=_VERIFIER
        )
    )


def _verify_registry_signature(data: bytes) -> None:
    document: Any = parse_json_object(data, what="signatures")
    signatures = [
        (str(each.get("keyid")), str(each.get("sig")))
        for each in (document.get("signatures") if isinstance(document.get("signatures"), list) else [])
        if isinstance(each, dict)
    ]
    keys = npm_signature.parse_registry_keys(json.dumps(_KEYS).encode())
    evidence = npm_signature.verify_registry_signatures(
        signatures, name="a", version="1", integrity="sha512-x", keys=keys, published_at=NOW
    )
    assert (evidence.state is EvidenceState.ABSENT) is (not signatures)
    assert (evidence.state is EvidenceState.INVALID) is (evidence.code is not None)


def _verify_predicate(version: str) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        predicate = parse_json_object(data, what="the predicate")
        statement = Statement(subject_name="a", subject_digests={}, predicate_type=version, predicate=predicate)
        verify_provenance_predicate(statement, _CLAIMS)

    return check


def _use_trust_root(data: bytes) -> None:
    decode_authorities(parse_trust_root(data, source="fuzzed"))


def _read_json(data: bytes) -> None:
    try:
        parsed = parse_json_object(data, what="the document")
    except MalformedInput as error:
        is_said(error)
    else:
        assert parsed == json.loads(data)
        json.dumps(parsed, ensure_ascii=False).encode()


def _verify_evidence_file(data: bytes) -> None:
    for document in parse_evidence_file(data):
        _is_evidence(verify_document(document, _SUBJECT, _TRUSTED))


_SUBJECT = Subject(name="it", digests=(_SHA256, _SHA512), package=parse_python_file(_WHEEL), content=_CONTENT)
_TRUSTED = Trusted(verifier=_VERIFIER, registry_keys=npm.RegistryKeys(), registries=())
_BUNDLE = _SIGSTORE.bundle(_BUILT, _PERSON)
_PEM = x509.load_der_x509_certificate(base64.b64decode(_BUNDLE["verificationMaterial"]["certificate"]["rawBytes"]))
_CERTIFIED = json.loads(json.dumps(_BUNDLE["dsseEnvelope"]))
_CERTIFIED["signatures"][0]["cert"] = _PEM.public_bytes(Encoding.PEM).decode()


def _read_certified_envelope(data: bytes) -> None:
    log_query(parse_certified_envelope(parse_json_object(data, what="the envelope"), data))


def _read_answer_of_log(data: bytes) -> None:
    """Whatever the log answers makes a bundle, which is then verified as any other, or is malformed."""
    envelope = parse_certified_envelope(_CERTIFIED, json.dumps(_CERTIFIED).encode())
    bundle = bundle_with_entry(envelope, b"[" + data + b"]")
    if bundle is not None:
        _VERIFIER.verify_dsse(bundle)


def _as_answered(entry: Any) -> Any:
    """Write an entry of a bundle as Rekor's API does."""
    proof = entry["inclusionProof"]
    return {
        "uuid": {
            "body": entry["canonicalizedBody"],
            "integratedTime": int(entry["integratedTime"]),
            "logID": base64.b64decode(entry["logId"]["keyId"]).hex(),
            "logIndex": int(entry["logIndex"]),
            "verification": {
                "inclusionProof": {
                    "checkpoint": proof["checkpoint"]["envelope"],
                    "hashes": [base64.b64decode(each).hex() for each in proof["hashes"]],
                    "logIndex": int(proof["logIndex"]),
                    "rootHash": base64.b64decode(proof["rootHash"]).hex(),
                    "treeSize": int(proof["treeSize"]),
                },
                "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            },
        }
    }


_SIGNATURES = {"signatures": [_REGISTRY.sign("a", "1", "sha512-x"), _REGISTRY.sign("a", "1", "sha512-y")]}
_SLSA_V1 = [statement["predicate"] for statement in (_BUILT, _NPM_BUILT)]

DOCUMENT_TARGETS: dict[str, Target] = {
    "bundle-through-both": Target(
        documents_like(bytes_of(_SIGSTORE.bundle(_BUILT, _PERSON))), refuses(_VERIFIER.verify_dsse)
    ),
    "pypi-provenance": Target(documents_like(bytes_of(_PROVENANCE)), _verify_provenance),
    "npm-attestations": Target(documents_like(bytes_of(_ATTESTATIONS)), _verify_attestations),
    "evidence-file": Target(
        documents_like(bytes_of(_PROVENANCE, _ATTESTATIONS, _BUNDLE, _CERTIFIED)),
        parses(_verify_evidence_file, MalformedInput),
    ),
    "evidence-lines": Target(
        bytes_like([b"\n".join(bytes_of(_BUNDLE, _CERTIFIED, _BUNDLE))]),
        parses(_verify_evidence_file, MalformedInput),
    ),
    "certified-envelope": Target(
        documents_like(bytes_of(_CERTIFIED)), parses(_read_certified_envelope, MalformedInput, EvidenceInvalid)
    ),
    "answer-of-log": Target(
        documents_like(bytes_of(_as_answered(entry_of(_BUNDLE)))),
        parses(_read_answer_of_log, MalformedInput, EvidenceInvalid),
    ),
    "npm-signatures": Target(documents_like(bytes_of(_SIGNATURES)), parses(_verify_registry_signature, MalformedInput)),
    "npm-keys": Target(
        documents_like(bytes_of(_KEYS, _TUF_KEYS)), parses(npm_signature.parse_registry_keys, MalformedInput)
    ),
    "publisher": Target(
        documents_like(bytes_of(pep740.publisher_of(_PERSON), pep740.publisher_of(Identity.gitlab()))),
        parses(lambda data: publisher.parse_publisher(parse_json_object(data, what="it")), MalformedInput),
    ),
    "statement": Target(
        documents_like(bytes_of(_PUBLISHED, _BUILT, _NPM_BUILT, _NPM_PUBLISHED)),
        parses(parse_statement, MalformedInput, EvidenceInvalid),
    ),
    "slsa-v1": Target(
        documents_like(bytes_of(*_SLSA_V1)),
        parses(_verify_predicate("https://slsa.dev/provenance/v1"), MalformedInput, EvidenceInvalid),
    ),
    "slsa-v0.2": Target(
        documents_like(bytes_of(_PREDICATE_V02)),
        parses(_verify_predicate("https://slsa.dev/provenance/v0.2"), MalformedInput, EvidenceInvalid),
    ),
    "trust-root": Target(documents_like(bytes_of(mint().trust_root())), parses(_use_trust_root, ConfigInvalid)),
    "json": Target(documents_like(bytes_of(_BUNDLE, _PROVENANCE, _KEYS)), _read_json),
}
