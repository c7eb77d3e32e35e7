"""Ways in which a registry answers other than it should."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import ClassVar, Literal, TypeAlias

from typing_extensions import assert_never

from tests.sim.documents import compact_json
from tests.sim.loopback import Answer, dropped

Kind: TypeAlias = Literal["page", "file", "metadata", "provenance"]
NpmKind: TypeAlias = Literal["packument", "version", "tarball", "attestations", "keys", "audit"]

_PORTAL = b"<!DOCTYPE html><html><body>Please sign in to this network.</body></html>"


class Misbehaviour(enum.Enum):
    """What happens in place of, or to, the answer."""

    STATUS = "an error status"
    TRUNCATE = "half of the body, then the connection ends"
    RESET = "the connection ends before the first byte"
    HANG = "nothing for a while, then the answer"
    HTML_INSTEAD = "200 with somebody else's HTML page, as a captive portal answers"
    NOT_JSON = "200 with the right type and half of a JSON document, complete by its length"
    HUGE = "200 with the right type and a body of white space of any length"
    REDIRECT = "302 to another place"


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour with its particulars; use the constants and the class methods."""

    misbehaviour: Misbehaviour
    status: int = 200
    seconds: float = 0.0
    size_bytes: int = 0
    url: str = ""
    retry_after_seconds: int | None = None

    SERVER_ERROR: ClassVar[Fault]
    UNAVAILABLE: ClassVar[Fault]
    UNAUTHORIZED: ClassVar[Fault]
    FORBIDDEN: ClassVar[Fault]
    NOT_FOUND: ClassVar[Fault]
    TOO_MANY: ClassVar[Fault]
    TRUNCATE: ClassVar[Fault]
    RESET: ClassVar[Fault]
    HTML_INSTEAD: ClassVar[Fault]
    NOT_JSON: ClassVar[Fault]

    @classmethod
    def hang(cls, seconds: float) -> Fault:
        """Wait before answering, or until the simulator stops."""
        return cls(Misbehaviour.HANG, seconds=seconds)

    @classmethod
    def huge(cls, size_bytes: int) -> Fault:
        """Answer with a body of this many bytes, which no memory of the simulator holds."""
        return cls(Misbehaviour.HUGE, size_bytes=size_bytes)

    @classmethod
    def redirect(cls, url: str) -> Fault:
        """Answer 302 with this Location."""
        return cls(Misbehaviour.REDIRECT, url=url)


Fault.SERVER_ERROR = Fault(Misbehaviour.STATUS, status=500)
Fault.UNAVAILABLE = Fault(Misbehaviour.STATUS, status=503, retry_after_seconds=1)
Fault.UNAUTHORIZED = Fault(Misbehaviour.STATUS, status=401)
Fault.FORBIDDEN = Fault(Misbehaviour.STATUS, status=403)
Fault.NOT_FOUND = Fault(Misbehaviour.STATUS, status=404)
Fault.TOO_MANY = Fault(Misbehaviour.STATUS, status=429, retry_after_seconds=1)
Fault.TRUNCATE = Fault(Misbehaviour.TRUNCATE)
Fault.RESET = Fault(Misbehaviour.RESET)
Fault.HTML_INSTEAD = Fault(Misbehaviour.HTML_INSTEAD)
Fault.NOT_JSON = Fault(Misbehaviour.NOT_JSON)


@dataclass(slots=True)
class _Planned:
    kind: Kind | NpmKind
    name: str | None
    behaviour: Fault
    times_left: int | None


class FaultPlan:
    """Which requests meet which fault; the newest rule that matches wins. Not safe for threads by itself."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []

    def add(self, kind: Kind | NpmKind, name: str | None, behaviour: Fault, times: int | None) -> None:
        """Plan a fault for the next ``times`` requests of this kind and name, or for all."""
        self._planned.insert(0, _Planned(kind, name, behaviour, times))

    def clear(self) -> None:
        """Forget every fault."""
        self._planned.clear()

    def take(self, kind: Kind | NpmKind, name: str) -> Fault | None:
        """Return the fault that a request meets, and count it."""
        for planned in self._planned:
            if planned.kind == kind and planned.name in (None, name) and planned.times_left != 0:
                if planned.times_left is not None:
                    planned.times_left -= 1
                return planned.behaviour
        return None


def misbehave(fault: Fault, honest: Answer, *, media_type: str, challenge: str, stopping: threading.Event) -> Answer:
    """Return what a request gets that meets a fault.

    Args:
        fault: the fault.
        honest: the answer that it would get.
        media_type: of a document that is broken or endless.
        challenge: WWW-Authenticate of a 401.
        stopping: what ends a hang early.

    Raises:
        ConnectionResetError: to end the connection.
    """
    match fault.misbehaviour:
        case Misbehaviour.STATUS:
            return refusal(fault, challenge)
        case Misbehaviour.TRUNCATE:
            return replace(honest, sent_bytes=len(honest.body) // 2)
        case Misbehaviour.RESET:
            raise dropped()
        case Misbehaviour.HANG:
            stopping.wait(fault.seconds)
            return honest
        case Misbehaviour.HTML_INSTEAD:
            return Answer(HTTPStatus.OK, _PORTAL, {"Content-Type": "text/html"})
        case Misbehaviour.NOT_JSON:
            return Answer(HTTPStatus.OK, b'{"name": [', {"Content-Type": media_type})
        case Misbehaviour.HUGE:
            return Answer(HTTPStatus.OK, headers={"Content-Type": media_type}, stream_bytes=fault.size_bytes)
        case Misbehaviour.REDIRECT:
            return Answer(HTTPStatus.FOUND, headers={"Location": fault.url})
        case _:
            assert_never(fault.misbehaviour)


def refusal(fault: Fault, challenge: str) -> Answer:
    """Return the error status of a fault in JSON, with the challenge that belongs to a 401."""
    status = HTTPStatus(fault.status)
    headers = {"Content-Type": "application/json"}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = challenge
    if fault.retry_after_seconds is not None:
        headers["Retry-After"] = str(fault.retry_after_seconds)
    return Answer(status, compact_json({"error": status.phrase}), headers)
