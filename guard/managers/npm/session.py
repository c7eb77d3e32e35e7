"""What one guarded run of npm needs, and the steps that all ways of running it share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from guard.engine.npm import NpmEngine
from guard.engine.outcome import Outcome
from guard.gateway.npm import NpmSite
from guard.gateway.server import Gateway
from guard.managers.npm.command import NpmCommand
from guard.managers.npm.config import NpmConfiguration
from guard.managers.npm.environment import Places, npm_environment
from guard.managers.npm.plan import Platform
from guard.managers.npm.target import NpmTarget
from guard.managers.process import OutputFilter, run_quietly, run_relayed
from guard.managers.progress import Progress
from guard.model import Ecosystem, Finding, Judged, Level, RuleId
from guard.policy.provenance import REGISTRY_SOURCES
from guard.policy.schema import InstallScriptsMode
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

    @property
    def platform(self) -> Platform:
        """What npm takes the machine for."""
        settings, found = self.configuration, self.target.load_platform()
        return Platform(os=settings.os or found.os, cpu=settings.cpu or found.cpu, libc=settings.libc or found.libc)

    def stored_files(self, judged: Iterable[Judged]) -> Iterator[StoredFile]:
        """Yield the bytes of what was decided and comes from a registry."""
        for item in judged:
            artifact = item.artifact
            if artifact.source in REGISTRY_SOURCES and item.decision.verdict.installs:
                yield self.engine.load_tarball(self.engine.find_published(artifact.name, artifact.version))

    def environment(self, gateway: Gateway) -> dict[str, str]:
        """Return the environment for npm, reaching nothing but the gateway."""
        return npm_environment(
            self.environ,
            gateway,
            self.places,
            scopes=self.configuration.scopes,
            script_shell=self.configuration.script_shell or "sh",
        )

    def argv(self, command: NpmCommand) -> list[str]:
        """Return the process arguments that run a command with the user's npm, settings of guard's own taken off."""
        scopes = {f"{scope}:registry" for scope in self.configuration.scopes}
        return [*self.target.argv, *command.without(_TAKEN_OFF | scopes).to_argv()]

    def make_site(self, planned: Sequence[Judged] = ()) -> NpmSite:
        """Return what the gateway serves.

        Args:
            planned: what was decided and allowed.
        """
        for judged in planned:
            self.note_scripts(judged)
        return NpmSite(
            self.engine,
            self.client,
            planned={(judged.artifact.name, judged.artifact.version): judged for judged in planned},
            on_refusal=self.places.refused.touch,
            on_delivery=self.note_scripts,
        )

    def note_scripts(self, judged: Judged) -> None:
        """Tell the shell of scripts when a package is to be installed without them."""
        artifact = judged.artifact
        asked = self.engine.policy.for_package(Ecosystem.NPM, artifact.name, artifact.version, today=self.engine.today)
        if asked.install_scripts is InstallScriptsMode.SKIP:
            mark = self.places.skipped / f"{artifact.name}@{artifact.version}"
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()

    def run_quietly(self, argv: list[str], gateway: Gateway, cwd: Path) -> tuple[int, bytes, bytes]:
        """Run npm without showing its output; see :func:`guard.managers.process.run_quietly`."""
        return run_quietly(argv, environ=self.environment(gateway), cwd=str(cwd))

    def run_shown(self, command: NpmCommand, gateway: Gateway, site: NpmSite) -> int:
        """Run the user's command on the user's own streams, and mend the logs that npm wrote meanwhile.

        Returns:
            npm's exit status.
        """
        self.progress.stop()
        before = set(self.places.logs.glob("*.log"))
        status = run_relayed(
            self.argv(command),
            environ=self.environment(gateway),
            make_filter=lambda: self.make_filter(gateway, site),
        )
        for log in set(self.places.logs.glob("*.log")) - before:
            written = log.read_bytes()
            log.write_bytes(self.show(written, gateway, site))
        return status

    def make_filter(self, gateway: Gateway, site: NpmSite) -> OutputFilter:
        """Return a filter that puts the user's own addresses and folders in place of guard's."""
        scratch, cache = self.scratch_folder, self.places.cache

        def replace(text: str) -> str:
            for own, users in ((scratch, self.configuration.local_prefix.parent), (cache, self.places.logs.parent)):
                if text.startswith(str(own)):
                    return str(users) + text.removeprefix(str(own))
            if text.startswith(gateway.url):
                return site.upstream_url(text.removeprefix(gateway.url))
            return urlsplit(self.configuration.registries.default).netloc + text.removeprefix(host)

        host = urlsplit(gateway.url).netloc
        return OutputFilter([gateway.url, str(scratch), str(cache), host], replace)

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
        addresses = [word for line in lines for word in line.split() if "://" in word or "@" in word]
        return tuple(
            Finding(
                rule=RuleId.SOURCE_NOT_ALLOWED,
                level=Level.BLOCK,
                message=f"npm wanted to fetch from a repository, whose bytes nothing binds: {address}",
                next="depend on a release of a registry instead",
            )
            for address in dict.fromkeys(addresses)
        )


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
        findings=(*before.findings, *session.findings(gateway, site)),
        planned=before.planned + len(more),
    )
    return replace(outcome, tool_status=status) if outcome.allowed else outcome
