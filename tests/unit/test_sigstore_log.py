"""Merkle trees of every size, signed notes, and entries, apart from bundles."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import EvidenceCode, EvidenceInvalid
from guard.sigstore.authorities import LogKey, Validity
from guard.sigstore.bundle import InclusionProof, LogEntry
from guard.sigstore.keys import checked_key
from guard.sigstore.log import verify_inclusion, verify_promise, verify_time
from tests.sim.log import Rekor, inclusion_path, leaf_hash, tree_hash

REKOR = Rekor()
LOG = LogKey(REKOR.log_id, checked_key(REKOR.key.public_key()), Validity(None, None))
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
BODIES = [b"body %d" % number for number in range(40)]
LEAVES = [leaf_hash(body) for body in BODIES]


def entry(index: int, size: int, note: str | None = None) -> LogEntry:
    root = tree_hash(LEAVES[:size])
    proof = InclusionProof(
        log_index=index,
        tree_size=size,
        root_hash=root,
        hashes=tuple(inclusion_path(index, LEAVES[:size])),
        checkpoint=REKOR.sign_note(REKOR.note(root, size) if note is None else note),
    )
    return LogEntry(
        log_index=index,
        log_id=REKOR.log_id,
        kind="dsse",
        version="0.0.1",
        integrated_time=1_700_000_000,
        signed_entry_timestamp=None,
        proof=proof,
        body=BODIES[index],
    )


def with_proof(given_entry: LogEntry, **members: object) -> LogEntry:
    assert given_entry.proof is not None
    return replace(given_entry, proof=replace(given_entry.proof, **members))  # type: ignore[arg-type]


def refusal(given_entry: LogEntry, *, required: bool = True) -> str:
    with pytest.raises(EvidenceInvalid) as caught:
        verify_inclusion(given_entry, LOG, required=required)
    assert caught.value.code is EvidenceCode.LOG_ENTRY
    return caught.value.message


@pytest.mark.parametrize("size", range(1, 18))
def test_every_entry_of_every_tree_is_proved_and_nowhere_else(size: int) -> None:
    for index in range(size):
        good = entry(index, size)
        verify_inclusion(good, LOG, required=True)
        assert good.proof is not None
        refusal(replace(good, body=b"other"))
        refusal(with_proof(good, hashes=(*good.proof.hashes, bytes(32))))
        for place in range(len(good.proof.hashes)):
            refusal(with_proof(good, hashes=(*good.proof.hashes[:place], *good.proof.hashes[place + 1 :])))
        for other in range(size + 2):
            if other != index:
                refusal(with_proof(good, log_index=other))


@given(size=st.integers(1, 40), other=st.integers(1, 2**63 - 1), data=st.data())
def test_a_tree_of_another_size_is_another_tree(size: int, other: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    if other != size:
        refusal(with_proof(entry(index, size), tree_size=other))


def test_the_largest_tree_is_walked() -> None:
    """A path of 63 hashes to the last of 2**63 - 1 entries, whose siblings are all on the left."""
    size = 2**63 - 1
    hashes = [hashlib.sha256(b"%d" % level).digest() for level in range(62)]
    root = leaf_hash(BODIES[0])
    for sibling in hashes:
        root = hashlib.sha256(b"\x01" + sibling + root).digest()
    given_entry = with_proof(
        entry(0, 1),
        log_index=size - 1,
        tree_size=size,
        root_hash=root,
        hashes=tuple(hashes),
        checkpoint=REKOR.sign_note(REKOR.note(root, size)),
    )
    verify_inclusion(given_entry, LOG, required=True)


def test_an_empty_tree_has_no_entries() -> None:
    assert "is not one" in refusal(with_proof(entry(0, 1), tree_size=0))


def test_leaves_and_nodes_are_told_apart() -> None:
    """Whoever names a node of the tree as an entry has another hash for it (RFC 9162, section 2.1.1)."""
    pair = LEAVES[0] + LEAVES[1]
    good = entry(0, 4)
    assert good.proof is not None
    shortened = with_proof(good, hashes=good.proof.hashes[1:], log_index=0, tree_size=2)
    assert "stated root" in refusal(replace(shortened, body=pair))


@pytest.mark.parametrize("required", [True, False])
def test_what_is_there_must_hold_whether_required_or_not(required: bool) -> None:
    good = entry(1, 3)
    verify_inclusion(good, LOG, required=required)
    assert "stated root" in refusal(replace(good, body=b"other"), required=required)
    assert "not signed" in refusal(with_proof(good, checkpoint="a\n1\nb\n\n"), required=required)


def test_what_is_required_must_be_there() -> None:
    good = entry(1, 3)
    for without in (replace(good, proof=None), with_proof(good, checkpoint="")):
        verify_inclusion(without, LOG, required=False)
        assert "no proof of inclusion" in refusal(without)


ROOT = base64.b64encode(tree_hash(LEAVES[:3])).decode()


@pytest.mark.parametrize(
    ("note", "says"),
    [
        pytest.param(f"origin\n3\n{ROOT}\n", "", id="three-lines"),
        pytest.param(f"origin\n3\n{ROOT}\nmore\n", "", id="four-lines"),
        pytest.param(f"\n3\n{ROOT}\n", "no origin", id="empty-origin"),
        pytest.param("origin\n3\n", "no origin", id="two-lines"),
        pytest.param(f"origin\n\u0663\n{ROOT}\n", "no origin", id="digit-of-another-script"),
        pytest.param(f"origin\n03\n{ROOT}\n", "no origin", id="padded"),
        pytest.param(f"origin\n3 \n{ROOT}\n", "no origin", id="space"),
        pytest.param(f"origin\n-3\n{ROOT}\n", "no origin", id="negative"),
        pytest.param(f"origin\n{'9' * 20}\n{ROOT}\n", "no origin", id="huge"),
        pytest.param(f"origin\n{'9' * 19}\n{ROOT}\n", "another tree", id="large"),
        pytest.param(f"origin\n0\n{ROOT}\n", "another tree", id="empty-tree"),
        pytest.param(f"origin\n10\n{ROOT}\n", "another tree", id="two-digits"),
        pytest.param(f"origin\n3\n{ROOT} \n", "root is no base64", id="root-and-space"),
        pytest.param(f"origin\n3\n{ROOT[:-4]}\n", "no hash", id="short-root"),
        pytest.param("origin\n3\n\n", "no signature", id="two-blank-lines"),
        pytest.param(f"origin\n3\n\n{ROOT}\n", "no signed note", id="blank-line-inside"),
    ],
)
def test_checkpoints(note: str, says: str) -> None:
    given_entry = entry(1, 3, note)
    if says:
        assert says in refusal(given_entry)
    else:
        verify_inclusion(given_entry, LOG, required=True)


NOTE = REKOR.note(tree_hash(LEAVES[:3]), 3)
LINE = REKOR.signature_line(NOTE)
SIGNATURE = LINE.rstrip("\n").rpartition(" ")[2]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param(f"\u2014 any.name/x:1 {SIGNATURE}\n", "", id="another-name"),
        pytest.param(f"{LINE}{LINE}", "", id="twice"),
        pytest.param(f"\u2014 witness {base64.b64encode(b'hint' + b'1').decode()}\n{LINE}", "", id="short-witness"),
        pytest.param(f"\u2014 {SIGNATURE}\n", "no signature", id="no-name"),
        pytest.param(f"\u2014  {SIGNATURE}\n", "no signature", id="empty-name"),
        pytest.param(f"\u2014 a+b {SIGNATURE}\n", "no signature", id="plus-in-name"),
        pytest.param(f"\u2014 a b {SIGNATURE}\n", "no signature", id="space-in-name"),
        pytest.param(f"- name {SIGNATURE}\n", "no signature", id="hyphen"),
        pytest.param(f" \u2014 name {SIGNATURE}\n", "no signature", id="indented"),
        pytest.param(f"\u2014 name {SIGNATURE} \n", "no signature", id="trailing-space"),
        pytest.param(f"\u2014 name {SIGNATURE}\r\n", "no signature", id="carriage-return"),
        pytest.param(f"\n{LINE}", "no signature", id="empty-line"),
        pytest.param(f"{LINE}\n", "no signed note", id="empty-last-line"),
        pytest.param("\u2014 name AAAAA\n", "signature is no base64", id="no-base64"),
        pytest.param(f"\u2014 name {base64.b64encode(REKOR.log_id[:4]).decode()}\n", "empty signature", id="empty"),
        pytest.param(
            f"\u2014 name {base64.b64encode(REKOR.log_id[:4] + b'1').decode()}\n", "does not hold", id="short"
        ),
        pytest.param("", "not signed by the log", id="none"),
        pytest.param(LINE.rstrip("\n"), "no signed note", id="no-newline"),
    ],
)
def test_signature_lines(line: str, says: str) -> None:
    given_entry = with_proof(entry(1, 3), checkpoint=f"{NOTE}\n{line}")
    if says:
        assert says in refusal(given_entry)
    else:
        verify_inclusion(given_entry, LOG, required=True)


@given(st.text(max_size=60))
def test_any_text_for_a_checkpoint(text: str) -> None:
    if text:
        refusal(with_proof(entry(1, 3), checkpoint=text))
        refusal(with_proof(entry(1, 3), checkpoint=f"{NOTE}\n{text}"))


def promised(**members: object) -> LogEntry:
    good = entry(1, 3)
    signature = REKOR.promise(
        {
            "canonicalizedBody": base64.b64encode(good.body).decode(),
            "integratedTime": good.integrated_time,
            "logIndex": good.log_index,
        }
    )
    good = replace(good, signed_entry_timestamp=base64.b64decode(signature))
    return replace(good, **members)  # type: ignore[arg-type]


@pytest.mark.parametrize("required", [True, False])
def test_a_promise_says_when(required: bool) -> None:
    moment = verify_promise(promised(), LOG, required=required)
    assert moment == datetime.fromtimestamp(1_700_000_000, tz=timezone.utc)


def test_no_promise_says_nothing() -> None:
    without = promised(signed_entry_timestamp=None)
    assert verify_promise(without, LOG, required=False) is None
    with pytest.raises(EvidenceInvalid, match="no signed entry timestamp"):
        verify_promise(without, LOG, required=True)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"body": b"other"}, "does not hold"),
        ({"log_index": 2}, "does not hold"),
        ({"log_id": bytes(32)}, "does not hold"),
        ({"integrated_time": 1_700_000_001}, "does not hold"),
        ({"integrated_time": 0}, "and no time"),
        ({"signed_entry_timestamp": b"0"}, "does not hold"),
    ],
)
def test_a_promise_covers_body_index_log_and_time(members: dict[str, object], says: str) -> None:
    with pytest.raises(EvidenceInvalid, match=says) as caught:
        verify_promise(promised(**members), LOG, required=True)
    assert caught.value.code is EvidenceCode.LOG_ENTRY


TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("moments", "says"),
    [
        ([], "no verified time"),
        ([NOW], ""),
        ([NOW - timedelta(days=1), NOW], ""),
        ([NOW + TICK], "in the future"),
        ([NOW, NOW + TICK], "in the future"),
        ([NOW - timedelta(days=1) - TICK], "not believed"),
        ([NOW, NOW - timedelta(days=1) - TICK], "not believed"),
    ],
)
def test_times(moments: list[datetime], says: str) -> None:
    log = replace(LOG, validity=Validity(NOW - timedelta(days=1), None))
    if not moments:
        verify_time(moments, log, NOW, required=False)
    for required in [True] if not moments else [True, False]:
        if not says:
            verify_time(moments, log, NOW, required=required)
            continue
        with pytest.raises(EvidenceInvalid, match=says) as caught:
            verify_time(moments, log, NOW, required=required)
        assert caught.value.code is EvidenceCode.LOG_ENTRY
