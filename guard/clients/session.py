"""What one guarded run of a client needs, and the question that all of them ask: may what these locks name be used?"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from guard.app import App
from guard.audit.deciding import Selection, decide_entries, running_platform, select_entries
from guard.audit.discovery import FoundFile
from guard.audit.engines import Engines
from guard.audit.entries import AuditEntry, entries_of
from guard.audit.reading import LoadedLock, LockReader, UnreadableLock, load_from_disk
from guard.engine.outcome import Outcome
from guard.errors import ConfigInvalid, Refused
from guard.managers.pip.index_settings import IndexSettings
from guard.managers.process import OutputFilter, run_quietly, run_relayed
from guard.managers.progress import Progress
from guard.model import Finding, Level, Location, RuleId
from guard.policy.policy import Policy
from guard.sigstore.trust_root import TrustRoot
from guard_lockfiles.formats import find_format

_BOUND_BY = "client-lock"
_NOTHING = "\0guard"  # stands in no output


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Everything that one guarded run of a client needs.

    Args:
        app: the outside.
        tool: the client's name.
        program: its program.
        version: of it.
        policy: the policy in force.
        trust_root: what signatures are checked with.
        stack: closes what the run opens.
        folder: private folder of the run.
        progress: told what is being done.
    """

    app: App
    tool: str
    program: Path
    version: str
    policy: Policy
    trust_root: TrustRoot
    stack: ExitStack
    folder: Path
    progress: Progress

    @property
    def release(self) -> tuple[int, ...]:
        """The numbers of the tool's version."""
        return tuple(int(part) for part in self.version.split("-")[0].split(".") if part.isdigit())

    def run_shown(self, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run the tool on the user's own streams and return its exit status."""
        self.progress.stop()
        return run_relayed(
            [str(self.program), *arguments],
            environ=environ,
            make_filter=lambda: OutputFilter([_NOTHING], lambda text: text),
        )

    def run_program(self, argv: Sequence[str]) -> int:
        """Run a program of the user's with the user's own environment, which may live long; return its exit status."""
        return run_relayed(
            argv,
            environ=self.app.environ,
            make_filter=lambda: OutputFilter([_NOTHING], lambda text: text),
            ends_on_signals=False,
        )

    def run_quietly(
        self, arguments: Sequence[str], environ: Mapping[str, str], cwd: Path | None = None
    ) -> tuple[int, bytes, bytes]:
        """Run the tool without showing its output; see :func:`guard.managers.process.run_quietly`."""
        return run_quietly([str(self.program), *arguments], environ=environ, cwd=None if cwd is None else str(cwd))

    def show(self, *outputs: tuple[bytes, Path]) -> None:
        """Show what a quiet run in a copy said on standard error, with the user's folder in place of the copy's."""
        self.progress.stop()
        for output, scratch in outputs:
            sys.stderr.buffer.write(output.replace(os.fsencode(scratch), os.fsencode(self.app.cwd.anchor)))
        sys.stderr.flush()

    def decide_locks(
        self,
        locks: Mapping[Path, bytes],
        engines: Engines,
        *,
        before: Mapping[Path, bytes] | None = None,
        index: IndexSettings | None = None,
        all_platforms: bool,
    ) -> Outcome:
        """Decide everything that locks name, as :mod:`guard.audit` does.

        Args:
            locks: what each lock says, by the path at which the tool reads it.
            engines: gather and decide.
            before: what they said before the tool changed them: what is new in them the tool chose, not the user.
            index: the Python package indexes that the tool would use.
            all_platforms: whether entries for every platform are decided, or those for the running one alone.

        Raises:
            Refused: a lock pins nothing, so that the tool could not be held to it.
        """
        read = [self._read(path, locks) for path in locks]
        broken = tuple(each.finding for each in read if isinstance(each, UnreadableLock))
        if broken:
            return Outcome(findings=broken)
        loaded = [each for each in read if isinstance(each, LoadedLock)]
        for lock in loaded:
            if not lock.is_pinned and entries_of(lock):
                raise Refused(
                    RuleId.HASH_MISSING.value, f"{lock.shown} pins nothing by a hash, so that it locks nothing"
                )
        if index is not None:
            loaded = [replace(lock, index=index) for lock in loaded]
        known = None if before is None else self._known(before)
        running = running_platform()
        selection = select_entries(
            loaded,
            named=frozenset({f"{_SYSTEM_NAMES.get(running.system, running.system)}-{running.machine}"}),
            all_platforms=all_platforms,
        )
        chosen = selection if known is None else _chosen(selection, known)
        self.progress.step(f"deciding {len(chosen.entries)} locked files")
        outcome = decide_entries(chosen, engines)
        return replace(outcome, judged=tuple(replace(each, bound_by=_BOUND_BY) for each in outcome.judged))

    def _known(self, before: Mapping[Path, bytes]) -> frozenset[object]:
        read = [self._read(path, before) for path in before]
        locks = (each for each in read if isinstance(each, LoadedLock))
        return frozenset(_release(entry) for lock in locks for entry in entries_of(lock))

    def _read(self, path: Path, locks: Mapping[Path, bytes]) -> LoadedLock | UnreadableLock:
        def load(wanted: Path) -> bytes:
            return locks[wanted] if wanted in locks else load_from_disk(wanted)

        form = find_format(path.name, folder=path.parent.name)
        if form is None:
            raise ConfigInvalid(f"{path} is no lock that guard can read")
        reader = LockReader(load, cwd=self.app.cwd, project=self.app.project, environ=self.app.environ)
        return reader.read(FoundFile(path, form))


_SYSTEM_NAMES = {"darwin": "macos", "win32": "windows"}


def _release(entry: AuditEntry) -> object:
    return entry.artifact.name, entry.artifact.version


def _chosen(selection: Selection, known: frozenset[object]) -> Selection:
    """Mark what a resolver chose just now: its age and its being yanked count as for any resolver's choice."""
    entries = (
        (
            entry if _release(entry) in known else replace(entry, request=replace(entry.request, is_new=True)),
            platforms,
        )
        for entry, platforms in selection.entries
    )
    return replace(selection, entries=tuple(entries))


def refuse_unlocked(path: Path, line: str) -> Outcome:
    """Return the outcome of a command that needs a lock where there is none."""
    finding = Finding(
        rule=RuleId.COMMAND_NOT_GUARDED,
        level=Level.BLOCK,
        message=f"there is no {path.name} from which could be decided what is installed",
        next=line,
        location=Location(path.name),
    )
    return Outcome(findings=(finding,))
