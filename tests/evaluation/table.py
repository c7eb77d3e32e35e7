"""The table of an evaluation, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.evaluation.audit import AuditedLock

_COLUMNS = ("lockfile", "entries", "decided", "allow", "warn", "block", "undecided", "findings", "wall s", "CPU s")
_VERDICTS = ("allow", "warn", "block", "undecided")
_LEVELS = ("block", "undecided", "warn", "note")


def render_header() -> str:
    """Return the table's head."""
    return f"{_line(_COLUMNS)}\n{_line(['---', *['---:'] * 6, '---', '---:', '---:'])}"


def render_row(audited: AuditedLock) -> str:
    """Return the row of one lockfile, called by its folder and name."""
    name = f"{audited.lockfile.parent.name}/{audited.lockfile.name}"
    return _row(name, [audited])


def render_total(audited: Sequence[AuditedLock]) -> str:
    """Return the row of all of them."""
    return _row(f"{len(audited)} lockfiles", audited)


def _row(name: str, audited: Sequence[AuditedLock]) -> str:
    counts: Counter[str] = Counter()
    rules: Counter[tuple[str, str]] = Counter()
    for each in audited:
        counts.update(each.summary)
        rules.update(each.rules)
    entries = sum(each.entries for each in audited)
    decided = [counts["artifacts"], *(counts[verdict] for verdict in _VERDICTS)]
    seconds = [f"{sum(each.wall_seconds for each in audited):.1f}", f"{sum(each.cpu_seconds for each in audited):.1f}"]
    return _line([name, str(entries), *map(str, decided), _rules(rules), *seconds])


def _rules(rules: Counter[tuple[str, str]]) -> str:
    ordered = sorted(rules.items(), key=lambda item: (_LEVELS.index(item[0][0]), item[0][1]))
    return ", ".join(f"{count} {level} {rule}" for (level, rule), count in ordered) or "none"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
