"""Prints the tables: ``python -m tests.bypass``."""

from __future__ import annotations

from tests.bypass.table import render_summary, render_table

print(render_summary())
print(render_table())
