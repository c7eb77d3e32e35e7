"""What doctor looks at: the machine, the user and the project as they are, without judgement and without secrets."""

from __future__ import annotations

from dataclasses import dataclass

from guard.model import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class PathFolder:
    """An entry of PATH.

    Args:
        text: as it stands there.
        problem: ``missing``, ``unreadable``, ``relative``, or empty.
        is_before_shims: whether it is looked at before the shims.
    """

    text: str
    problem: str
    is_before_shims: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What PATH has under the name of an installer.

    Args:
        name: of the installer.
        first: path of what is started when the name is typed; ``None`` for nothing.
        real: path of the first that is no shim of guard's; ``None`` for none.
        shim: path that its shim has, or would have.
        is_shim_first: whether the shim is what is started.
        is_shim_ours: whether the shim is there, can be run, and leads to this guard.
        is_shim_there: whether there is a shim of any guard's.
    """

    name: str
    first: str | None
    real: str | None
    shim: str
    is_shim_first: bool
    is_shim_ours: bool
    is_shim_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A virtual environment.

    Args:
        folder: absolute.
        python: its interpreter.
        pips: paths of its pips.
        is_active: whether VIRTUAL_ENV names it.
        is_guards: whether guard itself runs from it.
    """

    folder: str
    python: str
    pips: tuple[str, ...]
    is_active: bool
    is_guards: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupFile:
    """The file that a shell reads when it starts.

    Args:
        shell: its name.
        path: of the file, links followed.
        is_used: whether the shell is installed or has the file.
        is_told: whether the file has guard's block.
        is_current: whether that is the block that this guard would write.
        problem: why the file cannot be read; empty where it can.
    """

    shell: str
    path: str
    is_used: bool
    is_told: bool
    is_current: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSetting:
    """A setting of pip's or npm's that has a say in what is installed.

    Args:
        tool: ``pip`` or ``npm``.
        key: as the tool calls it.
        value: fit for a message: addresses without credentials, nothing else that may be secret.
        source: the file, variable or level that says it.
    """

    tool: str
    key: str
    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A registry that packages come from.

    Args:
        tool: ``pip`` or ``npm``.
        url: without credentials.
        is_evidence_bearing: whether it is known to say which files have provenance, or guard.toml says who does.
    """

    tool: str
    url: str
    is_evidence_bearing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that could not be looked at.

    Args:
        subject: what it is about.
        message: why.
        hint: the next step.
    """

    subject: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityLock:
    """guard.lock beside the lockfiles of the project.

    Args:
        lockfiles: paths of the lockfiles, from the working directory.
        path: of guard.lock; ``None`` where there is none.
        stale: packages that guard.lock names and no lockfile does.
    """

    lockfiles: tuple[str, ...]
    path: str | None
    stale: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that doctor judges.

    Args:
        path: entries of PATH, those that nothing is wrong with left out.
        programs: every installer that has a shim or is on PATH.
        words: tools that guard has a command for.
        environments: those of the project, and the active one.
        startup_files: one for each shell that can be told.
        settings: of pip and npm.
        registries: in force.
        guards: paths of guard's command on PATH that do not lead to this guard.
        own_prefix: the environment that guard runs from.
        is_own_pip_first: whether the pip that guard would drive is that environment's.
        python_path: whether PYTHONPATH is set.
        trust_root: where the trust root in force comes from; ``None`` where it could not be read.
        trust_root_age_days: for how long it was not known to be current; ``None`` where it has no date.
        identity_lock: of the project.
        notes: what loading the policy had to say.
        problems: what could not be read.
    """

    path: tuple[PathFolder, ...] = ()
    programs: tuple[Program, ...] = ()
    words: frozenset[str] = frozenset()
    environments: tuple[Environment, ...] = ()
    startup_files: tuple[StartupFile, ...] = ()
    settings: tuple[ToolSetting, ...] = ()
    registries: tuple[Registry, ...] = ()
    guards: tuple[str, ...] = ()
    own_prefix: str = ""
    is_own_pip_first: bool = False
    python_path: bool = False
    trust_root: str | None = None
    trust_root_age_days: int | None = None
    identity_lock: IdentityLock | None = None
    notes: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
