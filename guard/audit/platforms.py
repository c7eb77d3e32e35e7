"""Which entries of a lock the audit's platforms can use (amendment 24).

The platforms are the running one and those that the lock's markers name; every version of Python counts, for guard's
own says nothing about the project's. What cannot be told counts as usable, so that nothing is left out by mistake.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source

if TYPE_CHECKING:  # npm's locks have no markers
    from packaging.markers import Marker

_MACHINES = {
    "amd64": "x86_64",
    "x64": "x86_64",
    "arm64": "aarch64",
    "i386": "x86",
    "i686": "x86",
    "win32": "x86",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
}
_OS_NAMES = {"linux": "posix", "darwin": "posix", "win32": "nt"}
_SYSTEM_NAMES = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
_NODE_MACHINES = {"x86_64": "x64", "aarch64": "arm64", "x86": "ia32", "ppc64le": "ppc64"}
# What a marker calls a platform (PEP 508: `sys_platform`, `platform_system`, `os_name`), quotes included.
_NAMED = {
    "win32": re.compile(r"""(["'])(?:win32|windows|nt)\1""", re.IGNORECASE),
    "darwin": re.compile(r"""(["'])darwin\1""", re.IGNORECASE),
    "linux": re.compile(r"""(["'])linux2?\1""", re.IGNORECASE),
}
_ALL_MACHINES = {
    "win32": ("x86_64", "x86", "aarch64"),
    "darwin": ("x86_64", "aarch64"),
    "linux": ("x86_64", "aarch64", "x86", "arm", "ppc64le", "s390x", "riscv64", "loongarch64"),
}
# What guard.toml calls them.
_SYSTEMS = {"linux": "linux", "macos": "darwin", "windows": "win32"}
# Where a marker names only the system.
_USUAL_MACHINES = {"win32": ("x86_64",), "darwin": ("x86_64", "aarch64"), "linux": ("x86_64",)}
# Wheel tags (packaging.python.org, "Platform compatibility tags"); macOS' fat ones stand for several machines.
_WHEEL_PLATFORM = re.compile(
    r"(?P<linux>(?:many)?linux(?:1|2010|2014|_\d+_\d+)?_)(?P<linux_machine>\w+)"
    r"|(?P<musl>musllinux_\d+_\d+_)(?P<musl_machine>\w+)"
    r"|(?P<mac>macosx_\d+_\d+_)(?P<mac_machine>\w+)"
    r"|(?P<win>win)(?P<win_machine>32|_amd64|_arm64)"
)
_FAT_MACHINES = {
    "universal2": ("x86_64", "aarch64"),
    "universal": ("x86_64", "x86"),
    "intel": ("x86_64", "x86"),
    "fat64": ("x86_64",),
    "fat32": ("x86",),
    "fat": ("x86",),
}
_WINDOWS_MACHINES = {"32": "x86", "_amd64": "x86_64", "_arm64": "aarch64"}

# The versions of Python that a marker is tried with: those that anybody still locks for, and some to come.
_PYTHON_VERSIONS = ("2.7", "3.5", "3.6", "3.7", "3.8", "3.9", *(f"3.{minor}" for minor in range(10, 18)))
_IMPLEMENTATIONS = (("cpython", "CPython"), ("pypy", "PyPy"))
# What a user chooses at installation; here every choice counts.
_CHOSEN = re.compile(r"\b(?:extra|extras|dependency_groups)\b")


@dataclass(frozen=True, slots=True)
class AuditPlatform:
    """A platform that locked artifacts may be installed on.

    Args:
        system: ``sys.platform``: ``linux``, ``darwin``, ``win32`` or another.
        machine: ``x86_64``, ``aarch64``, ``x86`` or another.
        is_musl: whether the C library is musl; ``None`` where there is none to choose or it is not known.
    """

    system: str
    machine: str
    is_musl: bool | None = None

    @classmethod
    def from_names(cls, system: str, machine: str, *, is_musl: bool | None) -> AuditPlatform:
        """Return the platform of ``sys.platform`` and ``platform.machine()``, whatever they call a machine."""
        return cls(system, _machine(machine), is_musl if system == "linux" else None)

    def takes_wheel_platform(self, tag: str) -> bool:
        """Return whether a wheel with this platform tag can be installed; unknown tags are of other systems."""
        if tag == "any":
            return True
        match = _WHEEL_PLATFORM.fullmatch(tag)
        if match is None:
            return self.system not in _OS_NAMES
        if match["linux"] or match["musl"]:
            machine = match["linux_machine"] or match["musl_machine"]
            other_libc = self.is_musl is not None and self.is_musl is not bool(match["musl"])
            return self.system == "linux" and _machine(machine) == self.machine and not other_libc
        if match["mac"]:
            machines = _FAT_MACHINES.get(match["mac_machine"], (_machine(match["mac_machine"]),))
            return self.system == "darwin" and self.machine in machines
        return self.system == "win32" and _WINDOWS_MACHINES[match["win_machine"]] == self.machine

    def environments(self, marker: str) -> Iterator[Mapping[str, str]]:
        """Yield the environments of every version of Python on this platform that a marker could tell apart."""
        versions = _PYTHON_VERSIONS if "python" in marker or "implementation" in marker else _PYTHON_VERSIONS[-1:]
        implementations = _IMPLEMENTATIONS if "implementation" in marker else _IMPLEMENTATIONS[:1]
        machines = _spellings(self.machine) if "platform_machine" in marker else (self.machine,)
        for version, (name, display), machine in itertools.product(versions, implementations, machines):
            yield {
                "sys_platform": self.system,
                "os_name": _OS_NAMES.get(self.system, "posix"),
                "platform_system": _SYSTEM_NAMES.get(self.system, self.system),
                "platform_machine": machine,
                "python_version": version,
                "python_full_version": f"{version}.99",
                "implementation_name": name,
                "implementation_version": f"{version}.99",
                "platform_python_implementation": display,
            }

    def takes_node_package(self, artifact: LockedArtifact) -> bool:
        """Return whether npm would install a package here (npm-install-checks, ``checkPlatform``)."""
        machine = _NODE_MACHINES.get(self.machine, self.machine)
        libc = None if self.is_musl is None else ("musl" if self.is_musl else "glibc")
        fits_libc = self.system == "linux" if libc is None else _is_listed(libc, artifact.libc)
        return (
            _is_listed(self.system, artifact.os)
            and _is_listed(machine, artifact.cpu)
            and (fits_libc or not artifact.libc)
        )


# Distributions of former times: old locks list them beside the others, and neither pip nor a locker installs them.
_FORMER_SUFFIXES = (".egg", ".exe", ".msi", ".rpm", ".deb", ".dmg")


class Platforms:
    """The platforms of one lock's audit.

    Args:
        platforms: of :func:`platforms_of`; empty for all that there are.
    """

    def __init__(self, platforms: Iterable[AuditPlatform]) -> None:
        self._platforms = tuple(dict.fromkeys(platforms))
        self._holds: dict[str, bool] = {}

    def take_file(self, filename: str) -> bool:
        """Return whether a file of a Python package can be used on one of them; source archives always can."""
        if not self._platforms or not filename.endswith(".whl"):
            return True
        tags = filename[: -len(".whl")].rpartition("-")[2].split(".")
        return any(each.takes_wheel_platform(tag) for each in self._platforms for tag in tags)

    def take(self, artifact: LockedArtifact) -> bool:
        """Return whether an entry can be used on one of them."""
        if artifact.source is Source.REGISTRY and (artifact.file or "").lower().endswith(_FORMER_SUFFIXES):
            return False
        if not self._platforms:
            return True
        if artifact.ecosystem is Ecosystem.NPM:
            # npm refuses to install where one that is not optional does not fit, and fetches it all the same.
            return not artifact.is_optional or any(each.takes_node_package(artifact) for each in self._platforms)
        return all(map(self._may_hold, artifact.markers)) and (artifact.file is None or self.take_file(artifact.file))

    def _may_hold(self, marker: str) -> bool:
        if marker not in self._holds:
            self._holds[marker] = any(
                _evaluates(marker, environment) for each in self._platforms for environment in each.environments(marker)
            )
        return self._holds[marker]


def platforms_of(lock: Lockfile, running: AuditPlatform) -> tuple[AuditPlatform, ...]:
    """Return the platforms that a lock is decided for: the running one, and those that its markers name.

    npm's lists of systems and machines stand in packages, not in the lock's own words, and name none.

    Args:
        lock: the lock.
        running: the platform that guard runs on.
    """
    markers = {marker for artifact in lock.artifacts for marker in artifact.markers} | {*lock.environments}
    text = "\n".join(markers)
    named = [
        AuditPlatform(system, machine, None)
        for system, pattern in _NAMED.items()
        if system != running.system and pattern.search(text)
        for machine in _USUAL_MACHINES[system]
    ]
    return (running, *named)


def platforms_named(names: Iterable[str]) -> tuple[AuditPlatform, ...]:
    """Return the platforms that ``[audit] platforms`` names, such as ``linux`` or ``macos-arm64``."""
    platforms = []
    for name in sorted(names):
        system, _, machine = name.partition("-")
        machines = (_machine(machine),) if machine else _ALL_MACHINES[_SYSTEMS[system]]
        platforms += [AuditPlatform(_SYSTEMS[system], each, None) for each in machines]
    return tuple(platforms)


def _evaluates(marker: str, environment: Mapping[str, str]) -> bool:
    """Return whether a marker holds, or cannot be told to fail."""
    if _CHOSEN.search(marker):
        return True
    from packaging.markers import InvalidMarker, UndefinedEnvironmentName

    try:
        return _parse(marker).evaluate(dict(environment))
    except (InvalidMarker, UndefinedEnvironmentName, ValueError):
        return True


@functools.lru_cache(maxsize=4096)
def _parse(marker: str) -> Marker:
    from packaging.markers import Marker

    return Marker(marker)


def _machine(name: str) -> str:
    return _MACHINES.get(name.lower(), name.lower())


def _spellings(machine: str) -> tuple[str, ...]:
    """Return what systems call a machine."""
    names = [name for name, meant in _MACHINES.items() if meant == machine]
    return tuple(dict.fromkeys((machine, *names, *map(str.upper, names))))


def _is_listed(value: str, accepted: tuple[str, ...]) -> bool:
    """``checkList`` of npm-install-checks."""
    if not accepted or accepted == ("any",):
        return True
    denied = [name[1:] for name in accepted if name.startswith("!")]
    return value not in denied and (value in accepted or len(denied) == len(accepted))
