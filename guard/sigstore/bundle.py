"""Sigstore bundles: bytes to one typed value, or the one malformed-input error.

Formats: sigstore/protobuf-specs, ``sigstore_bundle.proto`` and ``sigstore_rekor.proto``, in proto3's JSON mapping
(64-bit integers are strings; zero values may be left out, and ``null`` is left out). Version 0.1 promises inclusion in
the log, versions from 0.2 on prove it, and version 0.3 holds one certificate in place of a chain.
"""

from __future__ import annotations

import base64
import binascii
import enum
from dataclasses import dataclass
from typing import TypeVar

from guard.errors import MalformedInput
from guard.limits import BUNDLE_ITEMS_MAX_COUNT, BUNDLE_MAX_BYTES
from guard.sigstore.strict_json import JsonObject, object_member, objects_member, parse_json_object, text_member

_Item = TypeVar("_Item")
_INT64_MAX = 2**63 - 1


class BundleVersion(enum.Enum):
    """The versions of the format, by media type."""

    V0_1 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
    V0_2 = "application/vnd.dev.sigstore.bundle+json;version=0.2"
    V0_3 = "application/vnd.dev.sigstore.bundle.v0.3+json"

    @property
    def promises_inclusion(self) -> bool:
        """Whether the log entry must come with a promise; else with a proof of inclusion and a checkpoint."""
        return self is BundleVersion.V0_1


_VERSIONS = {version.value: version for version in BundleVersion} | {
    "application/vnd.dev.sigstore.bundle+json;version=0.3": BundleVersion.V0_3
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """That an entry is in a log (RFC 9162, section 2.1.3).

    Args:
        log_index: of the entry in this tree, from 0.
        tree_size: number of entries of the tree.
        root_hash: of the tree.
        hashes: the audit path, from the leaf up.
        checkpoint: the signed note that vouches for size and root; the empty string where there is none.
    """

    log_index: int
    tree_size: int
    root_hash: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """An entry of a transparency log.

    Args:
        log_index: of the entry in the whole log, from 0.
        log_id: of the log's key.
        kind: of the entry, as the bundle says outside the signed body.
        version: of that kind.
        integrated_time: seconds since 1970; 0 where the log states none (Rekor v2).
        signed_entry_timestamp: the log's promise of inclusion, over body, time and index; ``None`` where there is none.
        proof: ``None`` where there is none.
        body: what the log recorded.
    """

    log_index: int
    log_id: bytes
    kind: str
    version: str
    integrated_time: int
    signed_entry_timestamp: bytes | None
    proof: InclusionProof | None
    body: bytes


@dataclass(frozen=True, slots=True)
class DsseEnvelope:
    """A signed payload (DSSE protocol). Envelopes with several signatures are malformed here.

    Args:
        payload: what is signed.
        payload_type: what it is, signed with it.
        signature: over both.
        key_id: what the envelope calls the key; no signature covers it, and it is empty where nothing is said.
    """

    payload: bytes
    payload_type: str
    signature: bytes
    key_id: str


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """A signature over an artifact itself.

    Args:
        algorithm: name of the digest that the bundle states, such as ``SHA2_256``; ``None`` where it states none.
        digest: that digest.
        signature: over the artifact.
    """

    algorithm: str | None
    digest: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A parsed bundle. Nothing in it is verified.

    Args:
        version: of the format.
        certificates: DER, the signer's first; empty for one that is signed with a bare key.
        key_hint: names the bare key; ``None`` for one with a certificate.
        entry: of the transparency log.
        timestamps: RFC 3161 responses, DER.
        content: what is signed, and the signature.
    """

    version: BundleVersion
    certificates: tuple[bytes, ...]
    key_hint: str | None
    entry: LogEntry
    timestamps: tuple[bytes, ...]
    content: DsseEnvelope | MessageSignature

    @property
    def signature(self) -> bytes:
        """The signature over payload or artifact, which timestamps cover."""
        return self.content.signature


def parse_bundle(bundle: bytes | JsonObject) -> Bundle:
    """Parse a bundle of version 0.1 to 0.3.

    Args:
        bundle: JSON bytes, or the parsed object.

    Raises:
        MalformedInput: it is no bundle, or one with several log entries or signatures: what only one reader looks at
            is how a document says different things to different readers.
    """
    if isinstance(bundle, bytes):
        if len(bundle) > BUNDLE_MAX_BYTES:
            raise MalformedInput(f"the bundle is larger than {BUNDLE_MAX_BYTES} bytes")
        bundle = parse_json_object(bundle, what="the bundle")
    media_type = text_member(bundle, "mediaType")
    version = _VERSIONS.get(media_type)
    if version is None:
        raise MalformedInput(f"{media_type[:100]!a} is no known version of bundles", context="mediaType")
    material = object_member(bundle, "verificationMaterial")
    certificates, key_hint = _parse_signer(material, version)
    return Bundle(
        version=version,
        certificates=certificates,
        key_hint=key_hint,
        entry=_parse_entry(_only(objects_member(material, "tlogEntries"), "transparency log entries")),
        timestamps=_parse_timestamps(material),
        content=_parse_content(bundle),
    )


def _parse_signer(material: JsonObject, version: BundleVersion) -> tuple[tuple[bytes, ...], str | None]:
    given = [name for name in ("x509CertificateChain", "certificate", "publicKey") if material.get(name) is not None]
    if len(given) != 1:
        raise MalformedInput(f"it names {len(given)} signers, not one", context="verificationMaterial")
    [form] = given
    value = object_member(material, form)
    match form:
        case "publicKey":
            return (), _text(value, "hint")
        case "certificate":
            if version is not BundleVersion.V0_3:
                raise MalformedInput("versions before 0.3 hold a chain", context="certificate")
            return (_bytes(value, "rawBytes"),), None
        case _:
            if version is BundleVersion.V0_3:
                raise MalformedInput("version 0.3 holds one certificate", context="x509CertificateChain")
            chain = _capped(objects_member(value, "certificates"), "certificates")
            if not chain:
                raise MalformedInput("the chain is empty", context="x509CertificateChain")
            return tuple(_bytes(each, "rawBytes") for each in chain), None


def _parse_entry(entry: JsonObject) -> LogEntry:
    kind = object_member(entry, "kindVersion")
    promise = entry.get("inclusionPromise")
    proof = entry.get("inclusionProof")
    return LogEntry(
        log_index=_integer(entry, "logIndex"),
        log_id=_bytes(object_member(entry, "logId"), "keyId"),
        kind=text_member(kind, "kind"),
        version=text_member(kind, "version"),
        integrated_time=_integer(entry, "integratedTime"),
        signed_entry_timestamp=None
        if promise is None
        else _bytes(object_member(entry, "inclusionPromise"), "signedEntryTimestamp"),
        proof=None if proof is None else _parse_proof(object_member(entry, "inclusionProof")),
        body=_bytes(entry, "canonicalizedBody"),
    )


def _parse_proof(proof: JsonObject) -> InclusionProof:
    hashes = [] if proof.get("hashes") is None else proof["hashes"]
    if not isinstance(hashes, list) or not all(isinstance(each, str) for each in hashes):
        raise MalformedInput("no list of strings", context="hashes")
    checkpoint = proof.get("checkpoint")
    return InclusionProof(
        log_index=_integer(proof, "logIndex"),
        tree_size=_integer(proof, "treeSize"),
        root_hash=_bytes(proof, "rootHash"),
        hashes=tuple(_decode(each, "hashes") for each in _capped(hashes, "hashes")),
        checkpoint="" if checkpoint is None else _text(object_member(proof, "checkpoint"), "envelope"),
    )


def _parse_timestamps(material: JsonObject) -> tuple[bytes, ...]:
    if material.get("timestampVerificationData") is None:
        return ()
    data = object_member(material, "timestampVerificationData")
    if data.get("rfc3161Timestamps") is None:
        return ()
    stamps = _capped(objects_member(data, "rfc3161Timestamps"), "timestamps")
    return tuple(_bytes(stamp, "signedTimestamp") for stamp in stamps)


def _parse_content(bundle: JsonObject) -> DsseEnvelope | MessageSignature:
    given = [name for name in ("dsseEnvelope", "messageSignature") if bundle.get(name) is not None]
    if len(given) != 1:
        raise MalformedInput(f"it holds {len(given)} signed contents, not one")
    [form] = given
    content = object_member(bundle, form)
    if form == "dsseEnvelope":
        signature = _only(objects_member(content, "signatures"), "signatures")
        return DsseEnvelope(
            payload=_bytes(content, "payload"),
            payload_type=text_member(content, "payloadType"),
            signature=_bytes(signature, "sig"),
            key_id=_text(signature, "keyid"),
        )
    if content.get("messageDigest") is None:
        return MessageSignature(None, b"", _bytes(content, "signature"))
    stated = object_member(content, "messageDigest")
    return MessageSignature(text_member(stated, "algorithm"), _bytes(stated, "digest"), _bytes(content, "signature"))


def _only(items: list[dict[str, object]], what: str) -> JsonObject:
    if len(items) != 1:
        raise MalformedInput(f"there are {len(items)} {what}, not one")
    [item] = items
    return item


def _capped(items: list[_Item], what: str) -> list[_Item]:
    if len(items) > BUNDLE_ITEMS_MAX_COUNT:
        raise MalformedInput(f"there are {len(items)} {what}, over {BUNDLE_ITEMS_MAX_COUNT}")
    return items


def _bytes(parent: JsonObject, name: str) -> bytes:
    """Return a member of bytes, which must not be empty where guard reads it."""
    value = _decode(text_member(parent, name), name)
    if not value:
        raise MalformedInput(f"{name!r} is empty")
    return value


def _decode(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedInput(f"{name!r} is no base64") from error


def _text(parent: JsonObject, name: str) -> str:
    """Return a text; one that is left out is empty (proto3's JSON mapping)."""
    if parent.get(name) is None:
        return ""
    return text_member(parent, name)


def _integer(parent: JsonObject, name: str) -> int:
    """Return a 64-bit integer that counts something; one that is left out is zero (proto3's JSON mapping)."""
    value = parent.get(name)
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) <= len(str(_INT64_MAX)) else -1
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _INT64_MAX:
        raise MalformedInput(f"{name!r} is no count")
    return value
