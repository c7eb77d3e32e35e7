"""Records a lock of every generation, or of those named; installs each tool first, which takes minutes."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.locktools.generations import GENERATIONS

RECORDED = Path(__file__).parents[1] / "unit" / "data" / "lockfiles"


def main(names: list[str]) -> None:
    for generation in GENERATIONS:
        if names and generation.id not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            program = generation.install(Path(folder) / "tool")
            lock, said = generation.lock(program, Path(folder) / "world")
        target = RECORDED / generation.id
        target.mkdir(parents=True, exist_ok=True)
        (target / generation.file_name).write_text(lock)
        (target / "said.json").write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
