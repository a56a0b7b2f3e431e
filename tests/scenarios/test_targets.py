"""Whole rollouts of targets that are no Deployments."""

from datetime import timedelta
from typing import Any, Final

import pytest

from clients import errors
from clients.kube import resources
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage
from tests.unit.analysis.worlds import a_manifest

PARKED: Final = {"flagger.app/scale-to-zero": "true"}
WAITING: Final = (
    "waiting for rollout to finish: 0 of 2 (readyThreshold 100%) updated pods are available"
)


# --- DaemonSets


def a_daemon_set(**spec: Any) -> dict[str, Any]:
    """The target cart-app.shop, on nodes with an SSD."""
    labels = {"app": "cart-app"}
    pod = {"containers": [{"name": "app", "image": "cart:1"}], "nodeSelector": {"disk": "ssd"}}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "cart-app", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def of_daemon_set(**spec: Any) -> dict[str, Any]:
    """The canary of that target."""
    ref = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "cart-app"}
    manifest = a_manifest(spec={"targetRef": ref, **spec})
    return {**manifest, "metadata": {"name": REF.name, "namespace": REF.namespace}}


def daemons(**spec: Any) -> Stage:
    """A stage on which the canary of a DaemonSet is initialized."""
    stage = Stage()
    stage.create(resources.DAEMON_SETS, a_daemon_set())
    stage.create(resources.CANARIES, of_daemon_set(**spec))
    stage.run(lambda on: on.phase() == "Initialized", within=timedelta(minutes=1))
    return stage


def pod(stage: Stage, name: str = "cart-app") -> Any:
    """The pod spec of a DaemonSet."""
    return stage.kube.get(resources.DAEMON_SETS, "shop", name)["spec"]["template"]["spec"]


def release(stage: Stage, image: str, *, broken: bool = False) -> None:
    """Another image for the target."""
    annotations = {"test/never-ready": "true" if broken else None}
    template = {
        "metadata": {"annotations": annotations},
        "spec": {"containers": [{"name": "app", "image": image}]},
    }
    stage.edit(resources.DAEMON_SETS, "cart-app", {"spec": {"template": template}})


def test_a_daemon_set_is_parked_by_its_node_selector_once_its_primary_serves() -> None:
    """5, 12: the primary runs where the target was to run; the other keys are the user's."""
    stage = daemons()
    assert pod(stage)["nodeSelector"] == {"disk": "ssd", **PARKED}
    assert pod(stage, "cart-app-primary")["nodeSelector"] == {"disk": "ssd"}
    assert stage.split == ALL_TO_PRIMARY
    assert stage.condition("Promoted")["message"] == "DaemonSet initialization completed."


def test_a_good_release_of_a_daemon_set_is_promoted() -> None:
    """Scaled up, measured step by step, copied, and parked again."""
    stage = daemons()
    release(stage, "cart:2")
    stage.run(lambda on: on.weights == [0, 20], within=LONG)
    assert pod(stage)["nodeSelector"] == {"disk": "ssd"}
    rollouts.finish(stage)
    assert stage.phase() == "Succeeded"
    assert stage.weights == [0, 20, 40, 60, 0]
    assert pod(stage, "cart-app-primary")["containers"][0]["image"] == "cart:2"
    assert pod(stage, "cart-app-primary")["nodeSelector"] == {"disk": "ssd"}
    assert pod(stage)["nodeSelector"] == {"disk": "ssd", **PARKED}
    assert rollouts.told(stage) == [
        *rollouts.BEGINNING,
        *rollouts.advance(20, 40, 60),
        *rollouts.ENDING,
    ]


def test_a_bad_release_of_a_daemon_set_is_rolled_back() -> None:
    """The primary keeps what it has, the target is parked."""
    stage = daemons()
    release(stage, "cart:2")
    stage.run(lambda on: on.weights == [0, 20], within=LONG)
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    assert stage.phase() == "Failed"
    assert stage.split == ALL_TO_PRIMARY
    assert pod(stage, "cart-app-primary")["containers"][0]["image"] == "cart:1"
    assert pod(stage)["nodeSelector"] == {"disk": "ssd", **PARKED}
    assert stage.condition("Promoted")["message"].startswith(
        "Canary analysis failed, DaemonSet scaled to zero."
    )


def test_a_daemon_set_that_never_becomes_ready_is_rolled_back_at_its_deadline() -> None:
    """8.2, row 3, counted from the release (D-28); texts as scripts know them, typo included."""
    stage = daemons(progressDeadlineSeconds=120)
    stage.wait(timedelta(hours=1))
    release(stage, "cart:2", broken=True)
    began = stage.clock.now()
    rollouts.finish(stage)
    assert stage.phase() == "Failed"
    assert stage.clock.now() - began >= timedelta(seconds=120)
    cause = "exceeded its progressDeadlineSeconds: 120"
    prefix = "canary damonset cart-app.shop not ready with retryable"
    texts = rollouts.told(stage)
    assert f"{prefix} true: {WAITING}" in texts
    assert f"{prefix} false: {cause}" in texts
    assert f"Rolling back cart.shop progress deadline exceeded {cause}" in texts
    assert stage.weights == [0]


def test_a_primary_daemon_set_with_a_pod_down_waits_and_fails_nothing() -> None:
    """D-28: nobody knows since when it is; the release waits for it."""
    stage = daemons()
    stage.wait(timedelta(hours=1))
    stage.kubelet.few["cart-app-primary"] = 1
    stage.settle()
    release(stage, "cart:2")
    stage.wait(timedelta(minutes=20))
    assert stage.phase() == "Initialized"
    assert stage.condition("Waiting")["message"].startswith(
        "primary daemonset cart-app-primary.shop not ready: waiting for rollout to finish: 1 of 2"
    )
    stage.kubelet.few.clear()
    rollouts.finish(stage)
    assert stage.phase() == "Succeeded"


def test_a_primary_made_anew_runs_although_its_target_is_parked() -> None:
    """D-13: in Flagger the copy keeps the key, and schedules nowhere."""
    stage = daemons()
    stage.kube.delete(resources.DAEMON_SETS, "shop", "cart-app-primary")
    stage.wait(timedelta(minutes=1))
    assert pod(stage, "cart-app-primary")["nodeSelector"] == {"disk": "ssd"}
    assert stage.split == ALL_TO_PRIMARY


def test_a_promotion_of_a_daemon_set_that_fails_leaves_everything_on_the_canary() -> None:
    """11: the primary dies of its copy; the canary is not parked."""
    stage = daemons(progressDeadlineSeconds=120)
    release(stage, "cart:2")
    stage.run(lambda on: on.weights == [0, 20], within=LONG)
    stage.kubelet.held.add("cart-app-primary")
    stage.run(lambda on: on.split == ALL_TO_CANARY, within=LONG)
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    assert pod(stage)["nodeSelector"] == {"disk": "ssd"}
    stage.kubelet.held.clear()
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    assert stage.split == ALL_TO_PRIMARY


def test_a_target_whose_pods_are_not_replaced_waits_and_says_why() -> None:
    """5.2: `OnDelete` has no primary."""
    stage = Stage()
    stage.create(resources.DAEMON_SETS, a_daemon_set(updateStrategy={"type": "OnDelete"}))
    stage.create(resources.CANARIES, of_daemon_set())
    stage.wait(timedelta(minutes=1))
    told = (
        "createPrimaryDaemonSet failed: daemonset cart-app.shop must have RollingUpdate strategy "
        "but have OnDelete"
    )
    assert told in stage.texts()
    assert told in stage.condition("Waiting")["message"]
    with pytest.raises(errors.NotFound):
        pod(stage, "cart-app-primary")
    strategy = {"spec": {"updateStrategy": {"type": "RollingUpdate"}}}
    stage.edit(resources.DAEMON_SETS, "cart-app", strategy)
    stage.run(lambda on: on.phase() == "Initialized", within=timedelta(minutes=1))
