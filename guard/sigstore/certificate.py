"""Claims of a Fulcio signing certificate.

The extensions are those of https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md: arcs .8 to .24 hold a DER
UTF8String each; arcs .1 to .6 are their deprecated predecessors and hold raw text. A certificate that carries both
forms of a claim must say the same in both: software that reads only one form would otherwise see another signer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from cryptography import x509

from guard.errors import EvidenceCode, EvidenceInvalid
from guard.model import Claims
from guard.sigstore.issuers import GITHUB_ISSUER

_ARC = "1.3.6.1.4.1.57264.1."
_RAW_ARCS = frozenset({1, 2, 3, 5, 6})  # .4, the display name of a workflow, has no successor and proves nothing
_DER_ARCS = range(8, 25)
_OTHER_NAME = x509.ObjectIdentifier(f"{_ARC}7")
_UTF8_STRING_TAG = b"\x0c"
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# Which newer claim repeats an older one. .5 is compared separately, because .12 holds the same repository as a URI.
# Fulcio fills .3 and .13 from one token claim (``sha``); .19 comes from another (``workflow_sha``) and may differ.
_SAME_CLAIM = {1: 8, 2: 20, 3: 13, 6: 14}


def claims_from_certificate(
    certificate: x509.Certificate, *, signed_at: datetime | None, log_index: int | None
) -> Claims:
    """Read what a certificate says about the signer.

    Args:
        certificate: the signing certificate of a bundle that was verified.
        signed_at: verified time of signing.
        log_index: verified index in the transparency log.

    Returns:
        The claims; an empty claim is a missing one. Where a certificate carries only the older form of a claim, as all
        of before 2023 do, that form is read.

    Raises:
        EvidenceInvalid: ``CLAIMS_CONFLICT`` when two forms of one claim differ; ``CERTIFICATE`` when an extension
            occurs twice or cannot be decoded, or there is not exactly one subject alternative name, or no issuer.
    """
    try:
        texts = _read_extensions(certificate)
        san = _read_subject_name(certificate)
    except EvidenceInvalid:
        raise
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"[:200]
        raise _certificate_invalid(f"its extensions cannot be read ({detail!a})") from error
    _verify_forms_agree(texts)
    issuer = texts.get(8) or texts.get(1)
    if not issuer:
        raise _certificate_invalid("it names no issuer")
    return Claims(
        san=san,
        issuer=issuer,
        build_signer_uri=texts.get(9) or _legacy_signer(texts, san),
        build_signer_digest=texts.get(10) or None,
        runner_environment=texts.get(11) or None,
        source_repository_uri=texts.get(12) or _legacy_repository(texts),
        source_repository_digest=texts.get(13) or texts.get(3) or None,
        source_repository_ref=texts.get(14) or texts.get(6) or None,
        source_repository_identifier=texts.get(15) or None,
        source_repository_owner_uri=texts.get(16) or None,
        source_repository_owner_identifier=texts.get(17) or None,
        build_config_uri=texts.get(18) or None,
        build_config_digest=texts.get(19) or None,
        build_trigger=texts.get(20) or texts.get(2) or None,
        run_invocation_uri=texts.get(21) or None,
        source_repository_visibility=texts.get(22) or None,
        deployment_environment=texts.get(23) or None,
        token_subject=texts.get(24) or None,
        signed_at=signed_at,
        log_index=log_index,
    )


def _read_extensions(certificate: x509.Certificate) -> dict[int, str]:
    texts: dict[int, str] = {}
    for extension in certificate.extensions:
        prefix, _, last = extension.oid.dotted_string.rpartition(".")
        if f"{prefix}." != _ARC:
            continue
        arc = int(last)
        value = extension.value.public_bytes()
        if arc in _RAW_ARCS:
            texts[arc] = _checked_text(value.decode("utf-8"), f"extension .{arc}")
        elif arc in _DER_ARCS:
            texts[arc] = _checked_text(_decode_utf8_string(value), f"extension .{arc}")
    return texts


def _read_subject_name(certificate: x509.Certificate) -> str:
    names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    if len(names) != 1:
        raise _certificate_invalid(f"it has {len(names)} subject alternative names, not one")
    [name] = names
    if isinstance(name, x509.UniformResourceIdentifier | x509.RFC822Name):
        text = name.value
    elif isinstance(name, x509.OtherName) and name.type_id == _OTHER_NAME:
        text = _decode_utf8_string(name.value)
    else:
        raise _certificate_invalid("its subject alternative name is no URI, email address or Fulcio user name")
    if not text:
        raise _certificate_invalid("its subject alternative name is empty")
    return _checked_text(text, "subject alternative name")


def _verify_forms_agree(texts: Mapping[int, str]) -> None:
    for old, new in _SAME_CLAIM.items():
        if old in texts and new in texts and texts[old] != texts[new]:
            raise _claims_conflict(old, new, texts)
    if 5 in texts and 12 in texts and texts[5] != urlsplit(texts[12]).path.strip("/"):
        raise _claims_conflict(5, 12, texts)


def _legacy_signer(texts: Mapping[int, str], san: str) -> str | None:
    """Return the workflow that signed, where only the old form tells: it was, and is, GitHub's subject name."""
    return san if texts.get(1) == GITHUB_ISSUER and texts.get(5) else None


def _legacy_repository(texts: Mapping[int, str]) -> str | None:
    """Return the source repository where only the old form tells, ``OWNER/NAME`` of GitHub's."""
    return f"https://github.com/{texts[5]}" if texts.get(1) == GITHUB_ISSUER and texts.get(5) else None


def _decode_utf8_string(der: bytes) -> str:
    """Decode exactly one DER UTF8String (ITU-T X.690, sections 8.23 and 10.1)."""
    if not der.startswith(_UTF8_STRING_TAG):
        raise ValueError("no DER UTF8String")
    start = 2
    length = der[1]
    if length >= 0x80:
        start += length - 0x80
        length = int.from_bytes(der[2:start], "big")
        if length < 0x80 or der[2] == 0:
            raise ValueError("DER length is not minimal")
    if len(der) != start + length:
        raise ValueError("DER length differs from the content")
    return der[start:].decode("utf-8")


def _checked_text(text: str, place: str) -> str:
    if _CONTROL_CHARACTER.search(text):
        raise _certificate_invalid(f"its {place} holds a control character")
    return text


def _certificate_invalid(reason: str) -> EvidenceInvalid:
    return EvidenceInvalid(EvidenceCode.CERTIFICATE, f"the signing certificate is not acceptable: {reason}")


def _claims_conflict(old: int, new: int, texts: Mapping[int, str]) -> EvidenceInvalid:
    return EvidenceInvalid(
        EvidenceCode.CLAIMS_CONFLICT,
        f"the signing certificate contradicts itself: extension .{old} says {texts[old][:200]!r}, "
        f".{new} says {texts[new][:200]!r}",
    )
