"""What holds for every format: known by its name; any bytes parse or are malformed; what is wrong has its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.formats import FORMATS, Format, find_format, find_unsupported
from guard_lockfiles.lockfile import Lockfile

PIECES = [b"[", b"{", b'"', b"\\", b"\n", b"null", b"1"]
CONFLICT = b"<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> other\n"
EXAMPLES: dict[str, bytes] = {
    "requirements": b"six==1.17.0 --hash=sha256:" + b"0" * 64 + b"\n",
    "pylock": b'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "six"\nversion = "1.17.0"\n'
    b'[[packages.wheels]]\nname = "six-1.17.0-py3-none-any.whl"\nurl = "https://files.example.test/six-1.17.0-py3-none-any.whl"\n'
    b'hashes = { sha256 = "' + b"0" * 64 + b'" }\n',
    "uv": b'version = 1\nrequires-python = ">=3.10"\n[[package]]\nname = "six"\nversion = "1.17.0"\n'
    b'source = { registry = "https://pypi.example/simple" }\nresolution-markers = ["sys_platform == \'linux\'"]\n'
    b'wheels = [{ url = "https://files.example.test/six-1.17.0-py3-none-any.whl", hash = "sha256:'
    + b"0" * 64
    + b'" }]\n',
    "poetry": b'[[package]]\nname = "six"\nversion = "1.17.0"\ngroups = ["main"]\nmarkers = "os_name == \'nt\'"\n'
    b'files = [{file = "six-1.17.0-py3-none-any.whl", hash = "sha256:' + b"0" * 64 + b'"}]\n'
    b'[metadata]\nlock-version = "2.1"\npython-versions = "*"\n',
    "pdm": b'[metadata]\nlock_version = "4.5.0"\n[[package]]\nname = "six"\nversion = "1.17.0"\n'
    b'files = [{file = "six-1.17.0-py3-none-any.whl", hash = "sha256:' + b"0" * 64 + b'"}]\n',
    "pipfile": json.dumps(
        {
            "_meta": {"pipfile-spec": 6, "sources": [{"name": "pypi", "url": "https://pypi.example/simple"}]},
            "default": {"six": {"version": "==1.17.0", "index": "pypi", "hashes": ["sha256:" + "0" * 64]}},
        }
    ).encode(),
    "package-lock": json.dumps(
        {"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"version": "1.0.0", "integrity": None}}}
    ).encode(),
    "yarn": b'# yarn lockfile v1\n\n\na@^1.0.0, "b@npm:a@^1.0.0":\n  version "1.0.0"\n'
    b'  resolved "https://npm.example/a/-/a-1.0.0.tgz#0123456789abcdef0123456789abcdef01234567"\n'
    b"  integrity sha512-" + b"A" * 86 + b'==\n  dependencies:\n    c "^2.0.0"\n',
    "pnpm": b"lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      b:\n        specifier: npm:a@1\n"
    b"        version: a@1.0.0(c@2.0.0)\npackages:\n  a@1.0.0:\n    resolution: {integrity: sha512-"
    + b"A"
    * 86
    + b"==}\n    os: ['!win32']\n  c@2.0.0:\n    resolution: {tarball: https://files.example/c.tgz}\nsnapshots:\n"
    b"  a@1.0.0(c@2.0.0):\n    dependencies:\n      c: 2.0.0\n  c@2.0.0: {}\n",
    "bun": b'{\n  "lockfileVersion": 1,\n  "workspaces": {\n    "": { "name": "x", },\n  },\n  "packages": {\n'
    b'    "b": ["a@1.0.0", "", { "os": "linux" }, "sha512-' + b"A" * 86 + b'=="],\n  },\n}\n',
}


def read(form: Format, data: bytes) -> Lockfile | None:
    try:
        return form.parse(data)
    except MalformedLockfile as error:
        malformed = error
    assert malformed.message.isprintable()
    assert malformed.line is None or malformed.line >= 1
    return None


def check_shape(lock: Lockfile) -> None:
    for artifact in lock.artifacts:
        assert artifact.line >= 1
        assert artifact.column >= 1
        assert artifact.place.isprintable()
        for digest in artifact.digests:
            assert digest == digest.lower()
            assert ":" in digest
    assert all(entry.line >= 1 and entry.place.isprintable() for entry in lock.unreadable)


@pytest.mark.parametrize(
    ("name", "folder", "format_id"),
    [
        ("requirements.txt", "", "requirements"),
        ("requirements-dev.txt", "any", "requirements"),
        ("dev-requirements.txt", "", "requirements"),
        ("docs_requirements_3.12.txt", "", "requirements"),
        ("base.txt", "requirements", "requirements"),
        ("base.txt", "other", None),
        ("constraints.txt", "requirements", None),
        ("requirements-constraints.txt", "", None),
        ("requirements.in", "requirements", None),
        ("requirements.txt.bak", "", None),
        ("pylock.toml", "", "pylock"),
        ("pylock.dev.toml", "", "pylock"),
        ("pylock.a.b.toml", "", None),
        ("mypylock.toml", "", None),
        ("uv.lock", "", "uv"),
        ("tool.py.lock", "", "uv"),
        ("my-uv.lock", "", None),
        ("poetry.lock", "", "poetry"),
        ("pdm.lock", "", "pdm"),
        ("pdm.dev.lock", "", None),
        ("Pipfile.lock", "", "pipfile"),
        ("pipfile.lock", "", None),
        ("package-lock.json", "", "package-lock"),
        ("npm-shrinkwrap.json", "", "package-lock"),
        (".package-lock.json", "node_modules", None),
        ("yarn.lock", "", "yarn"),
        ("my-yarn.lock", "", None),
        ("pnpm-lock.yaml", "", "pnpm"),
        ("pnpm-lock.some!branch.yaml", "", "pnpm"),
        ("pnpm-workspace.yaml", "", None),
        ("bun.lock", "", "bun"),
        ("bun.lockb", "", None),
        ("package.json", "", None),
    ],
)
def test_a_file_is_recognised_by_its_name(name: str, folder: str, format_id: str | None) -> None:
    found = find_format(name, folder=folder)
    assert (found.id if found else None) == format_id


@pytest.mark.parametrize(
    ("name", "format_id"),
    [
        ("bun.lockb", "bun-binary"),
        ("shrinkwrap.yaml", "pnpm-shrinkwrap"),
        ("vlt-lock.json", "vlt"),
        ("deno.lock", "deno"),
        ("conda-lock.yml", "conda-lock"),
        ("dev.conda-lock.yaml", "conda-lock"),
        ("pixi.lock", "pixi"),
        ("Cargo.lock", None),
        ("bun.lock", None),
    ],
)
def test_a_format_that_is_not_read_is_known_by_its_name(name: str, format_id: str | None) -> None:
    found = find_unsupported(name)
    assert (found.id if found else None) == format_id
    assert found is None or (found.instead and find_format(name) is None)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.id)
@given(data=st.binary(max_size=200))
def test_any_bytes_parse_or_are_malformed(form: Format, data: bytes) -> None:
    lock = read(form, data)
    if lock is not None:
        check_shape(lock)


@pytest.mark.parametrize("format_id", EXAMPLES)
@given(data=st.data())
def test_a_file_with_a_piece_exchanged_parses_or_is_malformed(format_id: str, data: st.DataObject) -> None:
    form = next(each for each in FORMATS if each.id == format_id)
    example = EXAMPLES[format_id]
    at = data.draw(st.integers(0, len(example)))
    end = data.draw(st.integers(at, min(len(example), at + 12)))
    piece = data.draw(
        st.one_of(st.binary(max_size=4), st.sampled_from([b"[", b"{", b'"', b"\\", b"\n", b"null", b"1"]))
    )
    lock = read(form, example[:at] + piece + example[end:])
    if lock is not None:
        check_shape(lock)


@pytest.mark.parametrize("form", [each for each in FORMATS if each.id != "requirements"], ids=lambda form: form.id)
@pytest.mark.parametrize("data", [b"", b"\x00\xff\xfe", CONFLICT, b"\xff\xfe{\x00}\x00"], ids=range(4))
def test_what_no_reader_takes_is_malformed(form: Format, data: bytes) -> None:
    with pytest.raises(MalformedLockfile):
        form.parse(data)


@pytest.mark.parametrize("format_id", EXAMPLES)
def test_a_file_that_claims_to_be_another_format_is_no_lock(format_id: str) -> None:
    for form in FORMATS:
        if form.id == format_id:
            continue
        lock = read(form, EXAMPLES[format_id])
        assert lock is None or not lock.artifacts or lock.unreadable or not lock.is_pinned, form.id


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.id)
def test_nesting_without_end_is_malformed_or_unreadable(form: Format) -> None:
    for data in (b"[" * 100_000, b'{"a":' * 100_000, b"a = " + b"[" * 100_000, b"a:\n" + b"- " * 50_000):
        lock = read(form, data)
        assert lock is None or lock.unreadable
