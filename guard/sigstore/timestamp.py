"""RFC 3161 timestamps over a bundle's signature, by authorities of the trust root.

rfc3161-client verifies them; here is decided which authority may vouch for which time. A timestamp that none of them
made is passed over, as unknown ones are allowed beside known ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from guard.errors import EvidenceCode, EvidenceInvalid
from guard.sigstore.authorities import Authorities, Authority
from guard.sigstore.bundle import Bundle

if TYPE_CHECKING:
    from rfc3161_client import Verifier


def verify_timestamps(bundle: Bundle, authorities: Authorities) -> tuple[datetime, ...]:
    """Return the times at which timestamp authorities of the trust root saw a bundle's signature.

    Raises:
        EvidenceInvalid: ``LOG_ENTRY``, a timestamp cannot be read, one stands twice, or there are some and the trust
            root has no authority to judge them.
    """
    if not bundle.timestamps:
        return ()
    if not authorities.timestamp_authorities:
        raise _invalid("the trust root has no authority for them")
    if len(set(bundle.timestamps)) != len(bundle.timestamps):
        raise _invalid("one stands twice")
    return tuple(moment for stamp in bundle.timestamps for moment in _times(stamp, bundle.signature, authorities))


def _times(stamp: bytes, signature: bytes, authorities: Authorities) -> Iterator[datetime]:
    """Yield the time of a timestamp once where an authority made it while it was believed."""
    from rfc3161_client import VerificationError, decode_timestamp_response

    try:
        response = decode_timestamp_response(stamp)
        moment = response.tst_info.gen_time
    except ValueError as error:
        raise _invalid("one cannot be read") from error
    for authority in authorities.timestamp_authorities:
        verifier = _verifier_of(authority)
        if verifier is None or not authority.validity.contains(moment):
            continue
        try:
            verifier.verify_message(response, signature)
        except VerificationError:
            continue
        yield moment
        return


def _verifier_of(authority: Authority) -> Verifier | None:
    from rfc3161_client import VerifierBuilder

    if len(authority.chain) < 2:
        return None
    builder = VerifierBuilder().tsa_certificate(authority.chain[0]).add_root_certificate(authority.chain[-1])
    for certificate in authority.chain[1:-1]:
        builder = builder.add_intermediate_certificate(certificate)
    return builder.build()


def _invalid(reason: str) -> EvidenceInvalid:
    return EvidenceInvalid(EvidenceCode.LOG_ENTRY, f"the timestamps do not hold: {reason}")
