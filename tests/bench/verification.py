"""What verifying one bundle costs in a process that has verified others: guard, and others on the same documents.

The documents are the recorded ones where GUARD_CORPUS names them, else some that the simulated Sigstore mints. All
that runs in this process takes turns, document by document; others run in processes of their own, which warm up first.
The floor is the signatures alone that a bundle asks for, with keys at hand: its certificate's (P-384), and those of the
log of certificates, of promise, checkpoint and content (P-256). What is measured is processor time, since that is all
that a verification takes: on a quiet machine as much time passes.
"""

from __future__ import annotations

import enum
import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sigstore.models import Bundle as LibraryBundle
from sigstore.verify.policy import UnsafeNoOp

from guard.errors import GuardError
from guard.sigstore.authorities import decode_authorities
from guard.sigstore.bundle import parse_bundle
from guard.sigstore.keys import PublicKey
from guard.sigstore.library import create_verifier, is_supported, verify_again
from guard.sigstore.own import verify_bundle
from guard.sigstore.trust_root import TrustRoot, parse_trust_root
from tests.corpus import IS_THERE, bundles_of, load_rows, registry_keys, root_document
from tests.sim import npm_documents, pep740
from tests.sim.documents import JsonObject
from tests.sim.identity import Identity
from tests.sim.sigstore import BUNDLE_V0_2, EntryKind, MintingSigstore

_PEERS = Path(__file__).with_name("peers")
_PYPI_ATTESTATIONS = "pypi-attestations==0.0.30"
_SIGSTORE_JS = "@sigstore/verify@3.1.1"
_MINTED = 12
_OWN_TARGET_MS, _LIBRARY_TARGET_MS = 1.5, 2.5


class Kind(enum.Enum):
    """What is verified, with how many signatures on P-256 and P-384 it asks for."""

    PEP740 = ("PEP 740", 4, 1)
    NPM_SLSA = ("npm SLSA", 4, 1)
    NPM_PUBLISH = ("npm publish", 3, 0)


@dataclass(frozen=True, slots=True)
class Document:
    """A bundle that holds, under a trust root, and the bare key that signed it."""

    kind: Kind
    bundle: bytes
    root: TrustRoot
    key: PublicKey | None


Times = Mapping[str, list[list[float]]]
"""Milliseconds by verifier, document and round; no round of what a verifier does not support."""


def measure_verification(folder: Path, *, rounds: int) -> None:
    """Measure every verifier and print a table.

    Args:
        folder: an empty one for other verifiers.
        rounds: how often each document is verified.
    """
    documents = _recorded() if IS_THERE else _minted()
    times = _measure_here(documents, rounds) | _measure_peers(documents, folder, rounds)
    counts = ", ".join(f"{sum(one.kind is kind for one in documents)} {kind.value[0]}" for kind in Kind)
    print(f"\nverification of {counts} bundles, {'recorded' if IS_THERE else 'minted'}: ms of CPU, median and (best)")
    print(f"{'':<34}{''.join(f'{kind.value[0]:>16}' for kind in Kind)}")
    for name, measured in times.items():
        cells = [_cell(documents, measured, kind) for kind in Kind]
        print(f"{name:<34}{''.join(f'{cell:>16}' for cell in cells)}{_verdict(name, documents, measured)}")


def _recorded() -> list[Document]:
    documents = []
    for row in load_rows():
        for one in bundles_of(row):
            key = registry_keys().get(one.bundle["verificationMaterial"].get("publicKey", {}).get("hint"))
            root = parse_trust_root(root_document(one.root), source=one.root)
            kind = Kind.PEP740 if row["ecosystem"] == "pypi" else Kind.NPM_PUBLISH if key else Kind.NPM_SLSA
            documents.append(Document(kind, json.dumps(one.bundle).encode(), root, key))
    return [document for document in documents if _holds(document)]


def _holds(document: Document) -> bool:
    try:
        _verify_own(document)
    except GuardError:
        return False
    return True


def _minted() -> list[Document]:
    sigstore, identity, registry = MintingSigstore(), Identity.github(), npm_documents.RegistryKey()
    root = parse_trust_root(sigstore.trusted_root_json(), source="minted")
    documents = []
    for number in range(_MINTED):
        content = str(number).encode()
        wheel = pep740.slsa_statement(f"example-{number}-py3-none-any.whl", content, identity)
        built = npm_documents.provenance_statement("example", f"{number}.0.0", content, identity)
        published = npm_documents.publish_statement("example", f"{number}.0.0", content, "https://registry.test")
        bundles: list[tuple[Kind, JsonObject]] = [
            (Kind.PEP740, sigstore.bundle(wheel, identity)),
            (Kind.NPM_SLSA, sigstore.bundle(built, identity, media_type=BUNDLE_V0_2, entry_kind=EntryKind.INTOTO)),
            (Kind.NPM_PUBLISH, sigstore.key_bundle(published, registry.pair, entry_kind=EntryKind.INTOTO)),
        ]
        for kind, bundle in bundles:
            key = registry.key.public_key() if kind is Kind.NPM_PUBLISH else None
            documents.append(Document(kind, json.dumps(bundle).encode(), root, key))
    return documents


def _measure_here(documents: Iterable[Document], rounds: int) -> dict[str, list[list[float]]]:
    logging.getLogger("sigstore").setLevel(logging.CRITICAL + 1)
    verifiers: dict[str, Callable[[Document], object]] = {
        "the signatures alone": _verify_signatures,
        "guard, own path": _verify_own,
        "guard, through sigstore-python": _verify_by_library,
        "guard, both, as it installs": _verify_both,
        "sigstore-python": _verify_by_sigstore_python,
    }
    times: dict[str, list[list[float]]] = {name: [] for name in verifiers}
    for document in documents:
        is_the_librarys = is_supported(parse_bundle(document.bundle))
        for name in times:
            times[name].append([])
        for _ in range(rounds):
            for name, verify in verifiers.items():
                if is_the_librarys or "sigstore-python" not in name:
                    start = time.process_time()
                    verify(document)
                    times[name][-1].append((time.process_time() - start) * 1000)
    return times


def _verify_own(document: Document) -> None:
    authorities = _authorities_of(document.root)
    verify_bundle(parse_bundle(document.bundle), authorities, now=_NOW, key=document.key)


def _verify_by_library(document: Document) -> None:
    if is_supported(parse_bundle(document.bundle)):
        verify_again(_library_of(document.root), document.bundle, None)


def _verify_both(document: Document) -> None:
    bundle = parse_bundle(document.bundle)
    verify_bundle(bundle, _authorities_of(document.root), now=_NOW, key=document.key)
    if is_supported(bundle):
        verify_again(_library_of(document.root), document.bundle, None)


def _verify_by_sigstore_python(document: Document) -> None:
    _library_of(document.root).verify_dsse(LibraryBundle.from_json(document.bundle), UnsafeNoOp())


_NOW = datetime.now(timezone.utc)
_authorities_of = cache(decode_authorities)
_library_of = cache(create_verifier)


def _verify_signatures(document: Document) -> None:
    _, on_p256, on_p384 = document.kind.value
    for curve, count in ((ec.SECP256R1(), on_p256), (ec.SECP384R1(), on_p384)):
        key, signature = _signed_on(type(curve))
        for _ in range(count):
            key.verify(signature, b"what is signed", ec.ECDSA(hashes.SHA256()))


@cache
def _signed_on(curve: type[ec.EllipticCurve]) -> tuple[ec.EllipticCurvePublicKey, bytes]:
    key = ec.generate_private_key(curve())
    return key.public_key(), key.sign(b"what is signed", ec.ECDSA(hashes.SHA256()))


def _measure_peers(documents: Iterable[Document], folder: Path, rounds: int) -> dict[str, list[list[float]]]:
    path = folder / "documents.json"
    keys = {
        json.loads(one.bundle)["verificationMaterial"]["publicKey"]["hint"]: _pem(one.key)
        for one in documents
        if one.key is not None
    }
    listed = [{"bundle": one.bundle.decode(), "root": one.root.data.decode()} for one in documents]
    path.write_text(json.dumps({"documents": listed, "keys": keys}))
    python, node = folder / "peer", folder / "node"
    node.mkdir()
    _run([sys.executable, "-m", "uv", "venv", "--quiet", str(python)], folder)
    _run([sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), _PYPI_ATTESTATIONS], folder)
    _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(node), _SIGSTORE_JS], node)
    scripts = {
        "pypi-attestations": [str(python / "bin/python"), "-I", str(_PEERS / "pypi_attestations_verify.py")],
        "@sigstore/verify on Node": ["node", str(_PEERS / "node_verify.mjs")],
    }
    return {name: json.loads(_run([*argv, str(path), str(rounds)], node)) for name, argv in scripts.items()}


def _pem(key: PublicKey) -> str:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def _run(argv: list[str], folder: Path) -> bytes:
    done = subprocess.run(argv, cwd=folder, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stderr.decode()}")
    return done.stdout


def _median(documents: Iterable[Document], measured: list[list[float]], kind: Kind) -> float | None:
    medians = [
        statistics.median(one)
        for document, one in zip(documents, measured, strict=True)
        if document.kind is kind and one
    ]
    return statistics.median(medians) if medians else None


def _cell(documents: list[Document], measured: list[list[float]], kind: Kind) -> str:
    median = _median(documents, measured, kind)
    best = _median(documents, [[min(one)] if one else [] for one in measured], kind)
    return "-" if median is None or best is None else f"{median:.2f} ({best:.2f})"


def _verdict(name: str, documents: list[Document], measured: list[list[float]]) -> str:
    target = {"guard, own path": _OWN_TARGET_MS, "guard, through sigstore-python": _LIBRARY_TARGET_MS}.get(name)
    if target is None:
        return ""
    medians = [_median(documents, measured, kind) for kind in (Kind.PEP740, Kind.NPM_SLSA)]
    is_met = all(median is None or median <= target for median in medians)
    return f"   <= {target} ms: {'met' if is_met else 'MISSED'}"
