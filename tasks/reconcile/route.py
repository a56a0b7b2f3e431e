"""Brings the traffic of one canary to what was decided; the only caller of the route writer."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from analysis import effects
from analysis import state as states
from analysis.state import RolloutState
from clients.redis.records import Snapshot, Work
from clients.redis.store import Store
from config.refs import CanaryRef
from routing import messages, metadata, outcome
from routing.apply import Applier
from tasks import gather
from tasks.reconcile import leased

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=8)
"""How long one application may take: six objects, each with a few tries of at most some seconds.
Losing the lease costs a repeated write at worst: every write carries a resourceVersion. Shorter
than the shortest interval, because the route of a killed worker waits as long."""

_NO_TROUBLE: Final = {"route_trouble": "", "route_refused": ""}


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
            snapshot.world.get("target"),
            state.route,
            snapshot.world,
            superseded=lambda: self._newer(ref, state),
        )
        if leased.remembers(self._store.read(ref), state, lambda one: one.route):
            self._remember(ref, result, snapshot.world)
            self._confirm(ref, state, result, snapshot.confirmed)

    def _newer(self, ref: CanaryRef, state: RolloutState) -> bool:
        """Whether the traffic of `ref` is meant to be something else by now."""
        now = self._store.read(ref).state
        return now is None or states.from_json(now).route != state.route

    def _remember(self, ref: CanaryRef, result: outcome.Outcome, world: Mapping[str, Any]) -> None:
        """Keeps what was just written or read, ahead of the watch that will say the same.

        Not where the watch has said something since `world` was read: it may be newer.
        """
        known: dict[str, Mapping[str, Any]] = dict(result.seen)
        if not isinstance(result, outcome.Unchanged):
            known.update(result.written)
        if known:
            bare = {role: metadata.bare(item) for role, item in known.items()}
            self._store.put_world(ref, bare, over=world)

    def _confirm(
        self,
        ref: CanaryRef,
        state: RolloutState,
        result: outcome.Outcome,
        before: Mapping[str, str],
    ) -> None:
        """Tells the rollout, and wakes it for news only; `before` is what was confirmed before.

        An intent that was in force before is no news: later applications only mend drift. Nor is
        a trouble that was told: the rollout asks again by itself.
        """
        first = gather.confirmed(before, state.uid).route_seq < state.route.seq
        now = self._store.now()
        match result:
            case outcome.Applied() | outcome.Unchanged():
                wake = first and effects.awaits_route(state, now)
                at = _in_force(state, now) if first else {}
                fields = {"route_seq": str(state.route.seq), **at, **_NO_TROUBLE}
                self._store.confirm(ref, state.uid, {**fields, **_versions(result)}, wake=wake)
            case outcome.Superseded():
                log.info("route superseded", extra={"canary": ref.dotted})
            case outcome.Rejected(refusals=refusals, retriable=retriable, split_in_force=in_force):
                message = "\n".join(dict.fromkeys(refusal.message for refusal in refusals))
                extra = {"canary": ref.dotted, "error": message, "retriable": retriable}
                fields = _in_force(state, now) if in_force and first else {}
                news = bool(fields) or message != gather.trouble(before, state.uid, "route")
                log.log(leased.LEVELS[news], "route not applied", extra=extra)
                trouble = {"route_trouble": message, "route_refused": _refused(refusals)}
                fields = {**fields, **trouble, **_versions(result)}
                self._store.confirm(ref, state.uid, fields, wake=news)


def _refused(refusals: Iterable[outcome.Refusal]) -> str:
    """Whether trying again soon is in vain, as a field; what lacks a destination only follows."""
    hopeless = all(
        not refusal.retriable or refusal.reason == messages.NO_DESTINATION for refusal in refusals
    )
    return "1" if hopeless else ""


def _versions(result: outcome.Applied | outcome.Unchanged | outcome.Rejected) -> dict[str, str]:
    """The versions that our own writes made, by which a watcher knows them for ours."""
    written = {} if isinstance(result, outcome.Unchanged) else result.written
    return {
        gather.version_field(role): item["metadata"]["resourceVersion"]
        for role, item in written.items()
    }


def _in_force(state: RolloutState, now: datetime) -> dict[str, str]:
    """What to confirm about a split that is in force from `now` on."""
    return {"route_seq": str(state.route.seq), "route_at": now.isoformat()}
