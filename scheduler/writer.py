"""Writes what is known of the cluster as the worlds of its canaries, in the term of a leader.

What changed together is stored in one round trip, and what could not be stored is stored later,
each canary for itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from analysis import news
from analysis.news import News
from clients import errors
from clients.documents.world import CANARY, SCALER
from clients.redis import rollouts
from clients.redis.records import Snapshot
from clients.redis.scripts import Invocation
from clients.redis.store import Store
from config import batches
from config.refs import CanaryRef
from scheduler.backlog import Backlog, Change
from scheduler.drifts import Drifts

log = logging.getLogger(__name__)

T = TypeVar("T")


class Writer:
    """Every write carries the `term` in which the step began that it belongs to.

    So the store refuses what a superseded leader sends, however late it comes. For one thread.
    """

    def __init__(
        self, store: Store, backlog: Backlog, drifts: Drifts, term: Callable[[], int | None]
    ) -> None:
        """`term` is None when this process must not write."""
        self._store = store
        self._backlog = backlog
        self._drifts = drifts
        self._current_term = term
        self.term = 0
        self.gone: list[CanaryRef] = []
        """Canaries that were forgotten, for somebody to tell of."""
        self.woke: Final = threading.Event()
        """Set when something was stored that makes a canary due."""

    def begin_step(self) -> None:
        """Writes in the present term from now on. Raises Conflict when it is over."""
        self.term = self.check_lead()

    def check_lead(self) -> int:
        """The term. Raises Conflict, sparing the store the question, when it is over."""
        term = self._current_term()
        if term is None:
            raise errors.Conflict("the lease is not held: another process may be storing")
        return term

    def run_all(self, asked: Iterable[Invocation[T]]) -> list[T]:
        """What the scripts give, in one round trip. Raises what the first that failed came to."""
        self.check_lead()
        answers = self._store.run_all(list(asked))
        raise_first(each for each in answers if isinstance(each, errors.ClientError))
        return answers

    def read(self, refs: Iterable[CanaryRef]) -> Mapping[CanaryRef, Snapshot]:
        """All that is stored about `refs`."""
        asked = list(refs)
        return dict(zip(asked, self.run_all(map(rollouts.reading, asked)), strict=True))

    def store_changes(self) -> list[errors.ClientError]:
        """Stores what there is to be stored by now; the failures of single canaries."""
        waiting = range(0, len(self._backlog), batches.MOST)
        return [each for _ in waiting for each in self.store(self._backlog.take(batches.MOST))]

    def store(
        self, changes: Sequence[Change], asleep: Collection[CanaryRef] = ()
    ) -> list[errors.ClientError]:
        """Stores what changed, in one round trip; the failures of single canaries, kept for later.

        Nobody is woken for those `asleep`, which are looked at in any case.
        """
        asked = [(each, script) for each in changes if (script := self._script(each, asleep))]
        try:
            self.check_lead()
            answers = self._store.run_all([script for _, script in asked])
        except errors.ClientError:
            self._backlog.again(changes)
            raise
        for (change, _), answer in zip(asked, answers, strict=True):
            self._heed(change, answer, asleep)
        return [answer for answer in answers if isinstance(answer, errors.ClientError)]

    def _script(self, change: Change, asleep: Collection[CanaryRef]) -> Invocation[Any] | None:
        """What stores a change, or that a canary is gone; None for what no store can hold."""
        ref, world, roles = change
        if world is None:
            return rollouts.forgetting(ref, term=self.term)
        heeded = {} if ref in asleep else roles
        wake = {role: news.WAKES_AFTER[each] for role, each in heeded.items() if each}
        ours = [role for role, each in heeded.items() if each is News.OURS]
        try:
            return rollouts.storing(ref, world, roles, wake=wake, ours=ours, term=self.term)
        except ValueError as error:  # a number that JSON does not have, a text that is not Unicode
            log.warning("projection not stored", extra={"canary": str(ref), "error": str(error)})
            return None

    def _heed(self, change: Change, answer: Any, asleep: Collection[CanaryRef]) -> None:
        """Draws the conclusions from the `answer` to what stores a change."""
        if isinstance(answer, errors.ClientError):
            self._backlog.again([change])
        elif change.world is None:
            self._drifts.forget(change.ref)
            self.gone.append(change.ref)
        elif change.ref not in asleep:
            # What an edited manifest says of the primary's autoscaler may be something else.
            is_scaled = CANARY in answer and change.world.scaler is not None
            self._drifts.note(change.ref, {*answer, SCALER} if is_scaled else answer)
            if any(change.roles[role] >= News.OURS for role in answer):
                self.woke.set()


def raise_first(failures: Iterable[errors.ClientError]) -> None:
    """Raises the first of `failures`, if there is one."""
    for failure in failures:
        raise failure
