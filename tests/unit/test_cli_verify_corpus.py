"""Recorded, production-signed documents and the conformance cases through ``guard verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.corpus import CORPUS, IS_THERE, load_rows
from tests.unit.test_conformance import CASES, IDENTITY, ISSUER, artifact_of, text_of
from tests.unit.verify_command import ANY, Surrounding

pytestmark = pytest.mark.skipif(not IS_THERE, reason="GUARD_CORPUS names no folder")

ROWS = load_rows()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Surrounding:
    for name in ("STATE", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Surrounding(tmp_path, capsys)


def root_of(name: str) -> Path:
    return CORPUS / "trust" / f"{name}.trusted_root.json"


def subject_of(row: dict[str, Any], **changes: Any) -> list[str]:
    subject = row["subject"] | changes
    ((algorithm, value),) = subject["digest"].items()
    return [f"{algorithm}:{value}", "--name", subject["name"]]


def arguments_of(row: dict[str, Any]) -> list[str]:
    return ["--bundle", str(CORPUS / row["path"]), "--npm-keys", str(CORPUS / "trust" / "npm-keys.json")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: Path(row["path"]).name)
def test_comes_out_as_the_index_says(here: Surrounding, row: dict[str, Any]) -> None:
    arguments = [*subject_of(row), *arguments_of(row)]
    result = here.verify(*arguments, *ANY, "--format", "json", trust_root=root_of(row["root"]))
    assert result.status == (0 if row["expect"] == "accept" else 10), result.err
    evidence = result.report["artifacts"][0]["evidence"]
    assert len(evidence) == len(row["statements"])
    other = root_of({"production": "staging", "staging": "production"}[row["root"]])
    assert here.verify(*arguments, *ANY, trust_root=other).status == 10


@pytest.mark.campaign(3)
@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["expect"] == "accept"], ids=lambda row: Path(row["path"]).name
)
def test_is_about_one_file_and_signed_by_one_signer(here: Surrounding, row: dict[str, Any]) -> None:
    signer = next(each["identity"] for each in row["statements"] if (each["identity"] or {}).get("san"))
    san = ("--identity", signer["san"][0], "--issuer", signer.get("issuer") or signer["issuer_v1"])
    root = root_of(row["root"])
    assert here.verify(*subject_of(row), *arguments_of(row), *san, trust_root=root).status == 0
    other = (*san[:1], f"{san[1]}x", *san[2:])
    assert here.verify(*subject_of(row), *arguments_of(row), *other, trust_root=root).rules == ["identity-mismatch"]
    name = row["subject"]["name"]
    renamed = name.replace("@", "-x@") if name.startswith("pkg:") else f"x{name}"
    assert here.verify(*subject_of(row, name=renamed), *arguments_of(row), *ANY, trust_root=root).status == 10
    algorithm = next(iter(row["subject"]["digest"]))
    digest = {algorithm: "0" * (64 if algorithm == "sha256" else 128)}
    assert here.verify(*subject_of(row, digest=digest), *arguments_of(row), *ANY, trust_root=root).status == 10


@pytest.mark.campaign(3)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_conformance_case_comes_out_as_its_name_says(here: Surrounding, case: Path) -> None:
    root = case / "trusted_root.json" if (case / "trusted_root.json").exists() else root_of("production")
    signer: tuple[str, ...] = (
        "--identity",
        text_of(case / "identity", IDENTITY),
        "--issuer",
        text_of(case / "issuer", ISSUER),
    )
    if (case / "key.pub").exists():
        signer = ("--key", str(case / "key.pub"))
    bundle = ("--bundle", case / "bundle.sigstore.json")
    result = here.verify(artifact_of(case), *bundle, *signer, trust_root=root)
    if case.name == "intoto-with-custom-trust-root":  # an email address signed what only a build on GitHub can be
        assert (result.status, result.rules) == (10, ["statement-mismatch"])
        return
    assert result.status == (10 if case.name.endswith("_fail") else 0), result.err
