"""What is fuzzed: each reader of untrusted evidence with documents to begin from and what it may do with any bytes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from sigstore.models import Bundle as LibraryBundle
from sigstore.verify.policy import UnsafeNoOp

from guard.attest import npm, npm_signature, publisher, pypi
from guard.attest.slsa import verify_provenance_predicate
from guard.attest.statement import Statement, parse_statement
from guard.errors import ConfigInvalid, EvidenceCode, EvidenceInvalid, GuardError, MalformedInput
from guard.model import Claims, Digest, Evidence, EvidenceState
from guard.sigstore import own
from guard.sigstore.authorities import decode_authorities
from guard.sigstore.bundle import Bundle, DsseEnvelope, InclusionProof, MessageSignature, parse_bundle
from guard.sigstore.certificate import claims_from_certificate
from guard.sigstore.chain import verify_sct, verify_usage
from guard.sigstore.entry import Signer, verify_entry
from guard.sigstore.keys import Artifact, checked_key
from guard.sigstore.log import find_log, verify_inclusion
from guard.sigstore.strict_json import parse_json_object
from guard.sigstore.timestamp import verify_timestamps
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from tests.fuzz.mutations import bytes_like, documents_like
from tests.sim import npm_documents, pep740
from tests.sim.forms import FORMS, KEY, entry_of, proof_of
from tests.sim.identity import Identity
from tests.sim.judging import NOW, authorities_of, library_of, mint
from tests.sim.mint import ARTIFACT
from tests.sim.sigstore import EntryKind, MintingSigstore


@dataclass(frozen=True, slots=True)
class Target:
    """One reader.

    Args:
        inputs: what it is given.
        check: gives it that; fails where anything but its one error comes out.
    """

    inputs: st.SearchStrategy[bytes]
    check: Callable[[bytes], None]


def try_inputs(target: Target, *, count: int, start: int) -> None:
    """Give a target some inputs; what it fails on is made small before it is raised.

    Args:
        target: the target.
        count: how many.
        start: from which randomness they are drawn.
    """

    @seed(start)
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def check(data: bytes) -> None:
        target.check(data)

    check()


def _is_said(error: GuardError) -> None:
    """What reaches a terminal is one line that steers nothing."""
    assert error.message.isprintable(), ascii(error.message)


def _parses(parse: Callable[[bytes], object], *allowed: type[GuardError]) -> Callable[[bytes], None]:
    def check(data: bytes) -> None:
        try:
            parse(data)
        except allowed as error:
            _is_said(error)

    return check


def _refuses(verify: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """Return a check that bytes verify or are invalid evidence, which has a stable code."""

    def check(data: bytes) -> None:
        try:
            verify(data)
        except EvidenceInvalid as error:
            _is_said(error)

    return check


# --- bundles ---------------------------------------------------------------------------------------------------------

_ROOT = mint().trust_root()
_AUTHORITIES = authorities_of(_ROOT)
_LIBRARY = library_of(_ROOT)
_FORMS: list[Any] = [mint().bundle(recipe) for recipe in FORMS.values()]
_BUNDLES = [json.dumps(bundle).encode() for bundle in _FORMS]
_ENVELOPE = mint().bundle(FORMS["envelope-0.3"])
_PARSED = parse_bundle(_ENVELOPE)


def _judge(bundle: Bundle) -> own.Proven:
    key: Any = None if bundle.key_hint is None else KEY.key.public_key()
    artifact = Artifact(hashlib.sha256(ARTIFACT).digest(), ARTIFACT) if _is_message(bundle) else None
    return own.verify_bundle(bundle, _AUTHORITIES, now=NOW, key=key, artifact=artifact)


def _is_message(bundle: Bundle) -> bool:
    return isinstance(bundle.content, MessageSignature)


def _who(proven: own.Proven) -> Claims | None:
    return proven.claims and replace(proven.claims, signed_at=None, log_index=None)


# By the only signatures that there are: what was made, and what it proves.
_MADE = {bundle.signature: (bundle, _judge(bundle)) for bundle in map(parse_bundle, _FORMS)}


def _verify_bundle(data: bytes) -> None:
    """Whatever verifies says what one of the bundles said that were made, and nothing earlier."""
    bundle = parse_bundle(data)
    proven = _judge(bundle)
    made, expected = _MADE[bundle.signature]
    assert _who(proven) == _who(expected)
    assert proven.signed_at is None or (expected.signed_at is not None and proven.signed_at >= expected.signed_at)
    if isinstance(bundle.content, DsseEnvelope):
        assert isinstance(made.content, DsseEnvelope)
        assert (bundle.content.payload, bundle.content.payload_type) == (
            made.content.payload,
            made.content.payload_type,
        )


def _compare_with_the_library(data: bytes) -> None:
    """Neither verifier accepts a document whose authenticated content was altered."""
    assert _signed_by_guard(data) in (None, _PAYLOAD)
    assert _signed_by_library(data) in (None, _PAYLOAD)


_PAYLOAD = base64.b64decode(_ENVELOPE["dsseEnvelope"]["payload"])


def _signed_by_guard(data: bytes) -> bytes | None:
    try:
        bundle = parse_bundle(data)
        _judge(bundle)
    except (MalformedInput, EvidenceInvalid):
        return None
    assert isinstance(bundle.content, DsseEnvelope)
    return bundle.content.payload


def _signed_by_library(data: bytes) -> bytes | None:
    try:
        return _LIBRARY.verify_dsse(LibraryBundle.from_json(data), UnsafeNoOp())[1]
    except Exception:  # noqa: BLE001 - it raises more than it documents, and all of it refuses
        return None


# --- the parts of a bundle that have formats of their own ------------------------------------------------------------

_LOG = find_log(_PARSED.entry, _AUTHORITIES)
_LEAF = x509.load_der_x509_certificate(_PARSED.certificates[0])
_SIGNER = Signer(_LEAF, checked_key(_LEAF.public_key()))


def _verify_checkpoint(data: bytes) -> None:
    proof = _PARSED.entry.proof
    assert isinstance(proof, InclusionProof)
    altered = replace(proof, checkpoint=data.decode("utf-8", "replace"))
    verify_inclusion(replace(_PARSED.entry, proof=altered), _LOG, required=True)


def _verify_entry(data: bytes) -> None:
    verify_entry(replace(_PARSED, entry=replace(_PARSED.entry, body=data)), _SIGNER, None)


def _verify_timestamp(data: bytes) -> None:
    with own._boundary(EvidenceCode.LOG_ENTRY, "the timestamp"):
        verify_timestamps(replace(_PARSED, timestamps=(data,)), _AUTHORITIES)


def _verify_certificate(data: bytes) -> None:
    with own._boundary(EvidenceCode.CERTIFICATE, "the certificate"):
        certificate = x509.load_der_x509_certificate(data)
    for step in (
        lambda: verify_usage(certificate),
        lambda: verify_sct(certificate, _AUTHORITIES.issuers[0], _AUTHORITIES),
        lambda: claims_from_certificate(certificate, signed_at=None, log_index=None),
    ):
        try:
            with own._boundary(EvidenceCode.CERTIFICATE, "the certificate"):
                step()
        except EvidenceInvalid as error:
            _is_said(error)


@st.composite
def _certificates(draw: st.DrawFn) -> bytes:
    """Return a certificate of which bytes differ, or one extension, so that the lengths around it are right."""
    der = _PARSED.certificates[0]
    if draw(st.booleans()):
        return draw(bytes_like([der]))
    builder = mint().authority.prepare(Identity.github(), KEY.key, NOW - timedelta(hours=1))
    extensions = list(builder._extensions)
    place = draw(st.integers(0, len(extensions) - 1))
    chosen = extensions[place]
    value = draw(bytes_like([chosen.value.public_bytes()]))
    oid = draw(st.sampled_from([chosen.oid, x509.PrecertificateSignedCertificateTimestamps.oid, *_FULCIO]))
    extensions[place] = x509.Extension(oid, draw(st.booleans()), x509.UnrecognizedExtension(oid, value))
    builder._extensions = extensions
    return mint().authority.sign(builder).public_bytes(Encoding.DER)


_FULCIO = [x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{arc}") for arc in (1, 5, 8, 12, 25)]
_STAMPS = [
    base64.b64decode(stamp["signedTimestamp"])
    for bundle in _FORMS
    for stamp in bundle["verificationMaterial"].get("timestampVerificationData", {}).get("rfc3161Timestamps", [])
]
_CHECKPOINTS = [proof_of(bundle)["checkpoint"]["envelope"].encode() for bundle in (_ENVELOPE, _FORMS[1])]
_BODIES = [base64.b64decode(entry_of(bundle)["canonicalizedBody"]) for bundle in _FORMS]


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


def _bytes_of(*documents: Any) -> list[bytes]:
    return [json.dumps(document).encode() for document in documents]


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
        _is_said(error)
    else:
        assert parsed == json.loads(data)
        json.dumps(parsed, ensure_ascii=False).encode()


_SIGNATURES = {"signatures": [_REGISTRY.sign("a", "1", "sha512-x"), _REGISTRY.sign("a", "1", "sha512-y")]}
_SLSA_V1 = [statement["predicate"] for statement in (_BUILT, _NPM_BUILT)]

TARGETS: dict[str, Target] = {
    "bundle": Target(documents_like(_BUNDLES), _parses(parse_bundle, MalformedInput)),
    "bundle-verified": Target(documents_like(_BUNDLES), _parses(_verify_bundle, MalformedInput, EvidenceInvalid)),
    "bundle-through-both": Target(
        documents_like(_bytes_of(_SIGSTORE.bundle(_BUILT, _PERSON))), _refuses(_VERIFIER.verify_dsse)
    ),
    "against-sigstore-python": Target(
        documents_like(_bytes_of(_ENVELOPE, _FORMS[1], _FORMS[3])), _compare_with_the_library
    ),
    "checkpoint": Target(bytes_like(_CHECKPOINTS), _refuses(_verify_checkpoint)),
    "entry": Target(documents_like(_BODIES), _refuses(_verify_entry)),
    "timestamp": Target(bytes_like(_STAMPS), _refuses(_verify_timestamp)),
    "certificate": Target(_certificates(), _refuses(_verify_certificate)),
    "pypi-provenance": Target(documents_like(_bytes_of(_PROVENANCE)), _verify_provenance),
    "npm-attestations": Target(documents_like(_bytes_of(_ATTESTATIONS)), _verify_attestations),
    "npm-signatures": Target(
        documents_like(_bytes_of(_SIGNATURES)), _parses(_verify_registry_signature, MalformedInput)
    ),
    "npm-keys": Target(
        documents_like(_bytes_of(_KEYS, _TUF_KEYS)), _parses(npm_signature.parse_registry_keys, MalformedInput)
    ),
    "publisher": Target(
        documents_like(_bytes_of(pep740.publisher_of(_PERSON), pep740.publisher_of(Identity.gitlab()))),
        _parses(lambda data: publisher.parse_publisher(parse_json_object(data, what="it")), MalformedInput),
    ),
    "statement": Target(
        documents_like(_bytes_of(_PUBLISHED, _BUILT, _NPM_BUILT, _NPM_PUBLISHED)),
        _parses(parse_statement, MalformedInput, EvidenceInvalid),
    ),
    "slsa-v1": Target(
        documents_like(_bytes_of(*_SLSA_V1)),
        _parses(_verify_predicate("https://slsa.dev/provenance/v1"), MalformedInput, EvidenceInvalid),
    ),
    "slsa-v0.2": Target(
        documents_like(_bytes_of(_PREDICATE_V02)),
        _parses(_verify_predicate("https://slsa.dev/provenance/v0.2"), MalformedInput, EvidenceInvalid),
    ),
    "trust-root": Target(documents_like(_bytes_of(_ROOT)), _parses(_use_trust_root, ConfigInvalid)),
    "json": Target(documents_like([*_BUNDLES[:3], *_bytes_of(_PROVENANCE, _KEYS)]), _read_json),
}
