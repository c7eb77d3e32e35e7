"""The words of npm's command line: commands, aliases, options with their types, shorthands.

The tables are the union of npm 9, 10 and 11 (``lib/utils/cmd-list.js``, ``@npmcli/config/lib/definitions``); a test
compares them with each of those. This module imports nothing but ``enum``: it is read by every ``guard npm run``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

MAJORS = (9, 10, 11)
NEWEST = MAJORS[-1]  # how a newer npm is read


class Kind(str, enum.Enum):
    """What guard does with a whole command line."""

    PASS_THROUGH = "pass-through"  # noqa: S105 - no password
    CI = "ci"  # installs the lock as it stands
    INSTALL = "install"  # npm can resolve it with --package-lock-only
    AUDIT_FIX = "audit-fix"
    EXEC = "exec"  # runs a program of a package: exec, npx, init NAME
    REBUILD = "rebuild"
    OTHER = "other"  # decided while it runs
    REFUSED = "refused"


_COMMANDS_OF = {
    Kind.PASS_THROUGH: (
        "access adduser bugs completion config deprecate dist-tag docs doctor explain explore fund get help"
        " help-search hook ll login logout ls org outdated owner ping pkg prefix profile publish query repo restart"
        " root run sbom search set shrinkwrap stage star stars start stop team test token trust undeprecate unpublish"
        " unstar view whoami"
    ),
    Kind.CI: "ci install-ci-test",
    Kind.INSTALL: "install install-test update dedupe uninstall prune",
    Kind.AUDIT_FIX: "audit",
    Kind.EXEC: "exec init",
    Kind.REBUILD: "rebuild",
    # find-dupes builds the tree that dedupe would, for which it may have to clone repositories.
    Kind.OTHER: "approve-scripts deny-scripts diff find-dupes install-scripts link pack version",
    # edit runs the scripts of what was edited, which nobody can decide.
    Kind.REFUSED: "cache edit",
}
_KINDS = {command: kind for kind, commands in _COMMANDS_OF.items() for command in commands.split()}

# npm 9 and 10 call `run` run-script, with `run` as its alias.
_ALIASES_OF = {
    "adduser": "add-user",
    "bugs": "issues",
    "ci": "clean-install ic install-clean isntall-clean",
    "config": "c",
    "dedupe": "ddp",
    "dist-tag": "dist-tags",
    "docs": "home",
    "exec": "x",
    "explain": "why",
    "help": "hlep",
    "init": "create innit",
    "install": "add i in ins inst insta instal isnt isnta isntal isntall",
    "install-ci-test": "cit clean-install-test sit",
    "install-test": "it",
    "link": "ln",
    "ll": "la",
    "ls": "list",
    "org": "ogr",
    "owner": "author",
    "rebuild": "rb",
    "run": "run-script rum urn",
    "search": "find s se",
    "test": "t tst",
    "uninstall": "r remove rm un unlink",
    "update": "u udpate up upgrade",
    "version": "verison",
    "view": "info show v",
}
_ALIASES = {alias: command for command, aliases in _ALIASES_OF.items() for alias in aliases.split()}


def _each(words: str, majors: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(words.split(), majors)


_MAJORS_OF_WORD = {
    "hook": (9, 10),
    **_each("approve-scripts deny-scripts install-scripts stage trust u undeprecate", (11,)),
}

# Types as nopt looks at them; a word in quotes is a value that the option may have, and that nopt takes as one even
# behind --no-OPTION.
_OPTIONS_OF = {
    "boolean": (
        "all allow-same-version allow-scripts-pending allow-scripts-pin audit bin-links bypass-2fa commit-hooks"
        " dangerously-allow-all-scripts description dev diff-ignore-all-space diff-name-only diff-no-prefix diff-text"
        " dry-run engine-strict force foreground-scripts format-package-lock fund git-tag-version global global-style"
        " if-present ignore-scripts include-attestations include-staged include-workspace-root init-private"
        " install-links json legacy-bundling legacy-peer-deps link long offline omit-lockfile-registry-resolved"
        " package-lock package-lock-only packages-all parseable prefer-dedupe prefer-offline prefer-online progress"
        " provenance read-only rebuild-bundle save save-bundle save-dev save-exact save-optional save-peer save-prod"
        " shrinkwrap sign-git-commit sign-git-tag strict-allow-scripts strict-peer-deps strict-ssl timing unicode"
        " update-notifier usage version versions workspaces-update"
    ),
    "null boolean": "expect-results optional production workspaces yes",
    "null boolean string": "browser",
    '"always" boolean': "color",
    "string": (
        "call diff-dst-prefix diff-src-prefix editor git heading init-author-email init-author-name init-license"
        " init-type init.author.email init.author.name init.license message pack-destination preid save-prefix scope"
        " searchexclude searchopts shell tag tag-version-prefix user-agent viewer"
    ),
    "null string": "_auth cert ci-name cpu key libc name node-options os otp password script-shell token-description",
    "string array": "allow-scripts diff min-release-age-exclude noproxy package workspace",
    "null string array": "ca cidr orgs packages scopes",
    "path": "cache cafile globalconfig init-module init.module node-gyp prefix provenance-file tmp userconfig",
    "null path": "logs-dir",
    "url": "registry",
    "null url": "https-proxy",
    "null false url": "proxy",
    '"" url': "init-author-url init.author.url",
    "number": (
        "cache-max cache-min diff-unified fetch-retries fetch-retry-factor fetch-retry-maxtimeout"
        " fetch-retry-mintimeout fetch-timeout logs-max maxsockets searchlimit searchstaleness"
    ),
    "null number": "depth expect-result-count expires min-release-age which",
    "null date": "before",
    "semver": "init-version init.version",
    "umask": "umask",
    "null address": "local-address",  # one of this machine's own
    '"dev" "optional" "peer" array': "omit",
    '"prod" "dev" "optional" "peer" array': "include",
    '"all" "none" "root"': "allow-directory allow-file allow-git allow-remote",
    'null "restricted" "public" "private"': "access",
    'null "dev" "development"': "also",
    'null "info" "low" "moderate" "high" "critical" "none"': "audit-level",
    '"legacy" "web"': "auth-type",
    '"hoisted" "nested" "shallow" "linked"': "install-strategy",
    '"global" "user" "project"': "location",
    'null "1" "2" "3"': "lockfile-version",
    '"silent" "error" "warn" "notice" "http" "info" "verbose" "silly"': "loglevel",
    'null "prod" "production"': "only",
    'null "read-only" "read-write" "no-access"': "orgs-permission packages-and-scopes-permission",
    'string "npmjs" "never" "always"': "replace-registry-host",
    '"cyclonedx" "spdx"': "sbom-format",
    '"library" "application" "framework"': "sbom-type",
}

_MAJORS_OF_OPTION = {
    **_each("ci-name tmp", (9,)),
    **_each("expect-result-count expect-results libc", (10, 11)),
    **_each(
        "allow-directory allow-file allow-git allow-remote allow-scripts allow-scripts-pending allow-scripts-pin"
        " bypass-2fa dangerously-allow-all-scripts expires include-attestations init-private init-type"
        " min-release-age min-release-age-exclude name node-gyp orgs orgs-permission packages packages-all"
        " packages-and-scopes-permission password scopes strict-allow-scripts token-description",
        (11,),
    ),
}

SHORTHANDS = {
    "?": ("--usage",),
    "B": ("--save-bundle",),
    "C": ("--prefix",),
    "D": ("--save-dev",),
    "E": ("--save-exact",),
    "H": ("--usage",),
    "L": ("--location",),
    "O": ("--save-optional",),
    "P": ("--save-prod",),
    "S": ("--save",),
    "a": ("--all",),
    "c": ("--call",),
    "d": ("--loglevel", "info"),
    "dd": ("--loglevel", "verbose"),
    "ddd": ("--loglevel", "silly"),
    "desc": ("--description",),
    "enjoy-by": ("--before",),
    "f": ("--force",),
    "g": ("--global",),
    "h": ("--usage",),
    "help": ("--usage",),
    "iwr": ("--include-workspace-root",),
    "l": ("--long",),
    "local": ("--no-global",),
    "m": ("--message",),
    "n": ("--no-yes",),
    "no": ("--no-yes",),
    "p": ("--parseable",),
    "porcelain": ("--parseable",),
    "q": ("--loglevel", "warn"),
    "quiet": ("--loglevel", "warn"),
    "readonly": ("--read-only",),
    "reg": ("--registry",),
    "s": ("--loglevel", "silent"),
    "silent": ("--loglevel", "silent"),
    "v": ("--version",),
    "verbose": ("--loglevel", "verbose"),
    "w": ("--workspace",),
    "ws": ("--workspaces",),
    "y": ("--yes",),
}

_types_of_major: dict[int, dict[str, tuple[str, ...]]] = {}


def kind_of(command: str) -> Kind:
    """Return what guard does with a command as such, whatever its arguments."""
    return _KINDS[command]


def words_of(major: int) -> dict[str, str]:
    """Return every word that this npm knows as a command, with the command that it means."""
    words = {**dict.fromkeys(_KINDS), **_ALIASES}
    return {word: command or word for word, command in words.items() if major in _MAJORS_OF_WORD.get(word, MAJORS)}


def types_of(major: int) -> dict[str, tuple[str, ...]]:
    """Return every option of this npm, with its types."""
    if major not in _types_of_major:
        _types_of_major[major] = {
            name: tuple(types.split())
            for types, names in _OPTIONS_OF.items()
            for name in names.split()
            if major in _MAJORS_OF_OPTION.get(name, MAJORS)
        }
    return _types_of_major[major]


def expand(abbreviation: str, words: Iterable[str]) -> str | None:
    """Return the word that an abbreviation stands for, if it is one word's only (the package ``abbrev``)."""
    if abbreviation in words:
        return abbreviation
    candidates = [word for word in words if abbreviation and word.startswith(abbreviation)]
    return candidates[0] if len(candidates) == 1 else None


def dereference(word: str, major: int) -> tuple[str | None, bool]:
    """Return the command that a word means to npm, and whether the word is that command's full name or alias.

    Source: ``deref`` of ``lib/utils/cmd-list.js``, camelCase included.
    """
    plain = "".join(f"-{letter.lower()}" if "A" <= letter <= "Z" else letter for letter in word)
    words = words_of(major)
    full = expand(plain, words)
    return (None, False) if full is None else (words[full], full == plain)
