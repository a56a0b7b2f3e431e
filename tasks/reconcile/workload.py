"""Brings the workloads of one canary to what was decided; the only caller of their writer."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from analysis.effects import Lane
from analysis.state import RolloutState
from clients import errors
from clients.documents import world as worlds
from clients.documents.confirmed import Confirmation
from clients.documents.world import WorkloadView, World
from clients.redis.records import Snapshot, Work
from clients.redis.store import Store
from config.api.canary import Canary
from config.refs import CanaryRef
from tasks.reconcile import leased
from workloads.converge import Converger
from workloads.outcome import Converged, Rejected, Result, Superseded, Views

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=8)
"""How long creating, promoting and scaling one canary's workloads may take."""


class WorkloadReconciler:
    """Converges workloads under the workload lease of their canary."""

    def __init__(self, store: Store, converger: Converger) -> None:
        self._store = store
        self._converger = converger

    def reconcile(self, ref: CanaryRef) -> None:
        """Brings about what the state of `ref` wants by now, and again while it changes."""
        leased.under_lease(
            self._store, ref, Work.WORKLOAD, LEASE, lambda seen: self._bring_about(ref, seen)
        )

    def _bring_about(self, ref: CanaryRef, snapshot: Snapshot) -> None:
        wanted = leased.wanted(snapshot, lambda one: one.workload)
        if wanted is None:
            return
        canary, state = wanted
        known = snapshot.confirmed.about(state.uid).seeing(snapshot.world)
        views = Views(
            target=snapshot.world.target,
            primary=snapshot.world.primary,
            target_generation=known.target_generation,
            primary_generation=known.primary_generation,
            left_by=snapshot.world.left_by,
        )
        self._believe_what_is(ref, canary, state, views)
        # What was promoted since the intent was made counts: a late message must not make a lost
        # primary from any other revision.
        intent = replace(state.workload, base=state.promoted)
        result = self._converger.converge(canary, intent, views)
        if leased.remembers(self._store.read(ref), state, lambda one: one.workload):
            self._confirm(ref, state, result, snapshot)

    def _believe_what_is(
        self, ref: CanaryRef, canary: Canary, state: RolloutState, views: Views
    ) -> None:
        """Confirms generations below those of our own writes, which a restored cluster has."""
        with suppress(errors.ClientError):  # converging tells
            if live := self._converger.reread(canary, views):
                news = Confirmation(lane=Lane.WORKLOAD, views=live)
                self._store.confirm(ref, state.uid, news, wake=True)

    def _confirm(
        self, ref: CanaryRef, state: RolloutState, result: Result, snapshot: Snapshot
    ) -> None:
        """Tells the rollout, and wakes it for news only: it asks again while nothing is new."""
        extra, known = {"canary": ref.dotted}, snapshot.confirmed.about(state.uid)
        match result:
            case Converged():
                views = result.views()
                self._remember(ref, views)
                wake = bool(views) or known.workload_seq < state.workload.seq
                news = Confirmation(lane=Lane.WORKLOAD, seq=state.workload.seq, views=views)
                self._store.confirm(ref, state.uid, news, wake=wake)
            case Superseded(message=message, target=target):
                log.info("promotion superseded", extra={**extra, "error": message})
                self._remember(ref, {"target": target}, wake={"target"})
            case Rejected(message=message, retriable=retriable):
                wake = message != known.troubles.get(Lane.WORKLOAD)
                told = {**extra, "error": message, "retriable": retriable}
                log.log(leased.LEVELS[wake], "workloads not as intended", extra=told)
                news = Confirmation(lane=Lane.WORKLOAD, trouble=message, refused=not retriable)
                self._store.confirm(ref, state.uid, news, wake=wake)

    def _remember(
        self, ref: CanaryRef, views: Mapping[str, WorkloadView], wake: Collection[str] = ()
    ) -> None:
        """Keeps what was just written or read, ahead of the watch that will say the same.

        Not where the watch has said it already: what it knows may be newer, and it does not
        repeat itself.
        """
        if not views:
            return
        world = self._store.read(ref).world
        known = world.by_role()
        news = {role: view for role, view in views.items() if _is_newer(view, known.get(role))}
        if news:
            written = World(target=news.get(worlds.TARGET), primary=news.get(worlds.PRIMARY))
            self._store.put_world(ref, written, wake=wake, over=world)


def _is_newer(view: WorkloadView, known: object) -> bool:
    same = isinstance(known, WorkloadView) and known.uid == view.uid
    return not (same and isinstance(known, WorkloadView) and known.generation >= view.generation)
