"""The values that flow from resolution to decision: artifacts, evidence, claims, findings, decisions.

Everything here is frozen and free of I/O. Zero values are the safe ones: a :class:`Decision` made of nothing is a
block, and the worst of no verdicts is a block.
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlsplit

from guard.errors import EvidenceCode, MalformedInput

_DIGEST_BYTES = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64, "blake2b": 64}
_HEX = re.compile(r"[0-9a-f]*")
_STRONG_ALGORITHMS = frozenset({"sha256", "sha384", "sha512", "blake2b"})


class Ecosystem(str, enum.Enum):
    """A package ecosystem, by its purl type (https://github.com/package-url/purl-spec, PURL-TYPES)."""

    PYPI = "pypi"
    NPM = "npm"
    GENERIC = "generic"  # a file that is no package of either; nothing installs one


class SourceKind(str, enum.Enum):
    """Where a package manager was told to take an artifact from."""

    REGISTRY = "registry"
    ALIAS = "alias"
    VCS_PINNED = "vcs-pinned"
    VCS = "vcs"
    URL_HASHED = "url-hashed"
    URL = "url"
    PATH = "path"
    LOCAL = "local"  # the user's own project, typed by the user or inside the project: needs no permission
    BUNDLED = "bundled"  # inside another artifact, with which it is decided


class RuleId(str, enum.Enum):
    """Stable rule identifiers. Each has one module in ``guard/policy/rules`` and one section in ``docs/rules.md``."""

    HASH_MISSING = "hash-missing"
    HASH_WEAK = "hash-weak"
    HASH_MISMATCH = "hash-mismatch"
    SOURCE_NOT_ALLOWED = "source-not-allowed"
    PROVENANCE_MISSING = "provenance-missing"
    PROVENANCE_STRIPPED = "provenance-stripped"
    PROVENANCE_UNAVAILABLE = "provenance-unavailable"
    PROVENANCE_INVALID = "provenance-invalid"
    STATEMENT_MISMATCH = "statement-mismatch"
    IDENTITY_MISMATCH = "identity-mismatch"
    IDENTITY_CHANGED = "identity-changed"
    IDENTITY_DRIFT = "identity-drift"
    IDENTITY_MISSING = "identity-missing"
    IDENTITY_LOCK_CHANGED = "identity-lock-changed"
    METADATA_MISMATCH = "metadata-mismatch"
    REGISTRY_UNAVAILABLE = "registry-unavailable"
    REGISTRY_HOST = "registry-host"
    REGISTRY_SIGNATURE_MISSING = "registry-signature-missing"
    REGISTRY_SIGNATURE_INVALID = "registry-signature-invalid"
    REGISTRY_SIGNATURE_UNAVAILABLE = "registry-signature-unavailable"
    SLSA_LEVEL = "slsa-level"
    RUNNER_NOT_ACCEPTED = "runner-not-accepted"
    TRIGGER_DENIED = "trigger-denied"
    RELEASE_TOO_NEW = "release-too-new"
    YANKED = "yanked"
    SDIST_NOT_ALLOWED = "sdist-not-allowed"
    INSTALL_SCRIPT = "install-script"
    COMMAND_NOT_GUARDED = "command-not-guarded"
    EXCEPTION_EXPIRED = "exception-expired"
    POLICY_LOOSENED = "policy-loosened"
    LOCK_ENTRY_UNREADABLE = "lock-entry-unreadable"
    INSTALLED_DIFFERS = "installed-differs"


class Level(enum.IntEnum):
    """How much a finding weighs; the smallest is the worst."""

    BLOCK = 0
    UNDECIDED = 1
    WARN = 2
    NOTE = 3

    @property
    def label(self) -> str:
        """The value that reports print."""
        return self.name.lower()


class Verdict(enum.IntEnum):
    """What was decided about an artifact or a run. The zero value is BLOCK, the smallest is the worst."""

    BLOCK = 0
    UNDECIDED = 1
    WARN = 2
    ALLOW = 3

    @property
    def label(self) -> str:
        """The value that reports print."""
        return self.name.lower()

    @property
    def installs(self) -> bool:
        """Whether an artifact with this verdict may be delivered."""
        return self in (Verdict.WARN, Verdict.ALLOW)

    @classmethod
    def worst(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """Return the worst of ``verdicts``; of none, BLOCK, so that nothing passes by being empty."""
        return min(verdicts, default=cls.BLOCK)


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A digest of an artifact's bytes.

    Args:
        algorithm: lower-case hashlib name (``sha256``, ``sha512`` …).
        hex: lower-case hexadecimal value of exactly the algorithm's length.

    Raises:
        MalformedInput: the algorithm is not known or the value is not of its length.
    """

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        length = _DIGEST_BYTES.get(self.algorithm)
        if length is None:
            raise MalformedInput(f"unknown digest algorithm {self.algorithm[:40]!r}")
        if len(self.hex) != 2 * length or not _HEX.fullmatch(self.hex):
            raise MalformedInput(f"not a {self.algorithm} digest ({2 * length} hexadecimal digits): {self.hex[:140]!r}")

    @classmethod
    def from_text(cls, text: str) -> Digest:
        """Parse ``ALGORITHM:HEX`` or ``ALGORITHM=HEX``, as pip and PEP 503 write it."""
        algorithm, separator, value = text.partition(":" if ":" in text else "=")
        if not separator:
            raise MalformedInput(f"not a digest (ALGORITHM:HEX): {text[:140]!r}")
        return cls(algorithm.strip().lower(), value.strip().lower())

    @classmethod
    def from_sri(cls, text: str) -> Digest:
        """Parse one ``ALGORITHM-BASE64`` of Subresource Integrity (W3C SRI, section 3.5)."""
        algorithm, separator, value = text.partition("-")
        try:
            raw = base64.b64decode(value.partition("?")[0], validate=True)
        except (binascii.Error, ValueError):
            separator = ""
            raw = b""
        if not separator:
            raise MalformedInput(f"not a Subresource Integrity value: {text[:140]!r}")
        return cls(algorithm.lower(), raw.hex())

    @property
    def is_strong(self) -> bool:
        """Whether the digest binds bytes against an attacker: sha256 or stronger."""
        return self.algorithm in _STRONG_ALGORITHMS

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file of the user's. Lines and columns count from 1."""

    path: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One file that would be installed: the unit of decision.

    Args:
        ecosystem: whose naming rules hold.
        name: registry name, normalised by the ecosystem's rule (PEP 503 for PyPI).
        version: as the registry writes it, or the empty string where a source has none.
        file: file name, or ``None`` for a source that is not a file (a directory, a repository).
        digests: digests that identify the bytes: as the registry lists them, or observed when it lists none.
        source: where it is taken from.
        origin: URL of the index, or the source's own URL or path; credentials removed.
        location: where a file of the user's names it.
        pinned: digests that the user's lock or requirement accepts; empty when it pins none.
    """

    ecosystem: Ecosystem
    name: str
    version: str
    file: str | None = None
    digests: tuple[Digest, ...] = ()
    source: SourceKind = SourceKind.REGISTRY
    origin: str | None = None
    location: Location | None = None
    pinned: tuple[Digest, ...] = ()

    @property
    def purl(self) -> str:
        """Package URL without qualifiers (purl-spec): ``pkg:pypi/six@1.17.0``, ``pkg:npm/%40scope/name@1.0.0``."""
        name = "/".join(quote(part, safe="", errors="backslashreplace") for part in self.name.split("/"))
        version = f"@{quote(self.version, safe='.+!~-_', errors='backslashreplace')}" if self.version else ""
        return f"pkg:{self.ecosystem.value}/{name}{version}"

    @property
    def spec(self) -> str:
        """How people write it: ``six==1.17.0``, ``@scope/name@1.0.0``, or the name of a file that is no package."""
        if not self.version:
            return self.name
        return f"{self.name}{'==' if self.ecosystem is Ecosystem.PYPI else '@'}{self.version}"


class EvidenceKind(str, enum.Enum):
    """A kind of evidence about an artifact."""

    PEP740_PUBLISH = "pep740-publish"
    SLSA_PROVENANCE = "slsa-provenance"
    NPM_PUBLISH = "npm-publish"
    NPM_SIGNATURE = "npm-signature"
    FILE_SIGNATURE = "file-signature"  # over the file itself
    OTHER_STATEMENT = "other-statement"  # signed, about the file, and neither provenance nor of its publication


class EvidenceState(str, enum.Enum):
    """Five states that are never merged (invariant I4)."""

    VERIFIED = "verified"
    ABSENT = "absent"
    STRIPPED = "stripped"
    UNAVAILABLE = "unavailable"
    INVALID = "invalid"


class UnavailableCause(str, enum.Enum):
    """Why evidence is unavailable: a registry that serves none by design is not an outage."""

    OUTAGE = "outage"
    ACCESS_DENIED = "access-denied"
    NOT_SERVED = "not-served"
    UNSUPPORTED = "unsupported"  # it is there, in a form that no verifier knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a verified Fulcio certificate says about the signer; ``None`` where the certificate does not say.

    Field names follow Fulcio's extensions 1.3.6.1.4.1.57264.1.8 to .24
    (https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md); an empty claim is a missing one. Certificates of
    before 2023 carry only the deprecated .1 to .6, which say some of the same and are read in their place.
    Only verification constructs this; nothing from an unsigned document enters it.
    """

    san: str
    issuer: str  # .8
    build_signer_uri: str | None = None  # .9
    build_signer_digest: str | None = None  # .10
    runner_environment: str | None = None  # .11
    source_repository_uri: str | None = None  # .12
    source_repository_digest: str | None = None  # .13
    source_repository_ref: str | None = None  # .14
    source_repository_identifier: str | None = None  # .15
    source_repository_owner_uri: str | None = None  # .16
    source_repository_owner_identifier: str | None = None  # .17
    build_config_uri: str | None = None  # .18
    build_config_digest: str | None = None  # .19
    build_trigger: str | None = None  # .20
    run_invocation_uri: str | None = None  # .21
    source_repository_visibility: str | None = None  # .22
    deployment_environment: str | None = None  # .23
    token_subject: str | None = None  # .24
    signed_at: datetime | None = None
    log_index: int | None = None

    @property
    def workflow(self) -> str | None:
        """Path of the build's own configuration inside the source repository, from .18 without its ``@ref``."""
        uri = self._without_ref(self.build_config_uri)
        folder = (self.source_repository_uri or "").rstrip("/") + "/"
        return uri[len(folder) :].lstrip("/") if uri and uri.lower().startswith(folder.lower()) else uri

    @property
    def signer(self) -> str | None:
        """``same`` when the workflow that signed is the build's own configuration, else its URI without ``@ref``.

        They differ when a reusable workflow signs: .9 names it, .18 names the caller.
        """
        if self.build_signer_uri is None:
            return None
        if self.build_signer_uri == self.build_config_uri:
            return "same"
        return self._without_ref(self.build_signer_uri)

    def is_of_repository(self, uri: str) -> bool:
        """Tell whether a URL names the source repository.

        Only github.com is known to ignore letter case (pypi/warehouse issue 15498).
        """
        if self.source_repository_uri is None:
            return False
        if urlsplit(uri).netloc.lower() == "github.com":
            return uri.lower() == self.source_repository_uri.lower()
        return uri == self.source_repository_uri

    def _without_ref(self, uri: str | None) -> str | None:
        """Take ``@REF`` off a workflow's URI.

        The certificate's own ref and commit say what to take off, since a tag may hold an ``@`` as well as a file
        name may. A reusable workflow has a ref of its own; then the last ``@`` divides.
        """
        if uri is None:
            return None
        for ref in (self.source_repository_ref, self.source_repository_digest):
            if ref and uri.endswith(f"@{ref}"):
                return uri[: -len(ref) - 1]
        return uri.rpartition("@")[0] or uri


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One piece of evidence about one artifact and the state it is in.

    Args:
        kind: what it would prove.
        state: one of the five states.
        reason: the state in words; empty for verified and plainly absent evidence.
        code: why it is invalid; set exactly for the state INVALID.
        cause: why it is unavailable; set exactly for the state UNAVAILABLE.
        digest: sha256 of the evidence document's bytes.
        predicate_type: of the signed statement.
        claims: of the certificate; only for VERIFIED.
        key_id: name of the registry's key, for what is verified and signed with one.
        signed_at: verified time of signing; only for a VERIFIED attestation.
        log_index: of its entry in the transparency log, likewise.
        registry: address of the registry that a verified publish attestation of npm is by.
    """

    kind: EvidenceKind
    state: EvidenceState
    reason: str = ""
    code: EvidenceCode | None = None
    cause: UnavailableCause | None = None
    digest: Digest | None = None
    predicate_type: str | None = None
    claims: Claims | None = None
    key_id: str | None = None
    signed_at: datetime | None = None
    log_index: int | None = None
    registry: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a rule has to say about an artifact, a file of the user's, or the run.

    Args:
        rule: which rule.
        level: what it does to the verdict.
        message: what is wrong, in one line, without credentials.
        next: the exact command or line that mends it, or the empty string.
        location: where a file of the user's is concerned.
    """

    rule: RuleId
    level: Level
    message: str
    next: str = ""
    location: Location | None = None

    @property
    def help(self) -> str:
        """Anchor of the rule's section in the documentation."""
        return f"docs/rules.md#{self.rule.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict on one artifact and why. Made of nothing it is a block."""

    verdict: Verdict = Verdict.BLOCK
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRelease:
    """The next lower release of the same package that has provenance by its registry's listing.

    Args:
        version: as the registry writes it.
        is_same_line: whether it is of the same line of versions, see :mod:`guard.policy.versions`.
        evidence: what is verified about it; empty where nobody asked, or it could not be verified.
        problem: why it could not be verified; empty where it was, or nobody asked.
    """

    version: str
    is_same_line: bool
    evidence: tuple[Evidence, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that rules may look at: gathered before, judged without I/O.

    Args:
        artifact: what would be installed.
        listed: digests that the registry lists for this file; empty when it lists none.
        observed: digests computed over the very bytes that would be delivered; empty when they were not fetched.
        evidence: every piece of evidence that was looked for, in every state.
        hashes_enforced: whether the user's input pins hashes, so that an unpinned artifact is a hole.
        metadata_problem: how the bytes' own metadata differs from what the resolver was told; empty when it does not.
        registry_problem: why the registry could not be asked; empty when it was.
        bytes_problem: why the bytes that were sent cannot be the listed file, without their having a digest.
        other_indexes: other configured indexes that offer the same name with other files, credentials removed.
        resolved_problem: how the address in the user's lock differs from the one that the registry lists; empty when
            it does not.
        resolved_is_configured: whether that address is on a host that the user configured as a registry.
        has_install_script: whether the package runs code of its own when it is installed.
        bundles_install_script: whether a package inside its tarball does.
        earlier: the release to compare it with; looked for where provenance is missing or young.
        attested_beside: another file of the same release that has provenance by the listing; looked for likewise.
        unlisted_pins: digests that a lock accepts and that no listed file of the release has, beside others that do.
        is_locked: whether a lock, a hash or an exact requirement of the user's names this very release, so that no
            resolver chose it.
        published_at: when the registry says that it took the file; aware. ``None`` where it does not say.
        yanked: why its maintainers took the file back, the empty string where they give no reason; ``None`` where they
            did not.
        deprecated: why its maintainers ask not to use it any more, likewise.
    """

    artifact: Artifact
    listed: tuple[Digest, ...] = ()
    observed: tuple[Digest, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    hashes_enforced: bool = False
    metadata_problem: str = ""
    registry_problem: str = ""
    bytes_problem: str = ""
    other_indexes: tuple[str, ...] = ()
    resolved_problem: str = ""
    resolved_is_configured: bool = False
    has_install_script: bool = False
    bundles_install_script: bool = False
    unlisted_pins: tuple[Digest, ...] = ()
    is_locked: bool = False
    published_at: datetime | None = None
    yanked: str | None = None
    deprecated: str | None = None
    earlier: EarlierRelease | None = None
    attested_beside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """A release, or a file of one, that a resolver was not offered.

    Args:
        purl: which.
        rule: the rule that it would break.
        reason: in words.
        until: from when on it is offered, where time alone helps; aware.
    """

    purl: str
    rule: RuleId
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """What stood in an artifact's place before a change.

    Args:
        version: of it.
        claims: of its verified provenance; ``None`` where it has none.
    """

    version: str
    claims: Claims | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An artifact with the facts that were gathered and the decision that was made on them."""

    facts: Facts
    decision: Decision
    # pip-hash | npm-integrity | gateway: who compared the installed bytes with the digest; none where nothing installs,
    # pinned-now where the digest is what the index states at this moment
    bound_by: str = "gateway"
    installed: bool = True  # False for a file that was only built during resolution, or where nothing installs
    notes: tuple[str, ...] = field(default=())
    previous: Previous | None = None  # only where a change is judged, and something stood in its place
    merged: tuple[Facts, ...] = ()  # of every file that it stands for, where a lock accepts several of a release

    @property
    def artifact(self) -> Artifact:
        """The artifact that was judged."""
        return self.facts.artifact
