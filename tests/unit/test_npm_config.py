"""npm's configuration: which level says what, the folder that npm works in, and what guard makes of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.constants import NPM_REGISTRY_URL
from guard.errors import ConfigInvalid
from guard.managers.npm.command import parse_command
from guard.managers.npm.config import NpmConfiguration, load_configuration, passes_through
from guard.managers.npm.npmrc import SettingsReader
from guard.managers.npm.options import Part
from guard.managers.npm.prefix import find_local_prefix, matches
from guard.managers.npm.target import NpmTarget
from guard.managers.npm.vocabulary import types_of


class Machine:
    """A user's files and environment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cwd = root / "project"
        self.environ = {"HOME": str(root / "home")}
        self.write("project/package.json", "{}")
        self.write("npm/package.json", '{"name": "npm", "version": "11.19.1"}')

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def load(self, *arguments: str, version: str = "11.19.1", **environ: str) -> NpmConfiguration:
        target = NpmTarget(self.root / "bin/npm", self.root / "npm", self.root / "prefix/bin/node", version)
        return load_configuration(
            environ={**self.environ, **environ},
            cwd=self.cwd,
            command=parse_command(arguments, major=target.major),
            npm=target,
            home=self.root / "home",
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class TestLevels:
    FILES: Mapping[str, str] = {
        "npm/npmrc": "builtin",
        "prefix/etc/npmrc": "global",
        "home/.npmrc": "user",
        "project/.npmrc": "project",
    }

    def test_the_strongest_level_wins(self, machine: Machine) -> None:
        seen = []
        for name, level in self.FILES.items():
            machine.write(name, f"tag={level}\n")
            loaded = machine.load("install")
            seen.append((loaded.value("tag"), loaded.level("tag")))
        with_env = machine.load("install", NPM_CONFIG_TAG="env")
        with_cli = machine.load("install", "--tag=cli", npm_config_tag="env")
        seen += [(each.value("tag"), each.level("tag")) for each in (with_env, with_cli)]
        assert seen == [(level, level) for level in (*self.FILES.values(), "env", "cli")]

    def test_defaults(self, machine: Machine) -> None:
        loaded = machine.load("install")
        assert loaded.registries.default == NPM_REGISTRY_URL
        assert (loaded.level("registry"), loaded.level("nothing"), loaded.value("nothing")) == ("default", None, None)
        assert loaded.value("cache") == str(machine.root / "home/.npm")
        assert loaded.global_prefix == machine.root / "prefix"
        assert (loaded.git, loaded.script_shell, loaded.os, loaded.cpu, loaded.libc) == ("git", None, None, None, None)
        assert (loaded.package_lock, loaded.ignore_scripts, loaded.dry_run, loaded.is_global) == (
            True,
            False,
            False,
            False,
        )
        assert (loaded.workspaces, loaded.workspace, loaded.omit, loaded.scopes) == (
            None,
            None,
            frozenset(),
            frozenset(),
        )

    def test_the_project_has_no_say_in_global_mode(self, machine: Machine) -> None:
        machine.write("project/.npmrc", "tag=project\n")
        assert machine.load("install", "-g").value("tag") is None
        assert machine.load("install", "-g").is_global
        assert machine.load("install", "--location=global").is_global

    def test_a_project_in_the_home_folder_reads_the_user_file_once(self, machine: Machine) -> None:
        machine.write("home/.npmrc", "tag=user\n")
        machine.write("home/package.json", "{}")
        machine.cwd = machine.root / "home"
        assert machine.load("install").level("tag") == "user"

    def test_a_folder_in_place_of_a_file_is_named(self, machine: Machine) -> None:
        (machine.root / "home/.npmrc").mkdir(parents=True)
        with pytest.raises(ConfigInvalid, match=r"home/\.npmrc: cannot be read"):
            machine.load("install")

    def test_a_file_beyond_all_measure_is_named(self, machine: Machine) -> None:
        machine.write("home/.npmrc", "a" * (1024 * 1024 + 1))
        with pytest.raises(ConfigInvalid, match="larger than"):
            machine.load("install")

    def test_what_npm_accepts_is_accepted(self, machine: Machine) -> None:
        (machine.root / "project/.npmrc").write_bytes(b"\xff\xfe[[[\n====\n'\"\ntag=\xff\n")
        assert machine.load("install").value("tag") == "\ufffd"


class TestAnything:
    READER = SettingsReader(
        types=types_of(11), environ={"A": "a"}, cwd=Path("/project"), home=Path("/home"), npm_version=(11, 19)
    )
    KEYS = st.sampled_from([*types_of(11), "@acme:registry", "//h/:_authToken", "${A}"])
    WORDS = st.sampled_from(["true", "null", "false", "undefined", "7", "~/x", "${A?}", "[1]", "\n\n"]) | st.text(
        max_size=5
    )

    @given(
        KEYS, st.recursive(st.none() | st.booleans() | st.integers() | WORDS, lambda item: st.lists(item, max_size=2))
    )
    def test_any_value_in_a_file_is_read(self, key: str, value: object) -> None:
        assert len(self.READER.read({key: value})) == 1  # type: ignore[dict-item]

    @given(st.lists(st.tuples(KEYS, st.none() | st.booleans() | WORDS), max_size=4))
    def test_any_value_on_the_command_line_is_read(self, given_options: list[tuple[str, str | bool | None]]) -> None:
        parts = [Part((), 0, key=key, value=value) for key, value in given_options]
        assert self.READER.read_options(parts).keys() <= {
            self.READER.read({key: ""}).popitem()[0] for key, _ in given_options
        }


class TestSettings:
    def test_switches(self, machine: Machine) -> None:
        loaded = machine.load("i", "--no-package-lock", "--ignore-scripts", "--dry-run", "--workspaces")
        assert (loaded.package_lock, loaded.ignore_scripts, loaded.dry_run, loaded.workspaces) == (
            False,
            True,
            True,
            True,
        )
        assert machine.load("i", "--no-package-lock", "--package-lock-only").package_lock
        assert machine.load("i", "--no-workspaces").workspaces is False

    def test_platform(self, machine: Machine) -> None:
        options = ("--os=linux", "--cpu=arm64", "--libc=musl")
        loaded = machine.load("ci", *options)
        assert (loaded.os, loaded.cpu, loaded.libc) == ("linux", "arm64", "musl")
        assert machine.load("ci", *options, version="9.9.4").libc is None

    def test_programs(self, machine: Machine) -> None:
        loaded = machine.load("i", "--script-shell=/bin/zsh", npm_config_git="/opt/git")
        assert (loaded.script_shell, loaded.git) == ("/bin/zsh", "/opt/git")

    @pytest.mark.parametrize(
        ("arguments", "environ", "omitted"),
        [
            ("", {"NODE_ENV": "production"}, "dev"),
            ("--include=dev", {"NODE_ENV": "production"}, ""),
            ("--omit=dev --omit=peer", {}, "dev peer"),
            ("--omit=dev --include=dev", {}, ""),
            ("--production", {}, "dev"),
            ("--no-production", {"NODE_ENV": "production"}, ""),
            ("--only=prod", {}, "dev"),
            ("--also=dev", {"NODE_ENV": "production"}, ""),
            ("--dev", {"NODE_ENV": "production"}, ""),
            ("--no-optional", {}, "optional"),
            ("--omit=optional --optional", {}, ""),
            ("", {"npm_config_omit": "dev\n\noptional"}, "dev optional"),
        ],
    )
    def test_what_is_omitted(self, machine: Machine, arguments: str, environ: dict[str, str], omitted: str) -> None:
        assert machine.load("ci", *arguments.split(), **environ).omit == set(omitted.split())


class TestRegistries:
    def test_scopes_of_every_level(self, machine: Machine) -> None:
        machine.write(
            "home/.npmrc", "@user:registry=https://user.example.test\n@off:registry=\nregistry=http://r.test/npm\n"
        )
        machine.write("project/.npmrc", "@acme:registry=https://${HOST}/npm/\n")
        loaded = machine.load("i", "--@cli:registry=https://cli.example.test", HOST="acme.example.test")
        assert loaded.registries.default == "http://r.test/npm/"
        assert loaded.registries.scopes == {
            "@user": "https://user.example.test/",
            "@acme": "https://acme.example.test/npm/",
            "@cli": "https://cli.example.test/",
        }
        assert loaded.scopes == {"@user", "@off", "@acme", "@cli"}

    def test_a_scope_from_the_environment(self, machine: Machine) -> None:
        loaded = machine.load("i", **{"npm_config_@acme:registry": "https://acme.example.test"})
        assert loaded.registries.registry_of("@acme/x") == "https://acme.example.test/"

    def test_the_named_scopes_registry_stands_for_the_default(self, machine: Machine) -> None:
        machine.write("home/.npmrc", "@acme:registry=https://acme.example.test\n")
        assert machine.load("i", "--scope=acme").registries.default == "https://acme.example.test/"
        assert machine.load("i", "--scope=other").registries.default == NPM_REGISTRY_URL

    @pytest.mark.parametrize(
        "value", ["nonsense", "ftp://e.test/", "https://u:s3cret@/", "http://[::1", "https://u:s3cret@h:x/"]
    )
    @pytest.mark.parametrize("key", ["registry", "@acme:registry"])
    def test_what_is_no_address_is_refused_without_its_secrets(self, machine: Machine, key: str, value: str) -> None:
        machine.write("project/.npmrc", f"{key}={value}\n")
        with pytest.raises(ConfigInvalid, match=f"{key}") as caught:
            machine.load("install")
        assert "s3cret" not in str(caught.value)


class TestCredentials:
    def test_entries_by_nerf_dart(self, machine: Machine) -> None:
        machine.write(
            "home/.npmrc",
            "//a.test/:_authToken=${TOKEN}\n//a.test:8080/npm/:username=u\n//a.test:8080/npm/:_password=cA==\n"
            "//b.test/:certfile=/c.pem\n//b.test/:keyfile=/k.pem\n//b.test/:email=x\n//c.test:_auth=${MISSING}\n",
        )
        loaded = machine.load("i", TOKEN="t", **{"npm_config_//a.test/:_authToken": "stronger"})
        assert loaded.auth == {
            "//a.test/": {"_authToken": "stronger"},
            "//a.test:8080/npm/": {"username": "u", "_password": "cA=="},
            "//b.test/": {"certfile": "/c.pem", "keyfile": "/k.pem"},
            "//c.test": {"_auth": "${MISSING}"},
        }

    def test_what_npm_no_longer_sends_is_not_sent(self, machine: Machine) -> None:
        machine.write("home/.npmrc", "_auth=a\n_authToken=b\nusername=c\n_password=d\n")
        assert machine.load("i", npm_config__auth="x").auth == {}

    def test_a_login_in_a_registrys_address(self, machine: Machine) -> None:
        machine.write(
            "home/.npmrc", "registry=https://u:p%40@r.test/npm\n@acme:registry=https://v@a.test\n//a.test/:_auth=x\n"
        )
        loaded = machine.load("i")
        assert loaded.registries.urls == ("https://r.test/npm/", "https://a.test/")
        login = base64.b64encode(b"u:p@").decode()
        assert loaded.auth == {"//r.test/npm/": {"_auth": login}, "//a.test/": {"_auth": "x"}}

    def test_the_text_form_holds_no_secret(self, machine: Machine) -> None:
        machine.write(
            "home/.npmrc",
            "//a.test/:_authToken=s3cret\nproxy=http://u:s3cret@p.test\nregistry=http://u:s3cret@r.test\n",
        )
        assert "s3cret" not in repr(machine.load("i", "--//b.test/:_auth=s3cret"))


class TestNetwork:
    def test_proxies(self, machine: Machine) -> None:
        machine.write("home/.npmrc", "proxy=http://p.test\nnoproxy=a.test,b.test\n")
        assert machine.load("i", HTTPS_PROXY="http://e.test").http.proxies == {
            "http": "http://p.test",
            "https": "http://p.test",
        }
        assert machine.load("i", "--https-proxy=http://s.test").http.proxies["http"] == "http://s.test"
        assert machine.load("i", NO_PROXY="x").http.no_proxy == "a.test,b.test"

    def test_proxies_of_the_environment(self, machine: Machine) -> None:
        machine.write("home/.npmrc", "proxy=null\nhttps-proxy=false\n")
        http = machine.load("i", http_proxy="http://h.test", No_Proxy="x").http
        assert (http.proxies, http.no_proxy) == ({"http": "http://h.test"}, "x")
        both = machine.load("i", http_proxy="http://h.test", https_proxy="http://s.test").http
        assert both.proxies == {"http": "http://s.test", "https": "http://s.test"}

    def test_certificates_are_checked_unless_told_otherwise(self, machine: Machine) -> None:
        assert machine.load("i").http.strict_ssl
        assert machine.load("i", NODE_TLS_REJECT_UNAUTHORIZED="0").http.strict_ssl
        assert not machine.load("i", "--no-strict-ssl").http.strict_ssl
        assert not machine.load("i", npm_config_strict_ssl="null", NODE_TLS_REJECT_UNAUTHORIZED="0").http.strict_ssl

    def test_authorities(self, machine: Machine) -> None:
        file = machine.write("ca.pem", "FILE")
        machine.write("home/.npmrc", 'ca[]="ONE\\nX"\nca[]=TWO\n')
        assert machine.load("i").http.ca == ("ONE\nX", "TWO")
        with_file = machine.load("i", f"--cafile={file}").http
        assert (with_file.ca_bundle, with_file.ca) == (str(file), ())
        assert machine.load("i", "--cafile=/none").http.ca == ("ONE\nX", "TWO")
        assert machine.load("i", "--ca=null").http.ca == ()

    def test_authorities_of_the_environment(self, machine: Machine) -> None:
        extra = machine.write("extra.pem", "EXTRA")
        *known, added = machine.load("i", NODE_EXTRA_CA_CERTS=str(extra)).http.ca
        assert added == "EXTRA"
        assert "BEGIN CERTIFICATE" in known[0]
        assert machine.load("i", "--ca=X", NODE_EXTRA_CA_CERTS=str(extra)).http.ca == ("X",)
        assert machine.load("i", NODE_EXTRA_CA_CERTS="/none", SSL_CERT_FILE="/x.pem").http.ca_bundle == "/x.pem"


class TestLocalPrefix:
    def test_the_nearest_package_or_node_modules(self, machine: Machine) -> None:
        machine.cwd = machine.root / "project/a/b"
        machine.cwd.mkdir(parents=True)
        assert machine.load("i").local_prefix == machine.root / "project"
        (machine.root / "project/a/node_modules").mkdir()
        assert machine.load("i").local_prefix == machine.root / "project/a"
        assert machine.load("i", "--prefix", "../x").local_prefix == machine.root / "project/a/x"

    def test_nothing_above(self, tmp_path: Path) -> None:
        assert find_local_prefix(tmp_path, looks_for_root=True).path == tmp_path

    def test_a_workspace_leads_to_its_root(self, machine: Machine) -> None:
        machine.write("project/package.json", '{"workspaces": ["packages/*"]}')
        machine.write("project/packages/a/package.json", "{}")
        machine.cwd = machine.root / "project/packages/a"
        loaded = machine.load("i")
        assert (loaded.local_prefix, loaded.workspace) == (machine.root / "project", machine.cwd)
        assert loaded.concerns_workspaces
        for option in ("--no-workspaces", "-g"):
            assert machine.load("i", option).local_prefix == machine.cwd

    @pytest.mark.parametrize(
        "manifest", ["{", "[]", '{"workspaces": 7}', '{"workspaces": {"packages": null}}', '{"workspaces": [7]}']
    )
    def test_a_package_above_without_readable_workspaces(self, machine: Machine, manifest: str) -> None:
        machine.write("project/package.json", manifest)
        machine.write("project/a/package.json", "{}")
        machine.cwd = machine.root / "project/a"
        assert machine.load("i").local_prefix == machine.cwd

    def test_patterns_that_guard_does_not_read_are_refused(self, machine: Machine) -> None:
        machine.write("project/package.json", json.dumps({"workspaces": ["+(a|b)"]}))
        machine.write("project/a/package.json", "{}")
        machine.cwd = machine.root / "project/a"
        with pytest.raises(ConfigInvalid, match="workspaces") as caught:
            machine.load("i")
        assert "--workspace a" in caught.value.hint

    @pytest.mark.parametrize(
        ("path", "pattern", "is_match"),
        [
            ("a", "a", True),
            ("a/b", "a", False),
            ("a/b", "a/*", True),
            ("a/.b", "a/*", False),
            ("a/.b", "a/.*", True),
            ("a/b/c", "a/*", False),
            ("a/b/c", "a/**", True),
            ("a/b/c", "**/c", True),
            ("a/b/c", "**/b/**/c", True),
            ("a/.b/c", "a/**", False),
            ("ab", "a?", True),
            ("ab", "a[!b]", False),
            ("ac", "a[^b]", True),
            ("x/b", "{x,y}/{a,b}", True),
            ("z/b", "{x,y}/b", False),
            ("{x}", "{x}", True),
        ],
    )
    def test_patterns(self, path: str, pattern: str, is_match: bool) -> None:
        assert matches(path, pattern) is is_match

    @given(st.text(alphabet="ab/.*?[]{},!", max_size=12))
    def test_any_pattern_is_read(self, pattern: str) -> None:
        assert matches("a/b", pattern) in (True, False)


class TestPassesThrough:
    @pytest.mark.parametrize("line", ["init", "init -y", "version patch"])
    def test_without_workspaces_they_install_nothing(self, machine: Machine, line: str) -> None:
        assert passes_through(parse_command(line.split()), machine.load(*line.split()))

    @pytest.mark.parametrize("line", ["init -w a", "version patch --workspaces", "init x", "install", "pack x"])
    def test_with_workspaces_or_an_initializer_they_do(self, machine: Machine, line: str) -> None:
        assert not passes_through(parse_command(line.split()), machine.load(*line.split()))

    def test_a_setting_counts_as_well(self, machine: Machine) -> None:
        machine.write("project/.npmrc", "workspaces=true\n")
        assert not passes_through(parse_command(["init"]), machine.load("init"))
