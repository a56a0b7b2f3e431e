"""Brings the workloads of one canary to what was decided; the only caller of their writer."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from analysis import state as states
from clients.records import Snapshot, Work
from clients.store import Store
from config.refs import CanaryRef
from tasks import gather
from workloads.converge import Converged, Converger, Rejected, Result, Superseded, Views

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=15)
"""How long creating, promoting and scaling one canary's workloads may take."""


class Workforce:
    """Converges workloads under the workload lease of their canary."""

    def __init__(self, store: Store, converger: Converger) -> None:
        self._store = store
        self._converger = converger

    def converge(self, ref: CanaryRef) -> None:
        """Brings about what the state of `ref` wants by now, and again while it changes."""
        again = True
        while again:
            begun = self._store.begin(ref, Work.WORKLOAD, LEASE)
            if begun is None:
                return
            try:
                self._bring_about(ref, begun.snapshot)
            finally:
                again = self._store.finish(ref, Work.WORKLOAD, begun.token)

    def _bring_about(self, ref: CanaryRef, snapshot: Snapshot) -> None:
        admission = snapshot.world.get("admission")
        if admission is None or snapshot.state is None or admission["deleting"]:
            return
        state = states.from_json(snapshot.state)
        canary = gather.accepted(snapshot.world)
        if canary is None or state.uid != admission["uid"] or state.workload.seq == 0:
            return
        known = gather.confirmed(snapshot.confirmed, state.uid)
        views = Views(
            target=snapshot.world.get("target"),
            primary=snapshot.world.get("primary"),
            target_generation=known.target_generation,
            primary_generation=known.primary_generation,
        )
        self._confirm(ref, state, self._converger.converge(canary, state.workload, views))

    def _confirm(
        self, ref: CanaryRef, state: states.RolloutState, result: Result
    ) -> None:
        extra = {"canary": f"{ref.name}.{ref.namespace}"}
        match result:
            case Converged():
                self._store.put_world(ref, result.views())
                fields = {"workload_seq": str(state.workload.seq), "workload_trouble": ""}
                fields |= {
                    f"{role}_generation": str(view["generation"])
                    for role, view in result.views().items()
                }
                self._store.confirm(ref, state.uid, fields, wake=True)
            case Superseded(message=message):
                log.info("promotion superseded", extra={**extra, "error": message})
                self._store.poke(ref)
            case Rejected(message=message, retriable=retriable):
                log.warning(
                    "workloads not as intended",
                    extra={**extra, "error": message, "retriable": retriable},
                )
                self._store.confirm(ref, state.uid, {"workload_trouble": message}, wake=True)
