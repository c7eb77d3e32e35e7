"""What installing changed, so that removing can bring it back: one JSON file in guard's state folder.

No content of a startup file is kept, as it may hold secrets: a digest says whether what is left after the block is
taken out is the file as it was.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from guard_shims.changes import load_if_there
from guard_shims.errors import ShimsError

_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A startup file that has the block.

    Args:
        original: sha256 of the file before, in hex; ``None`` when there was no file.
        line_was_open: whether its last line had no newline, so that the block brought one.
    """

    original: str | None
    line_was_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Everything that installing changed.

    Args:
        edits: startup files by path.
        folders: folders that were made, the outermost first.
    """

    edits: dict[Path, Edit] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()


def digest_of(content: bytes) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def load_record(path: Path) -> Record:
    """Return the record; an empty one when there is none.

    Raises:
        ShimsError: the file is not what guard writes.
    """
    content = load_if_there(path)
    return Record() if content is None else _parse_record(content, path=path)


def render_record(record: Record) -> bytes:
    """Return the record as it is stored."""
    edits = [
        {"path": str(path), "original": edit.original, "line_was_open": edit.line_was_open}
        for path, edit in record.edits.items()
    ]
    folders = [str(folder) for folder in record.folders]
    # In ASCII, so that a path that is no UTF-8 comes back as it was.
    return json.dumps({"version": _VERSION, "edits": edits, "folders": folders}, indent=1).encode("ascii") + b"\n"


def _parse_record(content: bytes, *, path: Path) -> Record:
    try:
        document = json.loads(content)
        if document["version"] != _VERSION:
            raise ValueError("another version")
        edits = {Path(each["path"]): _parse_edit(each) for each in document["edits"]}
        return Record(edits=edits, folders=tuple(Path(each) for each in document["folders"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ShimsError(
            f"{path} is not the record that guard wrote", hint=f"delete it, then: guard shims remove; or: {error}"
        ) from error


def _parse_edit(document: dict[str, object]) -> Edit:
    original, line_was_open = document["original"], document["line_was_open"]
    if not isinstance(original, str | None) or not isinstance(line_was_open, bool):
        raise TypeError("a digest, or none, and whether a line was open")
    return Edit(original=original, line_was_open=line_was_open)
