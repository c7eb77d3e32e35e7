"""``guard poetry`` and ``guard pdm``: what their locks name is decided, then installed by the tool.

It compares each file with the lock's hashes. Nothing is built: builds have requirements that no lock names. Locks are
made by the tools themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from guard.clients.engines import make_engines
from guard.clients.line import Line, Vocabulary, not_guarded, parse_line
from guard.clients.locked import LockedRun, run_from_lock
from guard.clients.session import Session
from guard.clients.uv.settings import Table, load_manifest, table_of
from guard.constants import PYPI_SIMPLE_URL
from guard.engine.outcome import Outcome
from guard.errors import UsageError
from guard.managers.pip.index_settings import IndexSettings
from guard.model import SourceKind
from guard.policy.provenance import REGISTRY_SOURCES

_MANIFEST = "pyproject.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class LockClient:
    """A client that installs from its lock.

    Args:
        name: of it.
        lock: name of its lock.
        oldest: the oldest version that can be told to build nothing.
        vocabularies: of the commands that install.
        harmless: commands that install nothing.
        hints: what to use in place of others.
        environ: by which nothing is built, and nothing is fetched by the way.
        refused_variables: that choose another project or lock.
        frozen: options that keep it from making the lock.
        find_sources: yields addresses of the indexes that a manifest names.
        refuse: raises where a project would install or build more than its lock says.
    """

    name: str
    lock: str
    oldest: tuple[int, ...]
    vocabularies: Mapping[str, Vocabulary]
    harmless: frozenset[str]
    hints: Mapping[str, str]
    environ: Mapping[str, str]
    refused_variables: tuple[str, ...]
    frozen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    find_sources: Callable[[Table], Iterator[str]]
    refuse: Callable[[Table, Line], None]


def _poetry_sources(manifest: Table) -> Iterator[str]:
    sources = table_of(manifest, "tool", "poetry").get("source")
    rest = []
    for source in sources if isinstance(sources, list) else ():
        if isinstance(source, dict):
            url = str(source.get("url") or PYPI_SIMPLE_URL)
            if str(source.get("priority", "primary")).lower() in ("primary", "default"):
                yield url
            else:
                rest.append(url)
    yield from rest


def _refuse_poetry(manifest: Table, _: Line) -> None:
    poetry = table_of(manifest, "tool", "poetry")
    if poetry.get("requires-plugins"):
        raise not_guarded("a project whose plugins poetry installs", hint="install them with: guard pip install")
    if poetry.get("build"):
        raise not_guarded("a project with a build script", hint="guard poetry install --no-root")


def _pdm_sources(manifest: Table) -> Iterator[str]:
    sources = table_of(manifest, "tool", "pdm").get("source")
    for source in sources if isinstance(sources, list) else ():
        if isinstance(source, dict):
            if source.get("type", "index") != "index":
                raise not_guarded("a source of pdm that is a page of links", hint="serve it by an index")
            yield str(source.get("url", ""))


def _refuse_pdm(manifest: Table, line: Line) -> None:
    is_distribution = table_of(manifest, "tool", "pdm").get("distribution") is not False
    if is_distribution and not line.has("--no-self"):
        raise not_guarded(
            "building the project itself, with requirements that no lock names,",
            hint="guard pdm sync --no-self, or distribution = false in [tool.pdm]",
        )


_POETRY_LINE = Vocabulary.of(
    "--sync --no-root --no-directory --no-interaction -n --quiet -q --verbose -v -vv -vvv --only-root --all-extras "
    "--all-groups --compile --dry-run --ansi --no-ansi",
    "--without --with --only --extras -E",
)
_PDM_LINE = Vocabulary.of(
    "--prod --production --dev -d --no-self --no-editable --frozen-lockfile --no-lock --clean --only-keep --dry-run "
    "--quiet -q --verbose -v --no-default",
    "--group -G --without",
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LOCK_HINT = "{0} lock, which may build unguarded, then: guard {0} sync"
_CLIENTS = {
    "poetry": LockClient(
        name="poetry",
        lock="poetry.lock",
        oldest=(2,),
        vocabularies={"install": _POETRY_LINE, "sync": _POETRY_LINE},
        harmless=_words("about cache check config env help list run search show version"),
        hints={"build": "python -m build, its requirements installed through guard"},
        environ={"POETRY_INSTALLER_ONLY_BINARY": ":all:"},
        refused_variables=("POETRY_PROJECT", "POETRY_DIRECTORY", "POETRY_CONFIG_DIR"),
        find_sources=_poetry_sources,
        refuse=_refuse_poetry,
    ),
    "pdm": LockClient(
        name="pdm",
        lock="pdm.lock",
        oldest=(2, 10),
        vocabularies={"install": _PDM_LINE, "sync": _PDM_LINE},
        harmless=_words("completion config help info list outdated run search show"),
        hints={"build": "python -m build, its requirements installed through guard"},
        environ={"PDM_ONLY_BINARY": ":all:", "PDM_USE_UV": "0", "PDM_CHECK_UPDATE": "0"},
        refused_variables=("PDM_PROJECT", "PDM_LOCKFILE", "PDM_NO_BINARY"),
        frozen={"install": ["--frozen-lockfile"]},
        find_sources=_pdm_sources,
        refuse=_refuse_pdm,
    ),
}


def run_python_client(session: Session, command: str, words: Sequence[str]) -> Outcome | Callable[[], None]:
    """Carry out a command of poetry or pdm.

    Returns:
        What it came to; or what starts the tool itself, where the command installs nothing.

    Raises:
        Refused: it is nothing that guard can carry out.
        UsageError: the tool is too old.
    """
    client = _CLIENTS[session.tool]
    root = next((folder for folder in (session.app.cwd, *session.app.cwd.parents) if _is_project(folder)), None)
    manifest = load_manifest(root) if root is not None else {}
    if command in client.harmless:
        if client.name == "poetry" and table_of(manifest, "tool", "poetry").get("requires-plugins"):
            _refuse_poetry(manifest, Line())
        return lambda: _become(session, [command, *words])
    if command not in client.vocabularies:
        hint = client.hints.get(command, _LOCK_HINT.format(client.name))
        raise not_guarded(f"{client.name} {command}", hint=hint)
    if session.release < client.oldest:
        oldest = ".".join(map(str, client.oldest))
        raise UsageError(f"{client.name} {session.version} cannot be told to build nothing; {oldest} is the oldest")
    for name in client.refused_variables:
        if session.app.environ.get(name):
            raise not_guarded(f"{client.name} with {name} in the environment", hint=f"unset {name}")
    line = parse_line(f"{client.name} {command}", words, client.vocabularies[command])
    if root is None or line.arguments:
        raise not_guarded(f"{client.name} {command} {' '.join(line.arguments)}".rstrip(), hint="cd into the project")
    client.refuse(manifest, line)
    sources = tuple(client.find_sources(manifest))
    engines = make_engines(session)
    kept = [word for word in client.frozen.get(command, ()) if not line.has(word)]
    return run_from_lock(
        LockedRun(
            session=session,
            engines=engines,
            root=root,
            lock=client.lock,
            copied=frozenset(),
            environ={**session.app.environ, **client.environ, "GIT_ALLOW_PROTOCOL": "none"},
            locking=None,
            installing=[command, *line.words(), *kept],
            check=lambda outcome: _refuse_builds(outcome, client),
            all_platforms=False,
            unlocked=_LOCK_HINT.format(client.name),
            index=IndexSettings(index_url=sources[0], extra_index_urls=sources[1:]) if sources else IndexSettings(),
        )
    )


def _is_project(folder: Path) -> bool:
    return (folder / _MANIFEST).is_file()


def _refuse_builds(outcome: Outcome, client: LockClient) -> None:
    """Refuse what is of no index: folders and repositories are built, whatever is said about archives of indexes."""
    for judged in outcome.judged:
        artifact = judged.artifact
        is_wheel = artifact.source is SourceKind.LOCAL and (artifact.file or "").endswith(".whl")
        if artifact.source not in REGISTRY_SOURCES and not is_wheel:
            raise not_guarded(
                f"{artifact.spec}, which {client.name} would build,", hint=f"guard pip install {artifact.name}"
            )


def _become(session: Session, arguments: Sequence[str]) -> None:
    program = str(session.program)
    os.execve(program, [program, *arguments], dict(session.app.environ))  # noqa: S606 - the user's own tool
