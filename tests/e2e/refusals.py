"""What every refusal has in common, whatever the reason."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Environment, Result
from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.surroundings import Surroundings
from tests.sim.npm_packages import make_tarball

INSTALL_HOOKS = ("preinstall", "install", "postinstall")

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


def lock_publisher(folder: Path, package: str, *, repository_id: str, digest: str) -> None:
    """Write a guard.lock that names one publisher: the package's repository on GitHub, by an identifier."""
    name = package.partition(":")[2]
    (folder / "guard.lock").write_text(
        f'version = 1\n[[package]]\nname = "{package}"\n[[package.identity]]\n'
        'issuer = "https://token.actions.githubusercontent.com"\n'
        f'repository = "https://github.com/acme/{name}"\nrepository-id = "{repository_id}"\n'
        f'first-seen = "0.1.0"\ndigest = "{digest}"\n'
    )


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


def assert_clean(target: Surroundings, result: Result) -> None:
    """No traceback is shown, and no private copy of the run is left behind."""
    assert "Traceback" not in result.stderr + result.stdout
    runs = target.home / ".cache" / "provenance-guard" / "runs"
    assert not [path for path in runs.glob("*") if path.is_dir()]


def npm_refused(
    target: NpmEnvironment,
    *arguments: str,
    rules: set[str],
    status: int = 10,
    program: str = "npm",
    options: tuple[str, ...] = (),
    folder: Path | None = None,
) -> Result:
    """Run guard with npm and expect a refusal for exactly these rules.

    Project, home and global folder are as they were to the byte, and nothing sang (see :func:`canary_of`).

    Args:
        target: the environment.
        arguments: what follows ``guard npm``.
        rules: every rule that blocks, or that leaves undecided where nothing blocks, and no other.
        status: 10, or 11 for what could not be decided.
        program: ``npm`` or ``npx``.
        options: guard's own.
        folder: where it is run, if that is not the project's.
    """
    before = npm_snapshot(target)
    result = target.run_guard(program, *arguments, options=options, folder=folder)
    assert npm_snapshot(target) == before
    assert not canary_of(target).exists(), canary_of(target).read_text()
    assert result.status == status, result.stderr
    assert result.report["exit_code"] == status
    assert result.report["verdict"] == _VERDICTS[status]
    assert result.rules(_VERDICTS[status]) == rules, result.stderr
    assert result.stderr.splitlines()[-1].startswith(_LAST_WORDS[status])
    assert all(rule in result.stderr for rule in rules)
    assert_clean(target, result)
    return result


def canary_of(target: NpmEnvironment) -> Path:
    """Return the file that hostile scripts of a test write to."""
    return target.root / "canary"


def singing(target: NpmEnvironment, name: str, version: str = "1.0.0", **package: Any) -> bytes:
    """Return an npm package of which every install script sings; see :func:`tests.sim.npm_packages.make_tarball`."""
    return make_tarball(name, version, canary=canary_of(target), hooks=INSTALL_HOOKS, **package)


def policy_file(target: NpmEnvironment, text: str) -> tuple[str, str]:
    """Write a policy and return the options that name it."""
    path = target.root / "ci-guard.toml"
    path.write_text(f"version = 1\n{text}")
    return "--policy", str(path)


def npm_snapshot(target: NpmEnvironment) -> dict[str, str]:
    """Return mode and digest of every file that an install may touch: project, home, global folder and programs.

    Left out are npm's logs, guard's cache, and npm's own files, which are links to those of other tests.
    """
    left_out = (target.home / ".npm" / "_logs", target.home / ".cache", target.global_folder / "node_modules" / "npm")
    return {
        str(path.relative_to(target.root)): _describe(path)
        for folder in (target.project, target.home, target.global_folder, target.programs)
        for path in (folder, *folder.rglob("*"))
        if path != target.home / ".npm" and not any(path.is_relative_to(each) for each in left_out)
    }


def blocked_by(result: Result, *levels: str) -> dict[str, set[str]]:
    """Return the rules that block each artifact of a report, by its name; other levels may be asked for."""
    return {
        artifact["name"]: {found["rule"] for found in artifact["findings"] if found["level"] in (levels or ("block",))}
        for artifact in result.report["artifacts"]
    }


def _describe(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    mode = f"{path.stat().st_mode:o}"
    return mode if path.is_dir() else f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}"
