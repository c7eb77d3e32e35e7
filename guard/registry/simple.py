"""Pages of the simple repository API: bytes of an index to typed values (PEP 503, 592, 658, 691, 700, 714, 740).

A page is read completely or refused completely: a wrong digest or address anywhere in it makes it
:class:`~guard.errors.MalformedInput`, so that what is left of a page never looks like a whole one. Files that a page
lists for another project are left out with a reason, as pip does.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from guard import limits
from guard.errors import MalformedInput, malformed_input_boundary
from guard.model import Digest
from guard.registry.credentials import redact_url
from guard.registry.simple_html import HtmlLinks, parse_html_links

# What pip installs or unpacks, longest suffix first (pip's documentation of --find-links and of source distributions).
ARCHIVE_SUFFIXES = (
    ".tar.lzma", ".tar.bz2", ".tar.gz", ".tar.xz", ".tar.lz", ".whl", ".zip", ".tgz", ".tbz", ".txz", ".tlz", ".tar",
)  # fmt: skip

# PEP 691 allows every algorithm of hashlib; one that guard does not compare is no reason to refuse the page.
_READ_ALGORITHMS = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b"})
_LINK_SCHEMES = frozenset({"http", "https", "file"})
_PLAIN_ADDRESS = re.compile(r"(https?://[^/?#]+)/[^?#]*")
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOT_IN_FILENAMES = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|z|[+-]\d\d:\d\d)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFile:
    """One file that an index or a find-links location offers.

    Args:
        filename: as the index writes it; it holds no path separator.
        url: absolute, without fragment.
        digests: those the index lists, the strong ones first; empty when it lists none.
        requires_python: version specifier, or ``None``.
        yanked: the reason, empty when none is given; ``None`` for a file that is not yanked (PEP 592).
        core_metadata: digest of the metadata file, where the index lists one (PEP 658, PEP 714).
        has_core_metadata: whether ``URL.metadata`` exists.
        provenance_url: address of the provenance object (PEP 740), absolute.
        upload_time: aware, UTC (PEP 700).
        size_bytes: PEP 700.
        version: normalised version from the file name, or ``None`` where that does not parse.
    """

    filename: str
    url: str
    digests: tuple[Digest, ...] = ()
    requires_python: str | None = None
    yanked: str | None = None
    core_metadata: Digest | None = None
    has_core_metadata: bool = False
    provenance_url: str | None = None
    upload_time: datetime | None = None
    size_bytes: int | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectPage:
    """Everything that one index page says about one project.

    Args:
        name: normalised (PEP 503).
        url: of the page, credentials removed.
        files: in the page's order; a file name may stand twice.
        carries_provenance_key: whether any file has the ``provenance`` key, even with null for its value.
        has_json: whether the page was JSON (PEP 691).
        skipped: file names that were left out, each with the reason.
    """

    name: str
    url: str
    files: tuple[IndexFile, ...] = ()
    carries_provenance_key: bool = False
    has_json: bool = False
    skipped: tuple[tuple[str, str], ...] = ()


def parse_project_json(body: bytes, *, url: str, project: str) -> ProjectPage:
    """Parse a project page in JSON (PEP 691, with 700, 714 and 740).

    Args:
        body: the page.
        url: where it came from, after redirects; relative links are relative to it.
        project: the name that was asked for.

    Raises:
        MalformedInput: naming the page and the place in it.
    """
    name = canonicalize_name(project)
    shown = redact_url(url)
    if len(body) > limits.INDEX_PAGE_MAX_BYTES:
        raise MalformedInput(f"index page {shown} is larger than {limits.INDEX_PAGE_MAX_BYTES} bytes")
    with malformed_input_boundary(f"index page {shown}"):
        try:
            document = _object(json.loads(body), "page")
            _require_depth(document)
            _require_api_version(document)
            entries = [_object(entry, f"files[{n}]") for n, entry in enumerate(_list(document.get("files"), "files"))]
            read = [_file_from_json(entry, f"files[{n}]", url) for n, entry in enumerate(entries)]
        except MalformedInput as error:
            raise _naming_page(error, shown) from error
        return _page(name, url, read, has_json=True, has_key=any("provenance" in entry for entry in entries))


def parse_project_html(body: bytes, *, url: str, project: str, charset: str = "utf-8") -> ProjectPage:
    """Parse a project page in HTML (PEP 503, with 592, 629, 658, 714 and 740).

    A page without any file is one of an index only where it states so: else it may be anybody's, such as that of a
    network which wants a login first, and would make every project look empty.

    Args:
        body: the page.
        url: where it came from, after redirects.
        project: the name that was asked for.
        charset: character set that its server stated.

    Raises:
        MalformedInput: naming the page and the place in it.
    """
    links = parse_html_links(body, url=url, charset=charset)
    page = page_from_links(links, url=url, project=project)
    if not page.files and not page.skipped and not links.repository_version:
        raise MalformedInput(f"{redact_url(url)} is no index page: it is HTML that links to no file")
    return page


def page_from_links(links: HtmlLinks, *, url: str, project: str) -> ProjectPage:
    """Make sense of a page's anchors for one project. Anchors that do not end like an archive are no files.

    Args:
        links: from :func:`guard.registry.simple_html.parse_html_links`.
        url: where the page came from.
        project: the name that was asked for.

    Raises:
        MalformedInput: naming the page and the place in it.
    """
    with malformed_input_boundary(f"index page {redact_url(url)}"):
        try:
            read = [
                _file_from_anchor(anchor, f"files[{n}]", links.base_url, url)
                for n, anchor in enumerate(a for a in links.anchors if is_archive(link_filename(a["href"])))
            ]
        except MalformedInput as error:
            raise _naming_page(error, redact_url(url)) from error
        has_key = any("data-provenance" in anchor for anchor in links.anchors)
        return _page(canonicalize_name(project), url, read, has_json=False, has_key=has_key)


def is_archive(filename: str) -> bool:
    """Whether a file name ends like something that pip installs."""
    return filename.lower().endswith(ARCHIVE_SUFFIXES)


def link_filename(href: str) -> str:
    """Return the file name of a link: its last path segment, percent-decoded exactly once."""
    path = href.strip().partition("#")[0].partition("?")[0]
    return unquote(path.rpartition("/")[2])


def version_in_filename(filename: str, project: str) -> tuple[str | None, bool]:
    """Read the version from the name of a wheel or source archive.

    A source archive's name and version are told apart by the project's name, as pip does, since both may hold dashes.

    Args:
        filename: the file name.
        project: normalised name of the project that is looked for.

    Returns:
        The normalised version, or ``None`` where none parses; and whether the file is of that project, as far as
        its name tells.
    """
    if filename.lower().endswith(".whl"):
        return _wheel_version(filename, project)
    suffix = next((suffix for suffix in ARCHIVE_SUFFIXES if filename.lower().endswith(suffix)), None)
    if suffix is None:
        return None, True
    stem = filename[: -len(suffix)]
    dashes = (match.start() for match in re.finditer("-", stem))
    cut = next((dash for dash in dashes if canonicalize_name(stem[:dash]) == project), None)
    return (None, False) if cut is None else (_normal_version(stem[cut + 1 :]), True)


def _wheel_version(filename: str, project: str) -> tuple[str | None, bool]:
    # Compressed tag sets multiply (PEP 425): a name of a few hundred letters could stand for a million tags.
    tags = filename.removesuffix(".whl").rsplit("-", 3)[1:]
    if math.prod(part.count(".") + 1 for part in tags) > limits.WHEEL_TAGS_MAX_COUNT:
        return None, False
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except (InvalidWheelFilename, InvalidVersion):
        return None, canonicalize_name(filename.partition("-")[0]) == project
    return str(version), name == project


def _normal_version(text: str) -> str | None:
    try:
        return str(Version(text))
    except InvalidVersion:
        return None


def _page(name: str, url: str, read: Iterable[IndexFile], *, has_json: bool, has_key: bool) -> ProjectPage:
    files: list[IndexFile] = []
    skipped: list[tuple[str, str]] = []
    for file in read:
        version, is_of_project = version_in_filename(file.filename, name)
        if is_of_project:
            files.append(replace(file, version=version))
        else:
            skipped.append((file.filename, f"its name is not one of {name}"))
    return ProjectPage(
        name=name,
        url=redact_url(url),
        files=tuple(files),
        carries_provenance_key=has_key,
        has_json=has_json,
        skipped=tuple(skipped),
    )


def _file_from_json(entry: Mapping[str, object], where: str, page_url: str) -> IndexFile:
    metadata = _metadata_from_json(entry, where)
    return IndexFile(
        filename=_filename(entry.get("filename"), f"{where}.filename"),
        url=_link(entry.get("url"), page_url, page_url, f"{where}.url"),
        digests=_digests(_object(entry.get("hashes"), f"{where}.hashes").items(), f"{where}.hashes"),
        requires_python=_optional_text(entry.get("requires-python"), f"{where}.requires-python"),
        yanked=_yanked(entry.get("yanked"), f"{where}.yanked"),
        core_metadata=_preferred(metadata or ()),
        has_core_metadata=metadata is not None,
        provenance_url=_optional_link(entry.get("provenance"), page_url, f"{where}.provenance"),
        upload_time=_upload_time(entry.get("upload-time"), f"{where}.upload-time"),
        size_bytes=_size(entry.get("size"), f"{where}.size"),
    )


def _file_from_anchor(anchor: Mapping[str, str], where: str, base_url: str, page_url: str) -> IndexFile:
    href = anchor["href"].strip()
    metadata = _metadata_from_anchor(anchor, where)
    pairs = (part.partition("=")[::2] for part in href.partition("#")[2].split("&"))
    return IndexFile(
        filename=_filename(link_filename(href), f"{where}.filename"),
        url=_link(href, base_url, page_url, f"{where}.url"),
        digests=_digests(pairs, f"{where}.hashes"),
        requires_python=anchor.get("data-requires-python"),
        yanked=anchor.get("data-yanked"),
        core_metadata=_preferred(metadata or ()),
        has_core_metadata=metadata is not None,
        provenance_url=_optional_link(anchor.get("data-provenance") or None, page_url, f"{where}.provenance"),
    )


def _metadata_from_json(entry: Mapping[str, object], where: str) -> tuple[Digest, ...] | None:
    """Read ``core-metadata``, else its older name (PEP 714): a boolean or a table of digests; ``None`` for no."""
    key = "core-metadata" if entry.get("core-metadata") is not None else "dist-info-metadata"
    value = entry.get(key)
    if value is None or isinstance(value, bool):
        return () if value else None
    return _digests(_object(value, f"{where}.{key}").items(), f"{where}.{key}")


def _metadata_from_anchor(anchor: Mapping[str, str], where: str) -> tuple[Digest, ...] | None:
    """Read ``data-core-metadata``, else its older name (PEP 714): ``true`` or ``ALGORITHM=HEX``; ``None`` for no."""
    key = "data-core-metadata" if "data-core-metadata" in anchor else "data-dist-info-metadata"
    value = anchor.get(key, "").strip()
    if value.lower() in ("", "false"):
        return None
    if value.lower() == "true":
        return ()
    algorithm, separator, text = value.partition("=")
    if not separator:
        raise MalformedInput("expected true or ALGORITHM=HEX", context=f"{where}.{key}")
    return _digests([(algorithm, text)], f"{where}.{key}")


def _digests(pairs: Iterable[tuple[str, object]], where: str) -> tuple[Digest, ...]:
    try:
        found = [
            Digest(algorithm.lower(), _text(value, where).lower())
            for algorithm, value in pairs
            if algorithm.lower() in _READ_ALGORITHMS
        ]
    except MalformedInput as error:
        raise error if error.context else MalformedInput(error.message, context=where) from error
    return tuple(sorted(found, key=lambda digest: not digest.is_strong))


def _preferred(digests: tuple[Digest, ...]) -> Digest | None:
    return next(iter(digests), None)


def _filename(value: object, where: str) -> str:
    text = _text(value, where)
    if text in ("", ".", "..") or _NOT_IN_FILENAMES.search(text):
        raise MalformedInput(f"not a file name: {text[:140]!r}", context=where)
    return text


def _link(value: object, base_url: str, page_url: str, where: str) -> str:
    """Return a link made absolute, without its fragment.

    Only a page that is itself a local file may name local files: otherwise a server could have guard read them.
    """
    text = _text(value, where).strip()
    if _CONTROL_CHARACTERS.search(text):
        raise MalformedInput(f"not an address: {text[:140]!r}", context=where)
    # Joining and splitting costs more than all else on a page, and nearly every link is absolute already.
    plain = _PLAIN_ADDRESS.fullmatch(text.partition("#")[0])
    url = plain[0] if plain else _joined(base_url, text)
    scheme = _scheme_of_address(plain[1] if plain else url)
    if scheme is None:
        raise MalformedInput(f"not an http, https or file address: {redact_url(text)[:140]!r}", context=where)
    if scheme == "file" and urlsplit(page_url).scheme != "file":
        raise MalformedInput("a page from the network names a local file", context=where)
    return url


def _joined(base_url: str, text: str) -> str:
    try:
        return urldefrag(urljoin(base_url, text)).url
    except ValueError:
        return ""


@functools.lru_cache(maxsize=1024)
def _scheme_of_address(url: str) -> str | None:
    """Return the scheme of an address that can be asked, else ``None``; thousands of links share a few origins."""
    try:
        parts = urlsplit(url)
        is_complete = parts.scheme == "file" or bool(parts.hostname and parts.port != 0)
    except ValueError:
        return None
    return parts.scheme if is_complete and parts.scheme in _LINK_SCHEMES else None


def _optional_link(value: object, page_url: str, where: str) -> str | None:
    return None if value is None else _link(value, page_url, page_url, where)


def _yanked(value: object, where: str) -> str | None:
    """PEP 592 in JSON (PEP 691): a boolean or the reason; an empty reason counts as false there."""
    if value is None or isinstance(value, bool):
        return "" if value else None
    return _text(value, where) or None


def _upload_time(value: object, where: str) -> datetime | None:
    """PEP 700: ISO 8601 in UTC; a time without zone is taken for UTC."""
    if value is None:
        return None
    match = _TIMESTAMP.fullmatch(_text(value, where))
    if match is None:
        raise MalformedInput("expected a time such as 2026-01-31T12:00:00.000000Z", context=where)
    seconds, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z", "z") else zone
    try:
        moment = datetime.fromisoformat(f"{seconds}.{(fraction or '0').ljust(6, '0')[:6]}{zone}")
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise MalformedInput(f"no such time: {match.group()}", context=where) from error


def _size(value: object, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise MalformedInput("expected a number of bytes", context=where)
    return value


def _require_api_version(document: Mapping[str, object]) -> None:
    """PEP 691, "Versioning": a client must refuse a major version that it does not know."""
    version = _text(_object(document.get("meta"), "meta").get("api-version"), "meta.api-version")
    if not re.fullmatch(r"1\.[0-9]+", version, re.ASCII):
        raise MalformedInput(f"expected 1.x, found {version[:20]!r}", context="meta.api-version")


def _require_depth(document: object) -> None:
    level: list[object] = [document]
    for _ in range(limits.JSON_MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise MalformedInput(f"nested deeper than {limits.JSON_MAX_DEPTH} levels", context="page")


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise MalformedInput(f"expected an object, found {type(value).__name__}", context=where)
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise MalformedInput(f"expected a list, found {type(value).__name__}", context=where)
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise MalformedInput(f"expected text, found {type(value).__name__}", context=where)
    return value


def _optional_text(value: object, where: str) -> str | None:
    return None if value is None else _text(value, where)


def _naming_page(error: MalformedInput, shown_url: str) -> MalformedInput:
    detail = error.message.removeprefix(f"{error.context}: ")
    return MalformedInput(f"{detail} (index page {shown_url})", context=error.context)
