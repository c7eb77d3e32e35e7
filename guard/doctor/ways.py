"""Checks of the ways an install starts: plain words, modules, environments, shells and PATH itself."""

from __future__ import annotations

from collections.abc import Iterator

from guard.doctor.model import Row, State
from guard.doctor.snapshot import Program, Snapshot, StartupFile


def evaluate_plain_words(snapshot: Snapshot) -> Iterator[Row]:
    """Every installer by its plain name: whether its shim is what is started."""
    for program in snapshot.programs:
        message, state, fix = _judge_program(program, snapshot)
        yield Row(check="plain-word", subject=program.name, state=state, message=message, fix=fix)


def _judge_program(program: Program, snapshot: Snapshot) -> tuple[str, State, str]:
    behind = f"then {program.real}" if program.real else "and there is no other"
    if program.is_shim_first and program.is_shim_ours:
        return f"{program.shim} is first on PATH, {behind}", State.GUARDED, ""
    if program.name not in snapshot.words:
        return f"{program.first} is not guarded: guard has no command for it", State.NOTE, ""
    if program.first is None:
        return "is not on PATH", State.GUARDED, ""
    if program.is_shim_there and not program.is_shim_ours:
        return f"{program.shim} leads to another guard, or cannot be run", State.OPEN, _install(program.name)
    if not program.is_shim_there:
        return f"{program.first} is first on PATH, and there is no shim", State.OPEN, _install(program.name)
    is_told = any(each.is_current for each in snapshot.startup_files)
    fix = "open a new shell" if is_told else "guard shims install, then open a new shell"
    return f"{program.first} is first on PATH, before {program.shim}", State.OPEN, fix


def _install(name: str) -> str:
    always = ("pip", "pip3", "npm", "npx")
    return "guard shims install" if name in always else f"guard shims install --tool {name}"


_WITH_FUNCTIONS = ("bash", "zsh")


def evaluate_modules(snapshot: Snapshot) -> Iterator[Row]:
    """``python -m pip``, which only the functions of a shell see."""
    used = [each for each in snapshot.startup_files if each.is_used and each.shell in _WITH_FUNCTIONS]
    told = [each.shell for each in used if each.is_current]
    subject = "python -m pip"
    if told:
        message = f"python and python3 are functions in interactive {', '.join(told)}"
        yield Row(check="module", subject=subject, state=State.GUARDED, message=message)
    elif used:
        message = "no shell has guard's functions"
        yield Row(check="module", subject=subject, state=State.OPEN, message=message, fix="guard shims install")


def evaluate_startup_files(snapshot: Snapshot) -> Iterator[Row]:
    """The file of each shell in use: whether it puts the shims in front."""
    for file in snapshot.startup_files:
        if file.is_used or file.is_told:
            message, state, fix = _judge_startup_file(file)
            yield Row(check="startup-file", subject=file.path, state=state, message=message, fix=fix)


def _judge_startup_file(file: StartupFile) -> tuple[str, State, str]:
    fix = f"guard shims install --shell {file.shell}"
    if file.problem:
        return f"{file.shell}: {file.problem}", State.OPEN, f"make it readable and writable, then: {fix}"
    if file.is_current:
        return f"{file.shell} puts the shims in front of PATH", State.GUARDED, ""
    if file.is_told:
        return f"{file.shell} has the block of another guard, or of an older one", State.OPEN, fix
    return f"{file.shell} does not know of the shims", State.OPEN, fix


def evaluate_environments(snapshot: Snapshot) -> Iterator[Row]:
    """Virtual environments: the plain word is guarded in them; their pip by its path is not."""
    for environment in snapshot.environments:
        if environment.is_guards:
            yield Row(
                check="own-environment",
                subject=environment.folder,
                state=State.OPEN if environment.is_active else State.NOTE,
                message="guard itself runs from this environment, so that an install in it may replace guard",
                fix="install guard into an environment of its own: uv tool install ., or pipx install .",
            )
        if environment.pips:
            is_active = " The plain word, in a shell that is guarded, is." if environment.is_active else ""
            yield Row(
                check="environment",
                subject=environment.folder,
                state=State.NOTE,
                message=f"{', '.join(environment.pips)}: called by its path, it is not guarded.{is_active}",
                fix=f"guard pip --python {environment.python} install …",
            )


def evaluate_path(snapshot: Snapshot) -> Iterator[Row]:
    """Entries of PATH that lead nowhere, or elsewhere from folder to folder."""
    for folder in snapshot.path:
        subject = folder.text or "(empty)"
        if folder.problem == "relative":
            yield Row(
                check="path",
                subject=subject,
                state=State.OPEN if folder.is_before_shims else State.NOTE,
                message="a relative entry of PATH: which pip or npm it has depends on the working folder",
                fix="take it out of PATH, or write it as an absolute path",
            )
        else:
            yield Row(
                check="path", subject=subject, state=State.NOTE, message=f"an entry of PATH that is {folder.problem}"
            )


def evaluate_guards(snapshot: Snapshot) -> Iterator[Row]:
    """Guard itself: one, from an environment of its own, started by what it was installed as."""
    for path in snapshot.guards:
        yield Row(
            check="two-guards",
            subject=path,
            state=State.OPEN,
            message=f"another guard than this one, which runs from {snapshot.own_prefix}",
            fix="uninstall one of the two, then: guard shims install",
        )
    if snapshot.is_own_pip_first:
        yield Row(
            check="own-environment",
            subject=snapshot.own_prefix,
            state=State.OPEN,
            message="the pip that guard would drive belongs to the environment that guard itself runs from",
            fix="activate the project's environment, or install guard with: uv tool install ., or pipx install .",
        )
    if snapshot.python_path:
        yield Row(
            check="python-path",
            subject="PYTHONPATH",
            state=State.NOTE,
            message="a package named guard on it stands in for guard's console script; the shims are isolated",
            fix="make install, whose command is isolated, too; or unset PYTHONPATH",
        )
