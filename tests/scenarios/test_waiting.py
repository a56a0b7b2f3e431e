"""What stands still says so again: cause, since when and the way out, for as long as it lasts."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from clients import errors
from clients.kube import resources
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import Stage, initialized
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


def test_a_canary_that_waits_for_nothing_costs_nothing() -> None:
    """Neither reads nor writes for an hour, and no condition of waiting."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    stage.door.calls.clear()
    stage.wait(timedelta(hours=1))
    assert stage.door.calls == []
    assert stage.condition("Waiting")["status"] == "False"


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
