"""Credentials of npm registries, and where each may be sent (invariant I9).

They stand in .npmrc under "nerf darts", ``//HOST[:PORT]/PATH/``, and belong to every address below one. This is
npm-registry-fetch's ``lib/auth.js`` but for three cases in which it says more than it must: a credential does not leave
the encryption of its registry, no redirect to another origin brings one along, nor does a client certificate.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from guard.errors import ConfigInvalid
from guard.registry.credentials import Denial, Grant, Login, Origin, RequestCredentials, origin_of
from guard.registry.http_settings import is_loopback

_LAST_PIECE = re.compile(r"([^/]+|/)$")
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What .npmrc says under one nerf dart. Its text form holds no value."""

    dart: str
    settings: Mapping[str, str] = field(repr=False)

    @property
    def kind(self) -> str | None:
        """The setting by which npm finds that this entry holds a credential (``hasAuth``)."""
        for names in (("_authToken",), ("_auth",), ("username", "_password"), ("certfile", "keyfile")):
            if all(self.settings.get(name) for name in names):
                return names[0]
        return None

    def grant(self) -> Grant:
        """Return the credential (``class Auth``): a certificate may accompany any of the others.

        Raises:
            ConfigInvalid: it cannot be sent as a header.
        """
        header = self._header()
        if header is not None and not _HEADER_VALUE.fullmatch(header):
            raise ConfigInvalid(f"{self.dart}:{self.kind} in .npmrc holds characters that no credential may have")
        return Grant(header, self._client_cert())

    def _header(self) -> str | None:
        match self.kind:
            case "_authToken":
                return f"Bearer {self.settings['_authToken']}"
            case "_auth":
                return f"Basic {self.settings['_auth']}"
            case "username":
                return Login(self.settings["username"], _decode_password(self.settings["_password"])).authorization
            case _:
                return None

    def _client_cert(self) -> tuple[str, str] | None:
        """Return the files of a client certificate; as for npm, files that do not exist are none."""
        paths = (self.settings.get("certfile", ""), self.settings.get("keyfile", ""))
        return paths if all(path and Path(path).exists() for path in paths) else None


class NpmCredentials:
    """The credentials of one run. Thread-safe.

    Args:
        entries: by nerf dart, with or without the slash at its end, the settings that stand under it: ``_authToken``,
            ``_auth``, ``username``, ``_password``, ``certfile``, ``keyfile``.
    """

    def __init__(self, entries: Mapping[str, Mapping[str, str]]) -> None:
        made = (_Entry(dart, MappingProxyType(dict(settings))) for dart, settings in entries.items())
        self._entries = {entry.dart: entry for entry in made if entry.kind is not None}

    def for_request(self, url: str, registry: str | None, /) -> RequestCredentials:
        """Return the credentials of a request.

        Args:
            url: what is asked.
            registry: the registry of the package that it is asked for. Its credential goes to an address on its own
                host for which there is no entry, such as that of a tarball beside the registry's path (``getAuth``).
        """
        entry = self._entry_for(url)
        if entry is None and registry is not None and origin_of(registry).authority == origin_of(url).authority:
            entry = self._entry_for(registry)
        others = () if entry is not None else tuple(self._entries)
        return _NpmRequest(origin=origin_of(url), entry=entry, is_private=_is_private(url, registry), others=others)

    def _entry_for(self, url: str) -> _Entry | None:
        return next((self._entries[dart] for dart in _darts(url) if dart in self._entries), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _NpmRequest:
    """The credentials of one request.

    Args:
        origin: of what is asked.
        entry: the entry that holds for it.
        is_private: whether nobody else can read the request.
        others: nerf darts of all entries where none holds.
    """

    origin: Origin
    entry: _Entry | None
    is_private: bool
    others: tuple[str, ...]

    def grant(self, hop: str, /) -> Grant:
        """Return the credential, for the origin that was asked alone."""
        if self.entry is None or not self.is_private or origin_of(hop) != self.origin:
            return Grant()
        return self.entry.grant()

    def ask_again(self, _hop: str, _username: str, /) -> str | None:
        """Return nothing: npm has no keyring."""
        return None

    def explain_denial(self, hop: str, status: int, /) -> Denial | None:
        """Name the entries of .npmrc that were looked at, never their values."""
        if status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return None
        origin = origin_of(hop)
        if origin != self.origin:
            return Denial(f".npmrc: not looked at for {origin.authority}, to which {self.origin.authority} redirects")
        if self.entry is None:
            there = f"has entries for {', '.join(self.others)}" if self.others else "has none for any host"
            hint = f"npm config set //{origin.authority}/:_authToken TOKEN"
            return Denial(f".npmrc: no entry names {origin.host}; it {there}", hint)
        named = f".npmrc: {self.entry.dart}:{self.entry.kind}"
        if not self.is_private:
            return Denial(f"{named} was not sent: {origin.host} is asked without encryption")
        return Denial(f"{named} was refused by the server")


def _darts(url: str) -> Iterator[str]:
    """Yield the nerf darts that cover an address, the longest first (``regFromURI``)."""
    path = urlsplit(url).path or "/"
    # Whoever receives such a path may leave the folder that a credential is for.
    dart = f"//{origin_of(url).authority}{'/' if _DOT_SEGMENT.search(path) else path}"
    while len(dart) > len("//"):
        yield dart
        dart = _LAST_PIECE.sub("", dart)


def _is_private(url: str, registry: str | None) -> bool:
    """Whether a credential may be sent there: encrypted, inside this machine, or as the user wrote the registry."""
    origin = origin_of(url)
    is_as_written = registry is not None and origin_of(registry) == origin
    return origin.scheme == "https" or is_loopback(origin.host) or is_as_written


def _decode_password(text: str) -> str:
    """Decode ``_password`` as Node's ``Buffer.from(text, "base64")`` does, which takes anything."""
    letters = _NOT_BASE64.sub("", text.partition("=")[0].replace("-", "+").replace("_", "/"))
    whole = letters[:-1] if len(letters) % 4 == 1 else letters
    return base64.b64decode(whole + "=" * (-len(whole) % 4)).decode("utf-8", "replace")
