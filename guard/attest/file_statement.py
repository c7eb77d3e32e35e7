"""Binding of a verified statement to a file: that the file is one of those that the statement is about.

A build states everything that it made in one statement (in-toto Statement v1, ``subject``), so that the file must be
one of several. Its digest decides; a name that says which package the file is must say the same, since a package
manager goes by it (invariant I6).
"""

from __future__ import annotations

from collections.abc import Sequence

from guard.attest.pypi import is_same_distribution
from guard.attest.statement import Statement
from guard.attest.subject import NpmRelease, PythonFile, Subject, parse_python_file
from guard.errors import EvidenceCode, EvidenceInvalid
from guard.model import Digest

NPM_PURL = "pkg:npm/"


def find_statement(statements: Sequence[Statement], subject: Subject) -> Statement:
    """Return the statement that is about a file.

    Args:
        statements: one for each subject of a verified statement.
        subject: the file.

    Raises:
        EvidenceInvalid: ``STATEMENT_SUBJECT``, none is.
    """
    same_bytes = [each for each in statements if _has_digest(each, subject)]
    if not same_bytes:
        stated = ", ".join(sorted({each.subject_name or "a file without a name" for each in statements}))
        others = f"{len(statements)} other files ({stated[:200]!a})" if len(statements) > 1 else stated[:200]
        raise _mismatch(f"the statement is about {others}, whose digest is not that of {subject.name}")
    found = next((each for each in same_bytes if _is_named(each.subject_name, subject)), None)
    if found is None:
        raise _mismatch(
            f"the statement is about {same_bytes[0].subject_name[:200]!a}, and this is {_own_name(subject)}"
        )
    return found


def _has_digest(statement: Statement, subject: Subject) -> bool:
    """Whether there is a digest to compare, and every one that can be compared is the file's."""
    compared = {each.hex == statement.subject_digests.get(each.algorithm) for each in _comparable(statement, subject)}
    return compared == {True}


def _comparable(statement: Statement, subject: Subject) -> list[Digest]:
    return [each for each in subject.digests if each.is_strong and each.algorithm in statement.subject_digests]


def _is_named(stated: str, subject: Subject) -> bool:
    if stated.startswith(NPM_PURL):
        return isinstance(subject.package, NpmRelease) and stated == subject.package.purl
    if isinstance(subject.package, PythonFile):
        base = stated.rpartition("/")[2]
        return parse_python_file(base) is None or is_same_distribution(base, subject.package.filename)
    return True


def _own_name(subject: Subject) -> str:
    if isinstance(subject.package, NpmRelease):
        return subject.package.purl
    return f"{subject.name[:200]!a}; say which package it is with --name" if subject.package is None else subject.name


def _mismatch(reason: str) -> EvidenceInvalid:
    return EvidenceInvalid(EvidenceCode.STATEMENT_SUBJECT, reason)
