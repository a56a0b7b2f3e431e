"""Builders for scheduler tests: canaries, Deployments, a cluster and a Redis in memory."""

import contextlib
import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from analysis.effects import Lane
from clients import errors
from clients.clock import ManualClock
from clients.kube import resources
from clients.kube.resources import Resource
from clients.redis.records import Asked
from config.ranks import Rank
from config.refs import CanaryRef
from config.roles import Queue
from config.settings.settings import Settings
from config.validation.admission import Policy
from scheduler import wiring
from scheduler.index import Index
from scheduler.loop import Loop
from scheduler.watching import WatchSide
from tasks.registries import BUILT_IN
from tests.fakes import memory_redis
from tests.fakes.kube import FakeKube
from tests.stores import DirectStore

START: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
LABELS: Final = ("app", "name")
POLICY: Final = Policy(able=BUILT_IN.carried_out)
SHOP: Final = CanaryRef("prod", "shop")


def a_canary(
    name: str = "shop",
    *,
    target: str | None = None,
    kind: str = "Deployment",
    created: str = "2026-01-01T00:00:00Z",
    uid: str = "",
    generation: int = 1,
    namespace: str = "prod",
    status: Mapping[str, Any] | None = None,
    **analysis: Any,
) -> dict[str, Any]:
    """A raw Canary as an API server gives it; `analysis` replaces fields of the analysis."""
    raw = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-{name}",
            "generation": generation,
            "resourceVersion": "1",
            "creationTimestamp": created,
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": kind, "name": target or name},
            "service": {"port": 80},
            "analysis": {
                "interval": "30s",
                "threshold": 4,
                "stepWeight": 10,
                "maxWeight": 50,
                **analysis,
            },
        },
    }
    return {**raw, "status": dict(status)} if status else raw


def a_deployment(
    name: str = "shop", *, image: str = "shop:1", generation: int = 1, available: int = 2
) -> dict[str, Any]:
    """A raw Deployment of two replicas."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": "prod",
            "uid": f"uid-{name}",
            "generation": generation,
            "resourceVersion": "7",
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
        },
        "status": {
            "observedGeneration": generation,
            "replicas": 2,
            "updatedReplicas": 2,
            "availableReplicas": available,
        },
    }


def a_virtual_service(name: str = "shop", weight: int = 0) -> dict[str, Any]:
    """A raw VirtualService that sends `weight` percent to the canary."""
    route = [
        {"destination": {"host": f"{name}-primary"}, "weight": 100 - weight},
        {"destination": {"host": f"{name}-canary"}, "weight": weight},
    ]
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "prod", "resourceVersion": "3"},
        "spec": {"hosts": [name], "http": [{"route": route}]},
    }


def with_spec(raw: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    """`raw` edited: a new generation with top-level keys of its spec replaced."""
    edited = copy.deepcopy(dict(raw))
    edited["spec"].update(spec)
    edited["metadata"]["generation"] += 1
    return edited


def an_index() -> Index:
    """An index that knows nothing, with default policy."""
    return Index(POLICY, LABELS)


@dataclass
class Sent:
    """A dispatcher that keeps what it is given; fails while `broken`."""

    ticks: list[CanaryRef] = field(default_factory=list)
    jobs: list[tuple[Rank, int]] = field(default_factory=list)
    """The rank and size of each message."""
    effects: list[tuple[CanaryRef, Lane]] = field(default_factory=list)
    messages: int = 0
    """To reconcilers."""
    broken: bool = False
    queued: dict[Queue, int] = field(default_factory=dict)

    def tick(self, refs: Sequence[CanaryRef], rank: Rank) -> None:
        """Keep the ticks."""
        self._check()
        self.ticks += refs
        self.jobs.append((rank, len(refs)))

    def reconcile(
        self,
        refs: Sequence[CanaryRef],
        lane: Lane,
        rank: Rank,
        *,
        if_due: bool = False,  # noqa: ARG002
    ) -> None:
        """Keep the effects."""
        self._check()
        self.effects += ((ref, lane) for ref in refs)
        self.messages += 1
        self.jobs.append((rank, len(refs)))

    def call(self, asked: Sequence[Asked], rank: Rank) -> None:
        """Nothing here calls hooks."""
        raise AssertionError(f"hooks {asked}, {rank}")

    def waiting(self) -> Mapping[Queue, int]:
        """Nothing waits, unless a test says so."""
        self._check()
        return self.queued

    def _check(self) -> None:
        if self.broken:
            raise errors.Transient("the queue is away")


class Inline(WatchSide):
    """A watch side without threads: whoever made it pumps it."""

    stopped = False

    def start(self) -> None:
        """Nothing."""

    def stop(self, wait: timedelta = timedelta(0)) -> None:
        """Note it."""
        super().stop(wait)
        self.stopped = True


class Setting:
    """A cluster, a Redis and a queue in memory, on one manual clock."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.kube = FakeKube(self.clock)
        self.redis = memory_redis.connect()
        self.store = DirectStore(self.redis, self.clock.now)
        self.sent = Sent()
        self.settings = Settings()
        self.registries = BUILT_IN
        self.leads = True

    def side(self) -> WatchSide:
        """A watch side for `pump`, which writes while `leads`."""

        def term() -> int | None:
            return memory_redis.lead(self.store) if self.leads else None

        return wiring.watch_side(
            self.settings, self.doors(), term, timedelta, registries=self.registries
        )

    def beat(self, holder: str) -> "Beat":
        """A beat process, one of any number."""
        return Beat(self, holder)

    def doors(self) -> wiring.Doors:
        """Doors into this setting."""
        return wiring.Doors(self.store, self.sent, lambda: self.kube, self.clock)

    def create(self, raw: Mapping[str, Any]) -> None:
        """Make an object, with its status where it has one."""
        resource = resource_of(raw)
        metadata = {**raw["metadata"]}
        metadata.pop("resourceVersion", None)
        self.kube.create(resource, metadata["namespace"], {**raw, "metadata": metadata})
        if "status" in raw:
            patch = {"status": raw["status"]}
            self.kube.patch(
                resource, metadata["namespace"], metadata["name"], patch, subresource="status"
            )

    def edit(self, resource: Resource, name: str, patch: Mapping[str, Any]) -> None:
        """Merge `patch` into an object of namespace prod."""
        self.kube.patch(resource, "prod", name, patch)

    def world(self, ref: CanaryRef = SHOP) -> dict[str, Any]:
        """What is stored about the cluster for `ref`, by role."""
        return self.store.read(ref).world.by_role()

    def due(self, ref: CanaryRef = SHOP) -> timedelta | None:
        """In how long `ref` is due; None when it is not on the agenda."""
        at = self.store.agenda().get(ref)
        return None if at is None else at - self.clock.now()


class Beat:
    """A beat process that runs step by step."""

    def __init__(self, setting: Setting, holder: str) -> None:
        self.setting, self.settings = setting, setting.settings
        self.sides: list[Inline] = []
        self.loop = Loop(
            setting.store,
            setting.sent,
            self._side,
            clock=setting.clock,
            holder=holder,
            settings=self.settings.scheduler,
        )

    def _side(self, term: Callable[[], int | None]) -> Inline:
        doors = self.setting.doors()
        side = wiring.watch_side(self.settings, doors, term, timedelta, Inline)
        assert isinstance(side, Inline)
        self.sides.append(side)
        return side

    def step(self) -> float:
        """One step of the beat, then of its watch side."""
        wait = self.loop.step()
        if self.sides and not self.sides[-1].stopped:
            with contextlib.suppress(errors.Transient, errors.Conflict):
                self.sides[-1].pump()
        return wait

    def run(self, span: timedelta) -> None:
        """Step for a while, at the pace the loop asks for."""
        end = self.setting.clock.now() + span
        while self.setting.clock.now() < end:
            self.setting.clock.sleep(max(0.001, self.step()))


BY_KIND: Final = {
    each.kind: each for each in vars(resources).values() if isinstance(each, Resource)
} | {"Service": resources.SERVICES}  # not that of Knative


def resource_of(raw: Mapping[str, Any]) -> Resource:
    """The resource an object belongs to."""
    return BY_KIND[raw["kind"]]
