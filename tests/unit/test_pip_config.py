"""pip's configuration: which files and variables say what, and the options that say the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from guard.errors import ConfigInvalid
from guard.managers.pip.command import Option
from guard.managers.pip.config import (
    PipConfiguration,
    Setting,
    configuration_files,
    configuration_options,
    load_configuration,
)


class World:
    """A machine with its configuration files under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environ = {"HOME": str(root / "home"), "XDG_CONFIG_DIRS": str(root / "xdg")}
        self.prefix = root / "venv"

    def write(self, place: str, text: str) -> Path:
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, command: str = "install", *, isolated: bool = False) -> PipConfiguration:
        return load_configuration(
            environ=self.environ, prefix=self.prefix, command=command, isolated=isolated, platform="linux"
        )

    def value(self, key: str, command: str = "install", *, isolated: bool = False) -> str | None:
        """Return the value that counts."""
        settings = self.load(command, isolated=isolated).settings
        return next((setting.value for setting in reversed(settings) if setting.key == key), None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


GLOBAL = "xdg/pip/pip.conf"
LEGACY = "home/.pip/pip.conf"
USER = "home/.config/pip/pip.conf"
SITE = "venv/pip.conf"


@pytest.mark.parametrize(
    ("weaker", "stronger"), [(GLOBAL, LEGACY), (LEGACY, USER), (USER, SITE), (SITE, "named.conf"), (GLOBAL, SITE)]
)
def test_a_stronger_file_wins(world: World, weaker: str, stronger: str) -> None:
    world.write(weaker, "[global]\nproxy = weaker\nlog = kept\n")
    named = world.write(stronger, "[global]\nproxy = stronger\n")
    if stronger == "named.conf":
        world.environ["PIP_CONFIG_FILE"] = str(named)
    assert world.value("proxy") == "stronger"
    assert world.value("log") == "kept"


def test_the_commands_section_wins_over_every_global_one(world: World) -> None:
    world.write(GLOBAL, "[install]\nproxy = section\n")
    world.write(SITE, "[global]\nproxy = global\n[download]\nproxy = download\n")
    assert world.value("proxy") == "section"
    assert world.value("proxy", "download") == "download"
    assert world.value("proxy", "wheel") == "global"


def test_the_environment_wins_over_files(world: World) -> None:
    world.write(SITE, "[install]\nproxy = file\n")
    world.environ["PIP_PROXY"] = "environment"
    assert world.value("proxy") == "environment"


def test_an_empty_variable_says_nothing(world: World) -> None:
    world.write(SITE, "[global]\nextra-index-url = https://file.example/simple\n")
    world.environ["PIP_EXTRA_INDEX_URL"] = ""
    assert world.value("extra-index-url") == "https://file.example/simple"


def test_an_empty_value_takes_the_weaker_one_of_its_section_away(world: World) -> None:
    world.write(USER, "[global]\nproxy = user\n")
    world.write(SITE, "[global]\nproxy =\n")
    assert world.value("proxy") is None


@pytest.mark.parametrize("written", ["no_index", "no-index", "No-Index", "--no-index"])
def test_keys_are_normalised(world: World, written: str) -> None:
    world.write(SITE, f"[global]\n{written} = yes\n")
    assert world.value("no-index") == "yes"


def test_isolated_leaves_the_users_files_and_the_environment_unread(world: World) -> None:
    world.write(USER, "[global]\nproxy = user\nlog = user\n")
    world.write(SITE, "[global]\nlog = site\n")
    world.environ["PIP_PROXY"] = "environment"
    assert world.value("proxy", isolated=True) is None
    assert world.value("log", isolated=True) == "site"


def test_a_named_file_stands_for_the_users(world: World) -> None:
    world.write(USER, "[global]\nproxy = user\n")
    world.environ["PIP_CONFIG_FILE"] = str(world.root / "missing.conf")
    assert world.value("proxy") == "user"
    world.environ["PIP_CONFIG_FILE"] = str(world.write("named.conf", "[global]\nlog = named\n"))
    assert world.value("proxy") is None
    assert world.value("log") == "named"


def test_devnull_stops_all_files_and_not_the_environment(world: World) -> None:
    world.write(SITE, "[global]\nproxy = site\n")
    world.environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_LOG": "environment"}
    assert [(setting.key, setting.value) for setting in world.load().settings] == [
        ("config-file", os.devnull),
        ("log", "environment"),
    ]


def test_version_and_help_are_no_settings_of_the_environment(world: World) -> None:
    world.environ |= {"PIP_VERSION": "1", "PIP_HELP": "1"}
    assert world.value("version") is None
    assert world.value("help") is None


def test_the_interpreter_is_read_before_the_command_is_known(world: World) -> None:
    world.write(SITE, "[install]\npython = section\n")
    assert world.load().python is None
    world.environ["PIP_PYTHON"] = "/opt/python"
    assert world.load(isolated=True).python == "/opt/python"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("proxy = https://u:hunter2@x\n", ":1"),
        ("[global]\nhunter2\n", ":2"),
        ("[global]\nlog = a\nlog = hunter2\n", ":3"),
        ("[global]\n[global]\n", ":2"),
    ],
    ids=["no-section", "no-value", "key-twice", "section-twice"],
)
def test_a_file_that_pip_cannot_read_is_named_with_its_line_and_not_quoted(world: World, text: str, where: str) -> None:
    path = world.write(SITE, text)
    with pytest.raises(ConfigInvalid) as caught:
        world.load()
    assert caught.value.message.startswith(f"{path}{where}: ")
    assert "hunter2" not in caught.value.message


def test_a_file_that_is_not_text_is_invalid(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locale.getpreferredencoding", lambda _=True: "utf-8")
    world.write(SITE, "").write_bytes(b"[global]\nlog = \xff\n")
    with pytest.raises(ConfigInvalid, match="not text"):
        world.load()


def test_a_huge_file_is_invalid(world: World) -> None:
    world.write(SITE, "#" * (1 << 21))
    with pytest.raises(ConfigInvalid, match="larger than"):
        world.load()


def test_a_file_that_pip_passes_over_is_passed_over(world: World) -> None:
    (world.root / SITE).mkdir(parents=True)
    assert world.value("proxy") is None


def test_files_of_macos(world: World, tmp_path: Path) -> None:
    def files(prefix: Path) -> tuple[Path, ...]:
        return configuration_files(environ=world.environ, prefix=prefix, isolated=False, platform="darwin")

    assert files(world.prefix) == (
        Path("/Library/Application Support/pip/pip.conf"),
        tmp_path / LEGACY,
        tmp_path / USER,
        tmp_path / SITE,
    )
    support = tmp_path / "home" / "Library" / "Application Support" / "pip"
    support.mkdir(parents=True)
    assert support / "pip.conf" in files(world.prefix)
    assert files(Path("/opt/homebrew/x"))[0] == Path("/opt/homebrew/share/pip/pip.conf")


def test_relative_xdg_folders_do_not_count(world: World) -> None:
    world.environ |= {"XDG_CONFIG_DIRS": "relative", "XDG_CONFIG_HOME": "relative"}
    files = configuration_files(environ=world.environ, prefix=world.prefix, isolated=False, platform="linux")
    assert files[:2] == (Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"))
    assert world.root / USER in files


def options(*settings: tuple[str, str], command: str = "install", pip_version: tuple[int, ...] = (26, 3)) -> list[str]:
    config = PipConfiguration(settings=tuple(Setting(key, value, "pip.conf") for key, value in settings))
    return [option.token for option in configuration_options(config, command, pip_version=pip_version)]


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ([("index-url", "https://x")], ["--index-url=https://x"]),
        ([("pypi-url", "https://x")], ["--index-url=https://x"]),
        ([("extra-index-url", "https://a\nhttps://b")], ["--extra-index-url=https://a", "--extra-index-url=https://b"]),
        ([("index-url", "a"), ("index-url", "b")], ["--index-url=b"]),
        ([("no-index", "yes")], ["--no-index"]),
        ([("no-index", "0")], []),
        ([("no-compile", "false")], ["--no-compile"]),
        ([("no-compile", "true")], ["--compile"]),
        ([("compile", "no")], ["--no-compile"]),
        ([("user", "1"), ("no-user", "0")], ["--no-user"]),
        ([("no-user", "1")], ["--user"]),
        ([("no-build-isolation", "0")], ["--no-build-isolation"]),
        ([("no-build-isolation", "1")], []),
        ([("verbose", "2")], ["--verbose", "--verbose"]),
        ([("quiet", "yes")], ["--quiet"]),
        ([("quiet", "off")], []),
        ([("no-cache-dir", "false")], ["--no-cache-dir"]),
        ([("no-cache-dir", "yes"), ("cache-dir", "x")], ["--cache-dir=x", "--no-cache-dir"]),
        ([("no-binary", "a"), ("no-binary", "b"), ("only-binary", ":all:")],
         ["--no-binary=a", "--no-binary=b", "--only-binary=:all:"]),
        ([("r", "a.txt"), ("bogus", "x"), ("help", "1"), ("version", "1"), ("config-file", "x")], []),
        ([("requirement", "a.txt b.txt")], ["--requirement=a.txt", "--requirement=b.txt"]),
        ([("require-hashes", "on")], ["--require-hashes"]),
    ],
)  # fmt: skip
def test_settings_become_options(settings: list[tuple[str, str]], tokens: list[str]) -> None:
    assert options(*settings) == tokens


def test_an_option_of_another_command_says_nothing() -> None:
    assert options(("user", "1"), ("dest", "d"), command="download") == ["--dest=d"]


@pytest.mark.parametrize(
    ("setting", "pip_version", "tokens"),
    [
        (("resume-retries", "5"), (25, 0, 1), []),
        (("resume-retries", "5"), (25, 1), ["--resume-retries=5"]),
        (("global-option", "x"), (25, 2), ["--global-option=x"]),
        (("global-option", "x"), (25, 3), []),
        (("use-pep517", "no"), (24, 0), ["--no-use-pep517"]),
        (("use-pep517", "no"), (26, 3), []),
    ],
)
def test_a_setting_counts_where_this_pip_has_the_option(
    setting: tuple[str, str], pip_version: tuple[int, ...], tokens: list[str]
) -> None:
    assert options(setting, pip_version=pip_version) == tokens


@pytest.mark.parametrize(
    ("setting", "pip_version"),
    [
        (("no-index", "maybe"), (26, 3)),
        (("verbose", "-1"), (26, 3)),
        (("verbose", "much"), (26, 3)),
        (("verbose", "999999999"), (26, 3)),
        (("no-cache-dir", "maybe"), (26, 3)),
        (("no-use-pep517", "1"), (24, 0)),
    ],
)
def test_a_value_that_pip_refuses_is_invalid(setting: tuple[str, str], pip_version: tuple[int, ...]) -> None:
    with pytest.raises(ConfigInvalid, match=rf"^pip.conf: {setting[0]}: "):
        options(setting, pip_version=pip_version)


def test_the_interpreter_stands_before_the_command() -> None:
    config = PipConfiguration(python="/opt/python")
    assert configuration_options(config, "install", pip_version=(26, 3)) == (
        Option("--python", "/opt/python", from_general=True),
    )
