"""An engine for Python package indexes over simulated ones, as guard puts it together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from guard.engine.pypi import PyPIEngine
from guard.engine.recollection import Recollection
from guard.registry.pypi import IndexClient, IndexSource
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from guard.store.facts import Facts
from guard.store.files import FileStore
from tests.sim.world import World
from tests.unit.npm_engine import NOW, policy_of
from tests.unit.test_registry_http import client_for_tests


def index_client(world: World, *indexes: str, provenance_url: str | None = None) -> IndexClient:
    """Return a client of the world's index and of further ones."""
    sources = [IndexSource(url, is_public=False) for url in (world.pypi.simple_url, *indexes)]
    return IndexClient(client_for_tests(), sources, provenance_url=provenance_url)


@contextmanager
def pypi_engine(
    world: World,
    folder: Path,
    *policy: str,
    indexes: Sequence[str] = (),
    provenance_url: str | None = None,
    verified: Facts | None = None,
    recollection: Recollection | None = None,
) -> Iterator[PyPIEngine]:
    """Make an engine whose index is the world's.

    Args:
        world: the index.
        folder: where the engine keeps what it learns.
        policy: lines of guard.toml.
        indexes: further ones.
        provenance_url: where provenance lives besides.
        verified: what verifications came to before.
        recollection: what is known without asking.
    """
    trust_root = parse_trust_root(world.sigstore.trusted_root_json(), source="simulated")
    engine = PyPIEngine(
        index=index_client(world, *indexes, provenance_url=provenance_url),
        store=FileStore(folder / "files"),
        verified=verified,
        recollection=recollection,
        make_verifier=lambda: Verifier(trust_root, now=datetime.now(timezone.utc)),
        policy=policy_of(*policy),
        now=NOW,
    )
    try:
        yield engine
    finally:
        engine.close()
