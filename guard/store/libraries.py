"""Which libraries stand behind guard's verifier, told without importing any of them.

``importlib.metadata`` takes 40 ms to import, more than all else that looks up a thousand remembered facts; the names of
the folders that it would read say the same (PyPA, "Recording installed projects").
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

_SUFFIX = ".dist-info"


def library_versions(names: tuple[str, ...]) -> str:
    """Return ``NAME-VERSION`` of each library, divided by spaces.

    Args:
        names: of distributions that are named like the package which they install.
    """
    return " ".join(_version_of(name) for name in names)


def _version_of(name: str) -> str:
    spec = find_spec(name)
    folder = Path(spec.origin).parent.parent if spec is not None and spec.origin is not None else None
    entries = [] if folder is None else os.listdir(folder)  # noqa: PTH208  thousands of names, no need for paths
    found = [each for each in entries if each.startswith(f"{name}-") and each.endswith(_SUFFIX)]
    if len(found) == 1:
        return found[0].removesuffix(_SUFFIX)
    from importlib import metadata

    return f"{name}-{metadata.version(name)}"
