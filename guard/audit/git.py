"""What guard asks git: which files a repository holds, and what a file was at a commit or is in the index.

The repository may be one that somebody else made: nothing that its configuration names is started (no file system
monitor, no hooks, no text conversion, no fetching of what is missing), and no text from outside becomes an option.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from guard import limits
from guard.errors import ConfigInvalid, UsageError

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_INDEX_FILE = "GIT_INDEX_FILE"
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
# Set in hooks, for the repository that they run in; guard asks for the one that a folder is in.
_OF_A_HOOK = frozenset(
    f"GIT_{name}"
    for name in ("DIR", "WORK_TREE", "INDEX_FILE", "PREFIX", "COMMON_DIR", "NAMESPACE", "OBJECT_DIRECTORY")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository's work tree.

    Args:
        root: its top folder.
        git: the program.
        environ: for the program.
    """

    root: Path
    git: str
    environ: Mapping[str, str]

    def list_files(self, folder: Path) -> tuple[Path, ...]:
        """Return every file below a folder of the work tree that git does not ignore, tracked or not.

        Submodules are listed as folders. What is tracked may not exist any more.

        Raises:
            ConfigInvalid: git does not answer.
        """
        arguments = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        names = self._ask(folder, arguments, what="which files there are").split(b"\0")
        return tuple(folder / name.decode("utf-8", "surrogateescape") for name in dict.fromkeys(names) if name)

    def find_commit(self, revision: str) -> str:
        """Return the commit that a revision names.

        Args:
            revision: as typed.

        Raises:
            UsageError: it names none.
        """
        unknown = UsageError(f"{revision[:200]!r} is no revision of {self.root}", hint="git log shows the commits")
        if not revision or revision.startswith("-") or "\0" in revision:
            raise unknown
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        done = self._run(self.root, arguments)
        commit = done.stdout.decode("ascii", "replace").strip()
        if done.returncode or not _COMMIT.fullmatch(commit):
            raise unknown
        return commit

    def find_head(self) -> str | None:
        """Return the commit that is checked out; ``None`` before the first one."""
        done = self._run(self.root, ("rev-parse", "--verify", "--quiet", "HEAD^{commit}"))
        commit = done.stdout.decode("ascii", "replace").strip()
        return commit if _COMMIT.fullmatch(commit) else None

    def with_index(self, path: str | None) -> Repository:
        """Return the repository with another index, as git names one to the hooks of ``git commit FILE``.

        Args:
            path: absolute, or relative to the top folder; ``None`` for the usual one.
        """
        return self if not path else replace(self, environ={**self.environ, _INDEX_FILE: str(self.root / path)})

    def list_staged(self, folder: Path) -> tuple[Path, ...]:
        """Return every file below a folder that the index holds; submodules are none, what conflicts is one.

        Raises:
            ConfigInvalid: git does not answer.
        """
        listed = self._ask(folder, ("ls-files", "-z", "--stage"), what="which files are staged")
        entries = (line.partition(b"\t") for line in listed.split(b"\0") if line)
        names = dict.fromkeys(name for about, _, name in entries if not about.startswith(b"160000"))
        return tuple(folder / name.decode("utf-8", "surrogateescape") for name in names)

    def list_staged_changes(self, commit: str) -> frozenset[Path]:
        """Return the files whose staged content is not that of a commit; those that are gone are among them.

        Args:
            commit: from :meth:`find_commit`.

        Raises:
            ConfigInvalid: git does not answer.
        """
        arguments = ("diff-index", "--cached", "-z", "--name-only", "--no-renames", commit, "--")
        names = self._ask(self.root, arguments, what="which files are staged").split(b"\0")
        return frozenset(self.root / name.decode("utf-8", "surrogateescape") for name in names if name)

    def load_staged(self, path: Path, *, max_bytes: int) -> bytes | None:
        """Return a file as the index holds it, else as :meth:`load_at`.

        Raises:
            ConfigInvalid: the repository does not hold it, it is too large, or its merge is not resolved.
        """
        if not self.holds(path):
            return None
        name = self._place(path).relative_to(self.root).as_posix()
        listed = self._ask(self.root, ("ls-files", "-z", "--stage", "--", name), what=f"what is staged of {name}")
        entries = [re.match(rb"100\d{3} ([0-9a-f]+) (\d)\t(.*)", each, re.DOTALL) for each in listed.split(b"\0")]
        staged = [each for each in entries if each is not None and os.fsdecode(each[3]) == name]
        if any(each[2] != b"0" for each in staged):
            raise ConfigInvalid(f"{path} has conflicts of a merge", hint="resolve them, then: git add")
        if not staged:
            return None
        blob = staged[0][1]
        size = self._ask(self.root, ("cat-file", "-s", blob.decode("ascii")), what=f"how large {name} is")
        return self._load_blob(blob, int(size), path, max_bytes, "the index")

    def load_at(self, commit: str, path: Path, *, max_bytes: int) -> bytes | None:
        """Return a file as it was at a commit; ``None`` where there was none, or a link or a folder in its place.

        Args:
            commit: from :meth:`find_commit`.
            path: in the work tree; ``None`` is also what lies outside it.
            max_bytes: that it may have.

        Raises:
            ConfigInvalid: the repository does not hold it, or it is too large.
        """
        if not self.holds(path):
            return None
        name = self._place(path).relative_to(self.root).as_posix()
        listed = self._ask(
            self.root, ("ls-tree", "-z", "--long", "--full-tree", commit, "--", name), what=f"what {name} was"
        )
        entry = re.match(rb"100\d{3} blob ([0-9a-f]+) +(\d+)\t", listed)
        return None if entry is None else self._load_blob(entry[1], int(entry[2]), path, max_bytes, commit[:12])

    def _load_blob(self, blob: bytes, size: int, path: Path, max_bytes: int, where: str) -> bytes:
        if size > max_bytes:
            raise ConfigInvalid(f"{path} is larger than {max_bytes} bytes at {where}")
        return self._ask(self.root, ("cat-file", "blob", blob.decode("ascii")), what=f"what {path.name} was")

    def holds(self, path: Path) -> bool:
        """Return whether a path, which need not exist, lies in the work tree."""
        return self._place(path).is_relative_to(self.root)

    @staticmethod
    def _place(path: Path) -> Path:
        return Path(os.path.realpath(path.parent)) / path.name

    def _ask(self, folder: Path, arguments: tuple[str, ...], *, what: str) -> bytes:
        done = self._run(folder, arguments)
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0][:300]
            raise ConfigInvalid(f"git does not say {what}: {reason}")
        return done.stdout

    def _run(self, folder: Path, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
        return _run_git(self.git, folder, arguments, self.environ)


def find_repository(folder: Path, environ: Mapping[str, str]) -> Repository | None:
    """Return the repository whose work tree a folder is in; ``None`` where there is none, or no git.

    Args:
        folder: absolute.
        environ: the user's environment.
    """
    git = shutil.which("git", path=environ.get("PATH"))
    if git is None:
        return None
    environ = {name: value for name, value in environ.items() if name not in _OF_A_HOOK}
    environ |= {"GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1"}
    try:
        done = _run_git(git, folder, ("rev-parse", "--show-toplevel"), environ)
    except ConfigInvalid:
        return None
    root = done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")
    return Repository(root=Path(root), git=git, environ=environ) if done.returncode == 0 and root else None


def _run_git(
    git: str, folder: Path, arguments: tuple[str, ...], environ: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            [git, *_SAFE, *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=limits.GIT_DEADLINE_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigInvalid(f"git does not answer in {folder}: {type(error).__name__}") from error
