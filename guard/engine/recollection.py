"""What an audit knows without asking: answers that registries gave a while ago, and the user's folder of evidence.

An installation judges by what its registry says now. An audit may take a listing for current for an hour, and keys for
a day; after that, or where nothing is remembered, it asks. One line is remembered for each release, not the listing of
the whole package, so that a lock of a thousand entries is looked up faster than one packument is parsed.

With a folder of evidence its documents come before those of a registry: they are verified like any other. Listings and
keys in it are taken offline only, when there is nobody to ask. Offline nothing is asked at all, and what is not known
is unavailable, never absent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from guard.attest.availability import Flag, Outcome
from guard.errors import MalformedInput, Unavailable
from guard.model import Digest
from guard.store.facts import Answer, Facts

if TYPE_CHECKING:  # few audits have a folder
    from guard.store.evidence_folder import EvidenceFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalledDocument:
    """A document of evidence of which only the digest is remembered.

    Args:
        digest: sha256 of its bytes.
        fetch: asks for it again, for when what it came to is not known.
    """

    digest: Digest
    fetch: Callable[[], tuple[Flag, Outcome, bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recollection:
    """What an audit knows without asking.

    Args:
        facts: what registries answered a while ago.
        now: the moment, aware.
        folder: the user's folder of evidence.
        is_offline: whether nothing may be asked.
    """

    facts: Facts
    now: datetime
    folder: EvidenceFolder | None = None
    is_offline: bool = False

    def load(self, kind: Answer, address: str) -> bytes | None:
        """Return an answer that may be taken for current."""
        return self.facts.load_answer(kind, address, now=self.now)

    def store(self, kind: Answer, address: str, body: bytes) -> None:
        """Remember an answer."""
        self.facts.store_answer(kind, address, body, now=self.now)

    def load_document(self, address: str) -> Digest | None:
        """Return the digest of the document of evidence that was last seen at an address."""
        text = self.load(Answer.DOCUMENT, address)
        try:
            return None if text is None else Digest.from_text(text.decode("ascii"))
        except (MalformedInput, UnicodeDecodeError):
            return None

    def store_document(self, address: str, digest: Digest) -> None:
        """Remember which document of evidence was at an address."""
        self.store(Answer.DOCUMENT, address, str(digest).encode("ascii"))

    def require_online(self, what: str) -> None:
        """Refuse to ask for something offline.

        Args:
            what: is needed, in the user's words.

        Raises:
            Unavailable: the run is offline.
        """
        if self.is_offline:
            where = "is not remembered" if self.folder is None else f"is neither in {self.folder.path} nor remembered"
            raise Unavailable(f"{what} {where}, and nothing is asked offline")
