"""``guard verify`` in this process, with evidence that a simulated Sigstore makes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from guard.cli.run import run
from tests.sim.documents import JsonObject
from tests.sim.identity import Identity
from tests.sim.sigstore import MintingSigstore

SIGSTORE = MintingSigstore()
SIGNER = Identity.github()
REPOSITORY = "https://github.com/acme/widget"
SOURCE = ("--source-repository", REPOSITORY)
ANY = ("--unsafe-any-identity",)
SLSA_V1 = "https://slsa.dev/provenance/v1"
GENERATOR = "slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml"
_SCHEMA = json.loads((resources.files("guard") / "data" / "guard-report-1.schema.json").read_text())
_VALIDATOR = jsonschema.Draft202012Validator(_SCHEMA)


@dataclass(frozen=True)
class Verified:
    """What a command left."""

    status: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The document on standard output, valid."""
        report: dict[str, Any] = json.loads(self.out)
        _VALIDATOR.validate(report)
        return report

    @property
    def rules(self) -> list[str]:
        """Every rule that blocks or leaves undecided, as the text says them."""
        rows = (line.split() for line in self.out.splitlines() if line.startswith("    failed "))
        return [row[1].rstrip(":") for row in rows]


class Surrounding:
    """A folder with a trust root, files and evidence, and the command in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.trust_root = self.write("trusted_root.json", SIGSTORE.trusted_root_json())

    def write(self, name: str, content: bytes | JsonObject | list[JsonObject]) -> Path:
        """Write a file: bytes, a document, or one document a line."""
        path = self.folder / name
        if isinstance(content, list):
            content = b"".join(json.dumps(each).encode() + b"\n" for each in content)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    def verify(self, *arguments: str | Path, trust_root: Path | None = None) -> Verified:
        """Run ``guard verify ARGUMENTS``."""
        self._capsys.readouterr()
        root = ("--trust-root", str(trust_root or self.trust_root))
        status = run(["verify", *root, *map(str, arguments)])
        captured = self._capsys.readouterr()
        assert "Traceback" not in captured.err
        return Verified(status, captured.out, captured.err)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def statement_about(
    *files: tuple[str, bytes], predicate_type: str = SLSA_V1, predicate: JsonObject | None = None
) -> JsonObject:
    """Return a statement about several files, with a predicate that says little and nothing wrong."""
    about = [{"name": name, "digest": {"sha256": hashlib.sha256(content).hexdigest()}} for name, content in files]
    build = {"buildDefinition": {"buildType": "https://acme.example/build"}, "runDetails": {}}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": about,
        "predicateType": predicate_type,
        "predicate": build if predicate is None else predicate,
    }


def provenance_of(*files: tuple[str, bytes], identity: Identity = SIGNER) -> JsonObject:
    """Return a bundle with provenance of several files."""
    return SIGSTORE.bundle(statement_about(*files), identity)
