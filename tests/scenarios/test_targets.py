"""Whole rollouts of targets that are no Deployments."""

import json
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


# --- Services


def of_service() -> dict[str, Any]:
    """The canary of the Service cart-app.shop."""
    ref = {"apiVersion": "v1", "kind": "Service", "name": "cart-app"}
    manifest = a_manifest(spec={"targetRef": ref})
    return {**manifest, "metadata": {"name": REF.name, "namespace": REF.namespace}}


def with_service(**spec: Any) -> Stage:
    """A stage on which the canary of a Service is initialized."""
    stage = Stage()
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    target = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "cart-app",
            "namespace": "shop",
            "labels": {"team": "web"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "own": "1"},
        },
        "spec": {"selector": {"app": "cart", "v": "1"}, "ports": ports, **spec},
    }
    stage.create(resources.SERVICES, target)
    stage.create(resources.CANARIES, of_service())
    stage.run(lambda on: on.phase() == "Initialized", within=timedelta(minutes=1))
    return stage


def service(stage: Stage, name: str) -> Any:
    """A Service as it is."""
    return stage.kube.get(resources.SERVICES, "shop", name)


def selected(stage: Stage, name: str) -> str:
    """The version whose pods a Service selects."""
    return str(service(stage, name)["spec"]["selector"]["v"])


def test_the_copies_of_a_target_service_field_by_field() -> None:
    """3, "targetRef of kind Service": labels, annotations and spec; addresses of their own."""
    stage = with_service(sessionAffinity="ClientIP")
    target = service(stage, "cart-app")
    for name in ("cart-app-canary", "cart-app-primary"):
        copy = service(stage, name)
        assert copy["metadata"]["labels"] == {"team": "web"}
        assert copy["metadata"]["annotations"] == {"own": "1"}
        owner = copy["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("Canary", "cart", True)
        assert copy["spec"]["clusterIP"] != target["spec"]["clusterIP"]
        allocated = ("clusterIP", "clusterIPs")
        assert {k: v for k, v in copy["spec"].items() if k not in allocated} == {
            k: v for k, v in target["spec"].items() if k not in allocated
        }
    assert stage.split == ALL_TO_PRIMARY


def test_a_good_release_of_a_service_is_promoted() -> None:
    """The canary's copy follows at once; the primary's gets it with the promotion."""
    stage = with_service()
    before = service(stage, "cart-app-primary")
    stage.edit(resources.SERVICES, "cart-app", {"spec": {"selector": {"v": "2"}}})
    stage.run(lambda on: on.weights == [0, 20], within=LONG)
    assert [selected(stage, f"cart-app-{side}") for side in ("canary", "primary")] == ["2", "1"]
    rollouts.finish(stage)
    assert stage.phase() == "Succeeded"
    assert stage.weights == [0, 20, 40, 60, 0]
    assert [selected(stage, f"cart-app-{side}") for side in ("canary", "primary")] == ["2", "2"]
    after = service(stage, "cart-app-primary")
    assert after["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]
    assert after["spec"]["clusterIP"] == before["spec"]["clusterIP"]
    assert rollouts.told(stage) == [
        *rollouts.BEGINNING,
        *rollouts.advance(20, 40, 60),
        *rollouts.ENDING,
    ]


def test_a_bad_release_of_a_service_is_rolled_back() -> None:
    """The primary's copy keeps what it has."""
    stage = with_service()
    stage.edit(resources.SERVICES, "cart-app", {"spec": {"selector": {"v": "2"}}})
    stage.run(lambda on: on.weights == [0, 20], within=LONG)
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    assert stage.phase() == "Failed"
    assert stage.split == ALL_TO_PRIMARY
    assert selected(stage, "cart-app-primary") == "1"
    assert service(stage, "cart-app")["spec"]["selector"]["v"] == "2"


def test_an_idle_service_costs_no_write() -> None:
    """D-86: in Flagger the canary's copy is written at every tick."""
    stage = with_service()
    stage.wait(timedelta(minutes=1))
    calls = len(stage.door.calls)
    stage.wait(timedelta(hours=1))
    assert stage.door.calls[calls:] == []


def test_copies_edited_by_hand_are_brought_back() -> None:
    """The canary's at once; the primary's keeps its revision, which nobody else may change."""
    stage = with_service()
    stage.edit(resources.SERVICES, "cart-app-canary", {"spec": {"selector": {"v": "9"}}})
    stage.settle()
    assert selected(stage, "cart-app-canary") == "1"


# --- Knative Services


def knative(**spec: Any) -> Stage:
    """A stage on which the canary of the Knative Service cart-app.shop is initialized."""
    stage = Stage()
    containers = [{"image": "cart:1"}]
    applied = json.dumps({"spec": {"template": {"spec": {"containers": containers}}}})
    target = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": "cart-app",
            "namespace": "shop",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied},
        },
        "spec": {"template": {"spec": {"containers": containers}}},
    }
    ref = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "cart-app"}
    manifest = a_manifest(spec={"targetRef": ref, "provider": "knative", **spec})
    del manifest["spec"]["service"]
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.KNATIVE_SERVICES, target)
    stage.create(resources.CANARIES, {**manifest, "metadata": metadata})
    stage.run(lambda on: on.phase() == "Initialized", within=timedelta(minutes=1))
    return stage


def served(stage: Stage) -> Any:
    """The Knative Service as it is."""
    return stage.kube.get(resources.KNATIVE_SERVICES, "shop", "cart-app")


def entries(latest: int, name: str, primary: int) -> list[dict[str, Any]]:
    """Traffic entries as the reference has them."""
    return [
        {"latestRevision": True, "percent": latest},
        {"revisionName": name, "percent": primary},
    ]


def release_knative(stage: Stage, image: str, *, broken: bool = False) -> None:
    """Another template."""
    annotations = {"test/never-ready": "true"} if broken else {}
    template = {
        "metadata": {"annotations": annotations},
        "spec": {"containers": [{"image": image}]},
    }
    stage.edit(resources.KNATIVE_SERVICES, "cart-app", {"spec": {"template": template}})


def primary_revision(stage: Stage) -> str:
    """The primary's revision, as the annotation has it."""
    return str(served(stage)["metadata"]["annotations"]["flagger.app/primary-revision"])


def test_a_knative_service_is_initialized_with_its_first_revision_as_primary() -> None:
    """15: the annotation and two entries, and nothing else is made."""
    stage = knative()
    assert primary_revision(stage) == "cart-app-00001"
    assert served(stage)["spec"]["traffic"] == entries(0, "cart-app-00001", 100)
    assert stage.kube.list(resources.SERVICES).items == ()
    assert stage.kube.list(resources.DEPLOYMENTS).items == ()


def test_a_good_revision_of_a_knative_service_is_promoted() -> None:
    """The annotation follows what was promoted; the latest revision is given nothing again."""
    stage = knative()
    release_knative(stage, "cart:2")
    stage.run(lambda on: on.weights == [0, 20], within=LONG)
    assert served(stage)["spec"]["traffic"] == entries(20, "cart-app-00001", 80)
    rollouts.finish(stage)
    assert stage.phase() == "Succeeded"
    assert stage.weights == [0, 20, 40, 60, 0]
    assert primary_revision(stage) == "cart-app-00002"
    assert served(stage)["spec"]["traffic"] == entries(0, "cart-app-00002", 100)
    shown = (stage.status["lastAppliedSpec"], stage.status["lastPromotedSpec"])
    assert shown == ("cart-app-00002", "cart-app-00002")
    assert rollouts.told(stage) == [
        *rollouts.BEGINNING,
        *rollouts.advance(20, 40, 60),
        *rollouts.ENDING,
    ]


def test_a_bad_revision_of_a_knative_service_is_rolled_back() -> None:
    """Its primary was never touched; a later revision is tried again."""
    stage = knative()
    release_knative(stage, "cart:2")
    stage.run(lambda on: on.weights == [0, 20], within=LONG)
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    assert stage.phase() == "Failed"
    assert primary_revision(stage) == "cart-app-00001"
    assert served(stage)["spec"]["traffic"] == entries(0, "cart-app-00001", 100)
    stage.meters.source = measuring.healthy
    release_knative(stage, "cart:3")
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    assert primary_revision(stage) == "cart-app-00003"


def test_a_revision_that_is_not_ready_is_waited_for() -> None:
    """8.3: always retriable, so there is no deadline; nobody is led to it."""
    stage = knative()
    release_knative(stage, "cart:2", broken=True)
    stage.wait(timedelta(minutes=20))
    assert stage.phase() == "Progressing"
    assert stage.weights == [0]
    assert (
        "Knative Revision cart-app-00002.shop is not ready" in stage.condition("Waiting")["message"]
    )


def test_a_knative_service_that_loses_its_state_goes_on() -> None:
    """Its revisions are names, which are opaque to others, and compared with the live ones."""
    stage = knative()
    release_knative(stage, "cart:2")
    stage.run(lambda on: on.weights == [0, 20, 40], within=LONG)
    stage.forget_everything()
    rollouts.finish(stage)
    assert stage.phase() == "Succeeded"
    assert primary_revision(stage) == "cart-app-00002"


def test_traffic_entries_edited_by_hand_are_brought_back() -> None:
    """At once, with the weights of the moment."""
    stage = knative()
    stage.edit(
        resources.KNATIVE_SERVICES,
        "cart-app",
        {"spec": {"traffic": [{"latestRevision": True, "percent": 100}]}},
    )
    stage.settle()
    assert served(stage)["spec"]["traffic"] == entries(0, "cart-app-00001", 100)


def test_a_knative_service_that_is_given_back_loses_its_mark_and_keeps_its_traffic() -> None:
    """15, "Finalize": the annotation goes, and nothing else changes, whatever kubectl remembers."""
    stage = knative(revertOnDeletion=True)
    release_knative(stage, "cart:2")
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    stage.wait(timedelta(seconds=10))
    before = served(stage)
    stage.kube.delete(resources.CANARIES, "shop", REF.name)
    stage.wait(timedelta(minutes=1))
    assert stage.kube.list(resources.CANARIES).items == ()
    after = served(stage)
    assert after["spec"] == before["spec"]
    marks = dict(before["metadata"]["annotations"])
    assert marks.pop("flagger.app/primary-revision") == "cart-app-00002"
    assert after["metadata"]["annotations"] == marks


def test_a_target_service_whose_canary_is_deleted_stays_as_it_is() -> None:
    """19.2, 3 and 5: a target that is a Service was never written; its copies are collected."""
    stage = with_service()
    stage.edit_canary(revertOnDeletion=True)
    stage.wait(timedelta(seconds=10))
    before = service(stage, "cart-app")["spec"]
    stage.kube.delete(resources.CANARIES, "shop", REF.name)
    stage.wait(timedelta(minutes=1))
    assert stage.kube.list(resources.CANARIES).items == ()
    assert service(stage, "cart-app")["spec"] == before
