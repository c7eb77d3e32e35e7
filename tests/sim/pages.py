"""The documents that an index answers with: pages in HTML and JSON, and the choice between them."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from packaging.version import Version

from tests.sim.documents import JsonObject

HTML = "text/html"
SIMPLE_HTML = "application/vnd.pypi.simple.v1+html"
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
INTEGRITY_JSON = "application/vnd.pypi.integrity.v1+json"
JSON = "application/json"

_API_VERSION = "1.4"
_SERIAL = 25000000


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedFile:
    """A file that the registry hosts and what it says about it.

    Args:
        filename: its name.
        project: normalised name of the project whose page lists it.
        version: of the release it belongs to.
        content: the bytes that its page describes.
        served: the bytes that a download gets.
        hashes: the digests that the page lists.
        metadata: the core metadata served beside it (PEP 658), or ``None``.
        provenance: the document at the integrity endpoint, or ``None``.
        provenance_flag: whether the page names that endpoint.
        yanked: PEP 592: ``False``, ``True`` or a reason.
        requires_python: as the page lists it.
        upload_time: when it was uploaded.
    """

    filename: str
    project: str
    version: str
    content: bytes
    served: bytes
    hashes: dict[str, str]
    metadata: bytes | None
    provenance: bytes | None
    provenance_flag: bool
    yanked: bool | str
    requires_python: str | None
    upload_time: datetime

    @property
    def path(self) -> str:
        """Path on the host of files: PyPI spreads them by the BLAKE2b-256 of their content."""
        digest = hashlib.blake2b(self.content, digest_size=32).hexdigest()
        return f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{self.filename}"

    @property
    def provenance_path(self) -> str:
        """Path of its provenance on the index's own host."""
        return f"/integrity/{self.project}/{self.version}/{self.filename}/provenance"


@dataclass(frozen=True, slots=True)
class Links:
    """Where a page's links lead.

    Args:
        base_url: of the index's own host.
        files_url: of the host of files.
        evidence_bearing: whether pages say anything about provenance at all.
    """

    base_url: str
    files_url: str
    evidence_bearing: bool


def project_json(project: str, files: Sequence[HostedFile], links: Links) -> bytes:
    """Render a project's page in JSON (PEP 691, 700, 714, 740; keys sorted, as PyPI's renderer writes them)."""
    versions = sorted({file.version for file in files}, key=Version)
    page: JsonObject = {
        "meta": {"api-version": _API_VERSION, "_last-serial": _SERIAL},
        "name": project,
        "alternate-locations": [],
        "project-status": {"status": "active"},
        "versions": versions,
        "files": [_file_entry(file, links) for file in files],
    }
    return json.dumps(page, sort_keys=True).encode()


def _file_entry(file: HostedFile, links: Links) -> JsonObject:
    core_metadata = _metadata_hashes(file) or False
    entry: JsonObject = {
        "filename": file.filename,
        "url": links.files_url + file.path,
        "hashes": file.hashes,
        "requires-python": file.requires_python,
        "size": len(file.content),
        "upload-time": file.upload_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "yanked": file.yanked,
        "core-metadata": core_metadata,
        "data-dist-info-metadata": core_metadata,
    }
    if links.evidence_bearing:
        entry["provenance"] = links.base_url + file.provenance_path if file.provenance_flag else None
    return entry


def project_html(project: str, files: Iterable[HostedFile], links: Links) -> bytes:
    """Render a project's page in HTML (PEP 503, 592, 629, 658, 714, 740)."""
    anchors = "".join(f"    {_anchor(file, links)}<br />\n" for file in files)
    return _html_page(f"Links for {html.escape(project)}", anchors)


def _anchor(file: HostedFile, links: Links) -> str:
    fragment = next((f"#{name}={value}" for name, value in file.hashes.items()), "")
    attributes = {"href": links.files_url + file.path + fragment}
    if file.requires_python:
        attributes["data-requires-python"] = file.requires_python
    if file.yanked is not False:
        attributes["data-yanked"] = file.yanked if isinstance(file.yanked, str) else ""
    hashes = _metadata_hashes(file)
    if hashes:
        attributes["data-dist-info-metadata"] = attributes["data-core-metadata"] = f"sha256={hashes['sha256']}"
    if links.evidence_bearing and file.provenance_flag:
        attributes["data-provenance"] = links.base_url + file.provenance_path
    text = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {text}>{html.escape(file.filename)}</a>"


def _metadata_hashes(file: HostedFile) -> dict[str, str] | None:
    return None if file.metadata is None else {"sha256": hashlib.sha256(file.metadata).hexdigest()}


def root_json(projects: Sequence[str]) -> bytes:
    """Render the list of all projects in JSON (PEP 691)."""
    entries = [{"name": project, "_last-serial": _SERIAL} for project in projects]
    meta = {"api-version": _API_VERSION, "_last-serial": _SERIAL}
    return json.dumps({"meta": meta, "projects": entries}, sort_keys=True).encode()


def root_html(projects: Sequence[str]) -> bytes:
    """Render the list of all projects in HTML (PEP 503)."""
    anchors = "".join(f'    <a href="/simple/{project}/">{project}</a>\n' for project in projects)
    return _html_page("Simple index", anchors)


def _html_page(title: str, anchors: str) -> bytes:
    meta = f'<meta name="pypi:repository-version" content="{_API_VERSION}">'
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n  <head>\n    {meta}\n    <title>{title}</title>\n  </head>\n'
        f"  <body>\n    <h1>{title}</h1>\n{anchors}  </body>\n</html>\n<!--SERIAL {_SERIAL}-->\n"
    ).encode()


def select_type(accept: str | None, offers: Sequence[str]) -> str | None:
    """Choose among ``offers`` by an Accept header (RFC 9110, section 12.5.1); among equals the first offer wins.

    Returns:
        the type, or ``None`` when the client accepts none of them.
    """
    if not accept:
        return offers[0]
    best = max(offers, key=lambda offer: _quality(accept, offer))
    return best if _quality(accept, best) > 0 else None


def _quality(accept: str, offer: str) -> float:
    """Return the weight that the most specific matching range gives to ``offer``, 0 when none matches."""
    ranges = [offer, offer.partition("/")[0] + "/*", "*/*"]
    weights: dict[str, float] = {}
    for part in accept.split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        weights[media_range.lower()] = float(quality)
    return next((weights[media_range] for media_range in ranges if media_range in weights), 0.0)
