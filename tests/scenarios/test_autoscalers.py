"""Whole rollouts of targets with an autoscaler: who scales what, and when.

Nobody plays the autoscaler itself: what it would do to replicas is done by the test.
"""

from datetime import timedelta
from typing import Any, Final

import pytest

from clients import errors
from clients.kube import resources
from clients.kube.resources import Resource
from config.traffic import TrafficSplit
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG, replicas
from tests.stage.stage import Stage, a_deployment, initialized
from tests.unit.analysis.worlds import a_manifest
from tests.unit.workloads.autoscalers import HPA_REF, KEDA_REF, PAUSED, a_scaled_object, an_hpa

HPA, KEDA = resources.HORIZONTAL_POD_AUTOSCALERS, resources.SCALED_OBJECTS
TARGET: Final = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart-app"}
MISSING: Final = (
    "spec.autoscalerRef.name: Invalid value: 'cart-hpa': horizontalpodautoscaler cart-hpa.shop not "
    "found; allowed is the name of an existing HorizontalPodAutoscaler in namespace shop"
)


def ours(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    """An autoscaler of cart-app.shop."""
    spec = {**manifest["spec"], "scaleTargetRef": TARGET}
    return {**manifest, "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def the_hpa(**spec: Any) -> dict[str, Any]:
    """The HorizontalPodAutoscaler cart-hpa.shop, of two to four replicas."""
    return ours(an_hpa(**spec), "cart-hpa")


def of_hpa(**spec: Any) -> dict[str, Any]:
    """The canary of a target with that autoscaler; the reference's apiVersion is of old."""
    return a_manifest(spec={"autoscalerRef": {**HPA_REF, "name": "cart-hpa"}, **spec})


def scaled(source: Resource = HPA) -> Stage:
    """A stage on which the canary is initialized, with its autoscaler."""
    stage = Stage()
    if source == HPA:
        stage.create(HPA, the_hpa())
        return initialized(of_hpa(), stage)
    stage.create(KEDA, ours(a_scaled_object(), "cart-so"))
    return initialized(a_manifest(spec={"autoscalerRef": {**KEDA_REF, "name": "cart-so"}}), stage)


def live(stage: Stage, resource: Resource, name: str) -> Any:
    """An object as it is."""
    return stage.kube.get(resource, "shop", name)


def is_paused(stage: Stage, name: str = "cart-so") -> bool:
    """Whether a ScaledObject is paused."""
    return (live(stage, KEDA, name)["metadata"].get("annotations") or {}).get(PAUSED) == "0"


def test_a_good_rollout_leaves_replicas_to_the_autoscalers() -> None:
    """The canary begins with the HPA's fewest; the primary keeps what its own has made of it."""
    stage = scaled()
    spec = live(stage, HPA, "cart-hpa-primary")["spec"]
    assert spec["scaleTargetRef"] == {**TARGET, "name": "cart-app-primary"}
    stage.edit(resources.DEPLOYMENTS, "cart-app-primary", {"spec": {"replicas": 4}})
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    assert replicas(stage) == 2
    stage.edit(resources.DEPLOYMENTS, "cart-app", {"spec": {"replicas": 3}})
    rollouts.at_weight(stage, 40)
    assert replicas(stage) == 3

    rollouts.succeeded(rollouts.finish(stage))
    assert replicas(stage, "cart-app-primary") == 4
    assert live(stage, HPA, "cart-hpa-primary")["spec"] == spec


def test_a_bad_rollout_leaves_the_primary_s_autoscaler_alone() -> None:
    """No replicas, no bounds: the primary never notices."""
    stage = scaled()
    before = live(stage, HPA, "cart-hpa-primary")
    stage.edit(resources.DEPLOYMENTS, "cart-app-primary", {"spec": {"replicas": 4}})
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.meters.source = measuring.failing
    rollouts.rolled_back(rollouts.finish(stage))
    assert replicas(stage, "cart-app-primary") == 4
    assert live(stage, HPA, "cart-hpa-primary") == before


@pytest.mark.parametrize("is_good", [True, False])
def test_a_scaled_object_is_paused_whenever_no_rollout_runs(*, is_good: bool) -> None:
    """16.2, "pause" and "resume": after initialization, not during a rollout, and after it."""
    stage = scaled(KEDA)
    assert is_paused(stage)
    assert not is_paused(stage, "cart-so-primary")

    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    assert not is_paused(stage)
    if not is_good:
        stage.meters.source = measuring.failing
    rollouts.finish(stage)
    (rollouts.succeeded if is_good else rollouts.rolled_back)(stage)
    assert is_paused(stage)
    assert not is_paused(stage, "cart-so-primary")


def test_an_edited_autoscaler_is_followed_at_rest_without_a_rollout() -> None:
    """No tick, no event: more replicas are wanted now, not with the next release (D-71)."""
    stage = scaled()
    version, told = stage.shown_version(), stage.texts()
    stage.edit(HPA, "cart-hpa", {"spec": {"maxReplicas": 40}})
    stage.settle()
    assert live(stage, HPA, "cart-hpa-primary")["spec"]["maxReplicas"] == 40
    assert (stage.shown_version(), stage.texts()) == (version, told)


def test_other_bounds_in_the_manifest_take_effect_at_once() -> None:
    """And what somebody does to the twin is set back."""
    stage = scaled()
    stage.edit_canary(autoscalerRef={"primaryScalerReplicas": {"minReplicas": 3}})
    stage.settle()
    assert live(stage, HPA, "cart-hpa-primary")["spec"]["minReplicas"] == 3

    stage.edit(HPA, "cart-hpa-primary", {"spec": {"minReplicas": 1}})
    stage.settle()
    assert live(stage, HPA, "cart-hpa-primary")["spec"]["minReplicas"] == 3

    stage.kube.delete(HPA, "shop", "cart-hpa-primary")
    stage.settle()
    assert live(stage, HPA, "cart-hpa-primary")["spec"]["minReplicas"] == 3


def test_an_idle_autoscaler_costs_nothing() -> None:
    """Its status changes all the time; nobody reads or writes for that."""
    stage = scaled()
    stage.wait(timedelta(minutes=1))
    calls, sent = len(stage.door.calls), stage.bag.sent
    for count in range(5):
        status = {"status": {"currentReplicas": count, "desiredReplicas": count}}
        stage.kube.patch(HPA, "shop", "cart-hpa", status, subresource="status")
        stage.settle()
    assert (len(stage.door.calls), stage.bag.sent) == (calls, sent)


def test_a_reference_to_nothing_waits_and_says_what_for() -> None:
    """Nothing starts; once it is there, everything goes on by itself."""
    stage = Stage()
    stage.create(resources.DEPLOYMENTS, a_deployment())
    metadata = {"name": "cart", "namespace": "shop"}
    stage.create(resources.CANARIES, {**of_hpa(), "metadata": metadata})
    stage.wait(timedelta(minutes=1))
    assert stage.phase() == ""
    assert stage.condition("Accepted")["status"] == "False"
    assert stage.condition("Accepted")["reason"] == "AutoscalerNotFound"
    assert stage.condition("Accepted")["message"] == MISSING
    assert MISSING in stage.condition("Waiting")["message"]
    assert MISSING in stage.texts()
    assert replicas(stage) == 2

    stage.create(HPA, the_hpa())
    stage.run(lambda on: on.phase() == "Initialized", within=timedelta(minutes=1))
    assert live(stage, HPA, "cart-hpa-primary")
    assert stage.condition("Waiting")["status"] == "False"


def test_an_autoscaler_that_goes_holds_the_rollout_where_it_is() -> None:
    """D-71: the twin keeps its bounds, the canary its weight; a bad one still loses it."""
    stage = scaled()
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)
    stage.kube.delete(HPA, "shop", "cart-hpa")
    stage.wait(timedelta(minutes=3))
    assert stage.split == TrafficSplit.of(40)
    assert MISSING in stage.condition("Waiting")["message"]
    assert live(stage, HPA, "cart-hpa-primary")["spec"]["maxReplicas"] == 4

    stage.create(HPA, the_hpa(maxReplicas=5))
    rollouts.succeeded(rollouts.finish(stage))
    assert live(stage, HPA, "cart-hpa-primary")["spec"]["maxReplicas"] == 5


def test_a_bad_canary_is_rolled_back_while_its_autoscaler_is_missing() -> None:
    """Rolling back always works (invariant 9)."""
    stage = scaled()
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)
    stage.kube.delete(HPA, "shop", "cart-hpa")
    stage.meters.source = measuring.failing
    rollouts.rolled_back(rollouts.finish(stage))


def test_another_autoscaler_is_no_end_of_a_rollout() -> None:
    """It leads no traffic: the twin is made, and the rollout goes on."""
    stage = scaled()
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.create(HPA, ours(an_hpa(maxReplicas=8), "cart-new"))
    stage.edit_canary(autoscalerRef={"name": "cart-new"})
    rollouts.succeeded(rollouts.finish(stage))
    assert live(stage, HPA, "cart-new-primary")["spec"]["maxReplicas"] == 8
    former = live(stage, HPA, "cart-hpa-primary")["spec"]
    assert former["scaleTargetRef"]["name"] == "cart-app-primary"


LEFT: Final = (
    "spec.autoscalerRef: ScaledObject cart-so-primary.shop, the twin of an autoscaler that the "
    "canary names no more, scales cart-app-primary on; delete that twin"
)


@pytest.mark.parametrize("successor", [None, {**KEDA_REF, "name": "cart-new"}, HPA_REF])
def test_a_scaled_object_that_a_canary_names_no_more_is_resumed(
    successor: dict[str, Any] | None,
) -> None:
    """KEDA would undo every later scale-up of the target; whoever pauses it from then on, may."""
    stage = scaled(KEDA)
    stage.create(KEDA, ours(a_scaled_object(), "cart-new"))
    stage.create(HPA, ours(an_hpa(), HPA_REF["name"]))
    stage.edit_canary(autoscalerRef=successor)
    stage.settle()
    assert not is_paused(stage)
    assert is_paused(stage, "cart-new") is bool(successor and successor["name"] == "cart-new")
    assert stage.texts().count(LEFT) == 1

    pause = {"metadata": {"annotations": {PAUSED: "0"}}}
    stage.kube.patch(KEDA, "shop", "cart-so", pause)
    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))
    assert is_paused(stage)


@pytest.mark.parametrize("successor", [None, {"name": "cart-new"}])
def test_the_twin_of_a_former_autoscaler_is_told_for_as_long_as_it_is_there(
    successor: dict[str, Any] | None,
) -> None:
    """Events are gone after an hour, and Redis may be: the status says it on. It ends with it."""
    stage = scaled(HPA)
    stage.create(HPA, ours(an_hpa(), "cart-new"))
    assert stage.condition("Accepted")["reason"] == "Accepted"
    stage.edit_canary(autoscalerRef=successor)
    stage.settle()
    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))
    stage.bag.messages.clear()
    stage.forget_everything()
    stage.wait(timedelta(minutes=20))
    told = stage.condition("Accepted")
    left = LEFT.replace("ScaledObject cart-so", "HorizontalPodAutoscaler cart-hpa")
    assert (told["status"], told["reason"], told["message"]) == ("True", "Suspicious", left)
    assert stage.texts().count(left) == 1

    stage.kube.delete(HPA, "shop", "cart-hpa-primary")
    stage.settle()
    assert stage.condition("Accepted")["reason"] == "Accepted"


def test_the_twin_of_an_autoscaler_that_is_named_again_is_no_former_one() -> None:
    """It is followed as before."""
    stage = scaled(HPA)
    stage.edit_canary(autoscalerRef=None)
    stage.settle()
    stage.edit_canary(autoscalerRef={**HPA_REF, "name": "cart-hpa"})
    stage.settle()
    assert stage.condition("Accepted")["reason"] == "Accepted"


def test_a_scaled_object_is_resumed_although_the_first_try_was_refused() -> None:
    """The refusal is told; nothing else waits for it, and it is tried again until it is done."""
    stage = scaled(KEDA)
    stage.door.faults.add(Fault(errors.Permanent("no"), "patch", "scaledobjects", times=3))
    stage.edit_canary(autoscalerRef=None)
    stage.run(lambda on: not is_paused(on), within=timedelta(minutes=5))


def test_a_scaled_object_that_was_gone_before_its_reference_is_nobody_s_business() -> None:
    """What is not there is not paused."""
    stage = scaled(KEDA)
    stage.kube.delete(KEDA, "shop", "cart-so")
    stage.edit_canary(autoscalerRef=None)
    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))


def test_a_reference_that_goes_with_its_canary_leaves_nothing_paused() -> None:
    """Both edits were made while nobody looked."""
    stage = scaled(KEDA)
    stage.edit_canary(revertOnDeletion=True)
    stage.settle()
    stage.edit_canary(autoscalerRef=None)
    stage.kube.delete(resources.CANARIES, "shop", "cart")
    stage.wait(timedelta(minutes=1))
    assert not is_paused(stage)
    assert replicas(stage) == 2


def test_a_twin_belongs_to_one_canary() -> None:
    """Two canaries with one autoscaler would fight for its twin: the younger is told."""
    stage = scaled()
    stage.create(resources.DEPLOYMENTS, a_deployment(name="till-app"))
    target = {**TARGET, "name": "till-app"}
    metadata = {"name": "till", "namespace": "shop"}
    stage.create(resources.CANARIES, {**of_hpa(targetRef=target), "metadata": metadata})
    stage.wait(timedelta(minutes=1))
    conditions = live(stage, resources.CANARIES, "till")["status"]["conditions"]
    accepted = next(each for each in conditions if each["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "NameConflict")
    assert accepted["message"].startswith('spec.autoscalerRef.name: Invalid value: "cart-hpa": ')


def test_a_primary_that_was_lost_comes_back_with_its_autoscaler() -> None:
    """Both are made anew, within one interval."""
    stage = scaled()
    stage.kube.delete(resources.DEPLOYMENTS, "shop", "cart-app-primary")
    stage.kube.delete(HPA, "shop", "cart-hpa-primary")
    stage.run(lambda on: replicas(on, "cart-app-primary") > 0, within=LONG)
    stage.settle()
    assert live(stage, HPA, "cart-hpa-primary")["spec"]["maxReplicas"] == 4
