"""``guard policy init`` and ``show``."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from guard.app import App, Options
from guard.cli.policy import init_policy, show_policy, trust_policy
from guard.errors import ExitCode, UsageError
from guard.policy.settings import SETTINGS
from guard.store.policies import load_policy

POLICY = """version = 1
[policy]
min-age = "3d"
runner = ["github-hosted"]
[[package]]
name = "pypi:acme-*"
min-age = "0m"
[[package.identity]]
repository = "https://github.com/acme/widgets"
[[exception]]
package = "pypi:acme-old==1.0"
rule = "yanked"
reason = "looked at"
expires = 2026-01-31
"""


def app_in(folder: Path, policy: Path | None = None) -> App:
    started = datetime(2026, 6, 1, tzinfo=timezone.utc)
    return App(options=Options(policy=policy), environ={}, cwd=folder, started=started)


@pytest.fixture
def written(tmp_path: Path) -> App:
    path = tmp_path / "ci.toml"
    path.write_text(POLICY)
    return app_in(tmp_path, path)


def shown(app: App, spec: str | None, capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str]]:
    """Return value and place of every setting that is printed."""
    assert show_policy(app, spec, as_json=False) == ExitCode.ALLOWED
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if " = " in line]
    found = {}
    for line in lines:
        key, _, rest = line.partition(" = ")
        value, _, place = rest.rpartition(" ")
        found[key] = value.strip(), place.rpartition("/")[2]
    return found


def test_init_writes_a_policy_that_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init_policy(app_in(tmp_path)) == ExitCode.ALLOWED
    path = tmp_path / "guard.toml"
    assert str(path) in capsys.readouterr().out
    file = load_policy(path)
    assert (file.settings.written(), file.packages, file.exceptions) == ({}, (), ())


def test_init_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "guard.toml"
    path.write_text("version = 1\n")
    with pytest.raises(UsageError, match="is there already"):
        init_policy(app_in(tmp_path))
    assert path.read_text() == "version = 1\n"


def test_init_does_not_write_a_second_policy_beside_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.guard]\nversion = 1\n")
    with pytest.raises(UsageError, match=r"\[tool\.guard\]"):
        init_policy(app_in(tmp_path))
    assert not (tmp_path / "guard.toml").exists()


def test_every_setting_is_shown_with_its_place(written: App, capsys: pytest.CaptureFixture[str]) -> None:
    for_others = shown(written, None, capsys)
    assert list(for_others) == list(SETTINGS)
    assert for_others["min-age"] == ('"3d"', "ci.toml:3")
    assert for_others["runner"] == ('["github-hosted"]', "ci.toml:4")
    assert for_others["sdist"] == ('"allow"', "default")
    assert shown(written, "pypi:acme-new", capsys)["min-age"] == ('"0m"', "ci.toml:7")
    assert shown(written, "npm:acme-new", capsys)["min-age"] == ('"3d"', "ci.toml:3")


def test_publishers_and_exceptions_are_shown(written: App, capsys: pytest.CaptureFixture[str]) -> None:
    show_policy(written, "pypi:acme-old==1.0", as_json=False)
    text = capsys.readouterr().out
    assert "published by" in text
    assert "repository https://github.com/acme/widgets" in text
    assert "excepted from yanked ended 2026-01-31: looked at" in text
    show_policy(written, "pypi:acme-old==2.0", as_json=False)
    assert "excepted" not in capsys.readouterr().out


def test_the_same_as_json(written: App, capsys: pytest.CaptureFixture[str]) -> None:
    show_policy(written, "pypi:acme-old==1.0", as_json=True)
    value = json.loads(capsys.readouterr().out)
    assert list(value["settings"]) == list(SETTINGS)
    place = value["settings"]["min-age"]["location"]
    assert (value["settings"]["min-age"]["value"], place["line"], place["column"]) == ("0m", 7, 1)
    assert value["settings"]["slsa-level"] == {"value": 0, "location": None}
    assert value["identities"][0]["repository"] == "https://github.com/acme/widgets"
    [exception] = value["exceptions"]
    assert (exception["rule"], exception["is_over"]) == ("yanked", True)
    assert [source["class"] for source in value["policy"]] == ["command-line"]


@pytest.mark.parametrize("spec", ["six", "pypi:", "npm:six@^1", "pypi:acme-*"])
def test_what_names_no_package(written: App, spec: str) -> None:
    with pytest.raises(UsageError, match="SPEC"):
        show_policy(written, spec, as_json=False)


def anchors_shown(app: App, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Return key, value, place and state of every anchor that is printed."""
    assert show_policy(app, None, as_json=False) == ExitCode.ALLOWED
    _, _, text = capsys.readouterr().out.partition("whom to believe:\n")
    rows = []
    for line in text.splitlines():
        key, _, rest = line.strip().partition(" = ")
        value, place, *state = rest.replace(",", "").split(maxsplit=2)
        rows.append([key, value, place.rpartition("/")[2], *state])
    return rows


def test_anchors_are_shown_with_their_place_and_whether_they_are_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("CONFIG", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    own = tmp_path / "CONFIG" / "provenance-guard" / "guard.toml"
    own.parent.mkdir(parents=True)
    own.write_text('version = 1\n[pypi]\nindex-url = "https://me:secret@own.example/simple/"\n')
    project = tmp_path / "project"
    (project / ".git").mkdir(parents=True)
    path = project / "guard.toml"
    path.write_text(
        'version = 1\n[npm]\nregistry = "https://npm.example/"\n[pypi]\nindex-url = "https://in.example/"\n'
    )
    app = app_in(project)
    mine = ["pypi.index-url", '"https://own.example/simple/"', "guard.toml:3"]
    theirs = ["pypi.index-url", '"https://in.example/"', "guard.toml:5"]
    registry = ["npm.registry", '"https://npm.example/"', "guard.toml:3"]
    waiting = "waiting for trust"
    assert anchors_shown(app, capsys) == [[*mine, "in force"], [*theirs, waiting], [*registry, waiting]]
    assert trust_policy(app, path) == ExitCode.ALLOWED
    capsys.readouterr()
    assert anchors_shown(app, capsys) == [[*mine, "replaced"], [*theirs, "in force"], [*registry, "in force"]]


def test_a_trust_root_on_the_command_line_replaces_that_of_the_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ci.toml"
    path.write_text('version = 1\n[sigstore]\ntrust-root = "root.json"\nrefresh = "never"\n')
    options = Options(policy=path, trust_root=tmp_path / "mine.json")
    show_policy(replace(app_in(tmp_path), options=options), None, as_json=True)
    anchors = json.loads(capsys.readouterr().out)["anchors"]
    assert [(each["key"], each["value"], each["state"]) for each in anchors] == [
        ("sigstore.trust-root", "root.json", "replaced"),
        ("sigstore.refresh", "never", "in-force"),
        ("sigstore.trust-root", str(tmp_path / "mine.json"), "in-force"),
    ]
    assert [each["location"] and each["location"]["line"] for each in anchors] == [3, 4, None]


def test_without_anchors_the_tools_own_registries_are_named(written: App, capsys: pytest.CaptureFixture[str]) -> None:
    show_policy(written, None, as_json=False)
    assert capsys.readouterr().out.endswith("  as pip and npm are configured, and the public Sigstore\n")
