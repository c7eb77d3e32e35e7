"""The engines of commands that install nothing: one for every set of indexes or registries that is asked.

Locks that say nothing of indexes share the user's configured ones, so that what several of them name is asked once.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from guard.app import App
from guard.attest.npm_signature import RegistryKey
from guard.engine.recollection import Recollection
from guard.managers.pip.index_settings import IndexSettings
from guard.policy.identity_lock import IdentityLock
from guard.policy.policy import Policy
from guard.sigstore.trust_root import TrustRoot
from guard.sigstore.verify import Verifier

if TYPE_CHECKING:  # most projects have locks of one ecosystem, and what is for the other one is not imported
    from guard.engine.npm import NpmEngine
    from guard.engine.pypi import PyPIEngine
    from guard.registry.npm import NpmClient
    from guard.registry.pypi import IndexClient
    from guard.store.evidence_folder import EvidenceFolder


@dataclass(slots=True, kw_only=True)
class Engines:
    """Makes engines when they are first asked for.

    Args:
        app: the outside.
        policy: the policy in force.
        trust_root: what signatures are checked with.
        stack: closes the engines.
        folder: the user's folder of evidence.
        is_offline: whether nothing may be asked.
        asks_anew: whether registries are asked whatever they answered a while ago.
        npm_keys: of npm registries, where the command line names a file of them; else the policy and registries do.
        find_lock: finds the guard.lock that governs a lockfile's folder; without it, that of the policy governs all.
    """

    app: App
    policy: Policy
    trust_root: TrustRoot
    stack: ExitStack
    folder: EvidenceFolder | None = None
    is_offline: bool = False
    _recollection: Recollection | None = None
    asks_anew: bool = False
    npm_keys: tuple[RegistryKey, ...] | None = None
    find_lock: Callable[[Path], IdentityLock | None] | None = None
    _pypi: dict[tuple[IndexSettings, str], PyPIEngine] = field(default_factory=dict)
    _npm: dict[tuple[Path | None, str], NpmEngine] = field(default_factory=dict)
    _locks: dict[Path, IdentityLock | None] = field(default_factory=dict)

    @property
    def recollection(self) -> Recollection:
        """What the audit knows without asking, for all engines."""
        if self._recollection is None:
            facts = self.stack.enter_context(closing(self.app.facts))
            self._recollection = Recollection(
                facts=facts, now=self.app.started, folder=self.folder, is_offline=self.is_offline
            )
        return self._recollection

    def identity_lock(self, folder: Path) -> IdentityLock | None:
        """Return the guard.lock that governs the lockfiles of a folder.

        Raises:
            ConfigInvalid: it cannot be used.
        """
        if self.find_lock is None:
            return self.policy.identity_lock
        if folder not in self._locks:
            self._locks[folder] = self.find_lock(folder)
        return self._locks[folder]

    def pypi(self, index: IndexSettings, folder: Path | None = None) -> PyPIEngine:
        """Return the engine for the indexes that a lock's requirement files ask for.

        Args:
            index: what they say about indexes.
            folder: of the lock, for its guard.lock; without it, that of the policy governs.

        Raises:
            ConfigInvalid: an address, or pip's configuration, or a guard.lock cannot be used.
        """
        policy = self._policy_at(folder)
        key = (index, policy.identity_lock.path if policy.identity_lock else "")
        if key not in self._pypi:
            from guard.engine.pypi import PyPIEngine

            engine = PyPIEngine(
                index=self.index_client(index),
                store=self.app.file_store,
                verified=self.recollection.facts,
                recollection=None if self.asks_anew else self.recollection,
                make_verifier=self._make_verifier,
                policy=policy,
                now=self.app.started,
            )
            self.stack.callback(engine.close)
            self._pypi[key] = engine
        return self._pypi[key]

    def npm(self, folder: Path) -> NpmEngine:
        """Return the engine for the registries that npm would use in a folder.

        Raises:
            ConfigInvalid: npm's configuration cannot be used.
        """
        own = folder / ".npmrc"
        policy = self._policy_at(folder)
        key = (own if own.is_file() else None, policy.identity_lock.path if policy.identity_lock else "")
        if key not in self._npm:
            from guard.engine.npm import NpmEngine
            from guard.managers.npm.configured import load_keys

            engine = NpmEngine(
                client=self.npm_client(folder),
                store=self.app.file_store,
                verified=self.recollection.facts,
                recollection=None if self.asks_anew else self.recollection,
                facts=self.app.tarball_facts,
                keys=load_keys(self.app, self.policy) if self.npm_keys is None else self.npm_keys,
                make_verifier=self._make_verifier,
                policy=policy,
                now=self.app.started,
            )
            self.stack.callback(engine.close)
            self._npm[key] = engine
        return self._npm[key]

    def index_client(self, index: IndexSettings) -> IndexClient:
        """Return a new client for the indexes that a lock's requirement files ask for; see :meth:`pypi`."""
        from guard.managers.pip.configured import make_index_client

        return make_index_client(self.app, self.policy, files=index)

    def npm_client(self, folder: Path) -> NpmClient:
        """Return a new client for the registries that npm would use in a folder; see :meth:`npm`."""
        from guard.managers.npm.configured import make_npm_client

        return make_npm_client(self.app, self.policy, folder=folder)

    def _policy_at(self, folder: Path | None) -> Policy:
        return self.policy if folder is None else replace(self.policy, identity_lock=self.identity_lock(folder))

    def _make_verifier(self) -> Verifier:
        return Verifier(self.trust_root, now=self.app.latest_now)
