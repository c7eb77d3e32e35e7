"""The documentation says what the code does, both ways."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from guard.errors import ExitCode
from guard.model import RuleId
from guard.policy.rules import RULES
from guard.policy.schema import KEYS, RULE_OF_KEY, RULES_WITHOUT_EXCEPTION, parse_policy
from guard.report.rule_meanings import RULE_MEANINGS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def sections(name: str, level: str) -> dict[str, str]:
    parts = re.split(rf"^{level} (.+)$", (DOCS / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def keys_of_tables(text: str) -> set[str]:
    return set(re.findall(r"^\| `([a-z_.-]+)` \|", text, flags=re.MULTILINE))


def toml_example(name: str) -> str:
    _, example, _ = re.split(r"^```(?:toml)?$", (DOCS / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return example


def test_every_rule_has_a_section_and_every_section_a_rule() -> None:
    assert list(sections("rules.md", "##")) == [rule.value for rule in RuleId]


@pytest.mark.parametrize("rule", RuleId, ids=lambda rule: rule.value)
def test_reports_say_the_first_sentence_of_a_rules_meaning(rule: RuleId) -> None:
    _, _, meaning = sections("rules.md", "##")[rule.value].partition("**Meaning.** ")
    assert f"{' '.join(meaning.split())} ".startswith(f"{RULE_MEANINGS[rule]} ")
    assert RULE_MEANINGS[rule].endswith(".")


@pytest.mark.parametrize("rule", RuleId, ids=lambda rule: rule.value)
def test_a_section_says_what_it_means_how_to_mend_it_and_how_to_except_it(rule: RuleId) -> None:
    text = sections("rules.md", "##")[rule.value]
    assert re.findall(r"^\*\*(.+?)\.\*\*", text, flags=re.MULTILINE) == ["Meaning", "Mend", "Setting, exception"]
    assert (f'rule = "{rule.value}"' in text) is (rule not in RULES_WITHOUT_EXCEPTION)


def test_every_rule_says_what_why_and_where_from() -> None:
    for rule in RULES:
        assert "Source:" in (rule.__doc__ or ""), rule.ID


def test_the_policy_page_has_exactly_the_keys_of_the_schema() -> None:
    known = {f"{table}.{key}" if table else key for table, keys in KEYS.items() for key in keys}
    tables = set(KEYS) - {""}
    text = (DOCS / "policy.md").read_text(encoding="utf-8")
    assert keys_of_tables(text) == known - (tables - {"package.identity"})
    for table in tables:
        assert re.search(rf"^### `\[+{re.escape(table)}\]+`$", text, flags=re.MULTILINE), table


def test_the_example_on_the_policy_page_is_a_policy() -> None:
    example = toml_example("policy.md")
    file = parse_policy(example.encode(), path="guard.toml")
    assert (len(file.packages), len(file.exceptions)) == (1, 1)


def test_the_example_on_the_rules_page_is_an_exception() -> None:
    example = toml_example("rules.md")
    assert parse_policy(f"version = 1\n{example}".encode(), path="guard.toml").exceptions


def test_the_pages_name_the_policy_keys_that_are_exceptions() -> None:
    for name in ("rules.md", "policy.md"):
        text = (DOCS / name).read_text(encoding="utf-8")
        for key, rule in RULE_OF_KEY.items():
            assert f'"{key}"' in text
            assert f"`{rule.value}`" in text


def test_the_exit_statuses_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(\d+)` \| `([a-z_]+)` \|", sections("report.md", "##")["Exit status"], flags=re.MULTILINE)
    assert rows == [(str(code.value), code.name.lower()) for code in ExitCode]


def test_the_report_page_has_exactly_the_fields_of_the_schema() -> None:
    schema = json.loads((ROOT / "guard" / "data" / "guard-report-1.schema.json").read_text(encoding="utf-8"))
    fields = sections("report.md", "##")["Fields"]
    top = fields.split("### ")[0]
    assert keys_of_tables(top) == set(schema["properties"])
    pages = sections("report.md", "###")
    assert keys_of_tables(pages["An artifact"]) == set(schema["$defs"]["artifact"]["properties"])
    assert keys_of_tables(pages["A finding"]) == set(schema["$defs"]["finding"]["properties"])
    for definition in ("identity", "evidence", "location"):
        for field in schema["$defs"][definition]["properties"]:
            assert f"`{field}`" in fields, field
