"""What a decision adds to the figures of its canary, and what is read of what was added."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analysis import state as states
from analysis import tally
from analysis.findings import CheckResult
from analysis.phases import Phase
from analysis.state import RolloutState
from analysis.verdicts import Effect, Reason, Verdict
from clients.documents import tally as documents
from clients.documents.tally import Counted, Ended, Tally
from tests.unit.analysis.worlds import a_canary, iterating

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOOK = timedelta(seconds=0.3)


def a_state(phase: Phase, **changes: Any) -> RolloutState:
    """A state in a phase."""
    return replace(states.unborn("u1", 1, NOW), phase=phase, **changes)


def a_check(value: float | None, unit: str = "", metric: str = "latency") -> CheckResult:
    """A check that measured `value`."""
    passed = Verdict.PASSED, Effect.PASSES
    return CheckResult(metric, *passed, value, "", Reason.WITHIN_BOUNDS, unit=unit)


@pytest.mark.parametrize(
    ("before", "after", "ended"),
    [
        (Phase.FINALISING, Phase.SUCCEEDED, Ended(well=True, strategy="canary")),
        (Phase.PROGRESSING, Phase.FAILED, Ended(well=False, strategy="canary")),
        (Phase.PROMOTING, Phase.PROMOTION_FAILED, Ended(well=False, strategy="canary")),
        (Phase.PROMOTION_FAILED, Phase.FAILED, None),
        (Phase.FAILED, Phase.FAILED, None),
        (Phase.SUCCEEDED, Phase.SUCCEEDED, None),
        (Phase.INITIALIZING, Phase.INITIALIZED, None),
        (Phase.PROGRESSING, Phase.PROMOTING, None),
    ],
)
def test_a_rollout_is_counted_once_when_it_ends(
    before: Phase, after: Phase, ended: Ended | None
) -> None:
    """A failed promotion is a failure like a rollback, and no other one when it is undone."""
    added = tally.counted(a_state(before), a_state(after), a_canary(), None, TOOK)
    assert added == Counted(ended=ended)


def test_a_state_that_is_rebuilt_ends_no_rollout() -> None:
    """Redis was emptied: what ended then was counted then."""
    assert tally.counted(None, a_state(Phase.FAILED), a_canary(), None, TOOK) == Counted()


def test_strategies_and_skipped_analyses_are_told_apart() -> None:
    """In Flagger's words."""
    states = a_state(Phase.PROGRESSING), a_state(Phase.SUCCEEDED, skipped=True)
    assert tally.counted(*states, a_canary(), None, TOOK).ended == Ended(
        well=True, strategy="canary", is_skipped=True
    )
    insiders = iterating(match=[{"headers": {"x-user": {"exact": "insider"}}}])
    for canary, strategy in ((iterating(), "blue-green"), (insiders, "ab-testing")):
        states = a_state(Phase.FINALISING), a_state(Phase.SUCCEEDED)
        added = tally.counted(*states, canary, None, TOOK)
        assert added.ended == Ended(well=True, strategy=strategy)


def test_durations_are_in_seconds_and_what_was_not_measured_is_not_told() -> None:
    """Flagger compares milliseconds and exports seconds."""
    checks = a_check(250, "ms"), a_check(99.5, "%", "success"), a_check(None, metric="none")
    state = a_state(Phase.PROGRESSING)
    added = tally.counted(state, state, a_canary(), checks, TOOK)
    assert added == Counted(seconds=0.3, checks={"latency": 0.25, "success": 99.5})


def test_what_is_added_up_is_what_is_read() -> None:
    """As Redis keeps it: fields that grow, and the last checks."""
    stored: dict[str, str] = {}
    for seconds in (0.005, 0.006, 11, None):
        ended = Ended(well=True, strategy="canary") if seconds is None else None
        added = Counted(ended, seconds, {"latency": float("inf")})
        for field, amount in added.additions.items():
            stored[field] = str(float(stored.get(field, 0)) + float(amount)).removesuffix(".0")
        stored["checks"] = added.text

    within = (1, 1, *(0,) * 9, 1)
    assert documents.decode(stored) == Tally(
        successes={("canary", "completed"): 1},
        within=within,
        seconds=11.011,
        checks={"latency": float("inf")},
    )


@pytest.mark.parametrize("odd", [{"checks": "["}, {"checks": "[1]"}, {"seconds": "long"}])
def test_what_was_not_counted_here_is_refused(odd: dict[str, str]) -> None:
    """By one of the two errors that a reader expects."""
    with pytest.raises((ValueError, TypeError)):
        documents.decode(odd)
