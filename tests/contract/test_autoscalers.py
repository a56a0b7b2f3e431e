"""The writer of autoscalers against every API server: the sandbox's and a real one.

What the unit tests cannot show: that real validation accepts our twins, that what servers fill in
never makes a twin look out of step, and that preconditions hold on the wire.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from clients import errors
from clients.documents.outcome import Applied, Outcome, Rejected
from clients.documents.world import World
from clients.kube import resources
from clients.kube.protocol import Kube, PatchKind
from clients.kube.resources import Resource
from config.api.canary import Canary
from config.scaling import CanaryScale, WorkloadIntent
from tests.contract.conftest import Place
from workloads import deployment
from workloads.converge import Convergence
from workloads.primary import Copying
from workloads.scalers.scaler import projected
from workloads.tracker_configs import Configs

KEYS: Final = ("app",)
HPA, KEDA = resources.HORIZONTAL_POD_AUTOSCALERS, resources.SCALED_OBJECTS
TARGET: Final = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
SOURCES: Final[dict[Resource, dict[str, Any]]] = {
    HPA: {
        "scaleTargetRef": TARGET,
        "maxReplicas": 4,
        "behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 9}]}},
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 99},
                },
            },
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "rps", "selector": {"matchLabels": {"app": "shop"}}},
                    "target": {"type": "AverageValue", "averageValue": "0.5"},
                },
            },
        ],
    },
    KEDA: {
        "scaleTargetRef": TARGET,
        "maxReplicaCount": 4,
        "novelty": {"deep": [1, 2.5]},
        "triggers": [
            {"type": "prometheus", "metadata": {"query": "sum(rate(http{app='shop'}[1m]))"}}
        ],
    },
}


@dataclass
class Cluster:
    """A target, its canary and its autoscaler, in a namespace of the test's own."""

    door: Kube
    namespace: str
    kind: Resource
    canary: Canary = field(init=False)

    def __post_init__(self) -> None:
        """Create all of them."""
        labels = {"app": "shop"}
        pod = {"containers": [{"name": "shop", "image": "shop:1"}]}
        template = {"metadata": {"labels": labels}, "spec": pod}
        spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
        self.create(resources.DEPLOYMENTS, "shop", spec)
        self.create(self.kind, "shop", SOURCES[self.kind])
        ref = {"apiVersion": "autoscaling/v2beta2", "kind": self.kind.kind, "name": "shop"}
        canary = {
            "targetRef": TARGET,
            "autoscalerRef": ref,
            "service": {"port": 80},
            "analysis": {"interval": "1m", "threshold": 5, "stepWeight": 10},
        }
        self.canary = Canary.model_validate(self.create(resources.CANARIES, "shop", canary))

    def create(self, resource: Resource, name: str, spec: dict[str, Any]) -> Any:
        """A new object."""
        metadata = {"name": name, "namespace": self.namespace}
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        return self.door.create(
            resource, self.namespace, {**kind, "metadata": metadata, "spec": spec}
        )

    def raw(self, resource: Resource, name: str) -> Any:
        """An object as it is; None when there is none."""
        try:
            return self.door.get(resource, self.namespace, name)
        except errors.NotFound:
            return None

    def twin(self) -> Any:
        """The primary's autoscaler."""
        return self.raw(self.kind, "shop-primary")

    def world(self) -> World:
        """What an up-to-date watch shows."""
        views = {
            role: deployment.project(raw, KEYS) if raw else None
            for role, raw in (
                ("target", self.raw(resources.DEPLOYMENTS, "shop")),
                ("primary", self.raw(resources.DEPLOYMENTS, "shop-primary")),
            )
        }
        source, twin = self.raw(self.kind, "shop"), self.twin()
        kept = {"scaler": projected(source), "twin": projected(twin) if twin else None}
        return World(**views, **kept)  # type: ignore[arg-type]

    def converge(self, scale: CanaryScale, **intent: Any) -> Outcome:
        """What came of an intent."""
        wanted, copying = WorkloadIntent(1, scale, **intent), Copying(KEYS)
        world = self.world()
        configs = Configs.of(self.door, self.canary, bytes, world)
        one = Convergence(self.door, self.canary, wanted, world, lambda: False, copying, configs)
        return one.bring_about()


@pytest.fixture(params=[HPA, KEDA], ids=["hpa", "keda"])
def cluster(place: Place, request: pytest.FixtureRequest) -> Cluster:
    """Each server in turn, with each kind of autoscaler."""
    return Cluster(*place, request.param)


def test_a_twin_is_accepted_and_in_step_from_then_on(cluster: Cluster) -> None:
    """Whatever defaults the server fills in."""
    outcome = cluster.converge(CanaryScale.LEAVE)
    assert isinstance(outcome, Applied)
    assert outcome.written["twin"] == projected(cluster.twin())
    spec = cluster.twin()["spec"]
    assert spec["scaleTargetRef"] == {**TARGET, "name": "shop-primary"}
    source = cluster.raw(cluster.kind, "shop")["spec"]
    ours = {"scaleTargetRef", "triggers", "advanced"}
    assert {k: v for k, v in spec.items() if k not in ours} == {
        k: v for k, v in source.items() if k not in ours
    }
    assert cluster.converge(CanaryScale.LEAVE) == Applied()


def test_an_edited_source_is_followed_field_by_field(cluster: Cluster) -> None:
    """What was taken out of the source is taken out of the twin."""
    cluster.converge(CanaryScale.LEAVE)
    most = "maxReplicas" if cluster.kind == HPA else "maxReplicaCount"
    extra = "behavior" if cluster.kind == HPA else "novelty"
    edit = {"spec": {most: 40, extra: None}}
    cluster.door.patch(cluster.kind, cluster.namespace, "shop", edit)
    assert isinstance(cluster.converge(CanaryScale.LEAVE), Applied)
    spec = cluster.twin()["spec"]
    assert spec[most] == 40
    assert extra not in spec
    assert cluster.converge(CanaryScale.LEAVE) == Applied()


def test_a_twin_is_written_under_the_version_that_was_read(cluster: Cluster) -> None:
    """A JSON patch that names a resourceVersion is refused once somebody has written."""
    cluster.converge(CanaryScale.LEAVE)
    version = cluster.twin()["metadata"]["resourceVersion"]
    place = (cluster.kind, cluster.namespace, "shop-primary")
    cluster.door.patch(*place, {"metadata": {"labels": {"own": "1"}}})
    guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
    change = {"op": "add", "path": "/metadata/labels", "value": {"late": "1"}}
    with pytest.raises(errors.Conflict):
        cluster.door.patch(*place, [guard, change], kind=PatchKind.JSON)
    assert cluster.twin()["metadata"]["labels"] == {"own": "1"}


def test_bounds_that_the_server_refuses_are_told(cluster: Cluster) -> None:
    """In its own words; scaling is as intended all the same."""
    if cluster.kind == KEDA:
        pytest.skip("the definition has no rule about bounds")
    bounds = {"primaryScalerReplicas": {"minReplicas": 9}}
    spec = {"spec": {"autoscalerRef": bounds}}
    edited = cluster.door.patch(resources.CANARIES, cluster.namespace, "shop", spec)
    cluster.canary = Canary.model_validate(edited)
    outcome = cluster.converge(CanaryScale.ZERO)
    assert isinstance(outcome, Rejected)
    assert outcome.in_force
    assert "maxReplicas" in outcome.message
    assert cluster.raw(resources.DEPLOYMENTS, "shop")["spec"]["replicas"] == 0


def test_a_pause_is_written_and_taken_back(cluster: Cluster) -> None:
    """On the user's object nothing else changes; an HPA needs none."""
    cluster.converge(CanaryScale.LEAVE)
    before = cluster.raw(cluster.kind, "shop")
    cluster.converge(CanaryScale.ZERO)
    parked = cluster.raw(cluster.kind, "shop")
    paused = {"autoscaling.keda.sh/paused-replicas": "0"} if cluster.kind == KEDA else {}
    assert (parked["metadata"].get("annotations") or {}) == paused
    assert cluster.converge(CanaryScale.ZERO) == Applied()
    cluster.converge(CanaryScale.RUNNING)
    after = cluster.raw(cluster.kind, "shop")
    assert not after["metadata"].get("annotations")
    assert after["spec"] == before["spec"] == parked["spec"]
    assert cluster.raw(resources.DEPLOYMENTS, "shop")["spec"]["replicas"] == 1
