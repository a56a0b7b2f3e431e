"""What users change while a rollout is under way: the revision, the manifest, their mind."""

from datetime import timedelta
from typing import Any

import pytest

from clients.kube import resources
from config.traffic import TrafficSplit
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.rollouts import (
    BEGINNING,
    COPYING,
    ENDING,
    FAILED,
    LONG,
    RESTARTING,
    STARTING,
)
from tests.stage.stage import REF, Stage, a_deployment, initialized
from tests.unit.analysis.worlds import a_manifest

SUSPENDED = "skipping canary run as object is suspended"
REVERTED = "Rolling back cart.shop target reverted to the promoted revision"
SKIPPED = "Promotion completed! Canary analysis was skipped for cart-app.shop"
PLAN = [0, 20, 40, 60, 0]
PRIMARY = "cart-app-primary"


def at(weight: int, **analysis: Any) -> Stage:
    """A rollout of cart:2 that has reached `weight`."""
    return rollouts.at_weight(rollouts.released(a_manifest(**analysis)), weight)


# --- the revision


def test_a_newer_revision_in_mid_analysis_restarts_from_zero() -> None:
    """Traffic leaves at once, counters are zero, and the newer one is analysed from the start."""
    stage = at(40)
    stage.meters.source = measuring.failing
    stage.run(lambda on: on.status["failedChecks"] == 1, within=LONG)
    stage.meters.source = measuring.healthy
    stage.release("cart:3")
    stage.settle()
    assert stage.split == TrafficSplit(100, 0)
    assert (stage.status["failedChecks"], stage.status["canaryWeight"]) == (0, 0)

    rollouts.finish(stage)
    assert stage.weights == [0, 20, 40, 0, 20, 40, 60, 0]
    restarted = rollouts.told(stage)[rollouts.told(stage).index(RESTARTING) :]
    assert restarted == [
        RESTARTING,
        STARTING,
        *rollouts.advance(20, 40, 60),
        *ENDING,
    ]
    rollouts.succeeded(stage, "cart:3")


def test_a_change_right_before_the_copy_is_analysed_and_not_promoted() -> None:
    """The target is read once more for the copy: another revision there restarts (D-9)."""
    stage = rollouts.released(a_manifest())
    reading = Fault(lambda: stage.release("cart:3"), "get", "deployments", name="cart-app")
    stage.door.faults.add(reading)
    images: set[str] = set()
    stage.run(lambda on: _noted(on, images), within=LONG)
    rollouts.finish(stage)

    assert images == {"cart:1", "cart:3"}
    assert stage.weights == [*PLAN, 20, 40, 60, 0]
    assert RESTARTING in rollouts.told(stage)
    rollouts.succeeded(stage, "cart:3")


def test_a_change_during_the_copy_leaves_the_analysed_revision_promoted() -> None:
    """What was read is what was analysed; the newer revision gets its own analysis (D-9)."""
    stage = rollouts.released(a_manifest())
    writing = Fault(
        lambda: stage.release("cart:3"), "patch", "deployments", name="cart-app-primary"
    )
    stage.door.faults.add(writing)
    stage.run(lambda on: on.image("cart-app-primary") != "cart:1", within=LONG)
    assert stage.image("cart-app-primary") == "cart:2"

    stage.run(lambda on: on.image("cart-app-primary") == "cart:3", within=LONG)
    rollouts.finish(stage)
    assert stage.weights == [*PLAN, 20, 40, 60, 0]
    rollouts.succeeded(stage, "cart:3")


def test_a_change_after_the_copy_waits_for_the_end_of_the_promotion() -> None:
    """The promotion under way ends first; then the newer revision is rolled out (D-9, D-10)."""
    stage = rollouts.released(a_manifest())
    stage.run(lambda on: on.image("cart-app-primary") == "cart:2", within=LONG)
    stage.release("cart:3")
    stage.run(lambda on: on.image("cart-app-primary") == "cart:3", within=LONG)
    rollouts.finish(stage)

    assert rollouts.told(stage).count(COPYING) == 2
    assert stage.weights == [*PLAN, 20, 40, 60, 0]
    rollouts.succeeded(stage, "cart:3")


def _noted(stage: Stage, images: set[str]) -> bool:
    images.add(stage.image("cart-app-primary"))
    return stage.image("cart-app-primary") == "cart:3"


def test_a_revert_in_mid_analysis_calls_the_rollout_off() -> None:
    """Set back to the promoted revision: all traffic back, canary parked, nothing promoted."""
    stage = at(40)
    stage.release("cart:1")
    stage.settle()
    assert stage.split == TrafficSplit(100, 0)
    rollouts.finish(stage)
    assert rollouts.told(stage)[-2:] == [REVERTED, FAILED]
    rollouts.rolled_back(stage)

    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))


def test_after_a_failure_a_revert_starts_nothing_and_a_fix_starts_a_rollout() -> None:
    """Failed stays Failed on a revert; the failed revision applied again is new (lifecycle 28)."""
    stage = rollouts.released(a_manifest())
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    stage.release("cart:1")
    stage.wait(timedelta(minutes=5))
    rollouts.rolled_back(stage)
    assert stage.weights == [0, 20, 0]

    stage.meters.source = measuring.healthy
    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))


def test_a_revision_that_is_applied_while_failed_is_never_lost() -> None:
    """It waits for a primary that is away for a while, and is rolled out then (D-5)."""
    stage = rollouts.released(a_manifest())
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    stage.meters.source = measuring.healthy
    stage.kubelet.dead.add("cart-app-primary")
    stage.release("cart:3")
    stage.wait(timedelta(minutes=2))
    assert stage.phase() == "Failed"

    stage.kubelet.dead.clear()
    stage.wait(timedelta(seconds=5))
    rollouts.succeeded(rollouts.finish(stage), "cart:3")


def test_a_change_during_initialization_is_rolled_out_afterwards() -> None:
    """Promoted is what the primary runs, not what the target holds by then (D-6)."""
    stage = Stage()
    stage.create(resources.DEPLOYMENTS, a_deployment())
    body = a_manifest()
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**body, "metadata": metadata})
    stage.wait(timedelta(seconds=1))
    stage.release("cart:2")
    stage.run(lambda on: "Initialization done! cart.shop" in on.texts(), within=LONG)
    assert stage.image("cart-app-primary") == "cart:1"

    rollouts.finish(stage)
    assert rollouts.told(stage)[0] == BEGINNING[0]
    assert stage.weights == PLAN
    rollouts.succeeded(stage)


# --- the manifest


def test_with_skip_analysis_a_ready_release_is_promoted_at_once() -> None:
    """No check, no weight; the primary is awaited before the end (lifecycle 14)."""
    stage = initialized(a_manifest(spec={"skipAnalysis": True}))
    stage.release("cart:2")
    rollouts.finish(stage)

    assert stage.weights == [0]
    assert not stage.meters.asked
    assert rollouts.told(stage)[-1] == SKIPPED
    rollouts.succeeded(stage)


@pytest.mark.parametrize("lost", ["dead", "at zero"])
def test_with_skip_analysis_a_release_mends_a_primary_that_is_down(lost: str) -> None:
    """D-102: it is not kept waiting for the primary that it is to mend (lifecycle 3, step 16)."""
    skipping = a_manifest(spec={"skipAnalysis": True, "progressDeadlineSeconds": 60})
    stage = initialized(skipping)
    if lost == "dead":
        stage.kubelet.dead.add(PRIMARY)
    else:
        stage.edit(resources.DEPLOYMENTS, PRIMARY, {"spec": {"replicas": 0}})
    stage.wait(timedelta(minutes=2))
    stage.release("cart:2")
    stage.run(lambda on: on.image(PRIMARY) == "cart:2", within=timedelta(minutes=5))
    stage.kubelet.dead.clear()
    rollouts.finish(stage)

    rollouts.succeeded(stage)


def test_skip_analysis_switched_on_in_mid_analysis_promotes_what_is_ready() -> None:
    """From 40 % to the end without another check (lifecycle 14)."""
    stage = at(40)
    asked = len(stage.meters.asked)
    stage.edit_canary(skipAnalysis=True)
    rollouts.finish(stage)

    assert stage.weights == [0, 20, 40, 0]
    assert len(stage.meters.asked) == asked
    assert rollouts.told(stage)[-1] == SKIPPED
    rollouts.succeeded(stage)


def test_with_skip_analysis_a_broken_release_fails_at_its_deadline() -> None:
    """A broken image ends in Failed with the primary untouched (lifecycle 28)."""
    stage = initialized(a_manifest(spec={"skipAnalysis": True, "progressDeadlineSeconds": 60}))
    stage.release("cart:2", broken=True)
    rollouts.finish(stage)

    rollouts.rolled_back(stage)


def test_a_suspended_rollout_keeps_its_weight_and_goes_on_when_resumed() -> None:
    """Nothing is measured or moved meanwhile; told once (lifecycle 15)."""
    stage = at(40)
    stage.edit_canary(suspend=True)
    stage.settle()
    asked = len(stage.meters.asked)
    stage.wait(timedelta(hours=1))
    assert (stage.split, len(stage.meters.asked)) == (TrafficSplit(60, 40), asked)
    assert rollouts.told(stage).count(SUSPENDED) == 1

    stage.edit_canary(suspend=False)
    rollouts.finish(stage)
    assert stage.weights == PLAN
    rollouts.succeeded(stage)


def test_a_revision_applied_while_suspended_is_noticed_when_resumed() -> None:
    """What changed meanwhile is seen then (lifecycle 15)."""
    stage = at(40)
    stage.edit_canary(suspend=True)
    stage.settle()
    stage.release("cart:3")
    stage.wait(timedelta(minutes=10))
    assert stage.split == TrafficSplit(60, 40)

    stage.edit_canary(suspend=False)
    rollouts.succeeded(rollouts.finish(stage), "cart:3")
    assert stage.weights == [0, 20, 40, 0, 20, 40, 60, 0]


@pytest.mark.parametrize(
    ("service", "field", "wanted"),
    [
        ({"hosts": ["shop.example"]}, "hosts", ["shop.example", "cart-app"]),
        ({"gateways": ["infra/public"]}, "gateways", ["infra/public"]),
    ],
)
def test_an_edit_of_the_service_in_mid_rollout_keeps_the_weights(
    service: dict[str, Any], field: str, wanted: list[str]
) -> None:
    """Hosts and gateways reach the route at once, under the weights of the rollout (D-8)."""
    stage = at(40)
    stage.edit_canary(service=service)
    stage.settle()

    route = stage.kube.get(resources.VIRTUAL_SERVICES, "shop", "cart-app")["spec"]
    assert route[field] == wanted
    assert stage.split == TrafficSplit(60, 40)
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == PLAN


def test_a_timeout_edited_in_mid_rollout_keeps_the_weights() -> None:
    """The one field that differs is written, nothing is reset (D-8)."""
    stage = at(40)
    stage.edit_canary(service={"timeout": "7s"})
    stage.settle()

    rules = stage.kube.get(resources.VIRTUAL_SERVICES, "shop", "cart-app")["spec"]["http"]
    assert {rule["timeout"] for rule in rules} == {"7s"}
    assert stage.split == TrafficSplit(60, 40)


def test_a_step_list_edited_in_mid_rollout_goes_on_at_the_next_higher_rung() -> None:
    """A weight that is no longer in the list does not jump to 100 (D-19)."""
    stage = at(10, stepWeights=[10, 30, 60])
    stage.edit_canary(analysis={"stepWeights": [5, 20, 50]})
    rollouts.finish(stage)

    assert stage.weights == [0, 10, 20, 50, 0]
    rollouts.succeeded(stage)


def test_a_list_cut_below_the_present_weight_is_promoted_after_its_check() -> None:
    """There is no higher rung left: the next passed check is the last (D-19)."""
    stage = at(60, stepWeights=[10, 60, 90])
    asked = len(stage.meters.asked)
    stage.edit_canary(analysis={"stepWeights": [10, 40]})
    rollouts.finish(stage)

    assert len(stage.meters.asked) == asked + 1
    assert stage.weights == [0, 10, 60, 0]
    rollouts.succeeded(stage)


@pytest.mark.parametrize(("first", "then"), [("30s", "5m"), ("5m", "10s")])
def test_an_interval_changed_in_mid_rollout_doubles_no_step_and_no_check(
    first: str, then: str
) -> None:
    """One actor per canary: each rung once, each judged once (D-31)."""
    stage = at(20, interval=first)
    for _ in range(3):
        stage.edit_canary(analysis={"interval": then})
        stage.settle()
        stage.edit_canary(analysis={"interval": first})
        stage.settle()
    stage.edit_canary(analysis={"interval": then})
    rollouts.finish(stage)

    assert stage.weights == PLAN
    assert len(stage.meters.asked) == 3
    rollouts.succeeded(stage)


def test_an_interval_changed_in_mid_rollout_holds_from_the_next_check_on() -> None:
    """The check already planned stays; the one after it is a new interval later (D-31)."""
    stage = at(20)
    stage.edit_canary(analysis={"interval": "5m"})
    rollouts.at_weight(stage, 40)
    began = stage.clock.now()
    rollouts.at_weight(stage, 60)

    assert stage.clock.now() - began >= 0.9 * timedelta(minutes=5)


def test_without_its_target_a_canary_says_so_and_starts_when_it_appears() -> None:
    """A missing target is a condition and a Warning; creating it heals (D-90)."""
    stage = Stage()
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**a_manifest(), "metadata": metadata})
    stage.wait(timedelta(minutes=10))
    problem, waits = stage.texts()
    assert "spec.targetRef.name" in problem
    assert waits == "cart.shop waits for its target: deployment cart-app.shop not found"
    assert stage.condition("Waiting")["reason"] == "TargetNotFound"
    assert "cart-app" in stage.condition("Accepted")["message"]

    stage.create(resources.DEPLOYMENTS, a_deployment())
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
