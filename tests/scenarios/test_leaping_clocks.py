"""Redis' clock leaps in mid-rollout, forward or back: nobody is to notice.

What is seen, and when, is compared with a rollout whose clock goes on as ever. Left to
test_odd_clocks.py: a leap that nobody has seen, as the leader died with it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from analysis.findings import Measurement
from analysis.metrics.checks import Check
from config.traffic import TrafficSplit
from tests.scenarios.test_alerts import GLOBAL, NEW, SLACK
from tests.stage import chats, measuring, rollouts
from tests.stage.measuring import Source
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest

HOUR: Final = timedelta(hours=1)
WHOLE: Final = timedelta(minutes=3)
BOTH_WAYS: Final = pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["forward", "back"])


class Leaping:
    """A stage on which a release is under way, and Redis' clock may leap."""

    def __init__(self, **analysis: Any) -> None:
        self.stage = initialized(a_manifest(**analysis))
        self.stage.release("cart:2")
        self.began, self.by = self.stage.clock.now(), timedelta(0)
        self.stage.store._now = lambda: self.stage.clock.now() + self.by
        self.seen: list[tuple[timedelta, str, TrafficSplit | None, int]] = []

    def leap(self, by: timedelta) -> None:
        """Redis' clock leaps."""
        self.by += by

    def go(self, span: timedelta) -> "Leaping":
        """Goes on by seconds, and keeps what is to be seen and when."""
        end = self.stage.clock.now() + span
        while self.stage.clock.now() < end:
            self.stage.settle()
            present = self.stage.phase(), self.stage.split, rollouts.replicas(self.stage)
            if not self.seen or self.seen[-1][1:] != present:
                self.seen.append((self.stage.clock.now() - self.began, *present))
            self.stage.clock.advance(timedelta(seconds=1))
        return self


@BOTH_WAYS
@pytest.mark.parametrize("source", [measuring.healthy, measuring.failing])
def test_a_leap_makes_no_step_early_or_late(by: timedelta, source: Source) -> None:
    """Whenever it leaps: while pods come up, between checks, while the primary is copied to."""
    usual = Leaping()
    usual.stage.meters.source = source
    usual.go(WHOLE)
    for seconds in (1, 2, 9, 33, 50, 97):
        leaping = Leaping()
        leaping.stage.meters.source = source
        leaping.go(timedelta(seconds=seconds)).leap(by)
        leaping.go(WHOLE - timedelta(seconds=seconds))
        assert leaping.seen == usual.seen, f"after {seconds} s"


@BOTH_WAYS
def test_a_leap_between_reading_and_writing_makes_no_step_early_or_late(by: timedelta) -> None:
    """While a tick measures; the decision that follows is of the clock before."""
    usual, leaping = Leaping().go(WHOLE), Leaping()

    def leap_once(check: Check) -> Measurement:
        leaping.leap(by - leaping.by)
        return measuring.healthy(check)

    leaping.stage.meters.source = leap_once
    assert leaping.go(WHOLE).seen == usual.seen


GATE: Final = {"name": "gate", "type": "confirm-promotion", "url": "http://gate/"}
DEADLINES: Final[Mapping[str, Mapping[str, Any]]] = {
    "gate": {"webhooks": [GATE], "gateDeadline": "2m"},
    "whole": {"webhooks": [GATE], "maxDuration": "2m30s"},
    "delay": {"initialDelay": "50s"},
    "steps": {"stepDurations": ["70s", "30s", "30s"]},
}


@BOTH_WAYS
@pytest.mark.parametrize("analysis", DEADLINES.values(), ids=DEADLINES)
def test_no_deadline_is_spent_or_put_off_by_a_leap(
    by: timedelta, analysis: Mapping[str, Any]
) -> None:
    """Each ends when it would have."""
    span, usual = timedelta(minutes=5), Leaping(**analysis)
    usual.stage.hooks.refusing.add("gate")
    usual.go(span)
    for seconds in (20, 110):
        leaping = Leaping(**analysis)
        leaping.stage.hooks.refusing.add("gate")
        leaping.go(timedelta(seconds=seconds)).leap(by)
        leaping.go(span - timedelta(seconds=seconds))
        assert leaping.seen == usual.seen, f"after {seconds} s"


def test_leaps_there_and_back_leave_no_trace() -> None:
    """As of a clock that was wrong for a while, also twice."""
    usual, leaping = Leaping().go(WHOLE), Leaping()
    for by in (HOUR, -HOUR, -HOUR, HOUR):
        leaping.go(timedelta(seconds=20)).leap(by)
    leaping.go(WHOLE - timedelta(seconds=80))
    assert leaping.seen == usual.seen


def test_an_alert_that_waits_for_its_receiver_is_not_given_up_for_a_leap() -> None:
    """It is no hour old but by the clock."""
    stage = initialized(a_manifest(), Stage(settings=GLOBAL))
    stage.chats.answering[SLACK] = chats.away
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.store._now = lambda: stage.clock.now() + 2 * HOUR
    stage.wait(timedelta(seconds=10))
    stage.chats.answering.clear()
    stage.wait(timedelta(minutes=2))
    assert NEW in stage.chats.texts(SLACK)
