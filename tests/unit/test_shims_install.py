"""Shims come and go: what is written, what is brought back, and that a failure leaves everything as it was."""

from __future__ import annotations

import errno
import itertools
import json
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from guard.cli.run import run
from guard_shims import changes, launcher
from guard_shims.errors import ShimsError
from guard_shims.install import Removal, Setting, install_shims, load_status, remove_shims
from guard_shims.launcher import MARK, PYTHON_SHIM, TOOLS
from guard_shims.shells import Shell, has_block

EVERY_SHELL = tuple(Shell)
RC = b"export A=1\nalias ll='ls -l'\n"


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    home = tmp_path / "my home"
    home.mkdir()
    return Setting(
        folder=home / ".local" / "share" / "provenance-guard" / "shims",
        record=home / ".local" / "state" / "provenance-guard" / "shims.json",
        python=sys.executable,
        launcher=launcher.__file__,
        environ={"PATH": "/usr/bin:/bin"},
        home=home,
    )


def look(folder: Path) -> dict[str, object]:
    """Return everything below a folder: kind, mode, and bytes or target."""

    def describe(path: Path) -> object:
        status = path.lstat()
        if path.is_symlink():
            return path.readlink()
        return (status.st_mode, path.read_bytes()) if stat.S_ISREG(status.st_mode) else status.st_mode

    return {str(path): describe(path) for path in sorted(folder.rglob("*"))}


def refused(setting: Setting, action: Callable[[], object], *named: str) -> ShimsError:
    """Expect a refusal that names something and changes nothing."""
    before = look(setting.home)
    with pytest.raises(ShimsError) as caught:
        action()
    assert all(each in caught.value.message for each in named), caught.value.message
    assert look(setting.home) == before
    return caught.value


def written(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Return which file each path is, and when it was changed; when it was read is nobody's concern."""
    found = ((path, path.lstat()) for path in folder.rglob("*"))
    return {path: (status.st_ino, status.st_mtime_ns, status.st_ctime_ns) for path, status in found}


class TestInstalling:
    """What is there after ``guard shims install``."""

    def test_every_tool_has_a_shim(self, setting: Setting) -> None:
        install_shims(setting, ())
        assert {path.name for path in setting.folder.iterdir()} == {*TOOLS, PYTHON_SHIM}
        for path in setting.folder.iterdir():
            assert MARK in path.read_bytes()[:200]
            assert stat.S_IMODE(path.stat().st_mode) == 0o755

    def test_tools_on_request_stay_until_all_are_removed(self, setting: Setting) -> None:
        (setting.home / ".bashrc").write_bytes(RC)
        before = look(setting.home)
        install_shims(setting, EVERY_SHELL)
        install_shims(replace(setting, requested=("uv", "pip3.12")), EVERY_SHELL)
        with_more = look(setting.home)
        assert install_shims(setting, EVERY_SHELL) == ()
        assert look(setting.home) == with_more
        assert {path.name for path in setting.folder.iterdir()} == {*TOOLS, PYTHON_SHIM, "uv", "pip3.12"}
        assert b"function pip3.12 {" in (setting.home / ".bashrc").read_bytes()
        assert [tool.name for tool in load_status(setting).tools] == [*TOOLS, "pip3.12", "uv"]
        remove_shims(setting)
        assert look(setting.home) == before

    def test_what_is_not_guards_is_no_tool_on_request(self, setting: Setting) -> None:
        setting.folder.mkdir(parents=True)
        (setting.folder / "uv").write_bytes(b"mine")
        install_shims(setting, EVERY_SHELL)
        assert setting.more == ()
        refused(setting, lambda: install_shims(replace(setting, requested=("uv",)), ()), str(setting.folder / "uv"))

    def test_every_shell_is_told_in_its_own_file(self, setting: Setting) -> None:
        home = setting.home
        changed = install_shims(setting, EVERY_SHELL)
        assert changed == (home / ".bashrc", home / ".zshrc", home / ".config/fish/conf.d/provenance-guard.fish")
        assert all(has_block(path.read_bytes()) for path in changed)
        assert stat.S_IMODE(setting.record.stat().st_mode) == 0o600

    def test_zdotdir_and_xdg_config_home_are_respected(self, setting: Setting) -> None:
        elsewhere = setting.home / "elsewhere"
        setting = replace(setting, environ={"ZDOTDIR": str(elsewhere / "z"), "XDG_CONFIG_HOME": str(elsewhere / "c")})
        changed = install_shims(setting, (Shell.ZSH, Shell.FISH))
        assert changed == (elsewhere / "z/.zshrc", elsewhere / "c/fish/conf.d/provenance-guard.fish")
        remove_shims(setting)
        assert look(setting.home) == {}

    def test_a_shell_is_in_use_when_it_is_installed_or_has_a_file(self, setting: Setting, tmp_path: Path) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "zsh").write_text("#!/bin/sh\n")
        (folder / "zsh").chmod(0o755)
        setting = replace(setting, environ={"PATH": str(folder)})
        assert list(setting.used_shells) == [Shell.ZSH]
        (setting.home / ".bashrc").touch()
        assert list(setting.used_shells) == [Shell.BASH, Shell.ZSH]

    def test_again_changes_nothing(self, setting: Setting) -> None:
        (setting.home / ".bashrc").write_bytes(RC)
        install_shims(setting, EVERY_SHELL)
        before = written(setting.home)
        assert install_shims(setting, EVERY_SHELL) == ()
        assert written(setting.home) == before

    def test_another_shell_joins(self, setting: Setting) -> None:
        install_shims(setting, (Shell.BASH,))
        assert install_shims(setting, EVERY_SHELL) == (
            setting.startup_file(Shell.ZSH),
            setting.startup_file(Shell.FISH),
        )
        remove_shims(setting)
        assert look(setting.home) == {}

    def test_a_guard_that_moved_takes_its_shims_along(self, setting: Setting) -> None:
        install_shims(setting, ())
        install_shims(replace(setting, python="/elsewhere/bin/python"), ())
        assert all(b"/elsewhere/bin/python" in path.read_bytes() for path in setting.folder.iterdir())

    def test_a_shim_that_lost_its_mode_gets_it_back(self, setting: Setting) -> None:
        install_shims(setting, ())
        (setting.folder / "pip").chmod(0o644)
        install_shims(setting, ())
        assert os.access(setting.folder / "pip", os.X_OK)

    def test_the_block_of_another_guard_is_replaced_where_it_stands(self, setting: Setting) -> None:
        bashrc = setting.home / ".bashrc"
        bashrc.write_bytes(RC)
        install_shims(replace(setting, folder=setting.home / "old"), (Shell.BASH,))
        bashrc.write_bytes(bashrc.read_bytes() + b"# mine\n")
        install_shims(setting, (Shell.BASH,))
        content = bashrc.read_bytes()
        assert content.startswith(RC)
        assert content.endswith(b"<<<\n# mine\n")
        assert content.count(b">>> provenance-guard") == 1
        assert b"/old" not in content

    def test_a_link_is_followed_and_stays(self, setting: Setting) -> None:
        dotfiles = setting.home / "dotfiles"
        dotfiles.mkdir()
        (dotfiles / "bashrc").write_bytes(RC)
        (setting.home / ".bashrc").symlink_to("dotfiles/bashrc")
        before = look(setting.home)
        assert install_shims(setting, (Shell.BASH,)) == (dotfiles / "bashrc",)
        assert (setting.home / ".bashrc").is_symlink()
        assert has_block((dotfiles / "bashrc").read_bytes())
        remove_shims(setting)
        assert look(setting.home) == before


class TestRemoving:
    """After ``guard shims remove`` every file is as it was."""

    @pytest.mark.parametrize("content", [None, b"", RC, b"no newline", b"\r\n\xff\0", b"a\n\n\n", b"# x\n" * 5000])
    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
    def test_every_file_is_as_it_was(self, setting: Setting, content: bytes | None, mode: int) -> None:
        for name in (".bashrc", ".zshrc") if content is not None else ():
            (setting.home / name).write_bytes(content or b"")
            (setting.home / name).chmod(mode)
        before = look(setting.home)
        install_shims(setting, EVERY_SHELL)
        assert stat.S_IMODE((setting.home / ".zshrc").stat().st_mode) == (0o644 if content is None else mode)
        removals = remove_shims(setting)
        assert look(setting.home) == before
        expected = Removal.DELETED if content is None else Removal.RESTORED
        assert removals[setting.home / ".bashrc"] is removals[setting.home / ".zshrc"] is expected

    def test_again_changes_nothing(self, setting: Setting) -> None:
        (setting.home / ".bashrc").write_bytes(RC)
        before = look(setting.home)
        assert remove_shims(setting) == {}
        assert look(setting.home) == before

    @pytest.mark.parametrize("original", [RC, b"no newline", None])
    def test_what_was_added_since_stays(self, setting: Setting, original: bytes | None) -> None:
        bashrc = setting.home / ".bashrc"
        if original is not None:
            bashrc.write_bytes(original)
        install_shims(setting, (Shell.BASH,))
        bashrc.write_bytes(b"# above\n" + bashrc.read_bytes() + b"# below\n")
        assert remove_shims(setting) == {bashrc: Removal.EDITED}
        kept = original + b"\n" if original == b"no newline" else original or b""
        assert bashrc.read_bytes() == b"# above\n" + kept + b"# below\n"

    def test_a_change_inside_the_block_goes_with_it(self, setting: Setting) -> None:
        bashrc = setting.home / ".bashrc"
        bashrc.write_bytes(RC)
        install_shims(setting, (Shell.BASH,))
        bashrc.write_bytes(bashrc.read_bytes().replace(b"hash -r", b"hash -r; true"))
        assert remove_shims(setting) == {bashrc: Removal.RESTORED}
        assert bashrc.read_bytes() == RC

    def test_a_file_that_is_gone_or_without_the_block_is_left_alone(self, setting: Setting) -> None:
        install_shims(setting, EVERY_SHELL)
        (setting.home / ".bashrc").write_bytes(RC)
        (setting.home / ".zshrc").unlink()
        assert set(remove_shims(setting)) == {setting.startup_file(Shell.FISH)}
        assert (setting.home / ".bashrc").read_bytes() == RC
        assert not (setting.home / ".zshrc").exists()

    def test_without_a_record_the_block_is_still_taken_out(self, setting: Setting) -> None:
        bashrc = setting.home / ".bashrc"
        bashrc.write_bytes(RC)
        install_shims(setting, EVERY_SHELL)
        setting.record.unlink()
        assert remove_shims(setting)[bashrc] is Removal.EDITED
        assert bashrc.read_bytes() == RC
        assert not setting.folder.exists()
        assert not (setting.home / ".zshrc").exists()

    def test_what_is_not_guards_stays_in_the_folder(self, setting: Setting) -> None:
        install_shims(setting, ())
        (setting.folder / "pip").write_bytes(b"#!/bin/sh\n# mine\n")
        (setting.folder / "yarn").write_bytes(b"mine")
        remove_shims(setting)
        assert {path.name for path in setting.folder.iterdir()} == {"pip", "yarn"}

    def test_a_line_that_was_open_when_an_older_block_came(self, setting: Setting) -> None:
        bashrc = setting.home / ".bashrc"
        bashrc.write_bytes(b"no newline")
        install_shims(replace(setting, folder=setting.home / "old"), (Shell.BASH,))
        install_shims(setting, (Shell.BASH,))
        assert remove_shims(setting) == {bashrc: Removal.RESTORED}
        assert bashrc.read_bytes() == b"no newline"


class TestFailing:
    """What cannot be written is named, and nothing is half done."""

    @pytest.mark.parametrize("broken", [".local", ".local/share", ".local/state", ".config", ".config/fish"])
    def test_a_folder_that_cannot_be_made(self, setting: Setting, broken: str) -> None:
        path = setting.home / broken
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a file")
        refused(setting, lambda: install_shims(setting, EVERY_SHELL), str(path))

    @pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
    def test_a_startup_file_that_is_none(self, setting: Setting, make: Callable[[Path], None]) -> None:
        make(setting.home / ".zshrc")
        refused(setting, lambda: install_shims(setting, EVERY_SHELL), ".zshrc is no regular file")

    def test_a_block_without_an_end(self, setting: Setting) -> None:
        bashrc = setting.home / ".bashrc"
        install_shims(setting, EVERY_SHELL)
        bashrc.write_bytes(bashrc.read_bytes().replace(b"<<<", b"") + b"# precious\n")
        refused(setting, lambda: install_shims(setting, EVERY_SHELL), str(bashrc))
        refused(setting, lambda: remove_shims(setting), str(bashrc))

    def test_somebody_elses_file_among_the_shims(self, setting: Setting) -> None:
        setting.folder.mkdir(parents=True)
        (setting.folder / "npm").write_bytes(b"#!/bin/sh\n# mine\n")
        refused(setting, lambda: install_shims(setting, EVERY_SHELL), str(setting.folder / "npm"))

    def test_a_folder_that_cannot_stand_on_path(self, setting: Setting) -> None:
        colon = replace(setting, folder=setting.home / "a:b")
        refused(setting, lambda: install_shims(colon, EVERY_SHELL), "a:b")

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'{"version": 2}',
            b'{"version": 1, "edits": 1, "folders": []}',
            b"\xff",
            b"[" * 9999,
            b'{"version": 1, "edits": [{"path": "/x", "original": 1, "line_was_open": true}], "folders": []}',
        ],
    )
    def test_a_record_that_is_none(self, setting: Setting, content: bytes) -> None:
        setting.record.parent.mkdir(parents=True)
        setting.record.write_bytes(content)
        refused(setting, lambda: install_shims(setting, EVERY_SHELL), str(setting.record))
        refused(setting, lambda: remove_shims(setting), str(setting.record))

    @pytest.mark.parametrize("number", range(8))
    @pytest.mark.parametrize("action", ["install", "remove"])
    def test_a_rename_fails_half_way(
        self, setting: Setting, monkeypatch: pytest.MonkeyPatch, number: int, action: str
    ) -> None:
        (setting.home / ".bashrc").write_bytes(RC)
        (setting.home / ".zshrc").write_bytes(RC)
        act: Callable[[], object] = lambda: install_shims(setting, EVERY_SHELL)  # noqa: E731
        if action == "remove":
            act()
            act = lambda: remove_shims(setting)  # noqa: E731
        fail_at(monkeypatch, number)
        error = refused(setting, act, "cannot be written: No space left on device")
        assert error.hint == "nothing was changed"

    def test_an_interruption_half_way(self, setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
        (setting.home / ".bashrc").write_bytes(RC)
        before = look(setting.home)
        fail_at(monkeypatch, 5, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            install_shims(setting, EVERY_SHELL)
        assert look(setting.home) == before

    @pytest.mark.parametrize("locked", [".bashrc", ".", "provenance-guard"])
    def test_what_is_not_writable(self, setting: Setting, locked: str, tmp_path: Path) -> None:
        (setting.home / ".bashrc").write_bytes(RC)
        install_shims(setting, ())
        for name in (*TOOLS, PYTHON_SHIM):
            (setting.folder / name).unlink()
        setting.folder.rmdir()
        path = setting.folder.parent if locked == "provenance-guard" else setting.home / locked
        mode = path.stat().st_mode
        before = look(setting.home)
        path.chmod(mode & 0o7555)
        message = as_ordinary_user(lambda: install_shims(setting, (Shell.BASH,)), owned=tmp_path)
        path.chmod(mode)
        assert "cannot be written: Permission denied" in message
        assert str(path) in message
        assert look(setting.home) == before

    def test_a_folder_that_cannot_be_searched(self, setting: Setting, tmp_path: Path) -> None:
        state = setting.record.parent.parent
        state.mkdir(parents=True)
        state.chmod(0o600)
        message = as_ordinary_user(lambda: install_shims(setting, (Shell.BASH,)), owned=tmp_path)
        assert message.startswith(str(setting.record))
        state.chmod(0o700)
        assert list(setting.home.rglob("*")) == [state.parent, state]


def fail_at(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException | None = None) -> None:
    """Let one of the steps that take effect fail, once: those before it can be taken back."""
    steps = itertools.count()
    put = changes._put
    failure = error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def failing_put(path: Path, aside: Path | None) -> None:
        if next(steps) == number:
            raise failure
        put(path, aside)

    monkeypatch.setattr(changes, "_put", failing_put)


def as_ordinary_user(action: Callable[[], object], *, owned: Path) -> str:
    """Return the message of the error that an action ends with for somebody whom permissions hold."""
    if os.geteuid() != 0:
        with pytest.raises(ShimsError) as caught:
            action()
        return caught.value.message
    nobody = 65534
    folders = [folder for folder in owned.parents if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001]
    for path in (owned, *owned.rglob("*")):
        os.chown(path, nobody, nobody)
    reading, writing = os.pipe()
    for folder in folders:
        folder.chmod(folder.stat().st_mode | 0o001)
    child = os.fork()
    if child == 0:
        try:
            os.setgid(nobody)
            os.setuid(nobody)
            action()
        except ShimsError as error:
            os.write(writing, error.message.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    for folder in folders:
        folder.chmod(folder.stat().st_mode & ~0o001)
    with os.fdopen(reading) as stream:
        return stream.read()


class TestStatus:
    """What ``guard shims status`` knows."""

    def on_path(self, setting: Setting, *folders: Path) -> Setting:
        return replace(setting, environ={"PATH": os.pathsep.join(map(str, folders))})

    def add_tool(self, folder: Path, name: str) -> str:
        folder.mkdir(exist_ok=True)
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
        return str(folder / name)

    def test_first_on_path_is_guarded_and_the_tool_behind_is_said(self, setting: Setting, tmp_path: Path) -> None:
        install_shims(setting, (Shell.BASH,))
        real = self.add_tool(tmp_path / "bin", "pip")
        status = load_status(self.on_path(setting, setting.folder, tmp_path / "bin"))
        assert [tool.is_guarded for tool in status.tools] == [True] * 4
        assert {tool.name: tool.real for tool in status.tools} == {"pip": real, "pip3": None, "npm": None, "npx": None}
        assert status.startup_files == (setting.home / ".bashrc",)

    def test_behind_another_tool_is_not(self, setting: Setting, tmp_path: Path) -> None:
        install_shims(setting, ())
        real = self.add_tool(tmp_path / "bin", "pip")
        status = load_status(self.on_path(setting, tmp_path / "bin", setting.folder))
        assert {tool.name: tool.is_guarded for tool in status.tools} == {
            "pip": False,
            "pip3": True,
            "npm": True,
            "npx": True,
        }
        assert status.tools[0].first == status.tools[0].real == real

    @pytest.mark.parametrize("damage", ["missing", "not executable", "of another guard"])
    def test_a_damaged_shim_is_not(self, setting: Setting, damage: str) -> None:
        install_shims(setting, ())
        shim = setting.folder / "pip"
        if damage == "missing":
            shim.unlink()
        elif damage == "not executable":
            shim.chmod(0o644)
        else:
            setting = replace(setting, python="/elsewhere/python")
        status = load_status(self.on_path(setting, setting.folder))
        assert (status.tools[0].is_installed, status.tools[0].is_guarded) == (False, False)


class TestCommands:
    """The command line, as far as it adds something."""

    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("PATH", "/nowhere")
        return tmp_path

    def test_install_status_and_remove(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["shims", "install", "--shell", "bash", "--shell", "zsh"]) == 0
        assert {path.name for path in home.glob(".*rc")} == {".bashrc", ".zshrc"}
        assert run(["shims", "status"]) == 2
        assert "next: open a new shell" in capsys.readouterr().err
        shims = next(path.parent for path in home.rglob("npx"))
        monkeypatch.setenv("PATH", str(shims))
        assert run(["shims", "status"]) == 0
        told = capsys.readouterr().out.splitlines()
        assert told[0] == f"pip: guarded: {shims}/pip is first on PATH, and there is no other"
        assert told[4:] == [f"PATH is set in {home}/.bashrc", f"PATH is set in {home}/.zshrc"]
        assert run(["shims", "remove"]) == 0
        assert f"guard: {home}/.bashrc: deleted, as there was none before\n" in capsys.readouterr().err
        assert list(home.iterdir()) == []
        assert run(["shims", "status"]) == 2
        assert "next: guard shims install" in capsys.readouterr().err

    @pytest.mark.parametrize("options", [["--no-shell"], []])
    def test_the_line_alone_is_printed_where_no_shell_is_told(
        self, home: Path, capsys: pytest.CaptureFixture[str], options: list[str]
    ) -> None:
        assert run(["shims", "install", *options]) == 0
        shims = next(path.parent for path in home.rglob("npx"))
        assert capsys.readouterr().out == f'export PATH={shims}:"$PATH"\n'
        assert not (home / ".bashrc").exists()

    @pytest.mark.parametrize("tool", ["pip3.11", "uv", "uvx"])
    def test_a_tool_on_request(self, home: Path, capsys: pytest.CaptureFixture[str], tool: str) -> None:
        assert run(["shims", "install", "--no-shell", "--tool", tool]) == 0
        assert f"the shims for pip, pip3, npm, npx, {tool} are in" in capsys.readouterr().err
        assert len(list(home.rglob(tool))) == 1

    @pytest.mark.parametrize("tool", ["git", "pip3", "../pip3.1", ""])
    def test_a_tool_that_guard_does_not_know(self, home: Path, tool: str) -> None:
        is_known = tool == "pip3"
        assert run(["shims", "install", "--no-shell", "--tool", tool]) == (0 if is_known else 2)
        assert (list(home.iterdir()) != []) is is_known

    def test_what_excludes_each_other(self, home: Path) -> None:
        assert run(["shims", "install", "--no-shell", "--shell", "bash"]) == 2
        assert list(home.iterdir()) == []

    def test_an_error_is_status_2_and_names_the_path(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (home / ".bashrc").mkdir()
        assert run(["shims", "install"]) == 2
        assert capsys.readouterr().err == f"guard: {home}/.bashrc is no regular file\n"
        assert [path.name for path in home.iterdir()] == [".bashrc"]

    def test_the_record_is_plain_json(self, home: Path) -> None:
        run(["shims", "install", "--shell", "bash"])
        assert json.loads(next(home.rglob("shims.json")).read_bytes())["version"] == 1
