"""What one guarded run of npm needs, and the steps that all ways of running it share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from guard.engine.npm import NpmEngine
from guard.engine.outcome import Outcome
from guard.gateway.npm import NpmSite
from guard.gateway.server import Gateway
from guard.managers.imports import import_ahead
from guard.managers.npm.command import NpmCommand
from guard.managers.npm.config import NpmConfiguration
from guard.managers.npm.environment import REPLACED, Places, npm_environment
from guard.managers.npm.named import find_named
from guard.managers.npm.plan import Platform
from guard.managers.npm.project import Project, local_path
from guard.managers.npm.target import NpmTarget
from guard.managers.process import OutputFilter, run_quietly, run_relayed
from guard.managers.progress import Progress
from guard.model import Ecosystem, Finding, Judged, Level, RuleId, SourceKind
from guard.policy.provenance import REGISTRY_SOURCES
from guard.policy.settings import InstallScriptsMode
from guard.registry.credentials import redact_url
from guard.registry.npm import NpmClient
from guard.store.files import StoredFile

# Settings that guard gives npm itself, by environment; on the command line they would win over that.
_TAKEN_OFF = frozenset(
    {
        "registry",
        "replace-registry-host",
        "proxy",
        "https-proxy",
        "http-proxy",
        "noproxy",
        "cache",
        "git",
        "script-shell",
        "update-notifier",
        "prefer-online",
        "prefer-offline",
        "offline",
        "fetch-timeout",
    }
)
# What becomes a program of the user's choice, which may live long and do with signals what it likes.
_PROGRAMS = frozenset({"exec", "init"})

_NO_VERSION = re.compile(
    rb"npm[^ ]* (?:[^ ]+ )*?No (?:matching version found|versions available) for ((?:@[^/@\s]+/)?[^/@\s\x1b]+)"
)
_LINE_BYTES = 65536  # more than any line of npm's own, and than what it writes at once

# Before, npm had one for statistics, too, which was the other one unless somebody said so.
_ONE_REGISTRY_SINCE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Everything that one guarded run of npm needs.

    Args:
        command: the user's.
        target: the npm that is driven.
        configuration: what npm's settings come to.
        client: the registries behind the gateway.
        engine: gathers and decides.
        environ: the user's environment.
        cwd: the user's working directory.
        places: files of the run.
        progress: told what is being done.
        unmatched: packages of which npm said, in a run that was shown, that no version is what was asked for.
    """

    command: NpmCommand
    target: NpmTarget
    configuration: NpmConfiguration
    client: NpmClient
    engine: NpmEngine
    environ: Mapping[str, str]
    cwd: Path
    places: Places
    progress: Progress
    unmatched: set[str] = field(default_factory=set)

    @property
    def platform(self) -> Platform:
        """What npm takes the machine for."""
        settings, found = self.configuration, self.target.load_platform()
        return Platform(os=settings.os or found.os, cpu=settings.cpu or found.cpu, libc=settings.libc or found.libc)

    @property
    def named_paths(self) -> Mapping[str, Path]:
        """The folders and archives that the command line names, by argument."""
        paths = {argument: _named_path(argument, self.cwd) for argument in self.command.arguments}
        return {argument: path for argument, path in paths.items() if path is not None}

    def add_named(self, project: Project) -> None:
        """Tell the engine which releases the project and the command line name, and which are installed."""
        self.engine.add_named(find_named(project, self.command.arguments))

    def stored_files(self, judged: Iterable[Judged]) -> Iterator[StoredFile]:
        """Yield the bytes of what was decided and comes from a registry."""
        for item in judged:
            artifact = item.artifact
            if artifact.source in REGISTRY_SOURCES and item.decision.verdict.installs:
                yield self.engine.load_tarball(self.engine.find_published(artifact.name, artifact.version))

    def environment(self, gateway: Gateway) -> dict[str, str]:
        """Return the environment for npm, reaching nothing but the gateway."""
        handed_on = self.configuration.variables(REPLACED)
        if self.target.major < _ONE_REGISTRY_SINCE:
            handed_on["npm_config_metrics_registry"] = str(self.configuration.value("registry"))
        return npm_environment(
            self.environ,
            gateway,
            self.places,
            handed_on=handed_on,
            scopes=self.configuration.scopes,
            script_shell=self.configuration.script_shell or "sh",
            global_settings=Path(str(self.configuration.value("globalconfig"))),
        )

    def argv(self, command: NpmCommand) -> list[str]:
        """Return the process arguments that run a command with the user's npm, settings of guard's own taken off."""
        scopes = {f"{scope}:registry" for scope in self.configuration.scopes}
        return [*self.target.argv, *command.without(_TAKEN_OFF | scopes).to_argv()]

    def make_site(
        self, planned: Sequence[Judged] = (), *, specs: Iterable[str] = (), holds_back: bool = True
    ) -> NpmSite:
        """Return what the gateway serves.

        Args:
            planned: what was decided and allowed.
            specs: what the project's files ask for.
            holds_back: whether npm is offered only what the policy does not refuse for what is listed of it.
        """
        for judged in planned:
            self.note_scripts(judged)
        return NpmSite(
            self.engine,
            self.client,
            planned=planned,
            addresses=(spec for spec in (*self.command.arguments, *specs) if "://" in spec),
            on_refusal=self.places.refused.touch,
            on_delivery=self.note_scripts,
            holds_back=holds_back,
        )

    def note_scripts(self, judged: Judged) -> None:
        """Tell the shell of scripts when a package is to be installed without them; the user's own code has its own."""
        artifact = judged.artifact
        if artifact.source not in REGISTRY_SOURCES | {SourceKind.BUNDLED}:
            return
        asked = self.engine.policy.for_package(Ecosystem.NPM, artifact.name, artifact.version, now=self.engine.now)
        if asked.install_scripts is InstallScriptsMode.SKIP:
            mark = self.places.skipped / f"{artifact.name}@{artifact.version}"
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()

    def run_quietly(self, argv: list[str], gateway: Gateway, cwd: Path) -> tuple[int, bytes, bytes]:
        """Run npm without showing its output; see :func:`guard.managers.process.run_quietly`."""
        environ = {**self.environment(gateway), "npm_config_logs_dir": str(self.places.quiet_logs)}
        return run_quietly(argv, environ=environ, cwd=str(cwd), meanwhile=lambda: self.engine.start(import_ahead))

    def show_failure(self, output: tuple[bytes, bytes], gateway: Gateway, site: NpmSite) -> tuple[bytes, bytes]:
        """Return what a quiet run said, as the user should see it, and put its logs where that says they are."""
        for log in self.places.quiet_logs.glob("*"):
            self.places.logs.mkdir(parents=True, exist_ok=True)
            (self.places.logs / log.name).write_bytes(self.show(log.read_bytes(), gateway, site))
        stdout, stderr = (self.show(each, gateway, site) for each in output)
        return stdout, stderr

    def run_shown(self, command: NpmCommand, gateway: Gateway, site: NpmSite) -> int:
        """Run the user's command on the user's own streams, and mend the logs that npm wrote meanwhile.

        Returns:
            npm's exit status.
        """
        self.progress.stop()
        before = set(self.places.logs.glob("*"))
        try:
            return run_relayed(
                self.argv(command),
                environ=self.environment(gateway),
                make_filter=lambda: _Listening(self.make_filter(gateway, site), self.unmatched),
                ends_on_signals=command.command not in _PROGRAMS,
            )
        finally:
            for log in set(self.places.logs.glob("*")) - before:
                written = log.read_bytes()
                shown = self.show(written, gateway, site)
                if shown != written:
                    log.write_bytes(shown)

    def make_filter(self, gateway: Gateway, site: NpmSite) -> OutputFilter:
        """Return a filter that puts the user's own addresses and folders in place of guard's."""
        places, host = self._shown_places, urlsplit(gateway.url).netloc

        def replace(text: str) -> str:
            for own, users in places.items():
                if text.startswith(own):
                    return users + text.removeprefix(own)
            if text.startswith(gateway.url):
                return site.upstream_url(text.removeprefix(gateway.url))
            return urlsplit(self.configuration.registries.default).netloc + text.removeprefix(host)

        return OutputFilter([gateway.url, *places, host], replace)

    @property
    def _shown_places(self) -> dict[str, str]:
        """What the user should see in place of guard's own files."""
        places, settings = self.places, self.configuration
        return {
            str(self.scratch_folder): str(settings.local_prefix.parent),
            str(places.cache): str(places.logs.parent),
            str(places.quiet_logs): str(places.logs),
            str(places.shell): settings.script_shell or "sh",
            str(places.git): settings.git,
        }

    def show(self, data: bytes, gateway: Gateway, site: NpmSite) -> bytes:
        """Return output of npm's that was captured, as the user should see it."""
        addresses = self.make_filter(gateway, site)
        return addresses.feed(data) + addresses.finish()

    @property
    def scratch_folder(self) -> Path:
        """Where the copy of the project is."""
        return self.places.folder / "scratch"

    def findings(self, gateway: Gateway, site: NpmSite) -> tuple[Finding, ...]:
        """Return what was refused in a run apart from single releases: hosts, addresses, repositories."""
        return (*site.findings, *gateway.foreign_hosts, *self._git_findings())

    def _git_findings(self) -> tuple[Finding, ...]:
        try:
            lines = self.places.git_log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ()
        addresses = [redact_url(word) for line in lines for word in line.split() if "://" in word or "@" in word]
        return tuple(
            Finding(
                rule=RuleId.SOURCE_NOT_ALLOWED,
                level=Level.BLOCK,
                message=f"npm wanted to fetch from a repository, whose bytes nothing binds: {address}",
                next="depend on a release of a registry instead",
            )
            for address in dict.fromkeys(addresses)
        )


class _Listening:
    """A filter that hears of which packages npm found no version (npm-pick-manifest: ETARGET and ENOVERSIONS)."""

    def __init__(self, inner: OutputFilter, unmatched: set[str]) -> None:
        self._inner = inner
        self._unmatched = unmatched
        self._line = b""

    def feed(self, chunk: bytes) -> bytes:
        """Pass output on; see :class:`OutputFilter`."""
        *lines, self._line = (self._line + chunk)[-_LINE_BYTES:].split(b"\n")
        for line in lines:
            match = _NO_VERSION.search(line)
            if match is not None:
                self._unmatched.add(match[1].decode("utf-8", "replace"))
        return self._inner.feed(chunk)

    def finish(self) -> bytes:
        """Pass on what is left; see :class:`OutputFilter`."""
        return self._inner.finish()


def _named_path(argument: str, cwd: Path) -> Path | None:
    """Return the folder or archive that an argument of ``npm install`` names, if it does."""
    name, at, spec = argument.partition("@file:")
    if at and name:
        return local_path(f"file:{spec}", cwd)
    if argument in (".", ".."):
        return Path(os.path.normpath(cwd / argument))
    return local_path(argument, cwd)


def conclude(before: Outcome, session: Session, gateway: Gateway, site: NpmSite, *, status: int) -> Outcome:
    """Return what a run of npm came to.

    Args:
        before: what was decided before it.
        session: the run.
        gateway: that npm was given.
        site: what the gateway served.
        status: npm's exit status.
    """
    planned = tuple(replace(judged, bound_by="npm-integrity") for judged in before.judged)
    more = (*site.delivered, *site.refused)
    outcome = replace(
        before,
        judged=(*planned, *more),
        findings=(
            *before.findings,
            *session.findings(gateway, site),
            *(site.explain_failure(session.unmatched) if status else ()),
        ),
        held_back=tuple(dict.fromkeys((*before.held_back, *site.held_back))),
        planned=before.planned + len(more),
    )
    return replace(outcome, tool_status=status) if outcome.allowed else outcome
