"""What pip resolved: its installation report as typed values."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from guard.errors import MalformedInput, malformed_input_boundary

# "0" is pip 22.2's and 22.3's word for the same format before it was declared stable (pip documentation, "Installation
# Report"; pip's news of 23.0).
_REPORT_VERSIONS = frozenset({"0", "1"})


class PlanKind(enum.Enum):
    """Where pip would take a planned item from."""

    INDEX = enum.auto()
    LOCAL_DIRECTORY = enum.auto()
    LOCAL_FILE = enum.auto()
    REPOSITORY = enum.auto()
    ELSEWHERE = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """One distribution that pip would install.

    Args:
        name: normalised name.
        version: as its metadata says.
        kind: where it comes from.
        path: path on the gateway (for INDEX) or on disk (for the local kinds), percent-decoded; else the URL.
        requested: whether the user asked for it by name.
        editable: whether it would be linked rather than copied.
    """

    name: str
    version: str
    kind: PlanKind
    path: str
    requested: bool
    editable: bool


def parse_installation_report(data: bytes, *, gateway_url: str) -> tuple[PlanItem, ...]:
    """Parse the JSON that ``pip install --report`` writes.

    Args:
        data: the report (installation report, version 0 or 1; pip documentation, "Installation Report").
        gateway_url: address of the gateway that pip resolved through.

    Raises:
        MalformedInput: it is no such report, or names something twice.
    """
    with malformed_input_boundary("pip's installation report"):
        report = json.loads(data)
        if report["version"] not in _REPORT_VERSIONS:
            raise MalformedInput(f"version {report['version']!r} is not known", context="pip's installation report")
        items = tuple(_parse_item(entry, gateway_url) for entry in report["install"])
    if len({item.name for item in items}) != len(items):
        raise MalformedInput("pip's installation report names one project twice")
    return items


def _parse_item(entry: Mapping[str, object], gateway_url: str) -> PlanItem:
    download, metadata = entry["download_info"], entry["metadata"]
    if not isinstance(download, dict) or not isinstance(metadata, dict):
        raise MalformedInput("download_info and metadata are not objects")
    kind, path = _classify(download, gateway_url)
    directory = download.get("dir_info")
    return PlanItem(
        name=canonicalize_name(metadata["name"]),
        version=str(metadata["version"]),
        kind=kind,
        path=path,
        requested=entry.get("requested") is True,
        editable=isinstance(directory, dict) and directory.get("editable") is True,
    )


def _classify(download: Mapping[str, object], gateway_url: str) -> tuple[PlanKind, str]:
    url = str(download["url"])
    if "vcs_info" in download:
        return PlanKind.REPOSITORY, url
    if url.startswith(gateway_url + "/files/"):
        return PlanKind.INDEX, unquote(urlsplit(url).path)
    if not url.startswith("file:"):
        return PlanKind.ELSEWHERE, url
    path = unquote(urlsplit(url).path)
    return (PlanKind.LOCAL_DIRECTORY if "dir_info" in download else PlanKind.LOCAL_FILE), path
