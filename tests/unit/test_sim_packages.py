"""Packages for tests, by the formats' rules and by what the real pip makes of them."""

from __future__ import annotations

import base64
import csv
import email
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sim.packages import make_legacy_sdist, make_sdist, make_wheel, wheel_metadata
from tests.sim.pypi import PyPISimulator
from tests.sim.stub_setuptools import make_setuptools


@pytest.fixture
def pypi() -> Iterator[PyPISimulator]:
    with PyPISimulator() as simulator:
        yield simulator


def _members(wheel: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _tar_members(sdist: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(sdist)) as archive:
        files = ((member.name, archive.extractfile(member)) for member in archive.getmembers())
        return {name: file.read().decode(errors="replace") for name, file in files if file is not None}


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_wheel("widget", "1.0.0", requires=["a"], extras={"x": ["b"]}),
        lambda: make_sdist("widget", "1.0.0", build_requires=["c"]),
        lambda: make_legacy_sdist("widget", "1.0.0"),
    ],
    ids=["wheel", "sdist", "legacy-sdist"],
)
def test_bytes_are_reproducible(make: Callable[[], tuple[str, bytes]]) -> None:
    assert make() == make()


@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("widget", "widget-1.0.0-py3-none-any.whl"),
        ("Acme.Widget-Tools", "acme_widget_tools-1.0.0-py3-none-any.whl"),
    ],
)
def test_a_wheel_is_named_by_the_normalised_name(name: str, filename: str) -> None:
    assert make_wheel(name, "1.0.0")[0] == filename


def test_record_lists_every_member_with_its_digest_and_size() -> None:
    _, content = make_wheel("widget", "1.0.0", files={"widget.py": "x = 1\n", "data.bin": b"\x00\xff"})
    members = _members(content)
    rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(members["widget-1.0.0.dist-info/RECORD"].decode()))}
    assert set(rows) == set(members)
    assert rows.pop("widget-1.0.0.dist-info/RECORD") == ["", ""]
    for path, (digest, size) in rows.items():
        expected = base64.urlsafe_b64encode(hashlib.sha256(members[path]).digest()).rstrip(b"=").decode()
        assert (digest, size) == (f"sha256={expected}", str(len(members[path])))


def test_metadata_states_requirements_extras_and_extra_lines() -> None:
    _, content = make_wheel(
        "Widget",
        "1.0.0",
        requires=["gear>=1", "sneaky @ http://evil.example/sneaky-1-py3-none-any.whl"],
        extras={"fast": ["wheels"]},
        metadata_extra="Requires-Python: >=3.10\nSummary: a widget",
    )
    message = email.message_from_bytes(wheel_metadata(content))
    assert (message["Name"], message["Version"], message["Requires-Python"]) == ("Widget", "1.0.0", ">=3.10")
    assert message.get_all("Requires-Dist") == [
        "gear>=1",
        "sneaky @ http://evil.example/sneaky-1-py3-none-any.whl",
        'wheels; extra == "fast"',
    ]
    assert message.get_all("Provides-Extra") == ["fast"]


def test_given_files_replace_what_would_be_generated() -> None:
    lie = "Metadata-Version: 2.1\nName: other\nVersion: 9\n"
    _, content = make_wheel("widget", "1.0.0", files={"widget-1.0.0.dist-info/METADATA": lie})
    assert wheel_metadata(content).decode() == lie


def test_scripts_are_console_entry_points() -> None:
    _, content = make_wheel("widget", "1.0.0", scripts={"widget": "widget:main"})
    entry_points = _members(content)["widget-1.0.0.dist-info/entry_points.txt"]
    assert entry_points == b"[console_scripts]\nwidget = widget:main\n"


def test_an_sdist_has_one_folder_with_its_backend_and_a_legacy_one_has_none() -> None:
    filename, content = make_sdist("widget", "1.0.0", build_requires=["some-build-dep>=1"])
    members = _tar_members(content)
    assert filename == "widget-1.0.0.tar.gz"
    assert {name.partition("/")[0] for name in members} == {"widget-1.0.0"}
    assert "requires = ['some-build-dep>=1']" in members["widget-1.0.0/pyproject.toml"]
    assert "import some_build_dep" in members["widget-1.0.0/sim_backend.py"]
    assert "widget-1.0.0/pyproject.toml" not in _tar_members(make_legacy_sdist("widget", "1.0.0")[1])


def test_a_setup_py_can_be_given_whole() -> None:
    _, content = make_legacy_sdist("widget", "1.0.0", setup_py="raise SystemExit(3)\n")
    assert _tar_members(content)["widget-1.0.0/setup.py"] == "raise SystemExit(3)\n"


def _pip(pypi: PyPISimulator, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PIP_CONFIG_FILE": os.devnull}
    options = ["--disable-pip-version-check", "--no-cache-dir", "--index-url", pypi.simple_url]
    command = [sys.executable, "-m", "pip", arguments[0], *options, *arguments[1:]]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=home)


@pytest.mark.e2e
def test_pip_installs_a_wheel_and_reads_its_metadata_first(pypi: PyPISimulator, tmp_path: Path) -> None:
    pypi.add(*make_wheel("gear", "2.0"))
    pypi.add(*make_wheel("widget", "1.0.0", requires=["gear>=1"], scripts={"widget": "widget:main"}))
    result = _pip(pypi, tmp_path, "install", "--target", "site", "widget")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site/gear/__init__.py").exists()
    assert (tmp_path / "site/bin/widget").exists()
    downloads = [request.path.rpartition("/")[2] for request in pypi.requests if request.host == "files"]
    assert downloads.index("widget-1.0.0-py3-none-any.whl.metadata") < downloads.index("widget-1.0.0-py3-none-any.whl")


@pytest.mark.e2e
def test_pip_builds_an_sdist_with_nothing_but_itself_and_the_canary_tells(pypi: PyPISimulator, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pypi.add(*make_sdist("widget", "1.0.0", canary=canary))
    result = _pip(pypi, tmp_path, "install", "--target", "site", "widget")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site/widget/__init__.py").exists()
    assert set(canary.read_text().splitlines()) == {"build widget"}


@pytest.mark.e2e
def test_pip_takes_a_build_requirement_from_the_index(pypi: PyPISimulator, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pypi.add(*make_sdist("widget", "1.0.0", build_requires=["some-build-dep"]))
    assert _pip(pypi, tmp_path, "install", "--target", "site", "widget").returncode != 0
    pypi.add(*make_wheel("some-build-dep", "1.0", canary=canary))
    result = _pip(pypi, tmp_path, "install", "--target", "site", "widget")
    assert result.returncode == 0, result.stderr
    assert set(canary.read_text().splitlines()) == {"import some-build-dep"}


@pytest.mark.e2e
def test_a_setup_py_runs_as_soon_as_pip_wants_metadata(pypi: PyPISimulator, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pypi.add(*make_legacy_sdist("widget", "1.0.0", canary=canary))
    assert _pip(pypi, tmp_path, "install", "--dry-run", "widget").returncode != 0
    assert not canary.exists()
    pypi.add(*make_setuptools())
    result = _pip(pypi, tmp_path, "install", "--dry-run", "widget")
    assert result.returncode == 0, result.stderr
    assert set(canary.read_text().splitlines()) == {"setup.py widget"}


@pytest.mark.e2e
def test_pip_installs_a_legacy_sdist_with_the_index_own_setuptools(pypi: PyPISimulator, tmp_path: Path) -> None:
    pypi.add(*make_setuptools())
    pypi.add(*make_wheel("gear", "2.0"))
    pypi.add(*make_legacy_sdist("widget", "1.0.0", requires=["gear"]))
    result = _pip(pypi, tmp_path, "install", "--target", "site", "widget")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "site/widget.py").exists()
    assert (tmp_path / "site/gear/__init__.py").exists()
