"""The writer of targets that are no Deployments, against every API server.

What the unit tests cannot show: that real validation accepts our objects, and that what servers
fill in never makes a primary look different from its target.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from clients import errors
from clients.documents.outcome import Applied, Outcome, Superseded
from clients.documents.world import World
from clients.kube import resources
from clients.kube.protocol import Kube
from config.api.canary import Canary
from config.scaling import CanaryScale, WorkloadIntent
from tests.contract.conftest import Place
from tests.outcomes import wrote
from workloads import daemon_set
from workloads.converge import Convergence
from workloads.primary import Copying
from workloads.tracker_configs import Configs

KEYS: Final = ("app",)
PARKED: Final = {"flagger.app/scale-to-zero": "true"}
LABELS: Final = {"app": "shop"}


@dataclass
class Cluster:
    """A DaemonSet and its canary, in a namespace of the test's own."""

    door: Kube
    namespace: str
    canary: Canary = field(init=False)

    def __post_init__(self) -> None:
        """Create both."""
        pod = {"containers": [{"name": "shop", "image": "shop:1"}]}
        template = {"metadata": {"labels": LABELS}, "spec": pod}
        spec = {"selector": {"matchLabels": LABELS}, "template": template}
        self.create(resources.DAEMON_SETS, spec)
        reference = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "shop"}
        analysis = {"interval": "1m", "threshold": 5, "stepWeight": 10}
        manifest = {"targetRef": reference, "service": {"port": 80}, "analysis": analysis}
        self.canary = Canary.model_validate(self.create(resources.CANARIES, manifest))

    def create(self, resource: Any, spec: dict[str, Any]) -> Any:
        """A new object."""
        metadata = {"name": "shop", "namespace": self.namespace}
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        body = {**kind, "metadata": metadata, "spec": spec}
        return self.door.create(resource, self.namespace, body)

    def raw(self, name: str = "shop") -> Any:
        """A DaemonSet as it is."""
        return self.door.get(resources.DAEMON_SETS, self.namespace, name)

    def view(self, name: str) -> Any:
        """The view of a DaemonSet, None when there is none."""
        try:
            return daemon_set.project(self.raw(name), KEYS)
        except errors.NotFound:
            return None

    def world(self) -> World:
        """What an up-to-date watch shows."""
        return World(target=self.view("shop"), primary=self.view("shop-primary"))

    def edit(self, **pod: Any) -> None:
        """Somebody's change of the pods."""
        patch = {"spec": {"template": {"spec": pod}}}
        self.door.patch(resources.DAEMON_SETS, self.namespace, "shop", patch)

    def nodes(self, name: str = "shop") -> Any:
        """The node selector of a DaemonSet."""
        return self.raw(name)["spec"]["template"]["spec"].get("nodeSelector") or {}

    def converge(
        self, canary: CanaryScale, world: World | None = None, *, late: bool = False, **intent: Any
    ) -> Outcome:
        """What came of an intent."""
        wanted, copying = WorkloadIntent(1, canary, **intent), Copying(KEYS)
        seen = world or self.world()
        configs = Configs.of(self.door, self.canary, bytes, seen)
        one = Convergence(self.door, self.canary, wanted, seen, lambda: late, copying, configs)
        return one.bring_about()


@pytest.fixture
def cluster(place: Place) -> Cluster:
    """Each server in turn."""
    return Cluster(*place)


def test_a_rollout_of_a_daemon_set_is_accepted(cluster: Cluster) -> None:
    """Made, parked, unparked, promoted, parked; and nothing is written twice."""
    assert wrote(cluster.converge(CanaryScale.LEAVE))
    old = cluster.view("shop").revision
    assert cluster.view("shop-primary").revision == old
    assert wrote(cluster.converge(CanaryScale.ZERO, base=old))
    assert cluster.nodes() == PARKED
    assert cluster.view("shop").revision == old
    assert cluster.converge(CanaryScale.ZERO, base=old) == Applied()

    cluster.edit(containers=[{"name": "shop", "image": "shop:2"}], nodeSelector={"disk": "ssd"})
    new = cluster.view("shop").revision
    assert new != old
    assert wrote(cluster.converge(CanaryScale.RUNNING, base=old))
    assert cluster.nodes() == {"disk": "ssd"}
    assert wrote(cluster.converge(CanaryScale.RUNNING, promote=new, base=old))
    assert cluster.view("shop-primary").revision == new
    assert wrote(cluster.converge(CanaryScale.ZERO, base=new))
    assert cluster.nodes() == {"disk": "ssd", **PARKED}
    assert cluster.nodes("shop-primary") == {"disk": "ssd"}


def test_a_late_parking_does_not_touch_a_target_that_was_edited_since(cluster: Cluster) -> None:
    """Though the node selector is read to be written: it holds for what it was decided from."""
    cluster.converge(CanaryScale.LEAVE)
    before = cluster.world()
    cluster.edit(nodeSelector={"disk": "ssd"})
    late = cluster.converge(CanaryScale.ZERO, before, late=True)
    assert isinstance(late, Superseded)
    assert cluster.nodes() == {"disk": "ssd"}
    assert wrote(cluster.converge(CanaryScale.ZERO, before))
    assert cluster.nodes() == {"disk": "ssd", **PARKED}
