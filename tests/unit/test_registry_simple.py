"""Pages of the simple API: every key, every way to be wrong, and any bytes."""

from __future__ import annotations

import contextlib
import html
import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard import limits
from guard.errors import MalformedInput
from guard.model import Digest
from guard.registry.simple import (
    IndexFile,
    ProjectPage,
    link_filename,
    parse_project_html,
    parse_project_json,
    version_in_filename,
)

URL = "https://index.example/simple/six/"
WHEEL = "six-1.17.0-py2.py3-none-any.whl"
SHA = "a" * 64


def json_page(*entries: dict[str, object], **page: object) -> bytes:
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "six", "files": list(entries), **page}).encode()


def entry(**keys: object) -> dict[str, object]:
    named = {key.replace("_", "-"): value for key, value in keys.items()}
    return {"filename": WHEEL, "url": f"https://files.example/{WHEEL}", "hashes": {"sha256": SHA}, **named}


def read_json(*entries: dict[str, object], url: str = URL) -> ProjectPage:
    return parse_project_json(json_page(*entries), url=url, project="Six")


def read_html(text: str, url: str = URL, project: str = "six") -> ProjectPage:
    return parse_project_html(text.encode(), url=url, project=project)


def anchor(href: str = f"https://files.example/{WHEEL}#sha256={SHA}", attributes: str = "") -> str:
    return f'<a href="{html.escape(href)}" {attributes}>{WHEEL}</a>'


FULL = IndexFile(
    filename=WHEEL,
    url=f"https://files.example/{WHEEL}",
    digests=(Digest("sha256", SHA),),
    requires_python=">=3.8,<4",
    yanked="broken & bad",
    core_metadata=Digest("sha256", "b" * 64),
    has_core_metadata=True,
    provenance_url=f"https://index.example/integrity/six/1.17.0/{WHEEL}/provenance",
    upload_time=datetime(2024, 12, 4, 17, 35, 28, 123456, tzinfo=timezone.utc),
    size_bytes=11050,
    version="1.17.0",
)


def test_everything_that_json_says() -> None:
    page = read_json(
        entry(
            requires_python=">=3.8,<4",
            yanked="broken & bad",
            core_metadata={"sha256": "B" * 64},
            provenance=f"/integrity/six/1.17.0/{WHEEL}/provenance",
            upload_time="2024-12-04T17:35:28.123456Z",
            size=11050,
        )
    )
    assert page.files == (FULL,)
    assert (page.name, page.url, page.has_json, page.carries_provenance_key) == ("six", URL, True, True)


def test_everything_that_html_says() -> None:
    page = read_html(
        anchor(
            attributes='data-requires-python="&gt;=3.8,&lt;4" data-yanked="broken &amp; bad" '
            f'data-core-metadata="sha256={"b" * 64}" data-provenance="/integrity/six/1.17.0/{WHEEL}/provenance"'
        )
    )
    (file,) = page.files
    for name in (name for name in IndexFile.__slots__ if name not in ("upload_time", "size_bytes")):
        assert getattr(file, name) == getattr(FULL, name), name
    assert (page.has_json, page.carries_provenance_key) == (False, True)


def test_a_bare_entry_says_nothing_more() -> None:
    assert read_json(entry()).files == read_html(anchor()).files
    (file,) = read_json(entry()).files
    assert (file.yanked, file.has_core_metadata, file.provenance_url) == (None, False, None)
    assert not read_json(entry()).carries_provenance_key


def test_the_address_of_a_page_is_shown_without_credentials() -> None:
    page = read_json(url="https://user:hunter2@index.example/simple/six/?token=hunter2")
    assert page.url == "https://index.example/simple/six/?****"


# The keys one by one


@pytest.mark.parametrize(
    ("value", "yanked"),
    [(None, None), (False, None), ("", None), (True, ""), ("why", "why")],
    ids=["null", "false", "empty", "true", "reason"],
)
def test_yanked_in_json(value: object, yanked: str | None) -> None:
    assert read_json(entry(yanked=value)).files[0].yanked == yanked


@pytest.mark.parametrize(
    ("attributes", "yanked"),
    [("", None), ("data-yanked", ""), ('data-yanked=""', ""), ('data-yanked="why"', "why")],
)
def test_yanked_in_html(attributes: str, yanked: str | None) -> None:
    assert read_html(anchor(attributes=attributes)).files[0].yanked == yanked


D = Digest("sha256", "c" * 64)


@pytest.mark.parametrize(
    ("keys", "digest", "has"),
    [
        ({"core_metadata": True}, None, True),
        ({"core_metadata": False}, None, False),
        ({"core_metadata": {"sha256": D.hex}}, D, True),
        ({"core_metadata": {"md5": "0" * 32, "sha256": D.hex}}, D, True),
        ({"core_metadata": {}}, None, True),
        ({"dist_info_metadata": {"sha256": D.hex}}, D, True),
        ({"dist_info_metadata": {"sha256": "d" * 64}, "core_metadata": {"sha256": D.hex}}, D, True),
        ({"dist_info_metadata": True, "core_metadata": False}, None, False),
    ],
)
def test_core_metadata_in_json(keys: dict[str, object], digest: Digest | None, has: bool) -> None:
    (file,) = read_json(entry(**keys)).files
    assert (file.core_metadata, file.has_core_metadata) == (digest, has)


@pytest.mark.parametrize(
    ("attributes", "digest", "has"),
    [
        ('data-core-metadata="true"', None, True),
        ('data-core-metadata="false"', None, False),
        ("data-core-metadata", None, False),
        (f'data-core-metadata="sha256={D.hex}"', D, True),
        (f'data-dist-info-metadata="sha256={D.hex}"', D, True),
        (f'data-dist-info-metadata="true" data-core-metadata="sha256={D.hex}"', D, True),
    ],
)
def test_core_metadata_in_html(attributes: str, digest: Digest | None, has: bool) -> None:
    (file,) = read_html(anchor(attributes=attributes)).files
    assert (file.core_metadata, file.has_core_metadata) == (digest, has)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-12-04T17:35:28Z", datetime(2024, 12, 4, 17, 35, 28, tzinfo=timezone.utc)),
        ("2024-12-04T17:35:28.5Z", datetime(2024, 12, 4, 17, 35, 28, 500000, tzinfo=timezone.utc)),
        ("2024-12-04T17:35:28.123456789Z", datetime(2024, 12, 4, 17, 35, 28, 123456, tzinfo=timezone.utc)),
        ("2024-12-04T17:35:28", datetime(2024, 12, 4, 17, 35, 28, tzinfo=timezone.utc)),
        ("2024-12-04T17:35:28+02:00", datetime(2024, 12, 4, 15, 35, 28, tzinfo=timezone.utc)),
    ],
)
def test_upload_times(text: str, moment: datetime) -> None:
    found = read_json(entry(upload_time=text)).files[0].upload_time
    assert found == moment
    assert found.tzinfo is timezone.utc


def test_strong_digests_come_first_and_unknown_algorithms_are_left_out() -> None:
    hashes = {"md5": "0" * 32, "sha3_256": "0" * 64, "SHA512": "F" * 128, "sha256": SHA}
    assert [d.algorithm for d in read_json(entry(hashes=hashes)).files[0].digests] == ["sha512", "sha256", "md5"]


def test_the_provenance_key_counts_even_when_null() -> None:
    page = read_json(entry(provenance=None))
    assert page.carries_provenance_key
    assert page.files[0].provenance_url is None


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("../../f/six-1.0.tar.gz", "https://index.example/f/six-1.0.tar.gz"),
        ("//cdn.example/six-1.0.tar.gz", "https://cdn.example/six-1.0.tar.gz"),
        ("six-1.0.tar.gz?sig=1#sha256=" + SHA, "https://index.example/simple/six/six-1.0.tar.gz?sig=1"),
        (" https://cdn.example/six-1.0.tar.gz ", "https://cdn.example/six-1.0.tar.gz"),
        ("http://cdn.example/six-1.0.tar.gz", "http://cdn.example/six-1.0.tar.gz"),
    ],
)
def test_links_are_made_absolute(href: str, url: str) -> None:
    assert read_html(anchor(href)).files[0].url == url
    assert read_json(entry(filename="six-1.0.tar.gz", url=href)).files[0].url == url


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ('<base href="https://cdn.example/d/">', "https://cdn.example/d/six-1.0.tar.gz"),
        ('<base href="/d/">', "https://index.example/d/six-1.0.tar.gz"),
        ('<base href="/d/"><base href="/e/">', "https://index.example/d/six-1.0.tar.gz"),
        ("<base>", "https://index.example/simple/six/six-1.0.tar.gz"),
    ],
)
def test_base_is_honoured(base: str, url: str) -> None:
    assert read_html(base + anchor("six-1.0.tar.gz")).files[0].url == url


def test_html_file_names_are_decoded_exactly_once() -> None:
    assert link_filename("https://x/six-1.0%2Blocal.tar.gz#sha256=1/2") == "six-1.0+local.tar.gz"
    assert link_filename("https://x/six-1.0%252F..tar.gz") == "six-1.0%2F..tar.gz"


def test_anchors_that_are_no_files_are_ignored() -> None:
    noise = '<a href="../">up</a><a href="mailto:x@y">m</a><a href="javascript:1">j</a><a href="?C=N">n</a><a>b</a>'
    assert [file.filename for file in read_html(noise + anchor()).files] == [WHEEL]


def test_the_charset_of_the_server_is_used() -> None:
    body = '<a href="six-1.0.tar.gz" data-yanked="é">x</a>'.encode("latin-1")
    assert parse_project_html(body, url=URL, project="six", charset="iso-8859-1").files[0].yanked == "é"


# Names and versions


@pytest.mark.parametrize(
    ("filename", "project", "version", "is_of_project"),
    [
        ("six-1.17.0-py2.py3-none-any.whl", "six", "1.17.0", True),
        ("Foo_Bar-1.0.0rc1-1-py3-none-any.whl", "foo-bar", "1.0.0rc1", True),
        ("seven-1.0-py3-none-any.whl", "six", "1.0", False),
        ("six-one-py3-none-any.whl", "six", None, True),
        ("six.whl", "six", None, False),
        ("six-1.0.tar.gz", "six", "1.0", True),
        ("foo-bar-1.0.zip", "foo-bar", "1.0", True),
        ("foo.bar-1.0.tar.bz2", "foo-bar", "1.0", True),
        ("foo-bar-1.0.tar.gz", "foo", None, True),
        ("foo-1.0-2.tar.gz", "foo", "1.0.post2", True),
        ("six_extra-1.0.tar.gz", "six", None, False),
        ("sixpence-1.0.tar.gz", "six", None, False),
        ("six-1.0-py2.7.egg", "six", None, True),
        ("SIX-01.0.TAR.GZ", "six", "1.0", True),
    ],
)
def test_versions_in_file_names(filename: str, project: str, version: str | None, is_of_project: bool) -> None:
    assert version_in_filename(filename, project) == (version, is_of_project)


def test_files_of_other_projects_are_left_out_with_a_reason() -> None:
    page = read_json(entry(), entry(filename="seven-1.0.tar.gz"))
    assert [file.filename for file in page.files] == [WHEEL]
    assert page.skipped == (("seven-1.0.tar.gz", "its name is not one of six"),)


@pytest.mark.parametrize(("count", "listed"), [(9, True), (11, False)], ids=["many tags", "a bomb of tags"])
def test_a_wheel_name_that_stands_for_too_many_tags_is_left_out(count: int, listed: bool) -> None:
    tags = "-".join(".".join(f"{letter}{number}" for number in range(count)) for letter in "abc")
    assert version_in_filename(f"six-1.0-{tags}.whl", "six") == (("1.0", True) if listed else (None, False))


# Refusals


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"hashes": {"sha256": "a" * 63}}, "hashes"),
        ({"hashes": {"sha256": "g" * 64}}, "hashes"),
        ({"hashes": {"sha256": 1}}, "hashes"),
        ({"hashes": ["sha256"]}, "hashes"),
        ({"hashes": None}, "hashes"),
        ({"url": "ftp://files.example/x.whl"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "https://[x/y.whl"}, "url"),
        ({"url": "https://a:port/y.whl"}, "url"),
        ({"url": "https://a/\r\ny.whl"}, "url"),
        ({"url": None}, "url"),
        ({"filename": "../six-1.0.tar.gz"}, "filename"),
        ({"filename": "a\\six-1.0.tar.gz"}, "filename"),
        ({"filename": "six\n-1.0.tar.gz"}, "filename"),
        ({"filename": "six\x00-1.0.tar.gz"}, "filename"),
        ({"filename": ".."}, "filename"),
        ({"filename": ""}, "filename"),
        ({"filename": 6}, "filename"),
        ({"requires_python": 3}, "requires-python"),
        ({"yanked": 1}, "yanked"),
        ({"core_metadata": "yes"}, "core-metadata"),
        ({"core_metadata": {"sha256": "0"}}, "core-metadata"),
        ({"dist_info_metadata": []}, "dist-info-metadata"),
        ({"provenance": "ftp://x/y"}, "provenance"),
        ({"provenance": {}}, "provenance"),
        ({"upload_time": "yesterday"}, "upload-time"),
        ({"upload_time": "2024-13-04T17:35:28Z"}, "upload-time"),
        ({"upload_time": "0001-01-01T00:00:00+23:59"}, "upload-time"),
        ({"upload_time": 1733333728}, "upload-time"),
        ({"size": -1}, "size"),
        ({"size": "1"}, "size"),
        ({"size": True}, "size"),
        ({"size": 1.5}, "size"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(next(iter(value.values())))[:30],
)
def test_a_wrong_entry_refuses_the_whole_json_page(keys: dict[str, object], place: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        read_json(entry(), entry(**keys))
    assert caught.value.context == f"files[1].{place}"
    assert caught.value.message.startswith(f"files[1].{place}: ")
    assert URL in caught.value.message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (anchor("six-1.0.tar.gz#sha256=abc"), "hashes"),
        (anchor("ftp://x/six-1.0.tar.gz"), "url"),
        (anchor("file:///srv/six-1.0.tar.gz"), "url"),
        (anchor("https://[x/six-1.0.tar.gz"), "url"),
        (anchor("six%2F1-1.0.tar.gz"), "filename"),
        (anchor("six%5C1-1.0.tar.gz"), "filename"),
        (anchor("six%0A1-1.0.tar.gz"), "filename"),
        (anchor(attributes='data-core-metadata="sha256=abc"'), "data-core-metadata"),
        (anchor(attributes='data-core-metadata="yes"'), "data-core-metadata"),
        (anchor(attributes='data-dist-info-metadata="sha256"'), "data-dist-info-metadata"),
        (anchor(attributes='data-provenance="ftp://x"'), "provenance"),
    ],
)
def test_a_wrong_anchor_refuses_the_whole_html_page(text: str, place: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        read_html(anchor() + text)
    assert caught.value.context == f"files[1].{place}"
    assert URL in caught.value.message


def test_a_local_page_may_name_local_files() -> None:
    page = read_html(anchor("six-1.0.tar.gz"), url="file:///srv/simple/six/index.html")
    assert page.files[0].url == "file:///srv/simple/six/six-1.0.tar.gz"


@pytest.mark.parametrize(
    ("meta", "place"),
    [
        ({"api-version": "2.0"}, "meta.api-version"),
        ({"api-version": "0.9"}, "meta.api-version"),
        ({"api-version": "1"}, "meta.api-version"),
        ({"api-version": "10.0"}, "meta.api-version"),
        ({"api-version": 1.0}, "meta.api-version"),
        ({}, "meta.api-version"),
        (None, "meta"),
    ],
)
def test_the_api_version_must_be_known(meta: object, place: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        parse_project_json(json_page(meta=meta), url=URL, project="six")
    assert caught.value.context == place


def test_later_minor_versions_are_read() -> None:
    assert parse_project_json(json_page(meta={"api-version": "1.99"}), url=URL, project="six").files == ()


@pytest.mark.parametrize("version", ["2.0", "one"])
def test_the_repository_version_of_html_must_be_known(version: str) -> None:
    with pytest.raises(MalformedInput, match="repository version"):
        read_html(f'<meta name="pypi:repository-version" content="{version}">')
    assert read_html('<meta name="pypi:repository-version" content="1.3">').files == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff",
        json_page(files=None),
        json_page(files={}),
        json_page(files=[1]),
        b'{"meta":{"api-version":"1.0"},"files":[],"x":' + b"[" * 100 + b"]" * 100 + b"}",
        b"[" * 1_000_000,
        b'{"meta":{"api-version":"1.0"},"files":[],"x":' + b"9" * 10_000 + b"}",
    ],
    ids=["empty", "list", "null", "open", "bytes", "no files", "files", "file", "deep", "very deep", "large number"],
)
def test_what_is_no_page_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedInput) as caught:
        parse_project_json(body, url=URL, project="six")
    assert URL in caught.value.message


def test_pages_have_a_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INDEX_PAGE_MAX_BYTES", 10)
    with pytest.raises(MalformedInput, match="larger than 10 bytes"):
        parse_project_json(b" " * 11, url=URL, project="six")
    with pytest.raises(MalformedInput, match="larger than 10 bytes"):
        parse_project_html(b" " * 11, url=URL, project="six")


@pytest.mark.parametrize("text", ["", "Please sign in", '<a href="/login">Sign in</a>'])
def test_html_without_files_is_a_page_only_where_it_says_so(text: str) -> None:
    with pytest.raises(MalformedInput, match="is no index page: it is HTML that links to no file"):
        read_html(text)
    assert read_html(f'<meta name="pypi:repository-version" content="1.1">{text}').files == ()
    assert read_html(f"{text}<a href='other-1.0.tar.gz'>other</a>").files == ()


@pytest.mark.parametrize("charset", ["utf-8", "no-such-charset", "hex"])
def test_html_that_does_not_decode_is_malformed(charset: str) -> None:
    with pytest.raises(MalformedInput):
        parse_project_html(b"\xff\xfe", url=URL, project="six", charset=charset)


# Any bytes

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["filename", "url", "hashes", "requires-python", "core-metadata", "dist-info-metadata", "yanked", "size"]
ENTRIES = st.dictionaries(st.sampled_from([*KEYS, "upload-time", "provenance"]), JSON_VALUES)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_page_or_malformed(body: bytes) -> None:
    for parse in (parse_project_json, parse_project_html):
        with contextlib.suppress(MalformedInput):
            assert isinstance(parse(body, url=URL, project="six"), ProjectPage)


@given(ENTRIES)
def test_any_entry_is_read_or_malformed(changes: dict[str, object]) -> None:
    try:
        page = parse_project_json(json_page({**entry(), **changes}), url=URL, project="six")
    except MalformedInput:
        return
    assert len(page.files) + len(page.skipped) == 1


@given(st.text(alphabet=st.sampled_from("<a href=\"six-1.0.whl#?:/%[]'>&;!-"), max_size=80))
def test_any_markup_is_read_or_malformed(markup: str) -> None:
    with contextlib.suppress(MalformedInput):
        read_html(markup + anchor())


@given(
    st.fixed_dictionaries(
        {"hashes": st.just({"sha256": SHA})},
        optional={
            "requires-python": st.none() | st.text(max_size=10),
            "yanked": st.text(min_size=1, max_size=10),
            "size": st.integers(0, 2**63),
            "core-metadata": st.booleans(),
        },
    )
)
def test_what_is_valid_is_read_as_written(keys: dict[str, object]) -> None:
    (file,) = read_json({**entry(), **keys}).files
    assert file.requires_python == keys.get("requires-python")
    assert file.yanked == keys.get("yanked")
    assert file.size_bytes == keys.get("size")
    assert file.has_core_metadata == keys.get("core-metadata", False)
