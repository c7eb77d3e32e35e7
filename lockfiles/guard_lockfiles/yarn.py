"""yarn.lock: two formats of one name, told apart by the mark that each yarn writes and reads."""

from __future__ import annotations

import re

from guard_lockfiles.errors import MalformedLockfile
from guard_lockfiles.lockfile import Lockfile
from guard_lockfiles.npm_fields import decode_document
from guard_lockfiles.yarn_berry import parse_yarn_berry
from guard_lockfiles.yarn_v1 import parse_yarn_v1

_V1 = re.compile(r"^#.*yarn lockfile v", re.MULTILINE)
_BERRY = re.compile(r"""^["']?__metadata["']?\s*:""", re.MULTILINE)


def parse_yarn_lock(data: bytes) -> Lockfile:
    """Parse a yarn.lock of any yarn.

    Args:
        data: its bytes.

    Raises:
        MalformedLockfile: it is of no yarn, or of both kinds: yarn 1 passes over a file with ``__metadata``, newer ones
            read one that says it is of version 1 with other rules.
    """
    text = decode_document(data, tool="yarn")
    is_v1, is_berry = _V1.search(text) is not None, _BERRY.search(text) is not None
    if is_v1 == is_berry:
        raise MalformedLockfile("marks of two formats" if is_v1 else "no mark of a format of yarn")
    return parse_yarn_v1(text) if is_v1 else parse_yarn_berry(text)
