"""Wheels and sdists for tests: small, reproducible to the byte, and where asked telling when their code ran.

A *canary* is a file that a package's code appends a line to when it runs. It is how a test sees that nothing ran.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ZIP_DATE = (2020, 1, 1, 0, 0, 0)
_TAR_SECONDS = 1577836800  # the same day

# PEP 517's and PEP 660's hooks with the standard library alone: the sdist carries its wheel unpacked, building is
# zipping. An editable wheel has a .pth file that leads to the unpacked modules in their place.
_BACKEND = """
import pathlib, shutil, zipfile

HERE = pathlib.Path(__file__).resolve().parent
WHEEL = {wheel!r}
DIST_INFO = {dist_info!r}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    source = HERE / "wheel"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, WHEEL), "w") as archive:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                name = path.relative_to(source).as_posix()
                archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), path.read_bytes())
    return WHEEL


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    info = sorted(path for path in (HERE / "wheel" / DIST_INFO).iterdir() if path.name != "RECORD")
    members = {{f"{{DIST_INFO}}/{{path.name}}": path.read_text() for path in info}}
    members[WHEEL.partition("-")[0] + ".pth"] = str(HERE / "wheel") + "\\n"
    members[f"{{DIST_INFO}}/RECORD"] = "".join(f"{{name}},,\\n" for name in (*members, f"{{DIST_INFO}}/RECORD"))
    with zipfile.ZipFile(pathlib.Path(wheel_directory, WHEEL), "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    return WHEEL


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    shutil.copytree(HERE / "wheel" / DIST_INFO, pathlib.Path(metadata_directory, DIST_INFO))
    return DIST_INFO


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
"""

_SETUP_PY = """from setuptools import setup

setup(name={name!r}, version={version!r}, py_modules=[{module!r}], install_requires={requires!r})
"""


def make_wheel(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    files: Mapping[str, str | bytes] | None = None,
    scripts: Mapping[str, str] | None = None,
    metadata_extra: str = "",
    extras: Mapping[str, Iterable[str]] | None = None,
    canary: Path | None = None,
    tag: str = "py3-none-any",
) -> tuple[str, bytes]:
    """Make a wheel (binary distribution format, version 1.0) and return its file name and bytes.

    Args:
        name: as METADATA writes it; the file name has it normalised.
        version: as both write it.
        requires: values of Requires-Dist, direct references included.
        files: what the archive holds in place of one module named like the project; a path of the ``.dist-info``
            folder replaces what would have been generated there. RECORD always tells the truth.
        scripts: console scripts, name to ``module:function``.
        metadata_extra: more lines for METADATA's header.
        extras: requirements by extra.
        canary: file that importing the module appends a line to.
        tag: compatibility tag of the file name.
    """
    module = _module(name)
    dist_info = f"{module}-{version}.dist-info"
    members: dict[str, str | bytes] = {
        f"{dist_info}/METADATA": _metadata(name, version, requires, extras or {}, metadata_extra),
        f"{dist_info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: sim\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if scripts:
        lines = "".join(f"{script} = {target}\n" for script, target in scripts.items())
        members[f"{dist_info}/entry_points.txt"] = f"[console_scripts]\n{lines}"
    default = {f"{module}/__init__.py": f"__version__ = {version!r}\n" + _canary_code(canary, f"import {name}")}
    members |= default if files is None else files
    return f"{module}-{version}-{tag}.whl", _zip(_with_record(members, f"{dist_info}/RECORD"))


def make_sdist(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    build_requires: Iterable[str] = (),
    scripts: Mapping[str, str] | None = None,
    canary: Path | None = None,
) -> tuple[str, bytes]:
    """Make an sdist that builds itself with a backend of its own (PEP 517, ``backend-path``).

    Args:
        name: the project.
        version: its version.
        requires: what the built wheel requires.
        build_requires: what building requires; the backend imports each of them, so that the build works only with
            those packages installed. Without any, it needs nothing but the standard library.
        scripts: console scripts of the built wheel.
        canary: file that importing the backend appends a line to.
    """
    build_requires = tuple(build_requires)
    wheel_name, wheel = make_wheel(name, version, requires=requires, scripts=scripts)
    imports = "".join(f"import {_module(Requirement(text).name)}\n" for text in build_requires)
    backend = _BACKEND.format(wheel=wheel_name, dist_info=f"{_module(name)}-{version}.dist-info")
    build_system = {"requires": list(build_requires), "build-backend": "sim_backend", "backend-path": ["."]}
    files: dict[str, bytes] = {
        "PKG-INFO": _metadata(name, version, requires, {}, "").encode(),
        # A list of plain strings is written alike in Python and in TOML.
        "pyproject.toml": "".join(["[build-system]\n", *(f"{k} = {v!r}\n" for k, v in build_system.items())]).encode(),
        "sim_backend.py": (_canary_code(canary, f"build {name}") + imports + backend).encode(),
    }
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        files |= {f"wheel/{member}": archive.read(member) for member in archive.namelist()}
    return _tar(f"{_module(name)}-{version}", files)


def unpack_sdist(content: bytes, folder: Path) -> None:
    """Unpack an sdist so that ``folder`` is the project: a local source tree.

    Args:
        content: of an sdist made here.
        folder: where ``pyproject.toml`` shall stand; made when it is not there.
    """
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive.getmembers():
            source = archive.extractfile(member)
            assert source is not None
            path = folder / member.name.partition("/")[2]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read())


def make_legacy_sdist(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    setup_py: str | None = None,
    canary: Path | None = None,
) -> tuple[str, bytes]:
    """Make an sdist with a ``setup.py`` and no ``pyproject.toml``: building it needs setuptools (PEP 517, "setup.py").

    Args:
        name: the project.
        version: its version.
        requires: what the built wheel requires.
        setup_py: the whole script, in place of one that calls setuptools.
        canary: file that running ``setup.py`` appends a line to.
    """
    module = _module(name)
    script = setup_py or _SETUP_PY.format(name=name, version=version, module=module, requires=list(requires))
    files = {
        "PKG-INFO": _metadata(name, version, requires, {}, "").encode(),
        "setup.py": (_canary_code(canary, f"setup.py {name}") + script).encode(),
        f"{module}.py": f"__version__ = {version!r}\n".encode(),
    }
    return _tar(f"{module}-{version}", files)


def wheel_metadata(content: bytes) -> bytes:
    """Return the METADATA of a wheel, which is what a registry serves beside it (PEP 658)."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        [member] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return archive.read(member)


def _module(name: str) -> str:
    return canonicalize_name(name).replace("-", "_")


def _metadata(name: str, version: str, requires: Iterable[str], extras: Mapping[str, Iterable[str]], more: str) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    for extra, requirements in extras.items():
        lines += [f"Provides-Extra: {extra}"]
        lines += [f'Requires-Dist: {requirement}; extra == "{extra}"' for requirement in requirements]
    return "\n".join([*lines, *more.splitlines(), ""])


def _canary_code(canary: Path | None, what: str) -> str:
    if canary is None:
        return ""
    return f"with open({str(canary)!r}, 'a') as canary:\n    canary.write({what!r} + '\\n')\n"


def _with_record(members: Mapping[str, str | bytes], record: str) -> dict[str, bytes]:
    encoded = {path: text.encode() if isinstance(text, str) else text for path, text in sorted(members.items())}
    rows = []
    for path, content in encoded.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}\n")
    return encoded | {record: "".join([*rows, f"{record},,\n"]).encode()}


def _zip(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in members.items():
            info = zipfile.ZipInfo(path, _ZIP_DATE)
            info.external_attr = 0o100644 << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _tar(root: str, files: Mapping[str, bytes]) -> tuple[str, bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(files.items()):
            info = tarfile.TarInfo(f"{root}/{path}")
            info.size = len(content)
            info.mtime = _TAR_SECONDS
            archive.addfile(info, io.BytesIO(content))
    return f"{root}.tar.gz", gzip.compress(buffer.getvalue(), mtime=0)
