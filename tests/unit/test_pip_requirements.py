"""The user's requirement files: what they say, and that pip's copies say the same without an index."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from guard.errors import ConfigInvalid, MalformedInput, Refused, UsageError
from guard.managers.pip.entries import parse_arguments
from guard.managers.pip.index_settings import IndexSettings
from guard.managers.pip.requirements import (
    RequirementFiles,
    is_pylock,
    load_requirement_files,
)
from guard.model import Digest, RuleId, SourceKind
from guard_lockfiles.requirements import parse_requirements

SHA256 = "ab" * 32
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in the user's project folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (tmp_path / "run").mkdir()
    return folder


def write(**files: str) -> None:
    """Write files, ``__`` in a name standing for a folder."""
    for name, text in files.items():
        path = Path(name.replace("__", "/") + ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def load(
    *requirements: str,
    constraints: tuple[str, ...] = (),
    build_constraints: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
    fetch: Callable[[str], bytes] | None = None,
) -> RequirementFiles:
    return load_requirement_files(
        requirements=requirements,
        constraints=constraints,
        build_constraints=build_constraints,
        environ=environ or {},
        folder=Path("../run").resolve(),
        fetch=fetch,
    )


def copies_of(files: RequirementFiles) -> dict[str, list[str]]:
    """Return the lines of every copy, by the user's file."""
    files.write_private_copies()
    return {source: Path(copy).read_text(encoding="utf-8-sig").splitlines() for copy, source in files.originals.items()}


def test_a_requirement_knows_its_line() -> None:
    write(a=f"# first\n\nsix==1.17.0 \\\n  --hash=sha256:{SHA256}\n")
    (entry,) = load("a.txt").requirements
    assert (entry.name, entry.specifier, str(entry.location)) == ("six", "==1.17.0", "a.txt:3")
    assert entry.digests == (Digest("sha256", SHA256),)
    assert (entry.source, entry.constraint, entry.editable) == (SourceKind.REGISTRY, False, False)


@pytest.mark.parametrize(
    ("text", "source", "origin"),
    [
        ("six", SourceKind.REGISTRY, None),
        (f"foo @ git+https://u:p@x/y@{COMMIT}", SourceKind.VCS_PINNED, f"git+https://x/y@{COMMIT}"),
        (f"foo @ hg+https://x/y@{COMMIT}#egg=foo", SourceKind.VCS_PINNED, f"hg+https://x/y@{COMMIT}"),
        (f"foo @ git+ssh://git@x/y.git@{COMMIT}", SourceKind.VCS_PINNED, f"git+ssh://x/y.git@{COMMIT}"),
        (f"foo @ svn+https://x/y@{COMMIT}", SourceKind.VCS, f"svn+https://x/y@{COMMIT}"),
        ("foo @ git+https://x/y@main", SourceKind.VCS, "git+https://x/y@main"),
        ("foo @ git+https://x/y@0123456", SourceKind.VCS, "git+https://x/y@0123456"),
        (f"foo @ git+https://x/y?@{COMMIT}", SourceKind.VCS, "git+https://x/y?****"),
        (f"foo @ git+https://{COMMIT}@x/y", SourceKind.VCS, "git+https://x/y"),
        (f"foo @ git+https://x/y#@{COMMIT}", SourceKind.VCS, "git+https://x/y"),
        (f"-e git+https://x/y@{COMMIT}#egg=foo", SourceKind.VCS_PINNED, f"git+https://x/y@{COMMIT}"),
        ("foo @ https://u:p@x/y.zip", SourceKind.URL, "https://x/y.zip"),
        (f"foo @ https://x/y.zip#sha256={SHA256}", SourceKind.URL_HASHED, "https://x/y.zip"),
        (f"foo @ https://x/y.zip#egg=foo&sha256={SHA256}", SourceKind.URL_HASHED, "https://x/y.zip"),
        (f"foo @ https://x/y.zip --hash=sha256:{SHA256}", SourceKind.URL_HASHED, "https://x/y.zip"),
        (f"foo @ https://x/y.zip#md5={'0' * 32}", SourceKind.URL, "https://x/y.zip"),
        (f"foo @ https://x/y.zip?sha256={SHA256}", SourceKind.URL, "https://x/y.zip?****"),
        ("./package", SourceKind.LOCAL, "./package"),
        ("-e package/", SourceKind.LOCAL, "package/"),
        ("./package[extra]", SourceKind.LOCAL, "./package"),
        ("./missing", SourceKind.LOCAL, "./missing"),
        ("./foo-1.0-py3-none-any.whl", SourceKind.LOCAL, "./foo-1.0-py3-none-any.whl"),
        ("./../outside", SourceKind.PATH, "./../outside"),
        ("-e ../outside", SourceKind.PATH, "../outside"),
        ("file:///missing/foo.tar.gz", SourceKind.PATH, "/missing/foo.tar.gz"),
    ],
)
def test_a_source_is_classified(text: str, source: SourceKind, origin: str | None) -> None:
    Path("package").mkdir()
    write(a=text)
    (entry,) = load("a.txt").requirements
    assert (entry.source, entry.origin) == (source, origin)


def test_names_too_long_for_a_file_are_read() -> None:
    name = "n" * 4000
    write(a=f"./{name}\n-f {name}")
    files = load("a.txt")
    assert files.requirements[0].origin == f"./{name}"
    assert files.index.find_links == (name,)


@pytest.mark.parametrize("value", ["file://elsewhere/a.txt", "file://[/a.txt"])
def test_a_file_of_another_machine_is_invalid(value: str) -> None:
    with pytest.raises(ConfigInvalid, match="not a file of this machine"):
        load(value)


def test_a_file_url_to_a_folder_is_the_users_own(project: Path) -> None:
    (project / "my package").mkdir()
    write(a=f"foo @ {(project / 'my package').as_uri()}")
    (entry,) = load("a.txt").requirements
    assert (entry.source, entry.origin) == (SourceKind.LOCAL, str(project / "my package"))


@pytest.mark.parametrize(
    "text", ["six --hash=sha256:ab", "six --hash=nonsense:ab", "six --hash=ab", "a @ https://x/y.zip#sha256=zz"]
)
def test_a_digest_that_is_none_is_malformed_at_its_line(text: str) -> None:
    write(a=f"\n{text}")
    with pytest.raises(MalformedInput, match=r"^a\.txt:2: "):
        load("a.txt")


def test_includes_are_read_relative_to_their_file() -> None:
    write(
        a="-r sub/b.txt\nsix\n",
        sub__b="-c ../c.txt\nidna\n-r d.txt",
        c="certifi<5\n-r sub/e.txt",
        sub__d="d",
        sub__e="e",
    )
    files = load("a.txt")
    assert [(entry.name, str(entry.location)) for entry in files.requirements] == [
        # An `-r` inside of a constraints file names requirements.
        ("e", "sub/e.txt:1"),
        ("idna", "sub/b.txt:2"),
        ("d", "sub/d.txt:1"),
        ("six", "a.txt:2"),
    ]
    assert [(entry.name, str(entry.location)) for entry in files.constraints] == [("certifi", "c.txt:1")]


def test_variables_lead_to_files() -> None:
    write(a="-r ${WHERE}.txt", b="six")
    assert load("a.txt", environ={"WHERE": "b"}).requirements[0].name == "six"


@pytest.mark.parametrize(
    "files", [{"a": "-r a.txt"}, {"a": "-r b.txt", "b": "\n-c a.txt"}, {"a": "-r s/../a.txt", "s__b": ""}]
)
def test_a_circle_is_invalid(files: dict[str, str]) -> None:
    write(**files)
    with pytest.raises(ConfigInvalid, match=r"^[ab]\.txt:[12]: a\.txt includes itself"):
        load("a.txt")


def test_a_file_may_be_included_twice_and_counts_once() -> None:
    write(a="-r c.txt\n-r b.txt", b="-r c.txt", c="six")
    files = load("a.txt", "c.txt")
    assert [entry.name for entry in files.requirements] == ["six"]
    assert sorted(files.originals.values()) == ["a.txt", "b.txt", "c.txt"]


def test_depth_is_limited() -> None:
    write(**{f"f{number}": f"-r f{number + 1}.txt" for number in range(40)}, f40="six")
    with pytest.raises(ConfigInvalid, match="too many files"):
        load("f0.txt")
    assert load("f20.txt").requirements


def test_breadth_is_limited() -> None:
    write(**{f"f{number}": f"-r f{number + 1}.txt\n" * 2 for number in range(20)}, f20="six")
    with pytest.raises(ConfigInvalid, match="too many files"):
        load("f0.txt")


@pytest.mark.parametrize("name", ["missing.txt", ".", "nul\0.txt"])
def test_a_file_that_cannot_be_read_is_invalid(name: str) -> None:
    with pytest.raises(ConfigInvalid, match="cannot read"):
        load(name)


def test_a_missing_include_is_named_with_its_line() -> None:
    write(a="\n-r missing.txt")
    with pytest.raises(ConfigInvalid, match=r"^a\.txt:2: cannot read missing\.txt: No such file"):
        load("a.txt")


def test_a_file_that_is_too_large_is_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.limits.REQUIREMENTS_MAX_BYTES", 10)
    write(a="a" * 10)
    assert load("a.txt").requirements
    write(a="a" * 11)
    with pytest.raises(ConfigInvalid, match="larger than 10 bytes"):
        load("a.txt")


def test_a_file_that_is_not_text_is_malformed() -> None:
    Path("a.txt").write_bytes(b"\xff")
    with pytest.raises(MalformedInput, match=r"^a\.txt: not text"):
        load("a.txt")


def test_a_web_address_is_refused_without_a_way_to_fetch_it() -> None:
    with pytest.raises(Refused) as caught:
        load("https://u:hunter2@x/a.txt?token=hunter2")
    assert caught.value.rule == "command-not-guarded"
    assert "hunter2" not in caught.value.message


def test_a_file_of_the_web_and_its_includes_are_fetched() -> None:
    Path("package").mkdir()
    pages = {"https://u:p@x/d/a.txt": b"-r b.txt\n-f links", "https://u:p@x/d/b.txt": b"./package\nsix"}
    files = load("https://u:p@x/d/a.txt", fetch=pages.__getitem__)
    assert [(entry.source, str(entry.location)) for entry in files.requirements] == [
        (SourceKind.PATH, "https://x/d/b.txt:1"),  # the user did not name this folder
        (SourceKind.REGISTRY, "https://x/d/b.txt:2"),
    ]
    assert files.index.find_links == ("links",)
    copied = copies_of(files)
    assert copied["https://u:p@x/d/b.txt"] == ["./package", "six"]


def test_a_file_url_is_a_path(project: Path) -> None:
    write(a="-r b.txt", b="six")
    files = load((project / "a.txt").as_uri())
    assert [str(entry.location) for entry in files.requirements] == [f"{project}/b.txt:1"]


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("-i https://a", IndexSettings(index_url="https://a")),
        ("-i https://a\n-i https://b", IndexSettings(index_url="https://b")),
        ("-i https://a -i https://b", IndexSettings(index_url="https://b")),
        ("--extra-index-url https://a\n--extra-index-url https://b", IndexSettings(extra_index_urls=("https://a", "https://b"))),
        ("--extra-index-url https://a\n-i https://b", IndexSettings(index_url="https://b")),
        ("-i https://b\n--extra-index-url https://a", IndexSettings(index_url="https://b", extra_index_urls=("https://a",))),
        ("-i https://a\n--no-index\n-i https://b --extra-index-url https://c", IndexSettings(no_index=True)),
        ("--trusted-host a\n--trusted-host b", IndexSettings(trusted_hosts=("a", "b"))),
        ("-f https://a/b\n-f wheels\n-f gone", IndexSettings(find_links=("https://a/b", "BESIDE/wheels", "gone"))),
        ("--pre\n--prefer-binary", IndexSettings()),
    ],
)  # fmt: skip
def test_index_settings_add_up_as_in_pip(project: Path, text: str, index: IndexSettings) -> None:
    (project / "sub" / "wheels").mkdir(parents=True)
    write(sub__a=text)
    found = load("sub/a.txt").index
    links = tuple(link.replace(f"{project}/sub", "BESIDE") for link in found.find_links)
    assert (found.index_url, found.extra_index_urls, links) == (
        index.index_url,
        index.extra_index_urls,
        index.find_links,
    )
    assert (found.trusted_hosts, found.no_index) == (index.trusted_hosts, index.no_index)


def test_constraints_have_the_weaker_word_on_indexes() -> None:
    write(a="-i https://requirements", c="-i https://constraints")
    assert load("a.txt", constraints=("c.txt",)).index.index_url == "https://requirements"


def test_build_constraints_say_nothing_about_the_index() -> None:
    write(b=f"-i https://build\nsetuptools<80 --hash=sha256:{SHA256}")
    files = load(build_constraints=("b.txt",))
    assert files.index == IndexSettings()
    assert [entry.name for entry in files.build_constraints] == ["setuptools"]
    assert not files.constraints
    assert not files.hashes_enforced
    assert copies_of(files) == {"b.txt": ["", f"setuptools<80 --hash=sha256:{SHA256}"]}


@pytest.mark.parametrize(
    ("text", "constraint", "enforced"),
    [
        ("six", "", False),
        (f"six --hash=sha256:{SHA256}", "", True),
        ("six\n--require-hashes", "", True),
        ("six", f"six --hash=sha256:{SHA256}", True),
        (f"a @ https://x/y.zip#sha256={SHA256}", "", False),
        (f"six --hash=sha256:{SHA256}\n--no-require-hashes", "", True),
    ],
)
def test_hashes_are_enforced_where_one_is_pinned(text: str, constraint: str, *, enforced: bool) -> None:
    write(a=text, c=constraint)
    assert load("a.txt", constraints=("c.txt",)).hashes_enforced is enforced


def test_constraints_with_digests_are_told_apart() -> None:
    write(c=f"six<2 --hash=sha256:{SHA256}\nidna<4")
    files = load(constraints=("c.txt",))
    assert [(entry.name, entry.specifier) for entry in files.pinned_constraints] == [("six", "<2")]


def test_unreadable_lines_are_told_and_stop_the_copies() -> None:
    write(a="-r b.txt\n--hash=sha256:aa", b="six\n\nfoo --pre")
    files = load("a.txt")
    assert [(str(line.location), line.rule) for line in files.unreadable] == [
        ("a.txt:2", RuleId.LOCK_ENTRY_UNREADABLE),
        ("b.txt:3", RuleId.LOCK_ENTRY_UNREADABLE),
    ]
    with pytest.raises(MalformedInput, match=r"^a\.txt:2: "):
        files.write_private_copies()


def test_copies_keep_lines_in_place_and_say_nothing_of_indexes(tmp_path: Path) -> None:
    write(
        a=f"""\
# comment
-i https://u:hunter2@x
six==1.17.0 \\
    --hash=sha256:{SHA256} \\
    --hash=sha256:{SHA256}  # twice
--extra-index-url https://u:hunter2@y --pre
--find-links d
--trusted-host h
--no-index
--no-require-hashes
--no-binary 'a, b' --trusted-host h
--prefer-binary  # kept
-e ./package
-r sub/b.txt
-c c.txt
""",
        sub__b="idna",
        c="idna<4",
    )
    run = tmp_path / "run"
    copied = copies_of(load("a.txt"))
    assert copied["a.txt"] == [
        "",
        "",
        f"six==1.17.0     --hash=sha256:{SHA256}     --hash=sha256:{SHA256}",
        "",
        "",
        "--pre",
        "",
        "",
        "",
        "",
        "--no-binary='a, b'",
        "--prefer-binary",
        "-e ./package",
        f"-r {run}/0002-b.txt",
        f"-c {run}/0003-c.txt",
    ]
    assert copied["sub/b.txt"] == ["idna"]


def test_copies_are_private_and_named_by_what_was_typed(tmp_path: Path) -> None:
    write(a="six", c="idna<4", b="setuptools<80")
    files = load("./a.txt", constraints=("c.txt",), build_constraints=("b.txt",))
    copies = files.write_private_copies()
    assert set(copies) == {"./a.txt", "c.txt", "b.txt"}
    for copy in copies.values():
        assert stat.S_IMODE(Path(copy).stat().st_mode) == 0o600
        assert Path(copy).parent == tmp_path / "run"


def test_a_copy_does_not_follow_what_lies_in_its_place(tmp_path: Path) -> None:
    write(a="six")
    files = load("a.txt")
    Path(files.copies["a.txt"]).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        files.write_private_copies()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_copies_of_other_encodings_say_theirs(encoding: str) -> None:
    Path("a.txt").write_bytes("./größe\nsix\n".encode(encoding))
    files = load("a.txt")
    data = Path(files.write_private_copies()["a.txt"]).read_bytes()
    assert data == b"\xef\xbb\xbf" + "./größe\nsix\n".encode()
    assert [line.path for line in parse_requirements(data).lines] == ["./größe", None]


def test_the_hostile_name_of_a_file_stays_in_the_folder(tmp_path: Path) -> None:
    name = "a b'$;\udcff.txt"
    Path("c.txt").write_text("six")
    Path(name).write_text("-c 'c.txt'")
    files = load(name)
    assert Path(files.write_private_copies()[name]) == tmp_path / "run" / "0001-a_b____.txt"


def test_messages_name_the_users_files() -> None:
    write(a="-r sub/b.txt", sub__b="six")
    files = load("a.txt")
    copy = next(copy for copy, source in files.originals.items() if source == "sub/b.txt")
    assert files.describe(f"six (from -r {copy} (line 1))") == "six (from -r sub/b.txt (line 1))"


def test_a_pylock_stands_for_itself() -> None:
    write(a="six")
    files = load("pylock.toml", "a.txt", "https://x/pylock.dev.toml")
    assert files.pylocks == ("pylock.toml", "https://x/pylock.dev.toml")
    assert files.copies["pylock.toml"] == "pylock.toml"
    assert [entry.name for entry in files.requirements] == ["six"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("pylock.toml", True),
        ("dir/pylock.dev.toml", True),
        ("https://x/pylock.toml?y", True),
        ("pylock.toml[extra]", True),
        ("pylock.a.b.toml", False),
        ("pylock.txt", False),
        ("my-pylock.toml", False),
        ("pylock.toml/requirements.txt", False),
    ],
)
def test_a_pylock_is_known_by_its_name(value: str, *, expected: bool) -> None:
    assert is_pylock(value) is expected


def test_what_was_typed_is_classified() -> None:
    Path("package").mkdir()
    typed = ["six>=1", "", "./package", "https://x/y.zip", "../outside/foo-1.0-py3-none-any.whl"]
    entries = parse_arguments(typed, editables=["package"])
    assert [(entry.name, entry.source, entry.editable, entry.location) for entry in entries] == [
        ("six", SourceKind.REGISTRY, False, None),
        (None, SourceKind.LOCAL, False, None),
        (None, SourceKind.URL, False, None),
        ("foo", SourceKind.LOCAL, False, None),
        (None, SourceKind.LOCAL, True, None),
    ]


def test_what_pip_cannot_read_is_a_usage_error_without_credentials() -> None:
    with pytest.raises(UsageError) as caught:
        parse_arguments(["https://u:hunter2@x/y-1.whl"])
    assert "hunter2" not in caught.value.message
