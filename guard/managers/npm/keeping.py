"""Keeping ``node_modules`` while npm works on it, to be put back when a script asked for what is refused."""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guard.store.runs import locked

_PREFIX = ".guard-kept-"
# Stands in the place of a tree that was moved aside; while it does, npm removed nothing.
_MARK = ".guard-kept"
_WRITTEN_INTO = ".package-lock.json"  # npm's record of the tree; arborist, ``Shrinkwrap.save``


class Keeping(enum.Enum):
    """How the tree is kept."""

    NOT = "not"  # nothing can be refused any more
    MOVED = "moved"  # `npm ci` removes what is in it, once it found nothing wrong
    LINKED = "linked"  # npm works on it; the files of packages are replaced by npm, never written into


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
        if self._can_restore and self._copy is None:
            shutil.rmtree(self._tree, ignore_errors=True)
        elif self._can_restore and self._copy is not None:
            # Renaming cannot fail half-way, which would cost the only copy.
            with contextlib.suppress(FileNotFoundError):
                self._tree.rename(self._copy.with_name("discarded"))
            self._copy.rename(self._tree)

    def restore_untouched(self) -> None:
        """Put the tree back as it was where npm did not come to touch it."""
        if (self._tree / _MARK).exists():
            self.restore()


@contextmanager
def kept_tree(tree: Path, keeping: Keeping) -> Iterator[KeptTree]:
    """Keep a tree while something is done to it.

    A tree that cannot be kept aside (a mount, say) is left where it is.

    Args:
        tree: a ``node_modules`` folder, which need not exist.
        keeping: how.
    """
    _sweep(tree)
    if keeping is Keeping.NOT or not tree.is_dir() or tree.is_symlink():
        yield KeptTree(tree, None, can_restore=not tree.exists())
        return
    aside = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=tree.parent))
    copy = aside / tree.name
    with locked(aside):
        try:
            try:
                _keep(tree, copy, keeping)
            except OSError:
                yield KeptTree(tree, None, can_restore=False)
            else:
                kept = KeptTree(tree, copy, can_restore=True)
                try:
                    yield kept
                finally:
                    kept.restore_untouched()
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _sweep(tree: Path) -> None:
    """Clear away what a command kept that was killed: nobody holds its lock, and a link is none of guard's."""
    for aside in (path for path in tree.parent.glob(f"{_PREFIX}*") if not path.is_symlink()):
        with contextlib.suppress(OSError), locked(aside):
            KeptTree(tree, aside / tree.name, can_restore=True).restore_untouched()
            shutil.rmtree(aside, ignore_errors=True)


def _keep(tree: Path, copy: Path, keeping: Keeping) -> None:
    if keeping is Keeping.LINKED:
        shutil.copytree(tree, copy, symlinks=True, copy_function=_link)
        return
    tree.rename(copy)
    try:
        tree.mkdir()
        shutil.copymode(copy, tree)
        (tree / _MARK).touch()
    except OSError:
        copy.rename(tree)
        raise


def _link(source: str, place: str) -> None:
    """Put a file into a copy: as a link to it, or as a copy where npm writes into the file that is there."""
    if Path(source).name == _WRITTEN_INTO:
        shutil.copy2(source, place)
    else:
        os.link(source, place)
