"""How the network is reached: proxies, certificates and hosts that the user trusts without one."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from guard.registry.credentials import Origin, origin_of


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How the network is reached.

    Args:
        proxies: proxy URL by scheme (``http``, ``https``, ``all``); may hold credentials, so it is never printed.
        no_proxy: hosts that are reached directly, separated by commas, as ``NO_PROXY`` is written.
        ca_bundle: file or folder of CA certificates; ``None`` for the bundled ones.
        client_cert: PEM file with a client certificate and its key.
        trusted_hosts: ``HOST`` or ``HOST:PORT`` whose certificates are not checked, as pip's ``--trusted-host``.
        ca: CA certificates as PEM texts, in place of ``ca_bundle``, as npm's ``ca``.
        strict_ssl: whether certificates are checked at all, as npm's ``strict-ssl``.
    """

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    no_proxy: str = ""
    ca_bundle: str | None = None
    client_cert: str | None = None
    trusted_hosts: frozenset[str] = frozenset()
    ca: tuple[str, ...] = ()
    strict_ssl: bool = True

    def proxies_for(self, url: str) -> dict[str, str]:
        """Return the proxies to use for ``url``, by scheme; none where ``no_proxy`` names its host."""
        origin = origin_of(url)
        entries = (entry.strip().lower() for entry in self.no_proxy.split(","))
        return {} if any(_names(entry, origin) for entry in entries) else dict(self.proxies)

    def is_trusted_host(self, url: str) -> bool:
        """Whether the user exempted the host of ``url`` from certificate checks."""
        origin = origin_of(url)
        return not self.trusted_hosts.isdisjoint({origin.host, f"{origin.host}:{origin.port}"})

    def checks_certificate(self, url: str) -> bool:
        """Whether the certificate of the host of ``url`` must be one that is trusted."""
        return self.strict_ssl and not self.is_trusted_host(url)

    def is_secure(self, url: str) -> bool:
        """Whether pip would take packages from ``url``: https, this machine, a file, or a trusted host.

        Source: pip's "secure origins", which are those of Chromium's "Secure Contexts" with file added.
        """
        origin = origin_of(url)
        return origin.scheme in ("https", "file") or is_loopback(origin.host) or self.is_trusted_host(url)


def settings_from_environment(environ: Mapping[str, str]) -> HttpSettings:
    """Read what requests would read from the environment.

    Args:
        environ: the process environment. A lower-case proxy name wins over the upper-case one, even when empty;
            ``REQUESTS_CA_BUNDLE`` over ``CURL_CA_BUNDLE`` over ``SSL_CERT_FILE``.
    """

    def either(name: str) -> str:
        return environ.get(name.lower(), environ.get(name.upper(), ""))

    proxies = {scheme: either(f"{scheme}_proxy") for scheme in ("http", "https", "all")}
    ca_names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    return HttpSettings(
        proxies=MappingProxyType({scheme: url for scheme, url in proxies.items() if url}),
        no_proxy=either("no_proxy"),
        ca_bundle=next((environ[name] for name in ca_names if environ.get(name)), None),
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself (RFC 1122 section 3.2.1.3, RFC 6761 section 6.3)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _names(entry: str, origin: Origin) -> bool:
    """Whether an entry of ``NO_PROXY`` names a host: as ``*``, name, domain, ``HOST:PORT``, address or CIDR."""
    if entry == "*":
        return True
    name, colon, port = entry.rpartition(":")
    if colon and port.isdigit() and (not name.count(":") or name.startswith("[")):
        return port == str(origin.port) and _names(name, origin)
    domain = entry.strip("[]").lstrip(".")
    return bool(domain) and (f".{origin.host}".endswith(f".{domain}") or _is_inside(origin.host, domain))


def _is_inside(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
