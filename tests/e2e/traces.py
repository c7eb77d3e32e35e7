"""What a command left behind: files to the byte, and guard's own addresses and secrets wherever they could be."""

from __future__ import annotations

import re
import stat
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.conftest import Environment

_LOOPBACK = re.compile(rb"127\.0\.0\.1:([0-9]+)")
# pip notes in its script who called it with which credential; see `watch`.
_WITNESS = """
import os
if "NETRC" in os.environ:
    with open({witness!r}, "a") as stream:
        stream.write(os.environ["NETRC"] + "\\n" + open(os.environ["NETRC"]).read())
"""


def watch(environment: Environment, witness: Path) -> None:
    """Let the environment's pip append the name and the contents of the netrc file that it is given to ``witness``."""
    script = environment.python.with_name("pip")
    lines = script.read_text().splitlines(keepends=True)
    script.write_text(lines[0] + _WITNESS.format(witness=str(witness)) + "".join(lines[1:]))


def take_snapshot(environment: Environment) -> dict[str, str]:
    """Return mode and content of every file in environment, project, home and folder of temporary files.

    Left out: pip itself, bytecode (RECORD's lines about it are compared), and the caches below ``~/.cache``.
    """
    return {
        str(path.relative_to(environment.root)): _describe(path)
        for path in _files(environment.root)
        if not _is_left_out(path.relative_to(environment.root).parts)
    }


def find_differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return a line for each file that two snapshots do not have alike."""
    paths = sorted(path for path in {*expected, *found} if expected.get(path) != found.get(path))
    return [f"{path}: {expected.get(path, 'missing')} became {found.get(path, 'missing')}" for path in paths]


def find_traces(environment: Environment, ports: set[str], secrets: list[str]) -> list[str]:
    """Return every file below the environment's root that names a foreign loopback port or one of the secrets."""
    found = []
    for path in _files(environment.root):
        if not path.is_symlink() and not _is_pips_own(path.relative_to(environment.root).parts):
            found += [f"{path}: {trace}" for trace in find_traces_in(path.read_bytes(), ports, secrets)]
    return found


def find_traces_in(content: bytes, ports: set[str], secrets: list[str]) -> list[str]:
    """Return the foreign loopback addresses and the secrets that stand in ``content``."""
    addresses = [match[0].decode() for match in _LOOPBACK.finditer(content) if match[1].decode() not in ports]
    return [*addresses, *(secret for secret in secrets if secret.encode() in content)]


def read_secrets(witness: Path) -> list[str]:
    """Return what must be in no file: passwords, plain and as HTTP sends them, and the private folders of the run."""
    lines = witness.read_text().splitlines()
    passwords = {line.split()[-1] for line in lines if line.startswith("machine ")}
    sent = {b64encode(f"guard:{password}".encode()).decode() for password in passwords}
    folders = {str(Path(line).parent) for line in lines if not line.startswith("machine ")}
    return sorted(passwords | sent | folders)


def _files(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.is_symlink() or not path.is_dir())


def _is_left_out(parts: tuple[str, ...]) -> bool:
    is_cache = parts[:2] == ("home", ".cache")
    is_known = parts[0] in ("env", "project", "home", "tmp")
    return _is_pips_own(parts) or is_cache or not is_known or parts[-1].endswith(".pyc")


def _is_pips_own(parts: tuple[str, ...]) -> bool:
    return "site-packages" in parts and any(part == "pip" or part.startswith("pip-") for part in parts)


def _describe(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{mode:o} {path.read_bytes()!r}"
