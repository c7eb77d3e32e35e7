"""What the tools lock: two simulated indexes, a repository, local packages, and the manifests that name them all."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.sim.packages import make_sdist, make_wheel, unpack_sdist
from tests.sim.pypi import PyPISimulator

_NATIVE_TAGS = ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-macosx_11_0_arm64", "cp311-cp311-win_amd64")
_GIT_DATE = "2024-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the packages are; ``neutral`` gives what stands for each address in a recorded lock."""

    folder: str
    index: str
    files: str
    corp_index: str
    corp_files: str
    downloads: str
    repository: str
    http_repository: str  # for tools that cannot read the other one
    commit: str

    def neutral(self, text: str) -> str:
        """Return a lock as it would be at public addresses."""
        repository = "https://git.example/acme/from-git.git"
        for address, shown in (
            (self.http_repository, repository),
            (self.index, "https://pypi.example/simple"),
            (self.files, "https://files.pypi.example"),
            (self.corp_index, "https://corp.example/simple"),
            (self.corp_files, "https://files.corp.example"),
            (self.downloads, "https://downloads.example"),
            (self.repository, repository),
            (self.repository.replace("file://", "file://None"), repository),  # poetry 2
            (self.folder, "/srv"),
        ):
            text = text.replace(address, shown)
        return text


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[Sources]:
    """Serve everything that the manifests name, and write the local packages below ``folder``."""
    downloads = folder / "downloads"
    downloads.mkdir(parents=True)
    _write_local(folder, downloads)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(downloads)))
    with PyPISimulator() as index, PyPISimulator() as corp:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _publish(index, corp)
        repository = folder / "from-git.git"
        commit = _make_repository(repository, downloads)
        downloads_url = f"http://127.0.0.1:{server.server_port}"
        yield Sources(
            str(folder),
            index.simple_url,
            index.files_url,
            corp.simple_url,
            corp.files_url,
            downloads_url,
            f"file://{repository}",
            f"{downloads_url}/from-git.git",
            commit,
        )
        server.shutdown()
        server.server_close()


def _publish(index: PyPISimulator, corp: PyPISimulator) -> None:
    for name, version, requires in (
        ("gadget", "1.4.0", ()),
        ("winlib", "3.0", ()),
        ("numbers-lib", "1.9", ()),
        ("numbers-lib", "2.5.1", ()),
        ("speedup", "0.3", ()),
        ("checker", "7.0", ("gadget",)),
        ("doclib", "5.5", ()),
    ):
        index.add(*make_wheel(name, version, requires=requires))
        index.add(*make_sdist(name, version, requires=requires))
    widget = {"requires": ("gadget>=1", "winlib; sys_platform == 'win32'"), "extras": {"fast": ["speedup"]}}
    index.add(*make_wheel("widget", "1.0.0", **widget))  # type: ignore[arg-type]
    index.add(*make_sdist("native", "2.1"))
    for tag in _NATIVE_TAGS:
        index.add(*make_wheel("native", "2.1", tag=tag))
    corp.add(*make_wheel("corp-lib", "0.9"))


def _write_local(folder: Path, downloads: Path) -> None:
    name, content = make_wheel("from-url", "1.1")
    (downloads / name).write_bytes(content)
    name, content = make_wheel("from-file", "1.2")
    (folder / "project" / "vendor").mkdir(parents=True)
    (folder / "project" / "vendor" / name).write_bytes(content)
    _, content = make_sdist("outer-lib", "0.1")
    unpack_sdist(content, folder / "outer-lib")
    # Tools read it without building.
    (folder / "outer-lib" / "pyproject.toml").write_text(
        '[project]\nname = "outer-lib"\nversion = "0.1"\n' + (folder / "outer-lib" / "pyproject.toml").read_text()
    )


def _make_repository(folder: Path, downloads: Path) -> str:
    _, content = make_sdist("from-git", "4.0")
    unpack_sdist(content, folder)
    pyproject = folder / "pyproject.toml"
    pyproject.write_text('[project]\nname = "from-git"\nversion = "4.0"\n' + pyproject.read_text())
    who = ("-c", "user.name=Acme", "-c", "user.email=acme@acme.example", "-c", "commit.gpgsign=false")
    environment = {**os.environ, "GIT_AUTHOR_DATE": _GIT_DATE, "GIT_COMMITTER_DATE": _GIT_DATE}
    for command in (
        ("init", "-q", "-b", "main"),
        ("add", "-A"),
        (*who, "commit", "-q", "-m", "from-git"),
        ("tag", "v4"),
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, env=environment)
    served_folder = downloads / "from-git.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(folder), str(served_folder)], check=True, env=environment)
    subprocess.run(["git", "update-server-info"], cwd=served_folder, check=True, env=environment)
    result = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return result.stdout.strip()
