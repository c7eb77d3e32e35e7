"""Credentials: what the HTTP layer asks about them, and those of Python package indexes (invariant I9).

A login belongs to a scheme, host and port; between several indexes of one origin the one with the longest common
path wins. Nothing here prints a secret: :class:`Login` hides itself and :func:`redact_url` names URLs in messages.
"""

from __future__ import annotations

import base64
import functools
import netrc
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from guard.errors import ConfigInvalid

KeyringRunner = Callable[[Sequence[str]], "str | None"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PLAIN_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]@]*)(:[0-9]*)?")
# A plugin may wait for the user to confirm a device code in a browser.
_KEYRING_TIMEOUT_SECONDS = 300.0


class Login(NamedTuple):
    """A user name and password. Its text form says neither."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Login(****)"

    @property
    def authorization(self) -> str:
        """Header value (RFC 7617, section 2.1): in UTF-8, where requests would fail on what Latin-1 lacks."""
        pair = f"{self.username}:{self.password}".encode("utf-8", "surrogateescape")
        return f"Basic {base64.b64encode(pair).decode()}"


class Grant(NamedTuple):
    """What accompanies one request. Its text form does not say it.

    Args:
        authorization: value of the Authorization header.
        client_cert: PEM files with a client certificate and its key.
    """

    authorization: str | None = None
    client_cert: tuple[str, str] | None = None

    def __repr__(self) -> str:
        return "Grant(****)"


class Denial(NamedTuple):
    """Why a server may have denied access, in words: where a login was looked for, and the next step."""

    reason: str
    hint: str = ""


class RequestCredentials(Protocol):
    """The credentials of one request and of the redirects that follow it."""

    def grant(self, hop: str, /) -> Grant:
        """Return what goes to ``hop``, which is the address that was asked for or one that it redirects to."""

    def ask_again(self, hop: str, username: str, /) -> str | None:
        """Return another header value after ``hop`` answered 401, ``None`` where there is none.

        Args:
            hop: what the server refused.
            username: the user name in that URL, or the empty string.
        """

    def explain_denial(self, hop: str, status: int, /) -> Denial | None:
        """Say where a login for ``hop`` was looked for, after it answered 401 or 403."""


class CredentialSource(Protocol):
    """What the HTTP layer asks for credentials: those of pip's indexes, or of npm's registries."""

    def for_request(self, url: str, registry: str | None, /) -> RequestCredentials:
        """Return the credentials of a request.

        Args:
            url: what is asked, without credentials of its own.
            registry: the npm registry on whose behalf it is asked.
        """


class Origin(NamedTuple):
    """What a credential belongs to (RFC 6454, section 4)."""

    scheme: str
    host: str
    port: int | None

    @property
    def authority(self) -> str:
        """``HOST`` or ``HOST:PORT`` as WHATWG's URL writes it: without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (None, _DEFAULT_PORTS.get(self.scheme)) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _KnownIndex:
    origin: Origin
    url: str
    login: Login | None


def redact_url(url: str) -> str:
    """Return ``url`` fit for a message: without user name, password, query values, fragment or control characters.

    Any text is accepted, so that a message about a broken URL does not leak what the parser choked on.
    """
    text = url
    if not url.isprintable():
        text = "".join(character if character.isprintable() else "\ufffd" for character in url)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    address, question, _ = rest.partition("#")[0].partition("?")
    authority, slash, path = address.partition("/")
    host = authority.rpartition("@")[2]
    if not _PLAIN_AUTHORITY.fullmatch(host):
        return f"{scheme}://****"
    return f"{scheme}://{host}{slash}{path}{'?****' if question else ''}"


def without_secrets(url: str) -> str:
    """Return ``url`` fit to be kept: without user name, password, query and fragment; nothing of one that is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def split_url_credentials(url: str) -> tuple[str, Login | None]:
    """Split the user name and password off ``url``, percent-decoded (RFC 3986, section 3.2.1).

    Returns:
        The URL without them, and the login or ``None``. A missing password is the empty string.
    """
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    username, _, password = userinfo.partition(":")
    return urlunsplit(parts._replace(netloc=host)), Login(unquote(username), unquote(password))


@functools.lru_cache(maxsize=1024)  # each request asks a dozen times
def origin_of(url: str) -> Origin:
    """Return the origin of ``url``, with the scheme's default port filled in.

    Raises:
        ValueError: the host or port does not parse.
    """
    parts = urlsplit(url)
    return Origin(parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme))


def netrc_path_from_environment(environ: Mapping[str, str], home: Path) -> Path | None:
    """Return the netrc file that requests and pip would read: ``NETRC``, else ``~/.netrc``, else ``~/_netrc``."""
    if named := environ.get("NETRC"):
        return Path(named)
    return next((path for path in (home / ".netrc", home / "_netrc") if path.is_file()), None)


def keyring_command(executable: str) -> KeyringRunner:
    """Return a runner of the ``keyring`` program: its output, or ``None`` where it has or does nothing."""

    def run(arguments: Sequence[str]) -> str | None:
        try:
            # stderr stays the user's: plugins print there how to log in.
            done = subprocess.run(
                [executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                timeout=_KEYRING_TIMEOUT_SECONDS,
                check=False,
            )
        except (OSError, UnicodeError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    return run


class Credentials:
    """The logins of one run. Thread-safe.

    Args:
        netrc_path: the netrc file, or ``None`` for none. One that does not parse counts as empty, as it does for
            pip, and is named when a server asks for credentials. Its ``default`` entry is not used: that would send
            a password to any host a page links to.
        keyring: runs ``keyring`` with arguments; ``None`` unless the keyring provider is ``subprocess``.
    """

    def __init__(self, *, netrc_path: Path | None = None, keyring: KeyringRunner | None = None) -> None:
        self._known: tuple[_KnownIndex, ...] = ()
        self._netrc_path = netrc_path
        self._netrc, self._netrc_problem = _load_netrc(netrc_path)
        self._keyring = keyring
        self._from_keyring: dict[Origin, Login | None] = {}
        self._lock = threading.Lock()

    def add_url(self, url: str) -> str:
        """Remember an index, with the login in its URL where there is one.

        Returns:
            The URL without credentials.

        Raises:
            ConfigInvalid: the URL does not parse.
        """
        try:
            bare, login = split_url_credentials(url)
            index = _KnownIndex(origin_of(bare), bare, login)
        except ValueError:
            # Its message is dropped: it quotes what stands beside the password.
            raise ConfigInvalid(f"not a valid address: {redact_url(url)}") from None
        with self._lock:
            self._known += (index,)
        return bare

    def for_request(self, _url: str, _registry: str | None, /) -> RequestCredentials:
        """Return itself: each redirect gets the login of its own origin, as pip has it."""
        return self

    def grant(self, hop: str, /) -> Grant:
        """Return the login for ``hop`` as a header value."""
        login = self.for_url(hop)
        return Grant(login.authorization if login else None)

    def ask_again(self, hop: str, username: str, /) -> str | None:
        """Ask the keyring."""
        login = self.ask_keyring(hop, username)
        return login.authorization if login else None

    def explain_denial(self, hop: str, status: int, /) -> Denial | None:
        """Say where a login was looked for, after a 401."""
        if status != HTTPStatus.UNAUTHORIZED:
            return None
        hint = f"add a line to your netrc file: machine {origin_of(hop).host} login USER password PASSWORD"
        return Denial(self.describe_search(hop), hint)

    def for_url(self, url: str) -> Login | None:
        """Return the login to send with a request for ``url``, which carries none itself.

        In pip's order: a complete login of a known index, what the keyring gave, netrc, a user name alone.
        """
        origin = origin_of(url)
        named = self._named_login(url)
        if named is not None and named.password:
            return named
        return self._from_keyring.get(origin) or self._netrc.get(origin.host) or named

    def ask_keyring(self, url: str, username: str = "") -> Login | None:
        """Ask the keyring for a login, after the server answered 401; each origin is asked about once.

        Args:
            url: what the server refused.
            username: the user name in that URL, if any.
        """
        named = self._named_login(url)
        if self._keyring is None or (named is not None and named.password):
            return None
        origin = origin_of(url)
        username = username or (named.username if named else "")
        with self._lock:
            if origin not in self._from_keyring:
                answers = (_keyring_login(self._keyring, service, username) for service in self._services(url))
                self._from_keyring[origin] = next((login for login in answers if login is not None), None)
            return self._from_keyring[origin]

    def describe_search(self, url: str) -> str:
        """Say in words where guard looked for a login for ``url``, for the message about a 401."""
        origin = origin_of(url)
        named = self._named_login(url)
        return "; ".join(
            (
                "index URL: " + ("refused by the server" if named else "no user name"),
                "netrc: " + self._describe_netrc(origin.host),
                "keyring: " + self._describe_keyring(origin),
            )
        )

    def _describe_netrc(self, host: str) -> str:
        if self._netrc_path is None:
            return "no file"
        if self._netrc_problem:
            return f"{self._netrc_path} {self._netrc_problem}"
        return f"{self._netrc_path} " + ("refused by the server" if host in self._netrc else f"does not name {host}")

    def _describe_keyring(self, origin: Origin) -> str:
        if self._keyring is None:
            return "not enabled (--keyring-provider subprocess)"
        if origin not in self._from_keyring:
            return "not asked"
        return "refused by the server" if self._from_keyring[origin] else "has no login"

    def _named_login(self, url: str) -> Login | None:
        return next((index.login for index in self._matches(url) if index.login is not None), None)

    def _services(self, url: str) -> Iterator[str]:
        """Yield the names under which pip looks in a keyring: the index URL, then its host."""
        yield from (index.url for index in self._matches(url)[:1])
        yield urlsplit(url).netloc.rpartition("@")[2]

    def _matches(self, url: str) -> list[_KnownIndex]:
        """Return the known indexes of the same origin, best first."""
        origin = origin_of(url)
        same_origin = [index for index in self._known if index.origin == origin]
        return sorted(same_origin, key=lambda index: _common_segments(index.url, url), reverse=True)


def _common_segments(left: str, right: str) -> int:
    pairs = zip(urlsplit(left).path.split("/"), urlsplit(right).path.split("/"), strict=False)
    count = 0
    for one, other in pairs:
        if one != other:
            break
        count += 1
    return count


def _load_netrc(path: Path | None) -> tuple[dict[str, Login], str]:
    """Return the logins by host, and what is wrong with the file; never its text, which holds passwords."""
    if path is None:
        return {}, ""
    try:
        entries = netrc.netrc(str(path)).hosts
    except FileNotFoundError:
        return {}, "does not exist"
    except netrc.NetrcParseError as error:
        return {}, f"does not parse (line {error.lineno})"
    except (OSError, UnicodeError):
        return {}, "cannot be read"
    logins = {host.lower(): Login(login or "", password or "") for host, (login, _, password) in entries.items()}
    logins.pop("default", None)
    return logins, ""


def _keyring_login(run: KeyringRunner, service: str, username: str) -> Login | None:
    """Ask for one service, by the two commands of keyring's documentation ("Command-line Utility")."""
    if username:
        password = run(["get", service, username])
        return Login(username, password.rstrip("\r\n")) if password else None
    lines = (run(["--mode", "creds", "get", service]) or "").splitlines()
    return Login(lines[0], lines[1]) if len(lines) == 2 else None
