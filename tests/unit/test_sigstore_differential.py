"""guard's own verifier and sigstore-python judge the same bundles, and must agree wherever both can judge.

Where they are known to differ the difference is named here with its reason: the forms that sigstore-python does not
support, and what it does not look at. Everything else is a failed test.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigstore.models import Bundle, InvalidBundle
from sigstore.verify import Verifier

from guard.errors import EvidenceInvalid, GuardError
from guard.sigstore.bundle import parse_bundle
from guard.sigstore.certificate import claims_from_certificate
from guard.sigstore.own import Artifact, Proven, verify_bundle
from tests.corpus import CORPUS, IS_THERE, RecordedBundle, authorities, bundles_of, load_rows, root_document
from tests.sim.documents import JsonObject
from tests.sim.flaws import FLAWS
from tests.sim.forms import FORMS, SECOND, window
from tests.sim.judging import (
    IDENTITY,
    NOW,
    authorities_of,
    judge,
    judge_by_library,
    library_of,
    mint,
    root_of,
)
from tests.sim.mint import ARTIFACT
from tests.sim.sigstore import Defect, EntryKind, MintingSigstore

ROOT = mint().trust_root()
AUTHORITIES = authorities_of(ROOT)
LIBRARY = library_of(ROOT)

# What guard verifies and sigstore-python does not.
_ENTRY = "it refuses the integrated time of entries of the kind intoto"
_NO_PROOF = "it asks for a proof of inclusion, which version 0.1 does not need"
_HASH = "it verifies with SHA-256, whatever the key's curve"
_KEYED = "it knows no bundles that are signed with a bare key"
_UNSUPPORTED = {
    "envelope-of-another-type": "it counts the characters of a payload's type, not its bytes (DSSE protocol, PAE)",
    "envelope-p384": _HASH,
    "envelope-p521": _HASH,
    "envelope-ed25519": "it takes every key for one on a curve",
    "intoto-0.3": _ENTRY,
    "intoto-0.2": _ENTRY,
    "intoto-0.1": _ENTRY,
    "intoto-0.0.1": _ENTRY,
    "intoto-0.0.1-with-certificate": _ENTRY,
    "envelope-0.1-promised": _NO_PROOF,
    "envelope-0.1-no-checkpoint": _NO_PROOF,
    "intoto-0.1-promised": _NO_PROOF,
    "intoto-0.1-promised-chain": _NO_PROOF,
    "intoto-0.1-no-checkpoint": _NO_PROOF,
    "envelope-in-hashedrekord": "it knows this kind of entry for artifacts alone",
    "envelope-in-hashedrekord-p384": _HASH,
    "message-p384": _HASH,
    "message-p384-by-its-own-digest": _HASH,
    "rekor2-envelope-p384": _HASH,
    "rekor2-dsse": "it knows no entries of the kind dsse 0.0.2",
    "rekor2-dsse-ed25519": "it knows no entries of the kind dsse 0.0.2",
    "rekor2-message-p521": _HASH,
    **{name: _KEYED for name in FORMS if name.startswith("key-")},
}

# What guard refuses and sigstore-python does not look at.
_WINDOW = "it never compares a time with the validity that the trust root states for a log or an authority"
_LENIENT = {
    "chain-not-in-order": "it uses the first certificate alone",
    "authority-ended": _WINDOW,
    "authority-not-yet": _WINDOW,
    "authority-ended-between-two-times": _WINDOW,
    "sct-of-ended-log": _WINDOW,
    "sct-of-later-log": _WINDOW,
    "time-before-the-log": _WINDOW,
    "time-after-the-log": _WINDOW,
    "one-of-two-times-after-the-log": _WINDOW,
    "in-the-future": "it has no clock",
    "one-of-two-times-in-the-future": "it has no clock",
    "claims-conflict": "it leaves the certificate's claims to the caller's policy",
    "promise-without-time": "it passes over a signed entry timestamp that covers no time",
    "checkpoint-with-one-bad-signature-of-the-log": "it looks at the first signature by the log's hint",
    "checkpoint-with-junk": "it looks for signature lines and passes over the others",
    "checkpoint-of-other-size": "it compares the root alone",
    "checkpoint-of-padded-size": "it compares the root alone",
    "message-of-other-algorithm": "it does not read the algorithm that is stated beside the digest",
}


def accepts(bundle: JsonObject, library: Verifier, artifact: bytes = ARTIFACT) -> bool:
    try:
        judge_by_library(bundle, library, artifact)
    except Exception:  # noqa: BLE001 - it raises more than it documents, and all of it refuses
        return False
    return True


def verify_same(bundle: JsonObject, proven: Proven, library: Verifier, artifact: bytes = ARTIFACT) -> None:
    """Compare what both read from a bundle that both accept."""
    signed = judge_by_library(bundle, library, artifact)
    assert signed == (base64.b64decode(bundle["dsseEnvelope"]["payload"]) if "dsseEnvelope" in bundle else artifact)
    certificate = Bundle.from_json(json.dumps(bundle)).signing_certificate
    facts = {"signed_at": proven.signed_at, "log_index": proven.log_index}
    assert proven.claims == claims_from_certificate(certificate, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FORMS)
def test_every_form(name: str) -> None:
    bundle = mint().bundle(FORMS[name])
    proven = judge(bundle, AUTHORITIES)
    assert accepts(bundle, LIBRARY) is (name not in _UNSUPPORTED)
    if name not in _UNSUPPORTED:
        verify_same(bundle, proven, LIBRARY)


@pytest.mark.parametrize("name", FLAWS)
def test_every_flaw(name: str) -> None:
    flaw = FLAWS[name]
    root = root_of(flaw.root)
    bundle = mint().bundle(flaw.recipe)
    with pytest.raises(EvidenceInvalid):
        judge(bundle, authorities_of(root))
    assert accepts(bundle, library_of(root)) is (name in _LENIENT)


@pytest.mark.parametrize("names", [(_UNSUPPORTED, FORMS), (_LENIENT, FLAWS)], ids=["forms", "flaws"])
def test_differences_are_named_of_what_there_is(names: tuple[dict[str, str], dict[str, Any]]) -> None:
    assert set(names[0]) <= set(names[1])


def test_the_end_of_a_timestamp_authority() -> None:
    """It leaves the last moment of a closed interval out (protobuf-specs, ``TimeRange``)."""
    bundle = mint().bundle(FORMS["rekor2-envelope"])
    for end, both in ((SECOND, False), (2 * SECOND, True)):
        root = root_of(window("timestampAuthorities", SECOND, end))
        judge(bundle, authorities_of(root))
        assert accepts(bundle, library_of(root)) is both


@pytest.mark.parametrize("entry_kind", EntryKind)
@pytest.mark.parametrize("defect", [None, *Defect])
def test_every_defect_of_the_minting_sigstore(entry_kind: EntryKind, defect: Defect | None) -> None:
    sigstore, library, root = minting()
    bundle = sigstore.bundle(b"{}", IDENTITY, entry_kind=entry_kind, defect=defect)
    try:
        verify_bundle(parse_bundle(bundle), root, now=NOW + 5 * SECOND)
        accepted = True
    except GuardError:
        accepted = False
    assert accepted is (defect is None)
    conflict = defect is Defect.V1_V2_ISSUER_CONFLICT  # of claims, which it leaves to the caller's policy
    assert accepts(bundle, library) is (entry_kind is EntryKind.DSSE and (accepted or conflict))


@cache
def minting() -> tuple[MintingSigstore, Verifier, Any]:
    sigstore = MintingSigstore(NOW)
    root = json.loads(sigstore.trusted_root_json())
    return sigstore, library_of(root), authorities_of(root)


# --- recorded --------------------------------------------------------------------------------------------------------

RECORDED = [bundle for row in load_rows() for bundle in bundles_of(row)]


@cache
def recorded_library(root: str) -> Verifier:
    return library_of(json.loads(root_document(root)))


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.name)
def test_every_recorded_bundle(recorded: RecordedBundle) -> None:
    library = recorded_library(recorded.root)
    supported = recorded.says["entry"] == ["dsse/0.0.1"] and "publicKey" not in recorded.bundle["verificationMaterial"]
    try:
        proven = verify_bundle(parse_bundle(recorded.bundle), authorities(recorded.root), now=NOW)
    except GuardError:
        assert not accepts(recorded.bundle, library)
    else:
        assert accepts(recorded.bundle, library) is supported
        if supported:
            verify_same(recorded.bundle, proven, library)


CASES = sorted(path.parent for path in CORPUS.glob("conformance/*/bundle.sigstore.json")) if IS_THERE else []
# It names the reason for each case that guard accepts and it does not.
_CASES = {"intoto-with-custom-trust-root": _ENTRY, "managed-key-and-trusted-root": _KEYED}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_conformance_case(case: Any) -> None:
    """Without the identity, which neither verifier judges."""
    own_root = case / "trusted_root.json"
    root = json.loads(own_root.read_bytes() if own_root.exists() else root_document("production"))
    content = (case / "artifact" if (case / "artifact").exists() else case.parent / "a.txt").read_bytes()
    artifact = Artifact(hashlib.sha256(content).digest(), content)
    bundle = json.loads((case / "bundle.sigstore.json").read_bytes())
    try:
        proven = verify_bundle(parse_bundle(bundle), authorities_of(root), now=NOW, artifact=artifact)
    except GuardError:
        assert not accepts(bundle, library_of(root), content)
        return
    assert accepts(bundle, library_of(root), content) is (case.name not in _CASES)
    if case.name not in _CASES:
        verify_same(bundle, proven, library_of(root), content)


# --- altered ---------------------------------------------------------------------------------------------------------

SUPPORTED = [name for name in FORMS if name not in _UNSUPPORTED]
# Two of each, so that parts of one fit into the other.
POOL = [mint().bundle(FORMS[name]) for name in SUPPORTED for _ in range(2)]
POOL += [
    mint().bundle(flaw.recipe)
    for name, flaw in FLAWS.items()
    if flaw.recipe.key is None and name not in _LENIENT and flaw.root is FLAWS["sct-none"].root
]
_TEXTS = ["", "0", "1", "AAAA", "a", "\n", "A" * 44]
# What guard refuses by its own reading, said in its refusals.
_STRICTER = (
    "is no base64",  # the library passes over what is no base64
    "is no count",  # the library takes counts in words of Python: '+1', ' 1'
    "another digest",  # the algorithm that is stated beside the digest of a message
    "and no time",
    "not in order",
    "in an unknown log",  # the library tries all keys where none has the name
    "names no origin",
    "line that is no signature",
    "is no signed note",
    "is of another tree",
    "root is no hash",
    "the chain that comes with it",
    "contradicts itself",
)


def parts(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, inner in items for found in parts(inner, (*path, name)))]


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for name in path:
        value = value[name]
    return value


def altered(data: st.DataObject, bundle: JsonObject) -> None:
    """Change one part: leave it out, take it from another bundle, flip a bit, or put something else in its place."""
    path = data.draw(st.sampled_from(parts(bundle)[1:]))
    parent, name, value = at(bundle, path[:-1]), path[-1], at(bundle, path)
    match data.draw(st.sampled_from(["leave-out", "exchange", "exchange", "flip", "insert", "replace", "repeat"])):
        case "leave-out":
            del parent[name]
        case "exchange":
            other = data.draw(st.sampled_from(POOL))
            if path in parts(other):
                parent[name] = json.loads(json.dumps(at(other, path)))
        case "flip" if isinstance(value, str) and value:
            place = data.draw(st.integers(0, len(value) - 1))
            parent[name] = value[:place] + data.draw(st.sampled_from("ABab01+/=\n ")) + value[place + 1 :]
        case "insert" if isinstance(value, str):
            place = data.draw(st.integers(0, len(value)))
            parent[name] = value[:place] + data.draw(st.sampled_from(_TEXTS)) + value[place:]
        case "repeat" if isinstance(value, list) and value:
            value.append(value[0])
        case _:
            parent[name] = data.draw(st.sampled_from([None, [], {}, 0, *_TEXTS]))


@given(data=st.data())
def test_altered_bundles(data: st.DataObject) -> None:
    bundle = json.loads(json.dumps(data.draw(st.sampled_from(POOL))))
    for _ in range(data.draw(st.integers(1, 3))):
        altered(data, bundle)
    artifact = Artifact(hashlib.sha256(ARTIFACT).digest(), ARTIFACT)
    refused = refusal_of(bundle, artifact)
    if refused:
        assert not accepts(bundle, LIBRARY) or any(says in refused for says in _STRICTER), refused
    else:
        with contextlib.suppress(InvalidBundle):  # stricter about how a document is written, not about what it says
            judge_by_library(bundle, LIBRARY)


def refusal_of(bundle: JsonObject, artifact: Artifact) -> str:
    """Return why guard refuses a bundle, or nothing where it does not."""
    try:
        verify_bundle(parse_bundle(bundle), AUTHORITIES, now=NOW, artifact=artifact)
    except GuardError as error:
        return error.message
    return ""
