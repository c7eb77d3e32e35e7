"""Which of the statements that a build made is about a file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guard.attest.file_statement import find_statement
from guard.attest.statement import Statement
from guard.attest.subject import NpmRelease, PythonFile, Subject
from guard.errors import EvidenceCode, EvidenceInvalid
from guard.model import Digest

SHA1, SHA256, SHA512 = Digest("sha1", "0" * 40), Digest("sha256", "1" * 64), Digest("sha512", "2" * 128)
SUBJECT = Subject(name="it", digests=(SHA256, SHA512))
RELEASE = replace(SUBJECT, package=NpmRelease("widget", "1.0.0"))
WHEEL = replace(SUBJECT, package=PythonFile("widget-1.0-py3-none-any.whl", "widget", "1.0"))


def stating(name: str = "", *digests: Digest) -> Statement:
    return Statement(
        subject_name=name,
        subject_digests={each.algorithm: each.hex for each in digests or (SHA256,)},
        predicate_type="any",
        predicate=None,
    )


def refusal(subject: Subject, *statements: Statement) -> str:
    with pytest.raises(EvidenceInvalid) as caught:
        find_statement(statements, subject)
    assert caught.value.code is EvidenceCode.STATEMENT_SUBJECT
    return caught.value.message


@pytest.mark.parametrize("digests", [(SHA256,), (SHA512,), (SHA256, SHA512), (SHA256, SHA1)])
def test_a_statement_with_a_digest_of_the_file_is_about_it(digests: tuple[Digest, ...]) -> None:
    other, own = stating("a", Digest("sha256", "3" * 64)), stating("b", *digests)
    assert find_statement([other, own], SUBJECT) is own


@pytest.mark.parametrize(
    "digests",
    [
        (Digest("sha256", "3" * 64),),
        (SHA256, Digest("sha512", "3" * 128)),
        (Digest("sha256", "3" * 64), SHA512),
        (SHA1,),
        (Digest("sha384", "1" * 96),),
    ],
)
def test_a_statement_of_which_a_digest_differs_or_none_can_be_compared_is_not(digests: tuple[Digest, ...]) -> None:
    subject = replace(SUBJECT, digests=(*SUBJECT.digests, SHA1))
    assert refusal(subject, stating("a", *digests)) == "the statement is about a, whose digest is not that of it"


def test_what_the_statements_are_about_instead_is_said() -> None:
    statements = [stating(name, Digest("sha256", "3" * 64)) for name in ("b", "a", "", "a")]
    said = "4 other files ('a, a file without a name, b')"
    assert refusal(SUBJECT, *statements) == f"the statement is about {said}, whose digest is not that of it"


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (RELEASE, "pkg:npm/widget@1.0.0"),
        (RELEASE, "widget-1.0.0.tgz"),
        (WHEEL, "some/Widget-1.0-py3-none-any.whl"),
        (WHEEL, "wheel.zip"),
        (SUBJECT, "widget-2.0-py3-none-any.whl"),
        (SUBJECT, ""),
    ],
)
def test_a_name_that_says_the_package_or_none_will_do(subject: Subject, name: str) -> None:
    own = stating(name)
    assert find_statement([stating("pkg:npm/other@1.0.0"), own], subject) is own


@pytest.mark.parametrize(
    ("subject", "name", "this"),
    [
        (RELEASE, "pkg:npm/widget@1.0.1", "pkg:npm/widget@1.0.0"),
        (WHEEL, "pkg:npm/widget@1.0.0", "it"),
        (WHEEL, "dist/widget-1.1-py3-none-any.whl", "it"),
        (SUBJECT, "pkg:npm/widget@1.0.0", "'it'; say which package it is with --name"),
    ],
)
def test_a_name_that_says_another_package_is_refused(subject: Subject, name: str, this: str) -> None:
    assert refusal(subject, stating(name)) == f"the statement is about {name!r}, and this is {this}"
