"""An engine for npm over simulated registries, as guard puts it together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from guard.attest.npm_signature import RegistryKey
from guard.engine.npm import NpmEngine
from guard.engine.recollection import Recollection
from guard.policy.policy import Policy, explicit_policy
from guard.policy.schema import parse_policy
from guard.registry.npm import NpmClient, NpmRegistries
from guard.registry.npm_credentials import NpmCredentials
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from guard.store.facts import Facts
from guard.store.files import FileStore
from guard.store.tarballs import TarballFacts
from tests.sim.world import World
from tests.unit.test_registry_http import client_for_tests

NOW = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)


def policy_of(*lines: str) -> Policy:
    """Return the policy of a guard.toml with these lines."""
    return explicit_policy(parse_policy("\n".join(["version = 1", *lines]).encode(), path="guard.toml"))


@contextmanager
def npm_engine(
    world: World,
    folder: Path,
    *policy: str,
    keys: tuple[RegistryKey, ...] | None = None,
    scopes: Mapping[str, str] | None = None,
    verified: Facts | None = None,
    recollection: Recollection | None = None,
    trust_root: bytes | None = None,
) -> Iterator[tuple[NpmEngine, NpmClient]]:
    """Make an engine whose default registry is the world's.

    Args:
        world: the registries.
        folder: where the engine keeps what it learns.
        policy: lines of guard.toml.
        keys: of the registry, where the policy names a file of them.
        scopes: registries of their own, by scope.
        verified: what verifications came to before.
        recollection: what is known without asking.
        trust_root: another one than the world's.
    """
    registries = NpmRegistries(default=world.npm.url, scopes=scopes or {})
    root = parse_trust_root(trust_root or world.sigstore.trusted_root_json(), source="simulated")
    client = NpmClient(client_for_tests(credentials=NpmCredentials({})), registries)
    engine = NpmEngine(
        client=client,
        store=FileStore(folder / "files"),
        facts=TarballFacts(folder / "facts"),
        verified=verified,
        recollection=recollection,
        keys=keys,
        make_verifier=lambda: Verifier(root, now=datetime.now(timezone.utc)),
        policy=policy_of(*policy),
        now=NOW,
    )
    try:
        yield engine, client
    finally:
        engine.close()
