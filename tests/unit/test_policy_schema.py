"""guard.toml: what is accepted, and that everything else names its line."""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import ConfigInvalid
from guard.limits import POLICY_MAX_BYTES
from guard.model import Digest, Ecosystem, Location, RuleId, SourceKind
from guard.policy.identity import IdentityPin
from guard.policy.patterns import PackagePattern, PackageRelease
from guard.policy.schema import AnchorFile, Anchors, PolicyFile, parse_policy, parse_pyproject
from guard.policy.settings import InstallScriptsMode, ProvenanceMode, RegistrySignatureMode, RuleMode, RuleSettings

FULL = b"""\
version = 1

[policy]
hashes = "warn"
provenance = "required"
sources = ["registry", "path"]
registry-signature = "required"
install-scripts = "block"

[pypi]
index-url = "https://index.example/simple/"
provenance-url = "https://pypi.example"
extra-indexes = ["https://extra.example/simple/"]

[npm]
registry = "https://registry.example/npm/"
keys = "keys.json"

[sigstore]
trust-root = "root.json"

[[package]]
name = "pypi:Acme_*"
provenance = "optional"

[[package]]
name = "npm:@acme/*"
hashes = "off"
sources = ["alias"]
registry-signature = "off"
install-scripts = "skip"

[[package.identity]]
issuer = "https://issuer.example"
repository = "https://git.example/acme/widgets/"
repository-id = "123"
owner-id = "45"
workflow = ".github/workflows/release.yml"
ref = "refs/tags/v*"
environment = "release"
signer = "same"
san = "https://git.example/san"

[[package.identity]]
repository = "https://github.com/acme/widgets"

[[exception]]
package = "pypi:Legacy.Thing==1.2.3"
rule = "provenance"
reason = " reviewed "
expires = 2027-01-31
"""


def parsed(text: str) -> PolicyFile:
    return parse_policy(f"version = 1\n{text}".encode(), path="guard.toml")


def problem(text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        parse_policy(text.encode(), path="guard.toml")
    return f"{caught.value.message} ({caught.value.hint})"


def test_every_key_is_read() -> None:
    file = parse_policy(FULL, path="guard.toml")
    assert file.settings.hashes is RuleMode.WARN
    assert file.settings.provenance is ProvenanceMode.REQUIRED
    assert file.settings.sources == frozenset({SourceKind.REGISTRY, SourceKind.PATH})
    assert file.anchors.index_url == "https://index.example/simple/"
    assert file.anchors.provenance_url == "https://pypi.example"
    assert file.anchors.extra_indexes == ("https://extra.example/simple/",)
    assert file.anchors.trust_root == AnchorFile(name="root.json", named_by="guard.toml")
    assert file.anchors.npm_registry == "https://registry.example/npm/"
    assert file.anchors.npm_keys == AnchorFile(name="keys.json", named_by="guard.toml")
    assert file.settings.registry_signature is RegistrySignatureMode.REQUIRED
    assert file.settings.install_scripts is InstallScriptsMode.BLOCK
    first, second = file.packages
    assert first.name == PackagePattern(Ecosystem.PYPI, "acme-*")
    assert first.settings.provenance is ProvenanceMode.OPTIONAL
    assert second.settings.hashes is RuleMode.OFF
    assert second.settings.registry_signature is RegistrySignatureMode.OFF
    assert second.settings.install_scripts is InstallScriptsMode.SKIP
    assert second.identities == (
        IdentityPin(
            issuer="https://issuer.example",
            repository="https://git.example/acme/widgets",
            repository_id="123",
            owner_id="45",
            workflow=".github/workflows/release.yml",
            ref="refs/tags/v*",
            environment="release",
            signer="same",
            san="https://git.example/san",
        ),
        IdentityPin(issuer="https://token.actions.githubusercontent.com", repository="https://github.com/acme/widgets"),
    )
    (exception,) = file.exceptions
    assert exception.package == PackageRelease(Ecosystem.PYPI, "legacy-thing", "1.2.3")
    assert (exception.rule, exception.reason, exception.expires) == (
        RuleId.PROVENANCE_MISSING,
        "reviewed",
        date(2027, 1, 31),
    )
    assert exception.location == Location("guard.toml", FULL.split(b"\n").index(b"[[exception]]") + 1, 1)


def test_digest_is_of_the_bytes_and_defaults_are_not_written() -> None:
    file = parse_policy(b"version = 1\n", path="guard.toml")
    assert file.digest == Digest("sha256", "dbab12665d98aef021ba64953c61b0ed8a908cfb56a1c01e2fcb4b052b71a2a1")
    assert file.settings == RuleSettings()
    assert (file.packages, file.exceptions, file.anchors) == ((), (), Anchors())


ERRORS = [
    ("no-version", "", "'version' is missing at guard.toml"),
    ("version-2", "version = 2", "'version' must be 1 at guard.toml:1:1"),
    ("version-true", "version = true", "'version' must be 1 at guard.toml:1:1"),
    ("version-float", "version = 1.0", "'version' must be 1 at guard.toml:1:1"),
    ("syntax", "version = 1\n[policy\n", "not TOML: Expected ']' at the end of a table declaration at guard.toml:2:8"),
    ("twice", "version = 1\nversion = 1\n", "at guard.toml:2:"),
    ("huge-integer", f"version = {'1' * 5000}", "at guard.toml"),
    ("deep", f"version = {'[' * 30000}", "at guard.toml"),
    ("unknown-table", "version = 1\n[cargo]\n", "unknown key 'cargo' at guard.toml:2:1"),
    ("unknown-npm", 'version = 1\n[npm]\nkey = "x"', "unknown key 'npm.key' at guard.toml:3:1 (did you mean 'keys'?)"),
    ("registry", 'version = 1\n[npm]\nregistry = "x"', "'npm.registry' must be a URL (https, http) at guard.toml:3:1"),
    ("registry-file", 'version = 1\n[npm]\nregistry = "file:///x"', "'npm.registry' must be a URL"),
    ("keys-blank", 'version = 1\n[npm]\nkeys = ""', "'npm.keys' must be a string that is not empty"),
    (
        "signature-mode",
        'version = 1\n[policy]\nregistry-signature = "block"',
        '\'policy.registry-signature\' must be one of "required", "if-signed", "off"',
    ),
    (
        "scripts-mode",
        'version = 1\n[[package]]\nname = "npm:a"\ninstall-scripts = "off"',
        '\'package.install-scripts\' must be one of "block", "skip", "as-npm"',
    ),
    (
        "unknown-key",
        'version = 1\n[policy]\n  hash = "off"',
        "unknown key 'policy.hash' at guard.toml:3:3 (did you mean",
    ),
    (
        "unknown-dotted",
        "version = 1\npolicy.min-ages = 3",
        "unknown key 'policy.min-ages' at guard.toml:2:1 (did you mean",
    ),
    ("unknown-below", "version = 1\n[sigstore.deep]\nx = 1", "unknown key 'sigstore.deep' at guard.toml:2:1"),
    ("unknown-inline", "version = 1\npolicy = {hashes = 'off', x = 1}", "unknown key 'policy.x' at guard.toml:2:27"),
    ("unknown-in-second", 'version=1\n[[package]]\nname="npm:a"\nhashes="off"\n[[package]]\nfoo=1', "guard.toml:6:1"),
    ("not-a-table", "version = 1\npolicy = 1", "'policy' must be a table: [policy] at guard.toml:2:1"),
    ("wrong-type", "version = 1\n[policy]\nhashes = true", "'policy.hashes' must be a string"),
    (
        "wrong-value",
        'version = 1\n[policy]\nhashes = "Block"',
        '\'policy.hashes\' must be one of "block", "warn", "off"',
    ),
    ("wrong-value-line", 'version = 1\n[policy]\nprovenance = "always"', "at guard.toml:3:1"),
    ("no-sources", "version = 1\n[policy]\nsources = []", "'policy.sources' must not be empty at guard.toml:3:1"),
    ("source-item", 'version = 1\n[policy]\nsources = ["path",\n "vcs"]', "not 'vcs' at guard.toml:4:2"),
    ("source-local", 'version = 1\n[policy]\nsources = ["local"]', "not 'local'"),
    ("sources-type", 'version = 1\n[policy]\nsources = "path"', "must be an array of strings"),
    ("index", 'version = 1\n[pypi]\nindex-url = "simple"', "'pypi.index-url' must be a URL"),
    ("provenance-file", 'version = 1\n[pypi]\nprovenance-url = "file:///x"', "'pypi.provenance-url' must be a URL"),
    ("extra", 'version = 1\n[pypi]\nextra-indexes = ["https://a.example",\n"b"]', "at guard.toml:4:1"),
    ("root-blank", 'version = 1\n[sigstore]\ntrust-root = " "', "must be a string that is not empty"),
    ("package-table", "version = 1\n[package]\nname = 'pypi:a'", "must be one or more tables: [[package]]"),
    ("no-packages", "version = 1\npackage = []", "must be one or more tables: [[package]]"),
    ("no-name", 'version = 1\n[[package]]\nhashes = "off"', "'package.name' is missing at guard.toml:2:1"),
    ("no-ecosystem", 'version = 1\n[[package]]\nname = "six"\nhashes = "off"', 'must be "pypi:NAME" or "npm:NAME"'),
    ("other-ecosystem", 'version = 1\n[[package]]\nname = "gem:six"\nhashes = "off"', "not 'gem:six'"),
    ("slash", 'version = 1\n[[package]]\nname = "pypi:a/b"\nhashes = "off"', "at guard.toml:3:1"),
    ("empty-entry", 'version = 1\n[[package]]\nname = "pypi:a"', "'pypi:a' sets nothing at guard.toml:2:1"),
    ("no-rule", 'version = 1\n[[exception]]\npackage = "pypi:a"', "'exception.rule' is missing"),
    ("policy-required", "version = 1\n[policy]\nhashes = 1", "at guard.toml:3:1"),
]


@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_what_is_wrong_is_said_with_its_place(text: str, expected: str) -> None:
    assert expected in problem(text)


IDENTITY_ERRORS = [
    ("empty", "", "is empty: it would match every publisher"),
    ("unknown", 'repo = "x"', "unknown key 'package.identity.repo' at guard.toml:6:1"),
    ("no-issuer", 'repository = "https://git.example/a/b"', "needs an issuer"),
    ("no-issuer-workflow", 'workflow = "x.yml"', "needs an issuer"),
    ("look-alike-host", 'repository = "https://github.com.evil.example/a/b"', "needs an issuer"),
    ("shared-issuer", 'issuer = "https://accounts.google.com"', "would match every user of its issuer"),
    (
        "workflow-only",
        'issuer = "https://gitlab.com"\nworkflow = "x"\nsigner = "https://gitlab.com/a//x"',
        "would match every user",
    ),
    ("not-a-repository", 'repository = "https://github.com/"', "must be the repository's URL"),
    ("repository-http", 'repository = "http://github.com/a/b"', "must be the repository's URL"),
    ("signer-ref", 'repository = "https://github.com/a/b"\nsigner = "https://x/y.yml@v1"', "without its @ref"),
    ("signer-word", 'repository = "https://github.com/a/b"\nsigner = "other"', "without its @ref"),
    ("number", 'repository = "https://github.com/a/b"\nrepository-id = 123', "must be a string"),
]


@pytest.mark.parametrize(
    ("body", "expected"), [row[1:] for row in IDENTITY_ERRORS], ids=[row[0] for row in IDENTITY_ERRORS]
)
def test_an_identity_names_somebody(body: str, expected: str) -> None:
    assert expected in problem(f'version = 1\n[[package]]\nname = "pypi:a"\n\n[[package.identity]]\n{body}\n')


def test_no_identities_is_an_error() -> None:
    assert "one or more tables" in problem('version = 1\n[[package]]\nname = "pypi:a"\nidentity = []')


def test_a_private_issuer_may_stand_alone() -> None:
    file = parsed('[[package]]\nname="pypi:a"\n[[package.identity]]\nissuer="https://sso.acme.example"')
    assert file.packages[0].identities == (IdentityPin(issuer="https://sso.acme.example"),)


def exception(**changes: str) -> str:
    keys = {"package": '"pypi:a"', "rule": '"hash-missing"', "reason": '"r"', "expires": "2027-01-31", **changes}
    return "version = 1\n[[exception]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"package": '"pypi:a*"'}, "without a star", id="pattern"),
        pytest.param({"package": '"pypi:a=="'}, "has no version", id="no-version"),
        pytest.param({"package": '"npm:@a/b@"'}, "has no version", id="npm-no-version"),
        pytest.param({"rule": '"sources"'}, "must be one of", id="key-without-missing-rule"),
        pytest.param({"rule": '"install-scripts"'}, "must be one of", id="npm-key-without-missing-rule"),
        pytest.param({"rule": '"exception-expired"'}, "must be one of", id="expired"),
        pytest.param({"rule": '"command-not-guarded"'}, "must be one of", id="run-rule"),
        pytest.param({"rule": '"*"'}, "must be one of", id="all-rules"),
        pytest.param({"reason": '"  "'}, "'exception.reason' must be a string that is not empty", id="blank-reason"),
        pytest.param({"reason": ""}, "'exception.reason' is missing", id="no-reason"),
        pytest.param({"expires": ""}, "'exception.expires' is missing", id="no-end"),
        pytest.param({"expires": '"2027-01-31"'}, "'exception.expires' is not a date at guard.toml:6:1", id="text"),
        pytest.param({"expires": "2027-01-31T00:00:00Z"}, "is not a date", id="moment"),
        pytest.param({"expires": "2027-02-30"}, "at guard.toml:6:", id="no-such-day"),
        pytest.param({"until": "1"}, "unknown key 'exception.until'", id="unknown"),
    ],
)
def test_an_exception_is_complete(changes: dict[str, str], expected: str) -> None:
    assert expected in problem(exception(**changes))


def test_a_policy_key_excepts_from_its_missing_rule_only() -> None:
    file = parse_policy(exception(package='"npm:@a/b"', rule='"registry-signature"').encode(), path="guard.toml")
    assert [entry.rule for entry in file.exceptions] == [RuleId.REGISTRY_SIGNATURE_MISSING]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("npm:@a/b", None),
        ("npm:@a/b@1.0.0", "1.0.0"),
        ("npm:b@1.0.0-rc.1", "1.0.0-rc.1"),
        ("pypi:A_b==1!2.0+x", "1!2.0+x"),
    ],
)
def test_releases(text: str, version: str | None) -> None:
    assert PackageRelease.parse(text).version == version
    assert str(PackageRelease.parse(text)) == text.replace("A_b", "a-b")


def test_messages_keep_credentials_out() -> None:
    message = problem('version = 1\n[pypi]\nindex-url = "https://user:s3cret@exa\\u2100mple.org/"')
    assert "must be a URL" in message
    assert "s3cret" not in message


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(ConfigInvalid, match=r"not UTF-8 at guard\.toml, byte 3"):
        parse_policy(b"abc\xff", path="guard.toml")


def test_too_large() -> None:
    with pytest.raises(ConfigInvalid, match="larger than"):
        parse_policy(b"#" * (POLICY_MAX_BYTES + 1), path="guard.toml")


def test_pyproject_reads_only_its_own_table() -> None:
    others = b'[project]\nname = "x"\n[tool.other]\nversion = 9\n'
    text = others + b'[tool.guard]\nversion = 1\n[tool.guard.policy]\nhashes = "off"\n'
    file = parse_pyproject(text, path="pyproject.toml")
    assert file is not None
    assert file.settings.hashes is RuleMode.OFF
    assert file.locations["policy.hashes"] == Location("pyproject.toml", 8, 1)


@pytest.mark.parametrize("text", [b"", b"[tool.other]\n", b"[project]\n"])
def test_pyproject_without_the_table_is_no_policy(text: bytes) -> None:
    assert parse_pyproject(text, path="pyproject.toml") is None


def test_pyproject_errors_name_the_line() -> None:
    with pytest.raises(ConfigInvalid, match=r"unknown key 'tool.guard.rules' at pyproject.toml:3:1"):
        parse_pyproject(b"[tool.guard]\nversion = 1\nrules = 1\n", path="pyproject.toml")


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass"))))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    for parse in (parse_policy, parse_pyproject):
        with suppress(ConfigInvalid):
            parse(data, path="guard.toml")


_WORDS = [
    "version = 1\n",
    "[policy]\n",
    "[[package]]\n",
    "[[package.identity]]\n",
    "[[exception]]\n",
    "hashes",
    " = ",
    '"off"',
]
_WORDS += [
    "name",
    '"pypi:a"',
    "\n",
    "{",
    "}",
    "[",
    "]",
    ",",
    "'",
    '"""',
    "\\",
    "#",
    "expires",
    "2027-01-31",
    "identity",
    ".",
]


@given(st.lists(st.sampled_from(_WORDS), max_size=25).map("".join))
def test_any_words_parse_or_are_refused(text: str) -> None:
    with suppress(ConfigInvalid):
        parse_policy(text.encode(), path="guard.toml")
