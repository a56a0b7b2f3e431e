"""Brings the traffic of one canary to what was decided; the only caller of the route writer."""

from __future__ import annotations

from dataclasses import dataclass

from analysis import effects, urgency
from analysis.effects import Lane
from analysis.phases import Phase
from clients.documents.outcome import Applied, Outcome
from config import meshes
from config.traffic import RouteStage
from routing.apply import Convergence
from routing.finalize import Reversion
from routing.registry import ROUTERS, Routers
from tasks.reconcile.leased import Reconciler
from tasks.reconcile.run import Run
from tasks.steps import Nudge


@dataclass(frozen=True)
class RouteReconciler(Reconciler):
    """Brings about route intents under the route lease of their canary."""

    lane = Lane.ROUTE
    default_provider: str = meshes.ISTIO
    """Of canaries that name none."""
    routers: Routers = ROUTERS

    def _write(self, run: Run) -> Outcome | None:
        canary = run.wanted
        if canary is None:
            return None
        router = self.routers.chosen(canary, self.default_provider)
        intent, state = run.state.route, run.state
        if state.phase is Phase.TERMINATING and intent.stage is not RouteStage.REVERTED:
            return None  # whoever changes it now is not to be worked against
        if intent.stage is RouteStage.REVERTED:
            return Reversion(run.kube, canary, run.superseded, router).bring_about()
        return Convergence(
            run.kube,
            canary,
            intent,
            run.world,
            run.superseded,
            router,
            promote=state.workload.promote,
            base=state.promoted,
        ).bring_about()

    def _follower(self, run: Run, outcome: Outcome) -> Nudge | None:
        """The status: it shows a step once that is in force."""
        is_news = run.is_first and isinstance(outcome, Applied)
        if not is_news or not effects.is_shown_once_in_force(run.state):
            return None
        return Nudge(Lane.STATUS, urgency.rank(run.state, {Lane.STATUS}))

    def _calls_for_a_look(self, run: Run, outcome: Applied) -> bool:  # noqa: ARG002
        return run.is_first and effects.awaits_route(run.state, run.now())
