"""Has what is known of the cluster stored: what changed, and everything once per resync.

One thread writes, so a newer projection is never overwritten by an older one. What is stored again
mends what a Redis that lost writes, or a worker that wrote an older object, has left behind.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from typing import Final

from analysis import cadence
from analysis.effects import Lane
from clients import errors
from clients.clock import Clock
from clients.documents.world import CANARY
from clients.redis import rollouts
from clients.redis.records import Epoch
from clients.redis.store import Store
from config import batches
from config.ranks import Rank
from config.refs import CanaryRef
from config.shards import WHOLE, Shard
from scheduler import writer
from scheduler.backlog import Backlog, Change
from scheduler.drifts import Drift, Drifts
from scheduler.turns import Turns
from scheduler.writer import Writer
from tasks.queues import Dispatcher

PACE: Final = timedelta(milliseconds=5)
"""Spread per canary of first looks: 200 a second, which a single analysis worker keeps up with."""

LONGEST_SPREAD: Final = timedelta(seconds=10)
"""The shortest analysis interval: no rollout misses a check by having been spread."""


class Publisher:
    """Keeps the worlds in the store up to date. `step` is for one thread, `refresh` for any."""

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
        self._namespace, self._shard = namespace, shard
        self._resync = resync
        self._turns = Turns(clock, resync)
        self._drifts = Drifts(clock, resync)
        self._writer = Writer(store, backlog, self._drifts, term)
        self._wanted = threading.Event()
        self._wanted.set()
        self._confirmed = False
        self._listed_in: int | None = None
        self._epoch: Epoch | None = None
        self.woke: Final = self._writer.woke
        """Set when something was stored that makes a canary due."""

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
        self._writer.begin_step()
        if self._epoch is not None:
            self._store_everything(self._epoch)
        failures = [*self._writer.store_changes(), *self._store_in_turn()]
        self._send_nudges()
        self._send_ends()
        writer.raise_first(failures)

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
            epoch = self._epoch = self._store.open_epoch(self._writer.check_lead(), self._shard)
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
            for refs in batches.parts(sorted(self._backlog.refs()), batches.MOST):
                changes = self._backlog.take_whole(refs)
                asleep = set(refs) - listed.keys()
                writer.raise_first(self._writer.store(changes, asleep))
                # Not before the world is there: a look at nothing would take the canary for
                # deleted. States and due times may be old ones, too, in an epoch that is new.
                is_kept = epoch.already_confirmed
                self._poke_spread(ref for ref in refs if ref not in listed or not is_kept)
                self._doubt(changes if is_kept else ())
            self._forget_others(listed)
            self._confirmed = self._store.confirm_epoch(self._writer.term, epoch)
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
            for refs in batches.parts(sorted(doubtful), batches.MOST):
                for ref, known in self._writer.read(refs).items():
                    self._backlog.adopt(ref, known.world.canary)

    def _doubt(self, changes: Iterable[Change]) -> None:
        """Has an earlier leader's nudges repeated, within a resync: it may have died over them."""
        for ref, world, _ in changes:
            roles = world.by_role().keys() - {CANARY} if world else ()
            self._drifts.note(ref, roles, cadence.offset(ref, self._resync))

    def _poke_spread(self, refs: Iterable[CanaryRef]) -> None:
        spread = min(LONGEST_SPREAD, PACE * len(self._backlog.refs()))
        for some in batches.parts(refs, batches.MOST):
            now = self._store.now()
            dues = {ref: now + cadence.offset(ref, spread) for ref in some}
            self._writer.run_all(
                rollouts.poking(ref, at, rank=self._rank(ref), term=self._writer.term)
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
        for refs in batches.parts(ours, batches.MOST):
            self._writer.run_all(rollouts.forgetting(ref, term=self._writer.term) for ref in refs)

    def _is_watched(self, namespace: str) -> bool:
        return self._namespace in {None, namespace} and self._shard.owns(namespace)

    # --- what drifted

    def _send_nudges(self) -> None:
        """Has lanes looked at that may have drifted, once their time has come."""
        ripe = self._drifts.ripe()
        for drifts in batches.parts(sorted(ripe), batches.MOST):
            asked = [rollouts.comparing(each[0], sorted(ripe[each])) for each in drifts]
            answers = self._store.run_all(asked)
            pairs = zip(drifts, answers, strict=True)
            foreign = {drift for drift, is_ours in pairs if is_ours is not True}
            for drift in set(drifts) - foreign:
                self._drifts.dismiss(drift, ripe[drift])
            for lane in Lane:
                self._nudge({each: ripe[each] for each in sorted(foreign) if each[1] is lane}, lane)

    def _nudge(self, drifted: Mapping[Drift, Collection[str]], lane: Lane) -> None:
        for together in batches.parts(drifted, batches.WRITTEN):
            self._writer.check_lead()
            self._dispatcher.reconcile([ref for ref, _ in together], lane, Rank.REVISION)
            for drift in together:
                self._drifts.nudge(drift, drifted[drift])

    def _send_ends(self) -> None:
        """Has report workers told that canaries are gone, once."""
        gone, self._writer.gone = self._writer.gone, []
        for refs in batches.parts(gone, batches.WRITTEN):
            self._dispatcher.reconcile(refs, Lane.STATUS, Rank.RESYNC)

    # --- what is stored again

    def _store_in_turn(self) -> list[errors.ClientError]:
        """Stores again the worlds whose turn it is: all of them, evenly, within a resync.

        The failures of single canaries.
        """
        if self._turns.is_over():
            self._begin_turn()
        failures = []
        for refs in batches.parts(self._turns.due(), batches.MOST):
            changes = self._backlog.take_whole(refs)
            failures += self._writer.store(changes)
            behind = self._behind(changes)
            if behind:
                self._dispatcher.reconcile(behind, Lane.WORKLOAD, Rank.REVISION)
        return failures

    def _begin_turn(self) -> None:
        """Chooses who is looked at: all in a rollout, and of the others those whose turn it is."""
        listed, refs = self._store.agenda(), self._backlog.refs()
        everybody = max(len(refs), len(listed))  # those of other shards too
        busy, whole = self._backlog.unsettled(), cadence.resync(self._resync, everybody)
        now = self._store.now()
        late = now + whole * cadence.LATEST
        latest = {ref: now + self._resync * cadence.LATEST if ref in busy else late for ref in refs}
        self._poke_spread(ref for ref in refs if ref not in listed or listed[ref] > latest[ref])
        # A tick that was queued when its canary went puts it on the agenda again.
        self._forget_others(listed)
        self._turns.begin(refs, busy, math.ceil(whole / self._resync))

    def _behind(self, changes: Iterable[Change]) -> list[CanaryRef]:
        """The canaries whose workloads show less than what we once wrote.

        For a moment that is the watch's delay. When the API server's store was restored from older
        data it stays, until the reconciler confirms what there is.
        """
        there = {ref: world for ref, world, _ in changes if world}
        known = self._writer.read(there)
        return [ref for ref in known if known[ref].confirmed.stale(there[ref])]
