"""Files laid over each other: what wins, what a project may not change silently, and what waits for trust."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from guard.model import Ecosystem, Level, RuleId, SourceKind
from guard.policy.policy import PackagePolicy, Policy, PolicyClass, explicit_policy, merge_policies
from guard.policy.schema import Anchors, PolicyFile, parse_policy
from guard.policy.settings import InstallScriptsMode, ProvenanceMode, RegistrySignatureMode, RuleMode

NOW = datetime(2026, 6, 1, 12, tzinfo=timezone.utc)
EXCEPTION = '[[exception]]\npackage="pypi:{}"\nrule="hash-missing"\nreason="r"\nexpires=2026-06-01\n'
ANCHORED = """
[pypi]
index-url = "https://project.example/simple/"
[npm]
registry = "https://project.example/npm/"
keys = "keys.json"
[sigstore]
trust-root = "root.json"
"""
GITHUB_PIN = '[[package]]\nname="{}"\n[[package.identity]]\nrepository="https://github.com/{}/x"\n'


def file(text: str, path: str = "guard.toml") -> PolicyFile:
    return parse_policy(f"version = 1\n{text}".encode(), path=path)


def merged(user: str | None, project: str, *, trusted: bool = False) -> tuple[Policy, list[str]]:
    own = None if user is None else file(user, "user.toml")
    policy, findings = merge_policies(own, file(project), project_trusted=trusted)
    assert all((each.rule, each.level) == (RuleId.POLICY_LOOSENED, Level.NOTE) for each in findings)
    return policy, [finding.message for finding in findings]


def asked(policy: Policy, name: str = "six", version: str = "1.0", now: datetime = NOW) -> PackagePolicy:
    return policy.for_package(Ecosystem.PYPI, name, version, now=now)


def test_without_files_the_defaults_hold_and_nothing_is_written() -> None:
    policy, findings = merge_policies(None, None, project_trusted=False)
    assert asked(policy) == PackagePolicy()
    assert (asked(policy).written, findings, policy.sources_read) == (frozenset(), (), ())
    assert asked(policy).hashes is RuleMode.BLOCK
    assert asked(policy).provenance is ProvenanceMode.NO_DOWNGRADE
    assert asked(policy).sources == {SourceKind.REGISTRY, SourceKind.ALIAS}
    assert asked(policy).registry_signature is RegistrySignatureMode.IF_SIGNED
    assert asked(policy).install_scripts is InstallScriptsMode.AS_NPM


def test_a_written_default_is_told_from_a_default() -> None:
    policy, _ = merged('[policy]\ninstall-scripts = "as-npm"', '[policy]\nprovenance = "no-downgrade"')
    assert asked(policy).written == {"install-scripts", "provenance"}


def test_the_project_wins_key_by_key() -> None:
    policy, _ = merged('[policy]\nhashes = "off"\nprovenance = "optional"', '[policy]\nprovenance = "required"')
    assert (asked(policy).hashes, asked(policy).provenance) == (RuleMode.OFF, ProvenanceMode.REQUIRED)


def test_the_last_matching_package_wins_key_by_key() -> None:
    text = """
[[package]]
name = "pypi:*"
hashes = "off"
provenance = "required"
[[package]]
name = "pypi:s*"
hashes = "warn"
[[package]]
name = "pypi:other"
hashes = "block"
"""
    policy, _ = merged(None, text)
    assert asked(policy).hashes is RuleMode.WARN
    assert asked(policy).provenance is ProvenanceMode.REQUIRED


def test_a_projects_general_rule_does_not_undo_the_users_rule_for_a_package() -> None:
    policy, _ = merged('[[package]]\nname = "pypi:six"\nprovenance = "required"', '[policy]\nprovenance = "optional"')
    assert asked(policy).provenance is ProvenanceMode.REQUIRED
    assert asked(policy, "other").provenance is ProvenanceMode.OPTIONAL


def test_the_settings_of_npm_are_laid_over_each_other_like_all_others() -> None:
    package = '[[package]]\nname = "pypi:six"\ninstall-scripts = "skip"'
    policy, _ = merged('[policy]\nregistry-signature = "required"\ninstall-scripts = "block"', package)
    assert asked(policy).registry_signature is RegistrySignatureMode.REQUIRED
    assert asked(policy).install_scripts is InstallScriptsMode.SKIP
    assert asked(policy, "other").install_scripts is InstallScriptsMode.BLOCK


def test_identities_of_the_last_match_replace_earlier_ones() -> None:
    policy, _ = merged(None, GITHUB_PIN.format("pypi:*", "a") + GITHUB_PIN.format("pypi:six", "b"))
    assert [pin.repository for pin in asked(policy).identities] == ["https://github.com/b/x"]
    assert "identity" in asked(policy).written


def test_exceptions_are_of_their_package_and_end_after_their_last_day() -> None:
    policy, _ = merged(EXCEPTION.format("six"), EXCEPTION.format("other") + EXCEPTION.format("six==2.0"))
    assert len(asked(policy).exceptions) == 1
    assert len(asked(policy, version="2").exceptions) == 2
    late = asked(policy, now=NOW + timedelta(days=1))
    assert (len(late.exceptions), len(late.expired)) == (0, 1)


def test_a_projects_anchors_wait_for_trust() -> None:
    own = '[pypi]\nprovenance-url = "https://user.example"\n[npm]\nregistry = "https://user.example/npm/"'
    policy, notes = merged(own, ANCHORED)
    assert policy.anchors == Anchors(provenance_url="https://user.example", npm_registry="https://user.example/npm/")
    keys = "pypi.index-url, npm.registry, npm.keys, sigstore.trust-root"
    assert notes == [f"guard.toml sets {keys}; without `guard policy trust` this has no effect"]
    assert [source.policy_class for source in policy.sources_read] == [PolicyClass.USER, PolicyClass.PROJECT]


@pytest.mark.parametrize("explicit", [True, False], ids=["command-line", "trusted"])
def test_trusted_anchors_are_in_force(explicit: bool) -> None:
    policy = explicit_policy(file(ANCHORED)) if explicit else merged(None, ANCHORED, trusted=True)[0]
    assert policy.anchors.index_url == "https://project.example/simple/"
    assert policy.anchors.npm_registry == "https://project.example/npm/"
    assert policy.anchors.trust_root is not None
    assert policy.anchors.npm_keys is not None
    expected = PolicyClass.COMMAND_LINE if explicit else PolicyClass.PROJECT_TRUSTED
    assert [source.policy_class for source in policy.sources_read] == [expected]
    assert policy.sources_read[0].digest == file(ANCHORED).digest


def test_trust_says_nothing_about_waiting_anchors() -> None:
    assert merged(None, ANCHORED, trusted=True)[1] == []


@pytest.mark.parametrize(
    ("user", "project", "expected"),
    [
        pytest.param(None, '[policy]\nhashes="block"\nprovenance="required"\nsources=["registry"]', [], id="stricter"),
        pytest.param('[policy]\nhashes="off"', '[policy]\nhashes="warn"', [], id="stricter-than-users"),
        pytest.param(None, '[policy]\nhashes="warn"', ["guard.toml:3 sets hashes"], id="hashes"),
        pytest.param(None, '[policy]\nprovenance="optional"', ["guard.toml:3 sets provenance"], id="provenance"),
        pytest.param(None, '[policy]\nsources=["path"]', ["guard.toml:3 sets sources"], id="sources"),
        pytest.param(
            None, '[policy]\nregistry-signature="off"', ["guard.toml:3 sets registry-signature"], id="signature"
        ),
        pytest.param(None, '[policy]\nregistry-signature="required"\ninstall-scripts="block"', [], id="npm-stricter"),
        pytest.param(
            '[policy]\ninstall-scripts="block"',
            '[policy]\ninstall-scripts="skip"',
            ["guard.toml:3 sets install-scripts looser than your own policy"],
            id="scripts",
        ),
        pytest.param(
            '[policy]\ninstall-scripts="skip"',
            '[[package]]\nname="npm:a"\ninstall-scripts="as-npm"',
            ["guard.toml:2 sets install-scripts for npm:a looser"],
            id="scripts-of-a-package",
        ),
        pytest.param(
            '[policy]\nprovenance="required"',
            '[policy]\nprovenance="no-downgrade"',
            ["guard.toml:3 sets provenance"],
            id="default-looser-than-users",
        ),
        pytest.param(
            '[[package]]\nname="pypi:six"\nprovenance="required"',
            '[[package]]\nname="pypi:*"\nprovenance="no-downgrade"',
            ["guard.toml:2 sets provenance for pypi:*"],
            id="package-over-package",
        ),
        pytest.param(None, '[[package]]\nname="pypi:a"\nhashes="off"', ["guard.toml:2 sets hashes"], id="package"),
        pytest.param(None, GITHUB_PIN.format("pypi:six", "a"), [], id="first-pin"),
        pytest.param(GITHUB_PIN.format("pypi:six", "a"), GITHUB_PIN.format("pypi:six", "a"), [], id="same-pin"),
        pytest.param(
            GITHUB_PIN.format("pypi:s*", "a"),
            GITHUB_PIN.format("pypi:six", "b"),
            ["guard.toml:2 accepts other publishers of pypi:six"],
            id="other-pin",
        ),
        pytest.param(None, EXCEPTION.format("a"), ["guard.toml excepts 1 package from"], id="exception"),
        pytest.param(None, EXCEPTION.format("a") * 2, ["guard.toml excepts 2 packages from"], id="exceptions"),
    ],
)
def test_what_the_project_asks_less_of_is_said(user: str | None, project: str, expected: list[str]) -> None:
    _, notes = merged(user, project)
    assert len(notes) == len(expected)
    assert all(note.startswith(start) for note, start in zip(notes, expected, strict=True))


def test_a_users_file_alone_is_never_loosened() -> None:
    _, findings = merge_policies(file('[policy]\nhashes="off"' + ANCHORED), None, project_trusted=False)
    assert findings == ()


def test_a_policy_is_of_its_parts() -> None:
    policy = explicit_policy(file('[policy]\nhashes="off"'))
    assert replace(policy, settings=()).for_package(Ecosystem.NPM, "x", "1", now=NOW).hashes is RuleMode.BLOCK
