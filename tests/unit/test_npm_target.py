"""Finding the npm that is guarded, the node behind it, and what it runs on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guard.errors import MalformedInput, ToolNotFound, UsageError
from guard.managers.npm.plan import Platform
from guard.managers.npm.target import NpmTarget, find_npm, find_script
from guard.managers.shim_mark import SHIM_MARK


def write_program(path: Path, text: str, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def install_npm(root: Path, version: str = "11.19.1", interpreter: str = "/usr/bin/env node") -> Path:
    """Lay out a node with its npm under ``root``, and return the folder for PATH."""
    npm = root / "lib/node_modules/npm"
    for name in ("npm", "npx"):
        write_program(npm / f"bin/{name}-cli.js", f"#!{interpreter}\n")
        (root / "bin").mkdir(exist_ok=True)
        (root / "bin" / name).symlink_to(f"../lib/node_modules/npm/bin/{name}-cli.js")
    (npm / "package.json").write_text(f'{{"name": "npm", "version": "{version}"}}')
    write_program(root / "bin/node", "\x7fELF")
    return root / "bin"


class TestFind:
    def test_npm_and_npx_lead_to_the_same(self, tmp_path: Path) -> None:
        folder = install_npm(tmp_path)
        for name in ("npm", "npx"):
            target = find_npm(str(folder), name)
            assert target.argv == (str(folder / name),)
            assert target.root == tmp_path / "lib/node_modules/npm"
            assert target.node == folder / "node"
            assert (target.version, target.release, target.major) == ("11.19.1", (11, 19), 11)

    def test_links_of_node_are_followed(self, tmp_path: Path) -> None:
        folder = install_npm(tmp_path)
        (folder / "node").rename(tmp_path / "node-v20")
        (folder / "node").symlink_to("../node-v20")
        assert find_npm(str(folder)).node == tmp_path / "node-v20"

    def test_an_interpreter_by_its_path(self, tmp_path: Path) -> None:
        node = write_program(tmp_path / "other/node", "\x7fELF")
        assert find_npm(str(install_npm(tmp_path, interpreter=str(node)))).node == node

    def test_missing_unreadable_and_empty_folders_are_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = install_npm(tmp_path / "good")
        write_program(tmp_path / "not-executable/npm", "", mode=0o644)
        (tmp_path / "folder/npm").mkdir(parents=True)
        (tmp_path / "dangling").mkdir()
        (tmp_path / "dangling/npm").symlink_to("nowhere")
        (tmp_path / "cwd").mkdir()
        monkeypatch.chdir(tmp_path / "cwd")
        places = [tmp_path / name for name in ("none", "not-executable", "folder", "dangling")]
        path = os.pathsep.join([*map(str, places), "", str(folder)])
        assert find_script(path) == folder / "npm"

    def test_guards_own_shim_is_passed_over(self, tmp_path: Path) -> None:
        shim = write_program(tmp_path / "shims/npm", f"#!/bin/sh\n# {SHIM_MARK.decode()}\n")
        folder = install_npm(tmp_path)
        assert find_npm(f"{shim.parent}:{folder}").script == folder / "npm"
        with pytest.raises(ToolNotFound) as caught:
            find_npm(str(shim.parent))
        assert caught.value.hint

    def test_there_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(ToolNotFound, match="no npx was found"):
            find_npm(str(tmp_path), "npx")

    def test_it_is_too_old(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"8\.19\.4 is too old"):
            find_npm(str(install_npm(tmp_path, version="8.19.4")))

    @pytest.mark.parametrize(
        "manifest",
        ["", "[]", '{"name": "x", "version": "1.0.0"}', '{"name": "npm", "version": "x"}', '{"name": "npm"}'],
    )
    def test_its_package_is_not_npms(self, tmp_path: Path, manifest: str) -> None:
        folder = install_npm(tmp_path)
        (tmp_path / "lib/node_modules/npm/package.json").write_text(manifest)
        with pytest.raises(MalformedInput, match=r"package\.json"):
            find_npm(str(folder))


class TestVersionManagers:
    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        """A manager's folder in front of the one that it leads to."""
        real = install_npm(tmp_path / "real")
        return os.pathsep.join([str(tmp_path / "manager"), str(real), os.defpath])

    def answer(self, tmp_path: Path, *lines: str) -> Path:
        return write_program(tmp_path / "manager/npm", "\n".join(["#!/bin/sh", *lines, ""]))

    def test_a_script_is_asked_where_its_npm_is(self, tmp_path: Path, path: str) -> None:
        cli, node = tmp_path / "real/lib/node_modules/npm/bin/npm-cli.js", tmp_path / "real/bin/node"
        script = self.answer(tmp_path, "echo chatter", f"echo {cli}", f"echo {node}")
        target = find_npm(path)
        assert target.argv == (str(script),)
        assert (target.root, target.node) == (tmp_path / "real/lib/node_modules/npm", node)

    def test_npx_asks_the_npm_beside_it(self, tmp_path: Path, path: str) -> None:
        cli, node = tmp_path / "real/lib/node_modules/npm/bin/npm-cli.js", tmp_path / "real/bin/node"
        self.answer(tmp_path, f"echo {cli}", f"echo {node}")
        script = write_program(tmp_path / "manager/npx", "#!/bin/sh\nexit 1\n")
        target = find_npm(path, "npx")
        assert (target.script, target.node) == (script, node)

    def test_a_node_that_is_a_script_makes_npm_be_asked(self, tmp_path: Path) -> None:
        folder = install_npm(tmp_path, interpreter="/bin/sh")
        node = write_program(tmp_path / "node", "\x7fELF")
        cli = tmp_path / "lib/node_modules/npm/bin/npm-cli.js"
        cli.write_text(f"#!/bin/sh\necho {cli}\necho {node}\n")
        assert find_npm(str(folder)).node == node

    @pytest.mark.parametrize(
        "lines", [("exit 1",), ("echo one",), ("echo /nowhere/npm-cli.js", "echo /nowhere/node"), ("echo a", "echo b")]
    )
    def test_no_usable_answer(self, tmp_path: Path, path: str, lines: tuple[str, ...]) -> None:
        self.answer(tmp_path, *lines)
        with pytest.raises(ToolNotFound, match="manager/npm") as caught:
            find_npm(path)
        assert caught.value.hint


class TestPlatform:
    def target(self, tmp_path: Path, *lines: str) -> NpmTarget:
        node = write_program(tmp_path / "node", "\n".join(["#!/bin/sh", f"echo >> {tmp_path}/asked", *lines, ""]))
        return NpmTarget(tmp_path / "npm", tmp_path, node, "11.19.1")

    def test_node_is_asked_once(self, tmp_path: Path) -> None:
        target = self.target(tmp_path, """echo '{"os": "linux", "cpu": "x64", "libc": "musl"}'""")
        target.ask_platform()
        assert target.load_platform() == target.load_platform() == Platform(os="linux", cpu="x64", libc="musl")
        assert (tmp_path / "asked").read_text() == "\n"

    def test_what_node_options_load_is_kept_out(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NODE_OPTIONS", "--require=chatter")
        target = self.target(
            tmp_path, """echo "{\\"os\\": \\"$NODE_OPTIONS\\", \\"cpu\\": \\"x\\", \\"libc\\": null}" """
        )
        assert target.load_platform() == Platform(os="", cpu="x", libc=None)

    @pytest.mark.parametrize("lines", [("exit 1",), ("echo chatter",), ("echo '{}'",), ("echo '[]'",)])
    def test_no_usable_answer(self, tmp_path: Path, lines: tuple[str, ...]) -> None:
        with pytest.raises(ToolNotFound, match="platform"):
            self.target(tmp_path, *lines).load_platform()

    def test_no_node(self, tmp_path: Path) -> None:
        with pytest.raises(ToolNotFound, match="platform"):
            NpmTarget(tmp_path / "npm", tmp_path, tmp_path / "none", "11.19.1").load_platform()
