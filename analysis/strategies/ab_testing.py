"""A/B testing: chosen requests go to the canary, for a number of checked intervals.

Source: docs/compatibility/lifecycle.md, "A/B testing".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from analysis import events
from analysis.state import RolloutState
from analysis.strategies.strategy import Step
from config import requests
from config.api.canary import Canary
from config.derived import StrategyKind
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY, Feature, TrafficSplit


@dataclass(frozen=True, slots=True)
class ABTesting:
    """The strategy; without state."""

    kind: ClassVar[StrategyKind] = StrategyKind.AB_TESTING
    features: ClassVar[frozenset[Feature]] = frozenset({Feature.MATCH})
    confirms_increase: ClassVar[bool] = False

    def has_begun(self, state: RolloutState) -> bool:
        """Whether the first iteration is under way, or another strategy was, until now."""
        return state.iterations > 0 or state.route.split.reaches_canary

    def next_step(self, canary: Canary, state: RolloutState) -> Step | None:
        """One more iteration, with the same traffic; fewer `iterations` than are done are enough.

        Of requests that are chosen by now, at least one iteration is judged.
        """
        done, wanted = state.iterations, canary.spec.analysis.iterations
        split = _chosen(canary)
        if done >= wanted and state.route.split.match == split.match:
            return None
        number = min(done + 1, wanted)
        return Step(split, number, (events.iteration(canary, f"{number}/{wanted}"),))

    def resume(self, canary: Canary, state: RolloutState, live: TrafficSplit) -> Step:
        """The iterations that were reported, if the route agrees; else from the beginning."""
        split = _chosen(canary)
        shared = min(state.route.split.canary, live.canary)
        if shared < split.canary or live.match != split.match:
            return Step(ALL_TO_PRIMARY, 0)
        return Step(split, state.iterations)


def _chosen(canary: Canary) -> TrafficSplit:
    return replace(ALL_TO_CANARY, match=requests.matched(canary))
