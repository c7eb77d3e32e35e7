"""Every format that guard reads or knows that it cannot read, and how a file of it is recognised: by its name alone.

A file is never tried as one format after another: what claims to be a uv.lock and is none is malformed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from guard_lockfiles.lockfile import Lockfile

# A file of constraints limits what other files name, and names nothing itself.
_NO_CONSTRAINTS = r"(?!.*constraints)"


@dataclass(frozen=True, slots=True)
class Format:
    """A lockfile format.

    Args:
        id: stable identifier, which reports print.
        file_name: what a file of it is called; matched as a whole.
        folder: name of the folder that such a file must be in; ``None`` for any.
        parse: bytes to entries; raises :class:`guard_lockfiles.errors.MalformedLockfile`.
    """

    id: str
    file_name: re.Pattern[str]
    parse: Callable[[bytes], Lockfile]
    folder: str | None = None


# A parser is imported when a file of its format is read: there are many, and a project has one or two.


def _parse_bun_lock(data: bytes) -> Lockfile:
    from guard_lockfiles.bun import parse_bun_lock

    return parse_bun_lock(data)


def _parse_package_lock_entries(data: bytes) -> Lockfile:
    from guard_lockfiles.package_lock_entries import parse_package_lock_entries

    return parse_package_lock_entries(data)


def _parse_pdm_lock(data: bytes) -> Lockfile:
    from guard_lockfiles.pdm import parse_pdm_lock

    return parse_pdm_lock(data)


def _parse_pipfile_lock(data: bytes) -> Lockfile:
    from guard_lockfiles.pipfile_lock import parse_pipfile_lock

    return parse_pipfile_lock(data)


def _parse_pnpm_lock(data: bytes) -> Lockfile:
    from guard_lockfiles.pnpm import parse_pnpm_lock

    return parse_pnpm_lock(data)


def _parse_poetry_lock(data: bytes) -> Lockfile:
    from guard_lockfiles.poetry import parse_poetry_lock

    return parse_poetry_lock(data)


def _parse_pylock(data: bytes) -> Lockfile:
    from guard_lockfiles.pylock import parse_pylock

    return parse_pylock(data)


def _parse_requirements_lock(data: bytes) -> Lockfile:
    from guard_lockfiles.requirements_lock import parse_requirements_lock

    return parse_requirements_lock(data)


def _parse_uv_lock(data: bytes) -> Lockfile:
    from guard_lockfiles.uv import parse_uv_lock

    return parse_uv_lock(data)


def _parse_yarn_lock(data: bytes) -> Lockfile:
    from guard_lockfiles.yarn import parse_yarn_lock

    return parse_yarn_lock(data)


# One line for each format, in the order of docs/lockfiles.md.
FORMATS: tuple[Format, ...] = (
    Format("requirements", re.compile(rf"{_NO_CONSTRAINTS}.*requirements.*\.txt"), _parse_requirements_lock),
    Format("requirements", re.compile(rf"{_NO_CONSTRAINTS}.*\.txt"), _parse_requirements_lock, folder="requirements"),
    Format("pylock", re.compile(r"pylock(?:\.[^.]+)?\.toml"), _parse_pylock),
    Format("uv", re.compile(r"uv\.lock|.+\.py\.lock"), _parse_uv_lock),
    Format("poetry", re.compile(r"poetry\.lock"), _parse_poetry_lock),
    Format("pdm", re.compile(r"pdm\.lock"), _parse_pdm_lock),
    Format("pipfile", re.compile(r"Pipfile\.lock"), _parse_pipfile_lock),
    Format("package-lock", re.compile(r"package-lock\.json|npm-shrinkwrap\.json"), _parse_package_lock_entries),
    Format("yarn", re.compile(r"yarn\.lock"), _parse_yarn_lock),
    Format("pnpm", re.compile(r"pnpm-lock(?:\..+)?\.yaml"), _parse_pnpm_lock),  # of a branch, too
    Format("bun", re.compile(r"bun\.lock"), _parse_bun_lock),
)


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A lockfile of an ecosystem that guard is for, in a format that it does not read.

    Args:
        id: stable identifier, which reports print.
        file_name: what a file of it is called; matched as a whole.
        instead: the next step for whoever has one.
    """

    id: str
    file_name: re.Pattern[str]
    instead: str


_WITHOUT = "name the lockfiles that guard is to read: guard audit PATH..."

# Refused by name, for what is passed over looks like what was found good.
UNSUPPORTED: tuple[Unsupported, ...] = (
    Unsupported("bun-binary", re.compile(r"bun\.lockb"), "bun install --save-text-lockfile, then delete bun.lockb"),
    Unsupported("pnpm-shrinkwrap", re.compile(r"shrinkwrap\.yaml"), "pnpm install, with pnpm 3 or newer"),
    Unsupported("vlt", re.compile(r"vlt-lock\.json"), "npm install --package-lock-only writes one that guard reads"),
    Unsupported("deno", re.compile(r"deno\.lock"), _WITHOUT),
    Unsupported("conda-lock", re.compile(r"conda-lock\.ya?ml|.+\.conda-lock\.ya?ml"), _WITHOUT),
    Unsupported("pixi", re.compile(r"pixi\.lock"), _WITHOUT),
)


def find_unsupported(file_name: str) -> Unsupported | None:
    """Return the format of a file by its name where it is one that guard knows and does not read."""
    return next((each for each in UNSUPPORTED if each.file_name.fullmatch(file_name)), None)


def find_format(file_name: str, *, folder: str = "") -> Format | None:
    """Return the format of a file by its name; ``None`` where guard knows none.

    Args:
        file_name: without its folder.
        folder: name of the folder that it is in, without those above it.
    """
    fitting = (each for each in FORMATS if each.folder in (None, folder))
    return next((each for each in fitting if each.file_name.fullmatch(file_name)), None)
