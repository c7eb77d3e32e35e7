"""Which indexes stand behind the gateway, and how guard reaches them, from every place where pip's user can say so.

In the order in which they win (design, section 12): command line, requirement files, environment, guard.toml, pip's
configuration files.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from guard.constants import PYPI_HOST, PYPI_SIMPLE_URL
from guard.errors import ConfigInvalid
from guard.managers.pip.command import PipCommand
from guard.managers.pip.index_settings import IndexSettings
from guard.policy.schema import Anchors
from guard.registry.credentials import (
    Credentials,
    KeyringRunner,
    keyring_command,
    netrc_path_from_environment,
    origin_of,
    redact_url,
)
from guard.registry.http import Deadline, HttpClient
from guard.registry.http_settings import HttpSettings, settings_from_environment
from guard.registry.pypi import IndexClient, IndexSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Everything behind the gateway.

    Args:
        index_urls: in pip's order, credentials included where the user wrote them; empty for ``--no-index``.
        find_links: as given.
        client: asks them.
    """

    index_urls: tuple[str, ...]
    find_links: tuple[str, ...]
    client: IndexClient


def make_upstream(
    *,
    typed: PipCommand,
    configured: PipCommand,
    files: IndexSettings,
    anchors: Anchors,
    environ: Mapping[str, str],
    home: Path,
    deadline: Deadline,
) -> Upstream:
    """Return the indexes in force and a client for them.

    Args:
        typed: the command line.
        configured: the options of pip's configuration alone.
        files: what the requirement files set.
        anchors: of the policy in force.
        environ: the user's environment.
        home: the user's home folder.
        deadline: of the run.

    Raises:
        ConfigInvalid: an address cannot be used.
    """
    effective = typed.preceded_by(configured.options)
    index_urls = _index_urls(typed, configured, files, anchors, environ)
    find_links = (*effective.values("--find-links"), *files.find_links)
    http, credentials = make_http(
        effective, environ=environ, home=home, deadline=deadline, trusted_hosts=files.trusted_hosts
    )
    sources = [_index_source(url, credentials) for url in dict.fromkeys(index_urls)]
    provenance_url = anchors.provenance_url and credentials.add_url(anchors.provenance_url)
    links = [_absolute(link) for link in find_links]
    client = IndexClient(http, sources, find_links=links, provenance_url=provenance_url)
    return Upstream(index_urls=index_urls, find_links=find_links, client=client)


def make_http(
    effective: PipCommand,
    *,
    environ: Mapping[str, str],
    home: Path,
    deadline: Deadline,
    trusted_hosts: tuple[str, ...] = (),
) -> tuple[HttpClient, Credentials]:
    """Return the HTTP layer that pip's options and the environment ask for, and the logins that it uses.

    Args:
        effective: the command line with pip's configuration in front.
        environ: the user's environment.
        home: the user's home folder.
        deadline: of the run.
        trusted_hosts: further hosts that requirement files exempt from certificate checks.
    """
    settings = _http_settings(effective, environ, (*effective.values("--trusted-host"), *trusted_hosts))
    netrc_path = netrc_path_from_environment(environ, home)
    credentials = Credentials(netrc_path=netrc_path, keyring=_keyring(effective, environ))
    return HttpClient(settings=settings, credentials=credentials, deadline=deadline), credentials


def _index_source(url: str, credentials: Credentials) -> IndexSource:
    try:
        bare = credentials.add_url(url)
        return IndexSource(bare, is_public=origin_of(bare).host == PYPI_HOST)
    except ValueError as error:
        raise ConfigInvalid(f"{redact_url(url)} is not a valid index address: {error}") from error


def _index_urls(
    typed: PipCommand, configured: PipCommand, files: IndexSettings, anchors: Anchors, environ: Mapping[str, str]
) -> tuple[str, ...]:
    """Merge the places in which indexes are named.

    A requirement file's ``--index-url`` replaces whatever configuration names (``pip/_internal/req/req_file.py``,
    ``handle_option_line``); what was typed stays in force beside it.
    """
    if typed.has("--no-index") or configured.has("--no-index") or files.no_index:
        return ()
    typed_extra = typed.values("--extra-index-url")
    typed_index = typed.last("--index-url")
    if files.index_url is not None:
        return (typed_index or files.index_url, *typed_extra, *files.extra_index_urls)
    index_url = configured.last("--index-url") or PYPI_SIMPLE_URL
    if anchors.index_url is not None and not environ.get("PIP_INDEX_URL"):
        index_url = anchors.index_url
    extra = configured.values("--extra-index-url")
    if anchors.extra_indexes is not None and not environ.get("PIP_EXTRA_INDEX_URL"):
        extra = anchors.extra_indexes
    return (typed_index or index_url, *extra, *typed_extra, *files.extra_index_urls)


def _http_settings(effective: PipCommand, environ: Mapping[str, str], trusted_hosts: tuple[str, ...]) -> HttpSettings:
    settings = settings_from_environment(environ)
    proxy = effective.last("--proxy")
    if effective.has("--no-proxy-env"):
        settings = replace(settings, proxies=MappingProxyType({}), no_proxy="")
    if proxy is not None:
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        settings = replace(settings, proxies=MappingProxyType(proxies), no_proxy="")
    return replace(
        settings,
        ca_bundle=effective.last("--cert") or settings.ca_bundle,
        client_cert=effective.last("--client-cert"),
        trusted_hosts=frozenset(host.lower() for host in trusted_hosts),
    )


def _keyring(effective: PipCommand, environ: Mapping[str, str]) -> KeyringRunner | None:
    if effective.last("--keyring-provider") == "disabled":
        return None
    executable = shutil.which("keyring", path=environ.get("PATH"))
    return keyring_command(executable) if executable else None


def _absolute(link: str) -> str:
    return link if "://" in link or link.startswith("file:") else str(Path(link).expanduser().absolute())
