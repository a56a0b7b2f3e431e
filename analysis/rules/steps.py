"""How long the present step of a rollout lasts, where the manifest wants it longer. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from analysis import cadence
from analysis.decisions import Case
from analysis.state import RolloutState
from config import derived
from config.traffic import ALL_TO_PRIMARY


def ends(case: Case) -> datetime | None:
    """When the present step has lasted as long as `stepDurations` says; None: it says nothing."""
    spans = derived.step_durations(case.canary)
    taken = _taken(case, len(spans)) if any(spans) else 0
    if not taken:
        return None
    state, route_at = case.state, case.observation.confirmed.route_at
    began = max(filter(None, (state.stepped_at or state.intended_at, route_at)), default=None)
    if began is None:
        return None
    # a check that is due when the step ends may come a little early
    return began + spans[taken - 1] - case.observation.interval * cadence.TOLERANCE


def _taken(case: Case, most: int) -> int:
    """How many steps lead from the beginning to where the rollout is; 0 for more than `most`."""
    here = _place(case.state)
    route = replace(case.state.route, split=ALL_TO_PRIMARY)
    state = replace(case.state, route=route, iterations=0)
    for count in range(1, most + 1):
        step = case.strategy.next_step(case.canary, state)
        if step is None:
            return 0
        state = replace(state, route=replace(route, split=step.split), iterations=step.iterations)
        if _place(state) == here:
            return count
    return 0


def _place(state: RolloutState) -> tuple[int, int, bool]:
    """What tells one step from another: not its cookies."""
    split = state.route.split
    return split.canary, state.iterations, split.mirror is not None
