"""What the engines of all ecosystems share: work in the background, and the question to the policy.

Everything is gathered once a run and remembered: a file that several requests name is fetched, hashed and verified by
one of them while the others wait. Decisions are not stored anywhere; they are made from facts in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from guard import limits
from guard.model import Artifact, Ecosystem, Facts, HeldBack, Judged
from guard.once import Once
from guard.policy.evaluate import evaluate_artifact
from guard.policy.offer import NamedReleases, evaluate_offer
from guard.policy.policy import PackagePolicy, Policy

if TYPE_CHECKING:
    from guard.sigstore.verify import Verifier

_QUICK_BATCH = 64

_T = TypeVar("_T")


class Engine:
    """Judges facts by the policy, and does work in the background.

    Args:
        make_verifier: makes the Sigstore verifier; called once, and only when there is provenance to verify.
        policy: what is asked of artifacts.
        now: the moment to which ages are counted and on whose day exceptions are judged; aware.
        workers: how many pieces of work are done at once.
    """

    def __init__(
        self,
        *,
        make_verifier: Callable[[], Verifier],
        policy: Policy,
        now: datetime,
        workers: int = limits.PREFETCH_WORKERS,
    ) -> None:
        self.policy = policy
        self.now = now
        self.named = NamedReleases()
        self._asked: dict[tuple[Ecosystem, str, str], PackagePolicy] = {}
        self._make_verifier = make_verifier
        self._verifier: Once[None, Verifier] = Once()
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="guard-engine")

    def close(self) -> None:
        """Drop work that has not begun."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def start(self, work: Callable[[], object]) -> None:
        """Do ``work`` in the background; what it raises shows when its result is asked for in the foreground."""
        self._executor.submit(work)

    def add_named(self, named: NamedReleases) -> None:
        """Tell which releases the user's input names. To be told before one of them is judged."""
        self.named |= named

    def policy_for(self, artifact: Artifact) -> PackagePolicy:
        """Return what is asked of an artifact."""
        key = (artifact.ecosystem, artifact.name, artifact.version)
        known = self._asked.get(key)
        if known is None:
            known = self._asked[key] = self.policy.for_package(*key, now=self.now)
        return known

    def evaluate_offer(self, facts: Facts) -> HeldBack | None:
        """Return why a release is not offered to a resolver; see :func:`guard.policy.offer.evaluate_offer`.

        Args:
            facts: what the registry's listing says of it.
        """
        named = replace(facts, is_locked=self.named.holds(facts.artifact))
        return evaluate_offer(named, self.policy_for(facts.artifact))

    def expects_identity(self, ecosystem: Ecosystem, name: str) -> bool:
        """Tell whether guard.lock names who publishes a package, so that it must have evidence."""
        lock = self.policy.identity_lock
        return lock is not None and lock.find(ecosystem, name) is not None

    def judge_facts(self, facts: Facts, *, bound_by: str = "gateway") -> Judged:
        """Decide on facts, wherever they were gathered.

        Args:
            facts: all that was gathered about an artifact.
            bound_by: see :class:`guard.model.Judged`.
        """
        decision = evaluate_artifact(facts, self.policy, now=self.now)
        return Judged(facts=facts, decision=decision, bound_by=bound_by)

    def run_all(
        self,
        work: Iterable[Callable[[], Judged]],
        *,
        quick: Sequence[bool] = (),
        done: Callable[[Judged], None] = lambda _: None,
    ) -> tuple[Judged, ...]:
        """Do several pieces of work at once and return their results in the order given.

        Args:
            work: each judges one artifact.
            quick: for each, whether nobody has to be asked for it; for none without it.
            done: called in the caller's thread after each.
        """
        judged = []
        for batch in self._begin(list(work), quick):
            for each in batch.result():
                judged.append(each)
                done(each)
        return tuple(judged)

    def do_all(self, work: Iterable[Callable[[], object]], *, quick: Sequence[bool] = ()) -> None:
        """Do several pieces of work at once and wait for them; what they raise shows when it is asked for again."""
        wait(self._begin(list(work), quick))

    def _begin(self, work: Sequence[Callable[[], _T]], quick: Sequence[bool]) -> list[Future[list[_T]]]:
        """Hand work over to the background: handing over takes as long as quick work does, which goes in batches."""
        futures, start = [], 0
        while start < len(work):
            end = start + 1
            while quick and end < len(work) and end - start < _QUICK_BATCH and quick[start] and quick[end]:
                end += 1
            futures.append(self._executor.submit(_do_each, work[start:end]))
            start = end
        return futures

    def load_verifier(self) -> Verifier:
        """Return the verifier of this run."""
        return self._verifier.get(None, self._make_verifier)


def _do_each(work: Sequence[Callable[[], _T]]) -> list[_T]:
    return [each() for each in work]
