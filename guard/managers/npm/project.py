"""The files of a project that npm resolves from, a scratch copy of them, and putting them back.

The resolving run works on the copy, so that a refusal leaves the project as it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from guard import limits
from guard.errors import ConfigInvalid, MalformedInput, malformed_input_boundary
from guard.managers.npm.ini import IniValue, parse_ini

MANIFEST = "package.json"
SHRINKWRAP = "npm-shrinkwrap.json"
PACKAGE_LOCK = "package-lock.json"
_DEPENDENCY_MEMBERS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_LOCAL_SPEC = re.compile(r"(?:file:(?://)?|(?=\.|/|~/))(.*)", re.DOTALL | re.IGNORECASE)
_ARCHIVE_SUFFIXES = (".tgz", ".tar.gz", ".tar")
# Settings that say who the user is, or how a registry is reached: the scratch copy needs none, since npm asks only the
# gateway, of which the environment tells it. A proxy's and a registry's address may hold a password.
_KEPT_BACK = frozenset(
    {
        *("_auth", "_authtoken", "_password", "username", "email", "otp", "cert", "key", "certfile", "keyfile"),
        *("registry", "proxy", "https-proxy", "http-proxy"),
    }
)
# npm's documentation, "scripts", "Life Cycle Operation Order", `npm install`, and "Life Cycle Scripts", `dependencies`.
_PROJECT_SCRIPTS = frozenset(
    {
        *("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"),
        *("predependencies", "dependencies", "postdependencies"),
    }
)
_NOT_WALKED = frozenset({"node_modules", ".git"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The files that decide what npm installs.

    Args:
        root: the folder that npm works in (its local prefix).
        manifests: package.json of the root and of every folder below it, by path relative to the root.
        lock_name: npm-shrinkwrap.json where there is one, else package-lock.json.
        lock: the lock's bytes, or ``None`` when there is none.
    """

    root: Path
    manifests: Mapping[str, bytes]
    lock_name: str
    lock: bytes | None

    @property
    def lock_path(self) -> Path:
        """Where the lock is, or will be."""
        return self.root / self.lock_name

    @property
    def manifest(self) -> Mapping[str, object]:
        """The root's package.json; empty when there is none.

        Raises:
            MalformedInput: it is no JSON object.
        """
        data = self.manifests.get(MANIFEST)
        return {} if data is None else parse_manifest(data, what=str(self.root / MANIFEST))

    @property
    def has_install_script(self) -> bool:
        """Whether the project's own package.json has a script that an installation runs."""
        scripts = self.manifest.get("scripts")
        return isinstance(scripts, dict) and not _PROJECT_SCRIPTS.isdisjoint(scripts)

    def members(self) -> dict[str, Mapping[str, object]]:
        """Return every other package.json, by its folder relative to the root."""
        return {
            str(Path(path).parent): parse_manifest(data, what=str(self.root / path))
            for path, data in self.manifests.items()
            if path != MANIFEST
        }

    def specs(self) -> Iterator[str]:
        """Yield what every package.json asks for, names aside."""
        for path, data in self.manifests.items():
            with contextlib.suppress(MalformedInput):
                yield from (spec for _, _, spec in _specs(parse_manifest(data, what=path)))

    def named_specs(self) -> Iterator[tuple[str, str]]:
        """Yield name and spec of what every package.json asks for, overrides included."""
        for path, data in self.manifests.items():
            with contextlib.suppress(MalformedInput):
                manifest = parse_manifest(data, what=path)
                yield from ((name, spec) for _, name, spec in _specs(manifest))
                yield from _override_specs(manifest.get("overrides"))


def load_project(root: Path, *, named: Iterable[Path] = ()) -> Project:
    """Read the files of a project. Folders are walked only when something may lead to them.

    Args:
        root: the folder that npm works in.
        named: folders and archives that the command line names.

    Raises:
        ConfigInvalid: a file cannot be read.
        MalformedInput: package.json is larger than allowed, or no JSON object.
    """
    lock_name = SHRINKWRAP if (root / SHRINKWRAP).is_file() else PACKAGE_LOCK
    lock = _load(root / lock_name, limits.NPM_LOCK_MAX_BYTES)
    own = _load(root / MANIFEST, limits.METADATA_MAX_BYTES)
    manifests = {} if own is None else {MANIFEST: own}
    leads = own is not None and _leads_to_folders(parse_manifest(own, what=str(root / MANIFEST)))
    if leads or any(path.is_dir() and path.is_relative_to(root) for path in named):
        manifests |= {str(path.relative_to(root)): data for path, data in _walk_manifests(root)}
    return Project(root=root, manifests=manifests, lock_name=lock_name, lock=lock)


def parse_manifest(data: bytes, *, what: str) -> Mapping[str, object]:
    """Parse a package.json.

    Raises:
        MalformedInput: it is no JSON object.
    """
    with malformed_input_boundary(what):
        document = json.loads(data.decode("utf-8-sig"))
        if not isinstance(document, dict):
            raise MalformedInput(f"{what} is no object")
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A copy of a project to resolve in.

    Args:
        root: the copy.
        cwd: the folder in it that stands for the user's working directory.
        is_faithful: whether a lock made here is the one that npm would make in the project: not when a dependency lies
            outside the project, since a lock names such folders relative to its own.
    """

    root: Path
    cwd: Path
    is_faithful: bool

    def load_lock(self) -> tuple[str, bytes] | None:
        """Return name and bytes of the lock that the resolving run left; ``None`` when it left none."""
        for name in (SHRINKWRAP, PACKAGE_LOCK):
            data = _load(self.root / name, limits.NPM_LOCK_MAX_BYTES)
            if data is not None:
                return name, data
        return None


def load_installed_lock(project: Project) -> bytes | None:
    """Return npm's own record of what is installed (``node_modules/.package-lock.json``), if there is one."""
    return _load(project.root / "node_modules" / ".package-lock.json", limits.NPM_LOCK_MAX_BYTES)


def make_scratch(project: Project, folder: Path, *, cwd: Path, named: Iterable[Path] = ()) -> Scratch:
    """Copy what npm resolves from.

    Args:
        project: the project.
        folder: an empty private folder.
        cwd: the user's working directory.
        named: folders and archives that the command line names.
    """
    root = folder / (project.root.name or "root")  # npm names a nameless project after its folder
    root.mkdir(parents=True)
    is_faithful = True
    for path, data in project.manifests.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        changed, inside = _localize(data, (project.root / path).parent, project.root)
        is_faithful = is_faithful and not changed
        place.write_bytes(changed or data)
        for archive in inside:
            _copy_archive(project.root, root, archive)
    for item in named:
        if item.is_relative_to(project.root) and item.is_file():
            _copy_archive(project.root, root, item.relative_to(project.root))
    if project.lock is not None:
        (root / project.lock_name).write_bytes(project.lock)
    elif (hidden := _from_hidden_lock(project)) is not None:
        (root / PACKAGE_LOCK).write_bytes(hidden)
    _copy_settings(project.root, root)
    relative = cwd.relative_to(project.root) if cwd.is_relative_to(project.root) else Path()
    (root / relative).mkdir(parents=True, exist_ok=True)
    return Scratch(root=root, cwd=root / relative, is_faithful=is_faithful)


def local_path(spec: str, folder: Path) -> Path | None:
    """Return the path that a dependency's spec names, or ``None`` when it names none (npm-package-arg, ``fromFile``).

    Args:
        spec: as package.json or the command line has it, without a name before it.
        folder: what relative paths are relative to.
    """
    found = _LOCAL_SPEC.fullmatch(spec)
    if found is None:
        named = spec.lower().endswith(_ARCHIVE_SUFFIXES) and "://" not in spec and not spec.startswith("git")
        return Path(os.path.normpath(folder / spec)) if named and (folder / spec).is_file() else None
    path = Path(found[1])
    return Path(os.path.normpath(folder / (path.expanduser() if path.parts[:1] == ("~",) else path)))


class Backup:
    """The project's manifests and lock as they were, to be put back when the installing run is refused something.

    Args:
        project: the project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._had = {project.root / path: data for path, data in project.manifests.items()}
        self._locks = {project.root / name: _load(project.root / name, None) for name in (SHRINKWRAP, PACKAGE_LOCK)}
        self._placed: int | None = None

    def restore(self) -> None:
        """Put every file back that differs; one that was not there is removed."""
        manifest = self._project.root / MANIFEST
        for path, data in ({manifest: None} | self._had | self._locks).items():
            restore_file(path, data)

    def place_lock(self, data: bytes) -> None:
        """Put a lock in place of the project's."""
        write_file(self._project.lock_path, data)
        self._placed = self._project.lock_path.stat().st_mtime_ns

    def restore_lock(self) -> None:
        """Put the lock back when it still is the one that was placed: npm failed before it wrote its own."""
        path = self._project.lock_path
        if self._placed is not None and path.exists() and path.stat().st_mtime_ns == self._placed:
            restore_file(path, self._locks[path])


def restore_file(path: Path, data: bytes | None) -> None:
    """Make a file have these bytes, or not exist; nothing is touched that is so already."""
    if _load(path, None) == data:
        return
    if data is None:
        path.unlink()
    else:
        write_file(path, data)


def write_file(path: Path, data: bytes) -> None:
    """Write a file at once: whoever looks sees the old bytes or the new ones. Links are followed, modes are kept."""
    real = Path(os.path.realpath(path))
    descriptor, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}-")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        _copy_owner_and_mode(real, temporary)
        temporary.replace(real)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def _copy_owner_and_mode(former: Path, file: Path) -> None:
    """Make a new file belong to whom the former one belonged to, which root alone can do, with its mode."""
    if not former.exists():
        file.chmod(0o666 & ~_umask())
        return
    state = former.stat()
    with contextlib.suppress(PermissionError):
        os.chown(file, state.st_uid, state.st_gid)
    file.chmod(stat.S_IMODE(state.st_mode))


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _leads_to_folders(manifest: Mapping[str, object]) -> bool:
    return "workspaces" in manifest or any(local_path(spec, Path("/")) is not None for _, _, spec in _specs(manifest))


def _specs(manifest: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    for member in _DEPENDENCY_MEMBERS:
        dependencies = manifest.get(member)
        if isinstance(dependencies, dict):
            for name, spec in dependencies.items():
                if isinstance(spec, str):
                    yield member, name, spec


def _override_specs(overrides: object) -> Iterator[tuple[str, str]]:
    """Yield name and spec of ``overrides``: a key may have a version behind its name, and ``.`` is the key above."""
    for key, value in _object(overrides).items():
        name = key[: key.find("@", 1)] if "@" in key[1:] else key
        inner = _object(value)
        spec = inner.get(".", value)
        if isinstance(spec, str):
            yield name, spec
        yield from _override_specs({below: each for below, each in inner.items() if below != "."})


def _walk_manifests(root: Path) -> Iterator[tuple[Path, bytes]]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - _NOT_WALKED)
        if MANIFEST in files and Path(folder) != root:
            data = _load(Path(folder, MANIFEST), limits.METADATA_MAX_BYTES)
            if data is not None:
                yield Path(folder, MANIFEST), data


def _localize(data: bytes, folder: Path, root: Path) -> tuple[bytes | None, list[Path]]:
    """Find the local dependencies of a manifest.

    Returns:
        The manifest with the paths outside the project made absolute, ``None`` when it has none; and the archives
        inside the project.
    """
    try:
        manifest = dict(parse_manifest(data, what=MANIFEST))
    except MalformedInput:
        return None, []  # npm itself says what is wrong with it
    outside, archives = False, []
    for member, name, spec in list(_specs(manifest)):
        path = local_path(spec, folder)
        if path is None:
            continue
        if not path.is_relative_to(root):
            outside = True
            manifest[member] = {**_object(manifest[member]), name: f"file:{path}"}
        elif path.is_file():
            archives.append(path.relative_to(root))
    return (json.dumps(manifest).encode() if outside else None), archives


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _copy_archive(root: Path, scratch: Path, archive: Path) -> None:
    (scratch / archive).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / archive, scratch / archive)


def _copy_settings(root: Path, scratch: Path) -> None:
    settings = _load(root / ".npmrc", limits.POLICY_MAX_BYTES)
    if settings is not None:
        (scratch / ".npmrc").write_text("".join(_settings_lines(parse_ini(settings))))


def _settings_lines(settings: Mapping[str, IniValue]) -> Iterator[str]:
    """Yield the lines of an .npmrc with what the scratch copy needs.

    What begins with ``//`` is of one registry, and a section holds nothing that npm knows.
    """
    for key, value in settings.items():
        is_kept_back = key.startswith("//") or key.rpartition(":")[2].strip().lower() in _KEPT_BACK
        if not is_kept_back and not isinstance(value, dict):
            name = json.dumps(f"{key}[]" if isinstance(value, list) else key)
            yield from (f"{name}={json.dumps(each)}\n" for each in (value if isinstance(value, list) else [value]))


def _from_hidden_lock(project: Project) -> bytes | None:
    """Return a lock of what is installed, from npm's own record of it: without a lock npm starts from there."""
    data = load_installed_lock(project)
    try:
        known = None if data is None else json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(known, dict) or not isinstance(known.get("packages"), dict):
        return None
    own = {key: value for key, value in project.manifest.items() if key in (*_DEPENDENCY_MEMBERS, "name", "version")}
    return json.dumps({**known, "packages": {"": own, **known["packages"]}}).encode()


def _load(path: Path, max_bytes: int | None) -> bytes | None:
    """Return a file's bytes, or ``None`` when it is not there."""
    try:
        with path.open("rb") as stream:
            data = stream.read() if max_bytes is None else stream.read(max_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}") from error
    if max_bytes is not None and len(data) > max_bytes:
        raise MalformedInput(f"{path} is larger than {max_bytes} bytes")
    return data
