"""What every refusal has in common, whatever the reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.e2e.conftest import Environment, Result

_VERDICTS = {10: "block", 11: "undecided"}
_LAST_WORDS = {10: "guard: blocked", 11: "guard: undecided"}


def snapshot(*folders: Path) -> dict[str, str]:
    """Return the digest of every file below some folders, links and folders included by name."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
        for folder in folders
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


def install_refused(
    target: Environment, *arguments: str, rules: set[str], status: int = 10, options: tuple[str, ...] = ()
) -> Result:
    """Run ``guard pip install`` from the simulated index and expect a refusal; see :func:`guard_refused`."""
    index = ("--index-url", target.index_url) if target.index_url else ()
    return guard_refused(target, "pip", "install", *index, *arguments, rules=rules, status=status, options=options)


def guard_refused(
    target: Environment, *arguments: str, rules: set[str], status: int = 10, options: tuple[str, ...] = ()
) -> Result:
    """Run guard and expect a refusal for exactly these rules, which leaves the environment and project as they were.

    Args:
        target: the environment.
        arguments: what follows ``guard``.
        rules: every rule that blocks, or that leaves undecided where nothing blocks, and no other.
        status: 10, or 11 for what could not be decided.
        options: guard's own.
    """
    before = snapshot(target.root / "env", target.project)
    result = target.guard(*arguments, options=options)
    assert snapshot(target.root / "env", target.project) == before
    assert result.status == status, result.stderr
    assert result.report["exit_code"] == status
    assert result.report["verdict"] == _VERDICTS[status]
    assert result.rules(_VERDICTS[status]) == rules, result.stderr
    assert result.stderr.splitlines()[-1].startswith(_LAST_WORDS[status])
    assert all(rule in result.stderr for rule in rules)
    assert_clean(target, result)
    return result


def assert_clean(target: Environment, result: Result) -> None:
    """No traceback is shown, and no private copy of the run is left behind."""
    assert "Traceback" not in result.stderr + result.stdout
    runs = target.home / ".cache" / "provenance-guard" / "runs"
    assert not [path for path in runs.glob("*") if path.is_dir()]
