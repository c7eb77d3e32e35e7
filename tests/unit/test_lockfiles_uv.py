"""uv.lock: every file is an entry, with who asks for it and where; what uv could read another way is refused."""

from __future__ import annotations

import pytest

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import Ecosystem, LockedArtifact, Lockfile, Source
from guard_lockfiles.uv import parse_uv_lock

HASH = "sha256:" + "0" * 64
INDEX = "https://pypi.example/simple"
WHEEL = "https://files.example.test/a/one-1.0-py3-none-any.whl"
HEAD = 'version = 1\nrevision = 3\nrequires-python = ">=3.10"\n'
SOURCE = f'source = {{ registry = "{INDEX}" }}'


def parse(text: str, *, head: str = HEAD) -> Lockfile:
    return parse_uv_lock((head + text).encode())


def package(*lines: str, name: str = "one", source: str = SOURCE) -> str:
    return "\n".join(["[[package]]", f'name = "{name}"', 'version = "1.0"', source, *lines, ""])


def parse_one(*lines: str, source: str = SOURCE) -> LockedArtifact:
    lock = parse(package(*lines, source=source))
    assert lock.unreadable == ()
    (artifact,) = lock.artifacts
    return artifact


def reason_of(*lines: str, source: str = SOURCE) -> str:
    lock = parse(package(*lines, source=source) + package(name="other"))
    assert [artifact.name for artifact in lock.artifacts] == ["other"]
    (entry,) = lock.unreadable
    assert entry.place == "one"
    assert entry.line in (4, 8)
    return entry.reason


def wheel(url: str = WHEEL, digest: str = HASH) -> str:
    return f'wheels = [{{ url = "{url}", hash = "{digest}" }}]'


def test_everything_about_a_file() -> None:
    assert parse_one(wheel()) == LockedArtifact(
        ecosystem=Ecosystem.PYPI,
        name="one",
        version="1.0",
        source=Source.REGISTRY,
        line=8,
        column=11,
        place="one",
        file="one-1.0-py3-none-any.whl",
        digests=(HASH,),
        resolved=WHEEL,
        registry=INDEX,
    )


def test_names_are_normalised_and_places_are_too() -> None:
    (artifact,) = parse(package(wheel(), name="One_.Thing")).artifacts
    assert (artifact.name, artifact.place) == ("one-thing", "one-thing")


def test_the_sdist_and_each_wheel_are_entries() -> None:
    lines = (
        f'sdist = {{ url = "{INDEX}/one-1.0.tar.gz", hash = "{HASH}" }}',
        f'wheels = [\n  {{ url = "{WHEEL}" }},\n  {{ url = "{INDEX}/one-1.0-1-py3-none-any.whl" }},\n]',
    )
    lock = parse(package(*lines))
    assert [(each.file, each.line, each.digests) for each in lock.artifacts] == [
        ("one-1.0.tar.gz", 8, (HASH,)),
        ("one-1.0-py3-none-any.whl", 10, ()),
        ("one-1.0-1-py3-none-any.whl", 11, ()),
    ]


def test_a_package_without_files_is_an_entry_without_digests() -> None:
    artifact = parse_one()
    assert (artifact.file, artifact.digests, artifact.line) == (None, (), 4)


@pytest.mark.parametrize(
    ("source", "kind", "resolved", "commit"),
    [
        ('{ git = "https://git.example/a?tag=v1#0123abc" }', Source.GIT, "https://git.example/a?tag=v1", "0123abc"),
        ('{ git = "https://git.example/a" }', Source.GIT, "https://git.example/a", None),
        ('{ directory = "../a" }', Source.FOLDER, "../a", None),
        ('{ editable = "../a" }', Source.FOLDER, "../a", None),
        ('{ virtual = "a" }', Source.FOLDER, "a", None),
        ('{ path = "a/one-1.0.tar.gz" }', Source.FILE, "a/one-1.0.tar.gz", None),
        (f'{{ url = "{WHEEL}" }}', Source.URL, WHEEL, None),
        (f'{{ url = "{WHEEL}", subdirectory = "b" }}', Source.URL, WHEEL, None),
    ],
)
def test_sources(source: str, kind: Source, resolved: str, commit: str | None) -> None:
    artifact = parse_one(source=f"source = {source}")
    assert (artifact.source, artifact.resolved, artifact.commit) == (kind, resolved, commit)
    assert artifact.registry is None


def test_an_archive_is_called_what_its_address_says_and_has_the_hash_of_its_file() -> None:
    artifact = parse_one(f'sdist = {{ hash = "{HASH}" }}', source='source = { path = "../one-1.0.tar.gz" }')
    assert (artifact.file, artifact.digests, artifact.source) == ("one-1.0.tar.gz", (HASH,), Source.FILE)


def test_files_of_a_local_index_are_local() -> None:
    artifact = parse_one(
        'wheels = [{ path = "one-1.0-py3-none-any.whl" }]', source='source = { registry = "../links" }'
    )
    assert (artifact.source, artifact.registry) == (Source.FILE, "../links")
    assert artifact.resolved == "../links/one-1.0-py3-none-any.whl"


@pytest.mark.parametrize("source", ['{ virtual = "." }', '{ editable = "." }', '{ directory = "./" }'])
def test_the_project_itself_is_no_entry(source: str) -> None:
    assert parse(package(source=f"source = {source}")).artifacts == ()


@pytest.mark.parametrize(
    ("source", "is_member"),
    [
        ('{ editable = "members/one" }', True),
        ('{ virtual = "members/one" }', True),
        ('{ directory = "one" }', True),
        ('{ editable = "../one" }', False),  # a list of names makes nothing elsewhere the user's own
        ('{ editable = "members/../../one" }', False),
        ('{ editable = "/srv/one" }', False),
        ('{ editable = "C:/one" }', False),
        (f'{{ registry = "{INDEX}" }}', False),
        ('{ git = "https://git.example/one#0123abc" }', False),
    ],
)
def test_members_of_the_workspace_below_it_are_no_entries(source: str, is_member: bool) -> None:
    lock = parse('[manifest]\nmembers = ["One"]\n' + package(source=f"source = {source}"))
    assert (lock.artifacts == ()) is is_member


def test_a_folder_below_that_is_no_member_is_an_entry() -> None:
    lock = parse('[manifest]\nmembers = ["other"]\n' + package(source='source = { directory = "one" }'))
    assert [artifact.source for artifact in lock.artifacts] == [Source.FOLDER]


def test_a_package_is_for_the_forks_that_it_names() -> None:
    lines = ("resolution-markers = [\"os_name == 'nt'\", \"os_name == 'posix'\"]",)
    assert parse_one(*lines).markers == ("(os_name == 'nt') or (os_name == 'posix')",)


def test_environments_that_the_lock_is_for() -> None:
    lock = parse(package(), head=HEAD + "supported-markers = [\"sys_platform == 'linux'\"]\n")
    assert lock.environments == ("sys_platform == 'linux'",)


def root(text: str) -> str:
    return package(name="project", source='source = { virtual = "." }') + text


@pytest.mark.parametrize(
    ("edges", "markers"),
    [
        ('{ name = "one", marker = "os_name == \'nt\'" }', ("os_name == 'nt'",)),
        ('{ name = "one", version = "1.0", marker = "os_name == \'nt\'" }', ("os_name == 'nt'",)),
        ('{ name = "one", version = "2.0", marker = "os_name == \'nt\'" }', ()),
        ('{ name = "one", marker = "os_name == \'nt\'" }, { name = "one" }', ()),
        (
            '{ name = "one", marker = "os_name == \'nt\'" }, { name = "one", marker = "os_name == \'a\'" }',
            ("(os_name == 'a') or (os_name == 'nt')",),
        ),
        ('{ name = "one", marker = "extra == \'a\'" }', ()),
    ],
)
def test_the_conditions_of_all_that_ask_for_a_package(edges: str, markers: tuple[str, ...]) -> None:
    (artifact,) = parse(root(f"dependencies = [{edges}]\n") + package()).artifacts
    assert artifact.markers == markers


def test_groups_and_extras_that_alone_ask_for_a_package() -> None:
    text = root(
        'dependencies = [{ name = "always" }]\n'
        '[package.optional-dependencies]\nfast = [{ name = "by-extra" }]\n'
        '[package.dev-dependencies]\ndev = [{ name = "by-group" }, { name = "always" }]\n'
        'test = [{ name = "by-extra" }]\n'
    )
    text += package('dependencies = [{ name = "below" }]', name="always") + package(name="below")
    text += package('dependencies = [{ name = "below-group" }, { name = "below" }]', name="by-group")
    text += package(name="by-extra") + package(name="below-group")
    assert {each.name: (each.groups, each.is_dev) for each in parse(text).artifacts} == {
        "always": ((), False),
        "below": ((), False),
        "by-extra": (("fast", "test"), False),
        "by-group": (("dev",), True),
        "below-group": (("dev",), True),
    }


def test_a_script_asks_in_the_manifest() -> None:
    text = '[manifest]\nrequirements = [{ name = "one", marker = "os_name == \'nt\'" }]\n' + package()
    assert parse(text).artifacts[0].markers == ("os_name == 'nt'",)


@pytest.mark.parametrize(
    ("lines", "source", "reason"),
    [
        ((), "source = { }", "no known kind"),
        ((), 'source = { oci = "a" }', "no known kind"),
        ((), f'source = {{ registry = "{INDEX}", git = "https://git.example/a" }}', "no known kind"),
        ((), "source = { registry = 1 }", "not a string"),
        ((), 'source = { git = "" }', "leads nowhere"),
        ((), 'source = "registry+https://pypi.example/simple"', "not a table"),
        ((wheel(digest="sha256:00"),), SOURCE, "hash"),
        ((wheel(digest="crc32:00000000"),), SOURCE, "hash"),
        ((wheel(url="https://files.example.test/"),), SOURCE, "name"),
        ((wheel(url="https://files.example.test/a%2Fb.whl"),), SOURCE, "name"),
        ((wheel(url="https://files.example.test/a%1b[2J.whl"),), SOURCE, "name"),
        ((wheel(url="https://[files/a.whl"),), SOURCE, "URL"),
        ((f'wheels = [{{ url = "{WHEEL}", path = "a.whl" }}]',), SOURCE, "more than one address"),
        (('wheels = [{ hash = "' + HASH + '" }]',), SOURCE, "neither"),
        (("wheels = [1]",), SOURCE, "not a table"),
        (("wheels = 1",), SOURCE, "not an array"),
        (('wheels = [{ url = "a\\u001b.whl" }]',), SOURCE, "control"),
        (('resolution-markers = ["a b"]',), SOURCE, "marker"),
        (("dependencies = [1]",), SOURCE, "not a table"),
        (('dependencies = [{ name = "a", marker = "nothing" }]',), SOURCE, "marker"),
    ],
)
def test_what_cannot_be_read_is_an_entry_too(lines: tuple[str, ...], source: str, reason: str) -> None:
    assert reason in reason_of(*lines, source=source)


@pytest.mark.parametrize("name", ["../one", "one\\u001b[2J", "", "a" * 400, "one two"])
def test_a_name_that_is_none_is_shown_harmlessly(name: str) -> None:
    (entry,) = parse(package(name=name)).unreadable
    assert entry.reason
    assert entry.place.isprintable()
    assert len(entry.place) <= 400


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("", None),
        ("version = 2\n", 1),
        ("revision = 1\nversion = 0\n", 2),
        ('version = "1"\n', 1),
        ("version = true\n", 1),
        ("version = 1\nrevision = -1\n", 2),
        ("version = 1\nrevision = 'a'\n", 2),
        ("version = 1\n", None),  # as every tool could write
        ('version = 1\nrequires-python = ">=3"\npackage = 1\n', 3),
        ('version = 1\nrequires-python = ">=3"\n[manifest]\nmembers = 1\n', 3),
        ('version = 1\nrequires-python = ">=3"\nmanifest = 1\n', 3),
        ('version = 1\nrequires-python = ">=3"\n[[package]]\n[[distribution]]\n', 4),
        ("version = 1\nversion = 1\n", 2),
        ("version = 1\nname = 'a\n", 2),
        ("version = 1\n<<<<<<< HEAD\n=======\n>>>>>>> a\n", 2),
    ],
)
def test_what_is_no_lock_is_malformed(head: str, line: int | None) -> None:
    with pytest.raises(MalformedLockfile) as caught:
        parse_uv_lock(head.encode())
    assert caught.value.line == line


def test_newer_revisions_are_read() -> None:
    assert parse(package(), head='version = 1\nrevision = 99\nrequires-python = ">=3"\n').version == "1.99"


def test_packages_were_once_called_distributions() -> None:
    (artifact,) = parse(package(wheel()).replace("[[package]]", "[[distribution]]")).artifacts
    assert (artifact.name, artifact.line) == ("one", 8)


def test_a_byte_order_mark_is_skipped_as_uv_does() -> None:
    assert len(parse_uv_lock(b"\xef\xbb\xbf" + (HEAD + package()).encode()).artifacts) == 1


@pytest.mark.parametrize("data", [b"\xff" + HEAD.encode(), HEAD.encode("utf-16"), b" " * (33 * 1024 * 1024)])
def test_other_encodings_and_sizes_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedLockfile):
        parse_uv_lock(data)


def test_many_packages_of_one_name_take_no_square_of_time() -> None:
    edges = ", ".join(f'{{ name = "one", marker = "os_name == \'{number}\'" }}' for number in range(300))
    text = "".join(package(f"dependencies = [{edges if number == 0 else ''}]") for number in range(3000))
    lock = parse(text)
    assert len(lock.artifacts) == 3000
    assert lock.artifacts[0].markers == ()  # more conditions than are kept
