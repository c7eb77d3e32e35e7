"""The trusted root over TUF, from a repository on loopback that does one thing wrong at a time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard import limits
from guard.errors import ConfigInvalid, MalformedInput, Unavailable
from guard.registry.http_settings import HttpSettings
from guard.registry.tuf import FetchedRoot, TufRepository, fetch_trusted_root, finish_within
from guard.sigstore.trust_root import TufVersions
from guard.store.trust_roots import load_shipped_tuf_root
from tests.sim.tuf import ROLES, TARGET, TufSimulator, serve_tuf

FIRST, SECOND = b'{"first": 1}', b'{"second": 2}'


@pytest.fixture
def tuf() -> Iterator[TufSimulator]:
    with serve_tuf(TufSimulator(FIRST)) as simulator:
        yield simulator


def fetch(
    tuf: TufSimulator,
    folder: Path,
    *,
    root: bytes | None = None,
    settings: HttpSettings | None = None,
    seconds: float = 5.0,
) -> FetchedRoot:
    repository = TufRepository(url=tuf.url, root=tuf.root if root is None else root)
    return fetch_trusted_root(repository, folder=folder, settings=settings or HttpSettings(), seconds=seconds)


def problem(tuf: TufSimulator, folder: Path, *, seconds: float = 5.0) -> str:
    with pytest.raises(MalformedInput) as caught:
        fetch(tuf, folder, seconds=seconds)
    return caught.value.message


def test_a_first_refresh(tuf: TufSimulator, tmp_path: Path) -> None:
    fetched = fetch(tuf, tmp_path / "tuf")
    assert fetched == FetchedRoot(data=FIRST, versions=TufVersions(root=1, timestamp=1, snapshot=1, targets=1))
    assert tuf.count_requests() == 5  # no newer root, timestamp, snapshot, targets, the target
    assert (tmp_path / "tuf").stat().st_mode & 0o077 == 0


def test_a_later_refresh_is_two_requests(tuf: TufSimulator, tmp_path: Path) -> None:
    fetch(tuf, tmp_path)
    tuf.count_requests()
    assert fetch(tuf, tmp_path).data == FIRST
    assert tuf.requests == ["/2.root.json", "/timestamp.json"]


def test_a_new_document_arrives(tuf: TufSimulator, tmp_path: Path) -> None:
    fetch(tuf, tmp_path)
    tuf.publish(SECOND)
    assert fetch(tuf, tmp_path) == FetchedRoot(data=SECOND, versions=TufVersions(1, 2, 2, 2))


@pytest.mark.parametrize("role", ROLES)
def test_a_key_changes(tuf: TufSimulator, tmp_path: Path, role: str) -> None:
    fetch(tuf, tmp_path)
    tuf.publish_root(new_key_for=role)
    tuf.publish(SECOND)
    assert fetch(tuf, tmp_path) == FetchedRoot(data=SECOND, versions=TufVersions(2, 2, 2, 2))


def test_a_key_is_replaced_by_somebody_else(tuf: TufSimulator, tmp_path: Path) -> None:
    other = TufSimulator(SECOND)
    tuf.files["/2.root.json"] = other.publish_root()
    assert "does not verify" in problem(tuf, tmp_path)


def test_another_repository_answers(tuf: TufSimulator, tmp_path: Path) -> None:
    tuf.files = TufSimulator(SECOND).files
    del tuf.files["/1.root.json"]
    assert "does not verify: timestamp was signed by 0/1 keys" in problem(tuf, tmp_path)


def test_older_metadata_is_refused(tuf: TufSimulator, tmp_path: Path) -> None:
    old = dict(tuf.files)
    tuf.publish(SECOND)
    fetch(tuf, tmp_path)
    tuf.files = old
    assert "does not verify: New timestamp version 1 must be >= 2" in problem(tuf, tmp_path)


@pytest.mark.parametrize(
    ("file", "part"),
    [("/1.snapshot.json", "Expected snapshot version 2, got 1"), ("/1.targets.json", "Expected targets v2, got v1")],
)
def test_older_parts_are_refused(tuf: TufSimulator, tmp_path: Path, file: str, part: str) -> None:
    old = tuf.files[file]
    tuf.publish(SECOND)
    tuf.files[file.replace("1", "2")] = old
    assert part in problem(tuf, tmp_path)


def test_metadata_that_froze_is_refused(tuf: TufSimulator, tmp_path: Path) -> None:
    fetch(tuf, tmp_path)
    tuf.expires = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(seconds=1)
    tuf.publish(SECOND)
    assert "does not verify: timestamp.json is expired" in problem(tuf, tmp_path)


def test_the_target_is_tampered_with(tuf: TufSimulator, tmp_path: Path) -> None:
    name = next(name for name in tuf.files if name.endswith(TARGET))
    tuf.files[name] = FIRST.replace(b"1", b"2")
    assert "does not verify: Observed hash" in problem(tuf, tmp_path)


def test_the_target_is_too_long(tuf: TufSimulator, tmp_path: Path) -> None:
    name = next(name for name in tuf.files if name.endswith(TARGET))
    tuf.files[name] = FIRST + b" "
    with pytest.raises(Unavailable, match="exceeding"):
        fetch(tuf, tmp_path)


def test_an_answer_is_larger_than_any_file_of_tuf(
    tuf: TufSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TUF_FILE_MAX_BYTES", 100)
    with pytest.raises(Unavailable, match="larger than 100 bytes"):
        fetch(tuf, tmp_path)


def test_the_copy_of_the_target_is_tampered_with(tuf: TufSimulator, tmp_path: Path) -> None:
    fetch(tuf, tmp_path)
    (tmp_path / TARGET).write_bytes(SECOND)
    assert fetch(tuf, tmp_path).data == FIRST


def test_there_is_no_trusted_root(tuf: TufSimulator, tmp_path: Path) -> None:
    tuf.publish(None)
    assert f"has no {TARGET}" in problem(tuf, tmp_path)


@pytest.mark.parametrize("status", [403, 404])
def test_that_there_is_no_newer_root_is_said_by_403_or_404(tuf: TufSimulator, tmp_path: Path, status: int) -> None:
    tuf.status["/2.root.json"] = status
    assert fetch(tuf, tmp_path).data == FIRST


@pytest.mark.parametrize("status", [401, 404, 503])
def test_it_does_not_answer_what_was_asked(tuf: TufSimulator, tmp_path: Path, status: int) -> None:
    tuf.status["*"] = status
    with pytest.raises(Unavailable, match=str(status)):
        fetch(tuf, tmp_path, seconds=0.2)


def test_a_black_hole_costs_the_time_that_was_given(tmp_path: Path) -> None:
    tuf = TufSimulator(FIRST)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tuf.url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable, match=r"time limit|in time"):
            fetch(tuf, tmp_path, seconds=0.2)


def test_work_that_nothing_interrupts_is_given_up() -> None:
    never = threading.Event()
    with pytest.raises(Unavailable, match=r"^the refresh took longer than 0\.05 seconds$"):
        finish_within(0.05, never.wait, what="the refresh")
    never.set()


def test_work_that_is_done_in_time() -> None:
    def fail() -> None:
        raise MalformedInput("broken")

    assert finish_within(5, lambda: 7, what="it") == 7
    with pytest.raises(MalformedInput, match="broken"):
        finish_within(5, fail, what="it")


def test_it_goes_through_the_proxy(tuf: TufSimulator, tmp_path: Path) -> None:
    proxy, tuf.url = tuf.url, "http://tuf.invalid/repository"
    tuf.files = {f"/repository{name}": data for name, data in tuf.files.items()}
    assert fetch(tuf, tmp_path, settings=HttpSettings(proxies={"http": proxy})).data == FIRST
    assert all(request.startswith("http://tuf.invalid/repository/") for request in tuf.requests)


def test_what_is_printed_holds_no_login(tmp_path: Path) -> None:
    with serve_tuf(TufSimulator(FIRST)) as tuf:
        tuf.url = tuf.url.replace("//", "//user:secret@")
        tuf.status["*"] = 404
        with pytest.raises(Unavailable) as caught:
            fetch(tuf, tmp_path)
        assert "secret" not in caught.value.message
        assert "secret" not in repr(TufRepository(url="", root=b"secret"))


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff"], ids=["empty", "cut", "deep", "no text"])
@pytest.mark.parametrize("name", ["timestamp.json", "snapshot.json", "targets.json", "root_history/2.root.json"])
def test_a_damaged_file_of_the_last_run(tuf: TufSimulator, tmp_path: Path, name: str, data: bytes) -> None:
    fetch(tuf, tmp_path)
    (tmp_path / name).write_bytes(data)
    assert fetch(tuf, tmp_path).data == FIRST


def test_a_folder_that_cannot_be_used(tuf: TufSimulator, tmp_path: Path) -> None:
    (tmp_path / "tuf").write_text("")
    with pytest.raises(ConfigInvalid, match="cannot be used"):
        fetch(tuf, tmp_path / "tuf")


@pytest.mark.parametrize("root", [b"", b"{}", b"null"])
def test_a_bootstrap_root_that_is_none(tuf: TufSimulator, tmp_path: Path, root: bytes) -> None:
    with pytest.raises(ConfigInvalid, match="root metadata"):
        fetch(tuf, tmp_path, root=root)


def test_the_shipped_bootstrap_root_is_one(tuf: TufSimulator, tmp_path: Path) -> None:
    # Whoever answers, it is not believed.
    with pytest.raises(MalformedInput, match="does not verify"):
        fetch(tuf, tmp_path, root=load_shipped_tuf_root())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["/2.root.json", "/timestamp.json", "/1.snapshot.json", "/1.targets.json"]),
    data=st.one_of(
        st.binary(max_size=50),
        st.builds(lambda text: text.encode(), st.sampled_from(["null", "[]", '{"signed": {}}', '{"signatures": []}'])),
        st.tuples(st.integers(0, 400), st.integers(1, 255)),
    ),
)
def test_any_bytes_are_refused(
    tuf: TufSimulator, tmp_path_factory: pytest.TempPathFactory, name: str, data: bytes | tuple[int, int]
) -> None:
    before = dict(tuf.files)
    good = tuf.files.get(name, tuf.root)
    if isinstance(data, tuple):
        place = data[0] % len(good)
        data = good[:place] + bytes([good[place] ^ data[1]]) + good[place + 1 :]
    tuf.files[name] = data
    try:
        fetched = fetch(tuf, tmp_path_factory.mktemp("tuf"))
    except (MalformedInput, Unavailable):
        return
    finally:
        tuf.files = before
    assert fetched.data == FIRST  # a changed byte outside of what is signed
