"""Brings the traffic of one canary to what was decided; the only caller of the route writer."""

from __future__ import annotations

from dataclasses import dataclass

from analysis import effects
from analysis.effects import Lane
from clients.documents.outcome import Applied, Outcome
from routing.apply import RouteWriter
from tasks.reconcile.leased import Reconciler, Run


@dataclass(frozen=True)
class RouteReconciler(Reconciler):
    """Brings about route intents under the route lease of their canary."""

    lane = Lane.ROUTE
    writer: RouteWriter

    def _write(self, run: Run) -> Outcome | None:
        canary = run.wanted
        if canary is None:
            return None
        return self.writer.write(run.kube, canary, run.state.route, run.world, run.superseded)

    def _calls_for_a_look(self, run: Run, outcome: Applied) -> bool:  # noqa: ARG002
        return run.is_first and effects.awaits_route(run.state, run.now())
