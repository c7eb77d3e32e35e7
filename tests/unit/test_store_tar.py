"""Archives that readers take differently: guard reads what npm unpacks, which npm itself says, or refuses."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from guard.store.tar import Content, place_of, read_members
from tests.e2e.npm_environment import NEWEST_NPM, OLDEST_NPM, NpmTools

GOOD = b'{"name":"good","version":"1.0.0"}'
EVIL = b'{"name":"evil","version":"6.6.6"}'
END = bytes(1024)


def header(
    name: str,
    size: int = 0,
    kind: str = "0",
    *,
    link: str = "",
    magic: bytes = b"ustar\x0000",
    prefix: str = "",
    wrong_by: int = 0,
    **fields: bytes,
) -> bytes:
    """Return one header block; ``fields`` are bytes to put at ``at_OFFSET``."""
    block = bytearray(512)
    block[: len(name.encode())] = name.encode()
    block[100:108], block[108:116], block[116:124] = b"0000644\0", b"0000000\0", b"0000000\0"
    block[124:136], block[136:148] = b"%011o\0" % size, b"00000000000\0"
    block[156:157] = kind.encode()
    block[157 : 157 + len(link)] = link.encode()
    block[257:265] = magic
    block[345 : 345 + len(prefix)] = prefix.encode()
    for place, data in fields.items():
        at = int(place.removeprefix("at_"))
        block[at : at + len(data)] = data
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 256 + wrong_by)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def file(name: str, data: bytes = b"", kind: str = "0", **more: Any) -> bytes:
    return header(name, len(data), kind, **more) + padded(data)


def pax(*records: str, kind: str = "x") -> bytes:
    def record(text: str) -> bytes:
        length = len(text.encode()) + 2
        while length != len(f"{length} {text}\n".encode()):
            length += 1
        return f"{length} {text}\n".encode()

    return file("pax", b"".join(map(record, records)), kind)


good = file("package/package.json", GOOD)
evil = file("package/package.json", EVIL)

# Each ends with npm unpacking another package.json than a reader sees that takes it for an ordinary archive, or does so
# with a reader that follows no more than the standard.
HOSTILE = {
    "in no folder of its own": good + file("./package.json", EVIL) + END,
    "at the root": good + file("/package.json", EVIL) + END,
    "below an empty folder": good + file("//package.json", EVIL) + END,
    "below another folder": good + file("other/package.json", EVIL) + END,
    "on a drive of Windows": good + file("package/c:package.json", EVIL) + END,
    "at a root of Windows": good + file("package/\\package.json", EVIL) + END,
    "behind a header with a wrong checksum": good + header("x", wrong_by=1) + evil + END,
    "behind one empty block": good + bytes(512) + evil + END,
    "in a file that is a folder by its name": good + file("package/x/", evil) + END,
    "in a file that is a folder by its long name": good + pax("path=package/x/") + file("x", evil) + END,
    "in a file that is a folder by its short name only": pax("path=package/package.json")
    + file("package/", GOOD)
    + END,
    "in a file with the target of a link": good + file("package/x", evil, link="package/y") + END,
    "in a link without a target": good + file("package/x", evil, "2") + END,
    "in a folder with a size": good + file("package/x", evil, "5") + END,
    "in a link with a size": good + file("package/x", evil, "1", link="package/y") + END,
    "in a device with a size": good + file("package/x", evil, "3") + END,
    "with a size for all files": good + pax("size=0", kind="g") + file("package/x", evil) + END,
    "with a second size": good + pax("size=0") + file("package/x", evil) + END,
    "with a second size before a long name": good + pax("size=0") + file("L", evil, "L") + file("x") + END,
    "by a long name": good + file("L", b"package/package.json\0", "L") + file("package/x", EVIL) + END,
    "by a pax path": good + pax("path=package/package.json") + file("package/x", EVIL) + END,
    "by a pax path in the value of another record": good
    + pax("comment=a\n29 path=package/package.json")
    + file("package/x", EVIL)
    + END,
    "by a pax record with another sign for the space": good
    + file("pax", b"30Xpath=package//package.json\n", "x")
    + file("package/x", EVIL)
    + END,
    "by a pax path with text behind its end": good
    + pax("path=package/package.json\0x")
    + file("package/x", EVIL)
    + END,
    "of a kind that a pax header changes": good + pax("type=Directory") + file("package/package.json", EVIL) + END,
    "by a name with a line behind its end": good + file("package/pack\0\nage.json", EVIL) + END,
    "by a prefix": good + file("package.json", EVIL, prefix="package") + END,
    "by a prefix alone": good + file("", EVIL, prefix="package/package.json") + END,
    "by a prefix of another format": good + file("package.json", EVIL, prefix="package", magic=b"ustar  \0") + END,
    "with an unknown kind": good + file("package/package.json", EVIL, "S") + END,
    "in a file of an unknown kind": good + file("package/x", evil, "Z") + END,
    "with a number in another notation": good + file("package/x", evil, at_124=b"\x80" + bytes(11)) + END,
    "with a number that is none": good + file("package/x", evil, at_124=b"0 7777777777") + END,
    "with capitals": good + file("package/Package.JSON", EVIL) + END,
    "by a link": good + header("package/package.json", kind="2", link="evil.json") + END,
    "by a hard link": good + header("package/package.json", kind="1", link="package/evil.json") + END,
    "with a target that leads outside": pax("linkpath=../../x") + good + END,
    "by a way up": good + file("package/x/../package.json", EVIL) + END,
    "behind the end": good + END + evil + END,
    "cut off": (good + evil)[:-600],
}

# What honest tools write.
HONEST = {
    "plain": good + END,
    "without an end": good,
    "in another folder": file("other/package.json", GOOD) + END,
    "a folder of the same name": header("package/package.json/", kind="5") + good + END,
    "an old file": file("package/package.json", GOOD, "\0", magic=bytes(8)) + END,
    "a long name of GNU": file("././@LongLink", b"package/" + b"x" * 120 + b"\0", "L")
    + file("package/xx")
    + good
    + END,
    "a long name of pax with the size": pax("path=package/package.json", f"size={len(GOOD)}", "mtime=1.5")
    + file("package/xx/", GOOD)[: 512 + len(GOOD)]
    + bytes(-len(GOOD) % 512)
    + END,
    "a commit in a header for all": pax("comment=0123456789", kind="g") + good + END,
    "an attribute with a line end": pax("SCHILY.xattr.a=b\nc", "comment=path=x") + good + END,
    "a link": header("package/x", kind="2", link="package.json") + good + END,
    "text that is not UTF-8": file("package/\u00ff", b"x", at_8=b"\xff") + good + END,
}

# Unpacks archives as npm installs packages, and says which package.json came of each.
UNPACK = r"""
const root = process.argv[1], folder = process.argv[2]
const fs = require('node:fs')
const pacote = require(root + '/node_modules/pacote')
const names = fs.readdirSync(folder).filter((name) => name.endsWith('.tgz'))
for (const name of names) {
  pacote.extract(`file:${folder}/${name}`, `${folder}/out-${name}`, { cache: `${folder}/cache` }).catch(() => {})
}
process.on('uncaughtException', () => {})  // some of them npm dies of
// At the end, whatever became of each: others it never finishes.
process.on('exit', () => {
  const found = {}
  for (const name of names) {
    try {
      found[name] = JSON.parse(fs.readFileSync(`${folder}/out-${name}/package.json`)).name
    } catch { found[name] = null }
  }
  fs.writeSync(1, JSON.stringify(found))
})
"""


def read(archive: bytes) -> list[tuple[str, bool, bytes]]:
    return [(member.place, member.is_file, member.content.read()) for member in read_members(io.BytesIO(archive))]


def winner(archive: bytes) -> str | None:
    """Return whose package.json guard sees, however it is written; ``refused`` where it sees more than one."""
    try:
        found = [data for place, is_file, data in read(archive) if is_file and place.casefold() == "package.json"]
    except ValueError:
        return "refused"
    if len(found) > 1:
        return "refused"
    return str(json.loads(found[0])["name"]) if found else None


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str | None]]:
    """Return a function that says what one npm makes of every archive, by the archive's name."""
    tools = NpmTools(tmp_path_factory.getbasetemp() / "npm-tools")

    def unpack(version: str) -> dict[str, str | None]:
        folder = tmp_path_factory.mktemp("archives")
        names = [*HOSTILE, *HONEST]
        for number, archive in enumerate([*HOSTILE.values(), *HONEST.values()]):
            (folder / f"{number}.tgz").write_bytes(gzip.compress(archive, mtime=0))
        command = [str(tools.node), "-e", UNPACK, str(tools.npm(version)), str(folder)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env={"HOME": str(folder), "PATH": os.defpath}
        )
        found = json.loads(done.stdout)
        return {name: found[f"{number}.tgz"] for number, name in enumerate(names)}

    return unpack


@pytest.mark.online
@pytest.mark.parametrize("version", [OLDEST_NPM, NEWEST_NPM])
def test_guard_never_sees_another_manifest_than_npm_unpacks(
    unpacked: Callable[[str], dict[str, str | None]], version: str
) -> None:
    by_npm = unpacked(version)
    assert {by_npm[name] for name in HONEST} == {"good"}
    seen = {name: (winner(HOSTILE[name]), by_npm[name]) for name in HOSTILE}
    assert {name: both for name, both in seen.items() if both[0] not in ("refused", both[1])} == {}
    assert list(by_npm.values()).count("evil") >= 10, "hostile archives that deceive nobody prove nothing"


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (good + header("x", wrong_by=1), "checksum"),
        (good + header("x", wrong_by=-1), "checksum"),
        (good + bytes(512) + file("package/x"), "behind its end"),
        (good + header("package/x", at_124=b"\x80" + bytes(11)), "number"),
        (good + header("package/x", at_124=b"0 7777777777"), "number"),
        (file("", GOOD, prefix="package/package.json"), "no name"),
        (file("package/x", link="y"), "target"),
        (header("package/x", kind="2"), "target"),
        (header("package/x", kind="1"), "target"),
        (pax("linkpath=../../x") + good, "target"),
        (file("L", b"y\0", "K") + good, "target"),
        (file("package/x", kind="S"), "unknown kind"),
        (file("package/x", kind="N"), "unknown kind"),
        (header("package/x", 10_000), "ends in the middle"),
        (pax("size=1") + file("package/x"), "different sizes"),
        (pax("size=0") + file("L", b"package/y\0", "L") + file("package/x"), "different sizes"),
        (pax("size=0", kind="g") + good, "all files"),
        (pax("path=package/x", kind="g") + good, "all files"),
        (pax("type=Directory") + good, "what kind"),
        (pax("path=package/x\0y") + good, "cannot be read"),
        (file("pax", b"30Xpath=package//package.json\n", "x") + good, "cannot be read"),
        (file("pax", b"30 path=too short\n", "x") + good, "cannot be read"),
        (header("pax", 2 * 1024 * 1024, "x"), "too large"),
        (file("pax", b"", "x", link="y") + good, "target of a link"),
        (file("L", b"package/x\0\ny", "L") + good, "behind the end of a name"),
        (file("package/x\0\ry"), "behind the end of a name"),
        (file("package/x\0\u2028y"), "behind the end of a name"),
        (file("package/c:x"), "has the path"),
        (file("package//c:x"), "has the path"),
        (file("package/\\x"), "has the path"),
        (file("package///?/x"), "has the path"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(archive: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(archive + END)


@pytest.mark.parametrize("name", HONEST)
def test_what_honest_tools_write_is_read(name: str) -> None:
    assert winner(HONEST[name]) == "good"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("package/package.json", "package.json"),
        ("./package.json", "package.json"),
        ("/package.json", "package.json"),
        ("//package.json", "package.json"),
        ("../package.json", "package.json"),
        ("package//a/./b/", "a/b"),
        ("./package/package.json", "package/package.json"),
        ("/package/package.json", "package/package.json"),
        ("package.json", ""),
        ("package/", ""),
        ("package/a/../package.json", ""),
        ("package/..", ""),
        ("package/..a", "..a"),
        ("package/a\\b", "a\\b"),
    ],
)
def test_places_are_those_that_npm_takes(path: str, place: str) -> None:
    assert place_of(path) == place


def test_members_are_what_npm_makes_of_them() -> None:
    archive = b"".join(
        [
            file("package/file", b"1"),
            file("package/old", b"2", "\0", magic=bytes(8)),
            file("package/contiguous", b"3", "7"),
            header("package/folder", 77, "5"),
            header("package/folder/", 77),
            file("package/hard", b"not npm's", "1", link="package/file"),
            file("package/pipe", b"not npm's", "6"),
            file("last", b"4", prefix="package/" + "p" * 20),
            file("last", b"5", prefix="package/" + "q" * 147),
            file("last", b"6", prefix="package", magic=b"ustar  \0"),
            pax("path=package/named") + file("x", b"7", prefix="nowhere"),
        ]
    )
    assert read(archive) == [
        ("file", True, b"1"),
        ("old", True, b"2"),
        ("contiguous", True, b"3"),
        ("folder", False, b""),
        ("folder", False, b""),
        ("hard", False, b"not npm's"),
        ("pipe", False, b"not npm's"),
        ("p" * 20 + "/last", True, b"4"),
        ("q" * 147 + "/last", True, b"5"),
        ("", True, b"6"),
        ("named", True, b"7"),
    ]


def test_what_is_not_read_is_passed_over() -> None:
    archive = file("package/large", bytes(3_000_000)) + file("package/small", b"x")
    assert [member.place for member in read_members(io.BytesIO(archive))] == ["large", "small"]


def test_nothing_is_an_archive_without_members() -> None:
    assert read(b"") == read(END) == read(bytes(100)) == []


def test_content_tells_its_size_before_it_is_read() -> None:
    content = Content(io.BytesIO(padded(b"abc")), 3)
    assert (content.size_bytes, content.read()) == (3, b"abc")
