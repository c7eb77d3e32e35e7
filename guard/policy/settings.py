"""The settings of rules: the keys that ``[policy]`` and ``[[package]]`` take, and what each may be.

A key that is not written stays ``None`` here, so that what the user wrote can be told from a default.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import assert_never

from guard.model import Level, Location, SourceKind
from guard.policy.patterns import PackagePattern
from guard.policy.tables import Table

ALLOWABLE_SOURCES = (
    SourceKind.REGISTRY,
    SourceKind.ALIAS,
    SourceKind.VCS_PINNED,
    SourceKind.URL_HASHED,
    SourceKind.PATH,
)
SLSA_LEVELS = range(4)
_DURATION = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class RuleMode(str, enum.Enum):
    """How much what a rule finds weighs; strictest first."""

    BLOCK = "block"
    WARN = "warn"
    OFF = "off"

    @property
    def level(self) -> Level | None:
        """The level of a finding; ``None`` when it is not reported."""
        match self:
            case RuleMode.BLOCK:
                return Level.BLOCK
            case RuleMode.WARN:
                return Level.WARN
            case RuleMode.OFF:
                return None
        assert_never(self)


class ProvenanceMode(str, enum.Enum):
    """Which provenance is asked for; strictest first."""

    REQUIRED = "required"
    NO_DOWNGRADE = "no-downgrade"
    OPTIONAL = "optional"


class IdentityMode(str, enum.Enum):
    """Which publisher is asked for; strictest first."""

    REQUIRED = "required"  # guard.lock or a pin must name one
    LOCKED = "locked"  # it must be the one that guard.lock or a pin names, where one does


class SoftFact(str, enum.Enum):
    """Facts of an identity that change in ordinary life; ``identity-strict`` makes them as hard as the others."""

    WORKFLOW = "workflow"
    OWNER_ID = "owner-id"
    REF = "ref"
    TRIGGER = "trigger"
    ENVIRONMENT = "environment"
    RUNNER = "runner"


class RegistrySignatureMode(str, enum.Enum):
    """Which signatures of an npm registry are asked for; strictest first. Invalid ones block in every mode."""

    REQUIRED = "required"
    IF_SIGNED = "if-signed"
    OFF = "off"


class LockedAgeMode(str, enum.Enum):
    """What a release is that is too new and that the user's lock or pin names; strictest first."""

    BLOCK = "block"
    WARN = "warn"
    NOTE = "note"

    @property
    def level(self) -> Level:
        """The level of a finding."""
        match self:
            case LockedAgeMode.BLOCK:
                return Level.BLOCK
            case LockedAgeMode.WARN:
                return Level.WARN
            case LockedAgeMode.NOTE:
                return Level.NOTE
        assert_never(self)


class SdistMode(str, enum.Enum):
    """Whether source distributions are installed, which build themselves; strictest first."""

    BLOCK = "block"
    ALLOW = "allow"


class InstallScriptsMode(str, enum.Enum):
    """What becomes of code that an npm package runs when it is installed; strictest first."""

    BLOCK = "block"
    SKIP = "skip"
    AS_NPM = "as-npm"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """The keys that both ``[policy]`` and ``[[package]]`` take; ``None`` where not written.

    Each field is named as its key, with ``_`` for ``-``, and as the field of :class:`guard.policy.policy.PackagePolicy`
    that it sets. ``places`` says where each key that is written stands.
    """

    hashes: RuleMode | None = None
    provenance: ProvenanceMode | None = None
    identity: IdentityMode | None = None
    identity_strict: frozenset[SoftFact] | None = None
    downgrade_window: timedelta | None = None
    registry_signature: RegistrySignatureMode | None = None
    slsa_level: int | None = None
    runner: frozenset[str] | None = None
    triggers_denied: frozenset[str] | None = None
    min_age: timedelta | None = None
    min_age_locked: LockedAgeMode | None = None
    min_age_registries: frozenset[str] | None = None
    min_age_exclude: frozenset[PackagePattern] | None = None
    sources: frozenset[SourceKind] | None = None
    sdist: SdistMode | None = None
    yanked: RuleMode | None = None
    install_scripts: InstallScriptsMode | None = None
    places: Mapping[str, Location] = field(default_factory=dict, compare=False)

    def written(self) -> dict[str, Any]:
        """Return what is written, by name of the field."""
        named = (each.name for each in fields(self) if each.name != "places")
        return {name: value for name in named if (value := getattr(self, name)) is not None}


SETTINGS = tuple(each.name.replace("_", "-") for each in fields(RuleSettings) if each.name != "places")
# Sets that ask for more the more they hold; the others allow more.
_SETS_THAT_ASK = frozenset({"triggers_denied", "identity_strict", "min_age_registries"})


def is_looser(name: str, value: Any, than: Any) -> bool:
    """Tell whether one value of a setting asks for less than another, or for something else.

    Args:
        name: of the setting's field.
        value: of one policy.
        than: of the other.
    """
    if isinstance(value, frozenset):
        return not (than <= value if name in _SETS_THAT_ASK else value <= than)
    if isinstance(value, (int, timedelta)):
        return bool(value < than)
    modes = list(type(value).__members__.values())
    return modes.index(value) > modes.index(than)


def parse_settings(table: Table) -> RuleSettings:
    """Read the settings that a ``[policy]`` or ``[[package]]`` writes.

    Raises:
        ConfigInvalid: a value does not fit; its line is named.
    """
    # The publishers of one package stand in tables of the same name.
    pins = isinstance(table.values.get("identity"), list)
    keys = [key for key in SETTINGS if key in table.values and not (pins and key == "identity")]
    return RuleSettings(
        hashes=table.choice("hashes", RuleMode),
        provenance=table.choice("provenance", ProvenanceMode),
        identity=None if pins else table.choice("identity", IdentityMode),
        identity_strict=table.choice_set("identity-strict", SoftFact),
        downgrade_window=table.parsed("downgrade-window", parse_duration),
        registry_signature=table.choice("registry-signature", RegistrySignatureMode),
        slsa_level=table.integer("slsa-level", SLSA_LEVELS),
        runner=table.parsed_set("runner", str),
        triggers_denied=table.parsed_set("triggers-denied", str),
        min_age=table.parsed("min-age", parse_duration),
        min_age_locked=table.choice("min-age-locked", LockedAgeMode),
        min_age_registries=table.parsed_set("min-age-registries", _registry),
        min_age_exclude=table.parsed_set("min-age-exclude", PackagePattern.parse),
        sources=table.choice_set("sources", ALLOWABLE_SOURCES),
        sdist=table.choice("sdist", SdistMode),
        yanked=table.choice("yanked", RuleMode),
        install_scripts=table.choice("install-scripts", InstallScriptsMode),
        places={key: table.location(key) for key in keys},
    )


def parse_duration(text: str) -> timedelta:
    """Parse minutes, hours or days: ``90m``, ``24h``, ``7d``.

    Raises:
        ValueError: it is none of them.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f'must be minutes, hours or days such as "90m", "24h" or "7d", not {text[:80]!r}')
    return int(match[1]) * _UNITS[match[2]]


def render_duration(duration: timedelta) -> str:
    """Return a duration as policies write it: in days from two on, else in hours or minutes."""
    for unit, least in (("d", 2), ("h", 1)):
        count, rest = divmod(duration, _UNITS[unit])
        if count >= least and not rest:
            return f"{count}{unit}"
    return f"{duration // _UNITS['m']}m"


def registry_key(url: str) -> str:
    """Return what of a registry's address says which one it is: host and path, without a slash at the end."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2].lower()}{parts.path.rstrip('/')}"


def _registry(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.netloc or not text.isprintable():
        raise ValueError("must be a URL (https, http)")
    return registry_key(text)
