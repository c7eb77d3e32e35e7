"""A writer of DER (ITU-T X.690), as much of it as certificates' extensions and timestamps need."""

from __future__ import annotations

INTEGER = 0x02
OCTET_STRING = 0x04
UTF8_STRING = 0x0C
SEQUENCE = 0x30
SET = 0x31
_OBJECT_IDENTIFIER = 0x06
_GENERALIZED_TIME = 0x18
_CONTEXT = 0xA0


def encode(tag: int, *contents: bytes) -> bytes:
    """Return a value of a tag."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def sequence(*contents: bytes) -> bytes:
    return encode(SEQUENCE, *contents)


def set_of(*contents: bytes) -> bytes:
    """Return a SET OF, whose members stand in the order of their encodings (section 11.6)."""
    return encode(SET, *sorted(contents))


def explicit(number: int, content: bytes) -> bytes:
    return encode(_CONTEXT | number, content)


def integer(value: int) -> bytes:
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(content: bytes) -> bytes:
    return encode(OCTET_STRING, content)


def generalized_time(text: str) -> bytes:
    return encode(_GENERALIZED_TIME, text.encode())


def object_identifier(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    return encode(_OBJECT_IDENTIFIER, b"".join(map(_base_128, (first * 40 + second, *rest))))


def _base_128(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(0x80 | number & 0x7F)
    return bytes(reversed(digits))
