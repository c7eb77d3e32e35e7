"""The composition root: the only place that reads the environment, the clock and the user's folders."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from guard import __version__, limits
from guard.engine.outcome import Outcome
from guard.errors import ConfigInvalid, ExitCode
from guard.model import Digest, Finding, Verdict
from guard.policy.policy import Policy, PolicyClass, explicit_policy, merge_policies
from guard.policy.schema import AnchorFile
from guard.report.model import RunReport, Tool, TrustRootUsed
from guard.sigstore.trust_root import TrustRoot, parse_trust_root
from guard.store.files import FileStore
from guard.store.policies import POLICY_NAME, TrustedPolicies, find_project_policy, load_policy
from guard.store.runs import Runs
from guard.store.tarballs import TarballFacts

if TYPE_CHECKING:
    from rich.console import Console

_APP_NAME = "provenance-guard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """guard's own options, which stand before the command word."""

    policy: Path | None = None
    trust_root: Path | None = None
    report: Path | None = None
    same_environment: bool = False
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
        notes: what loading the policy had to say; filled by :meth:`load_policy`.
    """

    options: Options
    environ: Mapping[str, str]
    cwd: Path
    started: datetime
    notes: list[Finding] = field(default_factory=list)

    @classmethod
    def from_process(cls, options: Options) -> App:
        """Read the process this runs in."""
        return cls(options=options, environ=dict(os.environ), cwd=Path.cwd(), started=datetime.now(timezone.utc))

    @property
    def today(self) -> date:
        """The date on which exceptions are judged."""
        return self.started.date()

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
    def file_store(self) -> FileStore:
        """The store of downloaded files."""
        return FileStore(platformdirs.user_cache_path(_APP_NAME) / "files")

    @property
    def tarball_facts(self) -> TarballFacts:
        """What npm tarballs say of themselves, by digest."""
        return TarballFacts(platformdirs.user_cache_path(_APP_NAME) / "tarball-facts")

    @property
    def runs(self) -> Runs:
        """Where commands keep private files while they run."""
        return Runs(platformdirs.user_cache_path(_APP_NAME) / "runs")

    def load_policy(self) -> Policy:
        """Return the policy in force.

        Raises:
            ConfigInvalid: a policy file cannot be used.
        """
        if self.options.policy is not None:
            return explicit_policy(load_policy(self.options.policy))
        user_path = platformdirs.user_config_path(_APP_NAME) / POLICY_NAME
        user = load_policy(user_path) if user_path.is_file() else None
        project = find_project_policy(self.cwd, home=self.home)
        trusted = project is not None and project.digest in self.trusted_policies.load()
        policy, notes = merge_policies(user, project, project_trusted=trusted)
        self.notes[:] = notes
        return policy

    def load_trust_root(self, policy: Policy) -> TrustRoot:
        """Return the Sigstore trust root in force: of the command line, else of the policy, else the shipped one.

        Raises:
            ConfigInvalid: it cannot be used.
        """
        if self.options.trust_root is not None:
            return load_trust_root(self.options.trust_root)
        anchor = policy.anchors.trust_root
        if anchor is None:
            data = (resources.files("guard") / "data" / "trusted_root.json").read_bytes()
            return parse_trust_root(data, source="shipped with guard")
        root = load_trust_root(anchor_path(anchor))
        self._require_trusted(anchor, root.digest, f"the trust root {root.source}", policy)
        return root

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
    ) -> int:
        """Report what a run came to.

        Args:
            outcome: of the run.
            command: what was typed after ``guard``.
            tool: the package manager that was driven.
            policy: the policy that decided.
            trust_root: the trust root that signatures were checked with.

        Returns:
            The exit status: 10 or 11 where guard refused, else the tool's own.

        Raises:
            ConfigInvalid: the report cannot be written.
        """
        from guard.report.json_report import render_json
        from guard.report.text import render_text

        refused = {Verdict.BLOCK: ExitCode.BLOCKED, Verdict.UNDECIDED: ExitCode.UNDECIDED}.get(outcome.verdict)
        # A run that was allowed and yet did not happen is an error of guard's own, not a success.
        status = outcome.tool_status if outcome.tool_status is not None else ExitCode.INTERNAL
        exit_code = int(refused if refused is not None else status)
        report = RunReport(
            guard_version=__version__,
            command=tuple(command),
            cwd=str(self.cwd),
            tool=tool,
            started=self.started,
            finished=datetime.now(timezone.utc),
            exit_code=exit_code,
            verdict=outcome.verdict,
            policy=policy.sources_read if policy else (),
            trust_root=TrustRootUsed(source=trust_root.source, digest=trust_root.digest) if trust_root else None,
            artifacts=outcome.judged,
            findings=(*self.notes, *outcome.findings),
        )
        if refused is not None or not self.options.quiet:
            render_text(report, self.console, verbose=self.options.verbose > 0)
        if self.options.report is not None:
            _write_report(self.options.report, render_json(report))
        return exit_code


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


def _write_report(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigInvalid(f"the report {path} cannot be written: {error.strerror}") from error
