"""Readers of the files that a project brings: lockfiles of every format, guard.lock and guard.toml.

A lock begins from what its own tool wrote, in every generation that is recorded. It is read, or it is malformed; what
is read becomes questions with printable names, at places that the file has.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from guard.audit.deciding import batches_of, select_entries
from guard.audit.discovery import FoundFile
from guard.audit.entries import entries_of
from guard.audit.reading import LoadedLock, LockReader
from guard.errors import ConfigInvalid
from guard.policy.identity_lock import parse_identity_lock, render_identity_lock
from guard.policy.schema import parse_policy
from guard.report.model import without_credentials
from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.formats import Format, find_format
from guard_lockfiles.lockfile import Lockfile, Source
from tests.fuzz.mutations import documents_like, lines_like
from tests.fuzz.target import Target, parses

_RECORDED = Path(__file__).parents[1] / "unit" / "data" / "lockfiles"
_ROOT = Path("/nonexistent/project")
_HEX, _SRI = "0" * 64, f"sha512-{'A' * 86}=="
_REQUIREMENTS = f"""\
--index-url https://index.example.test/simple
six==1.17.0 ; python_version < "4" \\
    --hash=sha256:{_HEX} \\
    --hash=sha256:{"1" * 64}
-e ./lib
-r other.txt
x[extra] @ git+https://example.test/x@{_HEX[:40]}
y @ https://u:p@example.test/y.zip#sha256={_HEX}
"""
_PYLOCK = f"""\
lock-version = "1.0"
created-by = "test"
environments = ["sys_platform == 'linux'"]
[[packages]]
name = "six"
version = "1.17.0"
marker = "os_name == 'posix'"
index = "https://index.example.test/simple"
wheels = [{{ url = "https://files.example.test/six-1.17.0-py3-none-any.whl", hashes = {{ sha256 = "{_HEX}" }} }}]
sdist = {{ path = "../six-1.17.0.tar.gz", hashes = {{ sha256 = "{_HEX}" }} }}
[[packages.attestation-identities]]
kind = "GitHub"
repository = "acme/six"
workflow = "release.yml"
[[packages]]
name = "b"
archive = {{ url = "https://files.example.test/b.zip", hashes = {{ sha256 = "{_HEX}" }} }}
[[packages]]
name = "c"
vcs = {{ type = "git", url = "https://git.example.test/c", commit-id = "{_HEX[:40]}" }}
[[packages]]
name = "d"
directory = {{ path = ".", editable = true }}
"""
_PACKAGE_LOCK = f"""\
{{"lockfileVersion": 2, "packages": {{
"": {{"name": "x", "workspaces": ["lib"], "dependencies": {{"a": "^1.0.0"}}}},
"lib": {{"version": "1.0.0"}}, "node_modules/lib": {{"resolved": "lib", "link": true}},
"node_modules/a": {{"version": "1.0.0", "resolved": "https://npm.example.test/a/-/a-1.0.0.tgz", "integrity": "{_SRI}"}},
"node_modules/a/node_modules/@s/b": {{"version": "1.0.0", "inBundle": true, "os": ["!win32"], "dev": true}},
"node_modules/e": {{"name": "f", "version": "1.0.0", "resolved": "git+ssh://git@example.test/f.git#{_HEX[:40]}"}}}},
"dependencies": {{"a": {{"version": "1.0.0", "integrity": "{_SRI}", "requires": {{"@s/b": "1"}},
"dependencies": {{"@s/b": {{"version": "npm:c@1.0.0", "bundled": true}}}}}}}}}}
"""
_OLD_PACKAGE_LOCK = f"""\
{{"name": "x", "lockfileVersion": 1, "dependencies": {{
"a": {{"version": "1.0.0", "resolved": "https://npm.example.test/a/-/a-1.0.0.tgz", "integrity": "{_SRI}"}},
"b": {{"version": "github:acme/b#{_HEX[:40]}", "from": "github:acme/b"}}, "c": {{"version": "file:../c"}}}}}}
"""
_GUARD_LOCK = f"""\
version = 1

[[package]]
name = "pypi:six"

[[package.identity]]
issuer = "https://token.actions.githubusercontent.com"
repository = "https://github.com/acme/six"
repository-id = "7"
workflow = ".github/workflows/release.yml"
ref = "refs/tags/*"
first-seen = "1.17.0"
digest = "sha256:{_HEX}"

[[package]]
name = "npm:@s/b"

[[package.identity]]
registry = "https://registry.example.test"
first-seen = "1.0.0"
digest = "sha512:{"0" * 128}"
"""
_GUARD_TOML = """\
version = 1
[policy]
provenance = "required"
min-age = "3d"
sources = ["registry", "url-hashed"]
slsa-level = 2
[pypi]
index-url = "https://index.example.test/simple"
[audit]
platforms = ["linux-x86_64"]
[[package]]
name = "pypi:acme-*"
min-age = "0m"
[[package.identity]]
repository = "https://github.com/acme/six"
ref = "refs/tags/v*"
[[exception]]
package = "npm:@s/b@1.0.0"
rule = "yanked"
reason = "looked at"
expires = 2026-12-31
"""


def _recorded(name: str) -> list[bytes]:
    found = [path.read_bytes() for path in sorted(_RECORDED.glob(f"*/{name}"))]
    assert found, name
    return found


def _reads(name: str) -> Callable[[bytes], None]:
    """Return a check that bytes are a lock, all of which becomes questions, or are malformed."""
    form = find_format(name)
    assert form is not None

    def check(data: bytes) -> None:
        try:
            lock = form.parse(data)
        except MalformedLockfile as error:
            _is_refused(error, data)
        else:
            _is_sound(lock, data)
            _becomes_questions(name, form, data)

    return check


def _is_refused(malformed: MalformedLockfile, data: bytes) -> None:
    assert malformed.message.isprintable(), ascii(malformed.message)
    assert malformed.line is None or 1 <= malformed.line <= _lines(data)


def _is_sound(lock: Lockfile, data: bytes) -> None:
    last = _lines(data)
    for artifact in lock.artifacts:
        assert artifact.name or artifact.source is not Source.REGISTRY
        assert 1 <= artifact.line <= last
        assert artifact.column >= 1
        assert artifact.place.isprintable()
        assert all(digest == digest.lower() and ":" in digest for digest in artifact.digests)
    for entry in lock.unreadable:
        assert 1 <= entry.line <= last
        assert entry.place.isprintable()
        assert entry.reason.isprintable()


def _becomes_questions(name: str, form: Format, data: bytes) -> None:
    def load(path: Path) -> bytes:
        if path != _ROOT / name:
            raise ConfigInvalid("there is no other file")
        return data

    lock = LockReader(load, cwd=_ROOT, project=_ROOT, environ={}).read(FoundFile(_ROOT / name, form))
    if not isinstance(lock, LoadedLock):
        return
    for entry in entries_of(lock):
        shown = without_credentials(f"{entry.artifact.purl} {entry.artifact.origin} {entry.location}")
        assert "://u:p@" not in shown
        assert entry.artifact.name
    batches_of(select_entries([lock], named=None, all_platforms=False))


def _lines(data: bytes) -> int:
    """Count lines as generously as any reader does: a form feed or a lone return may end one."""
    return len(data.decode("utf-8", errors="replace").splitlines()) + 1


def _read_guard_lock(data: bytes) -> None:
    lock = parse_identity_lock(data, path="guard.lock")
    written = render_identity_lock(lock)
    assert render_identity_lock(parse_identity_lock(written, path="guard.lock")) == written


def _target(name: str, *own: str) -> Target:
    seeds = [text.encode() for text in own] or _recorded(name)
    is_json = name in ("Pipfile.lock", "package-lock.json")
    inputs = documents_like(seeds) | lines_like(seeds) if is_json else lines_like(seeds)
    return Target(inputs, _reads(name))


LOCKFILE_TARGETS: dict[str, Target] = {
    "requirements": _target("requirements.txt", _REQUIREMENTS),
    "pylock": _target("pylock.toml", _PYLOCK),
    "uv-lock": _target("uv.lock"),
    "poetry-lock": _target("poetry.lock"),
    "pdm-lock": _target("pdm.lock"),
    "pipfile-lock": _target("Pipfile.lock"),
    "package-lock": _target("package-lock.json", _PACKAGE_LOCK, _OLD_PACKAGE_LOCK),
    "yarn-lock": _target("yarn.lock"),
    "pnpm-lock": _target("pnpm-lock.yaml"),
    "bun-lock": _target("bun.lock"),
    "guard-lock": Target(lines_like([_GUARD_LOCK.encode()]), parses(_read_guard_lock, ConfigInvalid)),
    "guard-toml": Target(
        lines_like([_GUARD_TOML.encode()]), parses(lambda data: parse_policy(data, path="guard.toml"), ConfigInvalid)
    ),
}
