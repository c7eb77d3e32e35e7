"""Issuers of identity tokens whose certificates are read in a way of their own; compared exactly, letter for letter.

Source: Fulcio, ``config/identity/config.yaml``.
"""

from __future__ import annotations

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
GITLAB_ISSUER = "https://gitlab.com"
