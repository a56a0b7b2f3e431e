"""A decided rollback is brought about, whatever else is asked for meanwhile."""

from datetime import datetime, timedelta

import pytest

from clients import errors
from clients.kube import resources
from config.traffic import TrafficSplit
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import Stage
from tests.unit.analysis.worlds import a_manifest

AWAY = errors.Transient("the API server is away")
ROUTE = resources.VIRTUAL_SERVICES.plural


def rolling_back(stage: Stage) -> Stage:
    """`stage` with a rollback decided that cannot be written for now."""
    rollouts.at_weight(stage, 40)
    stage.meters.source = measuring.failing
    stage.door.faults.add(Fault(AWAY, verb="patch", resource=ROUTE, times=10_000))
    stage.run(lambda on: on.state.phase.value == "Failed", within=LONG)
    stage.settle()
    assert stage.split == TrafficSplit(60, 40)
    return stage


def test_a_rollback_is_brought_about_although_the_canary_is_suspended() -> None:
    """Suspended while the API server was away: the traffic leaves as soon as it is back."""
    stage = rolling_back(rollouts.released(a_manifest()))
    stage.edit_canary(suspend=True)
    stage.wait(timedelta(seconds=20))
    stage.door.faults.clear()
    stage.wait(timedelta(seconds=5))

    assert stage.split == TrafficSplit(100, 0)


def test_a_rollback_is_brought_about_although_routing_workers_were_away() -> None:
    """Suspended while nobody carried out what was asked for, until the messages expired."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.meters.source = measuring.failing
    end = stage.clock.now() + timedelta(minutes=4)
    suspended = False
    while stage.clock.now() < end:
        step(stage, end)
        if stage.state.phase.value == "Failed" and not suspended:
            stage.edit_canary(suspend=True)
            suspended = True
    assert suspended
    assert stage.split == TrafficSplit(60, 40)
    stage.wait(timedelta(seconds=15))

    assert stage.split == TrafficSplit(100, 0)


def step(stage: Stage, end: datetime) -> None:
    """One message is delivered, unless it is for routing; else time goes on."""
    stage.kubelet.step()
    stage.observe()
    stage.claim()
    if not stage.bag.messages:
        stage.advance(end)
    elif (message := stage.bag.messages.pop(0)).kind != "route":
        stage.deliver(message)


def test_a_suspended_canary_with_nothing_left_to_do_is_not_looked_at() -> None:
    """Suspended is at rest: no look before the resync."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.edit_canary(suspend=True)
    stage.wait(timedelta(seconds=10))
    before = stage.bag.sent
    stage.wait(timedelta(minutes=4))

    assert stage.bag.sent == before
    assert stage.split == TrafficSplit(60, 40)


@pytest.mark.parametrize("spec", [{"analysis": {"interval": "never"}}, {"provider": "unheard-of"}])
def test_a_rollback_is_brought_about_although_the_manifest_is_broken(
    spec: dict[str, object],
) -> None:
    """The last good manifest says how; the edit waits."""
    stage = rolling_back(rollouts.released(a_manifest()))
    stage.kube.admit_anything()
    stage.edit_canary(**spec)
    stage.wait(timedelta(seconds=20))
    stage.door.faults.clear()
    stage.wait(timedelta(seconds=5))

    assert stage.split == TrafficSplit(100, 0)
