"""Each tool's manifest, the command that locks it, and what the tool itself then says that the lock holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from tests.locktools.projects import Sources

_SAY_POETRY = """
import json, pathlib
from poetry.factory import Factory
packages = Factory().create_poetry(pathlib.Path.cwd()).locker.locked_repository().packages
print(json.dumps([[each.name, str(each.version), sorted({file["hash"] for file in each.files})] for each in packages]))
"""
_SAY_PDM = """
import json
from pdm.core import Core
core = Core()
project = core.create_project(".")
repository = project.get_locked_repository() if hasattr(project, "get_locked_repository") else project.locked_repository
said = []
for candidates in repository.all_candidates.values():
    for candidate in candidates if isinstance(candidates, list) else [candidates]:
        hashes = candidate.hashes or []
        values = hashes.values() if isinstance(hashes, dict) else [each["hash"] for each in hashes]
        said.append([candidate.identify().partition("[")[0], candidate.version or "", sorted(set(values))])
print(json.dumps(said))
"""

Said = list[tuple[str, str, list[str]]]
"""Name, version and hashes of each package that a tool reads from its own lock."""


def lock_with_uv(uv: Path, folder: Path, sources: Sources, version: tuple[int, ...]) -> tuple[str, Said]:
    """Lock with uv and return the lock and the packages that uv exports from it."""
    has_indexes = version >= (0, 4, 23)
    has_groups = version >= (0, 4, 27)
    project = folder / "project"
    _write(
        project / "pyproject.toml",
        f"""
        [project]
        name = "project"
        version = "1.0"
        requires-python = ">=3.10"
        dependencies = [
            "widget[fast]", "native", "numbers-lib<2; python_version < '3.11'",
            "numbers-lib>=2; python_version >= '3.11'", "corp-lib", "from-git", "from-url", "from-file", "outer-lib",
            "member-lib",
        ]
        [project.optional-dependencies]
        docs = ["doclib"]
        {"[dependency-groups]" if has_groups else "[tool.uv]"}
        {"dev" if has_groups else "dev-dependencies"} = ["checker"]
        [tool.uv.workspace]
        members = ["members/*"]
        [tool.uv.sources]
        from-git = {{ git = "{sources.repository}", tag = "v4" }}
        from-url = {{ url = "{sources.downloads}/from_url-1.1-py3-none-any.whl" }}
        from-file = {{ path = "vendor/from_file-1.2-py3-none-any.whl" }}
        outer-lib = {{ path = "../outer-lib", editable = true }}
        member-lib = {{ workspace = true }}
        """
        + f"""
        corp-lib = {{ index = "corp" }}
        [[tool.uv.index]]
        name = "corp"
        url = "{sources.corp_index}"
        explicit = true
        [[tool.uv.index]]
        url = "{sources.index}"
        default = true
        """
        * has_indexes,
    )
    _write(project / "members/member-lib/pyproject.toml", '[project]\nname = "member-lib"\nversion = "1.0"\n')
    old = {"UV_INDEX_URL": sources.index, "UV_EXTRA_INDEX_URL": sources.corp_index}
    environment = {"UV_NO_CONFIG": "0", "UV_PREVIEW": "1", "UV_PYTHON_DOWNLOADS": "never"} | (
        {} if has_indexes else old
    )
    _run([uv, "lock", "--no-cache"], project, environment)
    lock = (project / "uv.lock").read_text()
    groups = "--all-groups" if version >= (0, 5) else "--dev"
    export: list[str | Path] = [uv, "export", "--frozen", "--all-extras", groups, "--no-emit-workspace", "--no-header"]
    return lock, _said_by(_run(export, project, environment))


def lock_with_poetry(poetry: Path, folder: Path, sources: Sources, version: tuple[int, ...]) -> tuple[str, Said]:
    """Lock with poetry and return the lock and the packages that poetry reads from it."""
    project = folder / "project"
    group = "[tool.poetry.group.dev.dependencies]" if version >= (1, 2) else "[tool.poetry.dev-dependencies]"
    sources_tables = f"""
        [[tool.poetry.source]]
        name = "main"
        url = "{sources.index}/"
        {'priority = "primary"' if version >= (1, 5) else "default = true"}
        [[tool.poetry.source]]
        name = "corp"
        url = "{sources.corp_index}/"
        {'priority = "explicit"' if version >= (1, 5) else "secondary = true"}
        """
    _write(
        project / "pyproject.toml",
        f"""
        [tool.poetry]
        name = "project"
        version = "1.0"
        description = ""
        authors = []
        [tool.poetry.dependencies]
        python = ">=3.11,<4"
        widget = {{ version = "*", extras = ["fast"] }}
        native = "*"
        numbers-lib = [
            {{ version = "<2", markers = "sys_platform == 'win32'" }},
            {{ version = ">=2", markers = "sys_platform != 'win32'" }},
        ]
        corp-lib = {{ version = "*", source = "corp" }}
        from-git = {{ git = "{sources.repository}", tag = "v4" }}
        from-url = {{ url = "{sources.downloads}/from_url-1.1-py3-none-any.whl" }}
        from-file = {{ path = "vendor/from_file-1.2-py3-none-any.whl" }}
        outer-lib = {{ path = "../outer-lib", develop = true }}
        doclib = {{ version = "*", optional = true }}
        [tool.poetry.extras]
        docs = ["doclib"]
        {group}
        checker = "*"
        """
        + sources_tables,
    )
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = {
        "POETRY_CACHE_DIR": str(home / "cache"),
        "POETRY_VIRTUALENVS_PATH": str(home / "envs"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "POETRY_EXPERIMENTAL_SYSTEM_GIT_CLIENT": "true",
    }
    _run([poetry, "lock", "--no-interaction"], project, environment)
    said = json.loads(_run([poetry.with_name("python"), "-c", _SAY_POETRY], project, environment).splitlines()[-1])
    return (project / "poetry.lock").read_text(), said


def lock_with_pdm(
    pdm: Path, folder: Path, sources: Sources, version: tuple[int, ...], strategy: str = ""
) -> tuple[str, Said]:
    """Lock with pdm and return the lock and the packages that pdm reads from it."""
    project = folder / "project"
    _write(
        project / "pyproject.toml",
        f"""
        [project]
        name = "project"
        version = "1.0"
        requires-python = ">=3.11"
        dependencies = [
            "widget[fast]", "native", "numbers-lib", "corp-lib", "from-git @ git+{sources.http_repository}@v4",
            "from-url @ {sources.downloads}/from_url-1.1-py3-none-any.whl",
            "from-file @ file:///${{PROJECT_ROOT}}/vendor/from_file-1.2-py3-none-any.whl",
        ]
        [project.optional-dependencies]
        docs = ["doclib"]
        [tool.pdm.dev-dependencies]
        dev = ["checker", "-e file:///${{PROJECT_ROOT}}/../outer-lib#egg=outer-lib"]
        [[tool.pdm.source]]
        name = "pypi"
        url = "{sources.index}"
        verify_ssl = true
        [[tool.pdm.source]]
        name = "corp"
        url = "{sources.corp_index}"
        verify_ssl = true
        """,
    )
    environment = {"PDM_CHECK_UPDATE": "0", "PDM_CACHE_DIR": str(folder / "cache"), "PDM_IGNORE_SAVED_PYTHON": "1"}
    options = ["-S", strategy] if strategy and version >= (2, 8, 3) else ["--static-urls"] if strategy else []
    groups = ["-G", ":all"] if version >= (2, 5) else []
    _run([pdm, "lock", *groups, *options], project, environment)
    said = json.loads(_run([pdm.with_name("python"), "-c", _SAY_PDM], project, environment).splitlines()[-1])
    return (project / "pdm.lock").read_text(), said


def lock_with_pipenv(pipenv: Path, folder: Path, sources: Sources, version: tuple[int, ...]) -> tuple[str, Said]:
    """Lock with pipenv and return the lock and the requirements that pipenv makes of it."""
    project = folder / "project"
    _write(
        project / "Pipfile",
        f"""
        [[source]]
        name = "pypi"
        url = "{sources.index}"
        verify_ssl = true
        [[source]]
        name = "corp"
        url = "{sources.corp_index}"
        verify_ssl = true
        [packages]
        widget = {{ version = "*", extras = ["fast"] }}
        native = "*"
        numbers-lib = {{ version = "<2", markers = "sys_platform == 'linux'" }}
        corp-lib = {{ version = "*", index = "corp" }}
        from-git = {{ git = "{sources.repository}", ref = "v4" }}
        from-file = {{ path = "./vendor/from_file-1.2-py3-none-any.whl" }}
        from-url = {{ file = "{sources.downloads}/from_url-1.1-py3-none-any.whl" }}
        outer-lib = {{ path = "../outer-lib", editable = true }}
        [dev-packages]
        checker = "*"
        """
        + '\n[docs]\ndoclib = "*"\n' * (version >= (2022, 10)),
    )
    environment = {"PIPENV_VENV_IN_PROJECT": "1", "PIPENV_CACHE_DIR": str(folder / "cache"), "CI": "1"}
    categories = ["--categories", "packages dev-packages docs"] if version >= (2022, 10) else []
    _run([pipenv, "lock", *categories], project, environment)
    lock = (project / "Pipfile.lock").read_text()
    every = ["--categories", "packages dev-packages docs"] if categories else ["--dev"]
    return lock, _said_by(_run([pipenv, "requirements", "--hash", *every], project, environment))


def _said_by(requirements: str) -> Said:
    """Return what exported requirements say, of which repositories, URLs and paths have no version."""
    said: Said = []
    for line in re.sub(r"\\\n\s*", " ", requirements).splitlines():
        target = line.strip().removeprefix("-e ").partition(" ")[0].partition(";")[0]
        if not target or target.startswith(("#", "-i", "--")):
            continue
        hashes = sorted(re.findall(r"--hash[= ](\S+)", line))
        name, _, version = target.partition("==")
        if not version and " @ " not in line:
            name = line.partition("#egg=")[2] or Path(target).name.partition("-1")[0]
        said.append((canonicalize_name(name.partition("[")[0]), version, hashes))
    return said


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(line.removeprefix("        ") for line in text.strip().splitlines()) + "\n")


def _run(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]) -> str:
    kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    home = folder.parent / "home"
    home.mkdir(exist_ok=True)
    surroundings = {**kept, "HOME": str(home), "PIP_CONFIG_FILE": os.devnull, "LANG": "C.UTF-8", **environment}
    result = subprocess.run(
        [str(word) for word in command], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=300
    )
    if result.returncode:
        raise RuntimeError(f"{command}: {result.stdout[-3000:]}\n{result.stderr[-3000:]}")
    return result.stdout
