"""The environment that npm is given, and the shell that its scripts run in, in every shell that may be ``/bin/sh``."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from guard.gateway.server import Answer, Gateway, Request
from guard.managers.npm.environment import Places, npm_environment

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "zsh": ["zsh", "--emulate", "sh"], "itself": []}
# What a shell may add of its own.
OF_SHELLS = frozenset({b"PWD", b"OLDPWD", b"SHLVL", b"LOGNAME", b"_"})
HARD = "'\"$(touch canary)`touch canary`\\ \n\udcff!*\n"


class Nothing:
    """A site that is never asked."""

    def answer(self, request: Request) -> Answer:
        raise AssertionError(request)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway(Nothing()) as running:
        yield running


@dataclass
class Npm:
    """What npm is given, and scripts as it runs them."""

    gateway: Gateway
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    handed_on: dict[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ("@acme",)
    script_shell: str = "sh"

    @property
    def places(self) -> Places:
        return Places(folder=self.folder, logs=self.folder / "users-logs")

    @property
    def environment(self) -> dict[str, str]:
        environ = {"PATH": os.defpath, "HOME": str(self.folder), **self.environ}
        return npm_environment(
            environ,
            self.gateway,
            self.places,
            handed_on=self.handed_on,
            scopes=self.scopes,
            script_shell=self.script_shell,
            global_settings=self.folder / "global-npmrc",
        )

    def run(
        self, script: str, *, event: str = "postinstall", package: str = "a@1.0.0", shell: str = "itself", **more: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a script as @npmcli/promise-spawn does, with the variables of @npmcli/run-script."""
        name, _, version = package.rpartition("@")
        own = {"npm_lifecycle_event": event, "npm_package_name": name, "npm_package_version": version}
        environ = {**self.environment, **own, **more}
        argv = [*SHELLS[shell], str(self.places.shell), "-c", script]
        return subprocess.run(argv, env=environ, cwd=self.folder, capture_output=True, timeout=60)

    def variables(self, event: str, shell: str = "itself") -> dict[str, str]:
        """Return the environment that a script sees, npm's own variables of the script aside."""
        done = self.run("/usr/bin/env -0", event=event, shell=shell)
        assert (done.returncode, done.stderr) == (0, b"")
        pairs = (pair.split(b"=", 1) for pair in done.stdout.split(b"\0") if pair)
        kept = {name: value for name, value in pairs if name not in OF_SHELLS}
        npms = ("npm_lifecycle_event", "npm_package_name", "npm_package_version")
        return {os.fsdecode(name): os.fsdecode(value) for name, value in kept.items() if os.fsdecode(name) not in npms}


@pytest.fixture
def npm(gateway: Gateway, tmp_path: Path) -> Npm:
    return Npm(gateway, tmp_path)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    program = SHELLS[request.param]
    if program and shutil.which(program[0]) is None:
        pytest.skip(f"no {program[0]} here")
    return str(request.param)


def npm_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return settings as npm reads them of variables (``loadEnv`` of @npmcli/config)."""
    found = {}
    for name, value in environment.items():
        if name.lower().startswith("npm_config_") and value:
            key = name[len("npm_config_") :]
            found[key if key.startswith("//") else key[:1] + key[1:].replace("_", "-").lower()] = value
    return found


# What npm is given


def test_npm_is_led_to_the_gateway_alone(npm: Npm) -> None:
    url, port = npm.gateway.url, npm.gateway.port
    settings = npm_settings(npm.environment)
    assert settings["registry"] == settings["@acme:registry"] == f"{url}/"
    assert settings["proxy"] == settings["https-proxy"] == url
    assert settings["replace-registry-host"] == "always"
    assert settings[f"//127.0.0.1:{port}/:_authToken"] == npm.gateway.password
    assert settings["cache"] == str(npm.folder / "cache")
    assert settings["logs-dir"] == str(npm.folder / "users-logs")
    assert npm.environment["GIT_ALLOW_PROTOCOL"] == "none"


@pytest.mark.parametrize(
    "name",
    [
        "HTTP_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "no_proxy",
        "NPM_CONFIG_REGISTRY",
        "npm_config_registry",
        "Npm_Config_Https_Proxy",
        "npm_config_@acme:registry",
        "npm_config_@OTHER:registry",
        "npm_config_cache",
        "npm_config_GIT",
        "npm_config_script-shell",
        "NPM_CONFIG_REPLACE_REGISTRY_HOST",
        "npm_config_prefer_offline",
        "npm_config_noproxy",
    ],
)
def test_nothing_of_the_users_leads_elsewhere(npm: Npm, name: str) -> None:
    npm.environ[name] = "http://elsewhere.test"
    assert "http://elsewhere.test" not in npm.environment.values()


def test_everything_else_is_kept(npm: Npm) -> None:
    npm.environ |= {"npm_config_fund": "false", "NODE_OPTIONS": "--no-warnings", "MY_PROXY_LIST": "x", "ODD.NAME": HARD}
    assert npm.environment.items() >= npm.environ.items()


def test_what_is_written_is_private(npm: Npm) -> None:
    assert npm.environment
    modes = {path.name: path.stat().st_mode & 0o777 for path in npm.folder.iterdir()}
    assert modes == {"shell": 0o700, "refuse-git": 0o700, "npmrc": 0o600}
    assert npm.gateway.password not in npm.places.shell.read_text()


# Scripts


def test_a_script_runs_as_npm_would_run_it(npm: Npm, shell: str) -> None:
    done = npm.run('printf "%s|" "$0" "$#"; exit 3', shell=shell)
    assert (done.returncode, done.stdout.endswith(b"sh|0|")) == (3, True)


@pytest.mark.parametrize("event", ["preinstall", "prepare", "npx", "test"])
def test_once_anything_was_refused_nothing_runs(npm: Npm, shell: str, event: str) -> None:
    npm.places.refused.touch()
    done = npm.run("touch canary", event=event, shell=shell)
    assert (done.returncode, b"no script runs" in done.stderr) == (126, True)
    assert not (npm.folder / "canary").exists()


@pytest.mark.parametrize("package", ["a@1.0.0", "@acme/a@1.0.0", 'it\'s "a" $(touch canary)@1.0.0-rc.1+b'])
@pytest.mark.parametrize(("event", "runs"), [("preinstall", False), ("install", False), ("postinstall", False)])
def test_packages_are_installed_without_their_scripts(npm: Npm, package: str, event: str, runs: bool) -> None:
    mark = npm.places.skipped / package
    mark.parent.mkdir(parents=True)
    mark.touch()
    done = npm.run("echo ran", event=event, package=package)
    assert (done.returncode, done.stdout == b"ran\n") == (0, runs)
    assert not (npm.folder / "canary").exists()


@pytest.mark.parametrize(
    ("event", "package"),
    [
        ("prepare", "a@1.0.0"),
        ("test", "a@1.0.0"),
        ("postinstall", "a@1.0.1"),
        ("postinstall", "b@1.0.0"),
        ("postinstall", "@acme/a@1.0.0"),
    ],
)
def test_other_scripts_run(npm: Npm, event: str, package: str) -> None:
    npm.places.skipped.mkdir()
    (npm.places.skipped / "a@1.0.0").touch()
    assert npm.run("echo ran", event=event, package=package).stdout == b"ran\n"


def test_scripts_use_the_users_own_network(npm: Npm, shell: str) -> None:
    npm.environ |= {
        "HTTPS_PROXY": HARD,
        "no_proxy": "a.test",
        "GIT_ALLOW_PROTOCOL": "https",
        "npm_config_https_proxy": "http://user:secret@proxy.test",
    }
    seen = npm.variables("postinstall", shell)
    assert seen.items() >= npm.environ.items()
    assert not seen.get("npm_config_proxy")
    assert seen["npm_config_noproxy"] == "127.0.0.1"  # the gateway
    assert not (npm.folder / "canary").exists()


def test_scripts_know_the_proxy_of_the_users_files(npm: Npm) -> None:
    """npm hands on what stands in an .npmrc."""
    npm.handed_on = {"npm_config_https_proxy": "http://proxy.test", "npm_config_noproxy": "a.test"}
    seen = npm.variables("postinstall")
    assert seen["npm_config_https_proxy"] == "http://proxy.test"
    assert seen["npm_config_noproxy"] == "a.test,127.0.0.1"


def test_without_any_proxy_scripts_have_none(npm: Npm, shell: str) -> None:
    seen = npm.variables("postinstall", shell)
    assert not [name for name in seen if name.lower().endswith("_proxy")]
    assert "GIT_ALLOW_PROTOCOL" not in seen


def test_an_npm_that_a_script_starts_asks_the_gateway(npm: Npm, shell: str) -> None:
    (npm.folder / "global-npmrc").write_bytes(b"fund=false\n[section]\nx=1")
    seen = npm.variables("postinstall", shell)
    assert seen["npm_config_registry"] == f"{npm.gateway.url}/"
    settings = Path(seen["npm_config_globalconfig"]).read_bytes()
    assert settings.startswith(f"//127.0.0.1:{npm.gateway.port}/:_authToken={npm.gateway.password}\n".encode())
    assert settings.endswith(b"fund=false\n[section]\nx=1")


def test_a_program_of_npx_has_the_users_environment(npm: Npm, shell: str) -> None:
    npm.environ |= {
        "HTTP_PROXY": HARD,
        "NPM_CONFIG_REGISTRY": "http://registry.test/",
        "npm_config_cache": "/somewhere",
        "npm_config_fund": "false",
        "GIT_ALLOW_PROTOCOL": "",
    }
    seen = npm.variables("npx", shell)
    assert seen == {"PATH": os.defpath, "HOME": str(npm.folder), **npm.environ}
    assert not (npm.folder / "canary").exists()


def test_a_program_of_npx_sees_nothing_of_guards(npm: Npm, shell: str) -> None:
    seen = npm.variables("npx", shell)
    assert seen == {"PATH": os.defpath, "HOME": str(npm.folder)}


def test_a_program_of_npx_hears_what_npm_hands_on(npm: Npm) -> None:
    npm.handed_on = {"npm_config_cache": "/home/.npm", "npm_config_registry": "http://registry.test/"}
    assert npm.variables("npx").items() >= npm.handed_on.items()


@pytest.mark.parametrize("name", ["npm_config_@acme:registry", "ODD.NAME_PROXY"])
def test_a_shell_that_keeps_odd_names_keeps_the_users(npm: Npm, name: str) -> None:
    npm.script_shell = "bash"
    npm.environ[name] = HARD
    done = npm.run("/usr/bin/env -0", event="npx", shell="bash")
    assert f"{name}={HARD}".encode("utf-8", "surrogateescape") in done.stdout.split(b"\0")


def test_the_users_shell_is_used(npm: Npm) -> None:
    shell = npm.folder / "a b'c=d"
    shell.write_text('#!/bin/sh\necho mine "$@"\n')
    shell.chmod(0o700)
    npm.script_shell = str(shell)
    assert npm.run("true").stdout == b"mine -c true\n"


def test_no_package_comes_between_guards_shell_and_the_users(npm: Npm) -> None:
    """On a script's PATH the programs of the packages stand first."""
    programs = npm.folder / "node_modules" / ".bin"
    programs.mkdir(parents=True)
    for name in ("env", "printf", "echo", "test", "["):
        (programs / name).write_text("#!/bin/sh\n/usr/bin/touch canary\n")
        (programs / name).chmod(0o700)
    npm.run("true", PATH=f"{programs}:{os.defpath}")
    npm.places.refused.touch()
    npm.run("true", PATH=f"{programs}:{os.defpath}")
    assert not (npm.folder / "canary").exists()


def test_odd_paths_are_quoted(gateway: Gateway, tmp_path: Path) -> None:
    folder = tmp_path / "it's $(touch canary) a\nb\udcff"
    folder.mkdir()
    npm = Npm(gateway, folder)
    assert npm.run("echo ran").stdout == b"ran\n"
    npm.places.refused.touch()
    assert npm.run("echo ran").returncode == 126
    assert not list(tmp_path.rglob("canary"))


# git


def test_git_is_refused_and_told_of(npm: Npm) -> None:
    environment = npm.environment
    for address in ("ssh://git@host.test/a b.git", "$(touch canary)"):
        done = subprocess.run([environment["npm_config_git"], "ls-remote", address], cwd=npm.folder, env=environment)
        assert done.returncode == 128
    assert npm.places.git_log.read_text() == "ls-remote ssh://git@host.test/a b.git\nls-remote $(touch canary)\n"
    assert not (npm.folder / "canary").exists()
