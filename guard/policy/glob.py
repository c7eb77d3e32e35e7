"""The one pattern language of policies: ``*`` stands for any run of characters without a slash, anchored at both ends.

No pattern becomes a regular expression, and none can match a part of a name only: ``acme*`` must not match
``acme-evil/x``, and an unanchored match accepts ``https://github.com/acme/widgets-evil``.
"""

from __future__ import annotations


def matches_glob(pattern: str, text: str) -> bool:
    """Tell whether the whole of ``text`` matches ``pattern``, case-sensitively, in linear time per segment."""
    patterns, texts = pattern.split("/"), text.split("/")
    return len(patterns) == len(texts) and all(map(_segment_matches, patterns, texts))


def _segment_matches(pattern: str, text: str) -> bool:
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, last = rest
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True
