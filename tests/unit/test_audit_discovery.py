"""Which lockfiles there are: by name, within the folder, without what git ignores or a tool unpacked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from guard.audit.discovery import find_lockfiles
from guard.audit.git import find_repository
from guard.errors import UsageError

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
NO_GIT = {"PATH": "/nonexistent"}


def git(folder: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.test")
    done = subprocess.run(["git", *settings, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def found(folder: Path, *paths: str, environ: dict[str, str] = ENVIRON) -> list[str]:
    files = find_lockfiles([Path(path) for path in paths], cwd=folder, environ=environ)
    return [str(each.path.relative_to(folder)) for each in files]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


@pytest.mark.parametrize("environ", [ENVIRON, NO_GIT])
def test_outside_of_a_repository_everything_is_searched(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path, "requirements.txt", "a/b/package-lock.json", "a/uv.lock", "a/notes.txt", ".hidden/pylock.toml")
    write(tmp_path, "node_modules/a/package-lock.json", "env/pyvenv.cfg", "env/lib/requirements.txt")
    names = [".hidden/pylock.toml", "a/b/package-lock.json", "a/uv.lock", "requirements.txt"]
    assert found(tmp_path, environ=environ) == names
    assert found(tmp_path, "a", environ=environ) == names[1:3]


def test_what_git_ignores_is_left_out_and_what_it_tracks_is_not(repository: Path) -> None:
    write(repository, "requirements.txt", "build/requirements.txt", "kept/requirements.txt", "gone/requirements.txt")
    (repository / ".gitignore").write_text("build/\nkept/\n")
    git(repository, "add", "--force", "kept", "gone")
    (repository / "gone" / "requirements.txt").unlink()
    assert found(repository) == ["kept/requirements.txt", "requirements.txt"]
    assert found(repository, "build/requirements.txt") == ["build/requirements.txt"]


def test_a_repository_within_is_searched_by_its_own_rules(repository: Path) -> None:
    inner = repository / "inner"
    write(inner, "requirements.txt", "ignored/requirements.txt")
    git(inner, "init", "--quiet")
    (inner / ".gitignore").write_text("ignored/\n")
    assert found(repository) == ["inner/requirements.txt"]


def test_links_are_not_followed(tmp_path: Path, repository: Path) -> None:
    write(tmp_path / "outside", "requirements.txt")
    (repository / "requirements.txt").symlink_to(tmp_path / "outside" / "requirements.txt")
    (repository / "folder").symlink_to(tmp_path / "outside")
    write(repository, "uv.lock")
    assert found(repository) == ["uv.lock"]
    assert found(repository, environ=NO_GIT) == ["uv.lock"]


def test_any_text_file_that_is_named_is_one_of_requirements(tmp_path: Path) -> None:
    write(tmp_path, "deps.txt", "deps.json")
    (each,) = find_lockfiles([Path("deps.txt")], cwd=tmp_path, environ=ENVIRON)
    assert each.format.id == "requirements"
    with pytest.raises(UsageError, match="by its name"):
        found(tmp_path, "deps.json")


def test_a_file_that_is_named_twice_is_one(tmp_path: Path) -> None:
    write(tmp_path, "requirements.txt")
    assert found(tmp_path, ".", "requirements.txt", "./requirements.txt") == ["requirements.txt"]


def test_nothing_that_a_repository_configures_is_started(repository: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    program = tmp_path / "monitor"
    program.write_text(f"#!/bin/sh\ntouch {canary}\n")
    program.chmod(0o755)
    write(repository, "requirements.txt")
    (repository / ".gitattributes").write_text("*.txt diff=evil filter=evil\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "first")
    for key in ("core.fsmonitor", "core.sshCommand", "diff.evil.textconv", "filter.evil.smudge", "filter.evil.clean"):
        git(repository, "config", key, str(program))
    assert found(repository) == ["requirements.txt"]
    held = find_repository(repository, ENVIRON)
    assert held is not None
    assert held.load_at(held.find_commit("HEAD"), repository / "requirements.txt", max_bytes=10) == b""
    assert not canary.exists()


def test_a_revision_is_no_option_and_a_file_is_as_it_was(repository: Path) -> None:
    (repository / "pylock.toml").write_text("old")
    (repository / "link.toml").symlink_to("pylock.toml")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "first")
    (repository / "pylock.toml").write_text("new")
    held = find_repository(repository / ".", ENVIRON)
    assert held is not None
    commit = held.find_commit("HEAD")
    assert commit == git(repository, "rev-parse", "HEAD")
    assert held.load_at(commit, repository / "pylock.toml", max_bytes=10) == b"old"
    for name in ("missing.toml", "link.toml", "../outside"):
        assert held.load_at(commit, Path(os.path.normpath(repository / name)), max_bytes=10) is None
    for revision in ("--all", "-q", "", "HEAD:pylock.toml", "nothing", "HEAD\0", "HEAD --upload-pack=x"):
        with pytest.raises(UsageError):
            held.find_commit(revision)
