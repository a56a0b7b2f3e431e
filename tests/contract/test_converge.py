"""The writer of workloads against every API server: the sandbox's and a real one.

What the unit tests cannot show: that what servers fill in never makes a primary look different
from its target, that real validation accepts our objects, and that preconditions hold on the wire.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import pytest

from clients import errors
from clients.documents.notice import Notice
from clients.documents.outcome import Applied, Outcome, Rejected, Superseded
from clients.documents.world import World
from clients.kube import resources
from clients.kube.protocol import Kube
from config.api.canary import Canary
from config.api.hooks import AlertSeverity
from config.scaling import CanaryScale, WorkloadIntent
from notify import kubernetes_events
from tests.contract.conftest import Place
from tests.outcomes import wrote
from workloads import deployment
from workloads.converge import Convergence
from workloads.primary import Copying
from workloads.tracker_configs import Configs

KEYS: Final = ("app", "name", "app.kubernetes.io/name")
TARGET, PRIMARY = "shop", "shop-primary"
APART: Final = {"labelSelector": {"matchLabels": {"app": TARGET}}, "topologyKey": "zone"}
POD: Final = {
    "containers": [
        {
            "name": "shop",
            "image": "shop:1",
            "ports": [{"name": "http", "containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
            "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            "resources": {"limits": {"memory": "64Mi"}},
        }
    ],
    "volumes": [{"name": "scratch", "emptyDir": {}}],
    "topologySpreadConstraints": [{"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", **APART}],
    "affinity": {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": APART}
            ]
        }
    },
}
"""A pod spec with much that servers default."""


@dataclass
class Cluster:
    """A server behind its door, with a target and its canary in a namespace of the test's own."""

    door: Kube
    namespace: str
    canary: Canary = field(init=False)

    def __post_init__(self) -> None:
        """Create the target and the canary that owns its primary."""
        template = {"metadata": {"labels": {"app": TARGET}}, "spec": POD}
        spec = {"replicas": 2, "selector": {"matchLabels": {"app": TARGET}}, "template": template}
        self.create(resources.DEPLOYMENTS, TARGET, {"spec": spec})
        reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": TARGET}
        analysis = {"interval": "1m", "threshold": 5, "stepWeight": 10, "maxWeight": 50}
        manifest = {"targetRef": reference, "service": {"port": 80}, "analysis": analysis}
        created = self.create(resources.CANARIES, "shop", {"spec": manifest})
        self.canary = Canary.model_validate(created)

    def create(self, resource: Any, name: str, body: dict[str, Any]) -> Any:
        """A new object."""
        metadata = {"name": name, "namespace": self.namespace}
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        return self.door.create(resource, self.namespace, {**kind, "metadata": metadata, **body})

    def raw(self, name: str) -> Any:
        """A Deployment as it is."""
        return self.door.get(resources.DEPLOYMENTS, self.namespace, name)

    def view(self, name: str) -> Any:
        """The view of a Deployment, None when there is none."""
        try:
            return deployment.project(self.raw(name), KEYS)
        except errors.NotFound:
            return None

    def edit(self, name: str, spec: dict[str, Any]) -> None:
        """Somebody's change."""
        self.door.patch(resources.DEPLOYMENTS, self.namespace, name, {"spec": spec})

    def release(self, image: str) -> str:
        """The revision of the target, now with another image."""
        containers = [{**POD["containers"][0], "image": image}]  # type: ignore[index]
        self.edit(TARGET, {"template": {"spec": {"containers": containers}}})
        return str(self.view(TARGET).revision)

    def converge(
        self,
        canary: CanaryScale,
        world: World | None = None,
        superseded: Callable[[], bool] = lambda: False,
        **intent: Any,
    ) -> Outcome:
        """What came of an intent, with an up-to-date watch."""
        seen = world or World(target=self.view(TARGET), primary=self.view(PRIMARY))
        wanted = WorkloadIntent(1, canary, **intent)
        copying = Copying(KEYS)
        configs = Configs.of(self.door, self.canary, lambda: secrets.token_bytes(32), seen)
        one = Convergence(self.door, self.canary, wanted, seen, superseded, copying, configs)
        return one.bring_about()


@pytest.fixture
def cluster(place: Place) -> Cluster:
    """Each server in turn."""
    return Cluster(*place)


def test_a_primary_is_accepted_and_has_its_target_s_revision(cluster: Cluster) -> None:
    """Whatever defaults the server fills in; and everything is as intended from then on."""
    assert wrote(cluster.converge(CanaryScale.LEAVE))
    assert cluster.view(PRIMARY).revision == cluster.view(TARGET).revision
    assert cluster.raw(PRIMARY)["spec"]["selector"]["matchLabels"] == {"app": PRIMARY}
    assert cluster.converge(CanaryScale.LEAVE) == Applied()


def test_a_rollout_s_writes_are_accepted(cluster: Cluster) -> None:
    """Parked, scaled up, promoted under an unseen write, scaled down."""
    cluster.converge(CanaryScale.LEAVE)
    old = cluster.view(PRIMARY).revision
    assert wrote(cluster.converge(CanaryScale.ZERO, base=old))
    assert cluster.raw(TARGET)["spec"]["replicas"] == 0
    new = cluster.release("shop:2")
    assert new != old
    assert wrote(cluster.converge(CanaryScale.RUNNING, base=old))
    assert cluster.raw(TARGET)["spec"]["replicas"] == 2
    before = cluster.raw(PRIMARY)
    assert wrote(cluster.converge(CanaryScale.RUNNING, promote=new, base=old))
    after = cluster.raw(PRIMARY)
    assert cluster.view(PRIMARY).revision == new
    assert after["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]
    assert {**after["spec"], "template": None} == {**before["spec"], "template": None}
    assert wrote(cluster.converge(CanaryScale.ZERO, base=new))
    assert cluster.converge(CanaryScale.ZERO, base=new) == Applied()


def test_a_stale_primary_is_not_overwritten(cluster: Cluster) -> None:
    """The resourceVersion of what was read is a precondition of the write."""
    cluster.converge(CanaryScale.LEAVE)
    read = cluster.raw(PRIMARY)
    cluster.edit(PRIMARY, {"paused": True})
    with pytest.raises(errors.Conflict):
        cluster.door.replace(resources.DEPLOYMENTS, cluster.namespace, PRIMARY, read)


def test_a_changed_target_is_not_promoted(cluster: Cluster) -> None:
    """D-9."""
    cluster.converge(CanaryScale.LEAVE)
    old, analysed = cluster.view(PRIMARY).revision, cluster.release("shop:2")
    cluster.release("shop:3")
    result = cluster.converge(CanaryScale.RUNNING, promote=analysed, base=old)
    assert isinstance(result, Superseded)
    assert result.observed == {"target": cluster.view(TARGET)}
    assert cluster.view(PRIMARY).revision == old


def test_a_missing_target_is_told(cluster: Cluster) -> None:
    """23, with the server's own words."""
    cluster.door.delete(resources.DEPLOYMENTS, cluster.namespace, TARGET)
    result = cluster.converge(CanaryScale.LEAVE)
    assert isinstance(result, Rejected)
    assert result.message.startswith(f"deployment {TARGET}.{cluster.namespace} get query error: ")


def test_events_are_accepted_once(cluster: Cluster) -> None:
    """However long the text; a second delivery finds the first."""
    notice = Notice(
        id="000000000001-0",
        uid=cluster.canary.metadata.uid or "",
        at=datetime.fromisoformat("2026-03-01T12:00:00.123456+00:00"),
        severity=AlertSeverity.WARN,
        message="ü" * 5000,
    )
    body = kubernetes_events.event(cluster.canary.ref, notice)
    created = cluster.door.create(resources.EVENTS, cluster.namespace, body)
    assert created["source"]["component"] == "flagger"
    assert created["firstTimestamp"] == "2026-03-01T12:00:00Z"
    with pytest.raises(errors.AlreadyExists):
        cluster.door.create(resources.EVENTS, cluster.namespace, body)


def test_a_late_scaling_does_not_touch_a_target_that_was_edited_since(cluster: Cluster) -> None:
    """The patch holds for the generation that it was decided from; a status is no edit."""
    cluster.converge(CanaryScale.LEAVE)
    before = World(target=cluster.view(TARGET), primary=cluster.view(PRIMARY))
    told = {"status": {"observedGeneration": 1}}
    cluster.door.patch(resources.DEPLOYMENTS, cluster.namespace, TARGET, told, subresource="status")
    assert wrote(cluster.converge(CanaryScale.ZERO, world=before))
    assert cluster.raw(TARGET)["spec"]["replicas"] == 0

    cluster.edit(TARGET, {"replicas": 2})
    late = cluster.converge(CanaryScale.ZERO, world=before, superseded=lambda: True)
    assert isinstance(late, Superseded)
    assert cluster.raw(TARGET)["spec"]["replicas"] == 2
    assert wrote(cluster.converge(CanaryScale.ZERO, world=before))
    assert cluster.raw(TARGET)["spec"]["replicas"] == 0


def test_a_status_is_written_under_the_version_it_was_computed_from_only(cluster: Cluster) -> None:
    """Late, or about an object that was deleted and made anew: a conflict, and no change."""

    def write(version: str) -> Any:
        patch = {"metadata": {"resourceVersion": version}, "status": {"phase": "Failed"}}
        place = (resources.CANARIES, cluster.namespace, "shop")
        return cluster.door.patch(*place, patch, subresource="status")

    place = (resources.CANARIES, cluster.namespace, "shop")
    first = cluster.door.get(*place)
    cluster.door.patch(*place, {"status": {"phase": "Progressing"}}, subresource="status")
    with pytest.raises(errors.Conflict):
        write(first["metadata"]["resourceVersion"])
    canary = cluster.door.get(*place)
    assert canary["status"]["phase"] == "Progressing"
    written = write(canary["metadata"]["resourceVersion"])
    assert written["status"]["phase"] == "Failed"
    assert written["metadata"]["generation"] == canary["metadata"]["generation"]
