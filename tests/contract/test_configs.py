"""ConfigMaps, Secrets and deletions against every API server: the sandbox's and a real one.

What the unit tests cannot show: that lists and watches of metadata tell nothing else, that real
validation takes our copies, and that what was taken over can be given back.
"""

import base64
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any, Final

import pytest

from clients.documents.outcome import Applied, Rejected, Superseded
from clients.documents.world import World
from clients.kube import resources
from clients.kube.protocol import WatchType
from clients.kube.resources import Resource
from config.api.canary import Canary
from config.scaling import CanaryScale, WorkloadIntent
from routing.finalize import Reversion
from routing.istio import Istio
from tests.contract.conftest import Place
from tests.fakes.kube import KubeWatcher
from workloads import deployment
from workloads.converge import Convergence
from workloads.primary import Copying
from workloads.tracker_configs import KEY_NAME, Configs

KEYS: Final = ("app",)
LONG: Final = timedelta(seconds=20)
SECRET: Final = {"password": base64.b64encode(b"hunter2").decode()}
POD: Final = {
    "volumes": [{"name": "v", "configMap": {"name": "settings"}}],
    "containers": [
        {"name": "app", "image": "app:1", "envFrom": [{"secretRef": {"name": "login"}}]}
    ],
}


@dataclass
class Cluster:
    """A server behind its door, with a target, what its pods use, and its canary."""

    door: KubeWatcher
    namespace: str
    canary: Canary = field(init=False)

    def __post_init__(self) -> None:
        """Create all of it."""
        self.create(resources.CONFIG_MAPS, "settings", data={"a": "1"}, binaryData={"b": "AA=="})
        self.create(resources.SECRETS, "login", type="Opaque", data=SECRET)
        template = {"metadata": {"labels": {"app": "shop"}}, "spec": POD}
        spec = {"selector": {"matchLabels": {"app": "shop"}}, "template": template}
        self.create(resources.DEPLOYMENTS, "shop", spec=spec)
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
        made = self.create(
            resources.CANARIES, "shop", spec={"targetRef": target, "service": {"port": 80}}
        )
        self.canary = Canary.model_validate(made)

    def create(self, resource: Resource, name: str, **body: Any) -> Any:
        """A new object."""
        metadata = {"name": name, "namespace": self.namespace, **body.pop("metadata", {})}
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        return self.door.create(resource, self.namespace, {**kind, "metadata": metadata, **body})

    def get(self, resource: Resource, name: str) -> Any:
        """An object as it is."""
        return self.door.get(resource, self.namespace, name)

    def edit(self, resource: Resource, name: str, **patch: Any) -> None:
        """Somebody's change."""
        self.door.patch(resource, self.namespace, name, patch)

    def converge(self, **intent: Any) -> Any:
        """What came of an intent, and the revision of the target as it is read for that."""
        views = {
            role: deployment.project(raw, KEYS)
            for role, name in (("target", "shop"), ("primary", "shop-primary"))
            for raw in self.door.list(resources.DEPLOYMENTS, self.namespace).items
            if raw["metadata"]["name"] == name
        }
        world = World(**views)  # type: ignore[arg-type]
        configs = Configs.of(self.door, self.canary, lambda: bytes(range(32)), world)
        wanted = WorkloadIntent(1, CanaryScale.LEAVE, **intent)
        outcome = Convergence(
            self.door, self.canary, wanted, world, lambda: False, Copying(KEYS), configs
        ).bring_about()
        fresh = Configs.of(self.door, self.canary, bytes, world)
        return outcome, fresh.release(views["target"], "target").revision


@pytest.fixture
def cluster(place: Place) -> Cluster:
    """Each server in turn."""
    return Cluster(*place)


@pytest.mark.parametrize(
    ("whole", "metadata"),
    [
        (resources.SECRETS, resources.SECRET_METADATA),
        (resources.CONFIG_MAPS, resources.CONFIG_MAP_METADATA),
    ],
    ids=["secrets", "configmaps"],
)
def test_lists_and_watches_of_metadata_tell_nothing_else(
    cluster: Cluster, whole: Resource, metadata: Resource
) -> None:
    """Names and versions, as the whole objects have them."""
    listing = cluster.door.list(metadata, cluster.namespace)
    name = "login" if whole == resources.SECRETS else "settings"
    listed = {each["metadata"]["name"]: each for each in listing.items}
    live = cluster.get(whole, name)
    assert listed[name]["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
    assert all(each.keys() == {"apiVersion", "kind", "metadata"} for each in listing.items)

    cluster.edit(whole, name, data={"more": "eA=="})
    cluster.door.delete(whole, cluster.namespace, name)
    version = listing.resource_version
    stream = cluster.door.watch(metadata, cluster.namespace, version, LONG)
    told = list(islice(stream, 2))
    assert [each.type for each in told] == [WatchType.MODIFIED, WatchType.DELETED]
    assert {each.object["metadata"]["name"] for each in told} == {name}
    assert all(each.object.keys() == {"apiVersion", "kind", "metadata"} for each in told)


def test_copies_are_taken_and_a_promotion_brings_what_was_analysed(cluster: Cluster) -> None:
    """Created before the primary, replaced with it, and not where something else was analysed."""
    outcome, old = cluster.converge()
    assert isinstance(outcome, Applied)
    pod = cluster.get(resources.DEPLOYMENTS, "shop-primary")["spec"]["template"]["spec"]
    assert pod["volumes"][0]["configMap"]["name"] == "settings-primary"
    assert pod["containers"][0]["envFrom"][0]["secretRef"]["name"] == "login-primary"
    copy = cluster.get(resources.CONFIG_MAPS, "settings-primary")
    assert (copy["data"], copy["binaryData"]) == ({"a": "1"}, {"b": "AA=="})
    assert cluster.get(resources.SECRETS, "login-primary")["data"] == SECRET
    assert cluster.get(resources.SECRETS, KEY_NAME)["immutable"] is True

    cluster.edit(resources.CONFIG_MAPS, "settings", data={"a": None, "c": "2"})
    outcome, new = cluster.converge(base=old)
    assert isinstance(outcome, Applied)
    assert new != old
    outcome, _ = cluster.converge(base=old, promote="f" * 20)
    assert isinstance(outcome, Superseded)
    assert cluster.get(resources.CONFIG_MAPS, "settings-primary")["data"] == {"a": "1"}
    outcome, _ = cluster.converge(base=old, promote=new)
    assert isinstance(outcome, Applied)
    assert cluster.get(resources.CONFIG_MAPS, "settings-primary")["data"] == {"c": "2"}

    before = cluster.get(resources.DEPLOYMENTS, "shop-primary")["metadata"]["generation"]
    outcome, _ = cluster.converge(base=new, promote=new)
    assert isinstance(outcome, Applied)
    after = cluster.get(resources.DEPLOYMENTS, "shop-primary")["metadata"]["generation"]
    assert after == before


def test_an_immutable_copy_and_one_of_another_type_are_replaced(cluster: Cluster) -> None:
    """Neither can be changed on any server."""
    cluster.edit(resources.CONFIG_MAPS, "settings", immutable=True)
    _, old = cluster.converge()
    assert cluster.get(resources.CONFIG_MAPS, "settings-primary")["immutable"] is True
    for resource, name in ((resources.CONFIG_MAPS, "settings"), (resources.SECRETS, "login")):
        cluster.door.delete(resource, cluster.namespace, name)
    cluster.create(resources.CONFIG_MAPS, "settings", data={"a": "9"}, immutable=True)
    login = {"username": "eA==", "password": "eQ=="}
    cluster.create(resources.SECRETS, "login", type="kubernetes.io/basic-auth", data=login)
    _, new = cluster.converge(base=old)
    outcome, _ = cluster.converge(base=old, promote=new)
    assert isinstance(outcome, Applied)
    assert cluster.get(resources.CONFIG_MAPS, "settings-primary")["data"] == {"a": "9"}
    copy = cluster.get(resources.SECRETS, "login-primary")
    assert (copy["type"], copy["data"]) == ("kubernetes.io/basic-auth", login)


def test_a_missing_config_is_named_and_nothing_is_made(cluster: Cluster) -> None:
    """In Flagger's words."""
    cluster.door.delete(resources.SECRETS, cluster.namespace, "login")
    outcome, _ = cluster.converge()
    assert isinstance(outcome, Rejected)
    assert outcome.message == f"secret login.{cluster.namespace} get query error: not found"
    names = {
        each["metadata"]["name"]
        for each in cluster.door.list(resources.DEPLOYMENTS, cluster.namespace).items
    }
    assert names == {"shop"}


def test_what_was_taken_over_is_given_back(cluster: Cluster) -> None:
    """A Service and a route of a user's; a second time there is nothing to do."""
    ports = [{"name": "http", "port": 80}]
    selector = {"app": "shop-primary"}
    cluster.create(resources.SERVICES, "shop", spec={"selector": selector, "ports": ports})
    before = {"hosts": ["shop"], "http": [{"route": [{"destination": {"host": "shop"}}]}]}
    note = '{"hosts":["shop"],"http":[{"route":[{"destination":{"host":"shop"}}]}]}'
    cluster.create(
        resources.VIRTUAL_SERVICES,
        "shop",
        metadata={"annotations": {"flagger.kubernetes.io/original-configuration": note}},
        spec={
            "hosts": ["shop"],
            "gateways": ["mesh"],
            "http": [{"route": [{"destination": {"host": "shop-primary"}, "weight": 100}]}],
        },
    )
    made = Reversion(cluster.door, cluster.canary, lambda: False, Istio()).bring_about()
    assert isinstance(made, Applied)
    assert made.written.keys() == {"apex-service", "virtual-service"}
    assert cluster.get(resources.SERVICES, "shop")["spec"]["selector"] == {"app": "shop"}
    assert cluster.get(resources.VIRTUAL_SERVICES, "shop")["spec"] == before
    again = Reversion(cluster.door, cluster.canary, lambda: False, Istio()).bring_about()
    assert again == Applied()
