"""``guard.toml`` and ``[tool.guard]`` of ``pyproject.toml``: bytes to a :class:`PolicyFile`, or what is wrong where."""

from __future__ import annotations

import enum
import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from guard.model import Digest, Location, RuleId
from guard.policy.identity import ISSUER_OF_HOST, IdentityPin
from guard.policy.patterns import PackagePattern, PackageRelease
from guard.policy.settings import SETTINGS, RuleSettings, parse_settings
from guard.policy.tables import Table, parse_document

_SETTINGS = frozenset(SETTINGS)
KEYS: dict[str, frozenset[str]] = {
    "": frozenset({"version", "policy", "pypi", "npm", "sigstore", "audit", "package", "exception"}),
    "policy": _SETTINGS,
    "pypi": frozenset({"index-url", "provenance-url", "extra-indexes"}),
    "npm": frozenset({"registry", "keys"}),
    "sigstore": frozenset({"trust-root", "refresh"}),
    "audit": frozenset({"platforms"}),
    "package": _SETTINGS | {"name"},
    "package.identity": frozenset(
        {"issuer", "repository", "repository-id", "owner-id", "workflow", "ref", "environment", "signer", "san"}
    ),
    "exception": frozenset({"package", "rule", "reason", "expires"}),
}
# A policy key excepts that key's own absence and nothing else: never evidence that is there and does not hold.
RULE_OF_KEY = {
    "hashes": RuleId.HASH_MISSING,
    "provenance": RuleId.PROVENANCE_MISSING,
    "registry-signature": RuleId.REGISTRY_SIGNATURE_MISSING,
}
_REF_PARTS = 2  # after "refs": a kind, and a name
_NOT_IN_REFS = re.compile(r"[\x00-\x20\x7f~^:?\[\\]|\.\.|@\{")
_PLATFORM = re.compile(r"(?:linux|macos|windows)(?:-[a-z0-9_]+)?")
# These speak about a command, a file or a policy; there is no package to except.
RULES_WITHOUT_EXCEPTION = frozenset(
    {
        RuleId.COMMAND_NOT_GUARDED,
        RuleId.EXCEPTION_EXPIRED,
        RuleId.POLICY_LOOSENED,
        RuleId.LOCK_ENTRY_UNREADABLE,
        RuleId.IDENTITY_LOCK_CHANGED,
        RuleId.INSTALLED_DIFFERS,
    }
)


class RefreshMode(str, enum.Enum):
    """Whether guard refreshes the public trust root by itself."""

    DAILY = "daily"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageEntry:
    """One ``[[package]]``."""

    name: PackagePattern
    settings: RuleSettings
    identities: tuple[IdentityPin, ...] = ()
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionEntry:
    """One ``[[exception]]``: it is in force up to and including the day ``expires``."""

    package: PackageRelease
    rule: RuleId
    reason: str
    expires: date
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorFile:
    """A file that a policy names as a root of trust: Sigstore's, or the keys of a registry.

    Args:
        name: as written; relative names are relative to the folder of ``named_by``.
        named_by: path of the policy file.
    """

    name: str
    named_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """Settings that say whom to believe. A project's own take effect only once the user trusted the file."""

    index_url: str | None = None
    provenance_url: str | None = None
    extra_indexes: tuple[str, ...] | None = None
    trust_root: AnchorFile | None = None
    refresh: RefreshMode | None = None
    npm_registry: str | None = None
    npm_keys: AnchorFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """One policy file as it is written.

    Args:
        path: as it was given.
        digest: sha256 of the file's bytes, by which ``guard policy trust`` knows it.
        settings: ``[policy]``.
        packages: ``[[package]]``, in the file's order.
        exceptions: ``[[exception]]``, in the file's order.
        anchors: ``[pypi]``, ``[npm]`` and ``[sigstore]``.
        platforms: ``[audit] platforms``; ``None`` where not written.
        locations: where each key of ``[policy]`` and of the anchors' tables stands, by its dotted name.
    """

    path: str
    digest: Digest
    settings: RuleSettings
    packages: tuple[PackageEntry, ...]
    exceptions: tuple[ExceptionEntry, ...]
    anchors: Anchors
    platforms: frozenset[str] | None = None
    locations: dict[str, Location]


def parse_policy(data: bytes, *, path: str) -> PolicyFile:
    """Parse a ``guard.toml``.

    Args:
        data: the whole file.
        path: its name, for messages, findings and reports.

    Raises:
        ConfigInvalid: the file is not TOML, has an unknown key or a value that does not fit; the line is named.
    """
    return _policy_file(parse_document(data, path=path), data)


def parse_pyproject(data: bytes, *, path: str) -> PolicyFile | None:
    """Parse ``[tool.guard]`` of a ``pyproject.toml``; ``None`` when there is none.

    Args:
        data: the whole file.
        path: its name, for messages, findings and reports.

    Raises:
        ConfigInvalid: as :func:`parse_policy`; tables of other tools are not looked at.
    """
    tools = parse_document(data, path=path).table("tool")
    return _policy_file(tools.table("guard"), data) if "guard" in tools.values else None


def _policy_file(root: Table, data: bytes) -> PolicyFile:
    root.only(KEYS[""])
    _check_version(root)
    policy, pypi, npm, sigstore = (root.table(name) for name in ("policy", "pypi", "npm", "sigstore"))
    policy.only(KEYS["policy"])
    audit = root.table("audit")
    audit.only(KEYS["audit"])
    return PolicyFile(
        path=root.path,
        digest=Digest("sha256", hashlib.sha256(data).hexdigest()),
        settings=parse_settings(policy),
        packages=tuple(_package(table) for table in root.tables("package")),
        exceptions=tuple(_exception(table) for table in root.tables("exception")),
        anchors=_anchors(pypi, npm, sigstore),
        platforms=audit.parsed_set("platforms", _platform),
        locations={
            f"{table.at[-1]}.{key}": table.location(key)
            for table in (policy, pypi, npm, sigstore)
            for key in table.values
        },
    )


def _check_version(root: Table) -> None:
    version = root.values.get("version")
    if version is None:
        root.fail("'version' is missing", hint="write version = 1 before the first table")
    if version != 1 or isinstance(version, bool) or not isinstance(version, int):
        root.fail("'version' must be 1", "version", hint="a newer format needs a newer guard")


def _anchors(pypi: Table, npm: Table, sigstore: Table) -> Anchors:
    pypi.only(KEYS["pypi"])
    npm.only(KEYS["npm"])
    sigstore.only(KEYS["sigstore"])
    return Anchors(
        index_url=pypi.parsed("index-url", _index_url),
        provenance_url=pypi.parsed("provenance-url", _web_url),
        extra_indexes=pypi.parsed_list("extra-indexes", _index_url),
        trust_root=_anchor_file(sigstore, "trust-root"),
        refresh=sigstore.choice("refresh", RefreshMode),
        npm_registry=npm.parsed("registry", _web_url),
        npm_keys=_anchor_file(npm, "keys"),
    )


def _anchor_file(table: Table, key: str) -> AnchorFile | None:
    name = table.text(key)
    return None if name is None else AnchorFile(name=name, named_by=table.path)


def _package(table: Table) -> PackageEntry:
    table.only(KEYS["package"])
    name = table.required("name", PackagePattern.parse)
    if len(table.values) == 1:
        table.fail(f"[[package]] {str(name)!r} sets nothing")
    return PackageEntry(
        name=name,
        settings=parse_settings(table),
        identities=_identities(table),
        location=table.location(),
    )


def _identities(table: Table) -> tuple[IdentityPin, ...]:
    """Read ``[[package.identity]]``, where the key does not hold a mode instead."""
    if isinstance(table.values.get("identity"), str):
        return ()
    return tuple(_identity(identity) for identity in table.tables("identity"))


def _identity(table: Table) -> IdentityPin:
    table.only(KEYS["package.identity"])
    if not table.values:
        table.fail("[[package.identity]] is empty: it would match every publisher")
    repository = table.parsed("repository", _repository)
    issuer = table.text("issuer") or ISSUER_OF_HOST.get(urlsplit(repository or "").netloc.lower())
    if issuer is None:
        hosts = " and ".join(ISSUER_OF_HOST)
        table.fail("[[package.identity]] needs an issuer", hint=f"only a repository on {hosts} implies its issuer")
    pin = IdentityPin(
        issuer=issuer,
        repository=repository,
        repository_id=table.text("repository-id"),
        owner_id=table.text("owner-id"),
        workflow=table.text("workflow"),
        ref=table.parsed("ref", _ref),
        environment=table.text("environment"),
        signer=table.parsed("signer", _signer),
        san=table.text("san"),
    )
    if not pin.names_somebody:
        hint = "add repository, repository-id, owner-id or san"
        table.fail("[[package.identity]] would match every user of its issuer", hint=hint)
    return pin


def _exception(table: Table) -> ExceptionEntry:
    table.only(KEYS["exception"])
    return ExceptionEntry(
        package=table.required("package", PackageRelease.parse),
        rule=table.required("rule", _excepted_rule),
        reason=table.required("reason", str.strip),
        expires=table.date("expires"),
        location=table.location(),
    )


def _index_url(text: str) -> str:
    return _url(text, ("https", "http", "file"))


def _web_url(text: str) -> str:
    return _url(text, ("https", "http"))


def _url(text: str, schemes: tuple[str, ...]) -> str:
    """Neither the URL nor the library's message about it is repeated: both may carry a credential."""
    with suppress(ValueError):
        parts = urlsplit(text)
        if parts.scheme in schemes and (parts.netloc or parts.scheme == "file") and text.isprintable():
            return text
    raise ValueError(f"must be a URL ({', '.join(schemes)})")


def _repository(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.netloc or not parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be the repository's URL, such as https://github.com/acme/widgets")
    return text.rstrip("/")


def _ref(text: str) -> str:
    """Certificates name references in full (git, "check-ref-format"), and a star does not cross a slash."""
    kind, *rest = text.split("/")
    if kind not in ("refs", "*") or len(rest) < _REF_PARTS or not all(rest) or _NOT_IN_REFS.search(text):
        raise ValueError(f'can match no git reference; write one such as "refs/tags/v*", not {text[:80]!r}')
    return text


def _platform(text: str) -> str:
    if not _PLATFORM.fullmatch(text):
        raise ValueError(f'must be such as "linux", "macos-arm64" or "windows-x86_64", not {text[:80]!r}')
    return text


def _signer(text: str) -> str:
    if text != "same" and (not text.startswith("https://") or "@" in text):
        raise ValueError('must be "same" or the URI of a workflow without its @ref')
    return text


def _excepted_rule(text: str) -> RuleId:
    rules = {rule.value: rule for rule in RuleId if rule not in RULES_WITHOUT_EXCEPTION}
    rule = RULE_OF_KEY.get(text) or rules.get(text)
    if rule is None:
        raise ValueError(f"must be one of {', '.join([*sorted(rules), *RULE_OF_KEY])}, not {text[:80]!r}")
    return rule
