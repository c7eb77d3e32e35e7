"""``guard verify`` with evidence that the user brings: who signed, about which file, in which form."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sim.documents import JsonObject
from tests.sim.forms import FORMS, KEY
from tests.sim.identity import GITHUB_ISSUER, Identity
from tests.sim.judging import mint
from tests.sim.mint import ARTIFACT
from tests.sim.npm_documents import PUBLISH_PREDICATE as NPM_PUBLISH
from tests.sim.npm_documents import RegistryKey, attestations_document, keys_document
from tests.sim.npm_documents import provenance_statement as npm_statement
from tests.sim.npm_documents import publish_statement as npm_publish_statement
from tests.sim.npm_packages import make_tarball
from tests.sim.packages import make_wheel
from tests.sim.pep740 import provenance, publish_statement, publisher_of, slsa_statement
from tests.sim.sigstore import Defect, KeyPair, MintingSigstore
from tests.unit.verify_command import (
    ANY,
    GENERATOR,
    REPOSITORY,
    SIGNER,
    SIGSTORE,
    SOURCE,
    Surrounding,
    digest_of,
    provenance_of,
    statement_about,
)

TOOL = b"a tool"
OTHER = b"another tool"
WHEEL, WHEEL_BYTES = make_wheel("widget", "1.0.0")
TARBALL = make_tarball("@acme/gadget", "1.0.0")
PURL = "pkg:npm/%40acme/gadget@1.0.0"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Surrounding:
    """A folder of somebody without pip, npm or any configuration."""
    for name in [name for name in os.environ if name.upper().startswith(("PIP_", "NPM_"))]:
        monkeypatch.delenv(name)
    for name in ("STATE", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    here = Surrounding(tmp_path, capsys)
    here.write("tool", TOOL)
    here.write("other", OTHER)
    return here


# Which file a statement is about.


def test_a_file_is_one_of_those_that_a_build_made(here: Surrounding) -> None:
    bundle = here.write("tool.intoto.jsonl", [provenance_of(("other", OTHER), ("tool", TOOL))])
    result = here.verify("tool", "--bundle", bundle, *SOURCE)
    assert (result.status, result.err) == (0, "guard: allowed — 1 file: 1 verified\n")
    assert here.verify("tool", "other", "--bundle", bundle, *SOURCE).status == 0
    here.write("third", b"third")
    refused = here.verify("third", "--bundle", bundle, *SOURCE)
    assert (refused.status, refused.rules) == (10, ["statement-mismatch"])
    assert "2 other files ('other, tool')" in refused.out
    assert refused.err == "guard: blocked — 1 file: 1 with invalid provenance; 1 blocked\n"  # the rest is said once
    quiet = here.verify("third", "--bundle", bundle, *SOURCE, "-q")
    assert (quiet.out, "2 other files ('other, tool')" in quiet.err) == ("", True)


@pytest.mark.parametrize(
    ("digests", "status"),
    [
        ({"sha512": hashlib.sha512(TOOL).hexdigest()}, 0),
        ({"sha256": hashlib.sha256(TOOL).hexdigest(), "gitCommit": "0" * 40}, 0),
        ({"sha256": hashlib.sha256(TOOL).hexdigest(), "sha512": "0" * 128}, 10),
        ({"sha1": hashlib.sha1(TOOL).hexdigest()}, 10),
        ({"sha256": hashlib.sha256(TOOL).hexdigest().upper()}, 10),
        ({}, 10),
    ],
    ids=["another", "and a commit", "one differs", "weak", "capitals", "none"],
)
def test_a_file_has_every_strong_digest_that_is_stated(here: Surrounding, digests: JsonObject, status: int) -> None:
    statement = statement_about(("tool", TOOL))
    statement["subject"][0]["digest"] = digests
    bundle = here.write("bundle.json", SIGSTORE.bundle(statement, SIGNER))
    assert here.verify("tool", "--bundle", bundle, *SOURCE).status == status


def test_a_statement_about_nothing_proves_nothing(here: Surrounding) -> None:
    bundle = here.write("bundle.json", SIGSTORE.bundle(statement_about(), SIGNER))
    result = here.verify("tool", "--bundle", bundle, *ANY)
    assert (result.status, result.rules) == (10, ["statement-mismatch"])


def test_a_name_is_optional_where_a_digest_says_it(here: Surrounding) -> None:
    statement = statement_about(("tool", TOOL))
    del statement["subject"][0]["name"]
    assert here.verify("tool", "--bundle", here.write("b", SIGSTORE.bundle(statement, SIGNER)), *SOURCE).status == 0


@pytest.mark.parametrize(
    ("stated", "status"),
    [
        (WHEEL, 0),
        (f"./dist/{WHEEL}", 0),
        ("Widget-1.0.0-py3-none-any.whl", 0),
        ("some-artifact", 0),
        ("widget-1.0.1-py3-none-any.whl", 10),
        ("dist/gadget-1.0.0-py3-none-any.whl", 10),
    ],
)
def test_a_build_that_names_a_wheel_names_this_one(here: Surrounding, stated: str, status: int) -> None:
    here.write(WHEEL, WHEEL_BYTES)
    bundle = here.write("bundle.json", provenance_of((stated, WHEEL_BYTES)))
    assert here.verify(WHEEL, "--bundle", bundle, *SOURCE).status == status


def test_a_statement_about_an_npm_release_is_about_no_other_file(here: Surrounding) -> None:
    here.write("tool.zip", TARBALL)
    signer = Identity.github("acme/gadget")
    bundle = here.write("bundle.json", SIGSTORE.bundle(npm_statement("@acme/gadget", "1.0.0", TARBALL, signer), signer))
    result = here.verify("tool.zip", "--bundle", bundle, *ANY)
    assert (result.status, result.rules) == (10, ["statement-mismatch"])
    assert "say which package it is with --name" in result.out
    assert here.verify("tool.zip", "--name", PURL, "--bundle", bundle, *ANY).status == 0
    assert here.verify("tool.zip", "--name", PURL.replace("gadget", "widget"), "--bundle", bundle, *ANY).status == 10


# Several files of evidence.


def test_every_document_must_hold(here: Surrounding) -> None:
    good = here.write("good.json", provenance_of(("tool", TOOL)))
    about_another = here.write("another.json", provenance_of(("other", OTHER)))
    assert here.verify("tool", "--bundle", good, "--bundle", good, *SOURCE).status == 0
    for order in ((good, about_another), (about_another, good)):
        result = here.verify("tool", *(word for each in order for word in ("--bundle", each)), *SOURCE)
        assert (result.status, result.rules) == (10, ["statement-mismatch"])
    both = here.verify("tool", "other", "--bundle", good, "--bundle", about_another, *SOURCE)
    assert (both.status, both.rules) == (0, [])


def test_a_file_that_nothing_is_about_is_not_verified_by_its_neighbours(here: Surrounding) -> None:
    good = here.write("good.json", provenance_of(("tool", TOOL)))
    result = here.verify("tool", "other", "--bundle", good, *SOURCE)
    assert (result.status, result.rules) == (10, ["provenance-missing"])
    assert result.out.splitlines()[-2].endswith("nothing says who built or signed other")


def test_lines_about_other_files_are_passed_over_beside_one_about_this(here: Surrounding) -> None:
    mine, another = provenance_of(("tool", TOOL)), provenance_of(("other", OTHER))
    forged = SIGSTORE.bundle(statement_about(("other", OTHER)), SIGNER, defect=Defect.SIGNATURE_CORRUPT)
    assert here.verify("tool", "--bundle", here.write("a.jsonl", [another, mine, another]), *SOURCE).status == 0
    assert here.verify("tool", "--bundle", here.write("b.jsonl", [another, another]), *SOURCE).status == 10
    result = here.verify("tool", "--bundle", here.write("c.jsonl", [mine, forged]), *SOURCE)
    assert (result.status, result.rules) == (10, ["provenance-invalid"])
    assert "c.jsonl:2: " in result.out


def test_one_of_several_signers_is_the_expected_one(here: Surrounding) -> None:
    stranger = Identity.github("evil/widget")
    lines = [provenance_of(("tool", TOOL), identity=stranger), provenance_of(("tool", TOOL))]
    bundle = here.write("both.jsonl", lines)
    result = here.verify("tool", "--bundle", bundle, *SOURCE, "--format", "json")
    assert result.status == 0
    assert result.report["artifacts"][0]["identity"]["repository"] == REPOSITORY
    assert "evil/widget" in here.verify("tool", "--bundle", bundle, *SOURCE).out
    alone = here.verify("tool", "--bundle", here.write("one.json", lines[0]), *SOURCE)
    assert (alone.status, alone.rules) == (10, ["identity-mismatch"])


# Who signed.


def signed_by(identity: Identity, here: Surrounding) -> Path:
    return here.write("bundle.json", provenance_of(("tool", TOOL), identity=identity))


EMAIL = Identity.email("dev@acme.example")
REUSABLE = Identity.github(reusable=f"{GENERATOR}@refs/tags/v2.1.0")
GITLAB = Identity.gitlab()


@pytest.mark.parametrize(
    ("identity", "options", "status"),
    [
        (SIGNER, ("--identity", SIGNER.san, "--issuer", GITHUB_ISSUER), 0),
        (SIGNER, ("--identity", SIGNER.san, "--issuer", f"{GITHUB_ISSUER}/acme"), 10),
        (SIGNER, ("--identity", SIGNER.san.upper(), "--issuer", GITHUB_ISSUER), 10),
        (SIGNER, ("--identity", REPOSITORY, "--issuer", GITHUB_ISSUER), 10),
        (EMAIL, ("--identity", "dev@acme.example", "--issuer", EMAIL.issuer), 0),
        (EMAIL, SOURCE, 10),
        (SIGNER, SOURCE, 0),
        (SIGNER, ("--source-repository", "https://github.com/Acme/WIDGET"), 0),
        (SIGNER, ("--source-repository", "github.com/acme/widget"), 0),
        (SIGNER, ("--source-repository", "git+https://github.com/acme/widget.git"), 0),
        (SIGNER, ("--source-repository", "https://github.com/acme/widgets"), 10),
        (SIGNER, ("--source-repository", "https://github.com/acme"), 10),
        (SIGNER, (*SOURCE, "--issuer", GITLAB.issuer), 10),
        (GITLAB, ("--source-repository", "https://gitlab.com/acme/widget"), 0),
        (GITLAB, ("--source-repository", "https://gitlab.com/Acme/widget"), 10),
        (SIGNER, (*SOURCE, "--source-ref", "refs/tags/v1.0.0"), 0),
        (SIGNER, (*SOURCE, "--source-ref", "refs/heads/main"), 10),
        (SIGNER, (*SOURCE, "--source-ref", "refs/tags/*"), 10),
        (SIGNER, (*SOURCE, "--source-tag", "v1.0.0"), 0),
        (SIGNER, (*SOURCE, "--source-tag", "v1.0"), 10),
        (Identity.github(ref="refs/heads/v1.0.0"), (*SOURCE, "--source-tag", "v1.0.0"), 10),
        (REUSABLE, (*SOURCE, "--source-tag", "v1.0.0"), 0),
        (REUSABLE, (*SOURCE, "--source-tag", "v2.1.0"), 10),
        (REUSABLE, (*SOURCE, "--builder", f"https://github.com/{GENERATOR}"), 0),
        (REUSABLE, (*SOURCE, "--builder", f"https://github.com/{GENERATOR}@refs/tags/v2.1.0"), 0),
        (REUSABLE, (*SOURCE, "--builder", f"https://github.com/{GENERATOR}@v2.1.0"), 0),
        (REUSABLE, (*SOURCE, "--builder", f"https://github.com/{GENERATOR}@v2.1"), 10),
        (REUSABLE, (*SOURCE, "--builder", "https://github.com/slsa-framework/slsa-github-generator"), 10),
        (SIGNER, (*SOURCE, "--builder", f"https://github.com/{GENERATOR}"), 10),
        (SIGNER, (*SOURCE, "--builder", "https://github.com/acme"), 10),
        (EMAIL, ANY, 0),
    ],
)
def test_the_certificate_says_who_signed(
    here: Surrounding, identity: Identity, options: tuple[str, ...], status: int
) -> None:
    result = here.verify("tool", "--bundle", signed_by(identity, here), *options)
    assert (result.status, result.rules) == (status, ["identity-mismatch"] if status else [])


def test_another_issuer_does_not_vouch_for_a_repository_on_github(here: Surrounding) -> None:
    elsewhere = Identity(
        san="https://ci.example/pipeline", issuer="https://ci.example", source_repository_uri=REPOSITORY
    )
    bundle = signed_by(elsewhere, here)
    assert here.verify("tool", "--bundle", bundle, *SOURCE).rules == ["identity-mismatch"]
    assert here.verify("tool", "--bundle", bundle, *SOURCE, "--issuer", "https://ci.example").status == 0


def test_a_certificate_of_before_2023_says_it_in_the_old_words(here: Surrounding) -> None:
    old = Identity(
        san=SIGNER.san,
        issuer=GITHUB_ISSUER,
        workflow_trigger="push",
        workflow_sha=SIGNER.workflow_sha,
        workflow_repository="acme/widget",
        workflow_ref="refs/tags/v1.0.0",
    )
    bundle = signed_by(old, here)
    assert here.verify("tool", "--bundle", bundle, *SOURCE, "--source-tag", "v1.0.0").status == 0
    assert here.verify("tool", "--bundle", bundle, *SOURCE, "--source-tag", "v1.0.1").status == 10


def test_a_level_is_asked_for(here: Surrounding) -> None:
    hosted, isolated = signed_by(SIGNER, here), here.write("3.json", provenance_of(("tool", TOOL), identity=REUSABLE))
    for bundle, level in ((hosted, 2), (isolated, 3)):
        for asked in range(4):
            result = here.verify("tool", "--bundle", bundle, *SOURCE, "--slsa-level", str(asked))
            assert result.status == (0 if asked <= level else 10)
            assert result.rules == ([] if asked <= level else ["slsa-level"])


def test_only_the_expected_signers_provenance_shows_a_level(here: Surrounding) -> None:
    stranger = Identity.github("evil/widget", reusable=f"{GENERATOR}@refs/tags/v2.1.0")
    bundle = here.write("b.jsonl", [provenance_of(("tool", TOOL)), provenance_of(("tool", TOOL), identity=stranger)])
    assert here.verify("tool", "--bundle", bundle, *SOURCE, "--slsa-level", "3").rules == ["slsa-level"]


def test_a_statement_that_is_no_provenance_says_who_signed_and_not_where_it_was_built(here: Surrounding) -> None:
    scanned = statement_about(
        ("tool", TOOL), predicate_type="https://acme.example/scan", predicate={"result": "FAILED"}
    )
    bundle = here.write("bundle.json", SIGSTORE.bundle(scanned, SIGNER))
    named = ("--identity", SIGNER.san, "--issuer", GITHUB_ISSUER)
    assert here.verify("tool", "--bundle", bundle, *named).status == 0
    assert here.verify("tool", "--bundle", bundle, *SOURCE).rules == ["identity-mismatch"]
    assert here.verify("tool", "--bundle", bundle, *named, "--slsa-level", "1").rules == ["slsa-level"]


def test_a_predicate_that_contradicts_the_certificate_is_refused(here: Surrounding) -> None:
    statement = slsa_statement("tool", TOOL, Identity.github("evil/widget"))
    result = here.verify("tool", "--bundle", here.write("b", SIGSTORE.bundle(statement, SIGNER)), *ANY)
    assert result.rules == ["statement-mismatch"]


# Forms.


@pytest.mark.parametrize("form", [name for name in FORMS if "message" in name and "key" not in name])
def test_a_signature_over_the_file_itself(here: Surrounding, form: str) -> None:
    here.write("artifact", ARTIFACT)
    bundle = here.write("artifact.sigstore.json", mint().bundle(FORMS[form]))
    root = here.write("mint.json", mint().trust_root())
    assert here.verify("artifact", "--bundle", bundle, *SOURCE, trust_root=root).status == 0
    refused = here.verify("tool", "--bundle", bundle, *SOURCE, trust_root=root)
    assert refused.status == 10
    if "p384" not in form and "p521" not in form:
        assert here.verify(digest_of(ARTIFACT), "--bundle", bundle, *SOURCE, trust_root=root).status == 0
    sha512 = f"sha512:{hashlib.sha512(ARTIFACT).hexdigest()}"
    assert here.verify(sha512, "--bundle", bundle, *SOURCE, trust_root=root).status == 10


@pytest.mark.parametrize("version", ["1.0.0", "1.0.1"])
def test_the_documents_of_pypi(here: Surrounding, version: str) -> None:
    attestation = SIGSTORE.attest(publish_statement(WHEEL, WHEEL_BYTES), SIGNER)
    documents = {
        "attestation": attestation,
        "provenance": provenance([(publisher_of(SIGNER), [attestation])]),
        "bundle": SIGSTORE.bundle(publish_statement(WHEEL, WHEEL_BYTES), SIGNER),
    }
    name = f"widget-{version}-py3-none-any.whl"
    here.write(name, WHEEL_BYTES)
    for form, document in documents.items():
        bundle = here.write(f"{form}.json", document)
        for subject in ((name,), (digest_of(WHEEL_BYTES), "--name", name)):
            result = here.verify(*subject, "--bundle", bundle, *SOURCE)
            assert result.rules == ([] if version == "1.0.0" else ["statement-mismatch"]), form
        here.write("renamed", WHEEL_BYTES)
        assert here.verify("renamed", "--bundle", bundle, *SOURCE).rules == ["statement-mismatch"]
        assert here.verify("renamed", "--name", WHEEL, "--bundle", bundle, *SOURCE).status == 0


def test_a_publish_attestation_of_a_stranger_is_not_outweighed(here: Surrounding) -> None:
    here.write(WHEEL, WHEEL_BYTES)
    foreign = SIGSTORE.attest(publish_statement(WHEEL, WHEEL_BYTES), Identity.github("evil/widget"))
    own = SIGSTORE.attest(publish_statement(WHEEL, WHEEL_BYTES), SIGNER)
    result = here.verify(WHEEL, "--bundle", here.write("both.jsonl", [own, foreign]), *SOURCE)
    assert (result.status, result.rules) == (10, ["identity-mismatch"])


def npm_document(key: RegistryKey, registry: str) -> JsonObject:
    published = SIGSTORE.key_bundle(npm_publish_statement("@acme/gadget", "1.0.0", TARBALL, registry), key.pair)
    signer = Identity.github("acme/gadget")
    built = SIGSTORE.bundle(npm_statement("@acme/gadget", "1.0.0", TARBALL, signer), signer)
    return attestations_document([(NPM_PUBLISH, published), ("https://slsa.dev/provenance/v1", built)])


def test_the_document_of_an_npm_registry(here: Surrounding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "https://npm.acme.example/")
    key = RegistryKey()
    here.write("gadget-1.0.0.tgz", TARBALL)
    document = npm_document(key, "https://npm.acme.example/")
    bundle = here.write("attestations.json", document)
    keys = ("--npm-keys", here.write("keys.json", keys_document([key])))
    source = ("--source-repository", "https://github.com/acme/gadget")
    assert here.verify("gadget-1.0.0.tgz", "--bundle", bundle, *keys, *source).status == 0
    unknown = here.verify("gadget-1.0.0.tgz", "--bundle", bundle, *source)
    assert unknown.rules == ["provenance-invalid"]
    sha512 = f"sha512:{hashlib.sha512(TARBALL).hexdigest()}"
    assert here.verify(sha512, "--name", PURL, "--bundle", bundle, *keys, *source).status == 0
    assert here.verify(sha512, "--name", PURL, "--bundle", bundle, *keys, *source, "--slsa-level", "2").status == 0
    other = here.verify(sha512, "--name", f"{PURL}0", "--bundle", bundle, *keys, *source)
    assert set(other.rules) == {"statement-mismatch"}
    single = here.write("single.json", document["attestations"][0]["bundle"])
    only_published = here.verify("gadget-1.0.0.tgz", "--bundle", single, *keys, *ANY)
    assert only_published.rules == ["provenance-missing"]
    assert here.verify(digest_of(TARBALL), "--name", PURL, "--bundle", bundle, *keys, *source).status == 10


def test_the_keys_of_a_registry_in_the_form_of_a_tuf_target(here: Surrounding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "https://npm.acme.example/")
    key = RegistryKey()
    here.write("gadget-1.0.0.tgz", TARBALL)
    public = keys_document([key])["keys"][0]["key"]
    details = {
        "rawBytes": public,
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
        "validFor": {"start": "2020-01-01T00:00:00Z"},
    }
    entries = [
        {"keyId": key.keyid, "keyUsage": f"npm:{use}", "publicKey": details} for use in ("signatures", "attestations")
    ]
    keys = ("--npm-keys", here.write("keys.json", {"keys": entries}))
    bundle = here.write("a.json", npm_document(key, "https://npm.acme.example/"))
    assert here.verify("gadget-1.0.0.tgz", "--bundle", bundle, *keys, *ANY).status == 0


def test_a_file_that_is_attested_as_a_file_though_it_is_an_npm_tarball(here: Surrounding) -> None:
    here.write("gadget-1.0.0.tgz", TARBALL)
    bundle = here.write("bundle.json", provenance_of(("gadget-1.0.0.tgz", TARBALL)))
    assert here.verify("gadget-1.0.0.tgz", "--bundle", bundle, *SOURCE).status == 0


def test_the_answer_of_githubs_api(here: Surrounding) -> None:
    bundle = provenance_of(("tool", TOOL))
    answer = {"attestations": [{"bundle": bundle, "repository_id": 1}]}
    assert here.verify("tool", "--bundle", here.write("a.json", answer), *SOURCE).status == 0
    empty = here.verify("tool", "--bundle", here.write("e.json", {"attestations": []}), *SOURCE)
    assert empty.rules == ["provenance-invalid"]


def test_a_document_may_be_written_on_several_lines(here: Surrounding) -> None:
    text = json.dumps(provenance_of(("tool", TOOL)), indent=2).encode()
    assert here.verify("tool", "--bundle", here.write("a.json", b"\n" + text + b"\n\n"), *SOURCE).status == 0


# Keys.


def test_a_key_stands_for_an_identity(here: Surrounding) -> None:
    own, foreign = KEY, KeyPair(RegistryKey().key, KEY.hint)
    key = here.write("key.pub", own.pem)
    statement = statement_about(("tool", TOOL))
    signed = here.write("signed.json", SIGSTORE.key_bundle(statement, own))
    result = here.verify("tool", "--bundle", signed, "--key", key, "--format", "json")
    assert result.status == 0
    evidence = result.report["artifacts"][0]["evidence"][0]
    fingerprint = base64.b64encode(hashlib.sha256(own.der).digest()).decode().rstrip("=")
    assert (evidence["key_id"], evidence["claims"]) == (f"SHA256:{fingerprint}", None)
    for bundle in (SIGSTORE.key_bundle(statement, foreign), provenance_of(("tool", TOOL))):
        assert here.verify("tool", "--bundle", here.write("b", bundle), "--key", key).rules == ["provenance-invalid"]
    assert here.verify("tool", "--bundle", signed, *ANY).rules == ["provenance-invalid"]
    assert here.verify("other", "--bundle", signed, "--key", key).rules == ["statement-mismatch"]


@pytest.mark.parametrize("form", ["key-message", "key-rekor2-message"])
def test_a_key_that_signs_the_file_itself(here: Surrounding, form: str) -> None:
    here.write("artifact", ARTIFACT)
    root = here.write("mint.json", mint().trust_root())
    bundle = here.write("bundle.json", mint().bundle(FORMS[form]))
    own, foreign = here.write("own.pub", KEY.pem), here.write("foreign.pub", RegistryKey().pair.pem)
    assert here.verify("artifact", "--bundle", bundle, "--key", own, trust_root=root).status == 0
    assert here.verify("artifact", "--bundle", bundle, "--key", foreign, trust_root=root).status == 10
    signed_with_certificate = here.write("c.json", mint().bundle(FORMS["message-0.3"]))
    assert here.verify("artifact", "--bundle", signed_with_certificate, "--key", own, trust_root=root).status == 10


def test_what_registries_publish_is_not_signed_with_a_key_of_the_users(here: Surrounding) -> None:
    here.write(WHEEL, WHEEL_BYTES)
    attestation = here.write("a.json", SIGSTORE.attest(publish_statement(WHEEL, WHEEL_BYTES), SIGNER))
    key = here.write("key.pub", KEY.pem)
    assert here.verify(WHEEL, "--bundle", attestation, "--key", key).rules == ["provenance-invalid"]


# The command line.


@pytest.mark.parametrize(
    "options",
    [
        (),
        (*ANY, *SOURCE),
        (*ANY, "--identity", "a", "--issuer", "b"),
        ("--identity", "a"),
        ("--identity", "", "--issuer", "b"),
        ("--issuer", "b"),
        ("--issuer", "b", *ANY),
        ("--source-tag", "v1", *ANY),
        ("--source-ref", "refs/heads/main", *ANY),
        ("--builder", "https://github.com/x", *ANY),
        (*SOURCE, "--source-tag", "v1", "--source-ref", "refs/tags/v1"),
        (*SOURCE, "--source-tag", "refs/tags/v1"),
        (*SOURCE, "--source-tag", ""),
        (*SOURCE, "--source-ref", "main"),
        (*SOURCE, "--builder", "acme/widget"),
        ("--source-repository", "acme/widget"),
        ("--source-repository", "https://git.acme.example/widget"),
        ("--source-repository", "https://user@github.com/acme/widget"),
        ("--slsa-level", "4", *ANY),
        ("--format", "sarif", *ANY),
        ("--key", "tool"),
        ("--key", "missing"),
        ("--npm-keys", "tool", *ANY),
        ("--npm-keys", "missing", *ANY),
        ("--name", "pkg:npm/widget", *ANY),
        ("--name", "pkg:pypi/widget@1.0.0", *ANY),
    ],
    ids=" ".join,
)
def test_a_command_line_that_cannot_be_carried_out(here: Surrounding, options: tuple[str, ...]) -> None:
    bundle = here.write("bundle.json", provenance_of(("tool", TOOL)))
    result = here.verify("tool", "--bundle", bundle, *options)
    assert (result.status, result.out) == (2, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("missing", "--bundle", "b"),
        ("sha256:00", "--bundle", "b"),
        (f"sha512:{'0' * 64}", "--bundle", "b"),
        (digest_of(TOOL),),
        (digest_of(TOOL), "--name", "tool"),
        ("tool", "other", "--name", "tool", "--bundle", "b"),
        (),
    ],
    ids=" ".join,
)
def test_a_subject_that_is_none(here: Surrounding, arguments: tuple[str, ...]) -> None:
    here.write("b", provenance_of(("tool", TOOL)))
    assert here.verify(*arguments, *ANY).status == 2


def test_a_key_needs_evidence(here: Surrounding) -> None:
    here.write(WHEEL, WHEEL_BYTES)
    assert here.verify(WHEEL, "--key", here.write("key.pub", KEY.pem)).status == 2


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"])
def test_a_trust_root_that_cannot_be_used(here: Surrounding, content: bytes) -> None:
    bundle = here.write("bundle.json", provenance_of(("tool", TOOL)))
    assert here.verify("tool", "--bundle", bundle, *ANY, trust_root=here.write("root.json", content)).status == 2
    root = json.loads(SIGSTORE.trusted_root_json())
    root["tlogs"][0]["publicKey"]["rawBytes"] = "AAAA"
    broken = here.write("broken.json", root)
    assert here.verify("tool", "--bundle", here.write("b", b"[]"), *ANY, trust_root=broken).status == 2
    assert here.verify("tool", "--bundle", bundle, *ANY, trust_root=here.folder / "none").status == 2


def test_another_trust_root_refuses(here: Surrounding) -> None:
    bundle = here.write("bundle.json", provenance_of(("tool", TOOL)))
    foreign = here.write("foreign.json", MintingSigstore().trusted_root_json())
    assert here.verify("tool", "--bundle", bundle, *ANY, trust_root=foreign).rules == ["provenance-invalid"]


def test_options_stand_before_or_behind_the_word(here: Surrounding, capsys: pytest.CaptureFixture[str]) -> None:
    from guard.cli.run import run

    bundle = here.write("bundle.json", provenance_of(("tool", TOOL)))
    words = ["tool", "--bundle", str(bundle), *SOURCE]
    report = here.folder / "report.json"
    root = ["--trust-root", str(here.trust_root)]
    assert run([*root, "--report", str(report), "-q", "verify", *words]) == 0
    assert capsys.readouterr() == ("", "")
    before = json.loads(report.read_bytes())
    assert run(["verify", *words, *root, "--report", str(report), "-q"]) == 0
    behind = json.loads(report.read_bytes())
    assert before["artifacts"] == behind["artifacts"]
    assert before["run"]["command"] == ["verify", *words]
    policy = here.write("guard.toml", b'version = 1\n[sigstore]\ntrust-root = "trusted_root.json"\n')
    assert run(["verify", *words, "--policy", str(policy), "-q"]) == 0


# What is said.


def test_the_text_says_who_built_it_from_what_and_when(here: Surrounding) -> None:
    bundle = here.write("bundle.json", provenance_of(("tool", TOOL)))
    lines = here.verify("tool", "--bundle", bundle, *SOURCE).out.splitlines()
    assert lines[:9] == [
        "verified: tool",
        f"    digest      {digest_of(TOOL)}",
        f"  built by {SIGNER.san}",
        f"    issuer      {GITHUB_ISSUER}",
        f"    source      {REPOSITORY} at refs/tags/v1.0.0",
        f"    commit      {SIGNER.source_repository_digest}",
        f"    workflow    {SIGNER.build_config_uri}",
        f"    run         {SIGNER.run_invocation_uri}",
        "    runner      github-hosted",
    ]
    assert lines[9:10] == ["    statement   https://slsa.dev/provenance/v1"]
    assert lines[10].startswith("    signed      20")
    assert "log index " in lines[10]
    assert lines[11:] == ["    SLSA level  2"]


def test_the_document_carries_the_claims(here: Surrounding) -> None:
    bundle = here.write("bundle.json", provenance_of(("tool", TOOL)))
    result = here.verify("tool", "--bundle", bundle, *SOURCE, "--format", "json")
    report = result.report
    artifact = report["artifacts"][0]
    assert (report["verdict"], report["exit_code"], artifact["slsa_level"]) == ("allow", 0, 2)
    assert (artifact["purl"], artifact["ecosystem"], artifact["file"]) == ("pkg:generic/tool", "generic", "tool")
    assert artifact["digests"]["sha256"] == hashlib.sha256(TOOL).hexdigest()
    assert (artifact["provenance"], artifact["bound_by"], artifact["installed"]) == ("verified", "none", False)
    assert artifact["identity"]["commit"] == SIGNER.source_repository_digest
    assert artifact["evidence"][0]["kind"] == "slsa-provenance"
    assert report["trust_root"]["source"] == str(here.trust_root)
    refused = here.verify("other", "--bundle", bundle, *SOURCE, "--format", "json").report
    assert (refused["verdict"], refused["artifacts"][0]["identity"]) == ("block", None)


def test_without_evidence_nothing_is_verified(here: Surrounding) -> None:
    result = here.verify("tool", *ANY)
    assert (result.status, result.rules) == (10, ["provenance-missing"])
    assert "--bundle FILE" in result.out


# Bad input.

_BROKEN: dict[str, Callable[[JsonObject], object]] = {
    "no envelope": lambda bundle: bundle.pop("dsseEnvelope"),
    "no material": lambda bundle: bundle.pop("verificationMaterial"),
    "no entries": lambda bundle: bundle["verificationMaterial"].pop("tlogEntries"),
    "two forms": lambda bundle: bundle.update(attestations=[]),
}


@pytest.mark.parametrize("name", _BROKEN)
def test_a_broken_bundle_is_refused(here: Surrounding, name: str) -> None:
    bundle = provenance_of(("tool", TOOL))
    _BROKEN[name](bundle)
    result = here.verify("tool", "--bundle", here.write("b", bundle), *ANY)
    assert (result.status, result.rules) == (10, ["provenance-invalid"])


def test_a_bundle_that_cannot_be_read_is_refused(here: Surrounding) -> None:
    for path in (here.folder / "missing", here.folder):
        result = here.verify("tool", "--bundle", path, *ANY)
        assert (result.status, result.rules) == (10, ["provenance-invalid"])


def test_a_file_of_evidence_has_limits(here: Surrounding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.attest.evidence_file.EVIDENCE_FILE_MAX_COUNT", 2)
    line = provenance_of(("tool", TOOL))
    assert here.verify("tool", "--bundle", here.write("2.jsonl", [line] * 2), *ANY).status == 0
    assert here.verify("tool", "--bundle", here.write("3.jsonl", [line] * 3), *ANY).rules == ["provenance-invalid"]
    monkeypatch.setattr("guard.attest.evidence_file.PROVENANCE_MAX_BYTES", 10)
    assert here.verify("tool", "--bundle", here.write("1.json", line), *ANY).rules == ["provenance-invalid"]
    monkeypatch.setattr("guard.attest.evidence_file.EVIDENCE_FILE_MAX_BYTES", 10)
    assert "larger than 10 bytes" in here.verify("tool", "--bundle", here.write("1.json", line), *ANY).out


SEED = json.dumps(provenance_of(("tool", TOOL))).encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(data=st.data())
def test_no_bytes_pass_or_raise(here: Surrounding, data: st.DataObject) -> None:
    whole = data.draw(st.binary(max_size=200))
    content = bytearray(SEED)
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        content[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=20))
    for evidence in (whole, bytes(content), bytes(content) + b"\n" + whole):
        assert here.verify("other", "--bundle", here.write("b", evidence), *ANY).status == 10
