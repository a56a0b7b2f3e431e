"""Weights: the canary's share of the requests rises step by step.

Of everybody's, or of those that `match` chooses. `mirror` begins with a step of copies, `a_b_test`
gives some requests to the canary whatever its weight, `sessionAffinity` keeps users where they are.
Source: Flagger's `stepWeight`/`maxWeight` (relative) and `stepWeights` (absolute).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from analysis import events
from analysis.state import RolloutState
from analysis.strategies import affinity, mirroring
from analysis.strategies.strategy import Step
from config import derived, requests
from config.api.canary import Canary
from config.derived import StrategyKind
from config.traffic import TOTAL_WEIGHT, Affinity, Feature, TrafficSplit


@dataclass(frozen=True, slots=True)
class Weights:
    """The strategy; without state."""

    kind: ClassVar[StrategyKind] = StrategyKind.CANARY
    features: ClassVar[frozenset[Feature]] = frozenset(Feature)
    confirms_increase: ClassVar[bool] = True

    def has_begun(self, state: RolloutState) -> bool:
        """Whether the canary has a share, or copies."""
        return state.route.split.reaches_canary

    def next_step(self, canary: Canary, state: RolloutState) -> Step | None:
        """The mirror step where it is asked for, then the next rung of the ladder."""
        present = state.route.split
        if canary.spec.analysis.mirror and not present.reaches_canary:
            return _step(state, mirroring.split(canary), events.advance(canary, 0))
        weight = next_weight(canary, _reached(canary, present))
        if weight is None:
            return None
        split = _shared(canary, state, weight, present.affinity)
        return _step(state, split, events.advance(canary, weight))

    def resume(self, canary: Canary, state: RolloutState, live: TrafficSplit) -> Step:
        """The highest rung that neither the status nor the route exceeds, or the mirror step."""
        weight = at_most(canary, min(state.route.split.canary, _reached(canary, live)))
        if not weight:
            return Step(mirroring.resumed(canary, live), state.iterations)
        split = _shared(canary, state, weight, live.affinity)
        pinned = tuple(each for each in split.pinned if each in live.pinned)
        return Step(replace(split, pinned=pinned), state.iterations)


def _step(state: RolloutState, split: TrafficSplit, event: events.Event) -> Step:
    return Step(split, state.iterations, (event,))


def _shared(
    canary: Canary, state: RolloutState, weight: int, cookies: Affinity | None
) -> TrafficSplit:
    """The split of one rung; `cookies` are those of the rungs before it."""
    return TrafficSplit(
        TOTAL_WEIGHT - weight,
        weight,
        match=requests.matched(canary),
        pinned=requests.pinned(canary),
        affinity=affinity.cookies(canary, state, weight, cookies),
    )


def _reached(canary: Canary, split: TrafficSplit) -> int:
    """The weight that `split` has tried; of requests that other matches chose it tells nothing."""
    return split.canary if split.match in ((), requests.matched(canary)) else 0


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
