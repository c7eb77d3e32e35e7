"""The trust root, decoded: keys and certificates with the time in which each is believed.

Format: sigstore/protobuf-specs, ``sigstore_trustroot.proto``. A ``TimeRange`` is a closed interval there.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from cryptography import x509

from guard.errors import ConfigInvalid
from guard.sigstore.keys import PublicKey, load_public_key
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


@dataclass(frozen=True, slots=True)
class LogKey:
    """The key of a transparency log."""

    log_id: bytes
    key: PublicKey
    validity: Validity


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority or a timestamp authority.

    Args:
        chain: its certificates, the one that signs first, the root last.
        validity: when it is believed.
    """

    chain: tuple[x509.Certificate, ...]
    validity: Validity


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorities:
    """Whom to believe. Logs are named by the identifier of their key."""

    logs: Mapping[bytes, LogKey]
    ct_logs: Mapping[bytes, LogKey]
    certificate_authorities: tuple[Authority, ...]
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
            certificate_authorities=_decode_chains(document, "certificateAuthorities"),
            timestamp_authorities=_decode_chains(document, "timestampAuthorities"),
        )
    except Exception as error:
        detail = "".join(each if each.isprintable() else "?" for each in str(error))[:200]
        raise ConfigInvalid(f"trust root {root.source} cannot be used: {detail}") from error


def _decode_logs(document: JsonObject, name: str) -> Mapping[bytes, LogKey]:
    logs: dict[bytes, LogKey] = {}
    for log in objects_member(document, name):
        public = object_member(log, "publicKey")
        log_id = _decode(text_member(object_member(log, "logId"), "keyId"))
        if log_id in logs:
            raise ValueError(f"{name} names one log twice")
        key = load_public_key(_decode(text_member(public, "rawBytes")))
        logs[log_id] = LogKey(log_id, key, _decode_validity(public))
    return MappingProxyType(logs)


def _decode_chains(document: JsonObject, name: str) -> tuple[Authority, ...]:
    authorities = []
    for each in [] if document.get(name) is None else objects_member(document, name):
        certificates = objects_member(object_member(each, "certChain"), "certificates")
        chain = tuple(x509.load_der_x509_certificate(_decode(text_member(one, "rawBytes"))) for one in certificates)
        if not chain:
            raise ValueError(f"{name} has an empty chain")
        authorities.append(Authority(chain, _decode_validity(each)))
    return tuple(authorities)


def _decode_validity(parent: JsonObject) -> Validity:
    if parent.get("validFor") is None:
        return Validity(None, None)
    span = object_member(parent, "validFor")
    start, end = (None if span.get(name) is None else _moment(text_member(span, name)) for name in ("start", "end"))
    return Validity(start, end)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"{text[:40]!r} names no time zone")
    return moment


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
