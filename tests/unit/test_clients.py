"""What other clients have in common: command lines by an allow-list, scratch copies, and the indexes of uv."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard import limits
from guard.clients.line import Vocabulary, parse_line
from guard.clients.mirror import copy_project, find_changes, placed
from guard.clients.npm_packages import refuse_names_off_registry
from guard.clients.uv.project import find_project, read_contents
from guard.clients.uv.settings import Index, find_indexes, load_configuration
from guard.constants import PYPI_SIMPLE_URL
from guard.errors import Refused

_VOCABULARY = Vocabulary.of("--quiet -q --frozen", "--extra -p")
_ONE, _TWO = "https://one.example/simple", "https://two.example/simple"


def test_a_line_is_read_as_the_tools_read_it() -> None:
    line = parse_line("uv x", ["-q", "--extra=a", "name", "--extra", "b", "-p", "3.12", "--", "--frozen"], _VOCABULARY)
    assert line.values("--extra") == ("a", "b")
    assert line.arguments == ("name", "--frozen")
    assert not line.has("--frozen")
    assert line.words() == ["-q", "--extra=a", "--extra=b", "-p", "3.12"]
    assert line.words(without=["-q"], only=["-q", "-p"]) == ["-p", "3.12"]


def test_the_program_ends_the_options_where_it_does_so() -> None:
    vocabulary = Vocabulary.of("-q", "--extra", stops=True)
    for words in (["-q", "python", "-q", "--odd"], ["-q", "--", "python", "-q", "--odd"]):
        line = parse_line("uv run", words, vocabulary)
        assert (line.arguments, line.rest) == (("python",), ("-q", "--odd"))


@pytest.mark.parametrize("word", ["--index", "--index=x", "--frozen=1", "--quie", "-px", "-qq", "-p", "--extra"])
def test_an_option_that_is_not_known_is_refused(word: str) -> None:
    with pytest.raises(Refused):
        parse_line("uv x", [word], _VOCABULARY)


def test_a_copy_has_manifests_of_its_own_and_links_to_the_rest(tmp_path: Path) -> None:
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    for name in (
        "pyproject.toml",
        "src/code.py",
        ".venv/pyvenv.cfg",
        "env/pyvenv.cfg",
        "node_modules/x.js",
        ".git/HEAD",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("before")
    scratch.mkdir()
    copy_project(root, scratch, copied={"pyproject.toml", "uv.lock"})
    found = {str(path.relative_to(scratch)): path.is_symlink() for path in scratch.rglob("*") if not path.is_dir()}
    assert {name: link for name, link in found.items() if ".git" not in name} == {
        "pyproject.toml": False,
        "src/code.py": True,
    }
    assert (scratch / ".git").is_symlink()
    (scratch / "pyproject.toml").write_text("after")
    (scratch / "uv.lock").write_text("new")
    changes = find_changes(root, scratch, {"pyproject.toml", "uv.lock"})
    assert changes == {root / "pyproject.toml": b"after", root / "uv.lock": b"new"}
    assert (root / "pyproject.toml").read_text() == "before"


def test_a_project_that_is_too_large_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PROJECT_MAX_COUNT", 2)
    for number in range(3):
        (tmp_path / "root" / str(number)).mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    with pytest.raises(Refused):
        copy_project(tmp_path / "root", tmp_path / "scratch", copied=set())


def test_changed_files_are_put_back_where_they_are_not_to_stay(tmp_path: Path) -> None:
    manifest, lock = tmp_path / "pyproject.toml", tmp_path / "uv.lock"
    manifest.write_text("before")
    manifest.chmod(0o640)
    changes = {manifest: b"after", lock: b"new"}
    with placed(changes):
        assert (manifest.read_bytes(), lock.read_bytes()) == (b"after", b"new")
    assert (manifest.read_bytes(), lock.exists()) == (b"before", False)
    with pytest.raises(KeyboardInterrupt), placed(changes):
        raise KeyboardInterrupt
    assert (manifest.read_bytes(), lock.exists()) == (b"before", False)
    with placed(changes) as stays:
        stays.append(True)
    assert (manifest.read_bytes(), lock.read_bytes()) == (b"after", b"new")
    assert manifest.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pyproject.toml", "uv.lock"]


def test_indexes_of_uv_come_in_its_order() -> None:
    table = {
        "index": [{"url": _TWO, "explicit": True}, {"url": _ONE, "name": "corp"}],
        "extra-index-url": ["https://three.example/simple"],
    }
    found = find_indexes([table], environ={"UV_INDEX_CORP_USERNAME": "me", "UV_INDEX_CORP_PASSWORD": "a/b"})
    assert found is not None
    assert found.index_url == "https://me:a%2Fb@one.example/simple"
    assert found.extra_index_urls == ("https://three.example/simple", PYPI_SIMPLE_URL, _TWO)
    assert find_indexes([], environ={}) is None
    environ = {"UV_INDEX": f"a={_ONE}", "UV_DEFAULT_INDEX": _TWO}
    found = find_indexes([], environ=environ)
    assert found is not None
    assert (found.index_url, found.extra_index_urls) == (_ONE, (_TWO,))
    found = find_indexes([], typed=[Index(url=_TWO, is_default=True)], environ={"UV_INDEX": _ONE})
    assert found is not None
    assert (found.index_url, found.extra_index_urls) == (_TWO, ())


@pytest.mark.parametrize(
    "table",
    [
        {"find-links": ["wheels"]},
        {"pip": {"find-links": ["wheels"]}},
        {"no-index": True},
        {"index": [{"url": "./packages"}]},
        {"index": [{"url": _ONE, "format": "flat"}]},
        {"index-url": "file:///srv/simple"},
        {"no-proxy": ["one.example"]},
    ],
)
def test_a_configuration_that_leads_uv_past_every_index_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(Refused):
        find_indexes([table], environ={})


@pytest.mark.parametrize("name", ["UV_PROJECT", "UV_FIND_LINKS", "UV_WORKING_DIR"])
def test_an_environment_that_leads_uv_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused):
        load_configuration([tmp_path], environ={name: "x"}, home=tmp_path)


def test_every_lock_that_uv_may_mean_is_found(tmp_path: Path) -> None:
    member = tmp_path / "outer" / "workspace" / "member"
    (member / "src").mkdir(parents=True)
    (tmp_path / "outer" / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "outer" / "workspace" / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["*"]\n')
    (member / "pyproject.toml").write_text("[project]\n")
    project = find_project(member / "src", environ={}, home=tmp_path)
    assert project is not None
    assert project.folders == (member, tmp_path / "outer" / "workspace")
    assert project.root == tmp_path / "outer" / "workspace"


@pytest.mark.parametrize(
    "source", ['git = "https://git.example/x?rev=1#abc"', 'url = "https://one.example/x.tar.gz"', 'path = "x.zip"']
)
def test_what_would_be_built_from_elsewhere_is_refused(source: str) -> None:
    with pytest.raises(Refused):
        read_contents([f'[[package]]\nname = "x"\nversion = "1"\nsource = {{ {source} }}\n'.encode()])


def test_what_a_lock_has_built_and_fetched() -> None:
    sources = {"a": 'editable = "."', "b": 'virtual = "b"', "c": f'registry = "{_ONE}"', "d": 'url = "https://x/d.whl"'}
    text = "".join(f'[[package]]\nname = "{name}"\nsource = {{ {source} }}\n' for name, source in sources.items())
    contents = read_contents([text.encode(), b"version = 1\n"])
    assert (contents.own, contents.registry) == (("a",), ("c",))


@pytest.mark.parametrize(
    "name", ["gadget", "@acme/gadget", "gadget@^1", "@acme/gadget@latest", "left@npm:@acme/right@1"]
)
def test_names_of_a_registry_are_taken(tmp_path: Path, name: str) -> None:
    refuse_names_off_registry(tmp_path, [name])


@pytest.mark.parametrize(
    "name",
    [
        "acme/gadget",
        "github:acme/gadget",
        "./x",
        "~/x",
        "https://x.example/x.tgz",
        "x@https://x.example/x.tgz",
        "x@acme/gadget",
        "x@file:y",
        "git@host.example:x.git",
        "x.tgz",
    ],
)
def test_names_off_every_registry_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.tgz").touch()
    with pytest.raises(Refused):
        refuse_names_off_registry(tmp_path, [name])
