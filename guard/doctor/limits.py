"""Ways past every shim, which neither PATH nor a shell's function sees: the same everywhere, and always said."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from guard.doctor.model import Row, State

# What each is called, what it is, and what to type instead.
LIMITS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "absolute-path": (
            "pip, npm or a script of an environment that is called by its path, by you or an editor's own interpreter",
            "guard pip --python PATH_OF_PYTHON install …",
        ),
        "module-in-program": (
            "python -m pip, import pip, ensurepip or a zipped pip in fish, a program, or by a Python's path or version",
            "guard pip --python PATH_OF_PYTHON install …",
        ),
        "path-set-anew": (
            "env -i, sudo, su, cron, containers, and scripts that put a folder of their own in front of PATH",
            'guard pip install …, or PATH="$(dirname "$(command -v pip)"):$PATH" inside of it',
        ),
        "unread-startup-file": (
            "shells that read no startup file (sh, bash -c, bash --norc), where whoever starts them is not guarded",
            'eval "$(guard shims install --no-shell)"',
        ),
        "other-means": (
            "curl, git, system packages, and installers that guard does not know",
            "install Python and JavaScript packages with pip and npm, or with a client that guard has a command for",
        ),
        "allowed-code": (
            "what an allowed package does while it builds, installs or runs, other than by the plain words",
            'install-scripts = "block" and sdist = "block" in guard.toml',
        ),
    }
)


def evaluate_limits() -> list[Row]:
    """Return a row for each of them."""
    return [
        Row(check="limit", subject=name, state=State.NOTE, message=f"not seen by shims: {what}", fix=instead)
        for name, (what, instead) in LIMITS.items()
    ]
