"""One release of a Python project as guard keeps it: its part of the project's page, and who owns the name.

The form is that of the simple API (PEP 691), so that a page which was saved from an index is one, too. What only guard
knows stands in members of ``meta`` with an underscore, which the specification leaves to whoever writes the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from guard.errors import MalformedInput, malformed_input_boundary
from guard.model import Digest
from guard.registry.credentials import redact_url, without_secrets
from guard.registry.pypi import IndexSource, Project, release_of
from guard.registry.simple import IndexFile, parse_project_json

_OWNER, _IS_PUBLIC, _OTHERS = "_guard_index", "_guard_index_is_public", "_guard_other_indexes"


def render_release(release: Project) -> bytes:
    """Return the document from which :func:`parse_kept_release` makes the same release.

    Logins and tickets in addresses are left out (I9). Files of find-links locations are no index's and stay out.

    Args:
        release: from :func:`guard.registry.pypi.release_of`, with a page.
    """
    page = release.page
    assert page is not None, "a release without a page is of no index"
    meta: dict[str, object] = {"api-version": "1.3"}
    if release.owner is not None:
        meta |= {_OWNER: release.owner.url, _IS_PUBLIC: release.owner.is_public}
    if release.other_indexes:
        meta[_OTHERS] = release.other_indexes
    files = [_file(file, carries_key=page.carries_provenance_key) for file in page.files]
    return json.dumps({"meta": meta, "name": release.name, "files": files}, separators=(",", ":")).encode("utf-8")


def parse_kept_release(body: bytes, *, project: str, version: str, index: IndexSource) -> Project:
    """Parse a release that was kept, by guard or with any other tool.

    Args:
        body: a project's page in JSON; files of other versions in it are left out.
        project: normalised name.
        version: in any spelling.
        index: that it is taken to be of where it names none.

    Raises:
        MalformedInput: it is no such page.
    """
    page = parse_project_json(body, url=f"{index.url.rstrip('/')}/{project}/", project=project)
    with malformed_input_boundary(f"the listing of {project} {version}"):
        document = json.loads(body)
        meta = document["meta"]
        if document.get("name", project) != project:
            raise MalformedInput(f"it states another name than {project!r}", context="name")
        is_public = meta.get(_IS_PUBLIC, index.is_public) is True
        owner = IndexSource(_address(meta.get(_OWNER, index.url)), is_public=is_public)
        others = tuple(_address(each) for each in meta.get(_OTHERS, ()))
    return release_of(Project(name=project, owner=owner, page=page, other_indexes=others), version)


def _file(file: IndexFile, *, carries_key: bool) -> Mapping[str, object]:
    entry: dict[str, object] = {
        "filename": file.filename,
        "url": without_secrets(file.url),
        "hashes": _hashes(file.digests),
    }
    if file.requires_python is not None:
        entry["requires-python"] = file.requires_python
    if file.yanked is not None:
        entry["yanked"] = file.yanked or True
    if file.upload_time is not None:
        entry["upload-time"] = file.upload_time.isoformat()
    if file.size_bytes is not None:
        entry["size"] = file.size_bytes
    if carries_key:
        entry["provenance"] = None if file.provenance_url is None else without_secrets(file.provenance_url)
    return entry


def _hashes(digests: tuple[Digest, ...]) -> Mapping[str, str]:
    return {digest.algorithm: digest.hex for digest in digests}


def _address(value: object) -> str:
    if not isinstance(value, str) or urlsplit(value).scheme not in ("http", "https", "file"):
        raise MalformedInput("expected the address of an index", context="meta")
    return redact_url(value)
