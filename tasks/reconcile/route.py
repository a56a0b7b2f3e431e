"""Brings the traffic of one canary to what was decided; the only caller of the route writer."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from analysis import effects
from analysis import state as states
from analysis.effects import Lane
from analysis.state import RolloutState
from clients.documents.confirmed import Confirmation, Confirmed
from clients.documents.world import World
from clients.redis.records import Snapshot, Work
from clients.redis.store import Store
from config.refs import CanaryRef
from routing import messages, metadata, outcome
from routing.apply import Applier
from tasks.reconcile import leased

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=8)
"""How long one application may take: six objects, each with a few tries of at most some seconds.
Losing the lease costs a repeated write at worst: every write carries a resourceVersion. Shorter
than the shortest interval, because the route of a killed worker waits as long."""


class RouteReconciler:
    """Applies route intents under the route lease of their canary."""

    def __init__(self, store: Store, applier: Applier) -> None:
        self._store = store
        self._applier = applier

    def reconcile(self, ref: CanaryRef) -> None:
        """Brings about what the state of `ref` wants by now, and again while it changes."""
        leased.under_lease(
            self._store, ref, Work.ROUTE, LEASE, lambda seen: self._bring_about(ref, seen)
        )

    def _bring_about(self, ref: CanaryRef, snapshot: Snapshot) -> None:
        wanted = leased.wanted(snapshot, lambda one: one.route)
        if wanted is None:
            return
        canary, state = wanted
        result = self._applier.apply(
            canary,
            snapshot.world.target,
            state.route,
            snapshot.world.routes,
            superseded=lambda: self._newer(ref, state),
            left_by=snapshot.world.left_by,
        )
        if leased.remembers(self._store.read(ref), state, lambda one: one.route):
            self._remember(ref, result, snapshot.world)
            self._confirm(ref, state, result, snapshot.confirmed)

    def _newer(self, ref: CanaryRef, state: RolloutState) -> bool:
        """Whether the traffic of `ref` is meant to be something else by now."""
        now = self._store.read(ref).state
        return now is None or states.from_json(now).route != state.route

    def _remember(self, ref: CanaryRef, result: outcome.Outcome, world: World) -> None:
        """Keeps what was just written or read, ahead of the watch that will say the same.

        Not where the watch has said something since `world` was read: it may be newer.
        """
        known = dict(result.seen)
        if not isinstance(result, outcome.Unchanged):
            known.update(result.written)
        if known:
            bare = {role: metadata.bare(item) for role, item in known.items()}
            self._store.put_world(ref, World(routes=bare), over=world)

    def _confirm(
        self,
        ref: CanaryRef,
        state: RolloutState,
        result: outcome.Outcome,
        before: Confirmed,
    ) -> None:
        """Tells the rollout, and wakes it for news only; `before` is what was confirmed before.

        An intent that was in force before is no news: later applications only mend drift. Nor is
        a trouble that was told: the rollout asks again by itself.
        """
        known = before.about(state.uid)
        first = known.route_seq < state.route.seq
        now = self._store.now()
        match result:
            case outcome.Applied() | outcome.Unchanged():
                wake = first and effects.awaits_route(state, now)
                news = Confirmation(
                    lane=Lane.ROUTE,
                    seq=state.route.seq,
                    at=now if first else None,
                    versions=_versions(result),
                )
                self._store.confirm(ref, state.uid, news, wake=wake)
            case outcome.Superseded():
                log.info("route superseded", extra={"canary": ref.dotted})
            case outcome.Rejected(refusals=refusals, retriable=retriable, split_in_force=in_force):
                message = "\n".join(dict.fromkeys(refusal.message for refusal in refusals))
                extra = {"canary": ref.dotted, "error": message, "retriable": retriable}
                carried = in_force and first
                wake = carried or message != known.troubles.get(Lane.ROUTE)
                log.log(leased.LEVELS[wake], "route not applied", extra=extra)
                news = Confirmation(
                    lane=Lane.ROUTE,
                    seq=state.route.seq if carried else None,
                    at=now if carried else None,
                    trouble=message,
                    refused=_is_hopeless(refusals),
                    versions=_versions(result),
                )
                self._store.confirm(ref, state.uid, news, wake=wake)


def _is_hopeless(refusals: Iterable[outcome.Refusal]) -> bool:
    """Whether trying again soon is in vain; what lacks a destination only follows."""
    return all(
        not refusal.retriable or refusal.reason == messages.NO_DESTINATION for refusal in refusals
    )


def _versions(result: outcome.Applied | outcome.Unchanged | outcome.Rejected) -> dict[str, str]:
    """The versions that our own writes made, by which a watcher knows them for ours."""
    written = {} if isinstance(result, outcome.Unchanged) else result.written
    return {role: item["metadata"]["resourceVersion"] for role, item in written.items()}
