"""What one guarded run of pip needs, and the steps that both ways of running it share."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement

from guard.engine.pypi import PyPIEngine
from guard.errors import MalformedInput
from guard.gateway.server import Gateway
from guard.managers.pip.command import PipCommand
from guard.managers.pip.entries import RequirementEntry
from guard.managers.pip.output import Addresses
from guard.managers.pip.replay import FIRST_WITH_HASHED_CONSTRAINTS, pip_environment, through_gateway
from guard.managers.pip.requirements import RequirementFiles
from guard.managers.pip.target import Target
from guard.managers.pip.upstream import Upstream
from guard.managers.process import run_relayed
from guard.managers.progress import Progress
from guard.model import SourceKind
from guard.policy.offer import NamedReleases
from guard.registry.pypi import Project
from guard.registry.simple import IndexFile
from guard.store.archives import parse_core_metadata

if TYPE_CHECKING:
    from guard.managers.pip.pylock import LoadedPylock

# Options that make pip accept other wheels than its interpreter's, or say which ones it does not accept.
_TAG_OPTIONS = ("--platform", "--python-version", "--implementation", "--abi", "--verbose", "--log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Everything that one guarded run of pip needs.

    Args:
        command: the user's, with pip's configuration in front.
        target: the pip that is driven.
        files: the requirement and constraint files.
        pylocks: the locks given to ``-r``.
        arguments: the typed requirements, classified.
        upstream: the indexes behind the gateway.
        engine: gathers and decides.
        environ: the user's environment.
        folder: private folder of the run.
        progress: told what is being done.
    """

    command: PipCommand
    target: Target
    files: RequirementFiles
    pylocks: tuple[LoadedPylock, ...]
    arguments: tuple[RequirementEntry, ...]
    upstream: Upstream
    engine: PyPIEngine
    environ: Mapping[str, str]
    folder: Path
    progress: Progress

    @property
    def requirements(self) -> tuple[RequirementEntry, ...]:
        """Every requirement that the user named and that holds for the target, typed or in a file."""
        locked = (entry for lock in self.pylocks for entry in lock.entries)
        named = (*self.arguments, *self.files.requirements, *locked)
        return tuple(self._constrained(entry) for entry in named if self.applies(entry.marker))

    @property
    def pinned_constraints(self) -> tuple[RequirementEntry, ...]:
        """Every constraint with digests that holds for the target."""
        return tuple(entry for entry in self.files.pinned_constraints if self.applies(entry.marker))

    def find_named(self) -> NamedReleases:
        """Return the releases that the user's requirements and constraints name, and those that are installed."""
        locked = (entry for lock in self.pylocks for entry in lock.entries)
        files = (*self.files.requirements, *self.files.constraints, *self.files.build_constraints)
        entries = [*self.arguments, *files, *locked]
        exact = {(entry.name, entry.exact_version) for entry in entries if entry.name and entry.exact_version}
        return NamedReleases(
            versions=frozenset((*exact, *self.target.probe.load_installed())),
            digests=frozenset(digest for entry in entries for digest in entry.digests),
        )

    @property
    def hashes_enforced(self) -> bool:
        """Whether the input pins digests, so that it is the plan and everything in it must be pinned."""
        return self.files.hashes_enforced or bool(self.pylocks) or self.command.has("--require-hashes")

    def applies(self, marker: str) -> bool:
        """Whether a marker holds in the target's environment; one that asks for an extra does not."""
        try:
            parsed = Requirement(f"any; {marker}").marker if marker else None
            return parsed is None or parsed.evaluate({**self.target.environment, "extra": ""})
        except (InvalidRequirement, UndefinedEnvironmentName):
            return True

    @property
    def wheel_tags(self) -> frozenset[str] | None:
        """Tags of the wheels that pip may take; ``None`` where an option sets others, or shows what pip passes over."""
        if any(map(self.command.has, _TAG_OPTIONS)):
            return None
        return frozenset(self.target.probe.load_tags())

    def anticipate_names(self, names: Iterable[str]) -> None:
        """Fetch index pages that the resolver is about to ask for."""
        for name in names:
            self.engine.start(functools.partial(self.engine.fetch_project, name))

    def anticipate(self, project: Project, file: IndexFile, metadata: bytes) -> None:
        """Decide a file whose metadata the resolver has just read, and fetch the pages of what it requires."""
        self.engine.start(lambda: self.engine.judge(project, file))
        with contextlib.suppress(MalformedInput):
            requires = parse_core_metadata(metadata, what=file.filename).requires_dist
            self.anticipate_names(filter(None, map(self._applicable_name, requires)))

    def prepare(self, gateway: Gateway) -> PipCommand:
        """Return the user's command, reaching nothing but the gateway."""
        copies = dict(self.files.copies)
        for number, lock in enumerate(self.pylocks):
            folder = self._lock_folder(gateway, number)
            folder.mkdir(mode=0o700)
            copies[lock.value] = lock.write_copy(folder, gateway.url)
        return through_gateway(self.command, gateway, copies)

    def environment(self, gateway: Gateway) -> dict[str, str]:
        """Return the environment for pip, reaching nothing but the gateway."""
        return pip_environment(self.environ, gateway, self.folder, named=self.files.variables)

    def argv(self, command: PipCommand) -> list[str]:
        """Return the process arguments that run a command with the user's pip."""
        return [*self.target.command.argv, *command.to_argv()]

    def addresses(self, gateway: Gateway, find: Callable[[str], IndexFile | None]) -> Addresses:
        """Return what stands behind the gateway's addresses."""
        return Addresses(
            gateway_url=gateway.url,
            index_urls=self.upstream.index_urls,
            find_links=self.upstream.find_links,
            find=find,
            folder=str(self.folder),
            describe_files=lambda text: self._describe_files(text, gateway),
        )

    def run_shown(self, command: PipCommand, gateway: Gateway, find: Callable[[str], IndexFile | None]) -> int:
        """Run pip on the user's own streams and mend the documents that it wrote for the user.

        Returns:
            pip's exit status.
        """
        self.progress.stop()
        addresses = self.addresses(gateway, find)
        status = run_relayed(self.argv(command), environ=self.environment(gateway), make_filter=addresses.make_filter)
        for name in ("--report", "--log"):
            written = self.command.last(name)
            if written is not None and written != "-":
                _mend(Path(written), addresses)
        return status

    def _lock_folder(self, gateway: Gateway, number: int) -> Path:
        return self.folder / f"lock-{gateway.port}-{number}"

    def _describe_files(self, text: str, gateway: Gateway) -> str:
        for number, lock in enumerate(self.pylocks):
            text = text.replace(str(self._lock_folder(gateway, number) / lock.path.name), str(lock.path))
        return self.files.describe(text)

    def _constrained(self, entry: RequirementEntry) -> RequirementEntry:
        """Return a requirement with the digests that a constraint states for it, where pip takes them from there."""
        if entry.digests or self.target.release < FIRST_WITH_HASHED_CONSTRAINTS:
            return entry
        for constraint in self.pinned_constraints if entry.source is SourceKind.REGISTRY else ():
            if constraint.name == entry.name:
                specifier = entry.specifier if entry.exact_version else constraint.specifier
                return replace(entry, specifier=specifier, digests=constraint.digests, location=constraint.location)
        return entry

    def _applicable_name(self, requirement: str) -> str | None:
        try:
            parsed = Requirement(requirement)
        except InvalidRequirement:
            return None
        return parsed.name if self.applies(str(parsed.marker or "")) else None


def _mend(path: Path, addresses: Addresses) -> None:
    """Replace the gateway's addresses in a file that the user asked pip for."""
    if not path.is_file():
        return
    before = path.read_bytes()
    after = addresses.replace_in(before)
    if after != before:
        path.write_bytes(after)
