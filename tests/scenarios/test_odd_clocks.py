"""Redis' clock goes ahead and is set right again; single keys of Redis are lost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest

from analysis import effects
from clients.redis import keys
from clients.redis.records import Begun, Work
from tests.stage import measuring, rollouts
from tests.stage.stage import REF, Stage, initialized
from tests.stores import DirectStore
from tests.unit.analysis.worlds import a_manifest
from tests.unit.scheduler.worlds import Setting


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


def by_steps(stage: Stage, done: Callable[[], bool], span: timedelta) -> None:
    """Goes on, by small steps, until it is `done`, for `span` at most."""
    end = stage.clock.now() + span
    while not done() and stage.clock.now() < end:
        stage.clock.advance(timedelta(seconds=5))
        stage.settle()


def failed_within(stage: Stage, span: timedelta) -> None:
    """Goes on until the rollout is rolled back."""
    by_steps(stage, lambda: stage.phase() == "Failed", span)
    assert (stage.phase(), stage.split and stage.split.canary) == ("Failed", 0)


HOUR: Final = timedelta(hours=1)


def a_lost_message(stage: Stage) -> None:
    """The canary is queued, and the worker that has taken the message dies."""
    stage.clock.advance(rollouts.INTERVAL)
    stage.claim()
    assert stage.bag.messages
    stage.bag.messages.clear()


def a_dead_worker(work: Work) -> Callable[[Stage], None]:
    """One that had the lease on `work`."""
    return lambda stage: assert_taken(stage.store.begin(REF, work, effects.WRITE_LEASE))


def assert_taken(begun: Begun | None) -> None:
    """The lease was free."""
    assert begun is not None


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(a_lost_message, id="queued"),
        *(pytest.param(a_dead_worker(work), id=work) for work in Work),
    ],
)
def test_what_was_taken_by_a_clock_that_was_ahead_holds_nobody_up(
    loss: Callable[[Stage], None],
) -> None:
    """A lease whose holder is dead does not last for the length of the leap."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.store._now = lambda: stage.clock.now() + HOUR
    stage.wait(timedelta(seconds=1))
    loss(stage)
    stage.store._now = stage.clock.now
    stage.meters.source = measuring.failing
    failed_within(stage, timedelta(minutes=8))


@pytest.mark.parametrize("losing", [{"call"}, set[str]()], ids=["message lost", "worker dead"])
def test_a_hook_that_was_asked_by_a_clock_that_was_ahead_is_asked_again(losing: set[str]) -> None:
    """Nobody calls it, and who had taken it does not last for the length of the leap."""
    gate = {"name": "gate", "type": "pre-rollout", "url": "http://gate/"}
    stage = initialized(a_manifest(webhooks=[gate]))
    stage.store._now = lambda: stage.clock.now() + HOUR
    stage.losing, stage.hooks.mute = losing, True
    stage.release("cart:2")
    stage.wait(timedelta(seconds=10))
    stage.losing, stage.hooks.mute = set(), False
    stage.hooks.called.clear()
    stage.store._now = stage.clock.now
    by_steps(stage, lambda: bool(stage.hooks.called), timedelta(minutes=8))
    assert stage.hooks.called == ["gate"]


def test_a_lease_of_a_dead_leader_is_no_longer_than_any() -> None:
    """Redis' clock was ahead, or a replica of another clock has taken over."""
    setting = Setting()
    ahead = DirectStore(setting.redis, lambda: setting.clock.now() + HOUR)
    assert ahead.acquire("dead", timedelta(seconds=5))
    assert setting.store.acquire("next", timedelta(seconds=5))
