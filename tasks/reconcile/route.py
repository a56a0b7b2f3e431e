"""Brings the traffic of one canary to what was decided; the only caller of the route writer."""

from __future__ import annotations

from analysis import effects
from analysis.effects import Lane
from clients.clock import Clock
from clients.documents.outcome import Applied, Outcome, Unchanged
from clients.kube.protocol import Kube
from clients.redis.store import Store
from routing.apply import RouteWriter
from tasks.reconcile.leased import Reconciler, Run


class RouteReconciler(Reconciler):
    """Brings about route intents under the route lease of their canary."""

    lane = Lane.ROUTE

    def __init__(self, store: Store, kube: Kube, clock: Clock, writer: RouteWriter) -> None:
        super().__init__(store, kube, clock)
        self._writer = writer

    def _write(self, run: Run) -> Outcome | None:
        canary = run.wanted
        if canary is None:
            return None
        return self._writer.write(run.kube, canary, run.state.route, run.world, run.superseded)

    def _calls_for_a_look(self, run: Run, outcome: Applied | Unchanged) -> bool:  # noqa: ARG002
        return run.is_first and effects.awaits_route(run.state, run.now())
