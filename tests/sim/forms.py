"""Every form of bundle that guard verifies, and what changes one when it is complete."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.sim.authority import LEAF_LIFETIME, SIGNER, KeyType, new_key
from tests.sim.documents import JsonObject, base64_text, canonical_json
from tests.sim.entries import Kind, Recorded
from tests.sim.mint import ARTIFACT, BUNDLE_V0_1, SIGNED_AGO, Mint, Recipe, Sct, Stamp
from tests.sim.sigstore import BUNDLE_V0_2, KeyPair

SECOND = timedelta(seconds=1)
KEY = KeyPair(new_key(), "SHA256:the registry's")
OTHER = b'{"another": "payload"}'

ENVELOPE = Recipe()
INTOTO = Recipe(kind=Kind.INTOTO, media_type=BUNDLE_V0_2)
MESSAGE = Recipe(kind=Kind.HASHEDREKORD, message=True)
ENVELOPE_V2 = Recipe(kind=Kind.HASHEDREKORD_V2, stamps=(Stamp(),))
DSSE_V2 = Recipe(kind=Kind.DSSE_V2, stamps=(Stamp(),))
MESSAGE_V2 = Recipe(kind=Kind.HASHEDREKORD_V2, message=True, stamps=(Stamp(),))
INTOTO_V1 = Recipe(kind=Kind.INTOTO_V1)
PROMISED = Recipe(kind=Kind.INTOTO, media_type=BUNDLE_V0_1, proof=False)
KEYED = replace(INTOTO, key=KEY)

Change = Callable[[Mint, JsonObject], None]


def entry_of(bundle: JsonObject) -> JsonObject:
    """Return a bundle's log entry."""
    entry: JsonObject = bundle["verificationMaterial"]["tlogEntries"][0]
    return entry


def proof_of(bundle: JsonObject) -> JsonObject:
    """Return the proof of inclusion of a bundle's log entry."""
    proof: JsonObject = entry_of(bundle)["inclusionProof"]
    return proof


def promise_anew(mint: Mint, entry: JsonObject, **over: str) -> None:
    """Let the log promise an entry, as if members of it were others."""
    entry["inclusionPromise"]["signedEntryTimestamp"] = mint.rekor.promise(entry | over)


def promised_over(**over: str) -> Change:
    def change(mint: Mint, bundle: JsonObject) -> None:
        promise_anew(mint, entry_of(bundle), **over)

    return change


def with_promise(mint: Mint, bundle: JsonObject) -> None:
    entry_of(bundle)["integratedTime"] = "0"
    promise_anew(mint, entry_of(bundle))


def in_proof(change: Callable[[JsonObject], object]) -> Change:
    def apply(_: Mint, bundle: JsonObject) -> None:
        change(proof_of(bundle))

    return apply


def rewrite_checkpoint(change: Callable[[Mint, str, str], str]) -> Change:
    """Rewrite the checkpoint, given the text of the note and its signature lines."""

    def apply(mint: Mint, bundle: JsonObject) -> None:
        checkpoint = proof_of(bundle)["checkpoint"]
        note, _, signatures = checkpoint["envelope"].partition("\n\n")
        checkpoint["envelope"] = change(mint, f"{note}\n", signatures)

    return apply


def renoted(change: Callable[[list[str]], list[str]]) -> Change:
    """Let the log sign a note of which lines are others."""
    return rewrite_checkpoint(
        lambda mint, note, _: mint.rekor.sign_note("\n".join(change(note.rstrip("\n").split("\n"))) + "\n")
    )


def flip(text: str) -> str:
    """Flip the last bit of bytes in base64."""
    raw = base64.b64decode(text)
    return base64_text(raw[:-1] + bytes([raw[-1] ^ 1]))


def flip_member(parent: JsonObject, name: str) -> None:
    parent[name] = flip(parent[name])


def in_body(change: Callable[[JsonObject], object]) -> Callable[[bytes], bytes]:
    def apply(body: bytes) -> bytes:
        document = json.loads(body)
        change(document["spec"])
        return canonical_json(document)

    return apply


def logged(**members: object) -> Callable[[Recorded], Recorded]:
    return lambda recorded: replace(recorded, **members)  # type: ignore[arg-type]


def logged_by_another(recorded: Recorded) -> Recorded:
    """Tell the log of another bare key, in the form that the kind of entry has for one."""
    another = KeyPair(new_key(), recorded.keyid or "another")
    return replace(recorded, verifier_pem=another.pem, verifier_der=another.der)


def window(place: str, start: timedelta | None, end: timedelta | None) -> Change:
    """Set when an authority of the trust root is believed, counted from the certificates' start."""

    def change(mint: Mint, root: JsonObject) -> None:
        parent = root[place][0].get("publicKey", root[place][0])
        at = mint.now - SIGNED_AGO
        spans = {"start": start, "end": end}
        parent["validFor"] = {
            name: (at + span).strftime("%Y-%m-%dT%H:%M:%SZ") for name, span in spans.items() if span is not None
        }

    return change


def leave_out(place: str) -> Change:
    return lambda _, root: root[place].pop(0)


def as_it_is(mint: Mint, root: JsonObject) -> None:
    """Leave the trust root alone."""


def stamped_twice(_: Mint, bundle: JsonObject) -> None:
    bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"] *= 2


def stamped_with(raw: bytes) -> Change:
    def change(_: Mint, bundle: JsonObject) -> None:
        stamps = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
        stamps[0]["signedTimestamp"] = base64_text(raw)

    return change


def in_envelope(**members: object) -> Change:
    return lambda _, bundle: bundle["dsseEnvelope"].update(members)


def _cosigned(mint: Mint, note: str, signatures: str) -> str:
    witness = base64_text(b"hint" + bytes(72))
    return f"{note}\n\u2014 witness.example/w1 {witness}\n{signatures}\u2014 witness.example/w2 {witness}\n"


def _digested_as_signed(spec: JsonObject) -> None:
    spec["data"]["hash"] = {"algorithm": "sha384", "value": hashlib.sha384(ARTIFACT).hexdigest()}


FORMS: dict[str, Recipe] = {
    "envelope-0.3": ENVELOPE,
    "envelope-0.2": replace(ENVELOPE, media_type=BUNDLE_V0_2),
    "envelope-0.2-chain": replace(ENVELOPE, media_type=BUNDLE_V0_2, chain=3),
    "envelope-0.1-chain": replace(ENVELOPE, media_type=BUNDLE_V0_1, chain=3),
    "envelope-0.1-promised": replace(ENVELOPE, media_type=BUNDLE_V0_1, proof=False),
    "envelope-0.1-no-checkpoint": replace(
        ENVELOPE, media_type=BUNDLE_V0_1, after=in_proof(lambda proof: proof.pop("checkpoint"))
    ),
    "envelope-with-timestamps": replace(ENVELOPE, stamps=(Stamp(), Stamp(after=2 * SECOND))),
    "envelope-with-foreign-timestamp": replace(ENVELOPE, stamps=(Stamp(unknown_authority=True),)),
    "envelope-without-promise": replace(ENVELOPE, promise=False, stamps=(Stamp(),)),
    "envelope-of-another-type": replace(ENVELOPE, payload_type="text/plain; \u20ac"),
    "envelope-p384": replace(ENVELOPE, key_type=KeyType.P384),
    "envelope-p521": replace(ENVELOPE, key_type=KeyType.P521),
    "envelope-ed25519": replace(ENVELOPE, key_type=KeyType.ED25519),
    "intoto-0.3": replace(INTOTO, media_type=ENVELOPE.media_type),
    "intoto-0.2": INTOTO,
    "intoto-0.1": replace(INTOTO, media_type=BUNDLE_V0_1),
    "intoto-0.1-promised": PROMISED,
    "intoto-0.1-promised-chain": replace(PROMISED, chain=3),
    "intoto-0.1-no-checkpoint": replace(
        INTOTO, media_type=BUNDLE_V0_1, after=in_proof(lambda proof: proof.pop("checkpoint"))
    ),
    "intoto-0.0.1": INTOTO_V1,
    "intoto-0.0.1-with-certificate": replace(INTOTO_V1, logged=logged(brings_certificate=True)),
    "message-0.3": MESSAGE,
    "message-0.1": replace(MESSAGE, media_type=BUNDLE_V0_1),
    "message-no-digest": replace(MESSAGE, after=lambda _, bundle: bundle["messageSignature"].pop("messageDigest")),
    "message-p384": replace(MESSAGE, key_type=KeyType.P384),
    "rekor2-envelope": ENVELOPE_V2,
    "rekor2-envelope-p384": replace(ENVELOPE_V2, key_type=KeyType.P384),
    "rekor2-dsse": DSSE_V2,
    "rekor2-dsse-ed25519": replace(DSSE_V2, key_type=KeyType.ED25519),
    "rekor2-message": MESSAGE_V2,
    "rekor2-message-p521": replace(MESSAGE_V2, key_type=KeyType.P521),
    "rekor2-timestamp-without-certificate": replace(ENVELOPE_V2, stamps=(Stamp(embed=False),)),
    "rekor2-time-that-nothing-signs": replace(
        ENVELOPE_V2, after=lambda _, bundle: entry_of(bundle).update(integratedTime="1")
    ),
    "key-intoto": KEYED,
    "key-intoto-0.1-promised": replace(PROMISED, key=KEY),
    "key-intoto-0.0.1": replace(INTOTO_V1, key=KEY),
    "key-envelope": replace(ENVELOPE, key=KEY),
    "key-message": replace(MESSAGE, key=KEY),
    "key-rekor2-dsse": replace(DSSE_V2, key=KEY),
    "key-rekor2-message": replace(MESSAGE_V2, key=KEY),
    "key-intoto-without-time": replace(KEYED, promise=False),
    "key-rekor2-without-time": replace(MESSAGE_V2, key=KEY, stamps=()),
    "envelope-in-hashedrekord": replace(ENVELOPE, kind=Kind.HASHEDREKORD),
    "envelope-in-hashedrekord-p384": replace(ENVELOPE, kind=Kind.HASHEDREKORD, key_type=KeyType.P384),
    "message-p384-by-its-own-digest": replace(MESSAGE, key_type=KeyType.P384, body=in_body(_digested_as_signed)),
    "key-envelope-in-hashedrekord": replace(ENVELOPE, kind=Kind.HASHEDREKORD, key=KEY),
    "first-moment": replace(ENVELOPE, integrated_after=timedelta()),
    "last-moment": replace(ENVELOPE, integrated_after=LEAF_LIFETIME),
    "sct-with-extensions": replace(ENVELOPE, scts=(Sct(extensions=b"\0\0\5abcde"),)),
    "usages-beside-code-signing": replace(
        ENVELOPE,
        leaf=replace(SIGNER, extended=(ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.CODE_SIGNING)),
    ),
    "checkpoint-cosigned": replace(ENVELOPE, after=rewrite_checkpoint(_cosigned)),
    "checkpoint-with-more-lines": replace(ENVELOPE, after=renoted(lambda lines: [*lines, "Timestamp: 1689177396"])),
}
