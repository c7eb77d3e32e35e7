"""The requests session behind the HTTP layer, and what its failures mean.

It takes nothing from the machine's state. The HTTP layer imports this module when it first asks for something.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3.exceptions import HTTPError

from guard import limits
from guard.registry.http_settings import HttpSettings

# All that sending a request raises.
FAILURES = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError)

_POOL_CONNECTIONS_MAX_COUNT = limits.GATEWAY_THREADS + limits.PREFETCH_WORKERS


def open_session(settings: HttpSettings, *, user_agent: str) -> requests.Session:
    """Open a session with a pool as large as all of guard's threads.

    Args:
        settings: how the network is reached.
        user_agent: value of the header.
    """
    if settings.trusted_hosts or not settings.strict_ssl:
        # The user asked for it by name; neither pip nor npm warns on each request.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    session = requests.Session()
    session.trust_env = False
    session.headers["User-Agent"] = user_agent
    adapter = _Adapter("\n".join(settings.ca))
    for scheme in ("http", "https"):
        session.mount(f"{scheme}://", adapter)
    return session


def explain_failure(error: Exception) -> tuple[str, bool]:
    """Say why no answer came, and whether another attempt is pointless.

    The libraries' own messages are not used: they hold the whole URL, and proxy addresses with passwords.
    """
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"has a certificate that is not trusted: {cause.verify_message}", True
    if isinstance(error, requests.Timeout):
        return "did not answer in time", False
    if isinstance(error, ValueError):
        return "cannot be requested: its address, or its proxy's, is not valid", True
    proxy = " through the proxy" if isinstance(error, requests.exceptions.ProxyError) else ""
    words = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), None)
    return f"cannot be reached{proxy}: {words or 'the connection was closed'}", False


class _Adapter(HTTPAdapter):
    """Trusts the authorities of a PEM text, where there is one, in place of all others; requests takes only files."""

    def __init__(self, authorities: str) -> None:
        self._authorities = authorities
        super().__init__(pool_connections=_POOL_CONNECTIONS_MAX_COUNT, pool_maxsize=_POOL_CONNECTIONS_MAX_COUNT)

    @override
    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> tuple[Any, Any]:
        attributes: tuple[Any, Any] = super().build_connection_pool_key_attributes(request, verify, cert)
        if self._authorities and verify:
            pool = attributes[1]
            # A context that requests shares between connections would know other authorities already.
            pool.pop("ssl_context", None)
            pool["ca_cert_data"] = self._authorities
        return attributes

    @override
    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        if self._authorities:
            conn.ca_certs = None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
