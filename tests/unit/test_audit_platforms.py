"""Which entries and files the audit's platforms can use: what is left out is certainly for another one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guard.audit.platforms import AuditPlatform, Platforms, platforms_named, platforms_of
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source

LINUX = AuditPlatform.from_names("linux", "x86_64", is_musl=False)
MUSL = AuditPlatform.from_names("linux", "aarch64", is_musl=True)
MAC = AuditPlatform.from_names("darwin", "arm64", is_musl=None)
WINDOWS = AuditPlatform.from_names("win32", "AMD64", is_musl=None)


def wheel(tag: str) -> str:
    return f"a-1.0-cp312-abi3-{tag}.whl"


def python(*markers: str, file: str | None = None) -> LockedArtifact:
    return LockedArtifact(
        ecosystem=Ecosystem.PYPI, name="a", version="1", source=Source.REGISTRY, line=1, markers=markers, file=file
    )


def node(
    os: tuple[str, ...] = (), cpu: tuple[str, ...] = (), libc: tuple[str, ...] = (), *, is_optional: bool = True
) -> LockedArtifact:
    return LockedArtifact(
        ecosystem=Ecosystem.NPM,
        name="a",
        version="1",
        source=Source.REGISTRY,
        line=1,
        os=os,
        cpu=cpu,
        libc=libc,
        is_optional=is_optional,
    )


@pytest.mark.parametrize("platforms", [(), (LINUX,)])
def test_what_nothing_installs_any_more_is_for_nobody(platforms: tuple[AuditPlatform, ...]) -> None:
    assert not Platforms(platforms).take(python(file="a-1.0-py2.7.egg"))
    assert not Platforms(platforms).take(python(file="a-1.0.win32-py2.7.EXE"))
    by_address = replace(python(file="a-1.0.exe"), source=Source.URL)
    assert Platforms(platforms).take(by_address)


@pytest.mark.parametrize(
    ("tag", "takers"),
    [
        ("any", {LINUX, MUSL, MAC, WINDOWS}),
        ("linux_x86_64", {LINUX}),
        ("manylinux1_x86_64", {LINUX}),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", {LINUX}),
        ("manylinux_2_28_aarch64", set()),
        ("musllinux_1_2_aarch64", {MUSL}),
        ("musllinux_1_2_x86_64", set()),
        ("macosx_11_0_arm64", {MAC}),
        ("macosx_10_9_x86_64", set()),
        ("macosx_10_9_universal2", {MAC}),
        ("win_amd64", {WINDOWS}),
        ("win32", set()),
        ("win_arm64", set()),
        ("ios_13_0_arm64_iphoneos", set()),
        ("manylinux_2_17_i686.manylinux2014_i686", set()),
    ],
)
def test_a_wheel_is_for_whom_its_tags_name(tag: str, takers: set[AuditPlatform]) -> None:
    assert {each for each in (LINUX, MUSL, MAC, WINDOWS) if Platforms([each]).take_file(wheel(tag))} == takers


def test_a_source_archive_is_for_everybody() -> None:
    assert Platforms([LINUX]).take_file("a-1.0.tar.gz")
    assert Platforms([LINUX]).take(python(file="a-1.0.zip"))
    assert not Platforms([LINUX]).take(python(file=wheel("win32")))
    assert Platforms([]).take(python("os_name == 'no'", file=wheel("win32")))


@pytest.mark.parametrize(
    ("marker", "is_taken"),
    [
        ("sys_platform == 'linux'", True),
        ("sys_platform == 'win32'", False),
        ("os_name == 'nt'", False),
        ("platform_system == 'Windows' or platform_machine == 'x86_64'", True),
        ("platform_machine == 'AMD64'", True),
        ("platform_machine == 'arm64'", False),
        ("python_version < '3.9'", True),
        ("python_full_version >= '3.12' and python_version < '3.11'", False),
        ("implementation_name == 'pypy'", True),
        ("implementation_name == 'graalpy'", False),
        ("sys_platform == 'win32' and extra == 'test'", True),
        ("'dev' in dependency_groups", True),
        ("not a marker", True),
    ],
)
def test_a_marker_that_may_hold_counts(marker: str, is_taken: bool) -> None:
    assert Platforms([LINUX]).take(python(marker)) is is_taken
    assert Platforms([LINUX]).take(python("sys_platform == 'linux'", marker)) is is_taken


@pytest.mark.parametrize(
    ("entry", "is_taken"),
    [
        (node(), True),
        (node(("linux",), ("x64",), ("glibc",)), True),
        (node(("!win32",)), True),
        (node(("!linux",)), False),
        (node(("darwin", "win32")), False),
        (node(cpu=("arm64",)), False),
        (node(libc=("musl",)), False),
        (node(("any",)), True),
        (node(("aix",), is_optional=False), True),
    ],
)
def test_an_optional_package_of_npm_is_for_whom_it_says(entry: LockedArtifact, is_taken: bool) -> None:
    assert Platforms([LINUX]).take(entry) is is_taken


def test_a_lock_names_platforms_in_its_markers() -> None:
    lock = Lockfile(format="x", artifacts=(python("sys_platform == 'win32'"), python("python_version < '3.9'")))
    assert platforms_of(lock, LINUX) == (LINUX, AuditPlatform("win32", "x86_64"))
    lock = Lockfile(format="x", environments=('platform_system == "Darwin"',))
    assert platforms_of(lock, LINUX) == (LINUX, AuditPlatform("darwin", "x86_64"), AuditPlatform("darwin", "aarch64"))
    assert platforms_of(Lockfile(format="x", artifacts=(node(("win32",)),)), LINUX) == (LINUX,)


def test_a_policy_names_platforms() -> None:
    assert platforms_named(["macos-arm64"]) == (AuditPlatform("darwin", "aarch64"),)
    machines = {each.machine for each in platforms_named(["windows"])}
    assert machines == {"x86_64", "x86", "aarch64"}
