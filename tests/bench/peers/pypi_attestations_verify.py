"""Verifies attestations with pypi-attestations and prints a list of milliseconds for each.

``python pypi_attestations_verify.py DOCUMENTS ROUNDS``, in an environment that has it. What it refuses, or what is no
attestation of PyPI's, has an empty list.
"""

from __future__ import annotations

import base64
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pypi_attestations
from pypi_attestations import _impl
from sigstore.models import TrustedRoot
from sigstore.verify import Verifier
from sigstore.verify.policy import UnsafeNoOp


def main(path: str, rounds: int) -> None:
    """Measure every document."""
    logging.getLogger("sigstore").setLevel(logging.CRITICAL + 1)
    documents = json.loads(Path(path).read_bytes())["documents"]
    print(json.dumps([_measure(document, rounds) for document in documents]))


def _measure(document: dict[str, str], rounds: int) -> list[float]:
    with tempfile.NamedTemporaryFile(suffix=".json") as root:
        root.write(document["root"].encode())
        root.flush()
        # It takes no trust root, and reads the one it has from a file for each attestation.
        read = classmethod(lambda cls, offline: Verifier(trusted_root=TrustedRoot.from_file(root.name)))
        _impl.Verifier.production = read
        bundle = json.loads(document["bundle"])
        try:
            attestation, distribution = _attestation_of(bundle), _distribution_of(bundle)
            return [_verify(attestation, distribution) for _ in range(rounds)]
        except Exception:  # noqa: BLE001 - it raises more than it documents, and all of it refuses
            return []


def _verify(attestation: str, distribution: Any) -> float:
    start = time.process_time()
    parsed = pypi_attestations.Attestation.model_validate_json(attestation)
    parsed.verify(UnsafeNoOp(), distribution, offline=True)
    return (time.process_time() - start) * 1000


def _attestation_of(bundle: dict[str, Any]) -> str:
    """Write a bundle as an attestation (PEP 740, "Attestation objects")."""
    material, envelope = bundle["verificationMaterial"], bundle["dsseEnvelope"]
    attestation = {
        "version": 1,
        "verification_material": {
            "certificate": material["certificate"]["rawBytes"],
            "transparency_entries": material["tlogEntries"],
        },
        "envelope": {"statement": envelope["payload"], "signature": envelope["signatures"][0]["sig"]},
    }
    return json.dumps(attestation)


def _distribution_of(bundle: dict[str, Any]) -> Any:
    [subject] = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))["subject"]
    return pypi_attestations.Distribution(name=subject["name"], digest=subject["digest"]["sha256"])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
