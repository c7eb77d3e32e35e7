"""Installing the shims, removing them, and saying where they stand."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from guard_shims.changes import Change, apply_changes, load_if_there, missing_folders
from guard_shims.errors import ShimsError
from guard_shims.launcher import MARK, PYTHON_SHIM, TOOLS, find_executables, is_shim, word_of
from guard_shims.record import Edit, Record, digest_of, load_record, render_record
from guard_shims.script import MODE, render_shims
from guard_shims.shells import (
    Shell,
    cut_block,
    has_block,
    is_line_open,
    is_used,
    put_block,
    render_block,
    startup_file,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the shims need to know of the machine.

    Args:
        folder: the shim folder.
        record: the file that remembers what was changed.
        python: absolute path of guard's own interpreter.
        launcher: absolute path of :mod:`guard_shims.launcher`.
        environ: the user's environment.
        home: the user's home folder.
        requested: tools that are to have a shim beside those that have one always.
    """

    folder: Path
    record: Path
    python: str
    launcher: str
    environ: Mapping[str, str]
    home: Path
    requested: tuple[str, ...] = ()

    @property
    def more(self) -> tuple[str, ...]:
        """The tools that have a shim, or are to have one, beside those that have one always."""
        there: set[str] = set()
        with suppress(OSError):
            there = {path.name for path in self.folder.iterdir() if word_of(path.name) and is_shim(str(path))}
        return tuple(sorted({*self.requested, *there} - {*TOOLS}))

    @property
    def shims(self) -> dict[Path, bytes]:
        """Every shim by its path."""
        return render_shims(self.folder, python=self.python, launcher=self.launcher, more=self.more)

    @property
    def used_shells(self) -> tuple[Shell, ...]:
        """The shells that are installed, or have a startup file."""
        return tuple(shell for shell in Shell if is_used(shell, environ=self.environ, home=self.home))

    def startup_file(self, shell: Shell) -> Path:
        """Return the file that the shell reads when it starts."""
        return startup_file(shell, environ=self.environ, home=self.home)


class Removal(enum.Enum):
    """How a startup file was left behind."""

    RESTORED = "as it was before"
    DELETED = "deleted, as there was none before"
    EDITED = "was changed since: guard's block was taken out, the rest left alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStatus:
    """How one tool stands.

    Args:
        name: of the tool.
        shim: path of its shim.
        is_installed: whether the shim is there and leads to this guard.
        first: what PATH has first under that name.
        real: what PATH has first that is no shim.
    """

    name: str
    shim: Path
    is_installed: bool
    first: str | None
    real: str | None

    @property
    def is_guarded(self) -> bool:
        """Whether who types the name meets the shim."""
        first = self.first or ""
        return self.is_installed and os.path.realpath(first) == os.path.realpath(self.shim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How everything stands.

    Args:
        tools: every tool that has a shim.
        startup_files: those that have the block.
    """

    tools: tuple[ToolStatus, ...]
    startup_files: tuple[Path, ...]


def install_shims(setting: Setting, shells: Sequence[Shell]) -> tuple[Path, ...]:
    """Write the shims and tell the shells; what is in place already is not touched.

    Args:
        setting: the machine.
        shells: which shells to tell.

    Returns:
        The startup files that were changed.

    Raises:
        ShimsError: something cannot be written; nothing was changed.
    """
    if os.pathsep in str(setting.folder):
        raise ShimsError(f"{setting.folder} has a {os.pathsep!r} in its name: it cannot stand on PATH")
    record = load_record(setting.record)
    told = [_tell_shell(shell, setting, record) for shell in shells]
    edited = [(change, edit) for change, edit in told if change is not None]
    record = replace(record, edits=record.edits | {change.path: edit for change, edit in edited if edit is not None})
    changes = [*_shim_changes(setting), *(change for change, _ in edited)]
    paths = (setting.record, *(change.path for change in changes))
    folders = dict.fromkeys((*record.folders, *(folder for path in paths for folder in missing_folders(path))))
    record = replace(record, folders=tuple(folders))
    if render_record(record) != load_if_there(setting.record):
        # First of all, so that whatever ends guard in between, removing knows what to look for.
        changes.insert(0, Change(setting.record, render_record(record), 0o600))
    apply_changes(changes)
    return tuple(change.path for change, _ in edited)


def remove_shims(setting: Setting) -> dict[Path, Removal]:
    """Delete the shims and take the block out of every startup file that has it.

    Returns:
        How each of those files was left.

    Raises:
        ShimsError: something cannot be changed; nothing was.
    """
    record = load_record(setting.record)
    files = dict.fromkeys([*record.edits, *(setting.startup_file(shell) for shell in Shell)])
    removals: dict[Path, Removal] = {}
    changes = []
    for path in files:
        content = load_if_there(path)
        if content is not None and cut_block(content, path=path) != content:
            rest, removals[path] = _restore(content, record.edits.get(path), path=path)
            changes.append(Change(path, rest))
    shims = [path for path in setting.shims if is_shim(str(path))]
    changes += [Change(path, None) for path in shims]
    apply_changes([*changes, *([Change(setting.record, None)] if setting.record.exists() else [])])
    for folder in (*reversed(record.folders), setting.folder):
        with suppress(OSError):
            folder.rmdir()  # only where nothing else has moved in
    return removals


def load_status(setting: Setting) -> Status:
    """Return how the shims stand in the environment of the setting."""
    path = setting.environ.get("PATH", os.defpath)
    files = dict.fromkeys(setting.startup_file(shell) for shell in Shell)
    return Status(
        tools=tuple(
            _tool_status(shim, content, path) for shim, content in setting.shims.items() if shim.name != PYTHON_SHIM
        ),
        startup_files=tuple(path for path in files if has_block(load_if_there(path) or b"")),
    )


def _tell_shell(shell: Shell, setting: Setting, record: Record) -> tuple[Change | None, Edit | None]:
    """Return the change to a shell's startup file, and what to remember of it; ``None`` where there is nothing."""
    path = setting.startup_file(shell)
    content = load_if_there(path)
    original = cut_block(content or b"", path=path)
    told = put_block(content or b"", render_block(shell, setting.folder, more=setting.more))
    if told == content:
        return None, None
    if original != (content or b"") and path in record.edits:
        return Change(path, told), None  # a block of an older guard: what was before it is remembered already
    edit = Edit(original=None if content is None else digest_of(original), line_was_open=is_line_open(content or b""))
    return Change(path, told), edit


def _shim_changes(setting: Setting) -> list[Change]:
    changes = []
    for path, content in setting.shims.items():
        present = load_if_there(path)
        if present is not None and MARK not in present:
            raise ShimsError(f"{path} is not guard's", hint="move it elsewhere")
        if present != content or not os.access(path, os.X_OK):
            changes.append(Change(path, content, MODE))
    return changes


def _restore(content: bytes, edit: Edit | None, *, path: Path) -> tuple[bytes | None, Removal]:
    """Return what a startup file is to hold without the block, ``None`` for no file."""
    rest = cut_block(content, path=path)
    if edit is None or edit.original is None:
        return (rest, Removal.EDITED) if rest else (None, Removal.DELETED)
    if edit.line_was_open and digest_of(rest.removesuffix(b"\n")) == edit.original:
        return rest.removesuffix(b"\n"), Removal.RESTORED
    return rest, Removal.RESTORED if digest_of(rest) == edit.original else Removal.EDITED


def _tool_status(shim: Path, content: bytes, path: str) -> ToolStatus:
    found = find_executables(shim.name, path)
    return ToolStatus(
        name=shim.name,
        shim=shim,
        is_installed=load_if_there(shim) == content and os.access(shim, os.X_OK),
        first=found[0] if found else None,
        real=next((each for each in found if not is_shim(each)), None),
    )
