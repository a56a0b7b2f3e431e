"""Writers that stall between what they know and what they write, past their lease, in every lane.

Whatever happens meanwhile, what lands late is neither believed nor left standing. The request is on
its way when the stall begins: no deadline of the client's can keep it from landing.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest

from clients.kube import resources
from clients.kube.resources import Resource
from config.traffic import TrafficSplit
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

SECOND: Final = timedelta(seconds=1)


def stalled(
    stage: Stage, resource: Resource, meanwhile: Callable[[], None], subresource: str | None = None
) -> None:
    """Goes on until the next write of `resource` has landed, after `meanwhile`."""
    happened: list[bool] = []

    def stall() -> None:
        if not happened:
            happened.append(True)
            meanwhile()

    fault = Fault(stall, verb="patch", resource=resource.plural, subresource=subresource)
    stage.door.faults.add(fault)
    stage.run(lambda _: bool(happened), within=LONG)


def situation(stage: Stage) -> tuple[str, str, TrafficSplit | None, int, str, str]:
    """Phase, status, split, replicas and images: all that users would notice."""
    images = stage.image("cart-app"), stage.image("cart-app-primary")
    shown = str(stage.status["phase"])
    return stage.state.phase.value, shown, stage.split, rollouts.replicas(stage), *images


def test_a_weight_that_lands_after_a_rollback_is_put_right_within_a_second() -> None:
    """50 % to a canary at zero would fail until the next look, minutes later."""
    stage = rollouts.released(a_manifest(stepWeight=50, maxWeight=50))
    after: list[object] = []

    def called_off() -> None:
        stage.release("cart:1")
        stage.wait(timedelta(seconds=40))
        after.append(situation(stage))

    stalled(stage, resources.VIRTUAL_SERVICES, called_off)
    stage.wait(SECOND)

    expected = ("Failed", "Failed", TrafficSplit(100, 0), 0, "cart:1", "cart:1")
    assert after == [expected]
    assert situation(stage) == expected
    assert stage.store.read(REF).confirmed.route_seq == stage.state.route.seq


def test_a_weight_that_lands_late_never_leads_to_a_dead_primary() -> None:
    """All traffic was sent back to the primary, whose pods have died since for good."""
    manifest = a_manifest(stepWeight=100, maxWeight=100, spec={"progressDeadlineSeconds": 60})
    stage = rollouts.at_weight(rollouts.released(manifest), 100)

    def primary_dies() -> None:
        stage.kubelet.dead.add("cart-app-primary")
        stage.wait(timedelta(seconds=90))

    stalled(stage, resources.VIRTUAL_SERVICES, primary_dies)
    stage.wait(SECOND)
    assert stage.split == TrafficSplit(0, 100)
    assert rollouts.replicas(stage) > 0


def test_a_scaling_to_zero_of_the_rollout_before_leaves_the_next_one_alone() -> None:
    """It was decided from a target that has been edited since."""
    stage = rollouts.released(a_manifest())
    stage.run(lambda on: on.phase() == "Promoting", within=LONG)
    before: list[object] = []

    def next_rollout() -> None:
        stage.wait(timedelta(seconds=30))
        assert stage.phase() == "Succeeded"
        stage.release("cart:3")
        rollouts.at_weight(stage, 40)
        before.append(situation(stage))

    stalled(stage, resources.DEPLOYMENTS, next_rollout)
    stage.wait(SECOND)
    assert before == [situation(stage)]
    assert rollouts.replicas(stage) == 2
    rollouts.succeeded(rollouts.finish(stage), "cart:3")


def test_an_answer_that_is_heard_late_hides_nothing_that_was_seen_since() -> None:
    """The target as it was when it was scaled up is no news 17 s later: its pods are ready."""
    stage = initialized(a_manifest())
    happened: list[bool] = []

    def stall() -> None:
        happened.append(True)
        stage.wait(timedelta(seconds=17))

    stage.door.faults.add(Fault(stall, verb="patch", resource="deployments", after=True))
    stage.release("cart:2")
    stage.run(lambda _: bool(happened), within=LONG)
    known = stage.store.read(REF).world
    stage.beat.restart()
    stage.settle()
    assert stage.store.read(REF).world == known

    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == [0, 20, 40, 60, 0]


def test_a_status_that_lands_late_does_not_overwrite_a_newer_one() -> None:
    """Clients that wait for a phase must not be told an old one, nor a lost state be rebuilt so."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    before: list[object] = []

    def fails() -> None:
        stage.meters.source = measuring.failing
        stage.wait(timedelta(minutes=4))
        before.append(dict(stage.status))

    stalled(stage, resources.CANARIES, fails, subresource="status")
    stage.wait(SECOND)
    assert before == [dict(stage.status)]
    rollouts.rolled_back(stage)


@pytest.mark.parametrize(
    "edit",
    [
        {"phase": "Succeeded"},
        {"canaryWeight": 55, "failedChecks": 2},
        {"phase": None, "lastAppliedSpec": None},
    ],
    ids=["another phase", "numbers", "wiped"],
)
def test_a_status_that_somebody_edits_is_put_right_within_a_second(edit: dict[str, object]) -> None:
    """By a user, a restore, or a write that came late; at rest as in a rollout."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.settle()
    before = dict(stage.status)

    stage.kube.patch(
        resources.CANARIES, REF.namespace, REF.name, {"status": edit}, subresource="status"
    )
    stage.wait(SECOND)
    assert dict(stage.status) == before


def test_a_status_that_says_what_it_should_costs_no_call() -> None:
    """An edit of the metadata is no reason to write."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.settle()
    stage.door.calls.clear()
    stage.edit(resources.CANARIES, REF.name, {"metadata": {"annotations": {"a": "b"}}})
    stage.wait(SECOND)
    assert stage.door.calls == []


def test_a_weight_that_lands_after_redis_was_emptied_finds_pods() -> None:
    """The status knows of no rollout; the canary is parked once no lease of before can last."""
    stage = rollouts.released(a_manifest(stepWeight=50, maxWeight=50))
    after: list[tuple[int, TrafficSplit | None]] = []

    def lost() -> None:
        stage.release("cart:1")
        stage.bag.messages.clear()
        stage.forget_everything()
        stage.wait(timedelta(seconds=6))
        after.append((rollouts.replicas(stage), stage.split))

    stage.losing = {"status"}
    stalled(stage, resources.VIRTUAL_SERVICES, lost)
    stage.losing = set()
    pods = rollouts.replicas(stage)
    stage.wait(timedelta(seconds=2))
    soon = stage.split
    stage.wait(timedelta(minutes=1))

    assert after == [(2, TrafficSplit(100, 0))]
    assert pods == 2
    assert soon == TrafficSplit(100, 0)
    assert situation(stage)[2:] == (TrafficSplit(100, 0), 0, "cart:1", "cart:1")
