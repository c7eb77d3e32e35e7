"""``guard.lock``: who publishes each locked package, as it was seen and reviewed.

::

    version = 1

    [[package]]
    name = "npm:@acme/widget"

    [[package.identity]]
    issuer = "https://token.actions.githubusercontent.com"
    repository = "https://github.com/acme/widget"
    repository-id = "1001"
    first-seen = "1.0.0"
    digest = "sha512:…"

Packages stand in the order of their names and facts in a fixed one, one on a line, so that a change of the file shows
what changed and nothing else. A file that was merged wrongly, or edited to what cannot be, is refused with its place:
half of it must never look like all of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from guard.errors import ConfigInvalid, MalformedInput
from guard.limits import IDENTITY_LOCK_MAX_BYTES
from guard.model import Digest, Ecosystem, Location
from guard.policy.patterns import PackageRelease, normalised_name
from guard.policy.publisher import Publisher, PublisherFact, differences, row_of
from guard.policy.tables import Table, parse_document

_VERSION = 1
_HEADER = f"""\
# Who publishes what this project installs, as `guard lock` saw it. Look at a change here as at one of the lockfile.
version = {_VERSION}
"""
_CONFLICT_MARKER = re.compile(r"(<{7}|={7}|>{7}|\|{7})( |$)", re.MULTILINE)
_ALGORITHM = {Ecosystem.PYPI: "sha256", Ecosystem.NPM: "sha512"}
_REGISTRY_FACTS = frozenset({PublisherFact.REGISTRY, PublisherFact.REGISTRY_KEY})
_WHO = frozenset({PublisherFact.SAN, PublisherFact.REPOSITORY, PublisherFact.SIGNER})


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedIdentity:
    """A publisher of a package, and where it was first seen.

    Args:
        publisher: the facts.
        first_seen: version of the release.
        digest: of the release's file.
        location: of the entry; ``None`` for one that was not read from a file.
    """

    publisher: Publisher
    first_seen: str
    digest: Digest
    location: Location | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """A package and everybody who may publish it; one of them must have published each release of it.

    Args:
        ecosystem: of the package.
        name: as registries compare names.
        identities: at least one.
        location: of the entry; ``None`` for one that was not read from a file.
    """

    ecosystem: Ecosystem
    name: str
    identities: tuple[LockedIdentity, ...]
    location: Location | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.ecosystem.value}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityLock:
    """One guard.lock.

    Args:
        packages: by ecosystem and name.
        path: as it was given; empty for one that was not read from a file.
        digest: sha256 of the file's bytes; ``None`` likewise.
    """

    packages: Mapping[tuple[Ecosystem, str], LockedPackage]
    path: str = ""
    digest: Digest | None = None

    @classmethod
    def of(cls, packages: Iterable[LockedPackage]) -> IdentityLock:
        """Return the lock of some packages."""
        return cls(packages={(package.ecosystem, package.name): package for package in packages})

    def find(self, ecosystem: Ecosystem, name: str) -> LockedPackage | None:
        """Return the entry of a package.

        Args:
            ecosystem: of the package.
            name: in any spelling that the ecosystem allows.
        """
        return self.packages.get((ecosystem, normalised_name(ecosystem, name)))


def parse_identity_lock(data: bytes, *, path: str) -> IdentityLock:
    """Parse a guard.lock.

    Args:
        data: the whole file.
        path: its name, for messages and findings.

    Raises:
        ConfigInvalid: it is not TOML, has marks of a merge that was not finished, an unknown key, two entries for one
            package, or an entry that no publisher can have; line and column are named.
    """
    _require_merged(data, path)
    root = parse_document(data, path=path, max_bytes=IDENTITY_LOCK_MAX_BYTES)
    root.only(("version", "package"))
    version = root.values.get("version")
    if type(version) is not int or version != _VERSION:
        hint = "a newer format needs a newer guard" if isinstance(version, int) else f"write version = {_VERSION}"
        root.fail(f"'version' must be {_VERSION}", "version", hint=hint)
    packages: dict[tuple[Ecosystem, str], LockedPackage] = {}
    for table in root.tables("package"):
        package = _package(table)
        earlier = packages.setdefault((package.ecosystem, package.name), package)
        if earlier is not package:
            table.fail(f"{package} has a second entry (the first is at {earlier.location})", "name")
    return IdentityLock(packages=packages, path=path, digest=Digest("sha256", hashlib.sha256(data).hexdigest()))


def render_identity_lock(lock: IdentityLock) -> bytes:
    """Return the file; the same lock gives the same bytes."""
    packages = sorted(lock.packages.values(), key=lambda package: (package.ecosystem.value, package.name))
    return "\n".join([_HEADER, *map(_rendered_package, packages)]).encode("utf-8")


def _require_merged(data: bytes, path: str) -> None:
    found = _CONFLICT_MARKER.search(data.decode("utf-8", errors="replace"))
    if found is not None:
        line = found.string.count("\n", 0, found.start()) + 1
        raise ConfigInvalid(
            f"a merge was not finished at {path}:{line}:1", hint="take one side, then run guard lock and look at it"
        )


def _package(table: Table) -> LockedPackage:
    table.only(("name", "identity"))
    name = table.required("name", PackageRelease.parse)
    if name.version is not None:
        table.fail("'package.name' must name a package without a version", "name")
    identities = tuple(_identity(identity, name.ecosystem) for identity in table.tables("identity"))
    if not identities:
        table.fail(f"{name} has no [[package.identity]]: nobody could publish it")
    for number, identity in enumerate(identities):
        twins = (other for other in identities[:number] if not _hard_differences(other.publisher, identity.publisher))
        if any(twins):
            table.fail(f"{name} names one publisher twice", "identity", number)
    return LockedPackage(ecosystem=name.ecosystem, name=name.name, identities=identities, location=table.location())


def _hard_differences(left: Publisher, right: Publisher) -> bool:
    comparable = (left.issuer is None) is (right.issuer is None)
    return not comparable or any(each.is_hard for each in differences(left, right, strict=frozenset()))


def _identity(table: Table, ecosystem: Ecosystem) -> LockedIdentity:
    table.only((*(fact.value for fact in PublisherFact), "first-seen", "digest"))
    publisher = Publisher(**{fact.attribute: table.text(fact.value) for fact in PublisherFact})
    _require_possible(table, publisher, ecosystem)
    digest = table.required("digest", _digest)
    if digest.algorithm != _ALGORITHM[ecosystem]:
        table.fail(f"'package.identity.digest' must be {_ALGORITHM[ecosystem]}", "digest")
    return LockedIdentity(
        publisher=publisher,
        first_seen=table.required("first-seen", str.strip),
        digest=digest,
        location=table.location(),
    )


def _require_possible(table: Table, publisher: Publisher, ecosystem: Ecosystem) -> None:
    """Refuse facts that no verified evidence states together: they would match nobody, or anybody."""
    stated = publisher.facts.keys()
    if publisher.registry_key is not None and publisher.registry is None:
        table.fail("a registry-key is one of a registry, which is missing", "registry-key")
    if publisher.registry is not None and ecosystem is not Ecosystem.NPM:
        table.fail("only npm registries attest publications", "registry")
    if publisher.issuer is None:
        for fact in sorted(stated - _REGISTRY_FACTS):
            table.fail(f"{fact.value} without an issuer: nobody vouches for it", fact.value)
        if publisher.registry is None:
            table.fail("[[package.identity]] names nobody", hint="it needs an issuer or a registry")
        return
    row = row_of(publisher.issuer)
    for fact in sorted(stated - row.facts - _REGISTRY_FACTS):
        table.fail(f"certificates of {publisher.issuer} ({row.name}) state no {fact.value}", fact.value)
    if not stated & _WHO:
        table.fail("[[package.identity]] would match every user of its issuer", hint="it needs a repository or a san")
    if publisher.repository is None and stated & {PublisherFact.REPOSITORY_ID, PublisherFact.OWNER_ID}:
        table.fail("identifiers of a repository without its address", hint="add repository")


def _digest(text: str) -> Digest:
    try:
        return Digest.from_text(text)
    except MalformedInput as error:
        raise ValueError(f"is {error.message}") from error


def _rendered_package(package: LockedPackage) -> str:
    blocks = sorted(map(_rendered_identity, package.identities))
    return "\n".join([f'[[package]]\nname = "{package}"\n', *blocks])


def _rendered_identity(identity: LockedIdentity) -> str:
    return "".join(["[[package.identity]]\n", *(f"{key} = {_quoted(value)}\n" for key, value in _lines(identity))])


def _lines(identity: LockedIdentity) -> Iterator[tuple[str, str]]:
    yield from ((fact.value, value) for fact, value in identity.publisher.facts.items())
    yield "first-seen", identity.first_seen
    yield "digest", str(identity.digest)


def _quoted(text: str) -> str:
    """Return a TOML basic string; those of JSON are the same but for one control character (TOML 1.0.0, "String")."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
