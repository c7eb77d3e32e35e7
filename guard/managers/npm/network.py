"""Where npm's settings lead: registries, the credentials for them, proxies and certificates."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit, urlunsplit

import certifi

from guard.constants import NPM_REGISTRY_URL
from guard.errors import ConfigInvalid
from guard.managers.npm.ini import IniValue
from guard.managers.npm.npmrc import Level, is_true
from guard.registry.credentials import redact_url
from guard.registry.http_settings import HttpSettings, settings_from_environment
from guard.registry.npm import NpmRegistries

SCOPED_REGISTRY = re.compile(r"(@[^/:]+):registry")

_CREDENTIALS = frozenset({"_auth", "_authToken", "_password", "certfile", "keyfile", "username"})
# In the order in which npm looks at them for an http URL; the last one names hosts that are reached directly.
_PROXY_VARIABLES = ("https_proxy", "http_proxy", "proxy", "no_proxy")


def registries_of(settings: Level) -> NpmRegistries:
    """Return the registries as ``pickRegistry`` of npm-registry-fetch chooses them.

    The registry of the scope that ``--scope`` names stands in for the default one.

    Args:
        settings: of all levels.

    Raises:
        ConfigInvalid: one of them is not an address.
    """
    scopes = {
        match[1]: _registry_url(key, value)
        for key, value in settings.items()
        if (match := SCOPED_REGISTRY.fullmatch(key)) and is_true(value)
    }
    scope = settings.get("scope")
    default = scopes.get(f"@{scope.removeprefix('@')}") if isinstance(scope, str) and scope else None
    return NpmRegistries(
        default=default or _registry_url("registry", settings.get("registry") or NPM_REGISTRY_URL),
        scopes=MappingProxyType(scopes),
    )


def _registry_url(key: str, value: IniValue) -> str:
    """Return the URL that a setting names, with a slash at its end and without credentials."""
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        shown = redact_url(value) if isinstance(value, str) and "://" in value else "what it says"
        raise ConfigInvalid(f"npm's setting {key}: {shown} is not the address of a registry")
    netloc = parts.netloc.rpartition("@")[2].lower()
    return urlunsplit((parts.scheme, netloc, f"{parts.path.rstrip('/')}/", "", ""))


def credentials_of(settings: Level) -> Mapping[str, Mapping[str, str]]:
    """Return what is set under nerf darts, and the logins that stand in registry URLs.

    Args:
        settings: of all levels.
    """
    auth: dict[str, dict[str, str]] = {}
    for key, value in settings.items():
        dart, _, name = key.rpartition(":")
        if key.startswith("//") and name in _CREDENTIALS and isinstance(value, str) and value:
            auth.setdefault(dart, {})[name] = value
    for key, value in settings.items():
        if (key == "registry" or SCOPED_REGISTRY.fullmatch(key)) and isinstance(value, str) and "@" in value:
            userinfo = urlsplit(value).netloc.rpartition("@")[0]
            if userinfo:
                dart = _registry_url(key, value).partition(":")[2]
                auth.setdefault(dart, {"_auth": base64.b64encode(unquote(userinfo).encode()).decode()})
    return MappingProxyType({dart: MappingProxyType(entry) for dart, entry in auth.items()})


def http_settings_of(levels: Iterable[Level], environ: Mapping[str, str]) -> HttpSettings:
    """Return how npm reaches the network (``@npmcli/agent/lib/proxy.js``, ``make-fetch-happen/lib/options.js``).

    Args:
        levels: the weakest first.
        environ: the user's environment.
    """
    levels = tuple(levels)
    settings = {key: value for level in levels for key, value in level.items()}
    variables = {name.lower(): value for name, value in environ.items() if name.lower() in _PROXY_VARIABLES}
    named = (settings.get(key) for key in ("https-proxy", "proxy"))
    proxy = next((value for value in named if isinstance(value, str) and value), None)
    proxies = {
        "https": proxy or variables.get("https_proxy"),
        "http": proxy or next((variables[name] for name in _PROXY_VARIABLES[:3] if variables.get(name)), None),
    }
    spared = settings.get("noproxy")
    no_proxy = ",".join(str(item) for item in spared) if isinstance(spared, list) else str(spared or "")
    strict = settings.get("strict-ssl")
    ca_bundle, ca = _authorities(levels, environ)
    return HttpSettings(
        proxies=MappingProxyType({scheme: url for scheme, url in proxies.items() if url}),
        no_proxy=no_proxy or variables.get("no_proxy", ""),
        ca_bundle=ca_bundle,
        ca=ca,
        strict_ssl=environ.get("NODE_TLS_REJECT_UNAUTHORIZED") != "0" if strict is None else strict is not False,
    )


def _authorities(levels: Iterable[Level], environ: Mapping[str, str]) -> tuple[str | None, tuple[str, ...]]:
    """Return the file or the texts of the CA certificates: the strongest of ``ca`` and ``cafile``.

    Where there is neither, Node adds the file that NODE_EXTRA_CA_CERTS names to the ones it has.
    """
    bundle: str | None = None
    texts: tuple[str, ...] = ()
    for level in levels:
        for key, value in level.items():
            if key == "ca":
                listed = value if isinstance(value, list) else []
                bundle, texts = None, tuple(text for text in listed if isinstance(text, str) and text)
            elif key == "cafile" and isinstance(value, str) and Path(value).exists():
                bundle, texts = value, ()
    extra = environ.get("NODE_EXTRA_CA_CERTS")
    if bundle or texts:
        return bundle, texts
    if extra and Path(extra).is_file():
        return None, tuple(
            Path(path).read_text(encoding="ascii", errors="replace") for path in (certifi.where(), extra)
        )
    return settings_from_environment(environ).ca_bundle, ()
