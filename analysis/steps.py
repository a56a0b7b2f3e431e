"""The ladder of canary weights: what comes after what, forwards and back.

Source: Flagger's `stepWeight`/`maxWeight` (relative) and `stepWeights` (absolute).
"""

from __future__ import annotations

from config import derived
from config.api.canary import Canary
from config.traffic import TOTAL_WEIGHT, TrafficSplit


def weights(canary: Canary) -> tuple[int, ...]:
    """The canary weights of a whole rollout, strictly rising, each 1..100.

    With `stepWeight` the last one is the first that reaches `maxWeight`, so it may overshoot it
    (step 20, max 50 gives 20, 40, 60); `maxWeight` says nothing beside `stepWeights`. Empty for a
    strategy that does not move by weight.
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
    return next((weight for weight in weights(canary) if weight > current), None)


def at_most(canary: Canary, weight: int) -> int:
    """The highest rung that does not exceed `weight`, 0 when there is none."""
    return max((rung for rung in weights(canary) if rung <= weight), default=0)


def step_back(canary: Canary, split: TrafficSplit) -> TrafficSplit:
    """The split one promotion step closer to the primary; all at once without such a step."""
    step = canary.spec.analysis.step_weight_promotion or TOTAL_WEIGHT
    return TrafficSplit.of(max(split.canary - step, 0))
