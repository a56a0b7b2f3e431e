"""Brings the workloads of one canary to what was decided; the only caller of their writer."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from analysis.state import RolloutState
from clients.redis.records import Snapshot, Work
from clients.redis.store import Store
from config.refs import CanaryRef
from tasks import gather
from tasks.reconcile import leased
from workloads.converge import Converger
from workloads.outcome import Converged, Rejected, Result, Superseded, View, Views

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=8)
"""How long creating, promoting and scaling one canary's workloads may take."""

_NO_TROUBLE: Final = {"workload_trouble": "", "workload_refused": ""}


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
        known = gather.confirmed(snapshot.confirmed, state.uid, snapshot.world)
        views = Views(
            target=snapshot.world.get("target"),
            primary=snapshot.world.get("primary"),
            target_generation=known.target_generation,
            primary_generation=known.primary_generation,
        )
        # What was promoted since the intent was made counts: a late message must not make a lost
        # primary from any other revision.
        intent = replace(state.workload, base=state.promoted)
        result = self._converger.converge(canary, intent, views)
        if leased.remembers(self._store.read(ref), state, lambda one: one.workload):
            self._confirm(ref, state, result, snapshot)

    def _confirm(
        self, ref: CanaryRef, state: RolloutState, result: Result, snapshot: Snapshot
    ) -> None:
        """Tells the rollout, and wakes it for news only: it asks again while nothing is new."""
        extra = {"canary": ref.dotted}
        match result:
            case Converged():
                views = result.views()
                self._remember(ref, views)
                first = gather.confirmed(snapshot.confirmed, state.uid).workload_seq
                news = bool(views) or first < state.workload.seq
                fields = {"workload_seq": str(state.workload.seq), **_NO_TROUBLE}
                self._store.confirm(ref, state.uid, fields | _made(views), wake=news)
            case Superseded(message=message, target=target):
                log.info("promotion superseded", extra={**extra, "error": message})
                self._remember(ref, {"target": target}, wake={"target"})
            case Rejected(message=message, retriable=retriable):
                news = message != gather.trouble(snapshot.confirmed, state.uid, "workload")
                told = {**extra, "error": message, "retriable": retriable}
                log.log(leased.LEVELS[news], "workloads not as intended", extra=told)
                trouble = {
                    "workload_trouble": message,
                    "workload_refused": "" if retriable else "1",
                }
                self._store.confirm(ref, state.uid, trouble, wake=news)

    def _remember(
        self, ref: CanaryRef, views: Mapping[str, View], wake: Collection[str] = ()
    ) -> None:
        """Keeps what was just written or read, ahead of the watch that will say the same.

        Not where the watch has said it already: what it knows may be newer, and it does not
        repeat itself.
        """
        world = self._store.read(ref).world if views else {}
        news = {role: view for role, view in views.items() if _is_newer(view, world.get(role))}
        if news:
            self._store.put_world(ref, news, wake, over=world)


def _is_newer(view: View, known: Mapping[str, Any] | None) -> bool:
    same = known is not None and known["uid"] == view["uid"]
    return not same or known is None or known["generation"] < view["generation"]


def _made(views: Mapping[str, View]) -> dict[str, str]:
    """Which generation of which object our writes have made."""
    return {
        f"{role}_{key}": str(view[key])
        for role, view in views.items()
        for key in ("generation", "uid")
    }
