"""Every way in which exactly one step of verification must refuse a bundle.

A flaw names the step that refuses it, which is a function of ``guard.sigstore.own``; with that step left out, the
bundle is accepted. The steps are those of docs/verification.md.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta

from cryptography.x509.oid import ExtendedKeyUsageOID

from guard.errors import EvidenceCode
from tests.sim.authority import LEAF_LIFETIME, SIGNER, KeyType, LeafProfile, key_usage, new_key
from tests.sim.documents import base64_text
from tests.sim.entries import Kind
from tests.sim.forms import (
    DSSE_V2,
    ENVELOPE,
    ENVELOPE_V2,
    FORMS,
    INTOTO,
    INTOTO_V1,
    KEY,
    KEYED,
    MESSAGE,
    MESSAGE_V2,
    OTHER,
    PROMISED,
    SECOND,
    Change,
    as_it_is,
    entry_of,
    flip,
    flip_member,
    in_body,
    in_envelope,
    in_proof,
    leave_out,
    logged,
    logged_by_another,
    promised_over,
    renoted,
    rewrite_checkpoint,
    stamped_twice,
    stamped_with,
    window,
    with_promise,
)
from tests.sim.mint import BUNDLE_V0_1, PAYLOAD, Recipe, Sct, Stamp
from tests.sim.sigstore import BUNDLE_V0_2

__all__ = ["FLAWS", "FORMS", "KEY", "Flaw"]


@dataclass(frozen=True, slots=True)
class Flaw:
    """A bundle that must be refused.

    Args:
        recipe: how it is made.
        step: the function of ``guard.sigstore.own`` that refuses it.
        code: the stable reason.
        says: a part of the reason in words, which tells apart what one step checks.
        root: changes the trust root.
        alone: whether no other step would refuse it too.
    """

    recipe: Recipe
    step: str
    code: EvidenceCode
    says: str
    root: Change = as_it_is
    alone: bool = True


def _certificate(recipe: Recipe, step: str, says: str, root: Change = as_it_is) -> Flaw:
    return Flaw(recipe, step, EvidenceCode.CERTIFICATE, says, root)


def _log(recipe: Recipe, step: str, says: str, root: Change = as_it_is, *, alone: bool = True) -> Flaw:
    return Flaw(recipe, step, EvidenceCode.LOG_ENTRY, says, root, alone)


def _leaf(says: str, **members: object) -> Flaw:
    leaf: LeafProfile = replace(SIGNER, **members)  # type: ignore[arg-type]
    return _certificate(replace(ENVELOPE, leaf=leaf), "verify_usage", says)


def _sct(says: str, *scts: Sct, root: Change = as_it_is) -> Flaw:
    return _certificate(replace(ENVELOPE, scts=scts), "verify_sct", says, root)


def _inclusion(says: str, after: Change, recipe: Recipe = ENVELOPE) -> Flaw:
    return _log(replace(recipe, after=after), "verify_inclusion", says)


def _entry(recipe: Recipe, says: str, code: EvidenceCode = EvidenceCode.LOG_ENTRY) -> Flaw:
    return Flaw(recipe, "verify_entry", code, says)


_DAY = timedelta(days=1)
_OTHER_SIGNATURE = {"signature": b"0" * 70}
_ENDED, _NOT_YET = (-_DAY, timedelta()), (2 * SECOND, None)

_CHAIN_FLAWS = {
    "chain-not-in-order": _certificate(
        replace(
            ENVELOPE,
            media_type=BUNDLE_V0_2,
            chain=3,
            after=lambda _, bundle: bundle["verificationMaterial"]["x509CertificateChain"]["certificates"].pop(1),
        ),
        "load_certificates",
        "not in order",
    ),
    "foreign-authority": _certificate(
        replace(ENVELOPE, foreign_authority=True), "verify_chain", "no trusted authority"
    ),
    "before-the-certificate": _certificate(
        replace(ENVELOPE, integrated_after=-SECOND), "verify_chain", "not valid when"
    ),
    "after-the-certificate": _certificate(
        replace(ENVELOPE, integrated_after=LEAF_LIFETIME + SECOND), "verify_chain", "not valid when"
    ),
    "one-of-two-times-after-the-certificate": _certificate(
        replace(ENVELOPE, stamps=(Stamp(after=LEAF_LIFETIME + SECOND),)), "verify_chain", "not valid when"
    ),
    "authority-ended": _certificate(
        ENVELOPE, "verify_chain", "no trusted authority", window("certificateAuthorities", *_ENDED)
    ),
    "authority-not-yet": _certificate(
        ENVELOPE, "verify_chain", "no trusted authority", window("certificateAuthorities", *_NOT_YET)
    ),
    "authority-ended-between-two-times": _certificate(
        replace(ENVELOPE, stamps=(Stamp(after=3 * SECOND),)),
        "verify_chain",
        "no trusted authority",
        window("certificateAuthorities", -_DAY, 2 * SECOND),
    ),
    "unknown-critical-extension": _leaf("unknown critical extension", unknown_critical=True),
    "no-key-usage": _leaf("cannot be judged", usage=None),
    "key-usage-without-signatures": _leaf("key usage", usage=key_usage()),
    "key-usage-of-an-authority": _leaf("key usage", usage=key_usage(digital_signature=True, key_cert_sign=True)),
    "no-extended-usage": _leaf("cannot be judged", extended=()),
    "not-for-signing-code": _leaf("signing code", extended=(ExtendedKeyUsageOID.CLIENT_AUTH,)),
    "any-extended-usage": _leaf("signing code", extended=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)),
    "authority-signs": _leaf("authority's own", authority=True),
    "sct-none": _sct("no signed certificate timestamp"),
    "sct-two": _sct("2 signed certificate timestamps", Sct(), Sct(after=SECOND)),
    "sct-of-unknown-log": _sct("unknown log", Sct(unknown_log=True)),
    "sct-forged": _sct("does not hold", Sct(forged=True)),
    "sct-of-other-certificate": _sct("does not hold", Sct(other_certificate=True)),
    "sct-of-other-issuer": _sct("does not hold", Sct(other_issuer=True)),
    "sct-of-unknown-form": _sct("unknown form", Sct(algorithm=(5, 3))),
    "sct-of-ended-log": _sct("not believed then", Sct(), root=window("ctlogs", -_DAY, -SECOND)),
    "sct-of-later-log": _sct("not believed then", Sct(), root=window("ctlogs", SECOND, None)),
    "claims-conflict": Flaw(
        replace(ENVELOPE, leaf=replace(SIGNER, legacy_issuer="https://issuer.example.test")),
        "claims_from_certificate",
        EvidenceCode.CLAIMS_CONFLICT,
        "contradicts itself",
    ),
}

_LOG_FLAWS = {
    "unknown-log": _log(ENVELOPE, "find_log", "unknown log", leave_out("tlogs")),
    "promise-missing-from-0.1": _log(
        replace(ENVELOPE, media_type=BUNDLE_V0_1, promise=False, stamps=(Stamp(),)), "verify_promise", "no signed entry"
    ),
    "promise-over-other-body": _log(
        replace(ENVELOPE, after=promised_over(canonicalizedBody=base64_text(b"{}"))), "verify_promise", "does not hold"
    ),
    "promise-over-other-index": _log(
        replace(ENVELOPE, after=promised_over(logIndex="7")), "verify_promise", "does not hold"
    ),
    "promise-over-other-time": _log(
        replace(PROMISED, after=promised_over(integratedTime="1")), "verify_promise", "does not hold"
    ),
    "promise-corrupt": _log(
        replace(
            PROMISED,
            after=lambda _, bundle: flip_member(entry_of(bundle)["inclusionPromise"], "signedEntryTimestamp"),
        ),
        "verify_promise",
        "does not hold",
    ),
    "promise-without-time": _log(
        replace(ENVELOPE, stamps=(Stamp(),), after=with_promise), "verify_promise", "and no time"
    ),
    "time-before-the-log": _log(ENVELOPE, "verify_time", "not believed", window("tlogs", *_NOT_YET)),
    "time-after-the-log": _log(ENVELOPE, "verify_time", "not believed", window("tlogs", *_ENDED)),
    "one-of-two-times-after-the-log": _log(
        replace(ENVELOPE, stamps=(Stamp(after=3 * SECOND),)),
        "verify_time",
        "not believed",
        window("tlogs", -_DAY, 2 * SECOND),
    ),
    "in-the-future": _log(replace(ENVELOPE, ago=timedelta()), "verify_time", "in the future"),
    "one-of-two-times-in-the-future": _log(
        replace(ENVELOPE, ago=2 * SECOND, stamps=(Stamp(after=3 * SECOND),)), "verify_time", "in the future"
    ),
    "no-time": _log(replace(ENVELOPE, promise=False), "verify_time", "no verified time", alone=False),
    "rekor2-no-time": _log(replace(ENVELOPE_V2, stamps=()), "verify_time", "no verified time", alone=False),
    "timestamps-without-authority": _log(
        replace(ENVELOPE, stamps=(Stamp(),)), "verify_timestamps", "no authority", leave_out("timestampAuthorities")
    ),
    "timestamp-twice": _log(replace(ENVELOPE_V2, after=stamped_twice), "verify_timestamps", "twice"),
    "timestamp-unreadable": _log(
        replace(ENVELOPE, stamps=(Stamp(),), after=stamped_with(b"0")), "verify_timestamps", "cannot be read"
    ),
    "timestamp-of-unknown-authority": _log(
        replace(ENVELOPE_V2, stamps=(Stamp(unknown_authority=True),)), "verify_timestamps", "no verified time"
    ),
    "timestamp-over-other-bytes": _log(
        replace(ENVELOPE_V2, stamps=(Stamp(over=PAYLOAD),)), "verify_timestamps", "no verified time"
    ),
    "timestamp-not-granted": _log(
        replace(ENVELOPE_V2, stamps=(Stamp(status=1),)), "verify_timestamps", "no verified time"
    ),
    "timestamp-authority-ended": _log(
        ENVELOPE_V2, "verify_timestamps", "no verified time", window("timestampAuthorities", *_ENDED)
    ),
    "timestamp-authority-not-yet": _log(
        ENVELOPE_V2, "verify_timestamps", "no verified time", window("timestampAuthorities", *_NOT_YET)
    ),
}

_INCLUSION_FLAWS = {
    "no-proof": _log(replace(ENVELOPE, proof=False), "verify_inclusion", "no proof"),
    "rekor2-no-proof": _log(replace(ENVELOPE_V2, proof=False), "verify_inclusion", "no proof"),
    "no-checkpoint": _inclusion("no proof", in_proof(lambda proof: proof.pop("checkpoint"))),
    "path-corrupt": _inclusion(
        "stated root", in_proof(lambda proof: proof.update(hashes=[flip(proof["hashes"][0]), *proof["hashes"][1:]]))
    ),
    "path-too-long": _inclusion("too long", in_proof(lambda proof: proof["hashes"].append(base64_text(bytes(32))))),
    "path-too-short": _inclusion("too short", in_proof(lambda proof: proof["hashes"].pop())),
    "path-of-other-lengths": _inclusion(
        "is not one", in_proof(lambda proof: proof["hashes"].append(base64_text(bytes(31))))
    ),
    "index-out-of-tree": _inclusion("is not one", in_proof(lambda proof: proof.update(logIndex=proof["treeSize"]))),
    "root-differs": _inclusion("stated root", in_proof(lambda proof: flip_member(proof, "rootHash"))),
    "root-differs-without-checkpoint": _inclusion(
        "stated root",
        in_proof(lambda proof: proof.update(checkpoint=None, rootHash=flip(proof["rootHash"]))),
        replace(INTOTO, media_type=BUNDLE_V0_1),
    ),
    "checkpoint-without-signature-block": _inclusion("no signed note", rewrite_checkpoint(lambda _, note, __: note)),
    "checkpoint-without-signature": _inclusion(
        "not signed by the log", rewrite_checkpoint(lambda _, note, __: f"{note}\n")
    ),
    "checkpoint-without-last-newline": _inclusion(
        "no signed note", rewrite_checkpoint(lambda _, note, signatures: f"{note}\n{signatures.rstrip()}")
    ),
    "checkpoint-with-two-blank-lines": _inclusion(
        "no signed note", rewrite_checkpoint(lambda _, note, signatures: f"{note}\n{signatures}\n{signatures}")
    ),
    "checkpoint-of-other-hint": _inclusion(
        "not signed by the log",
        rewrite_checkpoint(
            lambda _, note, signatures: (
                f"{note}\n\u2014 log {base64_text(b'hint' + base64.b64decode(signatures.split()[2])[4:])}\n"
            )
        ),
    ),
    "checkpoint-signed-by-another": _inclusion(
        "signature does not hold",
        rewrite_checkpoint(lambda mint, note, _: f"{note}\n{mint.rekor.signature_line(note, new_key())}"),
    ),
    "checkpoint-with-one-bad-signature-of-the-log": _inclusion(
        "signature does not hold",
        rewrite_checkpoint(
            lambda mint, note, signatures: f"{note}\n{signatures}{mint.rekor.signature_line(note, new_key())}"
        ),
    ),
    "checkpoint-note-differs": _inclusion(
        "signature does not hold", rewrite_checkpoint(lambda _, note, signatures: f"{note}more\n\n{signatures}")
    ),
    "checkpoint-with-junk": _inclusion(
        "no signature", rewrite_checkpoint(lambda _, note, signatures: f"{note}\n{signatures}junk\n")
    ),
    "checkpoint-with-empty-signature": _inclusion(
        "empty signature",
        rewrite_checkpoint(lambda _, note, signatures: f"{note}\n{signatures}\u2014 log {base64_text(b'hint')}\n"),
    ),
    "checkpoint-of-other-root": _inclusion(
        "another tree", renoted(lambda lines: [*lines[:2], base64_text(hashlib.sha256().digest())])
    ),
    "checkpoint-of-other-size": _inclusion(
        "another tree", renoted(lambda lines: [lines[0], str(int(lines[1]) + 1), lines[2]])
    ),
    "checkpoint-without-origin": _inclusion("names no origin", renoted(lambda lines: ["", *lines[1:]])),
    "checkpoint-of-no-size": _inclusion("names no origin", renoted(lambda lines: [lines[0], "6x", lines[2]])),
    "checkpoint-of-padded-size": _inclusion(
        "names no origin", renoted(lambda lines: [lines[0], f"0{lines[1]}", lines[2]])
    ),
    "checkpoint-without-root": _inclusion("names no origin", renoted(lambda lines: lines[:2])),
    "checkpoint-of-short-root": _inclusion("no hash", renoted(lambda lines: [*lines[:2], base64_text(bytes(31))])),
    "checkpoint-of-no-base64": _inclusion("root is no base64", renoted(lambda lines: [*lines[:2], "!"])),
}


def _content(recipe: Recipe) -> Flaw:
    return Flaw(recipe, "_verify_content", EvidenceCode.SIGNATURE, "signature does not hold")


_CONTENT_FLAWS = {
    "payload-swapped": _content(replace(ENVELOPE, signs=OTHER)),
    "intoto-payload-swapped": _content(replace(INTOTO, signs=OTHER)),
    "key-payload-swapped": _content(replace(KEYED, signs=OTHER)),
    "message-swapped": _content(replace(MESSAGE, signs=OTHER)),
    "rekor2-message-swapped": _content(replace(MESSAGE_V2, signs=OTHER)),
    "rekor2-payload-swapped": _content(replace(ENVELOPE_V2, signs=OTHER)),
    "ed25519-payload-swapped": _content(replace(ENVELOPE, key_type=KeyType.ED25519, signs=OTHER)),
    "payload-of-other-type": _content(replace(ENVELOPE, after=in_envelope(payloadType="text/plain"))),
    "message-of-other-digest": Flaw(
        replace(MESSAGE, after=lambda _, bundle: flip_member(bundle["messageSignature"]["messageDigest"], "digest")),
        "_verify_content",
        EvidenceCode.STATEMENT_SUBJECT,
        "another digest",
    ),
    "message-of-other-algorithm": Flaw(
        replace(
            MESSAGE,
            after=lambda _, bundle: bundle["messageSignature"]["messageDigest"].update(algorithm="SHA2_512"),
        ),
        "_verify_content",
        EvidenceCode.STATEMENT_SUBJECT,
        "another digest",
    ),
}

_ENTRY_FLAWS = {
    "entry-of-other-kind-than-its-body": _entry(
        replace(ENVELOPE, after=lambda _, bundle: entry_of(bundle)["kindVersion"].update(kind="hashedrekord")),
        "its kind",
    ),
    "entry-of-other-version-than-its-body": _entry(
        replace(ENVELOPE, after=lambda _, bundle: entry_of(bundle)["kindVersion"].update(version="0.0.2")), "its kind"
    ),
    "entry-of-unknown-version": _entry(
        replace(
            ENVELOPE,
            body=lambda body: body.replace(b'"apiVersion":"0.0.1"', b'"apiVersion":"0.0.9"'),
            after=lambda _, bundle: entry_of(bundle)["kindVersion"].update(version="0.0.9"),
        ),
        "not supported",
        EvidenceCode.UNSUPPORTED,
    ),
    "entry-of-an-envelope-for-a-message": _entry(
        replace(MESSAGE, kind=Kind.DSSE), "not supported", EvidenceCode.UNSUPPORTED
    ),
    "entry-of-intoto-for-a-message": _entry(
        replace(MESSAGE, kind=Kind.INTOTO), "not supported", EvidenceCode.UNSUPPORTED
    ),
    "rekor2-entry-of-an-envelope-for-a-message": _entry(
        replace(MESSAGE_V2, kind=Kind.DSSE_V2), "not supported", EvidenceCode.UNSUPPORTED
    ),
    "entry-without-spec": _entry(
        replace(ENVELOPE, body=lambda _: b'{"apiVersion":"0.0.1","kind":"dsse"}'), "'spec'", EvidenceCode.MALFORMED
    ),
    "entry-no-json": _entry(replace(ENVELOPE, body=lambda body: body[:-1]), "malformed", EvidenceCode.MALFORMED),
    "entry-signature-no-base64": _entry(
        replace(ENVELOPE, body=in_body(lambda spec: spec["signatures"][0].update(signature="!"))),
        "no base64",
        EvidenceCode.MALFORMED,
    ),
    "entry-of-two-signatures": _entry(
        replace(ENVELOPE, body=in_body(lambda spec: spec.update(signatures=spec["signatures"] * 2))),
        "number of signatures",
    ),
    "intoto-entry-of-two-signatures": _entry(
        replace(
            INTOTO,
            body=in_body(
                lambda spec: spec["content"]["envelope"].update(
                    signatures=spec["content"]["envelope"]["signatures"] * 2
                )
            ),
        ),
        "number of signatures",
    ),
    "rekor2-entry-of-two-signatures": _entry(
        replace(DSSE_V2, body=in_body(lambda spec: spec["dsseV002"].update(signatures=[]))), "number of signatures"
    ),
    "intoto-entry-of-other-type": _entry(
        replace(INTOTO, body=in_body(lambda spec: spec["content"]["envelope"].update(payloadType="text/plain"))),
        "payload's type",
    ),
    "intoto-0.0.1-entry-of-other-payload-hash": _entry(
        replace(INTOTO_V1, body=in_body(lambda spec: spec["content"]["payloadHash"].update(value="0" * 64))),
        "payload's digest",
    ),
    "intoto-0.0.1-entry-of-other-hash": _entry(
        replace(INTOTO_V1, body=in_body(lambda spec: spec["content"]["hash"].update(algorithm="sha512"))),
        "the envelope differs",
    ),
    "intoto-0.0.1-entry-of-other-type": _entry(
        replace(INTOTO_V1, logged=logged(payload_type="text/plain")), "the envelope differs"
    ),
    **{
        f"{name}-entry-{what}": _entry(replace(INTOTO_V1, key=key, logged=told), says)
        for name, key in (("intoto-0.0.1", None), ("key-intoto-0.0.1", KEY))
        for what, told, says in (
            ("digest-differs", logged(content=OTHER), "payload's digest"),
            ("signature-differs", logged(**_OTHER_SIGNATURE), "the envelope differs"),
            ("signer-differs", logged_by_another, "the signer differs"),
        )
    },
    "intoto-0.0.1-with-certificate-entry-signature-differs": _entry(
        replace(INTOTO_V1, logged=logged(brings_certificate=True, **_OTHER_SIGNATURE)), "the envelope differs"
    ),
    "entry-of-other-hash": _entry(
        replace(ENVELOPE, body=in_body(lambda spec: spec["payloadHash"].update(algorithm="sha512"))),
        "payload's digest",
    ),
    "message-entry-of-other-hash": _entry(
        replace(MESSAGE, body=in_body(lambda spec: spec["data"]["hash"].update(algorithm="sha512"))),
        "digest of what is signed",
    ),
    "envelope-in-hashedrekord-of-the-payload-alone": _entry(
        replace(
            ENVELOPE,
            kind=Kind.HASHEDREKORD,
            body=in_body(lambda spec: spec["data"]["hash"].update(value=hashlib.sha256(PAYLOAD).hexdigest())),
        ),
        "digest of what is signed",
    ),
    "rekor2-entry-of-other-hash": _entry(
        replace(ENVELOPE_V2, body=in_body(lambda spec: spec["hashedRekordV002"]["data"].update(algorithm="SHA2_512"))),
        "algorithm of the digest",
    ),
    **{
        f"{name}-entry-{what}": _entry(replace(recipe, logged=told), says)
        for name, recipe, digest in (
            ("envelope", ENVELOPE, "payload's digest"),
            ("intoto", INTOTO, "payload's digest"),
            ("message", MESSAGE, "digest of what is signed"),
            ("envelope-in-hashedrekord", replace(ENVELOPE, kind=Kind.HASHEDREKORD), "digest of what is signed"),
            ("rekor2-envelope", ENVELOPE_V2, "the digest"),
            ("rekor2-dsse", DSSE_V2, "the digest"),
            ("rekor2-message", MESSAGE_V2, "the digest"),
            ("key-intoto", KEYED, "payload's digest"),
            ("key-envelope", replace(ENVELOPE, key=KEY), "payload's digest"),
            ("key-message", replace(MESSAGE, key=KEY), "digest of what is signed"),
            ("key-rekor2-dsse", replace(DSSE_V2, key=KEY), "the digest"),
        )
        for what, told, says in (
            ("digest-differs", logged(content=OTHER), digest),
            ("signature-differs", logged(**_OTHER_SIGNATURE), "the signature differs"),
            ("signer-differs", logged_by_another, "the signer differs"),
        )
    },
}

FLAWS: dict[str, Flaw] = {**_CHAIN_FLAWS, **_LOG_FLAWS, **_INCLUSION_FLAWS, **_CONTENT_FLAWS, **_ENTRY_FLAWS}
