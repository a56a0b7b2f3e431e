"""Redis comes back with less than it had: nothing is decided until the leader has stored it again.

In simulated time, with the scheduler's own loop; a copy takes over from a Redis that knew more.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from analysis.phases import Phase
from clients import errors
from clients.kube import resources
from config.traffic import TrafficSplit
from tests.fakes import memory_redis
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP, Setting

RELEASED = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "shop:2"}]}}}}
GATE = {"name": "gate", "type": "pre-rollout", "url": "http://gate/"}


def test_a_change_that_a_failover_lost_is_stored_again_when_redis_answers() -> None:
    """Though the lease survived, so that nobody else leads: not only at the next resync."""
    setting = Setting()
    setting.create(worlds.a_canary())
    setting.create(worlds.a_deployment())
    beat = setting.beat("first")
    beat.run(timedelta(seconds=2))
    copy = memory_redis.copied(setting.redis)
    setting.edit(resources.DEPLOYMENTS, "shop", RELEASED)
    beat.run(timedelta(seconds=1))
    newest = setting.world()

    memory_redis.fail_over(setting.redis, copy)
    assert setting.world() != newest
    beat.run(timedelta(seconds=1))

    assert setting.world() == newest
    assert SHOP in setting.store.agenda()


def deliver_everything(stage: Stage) -> None:
    """All messages are carried out, in order."""
    while stage.bag.messages:
        stage.deliver(stage.bag.messages.pop(0))


@pytest.mark.parametrize("restarted", [False, True], ids=["same leader", "new leader"])
def test_no_tick_before_the_refresh_raises_the_traffic_of_a_failed_canary(restarted: bool) -> None:
    """The lost rollback is not undone: not by what is due, nor by what was asked for before."""
    stage = rollouts.at_weight(rollouts.released(a_manifest(threshold=1)), 20)
    stage.run(lambda on: on.phase() == "Progressing", within=LONG)
    copy = memory_redis.copied(stage.redis)
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    rollouts.rolled_back(stage)
    stage.meters.source = measuring.healthy
    truth = (stage.phase(), stage.shown_version(), stage.split, stage.weights)

    stage.fail_over(copy)
    if restarted:
        stage.beat.restart()
    for kind in ("tick", "route", "workload", "status"):
        stage.bag.put(rollouts.a_message(kind))
    stage.claim()
    deliver_everything(stage)
    assert truth == (stage.phase(), stage.shown_version(), stage.split, stage.weights)

    stage.wait(timedelta(minutes=10))
    rollouts.rolled_back(stage)
    assert stage.weights == [0, 20, 0]


COOKIES = ("sessionAffinityCookie", "previousSessionAffinityCookie", "primarySessionAffinityCookie")
FLAGGERS_STATUS: dict[str, Any] = {
    "phase": {"type": "string"},
    "failedChecks": {"type": "number"},
    "canaryWeight": {"type": "number"},
    "iterations": {"type": "number"},
    "trackedConfigs": {"type": "object", "additionalProperties": {"type": "string"}},
    "lastAppliedSpec": {"type": "string"},
    "lastPromotedSpec": {"type": "string"},
    "lastTransitionTime": {"type": "string", "format": "date-time"},
    **{name: {"type": "string"} for name in COOKIES},
    "conditions": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["type", "status", "reason"],
            "properties": {
                "type": {"type": "string"},
                "status": {"type": "string"},
                "reason": {"type": "string"},
                "message": {"type": "string"},
                "lastUpdateTime": {"type": "string", "format": "date-time"},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
            },
        },
    },
}
"""What Flagger's definition keeps of a status (CRD reference, 7); it prunes the rest."""


def flaggers(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with Flagger's status in it."""
    properties = {**schema["properties"], "status": {"type": "object"}}
    properties["status"] = {"type": "object", "properties": FLAGGERS_STATUS}
    return {**schema, "properties": properties}


@pytest.mark.parametrize("definition", [None, flaggers], ids=["our definition", "Flagger's"])
def test_a_failed_revision_does_not_resume_whoever_s_definition_of_canary_is_installed(
    definition: Callable[[dict[str, Any]], dict[str, Any]] | None,
) -> None:
    """Definitions prune what they do not know of a status, but not what tells its version."""
    stage = Stage()
    if definition is not None:
        stage.kube.redefine(definition)
    initialized(a_manifest(threshold=1, webhooks=[GATE]), stage)
    stage.hooks.refusing.add("gate")
    stage.release("cart:2")
    stage.run(lambda on: on.phase() == "Progressing", within=LONG)
    copy = memory_redis.copied(stage.redis)
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    rollouts.finish(stage)
    stage.hooks.refusing.clear()

    stage.fail_over(copy)
    stage.wait(timedelta(minutes=10))

    rollouts.rolled_back(stage)
    assert stage.state.phase is Phase.FAILED
    assert stage.weights == [0]


def test_a_report_of_older_data_does_not_overwrite_the_status() -> None:
    """Else a failed revision would resume: the status is all that still knows of the failure."""
    stage = initialized(a_manifest(threshold=1, webhooks=[GATE]))
    stage.hooks.refusing.add("gate")
    stage.release("cart:2")
    stage.run(lambda on: on.phase() == "Progressing", within=LONG)
    copy = memory_redis.copied(stage.redis)
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    rollouts.finish(stage)
    version = stage.shown_version()
    stage.hooks.refusing.clear()

    stage.fail_over(copy)
    stage.claim()
    stage.deliver(rollouts.a_message("status"))
    assert (stage.phase(), stage.shown_version()) == ("Failed", version)

    stage.wait(timedelta(minutes=10))
    assert stage.image("cart-app-primary") == "cart:1"
    assert (stage.phase(), stage.split) == ("Failed", TrafficSplit(100, 0))


@pytest.mark.parametrize("weight", [20, 40])
def test_a_good_rollout_goes_on_after_a_failover_to_older_data(weight: int) -> None:
    """From what the status and the route show; no weight outside the plan."""
    stage = rollouts.released(a_manifest())
    stage.run(lambda on: on.phase() == "Progressing", within=LONG)
    copy = memory_redis.copied(stage.redis)
    rollouts.at_weight(stage, weight)
    stage.fail_over(copy)
    rollouts.finish(stage)

    rollouts.succeeded(stage)
    assert set(stage.weights) <= {0, 20, 40, 60}


def test_after_a_failover_every_canary_is_looked_at_within_a_second() -> None:
    """Its state may be an older one, with a due time to match: nothing waits for a resync."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    copy = memory_redis.copied(stage.redis)
    assert stage.store.agenda()[REF] > stage.clock.now() + timedelta(minutes=4)
    sent = stage.bag.sent

    stage.fail_over(copy)
    stage.wait(timedelta(seconds=1))

    assert stage.bag.sent > sent
    rollouts.succeeded(stage)


def test_versions_grow_over_a_loss_of_redis() -> None:
    """What is decided afterwards is newer than what the status shows, and is brought about."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.settle()
    version = stage.shown_version()
    stage.forget_everything()
    stage.settle()
    assert stage.store.read(REF).version > version

    rollouts.succeeded(rollouts.finish(stage))
    assert stage.shown_version() > version


def test_a_leader_whose_watch_lags_makes_nobody_believe_what_was_before_our_own_write() -> None:
    """It stores the old primary again, ready and all; the copy is not taken for serving by that."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 60)
    lag = Fault(errors.Transient("slow"), verb="watch", resource="deployments", times=10**6)
    stage.kube.faults.add(lag)
    stage.run(lambda on: on.image("cart-app-primary") == "cart:2", within=LONG)
    written = stage.store.read(REF).world.primary
    stage.beat.store_again()
    stage.wait(timedelta(seconds=20))
    stored = stage.store.read(REF).world.primary
    assert written is not None
    assert stored is not None
    assert stored.generation < written.generation
    assert (stage.phase(), stage.split) == ("Promoting", TrafficSplit(40, 60))

    stage.kube.faults.clear()
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == [0, 20, 40, 60, 0]
