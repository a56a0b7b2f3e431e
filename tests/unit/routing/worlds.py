"""A cluster in memory with one canary in it, and the applier that works on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clients.clock import ManualClock
from clients.documents import world as worlds
from clients.documents.outcome import Outcome
from clients.documents.world import WorkloadView
from clients.errors import NotFound
from clients.kube import resources
from clients.kube.protocol import Object
from config.api.canary import Canary
from config.traffic import RouteIntent, RouteStage, TrafficSplit
from routing import apply, istio, registry, services
from routing.router import Managed
from tests.fakes.faults import Fault
from tests.fakes.kube import FakeKube
from tests.unit.routing import canaries
from tests.unit.routing.canaries import TARGET, a_canary

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """The cluster, and what a watch would have shown of the canary's objects so far."""

    canary: Canary = field(default_factory=a_canary)
    kube: FakeKube = field(default_factory=lambda: FakeKube(ManualClock(START)))
    seen: dict[str, Object | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Put the canary there, for garbage collection to find the owner of our objects."""
        self.kube.restore(resources.CANARIES, canaries.OBJECT)

    def apply(
        self,
        split: TrafficSplit,
        *,
        stage: RouteStage = RouteStage.EXPOSED,
        target: WorkloadView | None = TARGET,
        superseded: Callable[[], bool] = lambda: False,
        left_by: tuple[str, ...] = (),
    ) -> Outcome:
        """How applying an intent ended, with live objects as last seen; calls are counted anew."""
        self.kube.calls.clear()
        intent = RouteIntent(1, stage, split)
        live = {role: found for role, found in self.seen.items() if found is not None}
        admission = worlds.Admission(uid=self.canary.metadata.uid, generation=1, left_by=left_by)
        world = worlds.World(admission=admission, target=target, routes=live)
        router = registry.ROUTERS.chosen(self.canary)
        return apply.Convergence(
            self.kube, self.canary, intent, world, superseded, router
        ).bring_about()

    def observe(self) -> None:
        """Let the watch catch up."""
        self.seen = {managed.role: self.find(managed) for managed in self.objects()}
        self.kube.calls.clear()

    def exposed(self, split: TrafficSplit) -> None:
        """Bring the world to `split`, seen by the watch."""
        self.apply(split)
        self.observe()

    def objects(self) -> tuple[Managed, ...]:
        """All objects of the canary."""
        mesh = registry.ROUTERS.chosen(self.canary).resources(self.canary)
        return (*services.managed(self.canary, RouteStage.EXPOSED), *mesh)

    def find(self, managed: Managed) -> Object | None:
        """The object as it is in the cluster."""
        try:
            return self.kube.get(managed.resource, "prod", managed.name)
        except NotFound:
            return None

    def in_cluster(self, role: str) -> Object | None:
        """The object in `role` as it is in the cluster; not counted as a call."""
        calls = list(self.kube.calls)
        found = self.find(next(managed for managed in self.objects() if managed.role == role))
        self.kube.calls[:] = calls
        return found

    def in_force(self) -> TrafficSplit | None:
        """The split that the cluster's VirtualService holds."""
        route = self.in_cluster(istio.VIRTUAL_SERVICE)
        return registry.ROUTERS.in_force(self.canary, {istio.VIRTUAL_SERVICE: route})

    def requests(self) -> list[str]:
        """The requests since the last application, as `verb resource/name`, in order."""
        return [f"{call.verb} {call.resource}/{call.name}" for call in self.kube.calls]

    def edit(self, role: str, patch: Mapping[str, Any]) -> None:
        """Someone else's merge patch, unseen by the watch."""
        managed = next(one for one in self.objects() if one.role == role)
        self.kube.patch(managed.resource, "prod", managed.name, patch)

    def remove(self, role: str) -> None:
        """Someone deletes an object, unseen by the watch."""
        managed = next(one for one in self.objects() if one.role == role)
        self.kube.delete(managed.resource, "prod", managed.name)

    def create(self, role: str, body: Object) -> None:
        """Someone creates an object, unseen by the watch."""
        managed = next(one for one in self.objects() if one.role == role)
        self.kube.create(managed.resource, "prod", body)

    def fail(self, error: Any, **matching: Any) -> None:
        """The next matching request fails with `error`, or runs it when it can be called."""
        self.kube.faults.add(Fault(error, **matching))


ROUTES = resources.VIRTUAL_SERVICES.plural
RULES = resources.DESTINATION_RULES.plural
