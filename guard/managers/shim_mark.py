"""How guard knows its own shims, so that it never takes one for the tool."""

from __future__ import annotations

# Stands in the first bytes of every shim that guard installs.
SHIM_MARK = b"provenance-guard shim"
HEAD_BYTES = 4096
