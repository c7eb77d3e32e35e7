"""An installed tree is put back as it was, or left alone, whatever npm and its scripts did to it meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from guard.managers.npm.keeping import Keeping, kept_tree
from guard.store.runs import locked

BOTH = [Keeping.MOVED, Keeping.LINKED]
EVERY = [*BOTH, Keeping.NOT]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a folder, a link, a program and npm's own record."""
    folder = tmp_path / "node_modules"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "index.js").write_text("a")
    (folder / ".bin").mkdir()
    (folder / ".bin" / "a").symlink_to("../a/index.js")
    (folder / "linked").symlink_to("../outside")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o750)
    (folder / ".package-lock.json").write_text("{}")
    return folder


def look(folder: Path) -> dict[str, tuple[int, str]]:
    """Return mode and content of everything below a folder."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            str(path.readlink()) if path.is_symlink() else path.read_text() if path.is_file() else "",
        )
        for path in folder.rglob("*")
    }


def npm_ci(tree: Path) -> None:
    """Do to a tree what ``npm ci`` does."""
    for entry in tree.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    (tree / "b").mkdir()
    (tree / ".package-lock.json").write_text('{"b": 1}')


def npm_install(tree: Path) -> None:
    """Do to a tree what ``npm install`` does: new files beside or in place of the old ones, and its record written."""
    (tree / "new").write_text("new")
    (tree / "new").replace(tree / "a" / "index.js")
    shutil.rmtree(tree / ".bin")
    (tree / "b").mkdir()
    (tree / ".package-lock.json").write_text('{"b": 1}')


@pytest.mark.parametrize(
    ("keeping", "work"),
    [
        (Keeping.MOVED, npm_ci),
        (Keeping.MOVED, shutil.rmtree),
        (Keeping.LINKED, npm_install),
        (Keeping.LINKED, npm_ci),
        (Keeping.LINKED, shutil.rmtree),
    ],
)
def test_a_tree_is_put_back(tree: Path, keeping: Keeping, work: Callable[[Path], None]) -> None:
    before = look(tree.parent)
    with kept_tree(tree, keeping) as kept:
        work(tree)
        kept.restore()
    assert look(tree.parent) == before


@pytest.mark.parametrize("keeping", EVERY)
def test_what_npm_made_stays_where_it_is_not_put_back(tree: Path, keeping: Keeping) -> None:
    with kept_tree(tree, keeping):
        npm_ci(tree)
        made = look(tree)
    assert look(tree) == made
    assert [path.name for path in tree.parent.iterdir()] == ["node_modules"]


@pytest.mark.parametrize("keeping", EVERY)
def test_a_tree_that_was_not_there_is_removed(tmp_path: Path, keeping: Keeping) -> None:
    with kept_tree(tmp_path / "node_modules", keeping) as kept:
        (tmp_path / "node_modules" / "a").mkdir(parents=True)
        kept.restore()
    assert list(tmp_path.iterdir()) == []


def test_a_tree_that_is_not_kept_is_left_alone(tree: Path) -> None:
    before = look(tree)
    with kept_tree(tree, Keeping.NOT) as kept:
        kept.restore()
    assert look(tree) == before


def test_npm_ci_that_fails_at_once_leaves_the_tree(tree: Path) -> None:
    """It finds the lock out of step with package.json, say, before it removes anything."""
    before = look(tree.parent)
    with kept_tree(tree, Keeping.MOVED):
        assert tree.is_dir()
    assert look(tree.parent) == before


@pytest.mark.parametrize("keeping", BOTH)
def test_an_interrupted_run_that_npm_did_not_begin_leaves_the_tree(tree: Path, keeping: Keeping) -> None:
    before = look(tree.parent)
    with pytest.raises(KeyboardInterrupt), kept_tree(tree, keeping):
        raise KeyboardInterrupt
    assert look(tree.parent) == before


@pytest.mark.parametrize("keeping", EVERY)
def test_a_link_to_a_tree_is_left_alone(tree: Path, keeping: Keeping) -> None:
    link = tree.parent / "project" / "node_modules"
    link.parent.mkdir()
    link.symlink_to(tree)
    before = look(tree.parent)
    with kept_tree(link, keeping) as kept:
        kept.restore()
    assert look(tree.parent) == before


@pytest.mark.parametrize("keeping", BOTH)
def test_a_tree_on_another_file_system_is_left_alone(
    tree: Path, keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = look(tree)

    def fail(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(os, "rename", fail)
    with kept_tree(tree, keeping) as kept:
        assert look(tree) == before
        kept.restore()
    assert look(tree) == before
    assert [path.name for path in tree.parent.iterdir()] == ["node_modules"]


@pytest.mark.parametrize("keeping", BOTH)
def test_a_tree_that_cannot_be_removed_costs_nothing(
    tree: Path, keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script may leave what cannot be deleted; the only copy must survive that."""
    before = look(tree)
    with monkeypatch.context() as patched, kept_tree(tree, keeping) as kept:
        npm_ci(tree)
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        kept.restore()
        assert look(tree) == before


@pytest.mark.parametrize("keeping", BOTH)
def test_a_script_may_leave_anything_in_its_place(tree: Path, keeping: Keeping) -> None:
    before = look(tree)
    with kept_tree(tree, keeping) as kept:
        shutil.rmtree(tree)
        tree.symlink_to("/")
        kept.restore()
    assert not tree.is_symlink()
    assert look(tree) == before


# What a killed command left


def leave(tree: Path) -> Path:
    """Leave a moved tree as a command does that is killed before npm did anything."""
    aside = tree.parent / ".guard-kept-abc"
    aside.mkdir()
    tree.rename(aside / "node_modules")
    tree.mkdir()
    (tree / ".guard-kept").touch()
    return aside


def test_a_killed_command_is_cleared_away(tree: Path) -> None:
    before = look(tree.parent)
    leave(tree)
    with kept_tree(tree, Keeping.NOT):
        assert look(tree.parent) == before


def test_a_killed_command_whose_tree_npm_had_begun_does_not_undo_it(tree: Path) -> None:
    aside = leave(tree)
    (tree / ".guard-kept").unlink()
    (tree / "b").mkdir()
    with kept_tree(tree, Keeping.NOT):
        assert [path.name for path in tree.iterdir()] == ["b"]
        assert not aside.exists()


def test_a_running_command_is_left_alone(tree: Path) -> None:
    aside = leave(tree)
    with locked(aside), kept_tree(tree, Keeping.NOT):
        assert (aside / "node_modules" / "a").is_dir()


def test_a_link_of_that_name_leads_nowhere(tree: Path, tmp_path: Path) -> None:
    """A hostile project could have another project's tree moved into it."""
    (tmp_path / "other" / "node_modules").mkdir(parents=True)
    (tree.parent / ".guard-kept-abc").symlink_to("other")
    (tree / ".guard-kept").touch()
    with kept_tree(tree, Keeping.NOT):
        assert (tmp_path / "other" / "node_modules").is_dir()
        assert (tree / "a").is_dir()
