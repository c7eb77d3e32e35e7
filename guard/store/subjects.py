"""Files that a user wants verified: hashed, and recognised by name and content as a package where they are one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from guard import limits
from guard.attest.subject import NpmRelease, PythonFile, Subject, parse_npm_purl, parse_python_file
from guard.errors import MalformedInput, UsageError
from guard.model import Digest
from guard.store.archives import load_sdist_metadata
from guard.store.tarballs import load_package_manifest

_ALGORITHMS = ("sha256", "sha384", "sha512")
_CHUNK_BYTES = 1024 * 1024
_TARBALL_SUFFIXES = (".tgz", ".tar.gz")


def load_file_subject(path: Path, *, name: str | None = None, with_content: bool = False) -> Subject:
    """Read a file.

    Args:
        path: of the file.
        name: what the user says it is, a file name or a package URL; without it, its own name counts.
        with_content: whether its bytes are kept, for signatures that are checked over them.

    Raises:
        UsageError: it cannot be read, or the name is none.
    """
    hashes = [hashlib.new(algorithm) for algorithm in _ALGORITHMS]
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                for each in hashes:
                    each.update(chunk)
        keeps = with_content and path.stat().st_size <= limits.SIGNED_CONTENT_MAX_BYTES
        content = path.read_bytes() if keeps else None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if content is not None and hashlib.sha256(content).digest() != hashes[0].digest():
        raise UsageError(f"{path} changed while it was read")
    digests = tuple(Digest(each.name, each.hexdigest()) for each in hashes)
    package = _recognise(path) if name is None else package_named(name)
    filename = path.name if name is None or _is_purl(name) else name
    return Subject(name=name or path.name, digests=digests, filename=filename, package=package, content=content)


def digest_subject(text: str, *, name: str | None = None) -> Subject:
    """Return a file of which the digest alone is known.

    Args:
        text: ``sha256:HEX`` or ``sha512:HEX``.
        name: what the user says it is, a file name or a package URL.

    Raises:
        UsageError: it is no such digest, or the name is none.
    """
    try:
        digest = Digest.from_text(text)
    except MalformedInput as error:
        raise UsageError(error.message) from error
    package = None if name is None else package_named(name)
    filename = None if name is None or _is_purl(name) else name
    return Subject(name=name or str(digest), digests=(digest,), filename=filename, package=package)


def package_named(name: str) -> PythonFile | NpmRelease | None:
    """Return the package that a name names; ``None`` for a file that is none.

    Args:
        name: the file name of a Python distribution, or the package URL of an npm release.

    Raises:
        UsageError: it is a package URL that guard cannot use.
    """
    try:
        release = parse_npm_purl(name)
    except MalformedInput as error:
        raise UsageError(error.message) from error
    if release is None and _is_purl(name):
        raise UsageError(
            f"{name[:200]!a} names no file and no npm release",
            hint="of Python packages give the file's name: --name widget-1.0-py3-none-any.whl",
        )
    return release or parse_python_file(name)


def _is_purl(name: str) -> bool:
    return name.startswith("pkg:")


def _recognise(path: Path) -> PythonFile | NpmRelease | None:
    """Recognise a package by name and content: most archives called NAME-VERSION.tar.gz are no source distribution.

    A wheel is known by its name; nothing else is called so, and only its name says for what it is.
    """
    python = parse_python_file(path.name)
    if python is not None and (path.name.endswith(".whl") or _is_sdist(path)):
        return python
    if not path.name.endswith(_TARBALL_SUFFIXES):
        return None
    try:
        manifest = load_package_manifest(path, filename=path.name)
    except MalformedInput:
        return None
    return NpmRelease(manifest.name, manifest.version)


def _is_sdist(path: Path) -> bool:
    try:
        return load_sdist_metadata(path, filename=path.name) is not None
    except MalformedInput:
        return False
