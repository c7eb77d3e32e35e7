"""What verifications came to, remembered across runs by everything that they depend on (invariant I7).

A verification that is remembered is done without the cryptographic libraries. Only what holds is remembered: what does
not is looked at again every time, since a wrong clock makes good evidence bad.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from guard import __version__
from guard.model import Digest, Ecosystem, Evidence, EvidenceState
from guard.store.facts import FactKey, Facts
from guard.store.libraries import library_versions

if TYPE_CHECKING:
    from guard.sigstore.verify import Verifier

_LIBRARIES = ("sigstore", "cryptography")


class Verifications:
    """Verifies what is not known to hold.

    Args:
        facts: what is remembered; ``None`` remembers nothing.
        load_verifier: returns the verifier of this run, whose trust root is part of every key.
    """

    def __init__(self, facts: Facts | None, load_verifier: Callable[[], Verifier]) -> None:
        self._facts = facts
        self._load_verifier = load_verifier

    def find(self, key: FactKey) -> tuple[Evidence, ...] | None:
        """Return what was remembered."""
        return None if self._facts is None else self._facts.load(key)

    def get(self, key: FactKey, verify: Callable[[Verifier], tuple[Evidence, ...]]) -> tuple[Evidence, ...]:
        """Return what a verification comes to.

        Args:
            key: everything that it depends on.
            verify: does it.
        """
        known = self.find(key)
        if known is not None:
            return known
        evidence = verify(self._load_verifier())
        if self._facts is not None and all(each.state is EvidenceState.VERIFIED for each in evidence):
            self._facts.store(key, evidence)
        return evidence

    def key(self, ecosystem: Ecosystem, name: str, artifact: Digest, *judged: str) -> FactKey:
        """Return the key of a verification.

        Args:
            ecosystem: of the artifact.
            name: file name or purl that evidence must state.
            artifact: digest that evidence must state.
            judged: all that is judged, as text: digests of documents, signatures, keys.
        """
        return FactKey(
            ecosystem=ecosystem,
            name=name,
            artifact=artifact,
            evidence=digest_of_texts(judged),
            trust_root=self._load_verifier().trust_root.digest,
            verifier=_verifier_version(),
        )


def digest_of_texts(texts: Sequence[str]) -> Digest:
    """Return one digest of several texts, which JSON keeps apart."""
    return Digest("sha256", hashlib.sha256(json.dumps(texts).encode("ascii")).hexdigest())


@functools.cache
def _verifier_version() -> str:
    return f"guard-{__version__} {library_versions(_LIBRARIES)}"
