from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import EvidenceCode, EvidenceInvalid
from guard.model import Claims
from guard.sigstore.certificate import claims_from_certificate

ARC = "1.3.6.1.4.1.57264.1"
KEY = ec.generate_private_key(ec.SECP256R1())
SIGNED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
ISSUER = "https://token.actions.githubusercontent.com"
SAN = "https://github.com/acme/widget/.github/workflows/release.yml@refs/tags/v1"
FIELDS = {
    9: "build_signer_uri",
    10: "build_signer_digest",
    11: "runner_environment",
    12: "source_repository_uri",
    13: "source_repository_digest",
    14: "source_repository_ref",
    15: "source_repository_identifier",
    16: "source_repository_owner_uri",
    17: "source_repository_owner_identifier",
    18: "build_config_uri",
    19: "build_config_digest",
    20: "build_trigger",
    21: "run_invocation_uri",
    22: "source_repository_visibility",
    23: "deployment_environment",
    24: "token_subject",
}


def der(text: str) -> bytes:
    raw = text.encode()
    if len(raw) < 0x80:
        return bytes([0x0C, len(raw)]) + raw
    length = len(raw).to_bytes((len(raw).bit_length() + 7) // 8, "big")
    return bytes([0x0C, 0x80 + len(length)]) + length + raw


def certificate(
    extensions: dict[int, bytes], names: tuple[x509.GeneralName, ...] = (x509.UniformResourceIdentifier(SAN),)
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(SIGNED_AT)
        .not_valid_after(SIGNED_AT + timedelta(minutes=10))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    for arc, value in extensions.items():
        oid = x509.ObjectIdentifier(f"{ARC}.{arc}")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
    return builder.sign(KEY, hashes.SHA256())


def read(extensions: dict[int, bytes], *names: x509.GeneralName) -> Claims:
    subject = certificate(extensions, names) if names else certificate(extensions)
    return claims_from_certificate(subject, signed_at=SIGNED_AT, log_index=7)


def refusal(subject: x509.Certificate) -> EvidenceInvalid:
    with pytest.raises(EvidenceInvalid) as caught:
        claims_from_certificate(subject, signed_at=None, log_index=None)
    return caught.value


def test_every_extension_has_its_own_field() -> None:
    claims = read({8: der(ISSUER)} | {arc: der(f"value {arc}") for arc in FIELDS})
    assert {field: getattr(claims, field) for field in FIELDS.values()} == {
        field: f"value {arc}" for arc, field in FIELDS.items()
    }
    assert (claims.issuer, claims.san, claims.signed_at, claims.log_index) == (ISSUER, SAN, SIGNED_AT, 7)


@pytest.mark.parametrize("arc", FIELDS, ids=FIELDS.get)
def test_missing_and_empty_claims_are_none(arc: int) -> None:
    assert getattr(read({8: der(ISSUER)}), FIELDS[arc]) is None
    assert getattr(read({8: der(ISSUER), arc: der("")}), FIELDS[arc]) is None


@pytest.mark.parametrize("length", [126, 127, 128, 129, 255, 256, 300])
def test_long_values_use_the_long_form_of_der_lengths(length: int) -> None:
    assert read({8: der(ISSUER), 12: der("x" * length)}).source_repository_uri == "x" * length


@pytest.mark.parametrize(("arc", "field"), [(2, "build_trigger"), (3, FIELDS[13]), (6, FIELDS[14])])
def test_an_empty_old_claim_is_none(arc: int, field: str) -> None:
    assert getattr(read({8: der(ISSUER), arc: b""}), field) is None


def test_issuer_comes_from_the_old_extension_where_the_new_one_is_absent() -> None:
    assert read({1: ISSUER.encode()}).issuer == ISSUER


# What certificates of before 2023 say of GitHub's builds, and nothing else.
LEGACY = {1: ISSUER, 2: "push", 3: "abc", 4: "Release", 5: "acme/widget", 6: "refs/tags/v1"}


def test_old_claims_are_read_where_the_new_ones_are_absent() -> None:
    claims = read({arc: text.encode() for arc, text in LEGACY.items()})
    assert (claims.issuer, claims.build_trigger, claims.source_repository_digest) == (ISSUER, "push", "abc")
    assert claims.source_repository_uri == "https://github.com/acme/widget"
    assert claims.source_repository_ref == "refs/tags/v1"
    assert (claims.build_signer_uri, claims.signer) == (SAN, SAN.partition("@")[0])
    assert (claims.build_config_uri, claims.workflow, claims.source_repository_identifier) == (None, None, None)


def test_new_claims_stand_alone() -> None:
    legacy = {arc: text.encode() for arc, text in LEGACY.items()}
    new = {8: der(ISSUER), 9: der("signer"), 12: der("https://github.com/acme/widget"), 13: der("abc")}
    claims = read(legacy | new | {14: der("refs/tags/v1"), 20: der("push")})
    assert (claims.build_signer_uri, claims.source_repository_uri) == ("signer", "https://github.com/acme/widget")


@pytest.mark.parametrize(
    "change", [{1: b"https://other.example.test"}, {5: b""}], ids=["other-issuer", "no-repository"]
)
def test_only_githubs_old_claims_name_a_repository(change: dict[int, bytes]) -> None:
    claims = read({arc: text.encode() for arc, text in LEGACY.items()} | change)
    assert (claims.source_repository_uri, claims.build_signer_uri) == (None, None)


def test_unknown_extensions_of_fulcio_and_others_are_ignored() -> None:
    assert read({8: der(ISSUER), 4: b"\xffname", 7: b"junk", 25: b"junk", 99: b""}).issuer == ISSUER


OLD_AND_NEW = {
    "issuer": (1, ISSUER, 8, ISSUER),
    "trigger": (2, "push", 20, "push"),
    "commit": (3, "abc", 13, "abc"),
    "repository": (5, "acme/widget", 12, "https://github.com/acme/widget"),
    "ref": (6, "refs/tags/v1", 14, "refs/tags/v1"),
}


@pytest.mark.parametrize(("old", "old_value", "new", "new_value"), OLD_AND_NEW.values(), ids=OLD_AND_NEW)
def test_two_forms_of_a_claim_must_agree(old: int, old_value: str, new: int, new_value: str) -> None:
    same = {8: der(ISSUER), old: old_value.encode(), new: der(new_value)}
    read(same)
    for differing in ({old: b"other"}, {new: der("https://example.test/other")}, {new: der("")}):
        error = refusal(certificate(same | differing))
        assert error.code is EvidenceCode.CLAIMS_CONFLICT
        assert f".{old} says" in error.message


def test_a_repository_is_a_path_without_the_slashes_around_it() -> None:
    for path in ("acme/box", "acme/box/", "/acme/box"):
        read({8: der(ISSUER), 5: b"acme/box", 12: der(f"https://github.com/{path}")})


def test_the_commit_of_the_workflow_may_differ_from_the_commit_that_is_built() -> None:
    read({8: der(ISSUER), 3: b"abc", 13: der("abc"), 19: der("def")})


@pytest.mark.parametrize(
    ("extensions", "part"),
    [
        pytest.param({}, "no issuer", id="no-issuer"),
        pytest.param({8: der("")}, "no issuer", id="empty-issuer"),
        pytest.param({8: ISSUER.encode()}, "cannot be read", id="raw-text-for-der"),
        pytest.param({8: b""}, "cannot be read", id="no-der"),
        pytest.param({8: b"\x0c"}, "cannot be read", id="cut-der"),
        pytest.param({8: b"\x13" + der(ISSUER)[1:]}, "cannot be read", id="other-string-type"),
        pytest.param({8: der(ISSUER) + b"x"}, "cannot be read", id="bytes-after-der"),
        pytest.param({8: der(ISSUER)[:-1]}, "cannot be read", id="der-too-short"),
        pytest.param({8: b"\x0c\x81\x01a"}, "cannot be read", id="length-not-minimal"),
        pytest.param({8: b"\x0c\x81\x7f" + b"a" * 127}, "cannot be read", id="length-just-not-minimal"),
        pytest.param({8: b"\x0c\x82\x00\x80" + b"a" * 128}, "cannot be read", id="length-padded"),
        pytest.param({8: b"\x0c\x80a\x00\x00"}, "cannot be read", id="indefinite-length"),
        pytest.param({8: b"\x0c\x80" + b"a" * 128}, "cannot be read", id="indefinite-length-that-would-be-128"),
        pytest.param({8: b"\x0c\x02\xc3\x28"}, "cannot be read", id="not-utf-8"),
        pytest.param({8: der(ISSUER), 1: b"\xff"}, "cannot be read", id="old-form-not-utf-8"),
        pytest.param({8: der(ISSUER), 14: der("a\x1b[2J")}, "control character", id="terminal-escape"),
        pytest.param({8: der(ISSUER), 14: der("a\nb")}, "control character", id="line-break"),
    ],
)
def test_refuses_extensions(extensions: dict[int, bytes], part: str) -> None:
    error = refusal(certificate(extensions))
    assert error.code is EvidenceCode.CERTIFICATE
    assert part in error.message


def test_refuses_an_extension_that_occurs_twice() -> None:
    subject = certificate({8: der(ISSUER), 14: der("refs/tags/v1"), 15: der("refs/tags/v2")})
    twice = subject.public_bytes(Encoding.DER).replace(oid_bytes(15), oid_bytes(14))
    error = refusal(x509.load_der_x509_certificate(twice))
    assert error.code is EvidenceCode.CERTIFICATE


def oid_bytes(arc: int) -> bytes:
    return bytes.fromhex("060a2b0601040183bf3001") + bytes([arc])


USER_NAME = x509.OtherName(x509.ObjectIdentifier(f"{ARC}.7"), der("alice!example.test"))


@pytest.mark.parametrize(
    ("name", "san"),
    [
        pytest.param(x509.UniformResourceIdentifier(SAN), SAN, id="uri"),
        pytest.param(x509.RFC822Name("a@example.test"), "a@example.test", id="email"),
        pytest.param(USER_NAME, "alice!example.test", id="user-name"),
    ],
)
def test_reads_the_subject_name(name: x509.GeneralName, san: str) -> None:
    assert read({8: der(ISSUER)}, name).san == san


@pytest.mark.parametrize(
    ("names", "says"),
    [
        pytest.param((), "cannot be read", id="no-extension"),
        pytest.param((x509.UniformResourceIdentifier(SAN), x509.RFC822Name("a@example.test")), "has 2", id="two"),
        pytest.param((x509.DNSName("example.test"),), "is no URI", id="dns-name"),
        pytest.param((x509.UniformResourceIdentifier(""),), "is empty", id="empty"),
        pytest.param((x509.OtherName(x509.ObjectIdentifier("1.2.3"), der("x")),), "is no URI", id="foreign-other-name"),
        pytest.param(
            (x509.OtherName(x509.ObjectIdentifier(f"{ARC}.7"), b"\x30\x00"),),
            "cannot be read",
            id="other-name-of-other-type",
        ),
    ],
)
def test_refuses_subject_names(names: tuple[x509.GeneralName, ...], says: str) -> None:
    error = refusal(certificate({8: der(ISSUER)}, names))
    assert error.code is EvidenceCode.CERTIFICATE
    assert says in error.message


@given(st.dictionaries(st.integers(1, 25).filter(lambda arc: arc != 7), st.binary(max_size=20), max_size=4))
def test_any_extension_values_give_claims_or_are_invalid(extensions: dict[int, bytes]) -> None:
    subject = certificate(extensions)
    try:
        claims = claims_from_certificate(subject, signed_at=None, log_index=None)
    except EvidenceInvalid:
        return
    assert claims.issuer


# --- what the claims come to -----------------------------------------------------------------------------------------

REPOSITORY = "https://github.com/acme/widget"
CONFIG = f"{REPOSITORY}/.github/workflows/release.yml"


def claims_of(signer: str, config: str, repository: str = REPOSITORY, ref: str = "refs/tags/v1") -> Claims:
    return Claims(
        san=signer,
        issuer=ISSUER,
        build_signer_uri=signer,
        build_config_uri=config,
        source_repository_uri=repository,
        source_repository_ref=ref,
        source_repository_digest="abc",
    )


@pytest.mark.parametrize(
    ("config", "ref", "workflow"),
    [
        pytest.param(f"{CONFIG}@refs/tags/v1", "refs/tags/v1", ".github/workflows/release.yml", id="tag"),
        pytest.param(f"{CONFIG}@refs/tags/@acme/w@1", "refs/tags/@acme/w@1", ".github/workflows/release.yml", id="at"),
        pytest.param(f"{CONFIG}@abc", "refs/tags/v1", ".github/workflows/release.yml", id="commit"),
        pytest.param(f"{REPOSITORY}/a@b.yml@refs/tags/v1", "refs/tags/v1", "a@b.yml", id="at-in-the-path"),
        pytest.param(f"{REPOSITORY}/a@b.yml@refs/other", "refs/tags/v1", "a@b.yml", id="last-at-of-another-ref"),
        pytest.param("https://github.com/Acme/Widget/a.yml@abc", "refs/tags/v1", "a.yml", id="letter-case"),
        pytest.param("https://ci.example.test/1/config", "refs/tags/v1", "https://ci.example.test/1/config", id="api"),
    ],
)
def test_the_workflow_is_the_path_inside_the_repository(config: str, ref: str, workflow: str) -> None:
    assert claims_of(config, config, ref=ref).workflow == workflow


def test_a_reusable_workflow_signs_for_its_caller() -> None:
    shared = "https://github.com/other/ci/.github/workflows/publish.yml"
    assert claims_of(f"{CONFIG}@refs/tags/v1", f"{CONFIG}@refs/tags/v1").signer == "same"
    assert claims_of(f"{shared}@refs/heads/main", f"{CONFIG}@refs/tags/v1").signer == shared
    assert claims_of(f"{CONFIG}@refs/heads/main", f"{CONFIG}@refs/tags/v1").signer == CONFIG


@pytest.mark.parametrize(
    ("certified", "named", "is_same"),
    [
        pytest.param(REPOSITORY, REPOSITORY, True, id="same"),
        pytest.param(REPOSITORY, "https://github.com/Acme/WIDGET", True, id="letter-case"),
        pytest.param("https://github.com/Acme/Widget", REPOSITORY, True, id="certified-letter-case"),
        pytest.param("https://gitlab.com/acme/widget", "https://gitlab.com/Acme/widget", False, id="elsewhere"),
        pytest.param(REPOSITORY, f"{REPOSITORY}-evil", False, id="longer"),
        pytest.param(REPOSITORY, REPOSITORY[:-1], False, id="shorter"),
        pytest.param(REPOSITORY, "https://github.com.evil.test/acme/widget", False, id="other-host"),
    ],
)
def test_repositories_compare_without_letter_case_on_github_alone(certified: str, named: str, is_same: bool) -> None:
    assert claims_of(CONFIG, CONFIG, repository=certified).is_of_repository(named) is is_same


def test_nobodys_repository_is_none() -> None:
    assert not Claims(san="a@example.test", issuer=ISSUER).is_of_repository("")
