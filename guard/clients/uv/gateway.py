"""Running uv against guard's index: each file is decided when uv asks for it, and nothing else can be reached.

uv has every file before it installs the first one. The first index that has a name owns it, and guard's comes first;
what is asked of another one arrives at guard as at a proxy, and ends the run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from guard import limits
from guard.clients.engines import IndexEngines
from guard.clients.session import Session
from guard.clients.uv.settings import INDEX_VARIABLES
from guard.constants import PYPI_SIMPLE_URL
from guard.engine.outcome import Outcome
from guard.gateway.index import OpenSite
from guard.gateway.server import Gateway
from guard.managers.pip.index_settings import IndexSettings
from guard.managers.process import OutputFilter, run_relayed
from guard.registry.credentials import redact_url

_NOT_COMPARING = frozenset({"UV_NO_VERIFY_HASHES", "UV_VERIFY_HASHES"})


def plain_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the user's environment without what would make uv fetch an interpreter or a repository, or not compare."""
    kept = {name: value for name, value in environ.items() if name not in _NOT_COMPARING}
    return {**kept, "UV_PYTHON_DOWNLOADS": "never", "GIT_ALLOW_PROTOCOL": "none"}


def run_deciding(
    session: Session,
    engines: IndexEngines,
    index: IndexSettings | None,
    arguments: Sequence[str],
    *,
    own_cache: bool,
    variables: Mapping[str, str] | None = None,
    finish: Callable[[Gateway], None] = lambda _: None,
) -> Outcome:
    """Run uv once, each file decided when it is asked for.

    Args:
        session: the run.
        engines: of it.
        index: the indexes that uv would ask.
        arguments: of uv, without any that name an index.
        own_cache: whether uv's cache is new: what was never decided must not come from an old one.
        variables: more of the environment.
        finish: called before guard's index ends, to mend what uv wrote.

    Returns:
        What was decided, and uv's status where nothing was refused.
    """
    settings = index or IndexSettings()
    site = OpenSite(engines.pypi(settings), wheel_metadata=True)
    with Gateway(site) as gateway:
        environ = _environment(session, gateway, own_cache=own_cache) | dict(variables or {})
        session.progress.stop()
        status = run_relayed(
            [str(session.program), *arguments],
            environ=environ,
            make_filter=lambda: _make_filter(gateway, site, settings),
        )
        finish(gateway)
    site.raise_crash()
    judged = (*(item.judged for item in site.delivered), *site.refused)
    findings = (*site.findings, *gateway.foreign_hosts, *(site.explain_failure() if status else ()))
    outcome = Outcome(judged=judged, findings=findings, planned=len(judged), held_back=site.held_back)
    return replace(outcome, tool_status=status) if outcome.allowed else outcome


def _environment(session: Session, gateway: Gateway, *, own_cache: bool) -> dict[str, str]:
    netrc = session.folder / f"netrc-{gateway.port}"
    netrc.touch(mode=0o600)
    netrc.write_text(gateway.netrc)
    kept = {
        name: value
        for name, value in session.app.environ.items()
        if not name.lower().endswith("_proxy")
        and name not in (*INDEX_VARIABLES, "UV_NO_CACHE")
        and not name.startswith("PIP_")
    }
    proxy = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), gateway.url)
    cache = {"UV_CACHE_DIR": str(session.folder / "uv-cache")} if own_cache else {}
    return plain_environment(kept) | {
        **proxy,
        **cache,
        "NO_PROXY": "127.0.0.1",
        "UV_INDEX": f"{gateway.url}/simple",
        "UV_HTTP_TIMEOUT": str(int(limits.RUN_DEADLINE_SECONDS)),
        "UV_HTTP_RETRIES": "0",
        "NETRC": str(netrc),
        # For a pip that a build backend starts by itself.
        "PIP_INDEX_URL": f"{gateway.url}/simple",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_PROXY": gateway.url,
    }


def _make_filter(gateway: Gateway, site: OpenSite, index: IndexSettings) -> OutputFilter:
    first = redact_url(index.index_url or PYPI_SIMPLE_URL)

    def replace_address(text: str) -> str:
        path = urlsplit(text).path
        file = site.find_file(path.removesuffix(".metadata")) if path.startswith("/files/") else None
        return redact_url(file.url) if file is not None else first.rstrip("/") + path.removeprefix("/simple")

    return OutputFilter([gateway.url], replace_address)
