"""Byte-identity: after an allowed command of npm's everything is as bare npm leaves it from the same registries.

Each row is one invocation. It runs twice in equal environments at the same place, without and with guard, and
everything that is there afterwards is compared: manifests, locks, ``node_modules`` with npm's own record of it, links
to programs, the global prefix, the home but for npm's and guard's caches, with every mode. Exit status and output are
the same, too, but for what :func:`_comparable` passes over.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.npm_registries import Registries, publish
from tests.e2e.npm_rows import ROWS, Row
from tests.e2e.surroundings import Result
from tests.e2e.traces import find_differences, find_traces_in
from tests.sim.npm import NpmSimulator
from tests.sim.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.campaign(3)]

# Every node notes in a file what guard gave it; see `_read_secrets`.
_WITNESS = """
const given = Object.entries(process.env).filter(([name]) => name.startsWith('npm_config_//127.0.0.1'))
if (given.length) require('fs').appendFileSync({witness}, `${{given[0][1]}}\\n${{process.env.npm_config_cache}}\\n`)
"""
# What of the output is known and meant to differ.
_DURATION = re.compile(r"\b(in) [0-9.]+(?:ms|s|m)\b")
_LOG = re.compile(r"[0-9TZ_-]+-(debug-[0-9]+\.log|eresolve-report\.txt)")  # named after the time
# By these, what a script installs is decided, too; it stays for the length of the command.
_GATEWAYS_SETTINGS = {
    "npm_config_cache",
    "npm_config_fetch_timeout",
    "npm_config_git",
    "npm_config_globalconfig",
    "npm_config_logs_dir",
    "npm_config_noproxy",
    "npm_config_registry",
    "npm_config_replace_registry_host",
    "npm_config_script_shell",
    "npm_config_update_notifier",
}


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    with World(tmp_path_factory.mktemp("world")) as world, NpmSimulator() as corporate:
        yield publish(world, corporate)


@pytest.mark.campaign(6)
@pytest.mark.parametrize(
    ("row", "npm_version"), [pytest.param(row, npm, id=f"{row.id}-npm{npm}") for row in ROWS for npm in row.npms]
)
def test_everything_is_as_bare_npm_leaves_it(
    row: Row,
    npm_version: str,
    registries: Registries,
    make_npm_environment: Callable[..., NpmEnvironment],
    tmp_path: Path,
) -> None:
    environment = make_npm_environment(npm_version=npm_version, registry=registries.world.npm.url)
    environment.trust_root = registries.world.trusted_root_path
    _prepare(environment, row, registries, tmp_path / "witness")
    spare = tmp_path / "spare"
    shutil.copytree(environment.root, spare, symlinks=True, copy_function=_link_or_copy)
    folder = environment.project / row.folder
    program, *arguments = shlex.split(registries.fill(row.command))

    bare = environment.run(str(environment.programs / program), *arguments, folder=folder)
    expected = _take_snapshot(environment.root)
    assert bare.status == row.status, bare
    assert any(row.leaves in path for path in expected), sorted(expected)
    assert row.says in bare.stdout, bare
    environment.root.rename(tmp_path / "bare")
    spare.rename(environment.root)
    guarded = environment.run_guard(program, *arguments, folder=folder)

    assert guarded.status == bare.status, guarded
    assert find_differences(expected, _take_snapshot(environment.root)) == []
    assert _comparable(guarded.stdout) == _comparable(bare.stdout)
    assert _comparable(_tools_own(guarded.stderr, row)) == _comparable(_tools_own(bare.stderr, row))
    _assert_nothing_is_left(environment, guarded, registries, tmp_path / "witness")


def test_scripts_see_the_settings_of_bare_npm_but_for_what_leads_to_the_gateway(
    registries: Registries, make_npm_environment: Callable[..., NpmEnvironment], tmp_path: Path
) -> None:
    row = Row(
        id="told",
        command="npm install",
        manifest={"dependencies": {"teller": "1"}, "scripts": {"postinstall": "teller; npm view anvil version"}},
        variables={"HTTP_PROXY": registries.world.npm.url, "npm_config_save_exact": "true"},
    )
    told = []
    for name in ("bare", "guarded"):
        environment = make_npm_environment(name, registry=registries.world.npm.url)
        environment.trust_root = registries.world.trusted_root_path
        _prepare(environment, row, registries, tmp_path / "witness")
        registries.world.npm.clear_requests()
        result = environment.npm("install") if name == "bare" else environment.guard("install")
        assert result.status == 0, result
        assert "1.1.0" in result.stdout
        text = (environment.project / "told.json").read_text().replace(str(environment.root), "")
        told.append(dict(json.loads(text)["environment"]))
    bare, guarded = told

    # The proxy, which is the registry itself here, was not asked for anything of the gateway's.
    hosts = {request.headers["host"] for request in registries.world.npm.requests}
    assert hosts == {urlsplit(registries.world.npm.url).netloc}
    different = {key for key in {*bare, *guarded} if bare.get(key) != guarded.get(key)}
    assert different == _GATEWAYS_SETTINGS | {key for key in guarded if key.startswith("npm_config_//127.0.0.1:")}


def _prepare(environment: NpmEnvironment, row: Row, registries: Registries, witness: Path) -> None:
    temporary = environment.root / "tmp"
    temporary.mkdir()
    if row.manifest is not None:
        environment.manifest(**row.manifest)
    _write_files(environment.project, row.files, registries)
    for command in row.before:
        done = environment.npm(*shlex.split(command), "--silent")
        assert done.status == 0, done
    _write_files(environment.project, row.then, registries)
    script = witness.with_suffix(".cjs")
    script.write_text(_WITNESS.format(witness=json.dumps(str(witness))))
    environment.variables = {"TMPDIR": str(temporary), "NODE_OPTIONS": f"--require={script}", **row.variables}


def _write_files(project: Path, files: dict[str, str | bytes | dict[str, object]], registries: Registries) -> None:
    for name, content in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(registries.fill(content) if isinstance(content, str) else json.dumps(content, indent=2))


def _link_or_copy(source: str, target: str) -> None:
    """Copy a file with its times, by which npm knows whether its record of a tree is up to date."""
    path = Path(source)
    if _is_npms_own(path.parts) or path.name == "node":
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _take_snapshot(root: Path) -> dict[str, str]:
    """Return kind, mode and content of everything below a folder but npm itself and the caches."""
    paths = {str(path.relative_to(root)): path for path in sorted(root.rglob("*"))}
    return {name: _describe(path) for name, path in paths.items() if not _is_left_out(Path(name).parts)}


def _describe(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{mode:o} {'folder' if path.is_dir() else repr(path.read_bytes())}"


def _is_left_out(parts: tuple[str, ...]) -> bool:
    is_cache = parts[:2] in (("home", ".npm"), ("home", ".cache")) or parts[0] == "cached"
    return is_cache or _is_npms_own(parts) or parts in (("report.json",), ("bin", "node"))


def _is_npms_own(parts: tuple[str, ...]) -> bool:
    return any(parts[at : at + 3] == ("lib", "node_modules", "npm") for at in range(len(parts)))


def _comparable(output: str) -> list[str]:
    """Return the lines of an output; npm writes those of packages in the order in which work on them ended."""
    return sorted(_LOG.sub("LOG", _DURATION.sub(r"\1 TIME", line)) for line in output.splitlines())


def _tools_own(stderr: str, row: Row) -> str:
    """Leave out what guard says, and what npm says otherwise where it finds the lock resolved already."""
    left_out = re.compile(f"guard: |{row.resolving}" if row.resolving else "guard: ", re.IGNORECASE)
    return "\n".join(line for line in stderr.splitlines() if not left_out.match(line))


def _assert_nothing_is_left(
    environment: NpmEnvironment, guarded: Result, registries: Registries, witness: Path
) -> None:
    secrets = _read_secrets(witness)
    assert len(secrets) >= 2  # a password and a folder
    for path in environment.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and not _is_npms_own(path.parts) and path.name != "node":
            assert find_traces_in(path.read_bytes(), registries.ports, secrets) == [], path
    assert find_traces_in((guarded.stdout + guarded.stderr).encode(), registries.ports, secrets) == []
    assert list((environment.home / ".cache" / "provenance-guard" / "runs").iterdir()) == []


def _read_secrets(witness: Path) -> list[str]:
    """Return what must be in no file: passwords, and the private folders of the run."""
    lines = witness.read_text().splitlines()
    passwords, caches = lines[::2], lines[1::2]
    return sorted({*passwords, *(str(Path(cache).parent) for cache in caches)})
