"""Weights: the canary's share of everybody's requests rises step by step.

Source: Flagger's `stepWeight`/`maxWeight` (relative) and `stepWeights` (absolute).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from analysis import events
from analysis.state import RolloutState
from analysis.strategies.strategy import Step
from config import derived
from config.api.canary import Canary
from config.derived import StrategyKind
from config.traffic import ALL_TO_PRIMARY, TOTAL_WEIGHT, Feature, TrafficSplit


@dataclass(frozen=True, slots=True)
class Weights:
    """The strategy; without state."""

    kind: ClassVar[StrategyKind] = StrategyKind.CANARY
    features: ClassVar[frozenset[Feature]] = frozenset()

    def has_begun(self, state: RolloutState) -> bool:
        """Whether the canary has a share."""
        return state.route.split.canary > 0

    def next_step(self, canary: Canary, state: RolloutState) -> Step | None:
        """The next rung of the ladder."""
        weight = next_weight(canary, state.route.split.canary)
        if weight is None:
            return None
        return _step(state, TrafficSplit.of(weight), events.advance(canary, weight))

    def step_back(self, canary: Canary, state: RolloutState) -> Step:
        """One step of `stepWeightPromotion`, or all at once without it."""
        step = canary.spec.analysis.step_weight_promotion
        if not step:
            return _step(state, ALL_TO_PRIMARY, events.TO_PRIMARY)
        after = state.route.split.weighing(max(state.route.split.canary - step, 0))
        return _step(state, after, events.advance_primary(canary, after.primary))

    def resume(self, canary: Canary, state: RolloutState, live: TrafficSplit) -> Step:
        """The highest rung that neither the status nor the route exceeds."""
        known = min(state.route.split.canary, live.canary)
        return Step(TrafficSplit.of(at_most(canary, known)), state.iterations)


def _step(state: RolloutState, split: TrafficSplit, event: events.Event) -> Step:
    return Step(split, state.iterations, (event,))


def ladder(canary: Canary) -> tuple[int, ...]:
    """The canary weights of a whole rollout, strictly rising, each 1..100.

    With `stepWeight` the last one is the first that reaches `maxWeight`, so it may overshoot it
    (step 20, max 50 gives 20, 40, 60); `maxWeight` says nothing beside `stepWeights`. Empty for a
    canary that does not move by weight.
    """
    explicit = derived.step_weights(canary)
    if explicit:
        return explicit
    step = canary.spec.analysis.step_weight
    if step < 1:
        return ()
    last = -(-derived.max_weight(canary) // step) * step
    return tuple(min(weight, TOTAL_WEIGHT) for weight in range(step, last + 1, step))


def next_weight(canary: Canary, current: int) -> int | None:
    """The weight after `current`, None when the ladder ends there.

    A `current` that is not on the ladder (the list was edited in mid-rollout) goes to the next
    higher rung; it never jumps to the top.
    """
    return next((weight for weight in ladder(canary) if weight > current), None)


def at_most(canary: Canary, weight: int) -> int:
    """The highest rung that does not exceed `weight`, 0 when there is none."""
    return max((rung for rung in ladder(canary) if rung <= weight), default=0)
