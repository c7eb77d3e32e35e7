"""The plan of a lock: what npm would fetch here, and from which kind of source."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.managers.npm.plan import Omit, PlannedPackage, Platform, plan_lock, requires_resolution
from guard.model import SourceKind
from guard_lockfiles.package_lock import PackageLock, parse_package_lock

SRI = "sha512-" + base64.b64encode(b"0" * 64).decode()
COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://example.test/a.tgz"
LINUX = Platform(os="linux", cpu="x64", libc="glibc")
V = {"version": "1.0.0"}


def lock_of(packages: Mapping[str, object], *, version: int = 3) -> PackageLock:
    lock = parse_package_lock(json.dumps({"lockfileVersion": version, "packages": packages}).encode())
    assert lock.unreadable == ()
    return lock


def plan(
    packages: Mapping[str, object], *, platform: Platform = LINUX, omit: Omit | None = None, version: int = 3
) -> dict[str, PlannedPackage]:
    planned = plan_lock(lock_of(packages, version=version), platform=platform, omit=omit or Omit())
    assert len({item.entry.path for item in planned}) == len(planned)
    return {item.entry.path: item for item in planned}


def plan_one(resolved: str | None, **members: object) -> PlannedPackage:
    (item,) = plan({"node_modules/a": {**V, "resolved": resolved, **members}}).values()
    return item


def test_the_project_is_left_out_and_the_rest_stays_in_order() -> None:
    packages = {
        "": V,
        "node_modules/b": V,
        "node_modules/a": V | {"extraneous": True},
        "node_modules/b/node_modules/a": V,
    }
    assert list(plan(packages)) == list(packages)[1:]
    assert plan({}) == {}


@pytest.mark.parametrize(
    ("resolved", "source", "origin"),
    [
        (None, SourceKind.REGISTRY, None),
        ("", SourceKind.REGISTRY, None),
        ("https://registry.example.test/a/-/a-1.0.0.tgz", SourceKind.REGISTRY, None),
        ("http://registry.example.test/a", SourceKind.REGISTRY, None),
        ("1.0.0", SourceKind.REGISTRY, None),
        ("npm:b@1.0.0", SourceKind.REGISTRY, None),
        (
            f"git+ssh://git@example.test/u/a.git#{COMMIT}",
            SourceKind.VCS_PINNED,
            f"git+ssh://example.test/u/a.git#{COMMIT}",
        ),
        (
            f"git+https://u:p@example.test/a.git#{COMMIT}",
            SourceKind.VCS_PINNED,
            f"git+https://example.test/a.git#{COMMIT}",
        ),
        (f"git+file:///a#{COMMIT}{COMMIT[:24]}", SourceKind.VCS_PINNED, f"git+file:///a#{COMMIT}{COMMIT[:24]}"),
        (f"git+ssh://git@example.test/a.git#{COMMIT[:39]}", SourceKind.VCS, "git+ssh://example.test/a.git"),
        (f"git+ssh://git@example.test/a.git#{COMMIT}0", SourceKind.VCS, "git+ssh://example.test/a.git"),
        ("git+ssh://git@example.test/a.git#main", SourceKind.VCS, "git+ssh://example.test/a.git"),
        ("git://example.test/a.git", SourceKind.VCS, "git://example.test/a.git"),
        ("GIT+HTTPS://example.test/a.git", SourceKind.VCS, "GIT+HTTPS://example.test/a.git"),
        ("ssh://git@example.test/a.git", SourceKind.VCS, "ssh://example.test/a.git"),
        ("git@example.test:u/a.git", SourceKind.VCS, "example.test:u/a.git"),
        (f"github:u/a#{COMMIT}", SourceKind.VCS_PINNED, f"github:u/a#{COMMIT}"),
        ("gitlab:u:p@u/a", SourceKind.VCS, "u/a"),
        ("u/a", SourceKind.VCS, "u/a"),
        ("u/a.tgz", SourceKind.VCS, "u/a.tgz"),
        (f"u/a#{COMMIT}", SourceKind.VCS_PINNED, f"u/a#{COMMIT}"),
        ("https://github.com/u/a", SourceKind.VCS, "https://github.com/u/a"),
        ("https://x@gitlab.com/u/a.git#main", SourceKind.VCS, "https://gitlab.com/u/a.git"),
        ("https://github.com/u/a/archive/main.tar.gz", SourceKind.REGISTRY, None),
        ("file:a.tgz", SourceKind.LOCAL, "a.tgz"),
        ("file:./vendor/../a.tgz", SourceKind.LOCAL, "a.tgz"),
        ("./a.tgz", SourceKind.LOCAL, "a.tgz"),
        ("vendor/deep/a.tgz", SourceKind.LOCAL, "vendor/deep/a.tgz"),
        ("file:..a.tgz", SourceKind.LOCAL, "..a.tgz"),
        ("file:../a.tgz", SourceKind.PATH, "../a.tgz"),
        ("file:vendor/../../a.tgz", SourceKind.PATH, "../a.tgz"),
        ("file:%2e%2e/a.tgz", SourceKind.PATH, "%2e%2e/a.tgz"),
        ("file:a%20b.tgz", SourceKind.LOCAL, "a%20b.tgz"),
        ("file:..\\a.tgz", SourceKind.PATH, "..\\a.tgz"),
        ("FILE:///a.tgz", SourceKind.PATH, "/a.tgz"),
        ("file:~/a.tgz", SourceKind.PATH, "~/a.tgz"),
        ("/a.tgz", SourceKind.PATH, "/a.tgz"),
        ("C:/a.tgz", SourceKind.PATH, "C:/a.tgz"),
        ("file:node_modules/b/a.tgz", SourceKind.PATH, "node_modules/b/a.tgz"),
        ("ftp://u:p@example.test/a.tgz", SourceKind.URL, "ftp://example.test/a.tgz"),
    ],
)
def test_the_kinds_of_sources(resolved: str | None, source: SourceKind, origin: str | None) -> None:
    item = plan_one(resolved)
    assert (item.source, item.origin, item.parent) == (source, origin, None)


def test_an_address_that_somebody_asks_for_is_a_source_of_its_own() -> None:
    def source_of(resolved: str, requested: str, name: str = "a", **members: object) -> SourceKind:
        packages = {"": {"dependencies": {name: requested}}, "node_modules/a": {**V, "resolved": resolved, **members}}
        return plan(packages)["node_modules/a"].source

    assert source_of(URL, URL, integrity=SRI) is SourceKind.URL_HASHED
    assert source_of(URL, URL) is SourceKind.URL
    assert source_of(URL, URL, name="b") is SourceKind.REGISTRY
    assert source_of(URL, URL + "?x") is SourceKind.REGISTRY
    assert source_of(URL, "^1") is SourceKind.REGISTRY
    packages = {
        "node_modules/b": V | {"dependencies": {"a": URL}},
        "node_modules/a": V | {"resolved": URL, "name": "c"},
    }
    item = plan(packages)["node_modules/a"]
    assert (item.source, item.origin) == (SourceKind.URL, URL)


def test_an_address_without_a_version_is_no_release() -> None:
    assert plan_one(URL, version=None, integrity=SRI).source is SourceKind.URL_HASHED


def test_an_origin_holds_no_credentials() -> None:
    packages = {
        "": {"dependencies": {"a": "https://u:p@example.test/a?token=t"}},
        "node_modules/a": V | {"resolved": "https://u:p@example.test/a?token=t"},
    }
    assert plan(packages)["node_modules/a"].origin == "https://example.test/a?****"


def test_an_alias_is_a_release_of_another_name() -> None:
    item = plan_one(None, name="b")
    assert (item.source, item.entry.name, item.entry.installed_name) == (SourceKind.ALIAS, "b", "a")


def test_links_lead_to_folders() -> None:
    planned = plan(
        {
            "node_modules/one": {"link": True, "resolved": "packages/one"},
            "node_modules/outer": {"link": True, "resolved": "../outer"},
            "packages/one": {"name": "one"},
            "../outer": {},
            "../outer/node_modules/a": V,
            "node_modules/gone": {"link": True, "resolved": "gone"},
            "node_modules/far": {"link": True, "resolved": "a/../../far"},
            "node_modules/self": {"link": True, "resolved": ""},
            "": {},
        }
    )
    assert {path: (item.source, item.origin) for path, item in planned.items()} == {
        "packages/one": (SourceKind.LOCAL, "packages/one"),
        "../outer": (SourceKind.PATH, "../outer"),
        "../outer/node_modules/a": (SourceKind.REGISTRY, None),
        "node_modules/gone": (SourceKind.LOCAL, "gone"),
        "node_modules/far": (SourceKind.PATH, "../far"),
    }


FLAGS = {
    "plain": V,
    "dev": V | {"dev": True},
    "optional": V | {"optional": True},
    "both": V | {"devOptional": True},
    "peer": V | {"peer": True},
}


@pytest.mark.parametrize(
    ("omit", "left_out"),
    [
        (Omit(), set()),
        (Omit(dev=True), {"dev"}),
        (Omit(optional=True), {"optional"}),
        (Omit(dev=True, optional=True), {"dev", "optional", "both"}),
        (Omit(peer=True), {"peer"}),
    ],
)
def test_what_is_omitted(omit: Omit, left_out: set[str]) -> None:
    nested = {f"node_modules/plain/node_modules/{name}": entry for name, entry in FLAGS.items()}
    packages = {"": {}, **{f"node_modules/{name}": entry for name, entry in FLAGS.items()}, **nested}
    names = {path.rpartition("/")[2] for path in packages.keys() - plan(packages, omit=omit).keys() - {""}}
    assert names == left_out
    assert len(plan(packages, omit=omit)) == 2 * (len(FLAGS) - len(left_out))


@pytest.mark.parametrize(
    ("requests", "version", "is_omitted"),
    [
        ({}, 3, True),
        ({"one": "^1.0.0"}, 3, True),
        ({"one": "file:packages/one"}, 3, False),
        ({"one": "./packages/one"}, 3, False),
        ({}, 1, False),
    ],
)
def test_only_below_the_project_and_workspaces_is_something_omitted(
    requests: Mapping[str, str], version: int, is_omitted: bool
) -> None:
    packages = {
        "": {"devDependencies": requests},
        "node_modules/one": {"link": True, "resolved": "packages/one"},
        "packages/one": {"dev": True},
        "packages/one/node_modules/a": V | {"dev": True},
        "packages/unlinked/node_modules/a": V | {"dev": True},
        "node_modules/b/vendor/c/node_modules/a": V | {"dev": True},
    }
    planned = plan(packages, omit=Omit(dev=True), version=version)
    assert ("packages/one/node_modules/a" not in planned) is is_omitted
    assert {"packages/one", "packages/unlinked/node_modules/a"} <= planned.keys()
    assert "node_modules/b/vendor/c/node_modules/a" in planned
    assert "packages/one/node_modules/a" in plan({**packages, "": {"x": 1}} | {"node_modules/d": V}, version=version)


def test_without_the_projects_own_entry_folders_are_not_known() -> None:
    packages = {
        "node_modules/one": {"link": True, "resolved": "packages/one"},
        "packages/one/node_modules/a": V | {"dev": True},
        "node_modules/a": V | {"dev": True},
    }
    assert plan(packages, omit=Omit(dev=True)).keys() == {"node_modules/one", "packages/one/node_modules/a"}


@pytest.mark.parametrize(
    ("members", "fits"),
    [
        ({}, True),
        ({"os": []}, True),
        ({"os": ["linux", "darwin"]}, True),
        ({"os": "linux"}, True),
        ({"os": ["darwin"]}, False),
        ({"os": ["any"]}, True),
        ({"os": ["any", "darwin"]}, False),
        ({"os": ["!win32"]}, True),
        ({"os": ["!win32", "!linux"]}, False),
        ({"os": ["!win32", "darwin"]}, False),
        ({"os": ["!linux", "linux"]}, False),
        ({"cpu": ["arm64"]}, False),
        ({"cpu": ["x64"], "os": ["darwin"]}, False),
        ({"libc": ["glibc"]}, True),
        ({"libc": ["musl"]}, False),
        ({"libc": ["!musl"]}, True),
    ],
)
def test_platforms_count_for_what_is_optional(members: Mapping[str, object], fits: bool) -> None:
    assert bool(plan({"node_modules/a": {**V, **members, "optional": True}})) is fits
    assert plan({"node_modules/a": {**V, **members}})  # npm itself ends with an error
    assert plan({"node_modules/a": {**V, **members, "devOptional": True}})


def test_a_library_that_is_not_known() -> None:
    packages = {f"node_modules/{libc}": V | {"optional": True, "libc": [libc]} for libc in ("glibc", "musl")}
    assert len(plan(packages, platform=Platform(os="linux", cpu="x64", libc=None))) == 2
    assert plan(packages, platform=Platform(os="darwin", cpu="arm64", libc=None)) == {}


BUNDLED = V | {"inBundle": True}


def test_what_is_bundled_comes_with_its_package() -> None:
    planned = plan(
        {
            "": {"bundleDependencies": ["unrelated"]},
            "node_modules/a": V | {"bundleDependencies": ["b"], "integrity": SRI},
            "node_modules/a/node_modules/b": BUNDLED
            | {"dependencies": {"c": "1", "d": "1"}, "bundleDependencies": ["e"]},
            "node_modules/a/node_modules/b/node_modules/c": BUNDLED,
            "node_modules/a/node_modules/b/node_modules/e": BUNDLED,
            "node_modules/a/node_modules/d": BUNDLED,
            "node_modules/a/node_modules/f": V | {"integrity": SRI},
        }
    )
    parents = {path: item.parent.path for path, item in planned.items() if item.parent}
    assert parents == {f"node_modules/a/node_modules/{rest}": "node_modules/a" for rest in (
        "b", "b/node_modules/c", "b/node_modules/e", "d"
    )}  # fmt: skip
    assert {planned[path].source for path in parents} == {SourceKind.BUNDLED}
    assert planned["node_modules/a/node_modules/f"].source is SourceKind.REGISTRY


def test_what_nobody_bundles_has_no_integrity() -> None:
    planned = plan(
        {
            "node_modules/a": V | {"bundleDependencies": ["b"]},
            "node_modules/b": BUNDLED | {"integrity": SRI},
            "node_modules/a/node_modules/c": BUNDLED | {"integrity": SRI, "resolved": URL},
            "node_modules/a/node_modules/d": BUNDLED | {"resolved": f"git+ssh://git@example.test/a#{COMMIT}"},
        }
    )
    for path, item in planned.items():
        if path != "node_modules/a":
            assert (item.source, item.parent, item.entry.integrity) == (SourceKind.REGISTRY, None, None)


def test_a_link_bundles_nothing() -> None:
    packages = {
        "node_modules/a": {"link": True, "resolved": "lib", "bundleDependencies": ["b"]},
        "lib": {},
        "node_modules/a/node_modules/b": BUNDLED,
    }
    assert plan(packages)["node_modules/a/node_modules/b"].source is SourceKind.REGISTRY


def test_what_is_not_said_to_be_bundled_is_decided_by_itself() -> None:
    packages = {
        "node_modules/a": V | {"bundleDependencies": ["b"]},
        "node_modules/a/node_modules/b": V | {"integrity": SRI},
    }
    item = plan(packages)["node_modules/a/node_modules/b"]
    assert (item.source, item.entry.integrity) == (SourceKind.REGISTRY, SRI)


@pytest.mark.parametrize("folder", ["", "packages/one"])
def test_what_the_project_bundles_is_fetched(folder: str) -> None:
    inside = f"{folder}/node_modules" if folder else "node_modules"
    planned = plan(
        {
            folder: {"bundleDependencies": ["a"]},
            f"{inside}/a": BUNDLED | {"integrity": SRI, "dependencies": {"b": "1"}},
            f"{inside}/b": BUNDLED | {"integrity": SRI},
        }
    )
    for name in "ab":
        item = planned[f"{inside}/{name}"]
        assert (item.source, item.entry.integrity) == (SourceKind.REGISTRY, SRI)


def test_what_is_bundled_is_left_out_with_its_package() -> None:
    bundler = V | {"bundleDependencies": ["b"], "optional": True, "os": ["win32"]}
    assert plan({"node_modules/a": bundler, "node_modules/a/node_modules/b": BUNDLED | {"optional": True}}) == {}


def test_a_folder_inside_a_package_is_part_of_it() -> None:
    planned = plan(
        {
            "node_modules/a": V,
            "node_modules/a/node_modules/x": {"link": True, "resolved": "node_modules/a/vendor/x"},
            "node_modules/a/vendor/x": {"version": "2.0.0", "integrity": SRI},
            "node_modules/gone/vendor/x": {"version": "2.0.0", "integrity": SRI},
        }
    )
    inside, homeless = planned["node_modules/a/vendor/x"], planned["node_modules/gone/vendor/x"]
    assert (inside.source, inside.parent) == (SourceKind.BUNDLED, planned["node_modules/a"].entry)
    assert (homeless.source, homeless.entry.integrity) == (SourceKind.REGISTRY, None)
    assert "node_modules/a/node_modules/x" not in planned


PATHS = st.lists(st.sampled_from(["a", "b", "@s/c"]), min_size=1, max_size=3).map(
    lambda names: "/".join(f"node_modules/{name}" for name in names)
)
ENTRY = st.fixed_dictionaries(
    {"version": st.just("1.0.0")},
    optional={
        "dev": st.booleans(),
        "optional": st.booleans(),
        "inBundle": st.booleans(),
        "bundleDependencies": st.lists(st.sampled_from(["a", "b", "@s/c"]), max_size=2),
        "dependencies": st.dictionaries(st.sampled_from(["a", "b", "@s/c"]), st.just("1"), max_size=3),
        "os": st.sampled_from([["linux"], ["darwin"], ["!linux"]]),
        "integrity": st.just(SRI),
    },
)


@given(st.dictionaries(PATHS, ENTRY, max_size=8), st.booleans(), st.booleans())
def test_every_entry_is_planned_or_has_a_reason_to_be_left_out(
    packages: dict[str, dict[str, object]], dev: bool, optional: bool
) -> None:
    planned = plan(packages, omit=Omit(dev=dev, optional=optional))
    for path, entry in packages.items():
        item = planned.get(path)
        if item is None:
            may_be_left_out = (dev and entry.get("dev")) or entry.get("optional")
            assert may_be_left_out or entry.get("inBundle")
        elif item.source is SourceKind.BUNDLED:
            assert entry.get("inBundle")
            assert item.parent is not None
            assert path.startswith(f"{item.parent.path}/node_modules/")
            assert planned[item.parent.path].source is not SourceKind.BUNDLED
        else:
            assert (item.entry.integrity is None) == ("integrity" not in entry or entry.get("inBundle") is True)


MANIFEST: Mapping[str, object] = {
    "name": "project",
    "version": "1.0.0",
    "workspaces": ["packages/*"],
    "dependencies": {"a": "^1", "lib": "file:lib"},
    "optionalDependencies": {"b": "1"},
    "peerDependencies": {"c": "1"},
}
ONE: Mapping[str, object] = {"name": "@s/one", "version": "1.0.0", "devDependencies": {"a": "^1"}}
WORKSPACES = {"packages/one": ONE, "lib": {}}
SETTLED: Mapping[str, object] = {
    "": MANIFEST,
    "node_modules/a": V | {"dependencies": {"d": "1"}},
    "node_modules/a/node_modules/d": V,
    "node_modules/b": V | {"optional": True},
    "node_modules/lib": {"link": True, "resolved": "lib"},
    "node_modules/@s/one": {"link": True, "resolved": "packages/one"},
    "packages/one": ONE,
    "lib": {},
    "node_modules/a/vendor": {},
}


def test_a_lock_that_records_what_is_asked_for() -> None:
    assert not requires_resolution(lock_of(SETTLED), MANIFEST, WORKSPACES)
    renamed = {**MANIFEST, "name": "other", "version": "2.0.0", "scripts": {"test": "x"}}
    assert not requires_resolution(lock_of(SETTLED), renamed, WORKSPACES)
    without = {**MANIFEST, "workspaces": []}
    assert not requires_resolution(lock_of(SETTLED), without, {**WORKSPACES, "example": {}})


@pytest.mark.parametrize(
    "change",
    [
        {"dependencies": {"a": "^2", "lib": "file:lib"}},
        {"dependencies": {"a": "^1"}},
        {"dependencies": {}, "devDependencies": {"a": "^1", "lib": "file:lib"}},
        {"devDependencies": {"e": "1"}},
        {"optionalDependencies": {}},
        {"optionalDependencies": {"a": "^1", "b": "1"}},
        {"peerDependencies": {"c": "2"}},
        {"peerDependenciesMeta": {"c": {"optional": True}}},
        {"bundleDependencies": ["a"]},
        {"overrides": {"a": "2"}},
        {"dependencies": ["a"]},
        {"dependencies": {"a": 1}},
    ],
)
def test_a_project_that_asks_for_something_else(change: Mapping[str, object]) -> None:
    assert requires_resolution(lock_of(SETTLED), {**MANIFEST, **change}, WORKSPACES)


@pytest.mark.parametrize(
    "workspaces",
    [
        {},
        {"packages/one": ONE},
        {**WORKSPACES, "packages/two": {}},
        {**WORKSPACES, "packages/one": {**ONE, "version": "2.0.0"}},
        {**WORKSPACES, "packages/one": {**ONE, "name": "@s/other"}},
        {**WORKSPACES, "packages/one": {**ONE, "dependencies": {"e": "1"}}},
        {**WORKSPACES, "lib": {"dependencies": {"e": "1"}}},
    ],
)
def test_folders_that_ask_for_something_else(workspaces: Mapping[str, Mapping[str, object]]) -> None:
    assert requires_resolution(lock_of(SETTLED), MANIFEST, workspaces)


def test_a_lock_that_does_not_say_what_is_asked_for() -> None:
    assert requires_resolution(lock_of(SETTLED, version=1), MANIFEST, WORKSPACES)
    assert requires_resolution(lock_of({}), {}, {})
    assert not requires_resolution(lock_of({"": {}}), {}, {})


@pytest.mark.parametrize(
    "missing", ["node_modules/a", "node_modules/a/node_modules/d", "node_modules/b", "node_modules/@s/one"]
)
def test_a_lock_that_lacks_an_entry(missing: str) -> None:
    packages = {path: entry for path, entry in SETTLED.items() if path != missing}
    assert requires_resolution(lock_of(packages), MANIFEST, WORKSPACES)
