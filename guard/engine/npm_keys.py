"""The keys of npm registries: a file that the user names, else each registry's own list, else what guard ships.

npm's client asks Sigstore's TUF repository for the public registry's keys and other registries themselves. guard asks
every registry itself, which is fresh, and knows the public registry's keys from that TUF repository as of its release.
They stand in where a registry has no list (404): most mirrors pass on what the public registry signed and not its keys.
A registry that cannot be reached is not one without keys, so that an outage never decides which keys are believed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from importlib import resources
from urllib.parse import urlsplit

from guard.attest.npm import RegistryKeys
from guard.attest.npm_signature import RegistryKey, parse_registry_keys
from guard.engine.recollection import Recollection
from guard.errors import GuardError, MalformedInput, NotFound, Unavailable
from guard.model import UnavailableCause
from guard.once import Once
from guard.registry.credentials import redact_url
from guard.registry.npm import NpmClient, NpmRegistries
from guard.store.facts import Answer

_DENIALS = frozenset({401, 403})


class NpmKeys:
    """Loads each registry's keys once a run.

    Args:
        client: asks registries.
        given: those of a file that the policy names, which are then the only ones.
        recollection: what an audit knows without asking.
    """

    def __init__(
        self, client: NpmClient, given: tuple[RegistryKey, ...] | None, recollection: Recollection | None = None
    ) -> None:
        self._client = client
        self._given = given
        self._known = recollection
        self._loaded: Once[str, RegistryKeys] = Once()
        self._fetched: Once[str, RegistryKeys] = Once()

    def load(self, registry: str) -> RegistryKeys:
        """Return the keys of a registry, or why there are none. Never raises for what a server sends.

        Args:
            registry: its URL.
        """
        if self._given is not None:
            return RegistryKeys(known=self._given)
        return self._loaded.get(registry, lambda: self._load(registry))

    def load_fresh(self, registry: str) -> RegistryKeys | None:
        """Return the keys that a registry has now where those that were loaded are older and others, else ``None``.

        It may sign with a further key by now: what does not hold by remembered keys is judged once more.
        """
        if self._given is not None or self._known is None or self._known.is_offline:
            return None
        fetched = self._fetched.get(registry, lambda: self._fetch(registry))
        return None if fetched == self.load(registry) else fetched

    def _load(self, registry: str) -> RegistryKeys:
        if self._known is None:
            return self._fetched.get(registry, lambda: self._fetch(registry))
        if self._known.is_offline:
            return self._load_offline(registry, self._known)
        remembered = self._known.load(Answer.KEYS, registry)
        with contextlib.suppress(MalformedInput):  # what is remembered is never worse than nothing
            if remembered is not None:
                return RegistryKeys(known=parse_registry_keys(remembered))
        return self._fetched.get(registry, lambda: self._fetch(registry))

    def _load_offline(self, registry: str, known: Recollection) -> RegistryKeys:
        try:
            document = self._load_from_folder(registry) or known.load(Answer.KEYS, registry)
            if document is not None:
                return RegistryKeys(known=parse_registry_keys(document))
        except GuardError as error:
            return RegistryKeys(reason=error.message)
        reason = f"the keys of {_shown(registry)} are not at hand, and nothing is asked offline"
        return RegistryKeys(known=load_shipped_keys(), cause=UnavailableCause.OUTAGE, reason=reason)

    def _load_from_folder(self, registry: str) -> bytes | None:
        if self._known is None or self._known.folder is None:
            return None
        return self._known.folder.load_npm_keys(folder_name_of(registry, self._client.registries))

    def _fetch(self, registry: str) -> RegistryKeys:
        try:
            return self._ask(registry)
        except Unavailable as error:
            denied = error.status in _DENIALS
            cause = UnavailableCause.ACCESS_DENIED if denied else UnavailableCause.OUTAGE
            return RegistryKeys(cause=cause, reason=error.message)
        except MalformedInput as error:
            return RegistryKeys(reason=error.message)

    def _ask(self, registry: str) -> RegistryKeys:
        try:
            document = self._client.fetch_keys(registry)
        except NotFound:
            kept = self._load_from_folder(registry)
            if kept is not None:
                return RegistryKeys(known=parse_registry_keys(kept))
            reason = f"{_shown(registry)} serves no keys"
            return RegistryKeys(known=load_shipped_keys(), cause=UnavailableCause.NOT_SERVED, reason=reason)
        keys = RegistryKeys(known=parse_registry_keys(document))
        if self._known is not None:
            self._known.store(Answer.KEYS, registry, document)
        return keys


def folder_name_of(registry: str, registries: NpmRegistries) -> str | None:
    """Return by what name a folder of evidence holds a registry's keys: its host, or none for the default registry."""
    return None if registry == registries.default else urlsplit(registry).netloc


@functools.lru_cache(maxsize=64)
def digest_of_keys(keys: tuple[RegistryKey, ...]) -> str:
    """Return a text that differs where one key differs, whatever document they stood in."""
    return hashlib.sha256(repr(keys).encode()).hexdigest()


def _shown(registry: str) -> str:
    return redact_url(registry).rstrip("/")


def load_shipped_keys() -> tuple[RegistryKey, ...]:
    """Return the public registry's keys that guard ships: its ``keys.json`` among Sigstore's TUF targets."""
    return parse_registry_keys((resources.files("guard") / "data" / "npm_keys.json").read_bytes())
