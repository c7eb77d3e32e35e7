"""Keeping ``node_modules`` while npm works on it, to be put back when a script asked for what is refused."""

from __future__ import annotations

import enum
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Keeping(enum.Enum):
    """How the tree is kept."""

    NOT = "not"  # nothing can be refused any more
    MOVED = "moved"  # `npm ci` would remove it first of all
    LINKED = "linked"  # npm works on it; its files are replaced by npm, never written into


class KeptTree:
    """A tree as it was.

    Args:
        tree: the folder.
        copy: where its former content is; ``None`` when there was none or it was not kept.
        can_restore: whether it was kept, or known not to exist.
    """

    def __init__(self, tree: Path, copy: Path | None, *, can_restore: bool) -> None:
        self._tree = tree
        self._copy = copy
        self._can_restore = can_restore

    def restore(self) -> None:
        """Put the tree back as it was."""
        if not self._can_restore:
            return
        shutil.rmtree(self._tree, ignore_errors=True)
        if self._copy is not None:
            self._copy.rename(self._tree)


@contextmanager
def kept_tree(tree: Path, keeping: Keeping) -> Iterator[KeptTree]:
    """Keep a tree while something is done to it.

    A tree that cannot be kept aside (a mount, say) is left where it is.

    Args:
        tree: a ``node_modules`` folder, which need not exist.
        keeping: how.
    """
    if keeping is Keeping.NOT or not tree.is_dir() or tree.is_symlink():
        yield KeptTree(tree, None, can_restore=not tree.exists())
        return
    aside = Path(tempfile.mkdtemp(prefix=".guard-kept-", dir=tree.parent))
    copy = aside / tree.name
    try:
        try:
            _keep(tree, copy, keeping)
        except OSError:
            yield KeptTree(tree, None, can_restore=False)
        else:
            yield from _restoring_when_interrupted(tree, copy, keeping)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _keep(tree: Path, copy: Path, keeping: Keeping) -> None:
    if keeping is Keeping.MOVED:
        tree.rename(copy)
    else:
        shutil.copytree(tree, copy, symlinks=True, copy_function=os.link)


def _restoring_when_interrupted(tree: Path, copy: Path, keeping: Keeping) -> Iterator[KeptTree]:
    kept = KeptTree(tree, copy, can_restore=True)
    try:
        yield kept
    except BaseException:
        if keeping is Keeping.MOVED and not tree.exists():
            kept.restore()
        raise
