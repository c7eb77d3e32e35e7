"""What the lockfiles of npm, yarn, pnpm and bun have in common: text, names, versions, integrities, typed members."""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Mapping

from guard_lockfiles.errors import MalformedLockfile

# Far beyond real files, whose largest are some 10 MB.
DOCUMENT_MAX_BYTES = 32 * 1024 * 1024
ENTRIES_MAX_COUNT = 200_000
_TEXT_MAX_CHARACTERS = 8192
_SHOWN_MAX_CHARACTERS = 300

# validate-npm-package-name, ``validForOldPackages``, except that a reserved name is no package either.
NAME = re.compile(
    r"(?:@[A-Za-z0-9._~!*'()-]+/)?"
    r"(?!node_modules(?:/|$)|favicon\.ico(?:/|$))[A-Za-z0-9~!*'()-][A-Za-z0-9._~!*'()-]*"
)
# semver.org, section 2, 9 and 10, as node-semver's strict ``valid`` takes it.
SEMVER = re.compile(
    r"(?:0|[1-9][0-9]{0,15})(?:\.(?:0|[1-9][0-9]{0,15})){2}(?:-[0-9A-Za-z.-]{1,200})?(?:\+[0-9A-Za-z.-]{1,200})?"
)
_VERSION = re.compile(r"[^\s/\\:@#?%]{1,256}")
# Subresource Integrity (W3C SRI, section 3.5), each value of exactly its algorithm's length; the tools' ssri passes
# over what it cannot read, and then checks nothing.
SRI = re.compile(
    r"(?:sha512-[A-Za-z0-9+/]{85}[AQgw]==|sha384-[A-Za-z0-9+/]{64}|sha256-[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="
    r"|sha1-[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=|md5-[A-Za-z0-9+/]{21}[AQgw]==)(?:\?[!-~]*)?"
)
_CONFLICT_MARKERS = ("<<<<<<<", "=======", ">>>>>>>")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# Hosts that serve commits of repositories as archives, which yarn and pnpm ask for (pnpm, ``isGitHostedTarballUrl``),
# and where in such an address the commit stands.
_GIT_ARCHIVE_HOSTS = ("https://codeload.github.com/", "https://bitbucket.org/", "https://gitlab.com/")
_COMMIT_IN_ARCHIVE = re.compile(
    r"https://(?:codeload\.github\.com/[^/]+/[^/]+/(?:legacy\.)?tar\.gz/(?P<github>[0-9a-f]{40})"
    r"|bitbucket\.org/[^/]+/[^/]+/get/(?P<bitbucket>[0-9a-f]{40})\.tar\.gz"
    r"|gitlab\.com/[^?#]+/archive\.tar\.gz\?(?:ref|sha)=(?P<gitlab>[0-9a-f]{40}))"
)


class Unreadable(Exception):
    """Why an entry is unreadable, without values of the file."""


def decode_document(data: bytes, *, tool: str) -> str:
    """Return a lockfile's text, without a byte order mark.

    Args:
        data: its bytes.
        tool: the name of the tool that owns it.

    Raises:
        MalformedLockfile: it is too large, no UTF-8, or a merge that was not finished, of which the tools make
            something themselves.
    """
    if len(data) > DOCUMENT_MAX_BYTES:
        raise MalformedLockfile(f"larger than {DOCUMENT_MAX_BYTES // 1024 // 1024} MB")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise MalformedLockfile(f"UTF-16, which {tool} does not read")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedLockfile("not UTF-8", line=data.count(b"\n", 0, error.start) + 1) from error
    if all(marker in text for marker in _CONFLICT_MARKERS):
        line = text.count("\n", 0, text.index(_CONFLICT_MARKERS[0])) + 1
        raise MalformedLockfile("a merge with conflicts was not finished", line=line)
    return text


def printable(text: str) -> str:
    """Return the start of ``text`` with every character that could steer a terminal spelled out."""
    shown = text[:_SHOWN_MAX_CHARACTERS]
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in shown)


def check_count(count: int, line: int) -> None:
    """Refuse a file with too many entries.

    Raises:
        MalformedLockfile: ``count`` is above the limit.
    """
    if count > ENTRIES_MAX_COUNT:
        raise MalformedLockfile(f"more than {ENTRIES_MAX_COUNT} entries", line=line)


def check_name(name: str) -> str:
    """Return a package's name.

    Raises:
        Unreadable: it is none.
    """
    if len(name) > _TEXT_MAX_CHARACTERS or not NAME.fullmatch(name):
        raise Unreadable("no package name")
    return name


def check_version(version: str) -> str:
    """Return a version as written.

    Raises:
        Unreadable: it cannot be one.
    """
    if not _VERSION.fullmatch(version) or not version.isprintable():
        raise Unreadable("no version")
    return version


def check_text(text: str, what: str) -> str:
    """Return a text of bounded length that steers no terminal.

    Raises:
        Unreadable: it is none.
    """
    if len(text) > _TEXT_MAX_CHARACTERS or not text.isprintable():
        raise Unreadable(f"{what} holds control characters, or too many")
    return text


def digests_of(integrity: str | None) -> tuple[str, ...]:
    """Return the digests of a Subresource Integrity value, as ``ALGORITHM:HEX``.

    Args:
        integrity: one value or several; ``None`` has none.

    Raises:
        Unreadable: one of them is no such value.
    """
    if integrity is None:
        return ()
    values = integrity.split(" ")
    if not all(SRI.fullmatch(value) for value in values):
        raise Unreadable("`integrity` is no Subresource Integrity value")
    pairs = (value.partition("?")[0].partition("-") for value in values)
    return tuple(dict.fromkeys(f"{name}:{base64.b64decode(encoded).hex()}" for name, _, encoded in pairs))


def commit_of(text: str) -> str | None:
    """Return ``text`` where it is the whole name of a git commit; else ``None``."""
    return text if _COMMIT.fullmatch(text) else None


def is_git_archive(address: str) -> bool:
    """Return whether an address is that of a git commit as an archive."""
    return address.startswith(_GIT_ARCHIVE_HOSTS) and "tar.gz" in address


def commit_of_archive(address: str) -> str | None:
    """Return the commit that the address of such an archive names; ``None`` where it names none."""
    match = _COMMIT_IN_ARCHIVE.fullmatch(address)
    return match[match.lastgroup or 0] if match else None


def read_object(value: Mapping[str, object], key: str) -> Mapping[str, object]:
    """Return a member that is an object; empty where there is none.

    Raises:
        Unreadable: it is something else.
    """
    member = value.get(key)
    if member is None:
        return {}
    if not isinstance(member, dict):
        raise Unreadable(f"`{key}` is not an object")
    return member


def read_text(value: Mapping[str, object], key: str) -> str | None:
    """Return a member that is a text which steers no terminal; ``None`` where there is none.

    Raises:
        Unreadable: it is something else.
    """
    member = value.get(key)
    if member is None:
        return None
    if not isinstance(member, str):
        raise Unreadable(f"`{key}` is not a string")
    return check_text(member, f"`{key}`")


def read_texts(value: Mapping[str, object], key: str) -> tuple[str, ...]:
    """Return a member that is a list of texts, or one text.

    Raises:
        Unreadable: it is something else.
    """
    member = value.get(key)
    if member is None:
        return ()
    texts = [member] if isinstance(member, str) else member
    if not isinstance(texts, list):
        raise Unreadable(f"`{key}` is not a list of strings")
    found: list[str] = []
    for text in texts:
        if not isinstance(text, str):
            raise Unreadable(f"`{key}` is not a list of strings")
        found.append(check_text(text, f"`{key}`"))
    return tuple(found)


def read_flag(value: Mapping[str, object], key: str) -> bool:
    """Return a member that is true or false; false where there is none.

    Raises:
        Unreadable: it is something else.
    """
    member = value.get(key)
    if not isinstance(member, bool | None):
        raise Unreadable(f"`{key}` is neither true nor false")
    return bool(member)
