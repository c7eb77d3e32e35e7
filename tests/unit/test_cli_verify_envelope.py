"""Envelopes that bring their certificate and not their log entry, as SLSA generators wrote them: the log is asked."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.sim.documents import JsonObject, base64_text, canonical_json, compact_json
from tests.sim.identity import Identity
from tests.sim.loopback import Loopback
from tests.sim.sigstore import MintingSigstore
from tests.unit.verify_command import GENERATOR, SOURCE, Surrounding, statement_about

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SIGSTORE = MintingSigstore()
TOOL = b"a tool"
SIGNER = Identity.github(reusable=f"{GENERATOR}@refs/tags/v1.9.0")


@dataclass
class Log:
    """Rekor's way to ask for entries, with what it knows by the uploaded text."""

    entries: dict[str, JsonObject] = field(default_factory=dict)
    status: str = "200 OK"
    answer: bytes | None = None
    asked: list[JsonObject] = field(default_factory=list)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        assert (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("POST", "/api/v1/log/entries/retrieve")
        query = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self.asked.append(query)
        texts = {
            each["spec"].get("proposedContent", each["spec"].get("content"))["envelope"] for each in query["entries"]
        }
        found = [{"uuid": self.entries[text]} for text in texts if text in self.entries]
        body = json.dumps(found).encode() if self.answer is None else self.answer
        start_response(self.status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def as_answered(entry: JsonObject) -> JsonObject:
    """Return an entry of a bundle as Rekor's API writes it."""
    proof = entry["inclusionProof"]

    def hexadecimal(text: str) -> str:
        return base64.b64decode(text).hex()

    return {
        "body": entry["canonicalizedBody"],
        "integratedTime": int(entry["integratedTime"]),
        "logID": hexadecimal(entry["logId"]["keyId"]),
        "logIndex": int(entry["logIndex"]),
        "verification": {
            "inclusionProof": {
                "checkpoint": proof["checkpoint"]["envelope"],
                "hashes": [hexadecimal(each) for each in proof["hashes"]],
                "logIndex": int(proof["logIndex"]),
                "rootHash": hexadecimal(proof["rootHash"]),
                "treeSize": int(proof["treeSize"]),
            },
            "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        },
    }


def pem_of(bundle: JsonObject) -> str:
    raw = bundle["verificationMaterial"]["certificate"]["rawBytes"]
    lines = [raw[start : start + 64] for start in range(0, len(raw), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def envelope_of(bundle: JsonObject, **signature: Any) -> JsonObject:
    signed = bundle["dsseEnvelope"]
    one = {"keyid": "", "sig": signed["signatures"][0]["sig"], "cert": pem_of(bundle)} | signature
    return {"payloadType": signed["payloadType"], "payload": signed["payload"], "signatures": [one]}


def intoto_entry(bundle: JsonObject, uploaded: bytes, **over: Any) -> JsonObject:
    """Log an envelope as cosign did before its own kind of entry was there."""
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    content = {
        "hash": {"algorithm": "sha256", "value": hashlib.sha256(uploaded).hexdigest()},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
    }
    spec = {"content": content, "publicKey": base64_text(pem_of(bundle).encode())} | over
    body = canonical_json({"apiVersion": "0.0.1", "kind": "intoto", "spec": spec})
    at = datetime.now(timezone.utc) - timedelta(hours=1) + timedelta(seconds=1)
    return as_answered(SIGSTORE._rekor.append("intoto", "0.0.1", body, at))


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def here(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Surrounding]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    server = Loopback(log)
    server.start()
    here = Surrounding(tmp_path, capsys)
    root = json.loads(SIGSTORE.trusted_root_json())
    root["tlogs"][0]["baseUrl"] = f"{server.url}/"
    here.trust_root = here.write("trusted_root.json", root)
    here.write("tool", TOOL)
    yield here
    server.stop()


def signed() -> JsonObject:
    return SIGSTORE.bundle(statement_about(("other", b""), ("tool", TOOL)), SIGNER)


def test_the_entry_of_an_envelope_is_the_logs(here: Surrounding, log: Log) -> None:
    bundle = signed()
    text = compact_json(envelope_of(bundle))
    log.entries[text.decode()] = as_answered(bundle["verificationMaterial"]["tlogEntries"][0])
    provenance = here.write("tool.intoto.jsonl", text + b"\n")
    result = here.verify("tool", "--bundle", provenance, *SOURCE, "--source-tag", "v1.0.0", "--slsa-level", "3")
    assert (result.status, result.rules) == (0, []), result.err
    certificate = base64_text(pem_of(bundle).encode())
    dsse = {"proposedContent": {"envelope": text.decode(), "verifiers": [certificate]}}
    intoto = {"content": {"envelope": text.decode()}, "publicKey": certificate}
    assert log.asked[0] == {
        "entries": [
            {"apiVersion": "0.0.1", "kind": "dsse", "spec": dsse},
            {"apiVersion": "0.0.1", "kind": "intoto", "spec": intoto},
        ]
    }
    assert here.verify("trusted_root.json", "--bundle", provenance, *SOURCE).rules == ["statement-mismatch"]


def test_an_envelope_need_not_name_its_key(here: Surrounding, log: Log) -> None:
    bundle = signed()
    document = envelope_of(bundle)
    del document["signatures"][0]["keyid"]
    text = compact_json(document)
    log.entries[text.decode()] = as_answered(bundle["verificationMaterial"]["tlogEntries"][0])
    assert here.verify("tool", "--bundle", here.write("p.intoto.jsonl", text), *SOURCE).status == 0


@pytest.mark.parametrize("keyid", ["", "a key"])
@pytest.mark.parametrize("has_certificate", [True, False])
def test_an_entry_of_before_2024(here: Surrounding, log: Log, has_certificate: bool, keyid: str) -> None:
    bundle = signed()
    document = envelope_of(bundle, keyid=keyid)
    text = compact_json(document)
    plain = document | {"signatures": [{name: document["signatures"][0][name] for name in ("keyid", "sig")}]}
    log.entries[text.decode()] = intoto_entry(bundle, text if has_certificate else compact_json(plain))
    assert here.verify("tool", "--bundle", here.write("p.intoto.jsonl", text), *SOURCE).status == 0


_OTHERS: dict[str, Callable[[JsonObject, bytes], JsonObject]] = {
    "signature": lambda bundle, text: intoto_entry(bundle, text + b" "),
    "signer": lambda bundle, text: intoto_entry(bundle, text, publicKey=base64_text(pem_of(signed()).encode())),
    "payload": lambda bundle, text: intoto_entry(
        bundle,
        text,
        content={
            "hash": {"algorithm": "sha256", "value": hashlib.sha256(text).hexdigest()},
            "payloadHash": {"algorithm": "sha256", "value": "0" * 64},
        },
    ),
}


@pytest.mark.parametrize("what", _OTHERS)
def test_an_entry_of_another_envelope(here: Surrounding, log: Log, what: str) -> None:
    bundle = signed()
    text = compact_json(envelope_of(bundle))
    log.entries[text.decode()] = _OTHERS[what](bundle, text)
    result = here.verify("tool", "--bundle", here.write("p.intoto.jsonl", text), *SOURCE)
    assert (result.status, result.rules) == (10, ["provenance-invalid"])
    assert "the log entry is of another bundle" in result.out


def test_what_a_log_answers_is_verified(here: Surrounding, log: Log) -> None:
    bundle = signed()
    text = compact_json(envelope_of(bundle))
    entry = as_answered(bundle["verificationMaterial"]["tlogEntries"][0])
    log.entries[text.decode()] = entry | {"integratedTime": entry["integratedTime"] + 1}
    assert here.verify("tool", "--bundle", here.write("p", text), *SOURCE).rules == ["provenance-invalid"]


@pytest.mark.parametrize(
    ("status", "answer", "exit_status", "rule"),
    [
        ("200 OK", b"[]", 10, "provenance-invalid"),
        ("404 Not Found", b"", 10, "provenance-invalid"),
        ("200 OK", b"<html>", 10, "provenance-invalid"),
        ("200 OK", b'[{"uuid": {}}]', 10, "provenance-invalid"),
        (
            "200 OK",
            b'[{"uuid": {"verification": {"inclusionProof": {"hashes": ["x"]}}, "body": "e30="}}]',
            10,
            "provenance-invalid",
        ),
        (
            "200 OK",
            b'[{"uuid": {"verification": {"inclusionProof": {"hashes": []}}, "body": "?"}}]',
            10,
            "provenance-invalid",
        ),
        ("200 OK", b'[{"uuid": {"verification": {"inclusionProof": {}}}}]', 10, "provenance-invalid"),
        ("503 Service Unavailable", b"", 11, "provenance-unavailable"),
    ],
)
def test_a_log_that_has_no_entry(
    here: Surrounding, log: Log, status: str, answer: bytes, exit_status: int, rule: str
) -> None:
    log.status, log.answer = status, answer
    provenance = here.write("p.intoto.jsonl", compact_json(envelope_of(signed())))
    result = here.verify("tool", "--bundle", provenance, *SOURCE)
    assert (result.status, result.rules) == (exit_status, [rule])


@pytest.mark.parametrize("certificate", [None, "", "-----BEGIN CERTIFICATE-----\n", 1])
def test_an_envelope_without_a_certificate_is_signed_by_nobody(
    here: Surrounding, log: Log, certificate: object
) -> None:
    document = envelope_of(signed(), cert=certificate)
    assert here.verify("tool", "--bundle", here.write("p", document), *SOURCE).rules == ["provenance-invalid"]
    document["signatures"] = []
    assert here.verify("tool", "--bundle", here.write("p", document), *SOURCE).rules == ["provenance-invalid"]
    assert log.asked == []
