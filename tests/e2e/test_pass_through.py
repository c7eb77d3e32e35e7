"""What installs nothing reaches the real tool byte for byte, through guard itself as through a shim."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.surroundings import GUARD

HOSTILE = [
    b"a b",
    b"",
    b"'",
    b'"',
    b"\\",
    b"$HOME",
    b"`id`",
    b"*",
    b"a\nb\n",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"--",
    b"-n",
]
LONG = [b"x" * 100_000, *(b"\xff %d" % number for number in range(2000))]
# A script of Python, as pip is, and one of its own, as npm may be.
_TOOLS = {
    "pip": f"#!{sys.executable}\nimport os, sys\nfor word in sys.argv[1:]:\n"
    "    os.write(1, os.fsencode(word) + bytes(1))\n",
    "npm": '#!/bin/sh\nprintf "%s\\0" "$@"\n',
}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    for name, script in _TOOLS.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    return tmp_path


@pytest.mark.campaign(3)
@pytest.mark.parametrize("arguments", [HOSTILE, LONG], ids=["hostile", "long"])
@pytest.mark.parametrize("line", [["pip", "list"], ["npm", "run"]], ids=" ".join)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "xx_XX.none"])
def test_arguments_arrive_byte_by_byte(programs: Path, line: list[str], arguments: list[bytes], locale: str) -> None:
    environ = {"PATH": f"/nowhere:relative:{programs}:/usr/bin:/bin", "LC_ALL": locale, "HOME": str(programs)}
    command = [str(GUARD).encode(), *map(str.encode, line), *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.split(b"\0")[:-1] == [line[1].encode(), *arguments]


def test_the_pip_of_another_name(programs: Path) -> None:
    (programs / "pip3.99").write_text(_TOOLS["pip"].replace("os.write(1, ", "os.write(1, b'99 ' + "))
    (programs / "pip3.99").chmod(0o755)
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(programs)}
    for options in (["--pip", "pip3.99"], ["--pip=pip3.99"], ["--pip", "pip", "-q", "--pip", "pip3.99"]):
        done = subprocess.run([GUARD, *options, "pip", "list"], env=environ, capture_output=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"99 list\0", b"")
    done = subprocess.run([GUARD, "--pip", "pip3.98", "pip", "list"], env=environ, capture_output=True, timeout=60)
    assert (done.returncode, b"no pip3.98 was found on PATH" in done.stderr) == (127, True)
