"""The command lines and the environment that guard gives to the user's pip."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from guard import limits
from guard.gateway.index import Delivered
from guard.gateway.server import Gateway
from guard.managers.pip.command import Option, PipCommand
from guard.managers.pip.options import OPTIONS, Treatment, names_treated
from guard.managers.pip.target import Target
from guard.store.files import StoredFile

# The first pip that takes digests from a constraints file, so that `--require-hashes -c PLAN` keeps the user's own
# command line.
FIRST_WITH_HASHED_CONSTRAINTS = (26, 1)

_OPTION_NAMES = frozenset(name for spec in OPTIONS for name in spec.names)
_LOUDNESS = frozenset({"--quiet", "--verbose"})
_FILE_OPTIONS = ("--requirement", "--constraint", "--build-constraint")


def through_gateway(command: PipCommand, gateway: Gateway, copies: Mapping[str, str]) -> PipCommand:
    """Return a command that reaches nothing but the gateway.

    Args:
        command: as the user gave it, configuration in front.
        gateway: the index and proxy to use.
        copies: private copy of each requirement and constraint file, by the name the user gave.
    """
    kept = command.without(names_treated(Treatment.INDEX) | names_treated(Treatment.NETWORK) | {"--python"})
    for name in _FILE_OPTIONS:
        kept = kept.replacing(name, copies)
    return kept.without({"--no-require-hashes"}).preceded_by(
        [
            Option("--index-url", f"{gateway.url}/simple"),
            Option("--proxy", gateway.url),
            # A body is held back until its digest is known: the time limit is guard's, not pip's.
            Option("--timeout", str(int(limits.RUN_DEADLINE_SECONDS))),
            Option("--retries", "0"),
            Option("--no-cache-dir"),
            Option("--disable-pip-version-check"),
        ]
    )


def resolving(command: PipCommand, report: Path) -> PipCommand:
    """Return the command that only resolves: changing nothing, writing an installation report.

    It speaks as loudly as the user asked: where no installation follows, what it said is all that pip has to say.
    """
    kept = command.without(names_treated(Treatment.RESULT) - _LOUDNESS)
    return kept.followed_by([Option("--dry-run"), Option("--report", str(report))])


def bound_to_plan(
    command: PipCommand, target: Target, plan: Iterable[tuple[Delivered, StoredFile]], *, folder: Path, hashable: bool
) -> tuple[PipCommand, str]:
    """Return the user's command, held to the decided versions and, where pip can, to their digests.

    pip 26.1 and newer take ``--require-hashes`` with digests from constraints. Older ones get the versions as
    constraints; the digests stand in the links of the closed gateway, and pip compares those too.

    Args:
        command: through the closed gateway.
        target: the pip that will run it.
        plan: decided files.
        folder: private folder of the run.
        hashable: whether every planned item is a file of an index: pip can hash neither folders nor repositories.

    Returns:
        The command, and who compares the installed bytes with their digest: ``pip-hash`` or ``gateway``.
    """
    files = list(plan)
    if not files:
        return command, "gateway"
    with_hashes = hashable and target.release >= FIRST_WITH_HASHED_CONSTRAINTS
    constraints = folder / "plan.txt"
    constraints.write_text("".join(_constraint(item, stored, with_hashes=with_hashes) for item, stored in files))
    bound = command.followed_by([Option("--constraint", str(constraints))])
    if not with_hashes:
        return bound, "gateway"
    return bound.followed_by([Option("--require-hashes")]), "pip-hash"


def pip_environment(
    environ: Mapping[str, str], gateway: Gateway, folder: Path, *, named: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return the environment for pip: the user's, without anything that could lead past the gateway.

    ``PIP_INDEX_URL`` and ``PIP_PROXY`` are for a pip that a build backend starts by itself: it finds the gateway, too.

    Args:
        environ: the user's environment.
        gateway: the index and proxy to use.
        folder: private folder of the run.
        named: variables that requirement files mention; they stay, unless they are settings of pip's.
    """
    netrc = folder / f"netrc-{gateway.port}"
    netrc.touch(mode=0o600)
    netrc.write_text(gateway.netrc)
    mentioned = {name for name in named if not _is_setting(name)}
    kept = {name: value for name, value in environ.items() if name in mentioned or not _leads_past(name)}
    return kept | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": f"{gateway.url}/simple",
        "PIP_PROXY": gateway.url,
        "PIP_DEFAULT_TIMEOUT": str(int(limits.RUN_DEADLINE_SECONDS)),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "NETRC": str(netrc),
        "GIT_ALLOW_PROTOCOL": "none",
    }


def _leads_past(name: str) -> bool:
    # requests lets the environment's proxies win over the one that pip was given on its command line.
    return name.upper().startswith("PIP_") or name.lower().endswith("_proxy") or name == "NETRC"


def _is_setting(name: str) -> bool:
    option = "--" + name.removeprefix("PIP_").lower().replace("_", "-")
    return name.lower().endswith("_proxy") or name in ("NETRC", "PIP_CONFIG_FILE") or option in _OPTION_NAMES


def _constraint(item: Delivered, stored: StoredFile, *, with_hashes: bool) -> str:
    line = f"{item.project.name}=={item.file.version}"
    return f"{line} --hash=sha256:{stored.sha256.hex}\n" if with_hashes else f"{line}\n"
