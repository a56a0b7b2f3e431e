"""Workloads that do not come up, or go away: deadlines, failed promotions, lost objects."""

from datetime import timedelta
from typing import Any

import pytest

from clients.errors import Transient
from clients.kube import resources
from config.traffic import TrafficSplit
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.rollouts import COMPLETED, COPYING, FAILED, LONG, NEW, TO_PRIMARY, WAITING
from tests.stage.stage import Stage, a_deployment, initialized
from tests.unit.analysis.worlds import a_manifest

CAUSE = "waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated replicas are available"
LATE = f"Rolling back cart.shop progress deadline exceeded {CAUSE}"
PROMOTION_FAILED = f"Promotion of cart-app.shop failed, primary not ready: {CAUSE}"
TARGET_GONE = "Rolling back cart.shop deployment cart-app.shop not found"
PLAN = [0, 20, 40, 60, 0]


def a_minute(**spec: Any) -> dict[str, Any]:
    """A manifest with a progress deadline of a minute."""
    return a_manifest(spec={"progressDeadlineSeconds": 60, **spec})


def promotion_failed() -> Stage:
    """A stage whose primary did not come up with the promoted revision."""
    stage = initialized(a_minute())
    stage.kubelet.held.add("cart-app-primary")
    stage.release("cart:2")
    stage.run(lambda on: on.status["canaryWeight"] == 100, within=LONG)
    return stage


# --- the canary


def test_a_canary_that_never_becomes_ready_is_rolled_back_at_its_deadline() -> None:
    """Told as the deadline it is, with its cause, and no traffic was ever moved (D-62)."""
    stage = initialized(a_minute())
    began = stage.clock.now()
    stage.release("cart:2", broken=True)
    stage.run(rollouts.ended, within=LONG)
    assert timedelta(seconds=60) <= stage.clock.now() - began <= timedelta(seconds=62)

    rollouts.finish(stage)
    assert rollouts.told(stage) == [NEW, WAITING, WAITING, LATE, FAILED]
    assert stage.weights == [0]
    rollouts.rolled_back(stage)


def test_the_deadline_counts_from_the_release_and_not_from_our_last_write() -> None:
    """An hour after the last status write a release still has its whole minute (D-28)."""
    stage = initialized(a_minute())
    stage.wait(timedelta(hours=1))
    began = stage.clock.now()
    stage.release("cart:2", broken=True)
    stage.run(rollouts.ended, within=LONG)

    assert timedelta(seconds=60) <= stage.clock.now() - began <= timedelta(seconds=62)


def test_a_fix_of_a_release_that_does_not_start_has_its_whole_deadline() -> None:
    """A target that never became available still shows since when: that of the release before."""
    stage = initialized(a_minute())
    stage.release("cart:2", broken=True)
    stage.wait(timedelta(seconds=58))
    stage.release("cart:3")
    rollouts.succeeded(rollouts.finish(stage), "cart:3")
    assert stage.weights == PLAN


def test_a_fix_that_does_not_start_either_is_rolled_back_at_a_deadline_of_its_own() -> None:
    """Neither with the release before it, nor later than the manifest says."""
    stage = initialized(a_minute())
    stage.release("cart:2", broken=True)
    stage.wait(timedelta(seconds=58))
    began = stage.clock.now()
    stage.release("cart:3", broken=True)
    stage.run(rollouts.ended, within=LONG)
    assert timedelta(seconds=60) <= stage.clock.now() - began <= timedelta(seconds=62)
    rollouts.rolled_back(rollouts.finish(stage))


def test_pods_that_die_in_mid_analysis_lose_their_traffic_until_they_are_back() -> None:
    """At once and for one failed check; the analysis begins anew with the first step."""
    stage = rollouts.at_weight(rollouts.released(a_minute()), 20)
    stage.wait(timedelta(seconds=10))
    stage.kubelet.dead.add("cart-app")
    stage.settle()
    assert (stage.weights, stage.status["failedChecks"]) == ([0, 20, 0], 1)
    assert len(stage.meters.asked) == 0

    stage.wait(timedelta(seconds=45))
    stage.kubelet.dead.clear()
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == [0, 20, 0, 20, 40, 60, 0]


def test_a_primary_that_dies_in_mid_analysis_holds_the_weight() -> None:
    """No step without a primary to fall back on (lifecycle 4)."""
    stage = rollouts.at_weight(rollouts.released(a_minute()), 20)
    stage.kubelet.dead.add("cart-app-primary")
    stage.wait(timedelta(seconds=45))
    assert stage.weights == [0, 20]

    stage.kubelet.dead.clear()
    rollouts.succeeded(rollouts.finish(stage))


def test_a_canary_scaled_to_zero_by_others_is_scaled_up_before_it_gets_traffic() -> None:
    """A workload without pods is not ready, whatever its status says (D-73)."""
    stage = rollouts.released(a_manifest())
    stage.settle()
    stage.edit(resources.DEPLOYMENTS, "cart-app", {"spec": {"replicas": 0}})
    rollouts.finish(stage)

    assert stage.weights == PLAN
    rollouts.succeeded(stage)


def test_a_canary_scaled_to_zero_under_traffic_loses_it_at_once() -> None:
    """Requests would go nowhere: rollback, in the same moment."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.edit(resources.DEPLOYMENTS, "cart-app", {"spec": {"replicas": 0}})
    stage.settle()

    assert stage.split == TrafficSplit(100, 0)
    rollouts.rolled_back(rollouts.finish(stage))


# --- the promotion


def test_a_primary_that_dies_of_its_promotion_leaves_everything_on_the_canary() -> None:
    """A state of its own: Failed with weight 100, the canary serves and keeps its pods (D-97)."""
    stage = promotion_failed()
    stage.wait(timedelta(minutes=10))

    assert stage.phase() == "Failed"
    assert stage.split == TrafficSplit(0, 100)
    assert rollouts.replicas(stage) == 2
    assert rollouts.told(stage)[-1] == PROMOTION_FAILED
    assert rollouts.told(stage).count(PROMOTION_FAILED) == 1
    assert FAILED not in rollouts.told(stage)
    assert stage.weights == [0, 20, 40, 60, 100]


def test_a_failed_promotion_completes_by_itself_when_the_primary_recovers() -> None:
    """Traffic goes back to the ready primary, then the canary is parked."""
    stage = promotion_failed()
    stage.wait(timedelta(minutes=10))
    stage.kubelet.held.clear()
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    rollouts.finish(stage)

    assert rollouts.told(stage)[-2:] == [TO_PRIMARY, COMPLETED]
    rollouts.succeeded(stage)


def test_a_fix_after_a_failed_promotion_never_routes_to_the_dead_primary() -> None:
    """The change repairs the primary first; until that is ready the canary serves (D-1, D-2)."""
    stage = promotion_failed()
    stage.wait(timedelta(minutes=10))
    before = len(stage.weights)
    stage.release("cart:3")
    stage.wait(timedelta(minutes=10))
    assert stage.weights[before:] == []
    assert (stage.split, rollouts.replicas(stage)) == (TrafficSplit(0, 100), 2)
    assert stage.image("cart-app-primary") == "cart:3"
    assert rollouts.told(stage)[-1] == COPYING

    stage.kubelet.held.clear()
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    rollouts.succeeded(rollouts.finish(stage), "cart:3")


def test_while_a_promotion_has_failed_no_change_is_shown_as_analysed() -> None:
    """A change made to the serving workload is live, and is said to be copied, not to have passed.

    It reaches the primary as a repair, and no check, step or success is told of it (D-2).
    """
    stage = promotion_failed()
    stage.wait(timedelta(minutes=10))
    asked, told = len(stage.meters.asked), len(rollouts.told(stage))
    stage.release("cart:3")
    stage.wait(timedelta(minutes=10))

    assert len(stage.meters.asked) == asked
    assert rollouts.told(stage)[told:] == [COPYING]
    assert stage.phase() == "Failed"


def test_weight_zero_while_promoting_is_the_end_of_the_way_back() -> None:
    """A route set to zero by others does not make the promotion hang (D-4)."""
    manifest = a_manifest(stepWeight=100, maxWeight=100, stepWeightPromotion=50)
    stage = rollouts.released(manifest)
    stage.run(lambda on: on.split == TrafficSplit(50, 50), within=LONG)
    stage.forget_everything()
    _set_weights(stage, [100, 0])
    rollouts.finish(stage)

    rollouts.succeeded(stage)


def _set_weights(stage: Stage, weights: list[int]) -> None:
    live = stage.kube.get(resources.VIRTUAL_SERVICES, "shop", "cart-app")
    rule = live["spec"]["http"][0]
    legs = [{**leg, "weight": w} for leg, w in zip(rule["route"], weights, strict=True)]
    patch = {"spec": {"http": [{**rule, "route": legs}]}}
    stage.edit(resources.VIRTUAL_SERVICES, "cart-app", patch)


# --- lost objects


def test_a_primary_deleted_at_rest_is_made_anew_and_no_rollout_starts() -> None:
    """From the revision it had; nobody is told of a new one."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    told = rollouts.told(stage)
    stage.kube.delete(resources.DEPLOYMENTS, "shop", "cart-app-primary")
    stage.wait(timedelta(minutes=10))

    assert stage.image("cart-app-primary") == "cart:2"
    assert rollouts.told(stage)[: len(told)] == told
    assert NEW not in rollouts.told(stage)[len(told) :]
    assert stage.phase() == "Succeeded"


def test_a_deleted_primary_is_not_made_anew_from_a_revision_nobody_analysed() -> None:
    """The target holds a newer revision by then: said so, and done nothing (D-6, D-9)."""
    stage = rollouts.released(a_manifest())
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    stage.kube.delete(resources.DEPLOYMENTS, "shop", "cart-app-primary")
    stage.wait(timedelta(minutes=10))

    present = {item["metadata"]["name"] for item in stage.kube.list(resources.DEPLOYMENTS).items}
    assert present == {"cart-app"}


def test_a_target_deleted_at_rest_is_said_and_the_primary_serves_on() -> None:
    """A condition and one Warning; its return heals, and starts no rollout if it is the same."""
    stage = initialized(a_manifest())
    stage.kube.delete(resources.DEPLOYMENTS, "shop", "cart-app")
    stage.wait(timedelta(minutes=10))
    assert stage.condition("Accepted")["reason"] == "TargetNotFound"
    assert len(rollouts.told(stage)) == 1
    assert stage.split == TrafficSplit(100, 0)
    assert rollouts.replicas(stage, "cart-app-primary") == 2

    stage.create(resources.DEPLOYMENTS, a_deployment(replicas=0))
    stage.wait(timedelta(minutes=10))
    assert stage.condition("Accepted")["status"] == "True"
    assert stage.phase() == "Initialized"


def test_a_target_deleted_in_mid_rollout_loses_its_traffic_at_once() -> None:
    """Its pods go, so its requests must: a rollback in the same moment."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.kube.delete(resources.DEPLOYMENTS, "shop", "cart-app")
    stage.settle()
    assert stage.split == TrafficSplit(100, 0)

    stage.run(rollouts.ended, within=LONG)
    stage.wait(timedelta(minutes=5))
    assert TARGET_GONE in rollouts.told(stage)
    assert stage.phase() == "Failed"
    assert stage.image("cart-app-primary") == "cart:1"


@pytest.mark.parametrize("gone", ["cart-app", "cart-app-primary"])
def test_a_workload_that_cannot_be_read_is_not_taken_for_present(gone: str) -> None:
    """Any error but "not found" says nothing about existence, and nothing is built on it (D-16)."""
    stage = Stage()
    fault = Fault(Transient("etcd is slow", status=500), resource="deployments", name=gone, times=9)
    stage.door.faults.add(fault)
    initialized(a_manifest(), stage)

    assert stage.image("cart-app-primary") == "cart:1"
    assert stage.weights == [0]
