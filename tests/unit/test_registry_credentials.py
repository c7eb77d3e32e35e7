"""Where logins come from, the origins they go to, and that they are never shown."""

from __future__ import annotations

import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import ConfigInvalid
from guard.registry.credentials import (
    Credentials,
    Login,
    keyring_command,
    netrc_path_from_environment,
    origin_of,
    redact_url,
    split_url_credentials,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/simple/", "https://a.example/simple/"),
        ("https://user:hunter2@a.example:8443/x", "https://a.example:8443/x"),
        ("https://hunter2@a.example/x", "https://a.example/x"),
        ("https://user:hun@ter2@a.example/x", "https://a.example/x"),
        ("https://user:hun/ter2@a.example/x", "https://****"),
        ("https://user:hun#ter2@a.example/x", "https://****"),
        ("https://user:hun?ter2@a.example/x", "https://****"),
        ("https://a.example/x?token=hunter2&b=1", "https://a.example/x?****"),
        ("https://a.example/x?hunter2", "https://a.example/x?****"),
        ("https://a.example/x#hunter2", "https://a.example/x"),
        ("https://[::1]:80/x", "https://[::1]:80/x"),
        ("https://[hunter2/x", "https://****"),
        ("https://a.example/@scope/x@1", "https://a.example/@scope/x@1"),
        ("git+ssh://git:hunter2@a.example/x", "git+ssh://a.example/x"),
        ("file:///srv/simple", "file:///srv/simple"),
        ("https://a.example/\x1b[31m\n", "https://a.example/\ufffd[31m\ufffd"),
        ("not a url", "not a url"),
    ],
)
def test_redacted_urls(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(st.text(alphabet=st.sampled_from("ab:/?#@[]%.\n"), max_size=20))
def test_whatever_surrounds_it_a_password_is_not_shown(noise: str) -> None:
    assert "hunter2" not in redact_url(f"https://user:hunter2@{noise}")
    assert "hunter2" not in redact_url(f"https://user:{noise.replace('/', '')}hunter2@host/")


@pytest.mark.parametrize(
    ("url", "bare", "login"),
    [
        ("https://a.example/x", "https://a.example/x", None),
        ("https://u:p@a.example/x?y#z", "https://a.example/x?y#z", ("u", "p")),
        ("https://u@a.example/x", "https://a.example/x", ("u", "")),
        ("https://u%40corp:p%3A%2F@a.example/", "https://a.example/", ("u@corp", "p:/")),
        ("https://u:p:q@a.example/", "https://a.example/", ("u", "p:q")),
        ("https://u:p@q@a.example/", "https://a.example/", ("u", "p@q")),
        ("https://:p@a.example/", "https://a.example/", ("", "p")),
    ],
)
def test_credentials_are_split_off(url: str, bare: str, login: tuple[str, str] | None) -> None:
    assert split_url_credentials(url) == (bare, login)


def test_a_login_does_not_show_itself() -> None:
    login = Login("user", "hunter2")
    assert "hunter2" not in f"{login} {login!r} {login!s} {[login]}"


@pytest.mark.parametrize(
    ("url", "given_to"),
    [
        ("https://a.example/simple/six/", True),
        ("https://a.example/other", True),
        ("https://A.EXAMPLE:443/simple/", True),
        ("http://a.example/simple/", False),
        ("https://a.example:8443/simple/", False),
        ("https://b.a.example/simple/", False),
        ("https://a.example.evil/simple/", False),
        ("https://example/simple/", False),
    ],
)
def test_a_login_from_a_url_goes_to_its_origin_only(url: str, given_to: bool) -> None:
    credentials = Credentials()
    assert credentials.add_url("https://u:p@a.example/simple") == "https://a.example/simple"
    assert credentials.for_url(url) == (Login("u", "p") if given_to else None)


def test_between_indexes_of_one_origin_the_longest_common_path_wins() -> None:
    credentials = Credentials()
    for name in ("team", "team-b", "team/inner"):
        credentials.add_url(f"https://{name.replace('/', '.')}:p@a.example/{name}/simple")
    assert [
        (credentials.for_url(f"https://a.example/{path}/simple/six/") or Login("", "")).username
        for path in ("team", "team-b", "team/inner")
    ] == ["team", "team-b", "team.inner"]


def test_an_address_that_does_not_parse_is_a_configuration_error_without_its_password() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        Credentials().add_url("https://user:hunter2@host:port/")
    assert "hunter2" not in caught.value.message


# netrc


@pytest.fixture
def netrc(tmp_path: Path) -> Path:
    path = tmp_path / "netrc"
    path.write_text("machine A.example login u password p\ndefault login anyone password everywhere\n")
    return path


def test_netrc_goes_to_the_machine_it_names(netrc: Path) -> None:
    credentials = Credentials(netrc_path=netrc)
    assert credentials.for_url("https://a.example:8443/x") == ("u", "p")


def test_the_default_of_netrc_goes_nowhere(netrc: Path) -> None:
    assert Credentials(netrc_path=netrc).for_url("https://b.example/x") is None


def test_a_complete_login_in_the_url_wins_over_netrc(netrc: Path) -> None:
    credentials = Credentials(netrc_path=netrc)
    credentials.add_url("https://x:y@a.example/simple")
    assert credentials.for_url("https://a.example/simple/six") == ("x", "y")


def test_netrc_wins_over_a_user_name_alone(netrc: Path) -> None:
    credentials = Credentials(netrc_path=netrc)
    credentials.add_url("https://token@a.example/simple")
    credentials.add_url("https://token@b.example/simple")
    assert credentials.for_url("https://a.example/simple/six") == ("u", "p")
    assert credentials.for_url("https://b.example/simple/six") == ("token", "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"machine a.example login u hunter2 x\n", "does not parse (line 1)"),
        (b"\xff\xfe", "cannot be read"),
        (None, "does not exist"),
    ],
    ids=["syntax", "bytes", "missing"],
)
def test_a_bad_netrc_counts_as_empty_and_is_named(tmp_path: Path, text: bytes | None, problem: str) -> None:
    path = tmp_path / "netrc"
    if text is not None:
        path.write_bytes(text)
    credentials = Credentials(netrc_path=path)
    assert credentials.for_url("https://a.example/") is None
    said = credentials.describe_search("https://a.example/")
    assert f"{path} {problem}" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("environ", "files", "found"),
    [
        ({}, [], None),
        ({}, [".netrc", "_netrc"], ".netrc"),
        ({}, ["_netrc"], "_netrc"),
        ({"NETRC": "/else/where"}, [".netrc"], "/else/where"),
    ],
    ids=["none", "dot first", "underscore", "NETRC"],
)
def test_which_netrc(environ: Mapping[str, str], files: Sequence[str], found: str | None, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert netrc_path_from_environment(environ, tmp_path) == (None if found is None else tmp_path / found)


# keyring


class FakeKeyring:
    """Knows passwords by service and user name, and logins by service."""

    def __init__(self, passwords: Mapping[tuple[str, str], str], logins: Mapping[str, str]) -> None:
        self.passwords = passwords
        self.logins = logins
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, arguments: Sequence[str]) -> str | None:
        self.asked.append(tuple(arguments))
        match arguments:
            case ["get", service, username]:
                return self.passwords.get((service, username))
            case ["--mode", "creds", "get", service]:
                return self.logins.get(service)
        pytest.fail(f"unknown keyring command {arguments}")


def test_the_keyring_is_asked_by_index_url_then_host_and_once() -> None:
    keyring = FakeKeyring({}, {"a.example:8443": "u\np\n"})
    credentials = Credentials(keyring=keyring)
    credentials.add_url("https://a.example:8443/simple")
    assert credentials.for_url("https://a.example:8443/simple/six/") is None
    assert keyring.asked == []
    for _ in range(2):
        assert credentials.ask_keyring("https://a.example:8443/simple/six/") == ("u", "p")
    assert [asked[-1] for asked in keyring.asked] == ["https://a.example:8443/simple", "a.example:8443"]
    assert credentials.for_url("https://a.example:8443/files/six.whl") == ("u", "p")
    assert credentials.for_url("https://a.example/files/six.whl") is None


def test_a_keyring_that_knows_nothing_is_asked_once() -> None:
    keyring = FakeKeyring({}, {})
    credentials = Credentials(keyring=keyring)
    for _ in range(2):
        assert credentials.ask_keyring("https://a.example/x") is None
    assert keyring.asked == [("--mode", "creds", "get", "a.example")]
    assert "keyring: has no login" in credentials.describe_search("https://a.example/x")


@pytest.mark.parametrize("in_request", [False, True], ids=["of the index", "of the request"])
def test_a_known_user_name_is_looked_up(in_request: bool) -> None:
    keyring = FakeKeyring({("a.example", "u"): "p\n"}, {})
    credentials = Credentials(keyring=keyring)
    if not in_request:
        credentials.add_url("https://u@a.example/simple")
    found = credentials.ask_keyring("https://a.example/simple/six/", "u" if in_request else "")
    assert found == ("u", "p")
    assert credentials.for_url("https://a.example/simple/six/") == ("u", "p")


def test_the_keyring_is_not_asked_beside_a_complete_login() -> None:
    keyring = FakeKeyring({}, {"a.example": "u\np\n"})
    credentials = Credentials(keyring=keyring)
    credentials.add_url("https://x:y@a.example/simple")
    assert credentials.ask_keyring("https://a.example/simple/") is None
    assert keyring.asked == []
    assert "keyring: not asked" in credentials.describe_search("https://a.example/simple/")


def test_the_keyring_is_not_asked_unless_enabled() -> None:
    credentials = Credentials()
    assert credentials.ask_keyring("https://a.example/") is None
    assert "keyring: not enabled" in credentials.describe_search("https://a.example/")


@pytest.mark.parametrize("output", ["", "only one line\n", "a\nb\nc\n"])
def test_what_the_keyring_says_must_be_a_login(output: str) -> None:
    assert Credentials(keyring=lambda _: output).ask_keyring("https://a.example/") is None


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("print('user'); print('päss')", "user\npäss\n"),
        ("raise SystemExit(1)", None),
        ("import sys; sys.stdout.buffer.write(b'\\xff')", None),
    ],
    ids=["found", "status 1", "not text"],
)
def test_the_keyring_program(script: str, output: str | None, tmp_path: Path) -> None:
    program = tmp_path / "keyring"
    program.write_text(f"#!{sys.executable} -Xutf8\n{script}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert keyring_command(str(program))(["get", "a", "b"]) == output


def test_a_keyring_program_that_does_not_exist_has_nothing(tmp_path: Path) -> None:
    assert keyring_command(str(tmp_path / "keyring"))(["get", "a", "b"]) is None


def test_origins_fill_in_the_default_port() -> None:
    assert origin_of("https://A.example/") == origin_of("https://a.example:443/x")
    assert origin_of("http://a.example/") != origin_of("https://a.example/")
