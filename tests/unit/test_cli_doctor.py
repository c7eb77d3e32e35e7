"""``guard doctor`` on machines of every kind: what it finds, that it ends, and that it tells no secret."""

from __future__ import annotations

import json
import os
import sys
import venv
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from guard.cli.run import run

_SCHEMA = json.loads((resources.files("guard") / "data" / "guard-doctor-1.schema.json").read_text())
Doctor = Callable[[], dict[str, Any]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody with an empty home, an empty project and two tools."""
    for name in list(os.environ):
        if name.upper().startswith(("PIP_", "NPM_CONFIG_", "XDG_", "ZDOTDIR", "VIRTUAL_ENV", "CONDA_", "PYTHONPATH")):
            monkeypatch.delenv(name)
    home, project, programs = tmp_path / "home", tmp_path / "project", tmp_path / "bin"
    for folder in (home, project, programs):
        folder.mkdir()
    for name in ("pip", "npm"):
        add_program(programs, name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.chdir(project)
    (home / ".bashrc").write_text("# mine\n")
    return home


@pytest.fixture
def doctor(home: Path, capfd: pytest.CaptureFixture[str]) -> Doctor:
    def ask() -> dict[str, Any]:
        capfd.readouterr()
        status = run(["doctor", "--format", "json"])
        report: dict[str, Any] = json.loads(capfd.readouterr().out)
        jsonschema.Draft202012Validator(_SCHEMA).validate(report)
        assert report["exit_code"] == status == (10 if report["summary"]["open"] else 0)
        return report

    return ask


def add_program(folder: Path, name: str, text: str = "#!/bin/sh\nexit 1\n") -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def rows(report: dict[str, Any], check: str) -> dict[str, tuple[str, str]]:
    """State and fix by subject."""
    return {row["subject"]: (row["state"], row["fix"]) for row in report["rows"] if row["check"] == check}


def shims_of(home: Path) -> str:
    return str(next(home.rglob("npx")).parent)


def test_a_machine_before_and_after(home: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    before = doctor()
    is_open, is_guarded = ("open", "guard shims install"), ("guarded", "")
    assert rows(before, "plain-word") == {"pip": is_open, "pip3": is_guarded, "npm": is_open, "npx": is_guarded}
    assert rows(before, "module") == {"python -m pip": ("open", "guard shims install")}
    assert rows(before, "startup-file")[f"{home}/.bashrc"] == ("open", "guard shims install --shell bash")
    assert run(["shims", "install"]) == 0
    assert rows(doctor(), "plain-word")["pip"] == ("open", "open a new shell")
    monkeypatch.setenv("PATH", f"{shims_of(home)}:{os.environ['PATH']}")
    after = doctor()
    assert (after["exit_code"], after["summary"]["open"]) == (0, 0)
    assert rows(after, "plain-word") == dict.fromkeys(("pip", "pip3", "npm", "npx"), is_guarded)


def test_the_text_says_the_same(home: Path, doctor: Doctor, capfd: pytest.CaptureFixture[str]) -> None:
    report = doctor()
    assert run(["doctor"]) == 10
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("open     pip: ")
    assert lines[1] == "         next: guard shims install"
    counts = ", ".join(f"{number} {state}" for state, number in report["summary"].items())
    assert lines[-1] == f"guard: {counts}"
    assert sum(line.startswith(("open", "note", "guarded")) for line in lines) == len(report["rows"])
    run(["--quiet", "doctor"])
    assert not any(line.startswith("guarded") for line in capfd.readouterr().out.splitlines())


def test_tools_on_path_that_have_no_shim(home: Path, doctor: Doctor, tmp_path: Path) -> None:
    for name in ("pip3.12", "conda"):
        add_program(tmp_path / "bin", name)
    found = rows(doctor(), "plain-word")
    assert found["pip3.12"] == ("open", "guard shims install --tool pip3.12")
    assert found["conda"][0] == "note"


def test_environments_of_the_project(home: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".venv", "other"):
        venv.create(name, with_pip=False, symlinks=True)
        add_program(Path(name) / "bin", "pip")
    monkeypatch.setenv("VIRTUAL_ENV", str(Path("other").absolute()))
    found = rows(doctor(), "environment")
    here = Path.cwd()
    assert found == {
        f"{here}/{name}": ("note", f"guard pip --python {here}/{name}/bin/python install …")
        for name in ("other", ".venv")
    }


def test_guards_own_environment(home: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert rows(doctor(), "own-environment")[sys.prefix][0] == "open"


def test_another_guard(home: Path, doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_program(tmp_path / "bin", "guard", f"#!{sys.executable}\n")
    assert rows(doctor(), "two-guards") == {}
    add_program(tmp_path / "bin", "provenance-guard", "#!/elsewhere/python\n")
    assert list(rows(doctor(), "two-guards")) == [f"{tmp_path}/bin/provenance-guard"]


def test_the_shims_of_another_guard(home: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["shims", "install"]) == 0
    monkeypatch.setenv("PATH", f"{shims_of(home)}:{os.environ['PATH']}")
    shim = Path(shims_of(home)) / "pip"
    shim.write_bytes(shim.read_bytes().replace(os.fsencode(sys.executable), b"/elsewhere/python"))
    assert rows(doctor(), "plain-word")["pip"] == ("open", "guard shims install")


def test_settings_of_every_level(home: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "s3cret"
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text(
        f"[global]\nextra-index-url = https://me:{secret}@index.example/simple?token={secret}\n"
    )
    (home / ".npmrc").write_text(
        f"@acme:registry=https://me:{secret}@npm.example/\n//npm.example/:_authToken={secret}\nca={secret * 200}\n"
    )
    Path(".npmrc").write_text("script-shell=/bin/other\n")
    Path("package.json").write_text("{}")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.example")
    monkeypatch.setenv("npm_config_registry", f"https://x:{secret}@mirror.example/")
    report = doctor()
    own = {subject for subject in rows(report, "pip-setting") if not subject.startswith("/etc/")}
    assert own == {
        f"{home}/.config/pip/pip.conf: extra-index-url",
        "PIP_TRUSTED_HOST: trusted-host",
    }
    assert set(rows(report, "npm-setting")) - {"the global npmrc: cafile"} == {
        "the user's .npmrc: @acme:registry",
        "the user's .npmrc: ca",
        "the project's .npmrc: script-shell",
        "npm_config_* in the environment: registry",
    }
    named = rows(report, "registry")
    assert {state for subject, (state, _) in named.items() if "pypi" not in subject} == {"note"}
    assert len([subject for subject in named if subject.startswith("pip: https://index.example/simple")]) == 1
    assert {"npm: https://mirror.example/", "npm: https://npm.example/"} <= set(named)
    assert secret not in json.dumps(report)


def test_the_texts_tell_no_secret_either(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (home / ".npmrc").write_text("registry=https://me:s3cret@npm.example/\n_authToken=s3cret\n")
    run(["doctor"])
    assert "s3cret" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".config/pip/pip.conf", b"no section"),
        (".npmrc", b"registry=not an address\n"),
        (".config/provenance-guard/guard.toml", b"version = 2"),
        (".config/provenance-guard/guard.toml", b'version = 1\n[sigstore]\ntrust-root = "gone.json"\n'),
    ],
)
def test_files_that_cannot_be_used(home: Path, doctor: Doctor, name: str, content: bytes) -> None:
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    (home / name).write_bytes(content)
    assert {state for state, _ in rows(doctor(), "unreadable").values()} == {"open"}


@pytest.mark.parametrize("entry", ["", ".", "relative", "/nowhere/at/all", "{file}", "a\nb", "\udcff"])
def test_strange_entries_of_path(
    home: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, entry: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    entry = entry.format(file=tmp_path / "file")
    monkeypatch.setenv("PATH", f"{entry}:{os.environ['PATH']}")
    report = doctor()
    [(subject, (state, _))] = rows(report, "path").items()
    assert subject == (entry.encode("utf-8", "backslashreplace").decode() or "(empty)")
    assert state == ("note" if entry.startswith("/") else "open")
    assert rows(report, "plain-word")["pip"][0] == "open"


def test_a_path_that_is_empty_or_unset(home: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert doctor()["exit_code"] == 10
    monkeypatch.delenv("PATH")
    assert doctor()["exit_code"] == 10


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link", "link", "crlf", "binary"])
def test_strange_startup_files(home: Path, doctor: Doctor, kind: str) -> None:
    path = home / ".bashrc"
    path.unlink()
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "dangling link":
            path.symlink_to("dotfiles")
        case "link":
            (home / "dotfiles").write_text("# mine\n")
            path.symlink_to("dotfiles")
        case "crlf":
            path.write_bytes(b"# mine\r\n")
        case _:
            path.write_bytes(bytes(range(256)))
    assert rows(doctor(), "startup-file").get(str(path.resolve()), ("open",))[0] == "open"
    if kind in ("link", "crlf", "binary"):
        assert run(["shims", "install"]) == 0
        assert rows(doctor(), "startup-file")[str(path.resolve())] == ("guarded", "")


def test_lockfiles_and_guard_lock(home: Path, doctor: Doctor) -> None:
    assert rows(doctor(), "guard-lock") == {}
    Path("requirements.txt").write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    assert rows(doctor(), "guard-lock") == {"guard.lock": ("note", "guard lock")}
    lock = 'version = 1\n[[package]]\nname = "pypi:{}"\n[[package.identity]]\nissuer = "https://accounts.google.com"\n'
    lock += 'san = "me@acme.example"\nfirst-seen = "1"\ndigest = "sha256:{}"\n'
    Path("guard.lock").write_text(lock.format("six", "0" * 64))
    assert [state for state, _ in rows(doctor(), "guard-lock").values()] == ["guarded"]
    Path("guard.lock").write_text(lock.format("gone", "0" * 64))
    assert [state for state, _ in rows(doctor(), "guard-lock").values()] == ["open"]
    Path("guard.lock").write_text("<<<<<<< HEAD\n")
    assert str(Path("guard.lock").absolute()) in rows(doctor(), "unreadable")
