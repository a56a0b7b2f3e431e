"""Stores what is known of the cluster as the worlds of its canaries, and wakes who is concerned.

One thread writes, so a newer projection is never overwritten by an older one. What changed together
is stored in one round trip, and what could not be stored is stored later, each canary for itself.
Besides, every world is stored again once per resync, which mends what a Redis that lost writes, or
a worker that wrote an older object, has left behind.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Final, TypeVar

from analysis import cadence, news
from analysis.effects import Lane
from analysis.news import News
from clients import errors
from clients.clock import Clock
from clients.documents.world import CANARY, SCALER
from clients.redis import rollouts, store
from clients.redis.records import Epoch, Snapshot
from clients.redis.scripts import Invocation
from clients.redis.store import Store
from config.ranks import Rank
from config.refs import CanaryRef
from config.shards import WHOLE, Shard
from scheduler.backlog import Backlog, Change
from scheduler.drifts import Drift, Drifts
from tasks.queues import Dispatcher

log = logging.getLogger(__name__)

T = TypeVar("T")

PACE: Final = timedelta(milliseconds=5)
"""Spread per canary of first looks: 200 a second, which a single analysis worker keeps up with."""

LONGEST_SPREAD: Final = timedelta(seconds=10)
"""The shortest analysis interval: no rollout misses a check by having been spread."""

TOGETHER: Final = 100
"""Canaries in one round trip: about a MiB, and some ms in which Redis serves nobody else."""

NUDGED_TOGETHER: Final = 25
"""Canaries in one message to a reconciler: what drifted together is shared among workers."""


class Publisher:
    """Writes worlds. `step` is for one thread, `refresh` for any.

    Every write carries the term in which its step began: the store refuses what a superseded
    leader sends, however late it comes.
    """

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        backlog: Backlog,
        clock: Clock,
        *,
        term: Callable[[], int | None],
        resync: timedelta,
        namespace: str | None = None,
        shard: Shard = WHOLE,
    ) -> None:
        """`term` is None when this process must not write.

        `namespace` is the only one watched, `shard` the part of all that are.
        """
        self._store = store
        self._dispatcher = dispatcher
        self._backlog = backlog
        self._clock = clock
        self._current_term = term
        self._term = 0
        self._namespace, self._shard = namespace, shard
        self._resync = resync
        self._round: list[CanaryRef] = []
        self._round_size, self._round_began, self._rounds = 0, clock.monotonic(), 0
        self._drifts = Drifts(clock, resync)
        self._wanted = threading.Event()
        self._wanted.set()
        self._confirmed = False
        self._listed_in: int | None = None
        self._epoch: Epoch | None = None
        self.woke: Final = threading.Event()
        """Set when something was stored that makes a canary due."""

    def refs(self) -> frozenset[CanaryRef]:
        """All canaries."""
        return self._backlog.refs()

    def refresh(self) -> None:
        """Have everything stored again, by the next step: Redis may hold nothing, or other news."""
        self._wanted.set()

    @property
    def confirmed(self) -> bool:
        """Whether everything was stored, and confirmed, since it was last asked for."""
        return self._confirmed and not self._wanted.is_set()

    def step(self) -> None:
        """Stores all there is to store.

        Raises the errors of the store, Conflict when another process may be storing by now; what
        was not stored is kept for later.
        """
        self._term = self._check_lead()
        if self._epoch is not None:
            self._store_everything(self._epoch)
        failures = [*self._store_changes(), *self._go_round()]
        self._send_nudges()
        _raise_first(failures)

    # --- everything

    def wants_lists(self) -> bool:
        """Whether all is to be listed before the next step: Redis has lost what it held.

        What is known may be older than what others have seen or written before the loss. Raises
        the errors of the store.
        """
        if not self._wanted.is_set():
            return False
        self._wanted.clear()
        self._confirmed = False
        try:
            # Before anything is stored, so that it is noticed if Redis loses it meanwhile.
            epoch = self._epoch = self._store.open_epoch(self._check_lead(), self._shard)
        except errors.ClientError:
            self._wanted.set()
            raise
        known, self._listed_in = self._listed_in, epoch.number
        return not epoch.already_confirmed and epoch.number != known

    def _store_everything(self, epoch: Epoch) -> None:
        """Brings a Redis in any condition up to date."""
        self._epoch = None
        try:
            self._remember_good_manifests()
            listed = self._store.agenda()
            for refs in _parts(sorted(self._backlog.refs()), TOGETHER):
                changes = self._backlog.take_whole(refs)
                _raise_first(self._write(changes, asleep=set(refs) - listed.keys()))
                # Not before the world is there: a look at nothing would take the canary for
                # deleted. States and due times may be old ones, too, in an epoch that is new.
                is_kept = epoch.already_confirmed
                self._poke_in_turn(ref for ref in refs if ref not in listed or not is_kept)
                self._doubt(changes if is_kept else ())
            self._forget_others(listed)
            self._confirmed = self._store.confirm_epoch(self._term, epoch)
        finally:
            if not self._confirmed:
                self._wanted.set()

    def _remember_good_manifests(self) -> None:
        """Takes over what an earlier leader knew of canaries that have been edited badly since.

        What one is given back, another may have got in force meanwhile: then it is asked as well.
        """
        asked: set[CanaryRef] = set()
        while doubtful := self._backlog.unsettled() - asked:
            asked |= doubtful
            for refs in _parts(sorted(doubtful), TOGETHER):
                for ref, known in self._read(refs).items():
                    self._backlog.adopt(ref, known.world.canary)

    def _doubt(self, changes: Iterable[Change]) -> None:
        """Has an earlier leader's nudges repeated, within a resync: it may have died over them."""
        for ref, world, _ in changes:
            roles = world.by_role().keys() - {CANARY} if world else ()
            self._drifts.note(ref, roles, cadence.offset(ref, self._resync))

    def _poke_in_turn(self, refs: Iterable[CanaryRef]) -> None:
        spread = min(LONGEST_SPREAD, PACE * len(self._backlog.refs()))
        for some in _parts(refs, TOGETHER):
            now = self._store.now()
            dues = {ref: now + cadence.offset(ref, spread) for ref in some}
            self._run_all(
                store.poking(ref, at, rank=self._rank(ref), term=self._term)
                for ref, at in dues.items()
            )

    def _rank(self, ref: CanaryRef) -> Rank:
        """The rank of a canary of which Redis knows nothing."""
        return Rank.CHECK if self._backlog.has_traffic(ref) else Rank.INITIALIZATION

    def _forget_others(self, listed: Collection[CanaryRef]) -> None:
        """Drops canaries that were deleted while nobody watched."""
        known = self._backlog.refs()
        gone = (ref for ref in listed if ref not in known)
        ours = (ref for ref in gone if self._is_watched(ref.namespace))
        for refs in _parts(ours, TOGETHER):
            self._run_all(rollouts.forgetting(ref, term=self._term) for ref in refs)

    def _is_watched(self, namespace: str) -> bool:
        return self._namespace in {None, namespace} and self._shard.owns(namespace)

    # --- what changed

    def _store_changes(self) -> list[errors.ClientError]:
        """Stores what there is to be stored by now; the failures of single canaries."""
        waiting = range(0, len(self._backlog), TOGETHER)
        return [each for _ in waiting for each in self._write(self._backlog.take(TOGETHER))]

    def _write(
        self, changes: Sequence[Change], asleep: Collection[CanaryRef] = ()
    ) -> list[errors.ClientError]:
        """Stores what changed, in one round trip; the failures of single canaries, kept for later.

        Nobody is woken for those `asleep`, which are looked at in any case.
        """
        asked = [(each, script) for each in changes if (script := self._script(each, asleep))]
        try:
            self._check_lead()
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
            return rollouts.forgetting(ref, term=self._term)
        heeded = {} if ref in asleep else roles
        wake = {role: news.WAKES_AFTER[each] for role, each in heeded.items() if each}
        ours = [role for role, each in heeded.items() if each is News.OURS]
        try:
            return rollouts.storing(ref, world, roles, wake=wake, ours=ours, term=self._term)
        except ValueError as error:  # a number that JSON does not have, a text that is not Unicode
            log.warning("projection not stored", extra={"canary": str(ref), "error": str(error)})
            return None

    def _heed(self, change: Change, answer: Any, asleep: Collection[CanaryRef]) -> None:
        """Draws the conclusions from the `answer` to what stores a change."""
        if isinstance(answer, errors.ClientError):
            self._backlog.again([change])
        elif change.world is None:
            self._drifts.forget(change.ref)
        elif change.ref not in asleep:
            # What an edited manifest says of the primary's autoscaler may be something else.
            is_scaled = CANARY in answer and change.world.scaler is not None
            self._drifts.note(change.ref, {*answer, SCALER} if is_scaled else answer)
            if any(change.roles[role] >= News.OURS for role in answer):
                self.woke.set()

    def _send_nudges(self) -> None:
        """Has lanes looked at that may have drifted, once their time has come."""
        ripe = self._drifts.ripe()
        for drifts in _parts(sorted(ripe), TOGETHER):
            asked = [rollouts.comparing(each[0], sorted(ripe[each])) for each in drifts]
            answers = self._store.run_all(asked)
            pairs = zip(drifts, answers, strict=True)
            foreign = {drift for drift, is_ours in pairs if is_ours is not True}
            for drift in set(drifts) - foreign:
                self._drifts.dismiss(drift, ripe[drift])
            for lane in Lane:
                self._nudge({each: ripe[each] for each in sorted(foreign) if each[1] is lane}, lane)

    def _nudge(self, drifted: Mapping[Drift, Collection[str]], lane: Lane) -> None:
        for together in _parts(drifted, NUDGED_TOGETHER):
            self._check_lead()
            self._dispatcher.reconcile([ref for ref, _ in together], lane)
            for drift in together:
                self._drifts.nudge(drift, drifted[drift])

    def _go_round(self) -> list[errors.ClientError]:
        """Stores again the worlds whose turn it is: all of them, evenly, within a resync.

        The failures of single canaries.
        """
        elapsed = (self._clock.monotonic() - self._round_began) / self._resync.total_seconds()
        if not self._round and elapsed >= 1:
            self._begin_round()
            elapsed = 0.0
        rest = self._round_size - round(self._round_size * min(1.0, elapsed))
        due, self._round = self._round[rest:], self._round[:rest]
        failures = []
        for refs in _parts(reversed(due), TOGETHER):
            changes = self._backlog.take_whole(refs)
            failures += self._write(changes)
            behind = self._behind(changes)
            if behind:
                self._dispatcher.reconcile(behind, Lane.WORKLOAD)
        return failures

    def _begin_round(self) -> None:
        """Chooses who is looked at: all in a rollout, and of the others those whose turn it is."""
        listed, refs = self._store.agenda(), self._backlog.refs()
        everybody = max(len(refs), len(listed))  # those of other shards too
        busy, whole = self._backlog.unsettled(), cadence.resync(self._resync, everybody)
        turns = math.ceil(whole / self._resync)
        now = self._store.now()
        late = now + whole * cadence.LATEST
        latest = {ref: now + self._resync * cadence.LATEST if ref in busy else late for ref in refs}
        self._poke_in_turn(ref for ref in refs if ref not in listed or listed[ref] > latest[ref])
        # A tick that was queued when its canary went puts it on the agenda again.
        self._forget_others(listed)
        self._rounds += 1
        self._round = [
            ref
            for ref in sorted(refs, reverse=True)
            if ref in busy or cadence.turn(ref, turns) == self._rounds % turns
        ]
        self._round_size, self._round_began = len(self._round), self._clock.monotonic()

    def _behind(self, changes: Iterable[Change]) -> list[CanaryRef]:
        """The canaries whose workloads show less than what we once wrote.

        For a moment that is the watch's delay. When the API server's store was restored from older
        data it stays, until the reconciler confirms what there is.
        """
        there = {ref: world for ref, world, _ in changes if world}
        return [
            ref for ref, known in self._read(there).items() if known.confirmed.stale(there[ref])
        ]

    def _read(self, refs: Iterable[CanaryRef]) -> Mapping[CanaryRef, Snapshot]:
        asked = list(refs)
        return dict(zip(asked, self._run_all(map(rollouts.reading, asked)), strict=True))

    def _run_all(self, asked: Iterable[Invocation[T]]) -> list[T]:
        """What the scripts give, in one round trip. Raises what the first that failed came to."""
        self._check_lead()
        answers = self._store.run_all(list(asked))
        _raise_first(each for each in answers if isinstance(each, errors.ClientError))
        return answers

    def _check_lead(self) -> int:
        """The term. Raises Conflict, sparing the store the question, when it is over."""
        term = self._current_term()
        if term is None:
            raise errors.Conflict("the lease is not held: another process may be storing")
        return term


def _raise_first(failures: Iterable[errors.ClientError]) -> None:
    for failure in failures:
        raise failure


def _parts(whole: Iterable[T], size: int) -> Iterator[list[T]]:
    """`whole` in parts of `size`, in order."""
    rest = iter(whole)
    while part := list(islice(rest, size)):
        yield part
