"""The trust root, decoded: keys and certificates with the time in which each is believed.

Format: sigstore/protobuf-specs, ``sigstore_trustroot.proto``. A ``TimeRange`` is a closed interval there. What makes a
chain: RFC 5280, section 6.

What is the same for every bundle is verified here, once: that an authority's certificates follow on each other.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from guard.errors import ConfigInvalid
from guard.sigstore.keys import PublicKey, checked_key, load_public_key, spki_sha256
from guard.sigstore.strict_json import JsonObject, object_member, objects_member, parse_json_object, text_member
from guard.sigstore.trust_root import TrustRoot


@dataclass(frozen=True, slots=True)
class Validity:
    """A closed interval of time; ``None`` is open."""

    start: datetime | None
    end: datetime | None

    def contains(self, moment: datetime) -> bool:
        """Whether a moment lies in it, both ends included."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment <= self.end)

    def within(self, other: Validity) -> Validity:
        """Return what both have in common, which may be nothing."""
        starts = [each for each in (self.start, other.start) if each is not None]
        ends = [each for each in (self.end, other.end) if each is not None]
        return Validity(max(starts, default=None), min(ends, default=None))


@dataclass(frozen=True, slots=True)
class LogKey:
    """The key of a transparency log."""

    log_id: bytes
    key: PublicKey
    validity: Validity


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority or a timestamp authority, as the trust root lists it.

    Args:
        chain: its certificates, the one that signs first, the root last.
        validity: when it is believed.
    """

    chain: tuple[x509.Certificate, ...]
    validity: Validity


@dataclass(frozen=True, slots=True)
class Issuer:
    """The certificate with which a certificate authority issues, under a chain that was verified.

    Args:
        certificate: its own.
        key_sha256: digest of its key, by which logs of certificates name it.
        validity: when the authority is believed and every certificate of the chain is valid.
    """

    certificate: x509.Certificate
    key_sha256: bytes
    validity: Validity


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorities:
    """Whom to believe. Logs are named by the identifier of their key.

    A certificate authority whose chain does not hold issues nothing, and is no issuer.
    """

    logs: Mapping[bytes, LogKey]
    ct_logs: Mapping[bytes, LogKey]
    issuers: tuple[Issuer, ...]
    timestamp_authorities: tuple[Authority, ...]


def decode_authorities(root: TrustRoot) -> Authorities:
    """Decode a trust root.

    Raises:
        ConfigInvalid: a key, a certificate or a date in it cannot be decoded, or two logs have one identifier.
    """
    try:
        document = parse_json_object(root.data, what=f"trust root {root.source}")
        return Authorities(
            logs=_decode_logs(document, "tlogs"),
            ct_logs=_decode_logs(document, "ctlogs"),
            issuers=_find_issuers(_decode_chains(document, "certificateAuthorities")),
            timestamp_authorities=_decode_chains(document, "timestampAuthorities"),
        )
    except Exception as error:
        detail = "".join(each if each.isprintable() else "?" for each in str(error))[:200]
        raise ConfigInvalid(f"trust root {root.source} cannot be used: {detail}") from error


def find_issuer(authority: Authority) -> Issuer | None:
    """Verify that an authority's chain leads from its first certificate to its root.

    Returns:
        The first; ``None`` where one may not issue what is below it, or did not.
    """
    try:
        if not all(_may_issue(certificate, depth) for depth, certificate in enumerate(authority.chain)):
            return None
        for below, above in itertools.pairwise(authority.chain):
            below.verify_directly_issued_by(above)
        key_sha256 = spki_sha256(checked_key(authority.chain[0].public_key()))
    except (InvalidSignature, ValueError, TypeError):
        return None
    validity = authority.validity
    for each in authority.chain:
        validity = validity.within(Validity(each.not_valid_before_utc, each.not_valid_after_utc))
    return Issuer(authority.chain[0], key_sha256, validity)


def _find_issuers(authorities: Iterable[Authority]) -> tuple[Issuer, ...]:
    return tuple(issuer for issuer in map(find_issuer, authorities) if issuer is not None)


def _may_issue(certificate: x509.Certificate, depth: int) -> bool:
    """Whether a certificate may issue others, with ``depth`` authorities below it (RFC 5280, 4.2.1.3 and 4.2.1.9)."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    fits = constraints.path_length is None or depth <= constraints.path_length
    return constraints.ca and fits and usage.key_cert_sign


def _decode_logs(document: JsonObject, name: str) -> Mapping[bytes, LogKey]:
    logs: dict[bytes, LogKey] = {}
    for log in _listed(document, name):
        public = object_member(log, "publicKey")
        log_id = _decode(text_member(object_member(log, "logId"), "keyId"))
        if log_id in logs:
            raise ValueError(f"{name} names one log twice")
        key = load_public_key(_decode(text_member(public, "rawBytes")))
        logs[log_id] = LogKey(log_id, key, _decode_validity(public))
    return MappingProxyType(logs)


def _decode_chains(document: JsonObject, name: str) -> tuple[Authority, ...]:
    authorities = []
    for each in _listed(document, name):
        certificates = objects_member(object_member(each, "certChain"), "certificates")
        chain = tuple(x509.load_der_x509_certificate(_decode(text_member(one, "rawBytes"))) for one in certificates)
        if not chain:
            raise ValueError(f"{name} has an empty chain")
        authorities.append(Authority(chain, _decode_validity(each)))
    return tuple(authorities)


def _listed(document: JsonObject, name: str) -> list[dict[str, object]]:
    return [] if document.get(name) is None else objects_member(document, name)


def _decode_validity(parent: JsonObject) -> Validity:
    if parent.get("validFor") is None:
        return Validity(None, None)
    span = object_member(parent, "validFor")
    # What has a validity has a beginning; an end only once it is known (``TimeRange``).
    end = None if span.get("end") is None else _moment(text_member(span, "end"))
    return Validity(_moment(text_member(span, "start")), end)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"{text[:40]!r} names no time zone")
    return moment


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
