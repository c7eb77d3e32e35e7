"""Each check of doctor: what it says of what is right, and of what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from guard.doctor import judging, ways
from guard.doctor.checks import CHECKS, evaluate_snapshot
from guard.doctor.limits import LIMITS
from guard.doctor.model import Row, State, exit_code_of
from guard.doctor.snapshot import (
    Environment,
    IdentityLock,
    PathFolder,
    Problem,
    Program,
    Registry,
    Snapshot,
    StartupFile,
    ToolSetting,
)
from guard.model import Finding, Level, RuleId
from tests.unit.test_docs import ROOT

Check = Callable[[Snapshot], Iterable[Row]]


def program(name: str = "pip", **changes: Any) -> Program:
    values: dict[str, Any] = {
        "first": f"/shims/{name}",
        "real": f"/usr/bin/{name}",
        "shim": f"/shims/{name}",
        "is_shim_first": True,
        "is_shim_ours": True,
        "is_shim_there": True,
    }
    return Program(name=name, **{**values, **changes})


def startup_file(**changes: Any) -> StartupFile:
    values = {"shell": "bash", "path": "/rc", "is_used": True, "is_told": True, "is_current": True}
    return StartupFile(**{**values, **changes})


def environment(**changes: Any) -> Environment:
    values = {"folder": "/env", "python": "/env/bin/python", "pips": (), "is_active": False, "is_guards": False}
    return Environment(**{**values, **changes})


def rows_of(check: Check, **facts: Any) -> list[Row]:
    return list(check(Snapshot(words=frozenset({"pip", "uv", "pip3.12"}), **facts)))


BEHIND: dict[str, Any] = {"first": "/usr/bin/pip", "is_shim_first": False}
NO_SHIM: dict[str, Any] = {"is_shim_ours": False, "is_shim_there": False}


@pytest.mark.parametrize(
    ("changed", "files", "state", "fix"),
    [
        (program(), (), State.GUARDED, ""),
        (program(real=None), (), State.GUARDED, ""),
        (program(first=None, is_shim_first=False), (), State.GUARDED, ""),
        (program(**BEHIND), (), State.OPEN, "guard shims install, then open a new shell"),
        (program(**BEHIND), (startup_file(),), State.OPEN, "open a new shell"),
        (program(**BEHIND, **NO_SHIM), (), State.OPEN, "guard shims install"),
        (program("uv", **BEHIND, **NO_SHIM), (), State.OPEN, "guard shims install --tool uv"),
        (program("pip3.12", **BEHIND, **NO_SHIM), (), State.OPEN, "guard shims install --tool pip3.12"),
        (program(is_shim_ours=False), (), State.OPEN, "guard shims install"),
        (program(**BEHIND, is_shim_ours=False), (), State.OPEN, "guard shims install"),
        (program("conda", **BEHIND, **NO_SHIM), (), State.NOTE, ""),
    ],
)
def test_a_plain_word(changed: Program, files: tuple[StartupFile, ...], state: State, fix: str) -> None:
    [row] = rows_of(ways.evaluate_plain_words, programs=(changed,), startup_files=files)
    assert (row.subject, row.state, row.fix) == (changed.name, state, fix)


@pytest.mark.parametrize(
    ("files", "states"),
    [
        ((startup_file(),), [State.GUARDED]),
        ((startup_file(is_current=False),), [State.OPEN]),
        ((startup_file(), startup_file(is_told=False, is_current=False)), [State.GUARDED]),
        ((startup_file(is_used=False),), []),
        ((), []),
    ],
)
def test_modules_are_seen_where_a_shell_has_the_functions(files: tuple[StartupFile, ...], states: list[State]) -> None:
    assert [row.state for row in rows_of(ways.evaluate_modules, startup_files=files)] == states


@pytest.mark.parametrize(
    ("file", "state", "fix"),
    [
        (startup_file(), State.GUARDED, ""),
        (startup_file(is_current=False), State.OPEN, "guard shims install --shell bash"),
        (startup_file(is_current=False, is_told=False), State.OPEN, "guard shims install --shell bash"),
        (
            startup_file(is_current=False, is_told=False, problem="/rc cannot be read"),
            State.OPEN,
            "make it readable and writable, then: guard shims install --shell bash",
        ),
    ],
)
def test_a_startup_file(file: StartupFile, state: State, fix: str) -> None:
    [row] = rows_of(ways.evaluate_startup_files, startup_files=(file,))
    assert (row.subject, row.state, row.fix) == ("/rc", state, fix)


def test_a_shell_that_nobody_uses_is_not_looked_at() -> None:
    unused = startup_file(is_used=False, is_told=False, is_current=False)
    assert rows_of(ways.evaluate_startup_files, startup_files=(unused,)) == []


@pytest.mark.parametrize(
    ("found", "states"),
    [
        (environment(), []),
        (environment(pips=("/env/bin/pip",)), [State.NOTE]),
        (environment(is_guards=True), [State.NOTE]),
        (environment(is_guards=True, is_active=True, pips=("/env/bin/pip",)), [State.OPEN, State.NOTE]),
    ],
)
def test_an_environment(found: Environment, states: list[State]) -> None:
    rows = rows_of(ways.evaluate_environments, environments=(found,))
    assert [row.state for row in rows] == states
    assert all(row.fix for row in rows)


@pytest.mark.parametrize(
    ("problem", "is_before", "state"),
    [
        ("relative", True, State.OPEN),
        ("relative", False, State.NOTE),
        ("missing", True, State.NOTE),
        ("unreadable", True, State.NOTE),
    ],
)
def test_an_entry_of_path(problem: str, is_before: bool, state: State) -> None:
    folder = PathFolder(text="", problem=problem, is_before_shims=is_before)
    [row] = rows_of(ways.evaluate_path, path=(folder,))
    assert (row.subject, row.state) == ("(empty)", state)


def test_guard_itself() -> None:
    assert rows_of(ways.evaluate_guards) == []
    rows = rows_of(ways.evaluate_guards, guards=("/other/guard",), is_own_pip_first=True, python_path=True)
    assert [(row.check, row.state) for row in rows] == [
        ("two-guards", State.OPEN),
        ("own-environment", State.OPEN),
        ("python-path", State.NOTE),
    ]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (("pip", "extra-index-url"), True),
        (("pip", "timeout"), False),
        (("npm", "@acme:registry"), True),
        (("npm", "//host/:_authToken"), False),
        (("npm", "extra-index-url"), False),
    ],
)
def test_settings_that_have_a_say(setting: tuple[str, str], said: bool) -> None:
    tool, key = setting
    rows = rows_of(judging.evaluate_settings, settings=(ToolSetting(tool=tool, key=key, value="v", source="s"),))
    assert [(row.check, row.subject, row.state) for row in rows] == [
        (f"{tool}-setting", f"s: {key}", State.NOTE)
    ] * said


@pytest.mark.parametrize(("bearing", "state"), [(True, State.GUARDED), (False, State.NOTE)])
@pytest.mark.parametrize("tool", ["pip", "npm"])
def test_a_registry(tool: str, bearing: bool, state: State) -> None:
    registry = Registry(tool=tool, url="https://index.example/", is_evidence_bearing=bearing)
    [row] = rows_of(judging.evaluate_registries, registries=(registry,))
    assert (row.state, bool(row.fix)) == (state, not bearing)


@pytest.mark.parametrize(
    ("age", "state"), [(None, State.GUARDED), (0, State.GUARDED), (30, State.GUARDED), (31, State.OPEN)]
)
def test_the_trust_root(age: int | None, state: State) -> None:
    [row] = rows_of(judging.evaluate_trust_root, trust_root="shipped", trust_root_age_days=age)
    assert (row.state, row.fix) == (state, "guard trust-root update" if state is State.OPEN else "")


@pytest.mark.parametrize(
    ("lock", "states"),
    [
        (None, []),
        (IdentityLock(lockfiles=(), path=None), []),
        (IdentityLock(lockfiles=("uv.lock",), path=None), [State.NOTE]),
        (IdentityLock(lockfiles=("uv.lock",), path="guard.lock"), [State.GUARDED]),
        (IdentityLock(lockfiles=("uv.lock",), path="guard.lock", stale=("a", "b", "c", "d")), [State.OPEN]),
    ],
)
def test_the_identity_lock(lock: IdentityLock | None, states: list[State]) -> None:
    rows = rows_of(judging.evaluate_identity_lock, identity_lock=lock)
    assert [row.state for row in rows] == states
    if states == [State.OPEN]:
        assert rows[0].message.endswith("a, b, c and 1 more")


def test_the_policy_and_what_cannot_be_read() -> None:
    finding = Finding(rule=RuleId.POLICY_LOOSENED, level=Level.NOTE, message="looser", next="look")
    [row] = rows_of(judging.evaluate_policy, notes=(finding,))
    assert (row.state, row.message, row.fix) == (State.NOTE, "looser", "look")
    [row] = rows_of(judging.evaluate_problems, problems=(Problem(subject="pip.conf", message="m", hint="h"),))
    assert (row.check, row.state, row.fix) == ("unreadable", State.OPEN, "h")


def test_what_is_open_comes_first_and_decides_the_status() -> None:
    rows = evaluate_snapshot(
        Snapshot(guards=("/other",), registries=(Registry(tool="pip", url="u", is_evidence_bearing=True),))
    )
    assert [row.state for row in rows] == [State.OPEN, *[State.NOTE] * len(LIMITS), State.GUARDED]
    assert (exit_code_of(rows), exit_code_of(rows[1:])) == (10, 0)


def test_the_page_has_every_check_and_every_limit() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` | {what} | " in page for name, (what, _) in LIMITS.items())
    named = {
        "plain-word", "module", "startup-file", "environment", "own-environment", "two-guards", "path", "python-path",
        "pip-setting", "npm-setting", "registry", "trust-root", "guard-lock", "policy", "unreadable", "limit",
    }  # fmt: skip
    assert all(f"`{name}`" in page for name in named)
    assert len(CHECKS) == 13
