"""guard.lock: what is written is read back, what cannot be is refused with its place."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import ConfigInvalid
from guard.limits import IDENTITY_LOCK_MAX_BYTES
from guard.model import Digest, Ecosystem
from guard.policy.identity_lock import (
    IdentityLock,
    LockedIdentity,
    LockedPackage,
    parse_identity_lock,
    render_identity_lock,
)
from guard.policy.publisher import Publisher

PAGE = Path(__file__).parents[2] / "docs" / "identity-lock.md"
SHA256, SHA512 = Digest("sha256", "a" * 64), Digest("sha512", "a" * 128)
GITHUB = "https://token.actions.githubusercontent.com"
OURS = Publisher(
    issuer=GITHUB,
    repository="https://github.com/acme/widget",
    repository_id="1001",
    owner_id="501",
    workflow=".github/workflows/release.yml",
    environment="release",
    ref="refs/tags/*",
    trigger="push",
    runner="github-hosted",
)
PERSON = Publisher(issuer="https://accounts.google.com", san='"o\'brien" \\ <a@b.example>')
REGISTRY = Publisher(registry="https://registry.example", registry_key="SHA256:key")
HEAD = 'version = 1\n[[package]]\nname = "pypi:widget"\n[[package.identity]]\n'
WHO = f'issuer = "{GITHUB}"\nrepository = "https://github.com/acme/widget"\n'
SEEN = f'first-seen = "1.0.0"\ndigest = "{SHA256}"\n'


def package(name: str, *publishers: Publisher, ecosystem: Ecosystem = Ecosystem.PYPI) -> LockedPackage:
    digest = SHA256 if ecosystem is Ecosystem.PYPI else SHA512
    identities = tuple(LockedIdentity(publisher=each, first_seen="1.0.0", digest=digest) for each in publishers)
    return LockedPackage(ecosystem=ecosystem, name=name, identities=identities)


LOCK = IdentityLock.of(
    [package("widget", OURS, PERSON), package("@acme/w", REGISTRY, ecosystem=Ecosystem.NPM), package("a", PERSON)]
)


def parse(text: str) -> IdentityLock:
    return parse_identity_lock(text.encode(), path="guard.lock")


def test_what_is_written_is_read_back() -> None:
    written = render_identity_lock(LOCK)
    read = parse_identity_lock(written, path="guard.lock")
    assert {key: set(entry.identities) for key, entry in read.packages.items()} == {
        key: set(entry.identities) for key, entry in LOCK.packages.items()
    }
    assert render_identity_lock(read) == written
    assert (read.path, read.digest and read.digest.algorithm) == ("guard.lock", "sha256")


def test_one_more_package_is_one_more_block_and_one_fact_is_one_line() -> None:
    before = render_identity_lock(LOCK).decode()
    more = render_identity_lock(IdentityLock.of([*LOCK.packages.values(), package("zebra", PERSON)])).decode()
    assert more.startswith(before)
    assert re.findall(r'^name = "(.+)"$', before, flags=re.MULTILINE) == ["npm:@acme/w", "pypi:a", "pypi:widget"]
    lines = before.splitlines()
    assert 'repository-id = "1001"' in lines
    assert len([line for line in lines if line.startswith("issuer")]) == 3


def test_an_empty_lock_is_one() -> None:
    assert parse_identity_lock(render_identity_lock(IdentityLock.of([])), path="guard.lock").packages == {}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_text_is_written_so_that_it_is_read_back(text: str) -> None:
    lock = IdentityLock.of([package("widget", Publisher(issuer="https://accounts.google.com", san=text))])
    (read,) = parse_identity_lock(render_identity_lock(lock), path="guard.lock").packages.values()
    assert read.identities[0].publisher.san == text


def test_a_package_is_found_by_any_spelling_of_its_name() -> None:
    found = parse(HEAD.replace("pypi:widget", "pypi:Wid_Get") + WHO + SEEN).find(Ecosystem.PYPI, "wid.get")
    assert found is not None
    assert found.identities[0].location is not None
    assert str(found.identities[0].location) == "guard.lock:4"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'version' must be 1"),
        ("version = 2\n", "'version' must be 1 at guard.lock:1:1"),
        ("version = true\n", "'version' must be 1 at guard.lock:1:1"),
        ("version = 1\nversions = 1\n", "unknown key 'versions' at guard.lock:2:1"),
        ("version = 1\n<<<<<<< HEAD\n", "a merge was not finished at guard.lock:2:1"),
        (HEAD + WHO + SEEN + "=======\n", "a merge was not finished at guard.lock:9:1"),
        (HEAD + WHO + SEEN + ">>>>>>> theirs\n", "a merge was not finished at guard.lock:9:1"),
        (HEAD + WHO + SEEN + "||||||| base\n", "a merge was not finished at guard.lock:9:1"),
        (
            HEAD + WHO + SEEN + "".join(HEAD.splitlines(keepends=True)[1:]) + WHO + SEEN,
            "pypi:widget has a second entry (the first is at guard.lock:2) at guard.lock:10:1",
        ),
        (
            HEAD + WHO + SEEN + "[[package.identity]]\n" + WHO + 'workflow = "w.yml"\n' + SEEN,
            "pypi:widget names one publisher twice at guard.lock:9:1",
        ),
        ('version = 1\n[[package]]\nname = "pypi:widget"\n', "pypi:widget has no [[package.identity]]"),
        ('version = 1\n[[package]]\nname = "pypi:widget"\nidentity = []\n', "at guard.lock:4:1"),
        ('version = 1\n[[package]]\nname = "pypi:widget==1"\n', "without a version at guard.lock:3:1"),
        ('version = 1\n[[package]]\nname = "pypi:wid*"\n', "without a star"),
        ("version = 1\n[[package]]\n", "'package.name' is missing"),
        (HEAD + SEEN, "names nobody at guard.lock:4:1"),
        (HEAD + f'issuer = "{GITHUB}"\n' + SEEN, "would match every user of its issuer at guard.lock:4:1"),
        (HEAD + 'repository = "https://x.example/y"\n' + SEEN, "repository without an issuer: nobody vouches"),
        (HEAD + WHO + 'san = "s"\n' + SEEN, "(GitHub) state no san at guard.lock:7:1"),
        (HEAD + WHO + 'first-seen = "1"\n', "'package.identity.digest' is missing at guard.lock:4:1"),
        (HEAD + WHO + f'digest = "{SHA256}"\n', "'package.identity.first-seen' is missing"),
        (HEAD + WHO + f'first-seen = "1"\ndigest = "{SHA512}"\n', "must be sha256 at guard.lock:8:1"),
        (HEAD + WHO + 'first-seen = "1"\ndigest = "sha256:ab"\n', "not a sha256 digest"),
        (HEAD + WHO + 'registry = "https://r.example"\n' + SEEN, "only npm registries attest publications"),
        (HEAD + WHO + 'registry-key = "k"\n' + SEEN, "a registry-key is one of a registry, which is missing"),
        (HEAD + WHO + "owner-id = 5\n" + SEEN, "must be a string that is not empty at guard.lock:7:1"),
        (
            HEAD + f'issuer = "{GITHUB}"\nrepository-id = "1"\nsigner = "https://x.example/y"\n' + SEEN,
            "identifiers of a repository without its address",
        ),
        (HEAD + WHO + 'workflows = "w"\n' + SEEN, "unknown key 'package.identity.workflows' at guard.lock:7:1"),
        ("version = 1\n[[package]\n", "not TOML"),
    ],
)
def test_a_lock_that_cannot_be_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        parse(text)
    assert message in caught.value.message


def test_a_lock_that_is_too_large_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="larger than"):
        parse_identity_lock(b"#" * (IDENTITY_LOCK_MAX_BYTES + 1), path="guard.lock")


@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda tail: (HEAD + WHO).encode() + tail))
def test_any_bytes_are_a_lock_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(ConfigInvalid):
        parse_identity_lock(data, path="guard.lock")


def test_the_example_on_the_page_is_a_lock() -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    read = parse(example)
    rendered = render_identity_lock(read).decode()
    assert rendered.splitlines()[1:] == example.splitlines()
