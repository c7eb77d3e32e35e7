"""The keys of npm registries: a file that the user names, else each registry's own list, else what guard ships.

npm's client asks Sigstore's TUF repository for the public registry's keys and other registries themselves. guard asks
every registry itself, which is fresh, and knows the public registry's keys from that TUF repository as of its release.
They stand in where a registry has no list (404): most mirrors pass on what the public registry signed and not its keys.
A registry that cannot be reached is not one without keys, so that an outage never decides which keys are believed.
"""

from __future__ import annotations

from importlib import resources

from guard.attest.npm import RegistryKeys
from guard.attest.npm_signature import RegistryKey, parse_registry_keys
from guard.errors import MalformedInput, NotFound, Unavailable
from guard.model import UnavailableCause
from guard.once import Once
from guard.registry.credentials import redact_url
from guard.registry.npm import NpmClient

_DENIALS = frozenset({401, 403})


class NpmKeys:
    """Loads each registry's keys once a run.

    Args:
        client: asks registries.
        given: those of a file that the policy names, which are then the only ones.
    """

    def __init__(self, client: NpmClient, given: tuple[RegistryKey, ...] | None) -> None:
        self._client = client
        self._given = given
        self._loaded: Once[str, RegistryKeys] = Once()

    def load(self, registry: str) -> RegistryKeys:
        """Return the keys of a registry, or why there are none. Never raises for what a server sends.

        Args:
            registry: its URL.
        """
        if self._given is not None:
            return RegistryKeys(known=self._given)
        return self._loaded.get(registry, lambda: self._load(registry))

    def _load(self, registry: str) -> RegistryKeys:
        try:
            return RegistryKeys(known=parse_registry_keys(self._client.fetch_keys(registry)))
        except NotFound:
            reason = f"{redact_url(registry).rstrip('/')} serves no keys"
            return RegistryKeys(known=load_shipped_keys(), cause=UnavailableCause.NOT_SERVED, reason=reason)
        except Unavailable as error:
            denied = error.status in _DENIALS
            cause = UnavailableCause.ACCESS_DENIED if denied else UnavailableCause.OUTAGE
            return RegistryKeys(cause=cause, reason=error.message)
        except MalformedInput as error:
            return RegistryKeys(reason=error.message)


def load_shipped_keys() -> tuple[RegistryKey, ...]:
    """Return the public registry's keys that guard ships: its ``keys.json`` among Sigstore's TUF targets."""
    return parse_registry_keys((resources.files("guard") / "data" / "npm_keys.json").read_bytes())
