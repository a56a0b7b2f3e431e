"""The deployment controller rolls Deployments out in simulated time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clients.clock import ManualClock
from sandbox.apiserver import Store
from sandbox.controllers import DeploymentController, pods

DEPLOYMENTS, PODS, SETS = "deployments.apps", "pods", "replicasets.apps"


class Cluster:
    """A store with a controller, and a clock that only moves by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.store = Store(self.clock.now)
        self.store.create("namespaces", {"metadata": {"name": "default"}})
        ready_after = timedelta(seconds=0.5)
        self.controller = DeploymentController(self.store, self.clock.now, ready_after)

    def create(self, replicas: int = 1, annotations: dict[str, str] | None = None) -> None:
        """Makes the Deployment `web` and lets the controller work."""
        template = {
            "metadata": {"labels": {"app": "web"}, "annotations": annotations or {}},
            "spec": {"containers": [{"name": "app", "image": "podinfo:1"}]},
        }
        spec = {
            "replicas": replicas,
            "progressDeadlineSeconds": 10,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template,
        }
        manifest = {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}
        self.store.create(DEPLOYMENTS, manifest)
        self.controller.step()

    def patch(self, spec: dict[str, Any]) -> None:
        """Merges `spec` into the Deployment's and lets the controller work."""
        self.store.patch(DEPLOYMENTS, "default", "web", {"spec": spec})
        self.controller.step()

    def template(self, image: str, **annotations: str) -> None:
        """Changes the pod template."""
        containers = [{"name": "app", "image": image}]
        metadata = {"annotations": annotations}
        self.patch({"template": {"metadata": metadata, "spec": {"containers": containers}}})

    def wait(self, seconds: float) -> None:
        """Moves the clock, stopping wherever the controller has something due."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while (due := self.controller.step()) is not None and due <= end:
            self.clock.advance(due - self.clock.now())
        self.clock.advance(end - self.clock.now())
        self.controller.step()

    @property
    def deployment(self) -> dict[str, Any]:
        """The Deployment as stored."""
        return self.store.get(DEPLOYMENTS, "default", "web")

    def waiting(self) -> list[str]:
        """Why containers wait, as `kubectl get pods` shows it."""
        states = [pod["status"]["containerStatuses"][0] for pod in self.store.list(PODS)]
        return [
            each["state"]["waiting"]["reason"]
            for each in states
            if "waiting" in each["state"] and not each["ready"]
        ]

    def reason(self, kind: str = "Progressing") -> str:
        """The reason of one condition."""
        conditions = self.deployment["status"]["conditions"]
        return str(next(item["reason"] for item in conditions if item["type"] == kind))


def test_pods_become_ready_after_the_default_time() -> None:
    """Unavailable at once, available half a second later."""
    cluster = Cluster()
    cluster.create(replicas=2)
    assert cluster.deployment["status"]["unavailableReplicas"] == 2
    assert cluster.reason("Available") == "MinimumReplicasUnavailable"
    cluster.wait(0.4)
    assert "readyReplicas" not in cluster.deployment["status"]
    cluster.wait(0.1)
    status = cluster.deployment["status"]
    assert (status["readyReplicas"], status["availableReplicas"]) == (2, 2)
    assert cluster.reason() == "NewReplicaSetAvailable"
    assert status["observedGeneration"] == cluster.deployment["metadata"]["generation"] == 1


def test_a_template_says_how_long_its_pods_take() -> None:
    """The annotation ready-after replaces the default."""
    cluster = Cluster()
    cluster.create(annotations={pods.READY_AFTER: "2s"})
    cluster.wait(1.9)
    assert "readyReplicas" not in cluster.deployment["status"]
    cluster.wait(0.1)
    assert cluster.deployment["status"]["readyReplicas"] == 1


def test_an_image_that_cannot_be_pulled_exceeds_its_deadline() -> None:
    """The old pods stay, the new ones never become available, and a fixed template recovers."""
    cluster = Cluster()
    cluster.create(replicas=2)
    cluster.wait(1)
    cluster.template("podinfo:2-no-such-image")
    cluster.wait(5)
    assert cluster.reason() != "ProgressDeadlineExceeded"
    assert cluster.waiting() == ["ImagePullBackOff"]
    cluster.wait(7)
    assert cluster.reason() == "ProgressDeadlineExceeded"
    assert cluster.deployment["status"]["availableReplicas"] == 2
    cluster.template("podinfo:3")
    cluster.wait(5)
    assert cluster.reason() == "NewReplicaSetAvailable"
    assert cluster.deployment["status"]["updatedReplicas"] == 2


def test_an_image_that_crashes_is_ready_for_a_while_and_then_no_more() -> None:
    """It passes for rolled out, then nothing is available and stays so; a mended one recovers."""
    cluster = Cluster()
    cluster.create(replicas=2)
    cluster.wait(1)
    cluster.template("podinfo:2-crash")
    cluster.wait(3)
    assert cluster.deployment["status"]["availableReplicas"] == 2
    assert cluster.reason() == "NewReplicaSetAvailable"
    assert cluster.waiting() == []
    cluster.wait(pods.RUNS_FOR.total_seconds())
    for _ in range(2):
        assert "availableReplicas" not in cluster.deployment["status"]
        assert cluster.reason("Available") == "MinimumReplicasUnavailable"
        assert cluster.waiting() == ["CrashLoopBackOff"] * 2
        cluster.wait(60)
    cluster.template("podinfo:3")
    cluster.wait(5)
    assert cluster.deployment["status"]["availableReplicas"] == 2


def test_a_new_template_replaces_the_pods() -> None:
    """One ReplicaSet per template; only the newest has pods; the revision counts up."""
    cluster = Cluster()
    cluster.create(replicas=3)
    cluster.wait(1)
    cluster.template("podinfo:2")
    cluster.wait(5)
    images = {item["spec"]["containers"][0]["image"] for item in cluster.store.list(PODS)}
    assert images == {"podinfo:2"}
    assert len(cluster.store.list(PODS)) == 3
    assert sorted(item["spec"]["replicas"] for item in cluster.store.list(SETS)) == [0, 3]
    annotations = cluster.deployment["metadata"]["annotations"]
    assert annotations["deployment.kubernetes.io/revision"] == "2"
    assert cluster.deployment["metadata"]["generation"] == 2


def test_an_old_template_gets_its_old_set_back() -> None:
    """Going back makes no third ReplicaSet, and is a new revision."""
    cluster = Cluster()
    cluster.create()
    cluster.wait(1)
    for image in ("podinfo:2", "podinfo:1"):
        cluster.template(image)
        cluster.wait(2)
    assert len(cluster.store.list(SETS)) == 2
    annotations = cluster.deployment["metadata"]["annotations"]
    assert annotations["deployment.kubernetes.io/revision"] == "3"


def test_scaling_adds_and_removes_pods_without_a_new_revision() -> None:
    """Up, down, to zero."""
    cluster = Cluster()
    cluster.create()
    cluster.wait(1)
    for replicas in (4, 2, 0):
        cluster.patch({"replicas": replicas})
        cluster.wait(1)
        assert len(cluster.store.list(PODS)) == replicas
        assert cluster.deployment["status"].get("availableReplicas", 0) == replicas
    assert cluster.reason() == "NewReplicaSetAvailable"
    assert len(cluster.store.list(SETS)) == 1


def test_a_settled_deployment_costs_no_writes() -> None:
    """Once all is done, a step leaves the store's revision as it was."""
    cluster = Cluster()
    cluster.create(replicas=2)
    cluster.wait(1)
    before = cluster.store.storage.revision
    cluster.wait(60)
    assert cluster.store.storage.revision == before


def test_a_deleted_pod_is_replaced() -> None:
    """The ReplicaSet gets its number of pods back."""
    cluster = Cluster()
    cluster.create(replicas=2)
    cluster.wait(1)
    gone = cluster.store.list(PODS)[0]["metadata"]["name"]
    cluster.store.delete(PODS, "default", gone)
    cluster.wait(1)
    names = {item["metadata"]["name"] for item in cluster.store.list(PODS)}
    assert len(names) == 2
    assert gone not in names


def test_a_deleted_deployment_leaves_nothing() -> None:
    """ReplicaSets and Pods go with it."""
    cluster = Cluster()
    cluster.create(replicas=2)
    cluster.store.delete(DEPLOYMENTS, "default", "web")
    cluster.wait(1)
    assert [*cluster.store.list(SETS), *cluster.store.list(PODS)] == []


def test_old_sets_beyond_the_history_limit_are_forgotten() -> None:
    """With revisionHistoryLimit 1 it keeps the present set and one old one."""
    cluster = Cluster()
    cluster.create()
    cluster.patch({"revisionHistoryLimit": 1})
    for number in range(2, 6):
        cluster.template(f"podinfo:{number}")
        cluster.wait(2)
    assert len(cluster.store.list(SETS)) == 2


@pytest.mark.parametrize("text", ["2", "2d", "soon"])
def test_a_duration_without_a_known_unit_is_refused(text: str) -> None:
    """The error names the annotation, the value and the units."""
    with pytest.raises(ValueError, match=r"ready-after: .* needs a unit: one of ms, s, m, h"):
        pods.parse_duration(text)
