"""Evidence about what locks name, saved to a folder for machines that cannot ask.

Documents are saved as registries send them and verified where they are used. What could not be had is named, so that
nobody takes a folder with gaps for a whole one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from guard import limits
from guard.attest.availability import Outcome
from guard.engine.locked import LockedRequest
from guard.engine.locked_files import choose_files, version_of
from guard.engine.npm_keys import folder_name_of
from guard.errors import ConfigInvalid, MalformedInput, NotFound, Unavailable
from guard.registry.npm import NpmClient
from guard.registry.npm_listing import render_version_document
from guard.registry.pypi import IndexClient, Project
from guard.registry.releases import render_release
from guard.registry.simple import IndexFile
from guard.store.evidence_folder import EvidenceFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What became of saving evidence.

    Args:
        listings: how many releases are listed in the folder now.
        documents: how many documents of evidence it holds for them.
        problems: what could not be had, in the user's words, each once.
    """

    listings: int = 0
    documents: int = 0
    problems: tuple[str, ...] = ()

    def __add__(self, other: Saved) -> Saved:
        return Saved(
            listings=self.listings + other.listings,
            documents=self.documents + other.documents,
            problems=tuple(dict.fromkeys((*self.problems, *other.problems))),
        )


def save_npm_evidence(client: NpmClient, folder: EvidenceFolder, requests: Sequence[LockedRequest]) -> Saved:
    """Save listings, attestations and the registries' keys.

    Args:
        client: asks the registries.
        folder: where they are saved.
        requests: what locks name; what is of no registry is passed over.

    Raises:
        ConfigInvalid: the folder cannot be written to.
    """
    releases = {(each.artifact.name, each.artifact.version) for each in requests if each.is_of_registry}
    registries = {client.registries.registry_of(name) for name, _ in releases}
    work = [functools.partial(_save_npm_release, client, folder, *release) for release in sorted(releases)]
    return _save_all([*work, *(functools.partial(_save_keys, client, folder, each) for each in sorted(registries))])


def save_pypi_evidence(
    client: IndexClient, folder: EvidenceFolder, requests: Sequence[LockedRequest], *, fits: Callable[[str], bool]
) -> Saved:
    """Save listings and provenance.

    Args:
        client: asks the indexes.
        folder: where they are saved.
        requests: what locks name; what is of no registry is passed over.
        fits: whether a file of this name is of use where the folder is; see
            :meth:`guard.engine.pypi.PyPIEngine.judge_locked`.

    Raises:
        ConfigInvalid: the folder cannot be written to.
    """
    asked = [each for each in requests if each.is_of_registry]
    return _save_all(functools.partial(_save_release, client, folder, each, fits) for each in asked)


def _save_all(work: Iterable[Callable[[], Saved]]) -> Saved:
    with ThreadPoolExecutor(limits.PREFETCH_WORKERS, thread_name_prefix="guard-save") as pool:
        futures = [pool.submit(each) for each in work]
    try:
        return sum((future.result() for future in futures), Saved())
    except OSError as error:
        raise ConfigInvalid(f"the folder of evidence cannot be written to: {error.strerror or error}") from error


def _save_npm_release(client: NpmClient, folder: EvidenceFolder, name: str, version: str) -> Saved:
    try:
        published = client.fetch_version(name, version)
        folder.store_npm_listing(name, version, render_version_document(published))
        _, outcome, document = client.fetch_attestations(published)
        if document is not None:
            folder.store_attestations(name, version, document)
    except (Unavailable, MalformedInput) as error:
        return Saved(problems=(f"{name}@{version}: {error.message}",))
    return Saved(
        listings=1, documents=int(document is not None), problems=_problem(outcome, f"attestations of {name}@{version}")
    )


def _save_keys(client: NpmClient, folder: EvidenceFolder, registry: str) -> Saved:
    try:
        folder.store_npm_keys(folder_name_of(registry, client.registries), client.fetch_keys(registry))
    except NotFound:
        return Saved()  # it signs nothing
    except (Unavailable, MalformedInput) as error:
        return Saved(problems=(error.message,))
    return Saved()


def _save_release(
    client: IndexClient, folder: EvidenceFolder, request: LockedRequest, fits: Callable[[str], bool]
) -> Saved:
    artifact = request.artifact
    try:
        release = client.fetch_release(artifact.name, version_of(artifact))
        files = tuple(file for file in release.files if artifact.file in (None, file.filename))
        if not files or release.page is None:
            return Saved(problems=(f"{artifact.spec}: no index lists it",))
        version = files[0].version or ""
        folder.store_release(release.name, version, render_release(release))
        chosen, _ = choose_files(files, artifact, fits)
        saved = [_save_provenance(client, folder, release, file) for file in chosen]
    except (Unavailable, MalformedInput) as error:
        return Saved(problems=(f"{artifact.spec}: {error.message}",))
    return sum(saved, Saved(listings=1))


def _save_provenance(client: IndexClient, folder: EvidenceFolder, release: Project, file: IndexFile) -> Saved:
    version = file.version or ""
    _, outcome, document = client.fetch_provenance(file, project=release, version=version)
    if document is not None:
        folder.store_provenance(release.name, version, file.filename, document)
    return Saved(documents=int(document is not None), problems=_problem(outcome, f"provenance of {file.filename}"))


def _problem(outcome: Outcome, what: str) -> tuple[str, ...]:
    """Say what could not be had; that there is none is for the listing to say."""
    could_not_be_had = outcome in (Outcome.FAILED, Outcome.DENIED)
    return (f"the {what} could not be fetched",) if could_not_be_had else ()
