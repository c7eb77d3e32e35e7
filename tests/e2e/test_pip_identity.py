"""Byte-identity: after an allowed installation everything is as bare pip leaves it from the same state of the index.

Each row is one invocation. It runs twice in an environment at the same place, without and with guard, and everything
that is there afterwards is compared: modules, metadata, RECORD, REQUESTED, INSTALLER, direct_url.json, scripts, and
what pip wrote for the user. stdout is the same, too, but for the lines that :func:`_comparable` leaves out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.conftest import NEWEST_PIP, OLDEST_PIP, Environment, Result
from tests.e2e.indexes import Indexes, lay_out_project, publish
from tests.e2e.traces import find_differences, find_traces, find_traces_in, read_secrets, take_snapshot, watch
from tests.sim.pypi import PyPISimulator
from tests.sim.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.campaign(2)]

_NEWEST = (NEWEST_PIP,)
_BOTH = (NEWEST_PIP, OLDEST_PIP)
_BETWEEN = ("23.3.2", "24.3.1", "25.3", "26.0.1")

# What of stdout is known and meant to differ.
_DOWNLOADING = re.compile(r" *Downloading |$")  # guard's second run reads metadata out of the wheel, not beside it
_STORED = re.compile(r"Stored in directory: .*")  # guard's pip has no cache of wheels, so it says another folder
_FROM_FOLDER = re.compile(r"Processing \./links/([a-z_]+)-.*")  # a flat index is read by guard, not by pip
_SATISFIED = re.compile(r"Requirement already satisfied: (\w+)")  # not said of what the plan is going to replace
_SPECIFIED = re.compile(r"(Collecting [a-z-]+|\(from ).*")  # with digests as constraints pip 26.1 says versions, too


@dataclass(frozen=True, kw_only=True)
class Row:
    """One invocation of pip's.

    Args:
        id: readable name.
        command: what follows ``pip``; names in braces stand for what :class:`Indexes` has.
        pips: versions to try it with.
        files: of the project folder, by path.
        before: commands of bare pip that prepare the environment.
        adds_index: whether ``--index-url`` with the main index is added.
        variables: of the environment.
        status: the exit status that is expected, so that a row cannot agree in a mistake of its own.
        leaves: part of a path that must be there afterwards, for the same reason; empty where nothing changes.
        inherits_site: whether the environment sees the packages of its base, which ``--user`` needs.
    """

    id: str
    command: str
    leaves: str
    pips: tuple[str, ...] = _NEWEST
    files: dict[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    adds_index: bool = True
    variables: dict[str, str] = field(default_factory=dict)
    status: int = 0
    inherits_site: bool = False


_HASHED = "rocket==1.0 {rocket_1_0}\nanvil==1.1 {anvil_1_1}\n"

ROWS = (
    # what is asked for
    Row(id="name", command="install rocket", leaves="anvil-1.1.dist-info/RECORD", pips=(*_BOTH, *_BETWEEN)),
    Row(id="pinned", command="install rocket==1.0", leaves="rocket-1.0.dist-info/REQUESTED", pips=_BOTH),
    Row(id="several-names", command="install rocket==1.0 fuel", leaves="fuel-1.0.dist-info/REQUESTED"),
    Row(id="extra", command="install rocket[boost]", leaves="fuel-1.0.dist-info", pips=_BOTH),
    Row(
        id="marker-false",
        command="install fuel \"anvil; python_version < '3'\"",
        leaves="fuel-1.0.dist-info/REQUESTED",
    ),
    Row(id="no-deps", command="install --no-deps rocket", leaves="rocket-1.1.dist-info/REQUESTED"),
    Row(id="pre-release", command="install --pre anvil", leaves="anvil-2.0b1.dist-info/REQUESTED"),
    Row(id="yanked", command="install recalled==1.0", leaves="recalled-1.0.dist-info"),
    Row(id="not-there", command="install fuel nothing-of-that-name", leaves="", status=1),
    Row(id="impossible", command="install cautious anvil==1.1", leaves="", status=1),
    # files of requirements and constraints
    Row(
        id="constraints",
        command="install -c limits.txt rocket",
        files={"limits.txt": "anvil<1.1\nfuel==7\n"},
        leaves="anvil-1.0.dist-info",
        pips=_BOTH,
    ),
    Row(
        id="constraints-hashed",
        command="install -c limits.txt rocket",
        files={"limits.txt": _HASHED},
        leaves="rocket-1.0.dist-info/REQUESTED",
    ),
    Row(
        id="requirements",
        command="install -r requirements.txt fuel",
        files={"requirements.txt": "# ours\nrocket [boost] \\\n  <1.1\n\nmixed; python_version > '3'\n"},
        leaves="mixed-1.0.dist-info/REQUESTED",
        pips=_BOTH,
    ),
    Row(
        id="requirements-hashed",
        command="install -r requirements.txt",
        files={"requirements.txt": _HASHED},
        leaves="anvil-1.1.dist-info/REQUESTED",
        pips=(*_BOTH, *_BETWEEN),
    ),
    Row(
        id="requirements-hashed-sdist",
        command="install -r requirements.txt",
        files={"requirements.txt": "cast==1.0 {cast}\n"},
        leaves="cast-1.0.dist-info/REQUESTED",
    ),
    Row(
        id="requirements-nested",
        command="install -r more/outer.txt",
        files={
            "more/outer.txt": "-r ../inner.txt\n-c limits.txt\n",
            "more/limits.txt": "anvil==1.0",
            "inner.txt": "rocket",
        },
        leaves="anvil-1.0.dist-info",
    ),
    Row(
        id="requirements-with-index",
        command="install -r requirements.txt",
        files={"requirements.txt": "--index-url {index}\nrocket\n"},
        adds_index=False,
        leaves="rocket-1.1.dist-info/REQUESTED",
        pips=_BOTH,
    ),
    Row(id="group", command="install --group dev", leaves="maker-1.0.dist-info/REQUESTED"),
    Row(id="lock", command="lock -o pylock.toml rocket mixed", leaves="project/pylock.toml"),
    Row(
        id="pylock",
        command="install -r pylock.toml",
        before=("lock -o pylock.toml rocket",),
        leaves="anvil-1.1.dist-info/REQUESTED",
    ),
    # indexes
    Row(
        id="extra-index",
        command="install --extra-index-url {extra} elsewhere",
        leaves="elsewhere-1.0.dist-info/REQUESTED",
        pips=_BOTH,
    ),
    Row(
        id="index-from-environment",
        command="install fuel",
        variables={"PIP_INDEX_URL": "{index}", "PIP_EXTRA_INDEX_URL": "{extra}"},
        adds_index=False,
        leaves="fuel-1.0.dist-info/REQUESTED",
    ),
    Row(
        id="find-links",
        command="install --find-links links --no-index linked linked-source",
        adds_index=False,
        leaves="linked_source-1.0.dist-info/REQUESTED",
        pips=_BOTH,
    ),
    Row(id="find-links-and-index", command="install -f links linked fuel", leaves="linked-1.0.dist-info"),
    # where it goes
    Row(id="target", command="install --target out rocket", leaves="out/bin/launch", pips=_BOTH),
    Row(
        id="target-again",
        command="install --target out rocket",
        before=("install --target out rocket==1.0",),
        leaves="out/rocket-1.0.dist-info",
    ),
    Row(
        id="user",
        command="install --user rocket",
        leaves="home/.local/bin/launch",
        inherits_site=True,
        pips=_BOTH,
    ),
    Row(id="prefix", command="install --prefix out rocket", leaves="out/bin/launch"),
    Row(id="root", command="install --root out rocket", leaves="bin/launch"),
    # what is there already
    Row(
        id="upgrade",
        command="install -U rocket",
        before=("install rocket==1.0 anvil==1.0",),
        leaves="anvil-1.0.dist-info",
        pips=_BOTH,
    ),
    Row(
        id="upgrade-eager",
        command="install -U --upgrade-strategy eager rocket",
        before=("install rocket==1.0 anvil==1.0",),
        leaves="anvil-1.1.dist-info",
    ),
    Row(
        id="already-satisfied",
        command="install rocket",
        before=("install rocket==1.0",),
        leaves="rocket-1.0.dist-info",
        pips=_BOTH,
    ),
    Row(
        id="force-reinstall",
        command="install --force-reinstall rocket==1.0",
        before=("install rocket==1.0 anvil==1.0",),
        leaves="anvil-1.1.dist-info",
        pips=_BOTH,
    ),
    Row(
        id="ignore-installed",
        command="install --ignore-installed anvil",
        before=("install anvil==1.0",),
        leaves="anvil-1.0.dist-info",
    ),
    Row(
        id="conflict",
        command="install anvil==1.1",
        before=("install cautious",),
        leaves="anvil-1.1.dist-info",
        pips=_BOTH,
    ),
    # what is built
    Row(id="only-binary", command="install --only-binary :all: mixed", leaves="mixed-1.0.dist-info"),
    Row(id="no-binary", command="install --no-binary mixed mixed", leaves="bin/mix", pips=_BOTH),
    Row(id="sdist", command="install forged", leaves="anvil-1.1.dist-info"),
    Row(id="sdist-with-build-requirement", command="install cast", leaves="cast-1.0.dist-info", pips=_BOTH),
    Row(
        id="no-build-isolation",
        command="install --no-build-isolation cast",
        before=("install maker",),
        leaves="cast-1.0.dist-info",
    ),
    # what the user has on disk
    Row(id="editable", command="install -e .", leaves="site-packages/local.pth", pips=_BOTH),
    Row(id="project", command="install .", leaves="local-1.0.dist-info/direct_url.json"),
    Row(
        id="wheel-file",
        command="install ./files/boxed-1.0-py3-none-any.whl rocket",
        leaves="boxed-1.0.dist-info/direct_url.json",
        pips=_BOTH,
    ),
    Row(
        id="sdist-file",
        command="install files/boxed_source-1.0.tar.gz",
        leaves="boxed_source-1.0.dist-info/direct_url.json",
    ),
    # what pip only says or saves
    Row(id="dry-run", command="install --dry-run rocket", leaves="", pips=_BOTH),
    Row(id="report", command="install --report out.json rocket", leaves="project/out.json", pips=_BOTH),
    Row(id="report-on-stdout", command="install --quiet --dry-run --report - rocket", leaves=""),
    Row(id="download", command="download -d out rocket mixed", leaves="out/rocket-1.1-py3-none-any.whl", pips=_BOTH),
    Row(id="wheel", command="wheel -w out rocket forged", leaves="out/forged-1.0-py3-none-any.whl", pips=_BOTH),
)


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexes]:
    with World(tmp_path_factory.mktemp("world")) as world, PyPISimulator() as extra:
        yield publish(world, extra)


@pytest.mark.campaign(4)
@pytest.mark.parametrize(
    ("row", "pip_version"), [pytest.param(row, pip, id=f"{row.id}-pip{pip}") for row in ROWS for pip in row.pips]
)
def test_everything_is_as_bare_pip_leaves_it(
    row: Row, pip_version: str, indexes: Indexes, make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    bare_environment = _prepare(row, pip_version, indexes, make_environment, witness)
    bare = bare_environment.run("pip", *_arguments(row, indexes))
    expected = take_snapshot(bare_environment)
    assert bare.status == row.status, bare
    assert any(row.leaves in path for path in expected), sorted(expected)
    bare_environment.root.rename(tmp_path / "bare")

    environment = _prepare(row, pip_version, indexes, make_environment, witness)
    guarded = environment.guard("pip", *_arguments(row, indexes))

    assert guarded.status == bare.status, guarded
    assert find_differences(expected, take_snapshot(environment)) == []
    assert _comparable(guarded.stdout, pip_version) == _comparable(bare.stdout, pip_version)
    assert set(bare.stderr.splitlines()) <= set(guarded.stderr.splitlines())
    _assert_nothing_is_left(environment, guarded, indexes, witness)


@pytest.mark.parametrize("pip_version", _BOTH)
def test_a_verbose_log_names_no_gateway(
    pip_version: str, indexes: Indexes, make_environment: Callable[..., Environment], tmp_path: Path
) -> None:
    row = Row(id="log", command="install -vvv --log out.log cast", leaves="project/out.log")
    environment = _prepare(row, pip_version, indexes, make_environment, tmp_path / "witness")

    guarded = environment.guard("pip", *_arguments(row, indexes))

    assert guarded.status == 0, guarded
    assert any(row.leaves in path for path in take_snapshot(environment))
    _assert_nothing_is_left(environment, guarded, indexes, tmp_path / "witness")


def test_a_trace_of_the_gateway_would_be_found(make_environment: Callable[..., Environment]) -> None:
    environment = make_environment()
    (environment.project / "lock").write_text("http://127.0.0.1:1/simple http://127.0.0.1:2/simple")
    cache = environment.home / ".cache" / "pip" / "entry"
    cache.parent.mkdir(parents=True)
    cache.write_text("a secret word")

    found = find_traces(environment, ports={"2"}, secrets=["secret"])

    assert found == [f"{cache}: secret", f"{environment.project / 'lock'}: 127.0.0.1:1"]


def _assert_nothing_is_left(environment: Environment, guarded: Result, indexes: Indexes, witness: Path) -> None:
    secrets = read_secrets(witness)
    assert len(secrets) >= 3  # a password in both forms, and a folder
    assert find_traces(environment, indexes.ports, secrets) == []
    assert find_traces_in((guarded.stdout + guarded.stderr).encode(), indexes.ports, secrets) == []
    assert list((environment.home / ".cache" / "provenance-guard" / "runs").iterdir()) == []


def _prepare(
    row: Row, pip_version: str, indexes: Indexes, make_environment: Callable[..., Environment], witness: Path
) -> Environment:
    environment = make_environment(pip_version=pip_version)
    environment.trust_root = indexes.world.trusted_root_path
    temporary = environment.root / "tmp"
    temporary.mkdir()
    environment.variables = {"TMPDIR": str(temporary), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if row.inherits_site:
        configuration = environment.root / "env" / "pyvenv.cfg"
        configuration.write_text(configuration.read_text().replace("packages = false", "packages = true"))
    lay_out_project(environment.project)
    for name, text in row.files.items():
        path = environment.project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(indexes.fill(text))
    for command in row.before:
        done = environment.run("pip", *shlex.split(command), "--quiet", "--index-url", indexes.world.pypi.simple_url)
        assert done.status == 0, done
    environment.variables |= {name: indexes.fill(value) for name, value in row.variables.items()}
    watch(environment, witness)
    return environment


def _arguments(row: Row, indexes: Indexes) -> list[str]:
    index = ["--index-url", indexes.world.pypi.simple_url] if row.adds_index else []
    return [*map(indexes.fill, shlex.split(row.command)), *index]


def _comparable(stdout: str, pip_version: str) -> list[str]:
    replaced = set(re.findall(r"Found existing installation: (\w+) ", stdout))
    lines = []
    for line in stdout.splitlines():
        satisfied = _SATISFIED.match(line)
        if _DOWNLOADING.match(line) or (satisfied and satisfied[1] in replaced):
            continue
        comparable = _FROM_FOLDER.sub(_collecting, _STORED.sub("Stored in directory: ...", line))
        lines.append(_SPECIFIED.sub(r"\1", comparable) if pip_version == NEWEST_PIP else comparable)
    return lines


def _collecting(processing: re.Match[str]) -> str:
    return "Collecting " + processing[1].replace("_", "-")
