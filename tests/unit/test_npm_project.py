"""What of a project npm resolves from, what goes into the scratch copy and what stays out of it, and the way back."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from guard import limits
from guard.errors import ConfigInvalid, MalformedInput
from guard.managers.npm.ini import parse_ini
from guard.managers.npm.project import (
    Backup,
    Scratch,
    load_installed_lock,
    load_project,
    local_path,
    make_scratch,
    parse_manifest,
    write_file,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "my project"
    folder.mkdir()
    return folder


def write(root: Path, **files: object) -> None:
    """Write files by path, ``__`` for a slash; whatever is no text is written as JSON."""
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("package_json", "package.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def manifest(**members: object) -> dict[str, object]:
    return {"name": "own", "version": "1.0.0", **members}


def scratch_of(root: Path, tmp_path: Path, *, cwd: Path | None = None, named: tuple[Path, ...] = ()) -> Scratch:
    project = load_project(root, named=named)
    return make_scratch(project, tmp_path / "scratch", cwd=cwd or root, named=named)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def dependencies(scratch: Scratch, path: str = "package.json") -> Mapping[str, object]:
    found = parse_manifest((scratch.root / path).read_bytes(), what=path)["dependencies"]
    assert isinstance(found, dict)
    return found


# Loading


def test_a_project_without_folders_is_not_walked(root: Path) -> None:
    write(root, package_json=manifest(dependencies={"a": "^1"}), examples__package_json="{")
    assert list(load_project(root).manifests) == ["package.json"]


@pytest.mark.parametrize(
    "members",
    [
        {"workspaces": ["packages/*"]},
        {"workspaces": {"packages": ["packages/*"]}},
        {"dependencies": {"a": "file:packages/a"}},
        {"devDependencies": {"a": "./packages/a"}},
        {"optionalDependencies": {"a": "FILE:packages/a"}},
        {"peerDependencies": {"a": "../a"}},
        {"dependencies": {"a": ".."}},
        {"dependencies": {"a": ".hidden"}},
        {"dependencies": {"a": "/packages/a"}},
        {"dependencies": {"a": "~/a"}},
    ],
)
def test_every_manifest_is_read_where_one_leads_to_folders(root: Path, members: dict[str, object]) -> None:
    write(
        root,
        package_json=manifest(**members),
        packages__a__package_json={"name": "a"},
        packages__a__node_modules__b__package_json="{",
        node_modules__c__package_json="{",
    )
    project = load_project(root)
    assert set(project.manifests) == {"package.json", "packages/a/package.json"}
    assert project.members() == {"packages/a": {"name": "a"}}


def test_a_folder_that_the_command_line_names_is_read(root: Path, tmp_path: Path) -> None:
    write(root, package_json=manifest(), packages__a__package_json={"name": "a"})
    assert "packages/a/package.json" in load_project(root, named=[root / "packages" / "a"]).manifests
    assert "packages/a/package.json" not in load_project(root, named=[tmp_path]).manifests


def test_a_shrinkwrap_wins(root: Path) -> None:
    (root / "package-lock.json").write_text("1")
    assert (load_project(root).lock_name, load_project(root).lock) == ("package-lock.json", b"1")
    (root / "npm-shrinkwrap.json").write_text("2")
    assert (load_project(root).lock_name, load_project(root).lock) == ("npm-shrinkwrap.json", b"2")


def test_an_empty_folder_is_a_project(root: Path) -> None:
    project = load_project(root)
    assert (project.manifests, project.lock, project.manifest, list(project.specs())) == ({}, None, {}, [])
    assert project.lock_path == root / "package-lock.json"


@pytest.mark.parametrize("broken", ["", "{", "[]", "null", '"x"', "\x00", "[" * 100_000])
def test_a_manifest_that_is_none_is_malformed(root: Path, broken: str) -> None:
    write(root, package_json=broken)
    with pytest.raises(MalformedInput, match=r"package\.json"):
        load_project(root)


def test_a_byte_order_mark_is_no_matter(root: Path) -> None:
    (root / "package.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(manifest()).encode())
    assert load_project(root).manifest["name"] == "own"


def test_a_member_that_is_no_manifest_is_malformed_when_it_is_looked_at(root: Path) -> None:
    write(root, package_json=manifest(workspaces=["a"]), a__package_json="{")
    project = load_project(root)
    assert list(project.specs()) == []
    with pytest.raises(MalformedInput, match=r"a/package\.json"):
        project.members()


@pytest.mark.parametrize("name", ["package.json", "package-lock.json"])
def test_what_cannot_be_read_is_said(root: Path, name: str) -> None:
    (root / name).mkdir()
    with pytest.raises(ConfigInvalid, match=name):
        load_project(root)


def test_sizes_are_limited(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, package_json=manifest())
    monkeypatch.setattr(limits, "METADATA_MAX_BYTES", 10)
    with pytest.raises(MalformedInput, match="larger than 10 bytes"):
        load_project(root)


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [({"prepare": "x"}, True), ({"dependencies": "x"}, True), ({"build": "x"}, False), (None, False), ("x", False)],
)
def test_scripts_of_the_project_are_known(root: Path, scripts: object, expected: bool) -> None:
    write(root, package_json=manifest(scripts=scripts))
    assert load_project(root).has_install_script is expected


# Specs


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("file:../b", "/p/b"),
        ("file:b", "/p/a/b"),
        ("file:./b/../c", "/p/a/c"),
        ("file:///b", "/b"),
        ("FILE:/b", "/b"),
        ("./b", "/p/a/b"),
        ("..", "/p"),
        (".", "/p/a"),
        (".b", "/p/a/.b"),
        ("/b", "/b"),
        ("~/b", "/house/me/b"),
        ("file:~/b", "/house/me/b"),
        ("file:~nobody-of-this-name/b", "/p/a/~nobody-of-this-name/b"),
        ("file:a\nb", "/p/a/a\nb"),
        ("^1.0.0", None),
        ("latest", None),
        ("", None),
        ("npm:b@1", None),
        ("b.tgz", None),
        ("acme/b", None),
        ("https://a.test/b.tgz", None),
        ("git+file:///b", None),
        ("workspace:../b", None),
    ],
)
def test_specs_that_name_a_path(spec: str, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/house/me")
    found = local_path(spec, Path("/p/a"))
    assert found == (None if expected is None else Path(expected))


@pytest.mark.parametrize("name", ["b.tgz", "b.tar.gz", "B.TAR", "c/b.tgz"])
def test_a_name_is_an_archive_where_there_is_one(tmp_path: Path, name: str) -> None:
    assert local_path(name, tmp_path) is None
    write(tmp_path, **{name: "x"})
    assert local_path(name, tmp_path) == tmp_path / name


# The scratch copy


def test_a_copy_has_what_npm_resolves_from_and_no_more(root: Path, tmp_path: Path) -> None:
    write(
        root,
        package_json=manifest(workspaces=["packages/*"]),
        **{"package-lock.json": "{}"},
        packages__a__package_json={"name": "a"},
        packages__a__index="x",
        secret="x",
    )
    scratch = scratch_of(root, tmp_path)
    assert scratch.root.name == root.name
    assert set(contents(scratch.root)) == {"package.json", "package-lock.json", "packages/a/package.json"}
    assert contents(scratch.root)["package.json"] == (root / "package.json").read_text()
    assert (scratch.is_faithful, scratch.cwd) == (True, scratch.root)


def test_the_users_folder_is_there_too(root: Path, tmp_path: Path) -> None:
    write(root, package_json=manifest(), packages__a__package_json={"name": "a"})
    scratch = scratch_of(root, tmp_path, cwd=root / "packages" / "a")
    assert scratch.cwd == scratch.root / "packages" / "a"
    assert scratch.cwd.is_dir()


def test_a_folder_elsewhere_is_no_part_of_the_copy(root: Path, tmp_path: Path) -> None:
    assert scratch_of(root, tmp_path, cwd=tmp_path).cwd == tmp_path / "scratch" / root.name


def test_local_dependencies_are_found_from_the_copy(root: Path, tmp_path: Path) -> None:
    write(tmp_path, outside__package_json={"name": "outside"})
    write(
        root,
        package_json=manifest(
            dependencies={"inside": "file:packages/inside", "outside": "file:../outside", "archive": "./libs/b.tgz"},
            optionalDependencies={"outside": "../outside"},
        ),
        packages__inside__package_json={"name": "inside", "dependencies": {"outside": "file:../../../outside"}},
        **{"libs/b.tgz": "archive"},
    )
    scratch = scratch_of(root, tmp_path)
    assert dependencies(scratch) == {
        "inside": "file:packages/inside",
        "outside": f"file:{tmp_path}/outside",
        "archive": "./libs/b.tgz",
    }
    assert dependencies(scratch, "packages/inside/package.json") == {"outside": f"file:{tmp_path}/outside"}
    assert contents(scratch.root)["libs/b.tgz"] == "archive"
    assert not scratch.is_faithful


def test_what_the_command_line_names_is_there(root: Path, tmp_path: Path) -> None:
    write(root, package_json=manifest(), **{"b.tgz": "archive"})
    scratch = scratch_of(root, tmp_path, named=(root / "b.tgz", tmp_path / "elsewhere.tgz"))
    assert contents(scratch.root)["b.tgz"] == "archive"


def test_a_manifest_that_is_none_is_left_for_npm_to_complain_of(root: Path, tmp_path: Path) -> None:
    write(root, package_json=manifest(workspaces=["a"]), a__package_json="{")
    assert contents(scratch_of(root, tmp_path).root)["a/package.json"] == "{"


SECRETS = [
    "//registry.test/:_authToken=SECRET",
    "//registry.test/:_authToken = SECRET",
    "//registry.test/:_authToken\t=\tSECRET",
    '"//registry.test/:_authToken"="SECRET"',
    "'//registry.test/:_authToken' = 'SECRET'",
    '"//registry.test/:\\u005fauthToken"=SECRET',
    "//registry.test/a;b/:_authToken=SECRET",
    "//registry.test/\\;a/:_authToken=SECRET",
    "//registry.test/#/:_authToken=SECRET",
    "  //registry.test/:_authToken=SECRET",
    "//registry.test/:_authToken[]=SECRET",
    "//registry.test/:_AuthToken=SECRET",
    "fund=false\r//registry.test/:_authToken=SECRET",
    "//registry.test/:username=SECRET",
    "//registry.test/:_password=SECRET",
    "//registry.test/:certfile=SECRET",
    "//registry.test/:keyfile=SECRET",
    '_auth="SECRET"',
    "_authToken=SECRET",
    'key="-----BEGIN PRIVATE KEY-----\\nSECRET"',
    "cert=SECRET",
    "otp=SECRET",
    "https-proxy=http://user:SECRET@proxy.test/",
    "proxy=http://user:SECRET@proxy.test/",
    "registry=https://user:SECRET@registry.test/",
    "@acme:registry=https://user:SECRET@registry.test/",
    "[section]\n//registry.test/:_authToken=SECRET",
    "; //registry.test/:_authToken=SECRET",
]


@pytest.mark.parametrize("line", SECRETS)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_no_secret_is_copied(root: Path, tmp_path: Path, line: str, end: str) -> None:
    (root / ".npmrc").write_bytes(f"legacy-peer-deps=true{end or chr(10)}{line}{end}".encode())
    scratch = scratch_of(root, tmp_path)
    copied = (scratch.root / ".npmrc").read_bytes()
    assert b"SECRET" not in copied
    assert parse_ini(copied)["legacy-peer-deps"] is True


def test_other_settings_are_copied_as_npm_reads_them(root: Path, tmp_path: Path) -> None:
    lines = [
        "omit[]=dev",
        "omit[] = optional",
        "save-prefix='~'",
        'message="a \\"b\\" \\u00e9 # ; = c"',
        "before=2026-01-01 ; why",
        "node-options=--a=b",
        "tag-version-prefix=",
        "engine-strict",
        "fund=false",
        "depth=null",
        "cafile=${HOME}/ca\\;pem",
        "odd[]=",
        "maxsockets=7",
        "keywords=no secret",
    ]
    (root / ".npmrc").write_text("\n".join(lines))
    copied = (scratch_of(root, tmp_path).root / ".npmrc").read_bytes()
    assert parse_ini(copied) == parse_ini("\n".join(lines).encode())


def test_without_settings_there_are_none(root: Path, tmp_path: Path) -> None:
    assert not (scratch_of(root, tmp_path).root / ".npmrc").exists()


# Locks


def test_without_a_lock_npm_starts_from_what_is_installed(root: Path, tmp_path: Path) -> None:
    write(root, package_json=manifest(dependencies={"a": "^1"}, scripts={"test": "x"}))
    installed = {"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0"}}}
    write(root, **{"node_modules/.package-lock.json": installed})
    scratch = scratch_of(root, tmp_path)
    [(name, data)] = [scratch.load_lock() or ("", b"")]
    assert name == "package-lock.json"
    own = {"name": "own", "version": "1.0.0", "dependencies": {"a": "^1"}}
    assert json.loads(data) == {"lockfileVersion": 3, "packages": {"": own, "node_modules/a": {"version": "1.0.0"}}}
    assert load_installed_lock(load_project(root)) is not None


@pytest.mark.parametrize("broken", ["", "{", "[]", "null", "{}", '{"packages": []}', "[" * 100_000, "\x00"])
def test_a_broken_record_of_what_is_installed_is_none(root: Path, tmp_path: Path, broken: str) -> None:
    write(root, package_json=manifest(), **{"node_modules/.package-lock.json": broken})
    assert scratch_of(root, tmp_path).load_lock() is None


def test_the_projects_lock_goes_before_what_is_installed(root: Path, tmp_path: Path) -> None:
    write(root, package_json=manifest(), **{"npm-shrinkwrap.json": "own", "node_modules/.package-lock.json": "{}"})
    assert scratch_of(root, tmp_path).load_lock() == ("npm-shrinkwrap.json", b"own")


# The way back


def test_every_file_is_put_back(root: Path) -> None:
    write(root, package_json=manifest(workspaces=["a"]), a__package_json={"name": "a"}, **{"package-lock.json": "old"})
    before = contents(root)
    backup = Backup(load_project(root))
    write(root, package_json="{}", **{"package-lock.json": "new", "npm-shrinkwrap.json": "new"})
    (root / "a" / "package.json").unlink()
    backup.restore()
    assert contents(root) == before


def test_what_was_not_there_is_removed(root: Path) -> None:
    backup = Backup(load_project(root))
    write(root, package_json="{}", **{"package-lock.json": "new"})
    backup.restore()
    assert contents(root) == {}


def test_what_did_not_change_is_not_written(root: Path) -> None:
    write(root, package_json=manifest(), **{"package-lock.json": "old"})
    backup = Backup(load_project(root))
    before = {path: path.stat() for path in root.iterdir()}
    backup.restore()
    assert {path: path.stat() for path in root.iterdir()} == before


def test_a_placed_lock_is_put_back_unless_npm_wrote_its_own(root: Path) -> None:
    write(root, package_json=manifest(), **{"package-lock.json": "old"})
    backup = Backup(load_project(root))
    backup.restore_lock()
    assert (root / "package-lock.json").read_text() == "old"
    backup.place_lock(b"placed")
    assert (root / "package-lock.json").read_text() == "placed"
    backup.restore_lock()
    assert (root / "package-lock.json").read_text() == "old"
    backup.place_lock(b"placed")
    os.utime(root / "package-lock.json", ns=(1, 1))
    backup.restore_lock()
    assert (root / "package-lock.json").read_text() == "placed"


def test_a_placed_lock_that_is_gone_stays_gone(root: Path) -> None:
    backup = Backup(load_project(root))
    backup.place_lock(b"placed")
    (root / "package-lock.json").unlink()
    backup.restore_lock()
    assert contents(root) == {}


# Writing


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_a_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    write(tmp_path, file="old")
    (tmp_path / "file").chmod(mode)
    write_file(tmp_path / "file", b"new")
    assert ((tmp_path / "file").read_text(), stat.S_IMODE((tmp_path / "file").stat().st_mode)) == ("new", mode)


def test_a_new_file_has_the_mode_that_the_user_gives_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "file", b"new")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    write(tmp_path, file="old")
    os.chown(tmp_path / "file", 12345, 23456)
    write_file(tmp_path / "file", b"new")
    state = (tmp_path / "file").stat()
    assert (state.st_uid, state.st_gid) == (12345, 23456)


def test_a_file_that_cannot_be_given_away_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", fail)
    write(tmp_path, file="old")
    write_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("target", ["there/file", "there/absent"])
def test_a_link_is_followed(tmp_path: Path, target: str) -> None:
    write(tmp_path, there__file="old")
    (tmp_path / "link").symlink_to(target)
    write_file(tmp_path / "link", b"new")
    assert str((tmp_path / "link").readlink()) == target
    assert (tmp_path / target).read_text() == "new"


def test_readers_see_the_old_bytes_or_the_new_ones(tmp_path: Path) -> None:
    write(tmp_path, file="old")
    with (tmp_path / "file").open() as reader:
        write_file(tmp_path / "file", b"new")
        assert reader.read() == "old"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    write(tmp_path, file="old")
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error)):
        write_file(tmp_path / "file", b"new")
    assert contents(tmp_path) == {"file": "old"}
