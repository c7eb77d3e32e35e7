"""A folder of evidence: where each document is, and that no name from a lock leads out of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard import limits
from guard.errors import MalformedInput, Unavailable
from guard.store.evidence_folder import EvidenceFolder


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence")


def test_where_documents_are(folder: EvidenceFolder) -> None:
    folder.store_release("six", "1.17.0", b"1")
    folder.store_provenance("Six", "1.17.0", "six-1.17.0.tar.gz", b"2")
    folder.store_npm_listing("@acme/a", "1.0.0+build", b"3")
    folder.store_attestations("@acme/a", "1.0.0+build", b"4")
    folder.store_npm_keys(None, b"5")
    folder.store_npm_keys("npm.corp.test:8443", b"6")
    found = {str(path.relative_to(folder.path)): path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    assert found == {
        "pypi/six/1.17.0/index.json": b"1",
        "pypi/six/1.17.0/six-1.17.0.tar.gz.provenance.json": b"2",
        "npm/@acme__a@1.0.0+build.listing.json": b"3",
        "npm/@acme__a@1.0.0+build.attestations.json": b"4",
        "npm/keys.json": b"5",
        "npm/keys/npm.corp.test_8443.json": b"6",
    }
    assert folder.load_release("SIX", "1.17.0") == b"1"
    assert folder.load_provenance("six", "1.17.0", "six-1.17.0.tar.gz") == b"2"
    assert folder.load_npm_listing("@acme/a", "1.0.0+build") == b"3"
    assert folder.load_attestations("@acme/a", "1.0.0+build") == b"4"
    assert (folder.load_npm_keys(None), folder.load_npm_keys("npm.corp.test:8443")) == (b"5", b"6")


def test_what_is_not_there_is_nothing(folder: EvidenceFolder) -> None:
    for _ in range(2):
        assert folder.load_release("six", "1.0") is None
        assert folder.load_provenance("six", "1.0", "six-1.0.tar.gz") is None
        assert folder.load_npm_listing("a", "1.0.0") is None
        assert folder.load_attestations("a", "1.0.0") is None
        assert folder.load_npm_keys(None) is None
        folder.store_release("seven", "1.0", b"")
    (folder.path / "npm").write_bytes(b"a file in the place of a folder")
    assert folder.load_attestations("a", "1.0.0") is None


def test_equal_versions_are_one_release(folder: EvidenceFolder) -> None:
    folder.store_release("six", "1.0.0", b"1")
    assert folder.load_release("six", "1.0") == b"1"
    folder.store_provenance("six", "v1", "six-1.0.tar.gz", b"2")
    assert folder.load_provenance("six", "1.0.0", "six-1.0.tar.gz") == b"2"
    assert folder.load_release("six", "1.1") is None


HOSTILE = ["", ".", "..", "../../etc/passwd", "/etc/passwd", "a\\..\\b", "c:d", "a\0b", "a\nb", "x" * 300, "\ud800"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_that_could_lead_elsewhere_is_refused(folder: EvidenceFolder, text: str) -> None:
    loads: list[Callable[[], object]] = [
        lambda: folder.load_release("six", text),
        lambda: folder.load_provenance("six", "1.0", text),
        lambda: folder.load_npm_listing("a", text),
        lambda: folder.load_attestations(f"@acme/{text}", "1.0.0"),
        lambda: folder.load_npm_keys(text.replace(":", "/")),  # a port is one of the few things that have a colon
    ]
    for load in loads:
        with pytest.raises(MalformedInput):
            load()
    with pytest.raises(MalformedInput):
        folder.store_npm_listing(f"@{text}/a/b", "1.0.0", b"")
    assert not folder.path.exists()


@given(st.text(), st.text())
def test_nothing_is_ever_written_outside(name: str, version: str) -> None:
    folder = EvidenceFolder(Path("/nowhere/evidence"))
    places: list[Callable[[], Path]] = [
        lambda: folder._release(name, version) / "index.json",
        lambda: folder._npm(name, version, "listing"),
    ]
    for place in places:
        try:
            path = place()
        except MalformedInput:
            continue
        assert Path(os.path.normpath(path)) == path
        assert path.is_relative_to(folder.path)


def test_what_cannot_be_read_is_unavailable_and_never_absent(folder: EvidenceFolder) -> None:
    place = folder.path / "npm" / "a@1.0.0.attestations.json"
    place.mkdir(parents=True)
    with pytest.raises(Unavailable):
        folder.load_attestations("a", "1.0.0")


def test_a_pipe_in_the_place_of_a_document_is_not_waited_for(folder: EvidenceFolder) -> None:
    (folder.path / "npm").mkdir(parents=True)
    os.mkfifo(folder.path / "npm" / "a@1.0.0.attestations.json")
    assert folder.load_attestations("a", "1.0.0") == b""


def test_a_document_that_is_too_large_is_refused(folder: EvidenceFolder) -> None:
    folder.store_attestations("a", "1.0.0", b" " * (limits.PROVENANCE_MAX_BYTES + 1))
    with pytest.raises(MalformedInput):
        folder.load_attestations("a", "1.0.0")


def test_a_document_is_replaced_as_a_whole(folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.store_attestations("a", "1.0.0", b"before")

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        folder.store_attestations("a", "1.0.0", b"after")
    assert folder.load_attestations("a", "1.0.0") == b"before"
    assert [path.name for path in (folder.path / "npm").iterdir()] == ["a@1.0.0.attestations.json"]
