"""The table of an evaluation: what guard's reports say of lockfiles, counted."""

from __future__ import annotations

from pathlib import Path

from tests.evaluation.audit import AuditedLock
from tests.evaluation.table import render_header, render_row, render_total


def audited(name: str, *, allow: int, block: int, rules: dict[tuple[str, str], int]) -> AuditedLock:
    summary = {"artifacts": allow + block, "allow": allow, "warn": 0, "block": block, "undecided": 0, "not_decided": 3}
    return AuditedLock(
        lockfile=Path("/projects") / name / "uv.lock",
        exit_code=10 if block else 0,
        summary=summary,
        rules=rules,
        wall_seconds=2.04,
        cpu_seconds=1.0,
    )


def test_a_row_for_each_lockfile_and_one_for_all() -> None:
    quiet = audited("quiet", allow=5, block=0, rules={})
    loud = audited("loud", allow=1, block=2, rules={("note", "yanked"): 1, ("block", "hash-mismatch"): 2})
    assert render_header().splitlines()[0].startswith("| lockfile | entries | decided | allow |")
    assert render_row(quiet) == "| quiet/uv.lock | 8 | 5 | 5 | 0 | 0 | 0 | none | 2.0 | 1.0 |"
    assert render_total([quiet, loud]) == (
        "| 2 lockfiles | 14 | 8 | 6 | 0 | 2 | 0 | 2 block hash-mismatch, 1 note yanked | 4.1 | 2.0 |"
    )


def test_what_the_listing_alone_blocks_is_told_from_the_rest() -> None:
    rules = {("block", "yanked"): 1, ("warn", "hash-weak"): 4, ("block", "provenance-invalid"): 2}
    assert audited("one", allow=0, block=3, rules=rules).listing_blocks == 1
