"""Redis' clock goes ahead and is set right again; single keys of Redis are lost."""

from datetime import timedelta

import pytest

from clients.redis import keys
from tests.stage import measuring, rollouts
from tests.stage.stage import Stage
from tests.unit.analysis.worlds import a_manifest


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(hours=5)])
def test_a_clock_that_was_ahead_keeps_no_canary_from_being_judged(ahead: timedelta) -> None:
    """Whatever was planned meanwhile is looked at within a resync, and judged at once."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.store._now = lambda: stage.clock.now() + ahead
    stage.wait(timedelta(seconds=1))
    stage.meters.source = measuring.failing
    stage.store._now = stage.clock.now
    failed_within(stage, stage.settings.scheduler.resync_interval * 2 + timedelta(minutes=4))


@pytest.mark.parametrize("row", [keys.AGENDA, keys.EPOCH], ids=lambda row: str(row.pattern))
def test_a_key_of_the_whole_that_is_lost_alone_is_made_anew_at_once(row: keys.Row) -> None:
    """A bad canary is rolled back as soon as it would have been."""
    stage = rollouts.at_weight(rollouts.released(a_manifest(threshold=1)), 20)
    stage.meters.source = measuring.failing
    stage.redis.delete(row.pattern)
    failed_within(stage, timedelta(minutes=1, seconds=10))


def test_a_clock_that_was_ahead_when_redis_was_lost_keeps_no_canary_running() -> None:
    """What waits for requests from before the loss waits no longer than those have."""
    stage = rollouts.at_weight(rollouts.released(a_manifest(threshold=1)), 20)
    stage.store._now = lambda: stage.clock.now() + timedelta(hours=5)
    stage.forget_everything()
    stage.wait(timedelta(seconds=1))
    stage.store._now = stage.clock.now
    stage.meters.source = measuring.failing
    failed_within(stage, timedelta(minutes=14))
    stage.wait(timedelta(seconds=30))
    assert rollouts.replicas(stage) == 0


def failed_within(stage: Stage, span: timedelta) -> None:
    """Goes on, by small steps, until the rollout is rolled back."""
    end = stage.clock.now() + span
    while stage.phase() != "Failed" and stage.clock.now() < end:
        stage.clock.advance(timedelta(seconds=5))
        stage.settle()
    assert (stage.phase(), stage.split and stage.split.canary) == ("Failed", 0)
