"""The recorded cases of the Sigstore conformance suite, through the command that the suite drives."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance import main

CORPUS = Path(os.environ.get("GUARD_CORPUS", ""))
CASES = (
    sorted(path.parent for path in CORPUS.glob("conformance/*/bundle.sigstore.json"))
    if os.environ.get("GUARD_CORPUS")
    else []
)
IDENTITY = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/"
    ".github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
ISSUER = "https://token.actions.githubusercontent.com"


def text_of(path: Path, default: str) -> str:
    return path.read_text().strip() if path.exists() else default


def artifact_of(case: Path) -> Path:
    return case / "artifact" if (case / "artifact").exists() else case.parent / "a.txt"


def arguments_of(case: Path, subject: str) -> list[str]:
    arguments = ["verify-bundle", "--bundle", str(case / "bundle.sigstore.json")]
    if (case / "key.pub").exists():
        arguments += ["--key", str(case / "key.pub")]
    else:
        arguments += ["--certificate-identity", text_of(case / "identity", IDENTITY)]
        arguments += ["--certificate-oidc-issuer", text_of(case / "issuer", ISSUER)]
    if (case / "trusted_root.json").exists():
        arguments += ["--trusted-root", str(case / "trusted_root.json")]
    return [*arguments, subject]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("form", ["file", "digest"])
def test_a_case_comes_out_as_its_name_says(case: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    artifact = artifact_of(case)
    digest = f"sha256:{hashlib.sha256(artifact.read_bytes()).hexdigest()}"
    status = main(arguments_of(case, str(artifact) if form == "file" else digest))
    assert status == (1 if case.name.endswith("_fail") else 0), capsys.readouterr().err
    assert len(capsys.readouterr().err.splitlines()) == status


@pytest.mark.skipif(not CASES, reason="GUARD_CORPUS names no folder")
def test_there_are_cases_of_both_outcomes() -> None:
    assert {True, False} == {case.name.endswith("_fail") for case in CASES}


ACCEPTED = [case for case in CASES if not case.name.endswith("_fail")]


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
@pytest.mark.parametrize("other", ["artifact", "identity", "issuer"])
def test_a_good_bundle_of_something_else_is_refused(case: Path, other: str, tmp_path: Path) -> None:
    arguments = arguments_of(case, str(artifact_of(case)))
    if other == "artifact":
        (tmp_path / "other").write_bytes(artifact_of(case).read_bytes() + b".")
        arguments[-1] = str(tmp_path / "other")
    elif "--key" in arguments:
        pytest.skip("it is signed with a key")
    else:
        option = {"identity": "--certificate-identity", "issuer": "--certificate-oidc-issuer"}[other]
        arguments[arguments.index(option) + 1] += "x"
    assert main(arguments) == 1


@pytest.mark.skipif(not CASES, reason="GUARD_CORPUS names no folder")
def test_it_runs_as_a_program() -> None:
    case = next(case for case in CASES if case.name == "happy-path-v0.3")
    command = [sys.executable, "-m", "tests.conformance"]
    accepted = subprocess.run([*command, *arguments_of(case, str(artifact_of(case)))], capture_output=True, text=True)
    assert (accepted.returncode, accepted.stdout, accepted.stderr) == (0, "", "")
    without_identity = [*command, "verify-bundle", "--bundle", str(case / "bundle.sigstore.json"), "sha256:00"]
    refused = subprocess.run(without_identity, capture_output=True, text=True)
    assert refused.returncode == 1
    assert refused.stderr.startswith("refused: ")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 100_000], ids=["empty", "object", "bytes", "deep"])
def test_what_is_no_bundle_is_refused(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bundle").write_bytes(content)
    identity = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER]
    assert main(["verify-bundle", "--bundle", str(tmp_path / "bundle"), *identity, "sha256:" + "00" * 32]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_bundle_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert main(["verify-bundle", "--bundle", str(tmp_path / "none"), "sha256:00"]) == 1


@pytest.mark.skipif(not CASES, reason="GUARD_CORPUS names no folder")
@pytest.mark.parametrize("form", ["message", "envelope"])
def test_a_certificate_does_not_stand_in_for_a_key(form: str) -> None:
    name = {"message": "happy-path-v0.3", "envelope": "intoto-with-custom-trust-root"}[form]
    case = next(case for case in CASES if case.name == name)
    arguments = arguments_of(case, str(artifact_of(case)))
    assert main(arguments) == 0
    at = arguments.index("--certificate-identity")
    keyed = ["--key", str(case.parent / "managed-key-and-trusted-root/key.pub")]
    assert main(arguments[:at] + keyed + arguments[at + 4 :]) == 1


@pytest.mark.skipif(not CASES, reason="GUARD_CORPUS names no folder")
def test_a_key_and_an_identity_are_not_asked_for_together(capsys: pytest.CaptureFixture[str]) -> None:
    case = next(case for case in CASES if case.name == "managed-key-and-trusted-root")
    arguments = arguments_of(case, str(artifact_of(case)))
    assert main(arguments) == 0
    identity = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER]
    for more in (identity, identity[:2], identity[2:]):
        assert main([*arguments[:-1], *more, arguments[-1]]) == 1
    assert "both were asked for" in capsys.readouterr().err
