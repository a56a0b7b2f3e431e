"""Targets that are themselves traffic, against every API server: Services, and those of Knative.

What the unit tests cannot show: that real validation accepts our copies and entries (D-86: copies
that ask for another's addresses are refused), and that what servers fill in never makes a copy look
different from its source.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from clients import errors
from clients.documents.outcome import Applied, Outcome
from clients.documents.world import Admission, World
from clients.kube import resources
from clients.kube.protocol import Kube
from clients.kube.resources import Resource
from config import copies
from config.api.canary import Canary
from config.traffic import ALL_TO_PRIMARY, RouteIntent, RouteStage, TrafficSplit
from routing import metadata, registry
from routing.apply import Convergence
from routing.knative import KNATIVE_SERVICE
from routing.router import SOURCE, ServiceRole
from tests.contract.conftest import Place
from tests.outcomes import wrote

CORE, KNATIVE = resources.SERVICES, resources.KNATIVE_SERVICES
CORE_SPEC: Final = {
    "type": "NodePort",
    "selector": {"app": "shop", "v": "1"},
    "sessionAffinity": "ClientIP",
    "ports": [{"name": "http", "port": 80, "targetPort": "http"}, {"name": "b", "port": 81}],
}
KNATIVE_SPEC: Final = {"template": {"spec": {"containers": [{"image": "shop:1"}]}}}
NAMES: Final = {
    SOURCE: "shop",
    ServiceRole.CANARY.value: "shop-canary",
    ServiceRole.PRIMARY.value: "shop-primary",
}


@dataclass
class Cluster:
    """A target and its canary, in a namespace of the test's own."""

    door: Kube
    namespace: str
    kind: Resource
    provider: str
    spec: dict[str, Any]
    canary: Canary = field(init=False)

    def __post_init__(self) -> None:
        """Create both."""
        self.create(self.kind, self.spec)
        reference = {"apiVersion": self.kind.api_version, "kind": "Service", "name": "shop"}
        manifest = {
            "targetRef": reference,
            "provider": self.provider,
            "analysis": {"interval": "1m", "threshold": 5, "stepWeight": 10},
        }
        self.canary = Canary.model_validate(self.create(resources.CANARIES, manifest))

    def create(self, resource: Resource, spec: dict[str, Any]) -> Any:
        """A new object."""
        metadata = {"name": "shop", "namespace": self.namespace}
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        body = {**kind, "metadata": metadata, "spec": spec}
        return self.door.create(resource, self.namespace, body)

    def raw(self, name: str = "shop", kind: Resource | None = None) -> Any:
        """An object as it is, None when there is none."""
        try:
            return self.door.get(kind or self.kind, self.namespace, name)
        except errors.NotFound:
            return None

    def edit(self, spec: dict[str, Any]) -> None:
        """Somebody's change of the target."""
        self.door.patch(self.kind, self.namespace, "shop", {"spec": spec})

    def routes(self) -> dict[str, Any]:
        """What an up-to-date watch keeps."""
        if self.kind == KNATIVE:
            return {KNATIVE_SERVICE: metadata.bare(self.raw())}
        found = {role: self.raw(name) for role, name in NAMES.items()}
        mesh = registry.ROUTERS.chosen(self.canary).resources(self.canary)
        found |= {each.role: self.raw(each.name, each.resource) for each in mesh}
        return {role: metadata.bare(raw) for role, raw in found.items() if raw}

    def apply(
        self,
        split: TrafficSplit,
        stage: RouteStage = RouteStage.EXPOSED,
        *,
        promote: str = "",
        base: str = "",
    ) -> Outcome:
        """How applying an intent ended."""
        admission = Admission(uid=self.canary.metadata.uid, generation=1)
        world = World(admission=admission, routes=self.routes())
        intent, router = RouteIntent(1, stage, split), registry.ROUTERS.chosen(self.canary)
        one = Convergence(
            self.door,
            self.canary,
            intent,
            world,
            lambda: False,
            router,
            promote=promote,
            base=base,
        )
        return one.bring_about()


@pytest.fixture
def service(place: Place) -> Cluster:
    """A Service of the core group, on each server."""
    return Cluster(*place, CORE, "istio", CORE_SPEC)


@pytest.fixture
def knative(place: Place) -> Cluster:
    """A Knative Service, on each server; its controller is the test."""
    cluster = Cluster(*place, KNATIVE, "knative", KNATIVE_SPEC)
    revise(cluster, "shop-00001")
    return cluster


def revise(cluster: Cluster, name: str) -> None:
    """Knative makes a revision."""
    status = {"latestCreatedRevisionName": name, "latestReadyRevisionName": name}
    place = (KNATIVE, cluster.namespace, "shop")
    cluster.door.patch(*place, {"status": status}, subresource="status")


def test_copies_are_accepted_and_in_step_from_then_on(service: Cluster) -> None:
    """With addresses and node ports of their own."""
    assert wrote(service.apply(ALL_TO_PRIMARY))
    source = service.raw()["spec"]
    for name in ("shop-canary", "shop-primary"):
        copy = service.raw(name)["spec"]
        assert copies.revision(copy) == copies.revision(source)
        assert copy["clusterIP"] != source["clusterIP"]
        assert {port["nodePort"] for port in copy["ports"]}.isdisjoint(
            port["nodePort"] for port in source["ports"]
        )
    assert service.apply(ALL_TO_PRIMARY) == Applied()


def test_a_release_of_a_service_is_copied_side_by_side(service: Cluster) -> None:
    """The canary's at once, the primary's when it is promoted; addresses stay."""
    service.apply(ALL_TO_PRIMARY)
    before = {name: service.raw(name)["spec"] for name in ("shop-canary", "shop-primary")}
    old = copies.revision(service.raw()["spec"])
    service.edit({"selector": {"v": "2"}})
    new = copies.revision(service.raw()["spec"])
    assert wrote(service.apply(TrafficSplit(80, 20), base=old))
    selected = [service.raw(name)["spec"]["selector"]["v"] for name in before]
    assert selected == ["2", "1"]
    assert wrote(service.apply(TrafficSplit(80, 20), promote=new, base=old))
    for name, spec in before.items():
        after = service.raw(name)["spec"]
        assert after["selector"]["v"] == "2"
        assert (after["clusterIP"], after["ports"]) == (spec["clusterIP"], spec["ports"])
    assert service.apply(TrafficSplit(80, 20), promote=new, base=old) == Applied()


def test_a_knative_service_is_led_to_its_revisions(knative: Cluster) -> None:
    """Annotation first, entries once the primary is served, and the next primary's name."""
    assert wrote(knative.apply(ALL_TO_PRIMARY, RouteStage.SERVICES))
    raw = knative.raw()
    assert raw["metadata"]["annotations"] == {"flagger.app/primary-revision": "shop-00001"}
    assert "traffic" not in raw["spec"]
    assert wrote(knative.apply(ALL_TO_PRIMARY, base="shop-00001"))

    revise(knative, "shop-00002")
    assert wrote(knative.apply(TrafficSplit(80, 20), base="shop-00001"))
    assert knative.raw()["spec"]["traffic"] == [
        {"latestRevision": True, "percent": 20},
        {"revisionName": "shop-00001", "percent": 80},
    ]
    assert wrote(knative.apply(ALL_TO_PRIMARY, promote="shop-00002", base="shop-00001"))
    assert knative.raw()["spec"]["traffic"] == [
        {"latestRevision": True, "percent": 0},
        {"revisionName": "shop-00002", "percent": 100},
    ]
    assert knative.raw()["spec"]["template"] == KNATIVE_SPEC["template"]
    assert knative.apply(ALL_TO_PRIMARY, promote="shop-00002", base="shop-00001") == Applied()
