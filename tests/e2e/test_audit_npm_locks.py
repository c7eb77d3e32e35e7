"""``guard audit`` of the locks of yarn, pnpm and bun: decided as npm's are."""

from __future__ import annotations

import base64

import pytest

from tests.e2e.audit_stage import AuditStage
from tests.sim.world import PublishedNpm

WRONG = "sha512-" + base64.b64encode(b"0" * 64).decode()


def yarn_1(one: PublishedNpm, other: PublishedNpm, url: str) -> str:
    blocks = "".join(
        f'\n"{head}":\n  version "{each.version}"\n'
        f'  resolved "{url}{each.name}/-/{each.name}-{each.version}.tgz#{"0" * 40}"\n  integrity {each.integrity}\n'
        for head, each in ((f"{one.name}@^1.0.0", one), (f"other@npm:{other.name}@*", other))
    )
    return f"# yarn lockfile v1\n\n{blocks}"


def berry(one: PublishedNpm, other: PublishedNpm, url: str) -> str:
    blocks = "".join(
        f'"{head}":\n  version: {each.version}\n  resolution: "{each.name}@npm:{each.version}"\n'
        f"  checksum: 10c0/{'0' * 128}\n"
        for head, each in ((f"{one.name}@npm:^1.0.0", one), (f"other@npm:{other.name}@*", other))
    )
    patched = f"{one.name}@patch:{one.name}@npm%3A{one.version}#optional!builtin<compat/x>"
    blocks += f'"{patched}":\n  version: {one.version}\n  resolution: "{patched}::version={one.version}&hash=1"\n'
    return f"__metadata:\n  version: 8\n\n{blocks}"


def pnpm_5(one: PublishedNpm, other: PublishedNpm, url: str) -> str:
    return (
        f"lockfileVersion: 5.4\ndependencies:\n  {one.name}: {one.version}\n"
        f"  other: /{other.name}/{other.version}\npackages:\n"
        + "".join(
            f"  /{each.name}/{each.version}:\n    resolution: {{integrity: {each.integrity}}}\n"
            for each in (one, other)
        )
    )


def pnpm_9(one: PublishedNpm, other: PublishedNpm, url: str) -> str:
    specs = {each.name: f"{each.name}@{each.version}" for each in (one, other)}
    return (
        f"lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      {one.name}:\n        specifier: '*'\n"
        f"        version: {one.version}\n      other:\n        specifier: npm:{other.name}@*\n"
        f"        version: {specs[other.name]}\npackages:\n"
        f"  {specs[one.name]}:\n    resolution: {{integrity: {one.integrity}}}\n"
        f"  {specs[other.name]}:\n    resolution: {{integrity: {other.integrity}}}\n"
        f"snapshots:\n  {specs[one.name]}: {{}}\n  {specs[other.name]}: {{}}\n"
    )


def bun(one: PublishedNpm, other: PublishedNpm, url: str) -> str:
    return (
        '{\n  "lockfileVersion": 1,\n  "workspaces": { "": { "name": "x", }, },\n  "packages": {\n'
        f'    "{one.name}": ["{one.name}@{one.version}", "", {{}}, "{one.integrity}"],\n\n'
        f'    "other": ["{other.name}@{other.version}", "", {{}}, "{other.integrity}"],\n  }}\n}}\n'
    )


LOCKS = {
    "yarn.lock": yarn_1,
    "berry/yarn.lock": berry,
    "five/pnpm-lock.yaml": pnpm_5,
    "pnpm-lock.yaml": pnpm_9,
    "bun.lock": bun,
}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_is_decided(stage: AuditStage, name: str) -> None:
    world = stage.world
    anvil, rocket = world.publish_npm("anvil", "1.0.0", attested=True), world.publish_npm("rocket", "1.1.0")
    text = LOCKS[name](anvil, rocket, world.npm.url)
    stage.write(name, text)
    result = stage.audit()
    assert (result.status, result.report["verdict"]) == (0, "allow"), result.stderr
    found = {(each["name"], each["version"]): each["provenance"] for each in result.report["artifacts"]}
    assert found == {("anvil", "1.0.0"): "verified", ("rocket", "1.1.0"): "absent"}
    lines = text.splitlines()
    for each in result.report["artifacts"]:
        at = lines[each["location"]["line"] - 1]
        assert each["name"] in at or "other" in at


@pytest.mark.parametrize("name", [name for name in LOCKS if name != "berry/yarn.lock"])
def test_a_digest_that_the_registry_does_not_list_is_caught(stage: AuditStage, name: str) -> None:
    world = stage.world
    anvil, rocket = world.publish_npm("anvil", "1.0.0"), world.publish_npm("rocket", "1.1.0")
    stage.write(name, LOCKS[name](anvil, rocket, world.npm.url).replace(rocket.integrity, WRONG))
    result = stage.audit()
    assert result.status == 10
    (bad,) = [each for each in result.report["artifacts"] if each["verdict"] == "block"]
    assert (bad["name"], [finding["rule"] for finding in bad["findings"]]) == ("rocket", ["hash-mismatch"])


def test_an_address_that_is_not_the_registrys_is_caught(stage: AuditStage) -> None:
    world = stage.world
    anvil, rocket = world.publish_npm("anvil", "1.0.0"), world.publish_npm("rocket", "1.1.0")
    stage.write("yarn.lock", yarn_1(anvil, rocket, "https://evil.example/"))
    stage.write(
        "two/pnpm-lock.yaml",
        pnpm_9(anvil, rocket, "").replace("{integrity", "{tarball: 'https://x.example/a', integrity"),
    )
    result = stage.audit()
    rules = [(each["location"]["path"], {f["rule"] for f in each["findings"]}) for each in result.report["artifacts"]]
    assert (result.status, len(rules)) == (10, 4)
    assert all("registry-host" in found for _, found in rules)


def test_a_lock_of_a_version_that_is_not_known_ends_with_2(stage: AuditStage) -> None:
    stage.write("pnpm-lock.yaml", "\nlockfileVersion: '99.0'\n")
    result = stage.audit()
    assert result.status == 2
    assert "pnpm-lock.yaml:2" in result.stderr
