"""The ladder of weights, as the lifecycle reference has it (10.1, 28), and its properties."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import decide
from analysis.decisions import Decision
from analysis.findings import Findings
from analysis.phases import Phase
from analysis.strategies import weights
from tests.unit.analysis import worlds

LADDERS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "step 20, max 50 overshoots": ({"stepWeight": 20, "maxWeight": 50}, (20, 40, 60)),
    "step 50, max 100": ({"stepWeight": 50, "maxWeight": 100}, (50, 100)),
    "step 10, max 30": ({"stepWeight": 10, "maxWeight": 30}, (10, 20, 30)),
    "step 30, max 100 is capped at 100": ({"stepWeight": 30, "maxWeight": 100}, (30, 60, 90, 100)),
    "step 100": ({"stepWeight": 100, "maxWeight": 100}, (100,)),
    "no maximum means 100": ({"stepWeight": 50, "maxWeight": 0}, (50, 100)),
    "a list as given": ({"stepWeights": [1, 2, 10, 80]}, (1, 2, 10, 80)),
    "a list that ends beyond 100 ends at 100": ({"stepWeights": [1, 2, 10, 200]}, (1, 2, 10, 100)),
    "a list does not care for maxWeight": ({"stepWeights": [5, 90], "maxWeight": 10}, (5, 90)),
}


@pytest.mark.parametrize(("analysis", "expected"), LADDERS.values(), ids=LADDERS)
def test_a_strategy_walks_this_ladder(analysis: dict[str, Any], expected: tuple[int, ...]) -> None:
    """The weights of a whole rollout."""
    assert weights.ladder(worlds.a_canary(**analysis)) == expected


@pytest.mark.parametrize(
    ("current", "expected"), [(0, 1), (1, 2), (2, 10), (5, 10), (10, 80), (79, 80), (80, None)]
)
def test_a_weight_that_is_not_on_the_ladder_goes_to_the_next_higher_rung(
    current: int, expected: int | None
) -> None:
    """D-19: a list edited in mid-rollout never makes the weight jump to 100."""
    canary = worlds.a_canary(stepWeights=[1, 2, 10, 80])
    assert weights.next_weight(canary, current) == expected


@given(
    step=st.integers(1, 100),
    most=st.integers(1, 100),
    current=st.integers(0, 100),
)
def test_a_step_ladder_rises_to_its_maximum(step: int, most: int, current: int) -> None:
    """Strictly rising, no step larger than asked for, only the last reaches the maximum."""
    canary = worlds.a_canary(stepWeight=step, maxWeight=most)
    rungs = weights.ladder(canary)
    assert all(0 < b - a <= step for a, b in zip((0, *rungs), rungs, strict=False))
    assert all(rung < most for rung in rungs[:-1])
    assert most <= rungs[-1] <= 100
    assert weights.at_most(canary, current) in (0, *rungs)
    assert weights.at_most(canary, current) <= current
    after = weights.next_weight(canary, current)
    assert after is None or after > current


def by_the_rule(listed: list[int]) -> list[int]:
    """The weights of 10.1: the size of each step by its table, up to the last entry or 100."""
    weight, walked = 0, list[int]()
    while weight < min(listed[-1], 100):
        after = listed[0] if weight == 0 else listed[listed.index(weight) + 1]
        weight += min(after - weight, 100 - weight)
        walked.append(weight)
    return walked


@given(
    listed=st.lists(st.integers(1, 200), min_size=1, max_size=12, unique=True).map(sorted),
    most=st.integers(0, 200),
)
def test_a_list_is_walked_by_the_rule_whatever_the_maximum_says(
    listed: list[int], most: int
) -> None:
    """10.1, and the articles' `maxWeight` beside `stepWeights` (row 17)."""
    canary = worlds.a_canary(stepWeights=listed, maxWeight=most)
    assert list(weights.ladder(canary)) == by_the_rule(listed)


@given(weight=st.integers(0, 100), step=st.integers(0, 100))
def test_a_promotion_step_gives_the_primary_more_or_all(weight: int, step: int) -> None:
    """Capped at 100/0; without a step all at once; a canary weight of 0 is done (D-4)."""
    state = worlds.a_state(Phase.PROMOTING, weight, applied=worlds.NEW)
    state = replace(state, workload=replace(state.workload, promote=worlds.NEW))
    canary, primary = worlds.a_canary(stepWeightPromotion=step), worlds.a_workload(worlds.NEW)
    after = decide.decide(worlds.seen(state, canary, primary=primary), Findings())
    assert isinstance(after, Decision)
    assert after.state.route.split.canary == (max(weight - step, 0) if step else 0)
