"""What stands still says so again: cause, since when and the way out, for as long as it lasts."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from clients import errors
from clients.kube import resources
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG, PRIMARY_WAITING, WAITING
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

FORBIDDEN = errors.Permanent("virtualservices is forbidden", status=403, reason="Forbidden")


def counts(stage: Stage, part: str) -> list[int]:
    """How often each event was told that says `part`."""
    told = stage.kube.list(resources.EVENTS).items
    return [event["count"] for event in told if part in event["message"]]


def unready_primary(stage: Stage) -> None:
    """The pods of the primary go away while a release waits."""
    stage.kubelet.dead.add("cart-app-primary")
    stage.settle()
    stage.release("cart:2")


def refused_route(stage: Stage) -> None:
    """The first step of a release cannot be written."""
    stage.door.faults.add(Fault(FORBIDDEN, "patch", "virtualservices", times=10**6))
    stage.release("cart:2")


@pytest.mark.parametrize(
    ("cause", "reason", "part"),
    [
        (unready_primary, "PrimaryNotReady", "cart-app-primary.shop not ready"),
        (refused_route, "WriteRefused", "virtualservices is forbidden"),
    ],
)
def test_a_cause_is_told_every_five_minutes_and_shown_until_it_is_gone(
    cause: Callable[[Stage], None], reason: str, part: str
) -> None:
    """One event that is counted up; the condition names what to do, and ends with the wait."""
    stage = initialized(a_manifest())
    cause(stage)
    stage.run(lambda on: on.condition("Waiting").get("reason") == reason, within=LONG)
    began = datetime.fromisoformat(stage.condition("Waiting")["lastTransitionTime"])
    stage.wait(timedelta(minutes=21))
    waiting = stage.condition("Waiting")
    assert (waiting["status"], waiting["reason"]) == ("True", reason)
    assert part in waiting["message"]
    assert waiting["message"].endswith(")")
    assert datetime.fromisoformat(waiting["lastTransitionTime"]) == began
    assert max(counts(stage, part)) in (4, 5)

    stage.kubelet.dead.clear()
    stage.door.faults.clear()
    rollouts.finish(stage)
    rollouts.succeeded(stage)
    assert stage.condition("Waiting")["status"] == "False"


@pytest.mark.parametrize("kind", [errors.Transient, errors.Permanent])
@pytest.mark.parametrize(
    ("resource", "subresource"), [("virtualservices", None), ("canaries", "status")]
)
@pytest.mark.parametrize(
    "words", ["tcp 10.0.0.1:{}->10.96.0.7:443: reset", "id {}a0b", "{0:!>{0}}"]
)
def test_a_refusal_in_other_words_each_time_is_tried_no_more_often(
    kind: type[errors.ClientError], resource: str, subresource: str | None, words: str
) -> None:
    """Words of an API server name ports, requests and times; each is no reason to try at once."""
    stage = rollouts.at_weight(rollouts.released(a_manifest(threshold=50)), 20)
    numbers = itertools.count(100)

    def refuse() -> None:
        text = words.format(next(numbers))
        raise kind(f"PATCH: 500 {text}", status=500, reason="InternalError")

    fault = Fault(refuse, "patch", resource, subresource=subresource, times=10**6)
    stage.door.faults.add(fault)
    stage.door.calls.clear()
    told = len(stage.texts())
    stage.wait(timedelta(minutes=1))
    tried = [call for call in stage.door.calls if (call.verb, call.resource) == ("patch", resource)]
    assert 1 <= len(tried) <= 40
    assert len(stage.texts()) - told <= 15


def test_pods_that_come_up_at_once_are_not_spoken_of() -> None:
    """Neither an event nor a condition, from the initialization to the end of a rollout."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    assert [text for text in stage.texts() if "not ready" in text] == []
    assert stage.condition("Waiting") == {}


def test_pods_that_take_longer_are_told_once_after_ten_seconds() -> None:
    """By one event for the new revision and one for its promotion, and by the condition."""
    stage = initialized(a_manifest(), Stage(ready_after=timedelta(seconds=25)))
    probed, done = "all the metrics providers are available!", "Initialization done! cart.shop"
    assert stage.texts() == [probed, PRIMARY_WAITING, done]
    stage.release("cart:2")
    assert _seconds_until_told(stage, WAITING) == 10
    stage.run(lambda on: on.phase() == "Promoting", within=LONG)
    assert _seconds_until_told(stage, PRIMARY_WAITING) == 10
    rollouts.finish(stage)
    assert counts(stage, "not ready") == [1, 1, 1]
    assert stage.condition("Waiting")["status"] == "False"


def _seconds_until_told(stage: Stage, text: str) -> float:
    """After how long the canary is said to wait, by this text and the condition."""
    began, told = stage.clock.now(), len(stage.texts())
    assert stage.condition("Waiting")["status"] == "False"
    stage.run(lambda on: text in on.texts()[told:], within=LONG)
    assert text in stage.condition("Waiting")["message"]
    return (stage.clock.now() - began).total_seconds()


def test_pods_that_come_up_one_by_one_are_no_event_each() -> None:
    """Nor a commit, nor a status each: what is waited for is the same."""
    stage = initialized(a_manifest())
    stage.edit(resources.DEPLOYMENTS, "cart-app-primary", {"spec": {"replicas": 15}})
    stage.wait(timedelta(seconds=10))
    stage.kubelet.few["cart-app"] = 0
    stage.release("cart:2")
    stage.wait(timedelta(seconds=5))
    told, version = len(stage.texts()), stage.store.read(REF).version
    for ready in range(1, 15):
        stage.kubelet.few["cart-app"] = ready
        stage.wait(timedelta(seconds=1))
    assert len(stage.texts()) - told <= 2
    assert stage.store.read(REF).version - version <= 3


def test_a_canary_that_waits_for_nothing_costs_nothing() -> None:
    """Neither reads nor writes for an hour, and no condition of waiting."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    stage.door.calls.clear()
    stage.wait(timedelta(hours=1))
    assert stage.door.calls == []
    assert stage.condition("Waiting") == {}


def test_the_condition_of_a_failed_rollout_says_why_after_the_loss_of_its_state() -> None:
    """Check, value and limit, and how often."""
    stage = rollouts.released(a_manifest())
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    message = stage.condition("Promoted")["message"]
    assert message.startswith("Canary analysis failed, Deployment scaled to zero. ")
    assert "50.00% < 99%" in message
    assert message.endswith("failed checks threshold reached 3")
    stage.forget_everything()
    stage.wait(timedelta(minutes=10))
    assert stage.condition("Promoted")["message"] == message
