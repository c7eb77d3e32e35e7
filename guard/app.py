"""The composition root: the only place that reads the environment, the clock and the user's folders."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from guard import __version__, limits
from guard.engine.outcome import Outcome
from guard.errors import ConfigInvalid, ExitCode, MalformedInput
from guard.model import Digest, EvidenceState, Finding, Verdict
from guard.policy.identity_lock import IdentityLock
from guard.policy.policy import Policy, PolicyClass, explicit_policy, merge_policies
from guard.policy.schema import AnchorFile, PolicyFile, RefreshMode, parse_policy
from guard.registry.http import Deadline
from guard.sigstore.trust_root import TrustRoot, parse_trust_root
from guard.store.files import FileStore
from guard.store.policies import (
    POLICY_NAME,
    Load,
    TrustedPolicies,
    find_identity_lock,
    find_project_policy,
    load_file,
    load_policy,
)
from guard.store.runs import Runs
from guard.store.trust_roots import TrustRoots, load_shipped_root

if TYPE_CHECKING:
    from rich.console import Console

    from guard.report.model import RunReport, Tool, TrustRootUsed
    from guard.store.facts import Facts
    from guard.store.tarballs import TarballFacts

_APP_NAME = "provenance-guard"
# How guard's own shims know each other again (guard_shims.launcher); no tool that guard starts has a use for it.
_SHIM_TRAIL = "PROVENANCE_GUARD_SHIM_TRAIL"
_CLOCK_TOLERANCE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """guard's own options, which stand before the command word."""

    policy: Path | None = None
    trust_root: Path | None = None
    report: Path | None = None
    same_environment: bool = False
    pip: str | None = None
    progress: bool = True
    color: str = "auto"
    verbose: int = 0
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What a command needs of the outside, read once.

    Args:
        options: guard's own options.
        environ: the process environment.
        cwd: the working directory.
        started: the moment the command began (UTC).
        command: the command line, from the command word on.
        notes: what loading the policy had to say; filled by :meth:`load_policy`.
        deadline: until when registries are asked, whichever of them.
    """

    options: Options
    environ: Mapping[str, str]
    cwd: Path
    started: datetime
    command: tuple[str, ...] = ()
    notes: list[Finding] = field(default_factory=list)
    deadline: Deadline = field(default_factory=Deadline)

    @classmethod
    def from_process(cls, options: Options, *, command: tuple[str, ...] = ()) -> App:
        """Read the process this runs in."""
        environ = {name: value for name, value in os.environ.items() if name != _SHIM_TRAIL}
        started = datetime.now(timezone.utc)
        return cls(options=options, environ=environ, cwd=Path.cwd(), started=started, command=command)

    @property
    def latest_now(self) -> datetime:
        """What may be the present: the moment the command began, as far off as a clock may be wrong."""
        return self.started + _CLOCK_TOLERANCE

    @property
    def home(self) -> Path:
        """The user's home folder."""
        return Path(self.environ.get("HOME") or Path.home())

    @property
    def project(self) -> Path:
        """Root of the project: the repository around the working directory, else the working directory."""
        folders = (self.cwd, *self.cwd.parents)
        return next((folder for folder in folders if (folder / ".git").exists()), self.cwd)

    @property
    def console(self) -> Console:
        """Where guard's own words go: stderr, so that stdout stays the tool's."""
        from rich.console import Console

        forced = {"always": True, "never": False}.get(self.options.color)
        return Console(stderr=True, force_terminal=forced, no_color=forced is False, soft_wrap=True, highlight=False)

    @property
    def shows_progress(self) -> bool:
        """Whether progress is shown while something takes long."""
        return self.options.progress and not self.options.quiet and sys.stderr.isatty()

    @property
    def trusted_policies(self) -> TrustedPolicies:
        """The record of policy files that the user trusts."""
        return TrustedPolicies(platformdirs.user_state_path(_APP_NAME) / "trusted-policies.json")

    @property
    def caches(self) -> Mapping[str, Path]:
        """The folders of what can be fetched or verified again, by what is in them."""
        folder = platformdirs.user_cache_path(_APP_NAME)
        return {
            "downloaded files": folder / "files",
            "what npm tarballs say": folder / "tarball-facts",
            "verified facts": folder / "facts",
        }

    @property
    def file_store(self) -> FileStore:
        """The store of downloaded files."""
        return FileStore(self.caches["downloaded files"])

    @property
    def tarball_facts(self) -> TarballFacts:
        """What npm tarballs say of themselves, by digest."""
        from guard.store.tarballs import TarballFacts

        return TarballFacts(self.caches["what npm tarballs say"])

    @property
    def facts(self) -> Facts:
        """What verifications came to, and what registries answered a while ago."""
        from guard.store.facts import Facts

        return Facts(self.caches["verified facts"])

    @property
    def trust_roots(self) -> TrustRoots:
        """The public trust root as it was last verified over TUF."""
        return TrustRoots(platformdirs.user_state_path(_APP_NAME) / "trust-root")

    def private_trust_roots(self, name: str) -> TrustRoots:
        """What is kept about a private TUF repository.

        Args:
            name: sha256 of the root metadata that it is believed by.
        """
        return TrustRoots(platformdirs.user_state_path(_APP_NAME) / "private-trust-roots" / name)

    @property
    def runs(self) -> Runs:
        """Where commands keep private files while they run."""
        return Runs(platformdirs.user_cache_path(_APP_NAME) / "runs")

    def find_policy(self, load: Load = load_file) -> PolicyFile | None:
        """Return the policy file that the command line names, else the project's; ``None`` where there is none.

        Args:
            load: gets the bytes of a file, for a policy as of another time.

        Raises:
            ConfigInvalid: it cannot be used.
        """
        named = self.options.policy
        if named is None:
            return find_project_policy(self.cwd, home=self.home, load=load)
        data = load(self.cwd / named)
        if data is None and load is load_file:
            return load_policy(named)  # which says why not
        return None if data is None else parse_policy(data, path=str(named))

    def load_policy(self, load: Load = load_file) -> Policy:
        """Return the policy in force.

        Args:
            load: see :meth:`find_policy`; the user's own file is always as it is.

        Raises:
            ConfigInvalid: a policy file cannot be used.
        """
        identity_lock = self.find_identity_lock(self.cwd, load)
        project = self.find_policy(load)
        if self.options.policy is not None:
            return replace(Policy() if project is None else explicit_policy(project), identity_lock=identity_lock)
        user_path = platformdirs.user_config_path(_APP_NAME) / POLICY_NAME
        user = load_policy(user_path) if user_path.is_file() else None
        trusted = project is not None and project.digest in self.trusted_policies.load()
        policy, notes = merge_policies(user, project, project_trusted=trusted)
        self.notes[:] = notes
        return replace(policy, identity_lock=identity_lock)

    def find_identity_lock(self, folder: Path, load: Load = load_file) -> IdentityLock | None:
        """Return the guard.lock that governs a folder, the nearest one upwards.

        Args:
            folder: where a lockfile is, or where a command runs.
            load: see :meth:`find_policy`.

        Raises:
            ConfigInvalid: it cannot be used.
        """
        return find_identity_lock(folder, home=self.home, load=load)

    def load_trust_root(self, policy: Policy) -> TrustRoot:
        """Return the Sigstore trust root in force: of the command line, else of the policy, else the public one.

        Raises:
            ConfigInvalid: it cannot be used.
        """
        if self.options.trust_root is not None:
            return load_trust_root(self.options.trust_root)
        anchor = policy.anchors.trust_root
        if anchor is None:
            return self._load_public_trust_root()
        root = load_trust_root(anchor_path(anchor))
        self._require_trusted(anchor, root.digest, f"the trust root {root.source}", policy)
        return root

    def age_days(self, root: TrustRoot) -> int | None:
        """Return for how many days a trust root was not known to be current; ``None`` where that has no date."""
        return None if root.as_of is None else max(0, (self.started - root.as_of).days)

    def _load_public_trust_root(self) -> TrustRoot:
        """Return the public trust root as it was last verified, or the shipped one where that is as good or better."""
        shipped = load_shipped_root()
        try:
            stored = self.trust_roots.load()
        except MalformedInput as error:
            self._say(
                f"warning: {error.message}; the trust root that guard ships is used. Next: guard trust-root update"
            )
            return shipped
        attempt = self.trust_roots.load_attempt() if self.options.verbose else None
        if attempt is not None and attempt.problem:
            self._say(f"the trust root could not be refreshed: {attempt.problem}")
        verified_at = None if stored is None else stored.root.as_of
        if stored is None or verified_at is None or shipped.as_of is None:
            return shipped
        # One that was verified before guard was released may be older than what guard ships; one that was verified in
        # the future was verified by a clock that was wrong.
        return stored.root if shipped.as_of <= verified_at <= self.started + _CLOCK_TOLERANCE else shipped

    def _refresh_trust_root(self, outcome: Outcome, policy: Policy) -> None:
        """Start refreshing the public trust root, in a process of its own that nobody waits for, where that is due."""
        if (
            self._refreshes_trust_root(policy)
            and _used_trust_root(outcome)
            and self.trust_roots.claim_refresh(self.started)
        ):
            start_detached(("trust-root", "update"), self.environ)

    def _refreshes_trust_root(self, policy: Policy) -> bool:
        is_public = self.options.trust_root is None and policy.anchors.trust_root is None
        # A machine that lives for one job has the shipped one every time, or refreshes in a step of its own.
        is_ci = self.environ.get("CI", "").lower() not in ("", "0", "false")
        return is_public and not is_ci and policy.anchors.refresh is not RefreshMode.NEVER

    def load_npm_keys(self, policy: Policy) -> bytes | None:
        """Return the file of registry keys that the policy names; ``None`` when it names none.

        Raises:
            ConfigInvalid: it cannot be used.
        """
        anchor = policy.anchors.npm_keys
        if anchor is None:
            return None
        path = anchor_path(anchor)
        data = load_anchor(path, what="registry keys")
        digest = Digest("sha256", hashlib.sha256(data).hexdigest())
        self._require_trusted(anchor, digest, f"the registry keys {path}", policy)
        return data

    def _require_trusted(self, anchor: AnchorFile, digest: Digest, what: str, policy: Policy) -> None:
        """Refuse a file that a project's policy names unless it is as it was when the user trusted that policy."""
        by_project = {
            source.path for source in policy.sources_read if source.policy_class is PolicyClass.PROJECT_TRUSTED
        }
        if anchor.named_by in by_project and digest not in self.trusted_policies.load():
            raise ConfigInvalid(
                f"{what} has changed since {anchor.named_by} was trusted",
                hint="look at the change, then: guard policy trust",
            )

    def conclude(
        self,
        outcome: Outcome,
        *,
        command: Sequence[str],
        tool: Tool | None = None,
        policy: Policy | None = None,
        trust_root: TrustRoot | None = None,
        show: Callable[[RunReport], None] = lambda _: None,
        unusable: bool = False,
        is_offline: bool = False,
        is_explained: bool = False,
    ) -> int:
        """Report what a run came to.

        Args:
            outcome: of the run.
            command: what was typed after ``guard``.
            tool: the package manager that was driven.
            policy: the policy that decided.
            trust_root: the trust root that signatures were checked with.
            show: prints what the command's own standard output has of the report, before the verdict is said.
            unusable: whether the input itself could not be used, which beats what was decided.
            is_offline: whether nothing may be fetched behind the user's back either.
            is_explained: whether ``show`` says what was found on each artifact, so that it is not said twice.

        Returns:
            The exit status: 10 or 11 where guard refused, else the tool's own.

        Raises:
            ConfigInvalid: the report cannot be written.
        """
        refused = {Verdict.BLOCK: ExitCode.BLOCKED, Verdict.UNDECIDED: ExitCode.UNDECIDED}.get(outcome.verdict)
        # A run that was allowed and yet did not happen is an error of guard's own, not a success.
        status = outcome.tool_status if outcome.tool_status is not None else ExitCode.INTERNAL
        exit_code = int(ExitCode.USAGE if unusable else refused if refused is not None else status)
        report = self._make_report(
            outcome,
            command=command,
            exit_code=exit_code,
            verdict=outcome.verdict,
            tool=tool,
            policy=policy,
            trust_root=trust_root,
        )
        show(report)
        if refused is not None or not self.options.quiet:
            from guard.report.text import render_text

            verbose = self.options.verbose > 0
            render_text(report, self.console, verbose=verbose, is_explained=is_explained)
        self._store_report(report)
        if policy is not None and not is_offline:
            self._refresh_trust_root(outcome, policy)
        return exit_code

    def report_status(
        self,
        exit_code: int,
        outcome: Outcome | None = None,
        *,
        policy: Policy | None = None,
        trust_root: TrustRoot | None = None,
    ) -> None:
        """Write the report, where one is asked for, of a command whose own words and status are its result.

        Args:
            exit_code: the command's status, which is the verdict as well.
            outcome: what it looked at.
            policy: the policy that decided.
            trust_root: the trust root that signatures were checked with.

        Raises:
            ConfigInvalid: the report cannot be written.
        """
        verdict = {ExitCode.ALLOWED: Verdict.ALLOW, ExitCode.UNDECIDED: Verdict.UNDECIDED}
        report = self._make_report(
            outcome or Outcome(),
            command=self.command,
            exit_code=exit_code,
            verdict=verdict.get(ExitCode(exit_code), Verdict.BLOCK),
            tool=None,
            policy=policy,
            trust_root=trust_root,
        )
        self._store_report(report)

    def _store_report(self, report: RunReport) -> None:
        if self.options.report is not None:
            from guard.report.json_report import render_json

            _write_report(self.options.report, render_json(report))

    def _make_report(
        self,
        outcome: Outcome,
        *,
        command: Sequence[str],
        exit_code: int,
        verdict: Verdict,
        tool: Tool | None,
        policy: Policy | None,
        trust_root: TrustRoot | None,
    ) -> RunReport:
        from guard.report.model import RunReport

        return RunReport(
            guard_version=__version__,
            command=tuple(command),
            cwd=str(self.cwd),
            tool=tool,
            started=self.started,
            finished=datetime.now(timezone.utc),
            exit_code=exit_code,
            verdict=verdict,
            policy=policy.sources_read if policy else (),
            identity_lock=policy.identity_lock if policy else None,
            trust_root=self._trust_root_used(trust_root),
            artifacts=outcome.judged,
            findings=(*self.notes, *outcome.findings),
            held_back=outcome.held_back,
            not_decided=outcome.not_decided,
            since=outcome.since,
        )

    def _trust_root_used(self, root: TrustRoot | None) -> TrustRootUsed | None:
        if root is None:
            return None
        from guard.report.model import TrustRootUsed

        return TrustRootUsed(source=root.source, digest=root.digest, age_days=self.age_days(root))

    def _say(self, message: str) -> None:
        from guard.report.text import printable

        self.console.print(f"guard: {printable(message)}", markup=False)


def load_trust_root(path: Path) -> TrustRoot:
    """Read a trust root.

    Raises:
        ConfigInvalid: it cannot be read or used.
    """
    return parse_trust_root(load_anchor(path, what="trust root"), source=str(path))


def load_anchor(path: Path, *, what: str) -> bytes:
    """Read a file that says whom to believe, with one byte more than allowed where it is too large.

    Raises:
        ConfigInvalid: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(limits.TRUST_ROOT_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigInvalid(f"{what} {path} cannot be read: {error.strerror}") from error


def anchor_path(anchor: AnchorFile) -> Path:
    """Return the file that a policy names, relative to the policy's own folder."""
    return Path(anchor.named_by).parent / anchor.name


def start_detached(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Start a command of guard's own that outlives this one: silent, and in a session of its own.

    Args:
        arguments: what follows ``guard``.
        environ: its environment.
    """
    import subprocess

    with contextlib.suppress(OSError):
        subprocess.Popen(
            [sys.executable, "-I", "-m", "guard", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environ,
            start_new_session=True,
        )


def _used_trust_root(outcome: Outcome) -> bool:
    """Whether signatures were checked, whatever came of it: those of a new key fail until the trust root knows it."""
    evidence = (each for judged in outcome.judged for each in judged.facts.evidence)
    return any(each.state in (EvidenceState.VERIFIED, EvidenceState.INVALID) for each in evidence)


def _write_report(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigInvalid(f"the report {path} cannot be written: {error.strerror}") from error
