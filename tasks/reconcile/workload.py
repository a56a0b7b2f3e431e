"""Brings the workloads of one canary to what was decided; the only caller of their writer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from analysis import effects, urgency
from analysis.effects import Lane
from clients.documents import world as worlds
from clients.documents.confirmed import Confirmation
from clients.documents.outcome import Applied, Outcome, Superseded
from clients.documents.world import WorkloadView
from tasks.reconcile.leased import Reconciler
from tasks.reconcile.run import Run
from tasks.steps import Nudge
from workloads import kinds
from workloads.converge import Convergence
from workloads.primary import Copying
from workloads.tracker_configs import Configs, NewKey


@dataclass(frozen=True)
class WorkloadReconciler(Reconciler):
    """Brings about workload intents under the workload lease of their canary."""

    lane = Lane.WORKLOAD
    copying: Copying
    new_key: NewKey
    scale_down_delay: timedelta = timedelta(0)
    """As `Observation.scale_down_delay`."""

    def _write(self, run: Run) -> Outcome | None:
        canary = run.wanted
        if canary is None or self._is_held(run):
            return None
        # What was promoted since the intent was made counts: a late message must not make a lost
        # primary from any other revision.
        intent = replace(run.state.workload, base=run.state.promoted)
        stale = run.confirmed.stale(run.world)
        return Convergence(
            run.kube,
            canary,
            intent,
            run.world,
            run.superseded,
            self.copying,
            Configs.of(run.kube, canary, self.new_key, run.world),
            stale,
        ).bring_about()

    def _is_held(self, run: Run) -> bool:
        """Whether the canary keeps its pods for now, though somebody has asked; others will again.

        It may have been for an intent before, or an autoscaler that somebody has changed.
        """
        target, now = run.world.target, run.now()
        available = target.status.available_replicas if target else 0
        held = effects.held_until(run.state, run.confirmed, available, self.scale_down_delay, now)
        return held is not None and now < held

    def _follower(self, run: Run, outcome: Outcome) -> Nudge | None:
        """The route, of a target that only routing workers may write."""
        is_routed = run.canary is not None and kinds.of(run.canary).making is None
        if not (is_routed and isinstance(outcome, Superseded)):
            return None
        return Nudge(Lane.ROUTE, urgency.rank(run.state, {Lane.ROUTE}), if_due=False)

    def _judged(self, run: Run, outcome: Outcome) -> tuple[Confirmation, bool]:
        """News is also that a restored cluster has generations below those of our own writes."""
        said, news = super()._judged(run, outcome)
        return said, news or bool(run.confirmed.stale(run.world))

    def _calls_for_a_look(self, run: Run, outcome: Applied) -> bool:
        """Also news of what was not known, but not pods that are still to be made."""
        if outcome.observed.keys() - {worlds.CONTENTS} or self.lane in run.confirmed.troubles:
            return True
        workloads = [each for each in outcome.written.values() if isinstance(each, WorkloadView)]
        return not all(map(_is_under_way, workloads)) if workloads else run.is_first


def _is_under_way(written: WorkloadView) -> bool:
    """Whether a workload was given something to do for its controller.

    What that comes to is seen by the watch, and wakes whoever waits for it.
    """
    return written.replicas > 0 and written.generation > written.status.observed_generation
