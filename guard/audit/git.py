"""What guard asks git: which files a repository holds, and what a file was at a commit.

The repository may be one that somebody else made: nothing that its configuration names is started (no file system
monitor, no hooks, no text conversion, no fetching of what is missing), and no text from outside becomes an option.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from guard import limits
from guard.errors import ConfigInvalid, UsageError

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
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
        listed = self._ask(self.root, ("ls-tree", "-z", "--full-tree", commit, "--", name), what=f"what {name} was")
        entry = re.match(rb"100\d{3} blob ([0-9a-f]+)\t", listed)
        if entry is None:
            return None
        blob = entry[1].decode("ascii")
        size = self._ask(self.root, ("cat-file", "-s", blob), what=f"how large {name} was")
        if int(size) > max_bytes:
            raise ConfigInvalid(f"{path} was larger than {max_bytes} bytes at {commit[:12]}")
        return self._ask(self.root, ("cat-file", "blob", blob), what=f"what {name} was")

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
