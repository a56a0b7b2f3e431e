"""The writer of traffic against every API server: the sandbox's and a real kube-apiserver.

What the unit tests cannot show: that what servers fill in (cluster IPs, node ports, defaults) never
looks like drift, that preconditions hold on the wire, and that real validation accepts our objects.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from clients.clock import SystemClock
from clients.documents.outcome import Applied, Outcome, Rejected
from clients.documents.world import ContainerPort, WorkloadView, World
from clients.errors import NotFound
from clients.kube import resources
from clients.kube.protocol import Object
from config.api.canary import Canary
from config.traffic import (
    ALL_TO_PRIMARY,
    Affinity,
    Aspect,
    Comparison,
    Criterion,
    Mirror,
    RouteIntent,
    RouteStage,
    TrafficSplit,
)
from routing import apply, istio, registry, services
from routing.router import Managed, ServiceRole
from tests.contract.conftest import Place
from tests.fakes.kube import Door, KubeWatcher
from tests.outcomes import wrote

TEN, TWENTY = TrafficSplit.of(10), TrafficSplit.of(20)
PORTS = (
    ContainerPort("shop", 0, "http", 8080),
    ContainerPort("shop", 1, "admin", 80),
    ContainerPort("shop", 2, None, 9797),
    ContainerPort("shop", 3, "again", 9797),
)
TARGET = WorkloadView(
    name="shop",
    namespace="prod",
    replicas=2,
    revision="r",
    selector_label=("app", "shop"),
    ports=PORTS,
)


@dataclass
class Cluster:
    """A server behind its door and a canary in a namespace of the test's own."""

    door: KubeWatcher
    namespace: str
    canary: Canary = field(init=False)
    target: WorkloadView = TARGET
    live: dict[str, Object | None] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Create the canary, so that garbage collection finds the owner of our objects."""
        manifest = self.manifest(port=80, targetPort=8080, portDiscovery=True)
        created = self.door.create(resources.CANARIES, self.namespace, manifest)
        self.canary = Canary.model_validate(created)

    def manifest(self, **service: Any) -> dict[str, Any]:
        """A Canary of `shop`; `service` is its `spec.service`."""
        analysis = {"interval": "1m", "threshold": 5, "stepWeight": 10, "maxWeight": 50}
        reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
        return {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "metadata": {"name": "shop", "namespace": self.namespace},
            "spec": {"targetRef": reference, "service": service, "analysis": analysis},
        }

    def edit_canary(self, **service: Any) -> None:
        """The canary with another `spec.service`."""
        edited = Canary.model_validate(self.manifest(**service))
        self.canary = edited.model_copy(update={"metadata": self.canary.metadata})

    def apply(self, split: TrafficSplit) -> Outcome:
        """How applying `split` ended; its requests are in `requests`."""
        door = Door(self.door, SystemClock())
        intent = RouteIntent(1, RouteStage.EXPOSED, split)
        live = {role: found for role, found in self.live.items() if found is not None}
        world = World(target=self.target, routes=live)
        router = registry.ROUTERS.chosen(self.canary)
        one = apply.Convergence(door, self.canary, intent, world, lambda: False, router)
        outcome = one.bring_about()
        self.requests = [f"{call.verb} {call.name}" for call in door.calls]
        return outcome

    def observe(self) -> None:
        """Let the watch catch up."""
        self.live = {managed.role: self.find(managed) for managed in self.objects().values()}

    def objects(self) -> Mapping[str, Managed]:
        """All objects of the canary by role."""
        mesh = registry.ROUTERS.named("istio").resources(self.canary)
        owned = services.managed(self.canary, RouteStage.EXPOSED)
        return {managed.role: managed for managed in (*owned, *mesh)}

    def find(self, managed: Managed) -> Object | None:
        """The object as it is now."""
        try:
            return self.door.get(managed.resource, self.namespace, managed.name)
        except NotFound:
            return None

    def edit(self, role: str, patch: Mapping[str, Any]) -> None:
        """Someone else's patch, unseen by the watch."""
        managed = self.objects()[role]
        self.door.patch(managed.resource, self.namespace, managed.name, patch)

    def create(self, role: str, body: Mapping[str, Any]) -> Object:
        """Someone else's object, unseen by the watch."""
        managed = self.objects()[role]
        metadata = {"name": managed.name, "namespace": self.namespace, **body.get("metadata", {})}
        kind = {"apiVersion": managed.resource.api_version, "kind": managed.resource.kind}
        return self.door.create(
            managed.resource, self.namespace, {**kind, **body, "metadata": metadata}
        )

    def in_cluster(self, role: str) -> Object:
        """The object in `role` as it is now."""
        found = self.find(self.objects()[role])
        assert found is not None
        return found

    def in_force(self) -> TrafficSplit | None:
        """The split the server holds."""
        route = self.in_cluster(istio.VIRTUAL_SERVICE)
        return registry.ROUTERS.in_force(self.canary, {istio.VIRTUAL_SERVICE: route})


@pytest.fixture
def cluster(place: Place) -> Cluster:
    """Each server in turn."""
    return Cluster(*place)


@pytest.fixture
def rolling(cluster: Cluster) -> Cluster:
    """A canary at 10 percent, seen by the watch."""
    cluster.apply(TEN)
    cluster.observe()
    return cluster


def test_all_objects_are_accepted_and_the_split_is_in_force(cluster: Cluster) -> None:
    """Discovered ports that repeat a number or a name included (D-80)."""
    outcome = cluster.apply(TEN)
    assert wrote(outcome)
    assert [request.split()[0] for request in cluster.requests] == ["create"] * 6
    assert cluster.in_force() == TEN
    ports = cluster.in_cluster(ServiceRole.APEX)["spec"]["ports"]
    assert [(port["name"], port["port"], port["targetPort"]) for port in ports] == [
        ("http", 80, 8080),
        ("tcp-shop-2", 9797, 9797),
    ]


def test_what_a_server_fills_in_never_looks_like_drift(rolling: Cluster) -> None:
    """D-51: with everything in place no request at all is made."""
    assert rolling.apply(TEN) == Applied()
    assert rolling.requests == []


def test_a_weight_step_is_one_patch_of_the_rules(rolling: Cluster) -> None:
    """D-50: nothing is read first; nothing but weights, version and bookkeeping changes."""
    before = rolling.in_cluster(istio.VIRTUAL_SERVICE)
    assert wrote(rolling.apply(TWENTY))
    assert rolling.requests == ["patch shop"]
    after = rolling.in_cluster(istio.VIRTUAL_SERVICE)
    assert rolling.in_force() == TWENTY
    assert {**before["spec"], "http": None} == {**after["spec"], "http": None}
    assert before["metadata"]["annotations"] == after["metadata"]["annotations"]


def test_an_unseen_write_is_neither_lost_nor_an_obstacle(rolling: Cluster) -> None:
    """D-40, D-53: the precondition fails on the wire; one read later the step is done."""
    rolling.edit(istio.VIRTUAL_SERVICE, {"spec": {"exportTo": ["."]}})
    assert wrote(rolling.apply(TWENTY))
    assert rolling.requests == ["patch shop", "get shop", "patch shop"]
    assert rolling.in_force() == TWENTY
    assert rolling.in_cluster(istio.VIRTUAL_SERVICE)["spec"]["exportTo"] == ["."]


def test_an_object_deleted_unseen_comes_back(rolling: Cluster) -> None:
    """404 on the patch leads to a creation."""
    managed = rolling.objects()[istio.VIRTUAL_SERVICE]
    rolling.door.delete(managed.resource, rolling.namespace, managed.name)
    assert wrote(rolling.apply(TWENTY))
    assert rolling.requests == ["patch shop", "get shop", "create shop"]
    assert rolling.in_force() == TWENTY


CHOSEN = ((Criterion(Aspect.HEADER, "x-user", Comparison.EXACT, "insider"),),)
ASKED = {
    "match": TrafficSplit(0, 100, match=CHOSEN),
    "match with weights": TrafficSplit(80, 20, match=CHOSEN),
    "mirror": TrafficSplit(100, 0, mirror=Mirror(40)),
    "a_b_test": TrafficSplit(80, 20, pinned=CHOSEN),
    "sessionAffinity": TrafficSplit(80, 20, affinity=Affinity("side=new", "stable=old")),
    "a cookie that is taken back": TrafficSplit(100, 0, affinity=Affinity(expired="side=new")),
}


@pytest.mark.parametrize("split", ASKED.values(), ids=ASKED)
def test_what_strategies_ask_of_a_route_is_written_once_and_read_back(
    rolling: Cluster, split: TrafficSplit
) -> None:
    """One patch of the rules for a step; nothing that a server does to them looks like drift."""
    assert wrote(rolling.apply(split))
    assert rolling.requests == ["patch shop"]
    assert rolling.in_force() == split
    rolling.observe()
    assert rolling.apply(split) == Applied()
    assert rolling.requests == []


def test_subsets_of_one_host_are_accepted_and_never_look_like_drift(cluster: Cluster) -> None:
    """One DestinationRule with both, and destinations that name them."""
    cluster.target = replace(TARGET, shared_labels=(("tier", "front"),))
    cluster.edit_canary(port=80, targetPort=8080, subsets=True)
    assert wrote(cluster.apply(TEN))
    assert [request.split()[0] for request in cluster.requests] == ["create"] * 5
    assert cluster.in_force() == TEN
    cluster.observe()
    assert cluster.apply(TEN) == Applied()
    assert cluster.requests == []
    assert wrote(cluster.apply(TWENTY))
    assert cluster.requests == ["patch shop"]


def test_a_users_service_and_route_are_adopted_unseen(cluster: Cluster) -> None:
    """Node port, cluster IP, identity and foreign labels stay; ports, selector and rules change."""
    port = {
        "name": "http",
        "protocol": "TCP",
        "port": 8000,
        "nodePort": 30000 + secrets.randbelow(2000),
    }
    cluster.create(
        ServiceRole.APEX,
        {
            "metadata": {"labels": {"team": "a"}},
            "spec": {"type": "NodePort", "selector": {"app": "shop"}, "ports": [port]},
        },
    )
    rules = [{"route": [{"destination": {"host": "shop"}}]}]
    cluster.create(istio.VIRTUAL_SERVICE, {"spec": {"hosts": ["shop"], "http": rules}})
    before = cluster.in_cluster(ServiceRole.APEX)
    assert wrote(cluster.apply(ALL_TO_PRIMARY))
    after = cluster.in_cluster(ServiceRole.APEX)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["labels"] == {"team": "a"}
    assert "ownerReferences" not in after["metadata"]
    assert after["spec"].get("clusterIP") == before["spec"].get("clusterIP")
    assert after["spec"]["type"] == "NodePort"
    assert after["spec"]["selector"] == {"app": "shop-primary"}
    assert after["spec"]["ports"][0]["nodePort"] == port["nodePort"]
    assert after["spec"]["ports"][0]["port"] == 80
    assert cluster.in_force() == ALL_TO_PRIMARY
    cluster.observe()
    assert cluster.apply(ALL_TO_PRIMARY) == Applied()


def test_changed_ports_and_metadata_reach_existing_services(rolling: Cluster) -> None:
    """A patch replaces the list of ports and removes what is no longer wanted."""
    rolling.edit(ServiceRole.CANARY, {"metadata": {"labels": {"stray": "x"}}})
    rolling.observe()
    rolling.edit_canary(port=9000, portName="web", appProtocol="http")
    assert wrote(rolling.apply(TEN))
    service = rolling.in_cluster(ServiceRole.CANARY)
    assert service["metadata"]["labels"] == {"app": "shop-canary"}
    ports = [{key: port[key] for key in ("name", "port")} for port in service["spec"]["ports"]]
    assert ports == [{"name": "web", "port": 9000}]
    rolling.observe()
    assert rolling.apply(TEN) == Applied()


def test_a_service_the_server_refuses_is_reported_for_good(place_on_apiserver: Place) -> None:
    """Port 0 is invalid: the message carries the server's words, and trying again is no use.

    On the real server alone: the others do not validate Services.
    """
    apiserver = Cluster(*place_on_apiserver)
    apiserver.edit_canary(port=0)
    outcome = apiserver.apply(ALL_TO_PRIMARY)
    assert isinstance(outcome, Rejected)
    refusal = next(one for one in outcome.refusals if one.role == ServiceRole.CANARY)
    assert refusal.message.startswith("reconcileService failed: service shop-canary create error: ")
    assert (refusal.reason, refusal.retriable) == ("Invalid", False)
