"""Imports that are made while the tool starts, not when it, or the user at the prompt, waits for them."""

from __future__ import annotations

import importlib


def import_ahead() -> None:
    """Import what the first request and the end of a run need; call it in the background."""
    for name in ("guard.registry.http_session", "guard.report.json_report", "guard.report.text"):
        importlib.import_module(name)
