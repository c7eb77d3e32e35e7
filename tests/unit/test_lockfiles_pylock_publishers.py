"""Writing publishers into a pylock.toml: one line for each package, and everything else as it was."""

from __future__ import annotations

import pytest

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.pylock import parse_pylock
from guard_lockfiles.pylock_publishers import write_publishers

OURS = {"kind": "GitHub", "repository": "acme/widget", "workflow": "release.yml"}
LINE = 'attestation-identities = [{ kind = "GitHub", repository = "acme/widget", workflow = "release.yml" }]'
TEXT = f"""\
# made by a tool
lock-version = "1.0"
created-by = "test"

[[packages]]
name = "widget"   # ours
version = "1.0"
wheels = [{{ name = "widget-1.0-py3-none-any.whl", url = "https://x.example/w", hashes = {{ sha256 = "{"a" * 64}" }} }}]

[[packages]]
name = "other"
version = "2.0"
[packages.sdist]
name = "other-2.0.tar.gz"
url = "https://x.example/o"
hashes = {{ sha256 = "{"b" * 64}" }}
"""


def written(text: str, **publishers: list[dict[str, str]]) -> str:
    return write_publishers(text.encode(), publishers).decode()


def test_one_line_is_added_and_read_back() -> None:
    after = written(TEXT, widget=[OURS])
    assert after == TEXT.replace("# ours\n", f"# ours\n{LINE}\n")
    assert parse_pylock(after.encode()).artifacts[0].publishers == (tuple(OURS.items()),)
    assert written(after, widget=[OURS]) == after
    assert written(TEXT) == TEXT


def test_another_publisher_takes_the_place_of_the_one_before() -> None:
    after = written(written(TEXT, widget=[OURS]), widget=[{"kind": "Google", "email": 'a"b@x.example'}])
    line = 'attestation-identities = [{ email = "a\\"b@x.example", kind = "Google" }]'
    assert after == TEXT.replace("# ours\n", f"# ours\n{line}\n")
    both = written(TEXT, widget=[OURS], other=[OURS, {"kind": "Google", "email": "a"}])
    assert [len(each.publishers) for each in parse_pylock(both.encode()).artifacts] == [1, 2]


def test_the_line_endings_of_the_file_are_kept() -> None:
    after = write_publishers(TEXT.replace("\n", "\r\n").encode(), {"widget": [OURS]}).decode()
    assert after.count("\r\n") == after.count("\n") == TEXT.count("\n") + 1


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace('version = "2.0"', 'version = "2.0"\nattestation-identities = [\n { kind = "x" },\n]'),
        TEXT + '[[packages.attestation-identities]]\nkind = "x"\n',
        'lock-version = "1.0"\ncreated-by = "t"\npackages = [{ name = "other", directory = { path = "." } }]\n',
    ],
)
def test_what_would_change_more_than_a_line_is_refused(text: str) -> None:
    with pytest.raises(MalformedLockfile):
        written(text, other=[OURS])


def test_what_is_no_pylock_is_refused() -> None:
    with pytest.raises(MalformedLockfile):
        write_publishers(b"x = 1\n", {})
