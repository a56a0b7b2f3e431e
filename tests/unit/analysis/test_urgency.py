"""What matters first: a canary that carries traffic never waits behind one that does not."""

from typing import Any

import pytest

from analysis import urgency
from analysis.effects import Lane
from analysis.phases import Phase
from config.ranks import Rank
from config.scaling import CanaryScale, WorkloadIntent
from tests.unit.analysis import worlds


@pytest.mark.parametrize(
    ("phase", "weight", "missing", "expected"),
    [
        (Phase.FAILED, 0, {Lane.ROUTE}, Rank.ROLLBACK),
        (Phase.PROMOTION_FAILED, 100, {Lane.ROUTE}, Rank.ROLLBACK),
        (Phase.PROGRESSING, 10, set(), Rank.CHECK),
        (Phase.WAITING_PROMOTION, 60, set(), Rank.CHECK),
        (Phase.WAITING, 0, set(), Rank.STEP),
        (Phase.PROMOTING, 50, {Lane.WORKLOAD}, Rank.CHECK),
        (Phase.PROMOTION_FAILED, 100, set(), Rank.CHECK),
        (Phase.PROGRESSING, 0, {Lane.ROUTE}, Rank.CHECK),
        (Phase.FINALISING, 0, {Lane.ROUTE}, Rank.CHECK),
        (Phase.PROGRESSING, 0, {Lane.WORKLOAD, Lane.STATUS}, Rank.STEP),
        (Phase.FINALISING, 0, set(), Rank.STEP),
        (Phase.FAILED, 0, {Lane.WORKLOAD}, Rank.STEP),
        (Phase.INITIALIZING, 0, set(Lane), Rank.INITIALIZATION),
        (Phase.INITIALIZING, 100, {Lane.ROUTE}, Rank.INITIALIZATION),
        (Phase.INITIALIZED, 0, {Lane.STATUS}, Rank.INITIALIZATION),
        (Phase.INITIALIZED, 0, set(), Rank.RESYNC),
        (Phase.SUCCEEDED, 0, set(), Rank.RESYNC),
        (Phase.FAILED, 0, set(), Rank.RESYNC),
        (Phase.NEW, 0, set(Lane), Rank.RESYNC),
    ],
)
def test_the_rank_follows_from_the_decided_state(
    phase: Phase, weight: int, missing: set[Lane], expected: Rank
) -> None:
    """The order of work of the design, for each phase."""
    assert urgency.rank(worlds.a_state(phase, weight), missing) is expected


@pytest.mark.parametrize(
    "changes", [{"epilogue": True}, {"workload": WorkloadIntent(5, CanaryScale.RUNNING)}]
)
def test_a_rollout_that_is_decided_but_not_ended_goes_on_as_a_step(changes: dict[str, Any]) -> None:
    """Its hooks are to be called, or its pods taken away."""
    assert urgency.rank(worlds.a_state(Phase.FAILED, **changes), ()) is Rank.STEP


def test_a_canary_without_state_is_nothing_but_looked_at() -> None:
    """It was never accepted; accepted, it is being initialised."""
    assert urgency.rank(None, ()) is Rank.RESYNC
