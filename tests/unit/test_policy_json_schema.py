"""The JSON Schema of guard.toml, for editors, accepts what the parser accepts and nothing else."""

from __future__ import annotations

import json
from datetime import date
from importlib import resources
from typing import Any

import jsonschema
import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import ConfigInvalid
from guard.model import RuleId
from guard.policy.schema import KEYS, RULE_OF_KEY, RULES_WITHOUT_EXCEPTION, parse_policy
from guard.policy.settings import SETTINGS
from tests.unit.test_policy_schema import ERRORS, FULL, IDENTITY_ERRORS

SCHEMA = json.loads((resources.files("guard") / "data" / "guard-policy-1.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

# Values of each key that both accept, and others that both refuse.
SOME: dict[str, tuple[list[str], list[str]]] = {
    "hashes": (['"block"', '"off"'], ['"on"', "true", "[]"]),
    "provenance": (['"required"'], ['"block"', "1"]),
    "identity": (['"locked"', '"required"'], ['"off"', '""']),
    "identity-strict": (['["ref", "trigger"]'], ["[]", '["issuer"]', '"ref"']),
    "downgrade-window": (['"30d"'], ['"30"', "30", '"1w"']),
    "registry-signature": (['"if-signed"'], ['"block"']),
    "slsa-level": (["0", "3"], ["4", "-1", "true", '"2"', "1.5"]),
    "runner": (['["github-hosted"]'], ["[]", '[""]', '"github-hosted"']),
    "triggers-denied": (['["push"]'], ["[]", "[1]"]),
    "min-age": (['"90m"', '"24h"', '"7d"', '"0m"'], ['"7"', '"7 d"', '"-1d"', '"1234567d"', '"7D"']),
    "min-age-locked": (['"note"', '"block"'], ['"off"']),
    "min-age-registries": (['["https://r.example/npm/"]'], ["[]", '["r.example"]', '["file:///x"]']),
    "min-age-exclude": (['["npm:@acme/*", "pypi:acme-*"]'], ["[]", '["acme"]', '["npm:_x"]', '["npm:@a/.b"]']),
    "sources": (['["path", "alias"]'], ["[]", '["local"]']),
    "sdist": (['"allow"', '"block"'], ['"off"']),
    "yanked": (['"warn"'], ['"allow"']),
    "install-scripts": (['"skip"'], ['"off"']),
}
GOOD_LINES = st.sampled_from([(key, value) for key, (good, _) in SOME.items() for value in good])
BAD_LINES = st.sampled_from([(key, value) for key, (_, bad) in SOME.items() for value in bad] + [("min-days", "1")])
PINS = {
    'repository = "https://github.com/acme/widgets"': True,
    'repository = "https://git.example/acme/widgets"': False,
    'issuer = "https://sso.acme.example"': True,
    'issuer = "https://accounts.google.com"': False,
    'issuer = "https://accounts.google.com"\nsan = "me@acme.example"': True,
    'repository-id = "1"': False,
    'issuer = "https://issuer.example"\nref = "refs/tags/v*"': True,
    'issuer = "https://issuer.example"\nref = "*/*/*"': True,
    'issuer = "https://issuer.example"\nref = "v*"': False,
    'issuer = "https://issuer.example"\nref = "refs/*"': False,
    'issuer = "https://issuer.example"\nref = "heads/refs/main"': False,
    'issuer = "https://issuer.example"\nref = "refs/tags/v 1"': False,
    'issuer = "https://issuer.example"\nsigner = "same"': True,
    'issuer = "https://issuer.example"\nsigner = "https://x.example/y@z"': False,
    "": False,
}
RELEASES = {
    "pypi:six": True,
    "pypi:six==1.0": True,
    "pypi:s*": False,
    "npm:@acme/six@1.0.0": True,
    "npm:six@1.0": False,
    "npm:six@^1.0.0": False,
    "npm:.six": False,
    "six": False,
}


def parser_accepts(text: str) -> bool:
    try:
        parse_policy(text.encode(), path="guard.toml")
    except ConfigInvalid:
        return False
    return True


def schema_accepts(text: str) -> bool:
    try:
        document = tomli.loads(text)
    except (ValueError, RecursionError):
        return False
    return VALIDATOR.is_valid(as_json(document))


def as_json(value: Any) -> Any:
    """Return a document as editors give it to a schema: with dates as strings."""
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


def test_the_schema_is_one_and_has_exactly_the_keys_of_the_parser() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    tables = {name: SCHEMA["properties"][name] for name in ("policy", "pypi", "npm", "sigstore", "audit")}
    found = {"": set(SCHEMA["properties"]), **{name: set(table["properties"]) for name, table in tables.items()}}
    for name in ("package", "exception"):
        found[name] = set(SCHEMA["properties"][name]["items"]["properties"])
    found["package.identity"] = set(SCHEMA["$defs"]["identity"]["properties"])
    assert found == {name: set(keys) for name, keys in KEYS.items()}
    assert tuple(SOME) == SETTINGS


def test_the_schema_knows_every_rule_that_can_be_excepted() -> None:
    rules = [rule.value for rule in RuleId if rule not in RULES_WITHOUT_EXCEPTION]
    assert SCHEMA["properties"]["exception"]["items"]["properties"]["rule"]["enum"] == [*rules, *RULE_OF_KEY]


@pytest.mark.parametrize("table", ["[policy]", '[[package]]\nname = "npm:six"'])
@pytest.mark.parametrize("key", SOME)
def test_values(table: str, key: str) -> None:
    for accepted, values in zip((True, False), SOME[key], strict=True):
        for value in values:
            text = f"version = 1\n{table}\n{key} = {value}\n"
            assert (parser_accepts(text), schema_accepts(text)) == (accepted, accepted), text


# JSON knows no difference between 1 and 1.0.
REFUSED = {row[0]: row[1] for row in ERRORS if row[0] != "version-float"}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_the_parser_refuses(text: str) -> None:
    assert not parser_accepts(text)
    assert not schema_accepts(text)


@pytest.mark.parametrize("body", [*PINS, *(row[1] for row in IDENTITY_ERRORS)])
def test_identities(body: str) -> None:
    text = f'version = 1\n[[package]]\nname = "pypi:a"\n[[package.identity]]\n{body}\n'
    accepted = PINS.get(body, False)
    assert (parser_accepts(text), schema_accepts(text)) == (accepted, accepted)


@pytest.mark.parametrize("release", RELEASES)
def test_exceptions(release: str) -> None:
    lines = {"package": f'"{release}"', "rule": '"provenance"', "reason": '"r"', "expires": "2027-01-31"}
    for left_out in (None, *lines):
        body = "".join(f"{key} = {value}\n" for key, value in lines.items() if key != left_out)
        text = f"version = 1\n[[exception]]\n{body}"
        accepted = RELEASES[release] and left_out is None
        assert (parser_accepts(text), schema_accepts(text)) == (accepted, accepted), text


@pytest.mark.parametrize("platform", ["linux", "macos-arm64", "windows-x86_64", "linux-", "darwin", "Linux", ""])
def test_platforms(platform: str) -> None:
    text = f'version = 1\n[audit]\nplatforms = ["{platform}"]\n'
    assert (
        parser_accepts(text) is schema_accepts(text) is (platform[:3] in ("lin", "mac", "win") and platform[-1] != "-")
    )


def test_full_documents() -> None:
    assert schema_accepts(FULL.decode())
    starter = (resources.files("guard") / "data" / "starter-policy.toml").read_text(encoding="utf-8")
    assert parser_accepts(starter)
    assert schema_accepts(starter)
    # What it shows behind a # is what it says: all of it at once is a policy, too.
    shown = "\n".join(
        line.removeprefix("# ") if " = " in line or "[[" in line else line for line in starter.split("\n")
    )
    assert parser_accepts(shown)
    assert schema_accepts(shown)


@given(st.lists(GOOD_LINES, max_size=4), st.lists(BAD_LINES, max_size=1), st.sampled_from(["policy", "package"]))
def test_they_agree_on_documents(good: list[tuple[str, str]], bad: list[tuple[str, str]], table: str) -> None:
    lines = {**dict(good), **dict(bad)}
    head = "[policy]" if table == "policy" else '[[package]]\nname = "pypi:six"'
    text = f"version = 1\n{head}\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())
    assert parser_accepts(text) is schema_accepts(text)
