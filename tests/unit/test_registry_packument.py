"""Packuments and single versions: what they say, and that nothing else passes for one."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard import limits
from guard.errors import MalformedInput
from guard.model import Digest
from guard.registry.packument import NpmSignature, PublishedVersion, parse_packument, parse_version_document

REGISTRY = "https://npm.example.test/"
SHA512 = Digest("sha512", "ab" * 64)
SHA256 = Digest("sha256", "cd" * 32)
SHA1 = Digest("sha1", "ef" * 20)


def sri(digest: Digest) -> str:
    return f"{digest.algorithm}-{base64.b64encode(bytes.fromhex(digest.hex)).decode()}"


def listing(dist: object = None, **members: object) -> dict[str, object]:
    """One version of ``six`` as a registry lists it."""
    default = {"tarball": f"{REGISTRY}six/-/six-1.0.0.tgz", "integrity": sri(SHA512), "shasum": SHA1.hex}
    return {"name": "six", "version": "1.0.0", "dist": default if dist is None else dist, **members}


def with_dist(**members: object) -> dict[str, object]:
    dist = listing()["dist"]
    assert isinstance(dist, dict)
    return listing({name: value for name, value in {**dist, **members}.items() if value is not ...})


def document(version: object = None, **members: object) -> bytes:
    versions = {"1.0.0": listing() if version is None else version}
    return json.dumps({"name": "six", "dist-tags": {"latest": "1.0.0"}, "versions": versions, **members}).encode()


def published(version: object = None, **members: object) -> PublishedVersion:
    """Read a version both ways in which registries list it, and return what both say."""
    entry = listing() if version is None else version
    found = parse_packument(document(entry, **members), name="six", registry=REGISTRY).version("1.0.0")
    single = parse_version_document(json.dumps(entry).encode(), name="six", version="1.0.0", registry=REGISTRY)
    assert found == single
    return single


def assert_malformed(version: object, place: str, reason: str = "") -> None:
    packument = parse_packument(document(version), name="six", registry=REGISTRY)
    with pytest.raises(MalformedInput, match=reason) as caught:
        packument.version("1.0.0")
    assert caught.value.context == f"versions['1.0.0'].{place}"
    assert "(packument of six from https://npm.example.test/)" in caught.value.message
    with pytest.raises(MalformedInput, match=reason) as caught:
        parse_version_document(json.dumps(version).encode(), name="six", version="1.0.0", registry=REGISTRY)
    assert caught.value.context == place
    assert "(listing of six@1.0.0 from https://npm.example.test/)" in caught.value.message


# What is read


def test_a_version_is_read() -> None:
    dist = {
        "tarball": "https://files.example.test/six.tgz",
        "integrity": sri(SHA512),
        "shasum": SHA1.hex,
        "signatures": [{"keyid": "SHA256:abc", "sig": "MEUC"}],
        "attestations": {"url": f"{REGISTRY}-/npm/v1/attestations/six@1.0.0", "provenance": {"predicateType": "x"}},
        "fileCount": 3,
    }
    assert published(listing(dist, dependencies={"a": "^1"}, hasInstallScript=True)) == PublishedVersion(
        name="six",
        version="1.0.0",
        registry=REGISTRY,
        tarball="https://files.example.test/six.tgz",
        integrity=sri(SHA512),
        digests=(SHA512, SHA1),
        signatures=(NpmSignature(keyid="SHA256:abc", sig="MEUC"),),
        carries_signatures=True,
        attestations_url=f"{REGISTRY}-/npm/v1/attestations/six@1.0.0",
        has_attestations=True,
        promises_provenance=True,
        has_install_script=True,
        dependencies={"a": "^1"},
    )


def test_a_packument_is_read() -> None:
    data = document(modified="2026-01-31T12:00:00.000Z")
    packument = parse_packument(data, name="six", registry=REGISTRY)
    assert (packument.name, packument.registry, packument.document) == ("six", REGISTRY, data)
    assert packument.versions == ("1.0.0",)
    assert packument.dist_tags == {"latest": "1.0.0"}
    assert packument.modified == datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    assert not packument.is_full
    assert packument.version("2.0.0") is None


def test_a_full_packument_tells_when_versions_were_published() -> None:
    data = document(time={"modified": "2026-02-01T00:00:00.000Z", "1.0.0": "2026-01-31T12:00:00.5Z"})
    packument = parse_packument(data, name="six", registry=REGISTRY)
    version = packument.version("1.0.0")
    assert version is not None
    assert version.published_at == datetime(2026, 1, 31, 12, 0, 0, 500000, tzinfo=timezone.utc)
    assert packument.modified == datetime(2026, 2, 1, tzinfo=timezone.utc)
    assert packument.is_full


def test_one_bad_version_does_not_hide_another() -> None:
    versions = {"1.0.0": listing(), "2.0.0": "nonsense"}
    packument = parse_packument(document(versions=versions), name="six", registry=REGISTRY)
    assert packument.version("1.0.0") is not None
    with pytest.raises(MalformedInput, match="expected an object, found str"):
        packument.version("2.0.0")


def test_an_unpublished_package_has_no_versions() -> None:
    data = json.dumps({"name": "six", "time": {"unpublished": {"versions": ["1.0.0"]}}}).encode()
    assert parse_packument(data, name="six", registry=REGISTRY).versions == ()


@pytest.mark.parametrize(
    ("integrity", "digests"),
    [
        (sri(SHA512), (SHA512,)),
        (f"{sri(SHA256)}\n\t {sri(SHA512)}", (SHA256, SHA512)),
        (f"{sri(SHA512)}?opt?more", (SHA512,)),
        (f"sha3-512-AAAA whirlpool-AAAA nonsense {sri(SHA256)}", (SHA256,)),
        (f"{sri(SHA512)} {sri(SHA512)}", (SHA512,)),
        (f"{sri(SHA1)} {sri(SHA512)}", (SHA512, SHA1)),
        (sri(SHA1), (SHA1,)),
    ],
    ids=["one", "several", "options", "unknown left out", "twice", "strong first", "weak"],
)
def test_integrity(integrity: str, digests: tuple[Digest, ...]) -> None:
    version = published(with_dist(integrity=integrity, shasum=...))
    assert version.digests == digests
    assert version.integrity == integrity


def test_a_shasum_alone_is_a_digest_and_no_integrity() -> None:
    version = published(with_dist(integrity=..., shasum=SHA1.hex.upper()))
    assert (version.digests, version.integrity) == ((SHA1,), None)


def test_neither_integrity_nor_shasum_is_no_digest() -> None:
    assert published(with_dist(integrity=None, shasum=None)).digests == ()


@pytest.mark.parametrize(
    ("dist", "signatures", "attestations"),
    [
        ({}, False, False),
        ({"signatures": []}, True, False),
        ({"signatures": None}, True, False),
        ({"attestations": {}}, False, True),
        ({"attestations": None}, False, False),
        ({"attestations": False}, False, False),
    ],
    ids=["nothing", "no signatures", "null signatures", "no url", "null", "false"],
)
def test_flags_of_evidence(dist: dict[str, object], *, signatures: bool, attestations: bool) -> None:
    version = published(with_dist(**dist))
    assert (version.carries_signatures, version.has_attestations) == (signatures, attestations)
    assert version.carries_evidence == (signatures or attestations)
    packument = parse_packument(document(with_dist(**dist)), name="six", registry=REGISTRY)
    assert packument.carries_evidence == bool(dist)


def test_evidence_of_unreadable_versions_is_not_looked_for() -> None:
    packument = parse_packument(document(versions={"1": 1, "2": {"dist": 2}}), name="six", registry=REGISTRY)
    assert not packument.carries_evidence


@pytest.mark.parametrize(
    ("members", "has_script"),
    [
        ({}, False),
        ({"hasInstallScript": True}, True),
        ({"hasInstallScript": False}, False),
        ({"scripts": {"preinstall": "x"}}, True),
        ({"scripts": {"install": "x"}}, True),
        ({"scripts": {"postinstall": "x"}}, True),
        ({"scripts": {"postinstall": ""}}, False),
        ({"scripts": {"prepare": "x", "test": "y"}}, False),
        ({"scripts": []}, False),
        ({"hasInstallScript": False, "scripts": {"install": "x"}}, True),
    ],
)
def test_install_scripts(members: dict[str, object], *, has_script: bool) -> None:
    assert published(listing(**members)).has_install_script is has_script


@pytest.mark.parametrize(
    ("value", "deprecated"),
    [("use seven", "use seven"), ("", None), (False, None), (None, None), (True, ""), ("cut \ud83d", "cut ?")],
)
def test_deprecation(value: object, deprecated: str | None) -> None:
    assert published(listing(deprecated=value)).deprecated == deprecated


def test_dependencies_are_read_together_and_npms_last_one_wins() -> None:
    version = published(
        listing(
            dependencies={"a": "1", "b": "1"},
            optionalDependencies={"b": "2"},
            peerDependencies={"a": "3", "c": "3"},
            devDependencies={"d": "4"},
        )
    )
    assert version.dependencies == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize("empty", [None, [], "", {}])
def test_old_ways_of_having_no_dependencies(empty: object) -> None:
    assert published(listing(dependencies=empty)).dependencies == {}


@pytest.mark.parametrize(
    ("members", "bundled"),
    [
        ({}, ()),
        ({"bundleDependencies": ["a"]}, ("a",)),
        ({"bundledDependencies": ["a"]}, ("a",)),
        ({"bundleDependencies": ["a"], "bundledDependencies": ["b"]}, ("a",)),
        ({"bundleDependencies": {"a": "1"}}, ("a",)),
        ({"bundleDependencies": True, "dependencies": {"a": "1", "b": "2"}}, ("a", "b")),
        ({"bundleDependencies": True}, ()),
        ({"bundleDependencies": False}, ()),
    ],
)
def test_bundled_dependencies(members: dict[str, object], bundled: tuple[str, ...]) -> None:
    assert published(listing(**members)).bundled == bundled


def test_half_characters_may_stand_where_nothing_is_read() -> None:
    assert published(listing(description="cut \ud83d")).version == "1.0.0"


# What is refused


@pytest.mark.parametrize(
    ("version", "place", "reason"),
    [
        (listing(name="seven"), "name", "another name than 'six'"),
        (listing(name=None), "name", "expected text, found nothing"),
        (listing(version="1.0.1"), "version", "another version than '1.0.0'"),
        (listing(version=1), "version", "expected text, found int"),
        ({"name": "six", "version": "1.0.0"}, "dist", "expected an object, found nothing"),
        (listing([]), "dist", "expected an object, found list"),
        (with_dist(tarball=...), "dist.tarball", "expected text, found nothing"),
        (with_dist(tarball="six.tgz"), "dist.tarball", "not an http or https address"),
        (with_dist(tarball="//a.example/six.tgz"), "dist.tarball", "not an http or https address"),
        (with_dist(tarball="file:///etc/passwd"), "dist.tarball", "not an http or https address"),
        (with_dist(tarball="git+ssh://a.example/x"), "dist.tarball", "not an http or https address"),
        (with_dist(tarball="https:///six.tgz"), "dist.tarball", "not an http or https address"),
        (with_dist(tarball="https://["), "dist.tarball", "not an http or https address"),
        (with_dist(tarball="https://a.example:99999/"), "dist.tarball", "not an http or https address"),
        (with_dist(tarball="https://a.example/\x1b[31m"), "dist.tarball", "not an http or https address"),
        (with_dist(tarball="https://a.example/a b"), "dist.tarball", "not an http or https address"),
        (with_dist(integrity=7), "dist.integrity", "expected text, found int"),
        (with_dist(integrity=""), "dist.integrity", "no digest of a known algorithm"),
        (with_dist(integrity="sha3-AAAA"), "dist.integrity", "no digest of a known algorithm"),
        (with_dist(integrity="sha512-AAAA"), "dist.integrity", "not a sha512 digest"),
        (with_dist(integrity="sha512-*"), "dist.integrity", "not a Subresource Integrity value"),
        (with_dist(integrity=f"{sri(SHA512)} sha256-x"), "dist.integrity", "not a Subresource Integrity value"),
        (with_dist(shasum="xyz"), "dist.shasum", "not a sha1 digest"),
        (with_dist(shasum=5), "dist.shasum", "expected text, found int"),
        (with_dist(signatures={}), "dist.signatures", "expected a list, found dict"),
        (with_dist(signatures=["x"]), "dist.signatures[0]", "expected an object, found str"),
        (with_dist(signatures=[{"sig": "x"}]), "dist.signatures[0].keyid", "found nothing"),
        (with_dist(signatures=[{"keyid": "x", "sig": 1}]), "dist.signatures[0].sig", "found int"),
        (with_dist(signatures=[{"keyid": "x", "sig": "y"}] * 33), "dist.signatures", "more than 32 signatures"),
        (with_dist(attestations="yes"), "dist.attestations", "expected an object, found str"),
        (with_dist(attestations=[]), "dist.attestations", "expected an object, found list"),
        (with_dist(attestations={"url": 1}), "dist.attestations.url", "expected text, found int"),
        (listing(dependencies=["a"]), "dependencies", "expected an object, found list"),
        (listing(peerDependencies={"a": None}), "peerDependencies", "expected text, found nothing"),
        (listing(dependencies={"a": "\ud800"}), "dependencies", "not a text of complete characters"),
        (listing(dependencies={"\ud800": "a"}), "dependencies", "not a text of complete characters"),
        (listing(bundleDependencies="a"), "bundleDependencies", "expected a list, found str"),
        (listing(bundleDependencies=[1]), "bundleDependencies", "expected text, found int"),
    ],
)
def test_malformed_versions(version: object, place: str, reason: str) -> None:
    assert_malformed(version, place, reason)


def test_credentials_in_a_refused_address_are_not_said() -> None:
    packument = parse_packument(document(with_dist(tarball="ftp://me:hunter2@a.example/")), name="six", registry="r")
    with pytest.raises(MalformedInput) as caught:
        packument.version("1.0.0")
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("moment", [7, "yesterday", "2026-01-31", "2026-13-31T00:00:00Z", "0001-01-01T00:00:00+01:00"])
def test_malformed_times(moment: object) -> None:
    packument = parse_packument(document(modified=moment, time={"1.0.0": moment}), name="six", registry=REGISTRY)
    with pytest.raises(MalformedInput) as caught:
        packument.version("1.0.0")
    assert caught.value.context == "time['1.0.0']"
    with pytest.raises(MalformedInput) as caught:
        assert packument.modified
    assert caught.value.context == "modified"


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-01-31T12:00:00", 12),
        ("2026-01-31T12:00:00Z", 12),
        ("2026-01-31T12:00:00.123456789Z", 12),
        ("2026-01-31T12:00:00+02:00", 10),
    ],
)
def test_times(text: str, hour: int) -> None:
    modified = parse_packument(document(modified=text), name="six", registry=REGISTRY).modified
    assert modified is not None
    assert modified.replace(microsecond=0) == datetime(2026, 1, 31, hour, tzinfo=timezone.utc)


PORTAL = b"<!DOCTYPE html><html><body>Please log in</body></html>"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is malformed"),
        (PORTAL, "is malformed"),
        (document()[:-5], "is malformed"),
        (document().decode().encode("utf-16"), "is malformed"),
        (b"\xef\xbb\xbf" + document(), "is malformed"),
        (b'{"name": "six", "versions": {"1.0.0": NaN}}', "NaN is not JSON"),
        (b'{"name": "six", "name": "six", "versions": {}}', "a name occurs twice"),
        (b'{"name": "six", "versions": {"1.0.0": {"dist": {"a": 1, "a": 2}}}}', "a name occurs twice"),
        (b"[" * 100_000, "is malformed"),
        (b"[]", "is not a JSON object"),
        (b"null", "is not a JSON object"),
        (b"{}", "name: expected text, found nothing"),
        (b'{"error": "not_found"}', "name: expected text, found nothing"),
        (document(name="seven"), "another name than 'six'"),
        (b'{"name": "six"}', "versions: expected an object, found nothing"),
        (b'{"name": "six", "versions": []}', "versions: expected an object, found list"),
        (b'{"name": "six", "versions": null, "time": {"unpublished": {}}}', "versions: expected an object"),
        (document(**{"dist-tags": {"latest": 1}}), "dist-tags: expected text, found int"),
        (document(**{"dist-tags": ["latest"]}), "dist-tags: expected an object, found list"),
        (document(time=["x"]), "time: expected an object, found list"),
    ],
)
def test_malformed_packuments(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedInput, match=reason) as caught:
        parse_packument(data, name="six", registry="https://me:hunter2@npm.example.test/")
    assert "packument of six from https://npm.example.test/" in caught.value.message
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("data", [b"", PORTAL, b"[]", b'"Not Found"', document()])
def test_malformed_version_documents(data: bytes) -> None:
    with pytest.raises(MalformedInput, match=r"listing of six@1\.0\.0"):
        parse_version_document(data, name="six", version="1.0.0", registry=REGISTRY)


def test_documents_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PACKUMENT_MAX_BYTES", 10)
    monkeypatch.setattr(limits, "PACKAGE_VERSION_MAX_BYTES", 10)
    with pytest.raises(MalformedInput, match="larger than 10 bytes"):
        parse_packument(document(), name="six", registry=REGISTRY)
    with pytest.raises(MalformedInput, match="larger than 10 bytes"):
        parse_version_document(document(), name="six", version="1.0.0", registry=REGISTRY)


# Any bytes

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_dist = st.fixed_dictionaries(
    {"tarball": st.just("https://a.example/x") | _json},
    optional=dict.fromkeys(("integrity", "shasum", "signatures", "attestations"), _json),
)
_optional = ("dependencies", "peerDependencies", "bundleDependencies", "scripts", "deprecated", "hasInstallScript")
_entry = st.fixed_dictionaries(
    {"name": st.just("six"), "version": st.just("1.0.0"), "dist": _dist | _json},
    optional=dict.fromkeys(_optional, _json),
)


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        parse_packument(data, name="six", registry=REGISTRY)
    with pytest.raises(MalformedInput):
        parse_version_document(data, name="six", version="1.0.0", registry=REGISTRY)


@given(_entry, st.none() | _json, st.none() | _json)
def test_any_members_parse_or_are_malformed(entry: object, time: object, modified: object) -> None:
    message = ""
    try:
        packument = parse_packument(document(entry, time=time, modified=modified), name="six", registry=REGISTRY)
        assert packument.carries_evidence in (True, False)
        assert packument.modified is None or packument.modified.tzinfo is timezone.utc
        repr(packument.version("1.0.0")).encode()
    except MalformedInput as error:
        message = error.message
    assert message.isprintable()
