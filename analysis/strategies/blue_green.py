"""Blue/green: checked intervals without users, or with copies of requests; then everybody at once.

Source: docs/compatibility/lifecycle.md, "Blue/green".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from analysis import events
from analysis.state import RolloutState
from analysis.strategies import mirroring
from analysis.strategies.strategy import Step
from config import meshes
from config.api.canary import Canary
from config.derived import StrategyKind
from config.traffic import ALL_TO_CANARY, TOTAL_WEIGHT, Feature, TrafficSplit


@dataclass(frozen=True, slots=True)
class BlueGreen:
    """The strategy; without state."""

    kind: ClassVar[StrategyKind] = StrategyKind.BLUE_GREEN
    features: ClassVar[frozenset[Feature]] = frozenset({Feature.MIRROR})
    confirms_increase: ClassVar[bool] = False

    def has_begun(self, state: RolloutState) -> bool:
        """Whether the first iteration is under way, or another strategy was, until now."""
        return state.iterations > 0 or state.route.split.reaches_canary

    def next_step(self, canary: Canary, state: RolloutState) -> Step | None:
        """One more iteration; then, however many were made, all traffic for one interval.

        Without a mesh nobody is led to the canary before its promotion.
        """
        done, wanted = state.iterations, canary.spec.analysis.iterations
        split = state.route.split
        if self.has_begun(state) and split.share_of(None) == TOTAL_WEIGHT:
            return None
        if done < wanted:
            told = events.iteration(canary, f"{done + 1}/{wanted}")
            return Step(mirroring.split(canary), done + 1, (told,))
        if not meshes.has_routes(canary.spec.provider):
            return None
        told = events.MIRROR_TO_CANARY if split.mirror else events.TO_CANARY
        return Step(ALL_TO_CANARY, done + 1, (told,), needs_approval=True)

    def resume(self, canary: Canary, state: RolloutState, live: TrafficSplit) -> Step:
        """The iterations that were reported; all traffic only if status and route say so."""
        if min(state.route.split.canary, live.share_of(None)) == TOTAL_WEIGHT:
            return Step(ALL_TO_CANARY, state.iterations)
        return Step(mirroring.resumed(canary, live), state.iterations)
