"""Plays a publishing history: publishes it on a simulated registry and has guard judge its last upload."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

from guard.engine.npm import NpmEngine, NpmRequest
from guard.engine.pypi import PyPIEngine
from guard.model import Digest, Ecosystem, Judged
from guard.policy.continuity import publishers_of
from guard.policy.identity_lock import (
    IdentityLock,
    LockedIdentity,
    LockedPackage,
    parse_identity_lock,
    render_identity_lock,
)
from guard.policy.offer import NamedReleases
from guard.policy.policy import Policy, explicit_policy
from guard.policy.schema import parse_policy
from guard.registry.npm import NpmClient, NpmRegistries
from guard.registry.npm_credentials import NpmCredentials
from guard.registry.pypi import IndexClient, IndexSource
from guard.sigstore.trust_root import parse_trust_root
from guard.sigstore.verify import Verifier
from guard.store.files import FileStore
from guard.store.tarballs import TarballFacts
from tests.histories.history import History, Upload
from tests.sim import npm_documents
from tests.sim.identity import Identity
from tests.sim.npm_packages import make_tarball
from tests.sim.packages import make_sdist, make_wheel
from tests.sim.world import World
from tests.unit.test_registry_http import client_for_tests

NOW = datetime.now(timezone.utc).replace(microsecond=0)
_NOBODY = Identity.github()


def play(history: History, ecosystem: str, world: World, folder: Path) -> Judged:
    """Return what guard says of the history's last upload.

    Args:
        history: to publish; its package gets a name of its own.
        ecosystem: ``pypi`` or ``npm``.
        world: the registries.
        folder: where engines keep what they learn.
    """
    name = f"package-{zlib.crc32(history.name.encode()):08x}"
    for upload in history.uploads:
        (_publish_pypi if ecosystem == "pypi" else _publish_npm)(world, name, upload)
    judge = _judge_pypi if ecosystem == "pypi" else _judge_npm
    policy = explicit_policy(parse_policy("\n".join(["version = 1", *history.policy]).encode(), path="guard.toml"))
    last = history.uploads[-1]
    if history.lock is not None:
        lock = _lock(history, name, Ecosystem(ecosystem), partial(judge, world, folder, Policy(), name))
        policy = replace(policy, identity_lock=lock)
    return judge(world, folder, policy, name, last, is_locked=history.is_locked)


def _lock(history: History, name: str, ecosystem: Ecosystem, judge: Callable[[Upload], Judged]) -> IdentityLock:
    """Return the guard.lock of the day on which a release was reviewed, through its file."""
    wanted = [each for each in history.uploads if each.version == history.lock and each.by is not None]
    seen = judge(wanted[0] if wanted else history.uploads[0])
    publishers = publishers_of(seen.facts.evidence)
    package = LockedPackage(
        ecosystem=ecosystem,
        name=name if wanted else "another-package",
        identities=tuple(
            LockedIdentity(publisher=publisher, first_seen=seen.artifact.version, digest=_strong(seen))
            for publisher in publishers
        ),
    )
    lock = IdentityLock.of([package] if publishers else [])
    return parse_identity_lock(render_identity_lock(lock), path="guard.lock")


def _strong(judged: Judged) -> Digest:
    wanted = "sha256" if judged.artifact.ecosystem is Ecosystem.PYPI else "sha512"
    return next(digest for digest in judged.artifact.digests if digest.algorithm == wanted)


def _publish_pypi(world: World, name: str, upload: Upload) -> None:
    if upload.file == "sdist":
        filename, content = make_sdist(name, upload.version)
    else:
        tag = "py3-none-any" if upload.file == "any" else f"cp312-cp312-{upload.file}"
        filename, content = make_wheel(name, upload.version, tag=tag)
    identity = upload.by.identity(upload.version) if upload.by else _NOBODY
    world.upload(filename, content, identity=identity, attested=upload.by is not None, upload_time=_moment(upload))


def _publish_npm(world: World, name: str, upload: Upload) -> None:
    content = make_tarball(name, upload.version)
    at = _moment(upload)
    if upload.publish_only:
        statement = npm_documents.publish_statement(name, upload.version, content, world.npm.base_url)
        bundle = world.sigstore.key_bundle(statement, world.registry_key.pair, at=at)
        document = npm_documents.attestations_document([(npm_documents.PUBLISH_PREDICATE, bundle)])
        world.upload_npm(content, published_at=at, attestations=document, provenance_flag=False)
    else:
        identity = upload.by.identity(upload.version) if upload.by else None
        world.upload_npm(content, identity=identity, attested=upload.by is not None, published_at=at)


def _moment(upload: Upload) -> datetime:
    return NOW - timedelta(days=upload.days_ago)


def _judge_pypi(
    world: World, folder: Path, policy: Policy, name: str, upload: Upload, *, is_locked: bool = False
) -> Judged:
    index = IndexClient(client_for_tests(), [IndexSource(world.pypi.simple_url, is_public=False)])
    engine = PyPIEngine(
        index=index,
        store=FileStore(folder / "files"),
        make_verifier=lambda: _verifier(world),
        policy=policy,
        now=NOW,
    )
    with _closing(engine):
        engine.add_named(_named(name, upload, is_locked=is_locked))
        project = engine.fetch_project(name)
        suffix = ".tar.gz" if upload.file == "sdist" else f"{upload.file}.whl"
        files = [file for file in project.files if file.version == upload.version and file.filename.endswith(suffix)]
        return engine.judge(project, files[-1])


def _judge_npm(
    world: World, folder: Path, policy: Policy, name: str, upload: Upload, *, is_locked: bool = False
) -> Judged:
    client = NpmClient(client_for_tests(credentials=NpmCredentials({})), NpmRegistries(default=world.npm.url))
    engine = NpmEngine(
        client=client,
        store=FileStore(folder / "files"),
        facts=TarballFacts(folder / "facts"),
        make_verifier=lambda: _verifier(world),
        policy=policy,
        now=NOW,
    )
    with _closing(engine):
        engine.add_named(_named(name, upload, is_locked=is_locked))
        engine.fetch_packument(name)  # as npm asks for it when it resolves
        return engine.judge(NpmRequest(name=name, version=upload.version))


def _named(name: str, upload: Upload, *, is_locked: bool) -> NamedReleases:
    return NamedReleases(versions=frozenset({(name, upload.version)} if is_locked else ()))


def _verifier(world: World) -> Verifier:
    return Verifier(parse_trust_root(world.sigstore.trusted_root_json(), source="simulated"), now=NOW)


@contextmanager
def _closing(engine: PyPIEngine | NpmEngine) -> Iterator[None]:
    try:
        yield
    finally:
        engine.close()
