"""``python -m tests.npm_locktools FOLDER [ID…]``: record anew what package managers lock; see ``tools.py``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.npm_locktools.recording import install_tools, record
from tests.npm_locktools.tools import RECORDINGS, TOOLS


def main(folder: Path, ids: list[str]) -> None:
    """Install the tools into a folder, unless it is there, and replace recordings."""
    if not folder.exists():
        install_tools(folder)
    for tool in TOOLS:
        if ids and tool.id not in ids:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            recording = record(tool, folder, Path(scratch))
        target = RECORDINGS / tool.id
        target.mkdir(parents=True, exist_ok=True)
        (target / tool.lockfile).write_text(recording.lockfile)
        (target / "said.json").write_text(json.dumps(recording.listing, indent=1) + "\n")
        print(tool.id, len(recording.listing))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
