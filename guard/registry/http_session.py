"""The requests session behind the HTTP layer, and what its failures mean.

It takes nothing from the machine's state. The HTTP layer imports this module when it first asks for something.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from typing_extensions import override
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from guard import limits
from guard.once import Once
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
    adapter = _Adapter(settings)
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
    """Reads the trusted authorities once and not for each connection, which takes some 30 milliseconds every time.

    Connections share what was read where urllib3 puts nothing more into it: neither a certificate of the user's, which
    is for one host alone, nor the authorities for a proxy's own certificate.

    Authorities of the settings are trusted in place of all others; requests takes only files.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._authorities = "\n".join(settings.ca)
        self._contexts: Once[str, ssl.SSLContext] = Once()
        super().__init__(pool_connections=_POOL_CONNECTIONS_MAX_COUNT, pool_maxsize=_POOL_CONNECTIONS_MAX_COUNT)

    @override
    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> tuple[Any, Any]:
        attributes: tuple[Any, Any] = super().build_connection_pool_key_attributes(request, verify, cert)
        pool = attributes[1]
        if verify and self._may_share(request.url or "", cert):
            for name in ("ca_certs", "ca_cert_dir"):
                pool.pop(name, None)
            bundle = verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH
            pool["ssl_context"] = self._contexts.get(bundle, lambda: self._make_context(bundle))
        elif self._authorities and verify:
            # A context that requests shares between connections would know other authorities already.
            pool.pop("ssl_context", None)
            pool["ca_cert_data"] = self._authorities
        return attributes

    @override
    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:
        if verify and self._may_share(url, cert):
            return
        if verify and self._authorities and url.lower().startswith("https:"):
            # requests would name its own authorities first, and a connection that is opened meanwhile would trust them.
            conn.cert_reqs = "CERT_REQUIRED"
            conn.cert_file, conn.key_file = cert if isinstance(cert, tuple) else (cert, None)
            return
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]

    def _may_share(self, url: str, cert: Any) -> bool:
        proxies = self._settings.proxies_for(url).values()
        is_plain = not any(proxy.lower().startswith("https:") for proxy in proxies)
        return url.lower().startswith("https:") and cert is None and is_plain

    def _make_context(self, bundle: str) -> ssl.SSLContext:
        context = create_urllib3_context()
        if self._authorities:
            context.load_verify_locations(cadata=self._authorities)
        elif Path(bundle).is_dir():
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle)
        return context


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
