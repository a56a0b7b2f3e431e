"""The watch side, with its threads, follows every API server there is.

Behind it stand the sandbox's API server, in this process and over HTTP, and a kube-apiserver with
etcd; the worlds are in a fake Redis. Tested: the way from an object to its world and the agenda,
lost history, one namespace of many, objects of odd shapes, the end. Left out: what exactly changes
by what (tests/unit/scheduler).
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from analysis.effects import Lane
from clients.clock import SystemClock
from clients.kube import connect as kube_connect
from clients.kube import resources
from clients.kube.protocol import Kube, Watcher
from clients.kube.resources import Resource
from clients.redis.records import Begun, Work
from config.refs import CanaryRef
from config.settings.settings import Settings
from sandbox.apiserver import ApiServer
from scheduler import wiring
from scheduler.watching import Interruptible, WatchSide
from tests.fakes import memory_redis
from tests.fakes.kube import FakeKube
from tests.patience import until
from tests.services import control_plane as control_plane_service
from tests.stores import DirectStore
from tests.unit.scheduler import worlds

PATIENCE_SECONDS: Final = 10.0
SHORT: Final = timedelta(seconds=1)
LONG: Final = timedelta(minutes=1)
"""Watches end and are begun anew while the tests run."""


@dataclass(frozen=True)
class Cluster:
    """An API server; `watcher` opens a door whose watches can be ended without harm to others.

    `forget` makes the server lose its history, where it can be asked to.
    """

    kube: Kube
    watcher: Callable[[], Watcher]
    namespace: str
    other_namespace: str
    forget: Callable[[], None] | None = None


@pytest.fixture
def in_process() -> Cluster:
    """The sandbox's API server, without its network."""
    kube = FakeKube(SystemClock())
    return Cluster(kube, lambda: kube, "prod", "test", kube.compact)


@pytest.fixture
def sandbox() -> Iterator[Cluster]:
    """The sandbox's API server, with a bookmark each second."""
    crds = yaml.safe_load_all(control_plane_service.COALMINE_CRDS.read_text("utf-8"))
    with ApiServer(bookmark_interval_seconds=1) as server:
        server.apply_manifests(crd for crd in crds if crd)
        for name in ("prod", "test"):
            server.store.create("namespaces", {"metadata": {"name": name}})

        def connect() -> Any:
            return kube_connect.connect(role="test", url=server.url)

        with contextlib.closing(connect()) as kube:
            yield Cluster(kube, connect, "prod", "test", server.compact)


@pytest.fixture
def apiserver(control_plane: Any, namespace: str, tmp_path: Path) -> Iterator[Cluster]:
    """A real kube-apiserver; the namespaces are the test's own."""
    kubeconfig = control_plane.kubeconfig(tmp_path / "kubeconfig")
    other = control_plane.create_namespace(f"test-{secrets.token_hex(4)}")

    def connect() -> Any:
        return kube_connect.connect(role="test", kubeconfig=kubeconfig)

    with contextlib.closing(connect()) as kube:
        yield Cluster(kube, connect, namespace, other)


@pytest.fixture(params=["in_process", "sandbox", "apiserver"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Each API server in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Cluster)
    return found


@dataclass
class Watch:
    """What a test needs of a running watch side."""

    cluster: Cluster
    store: DirectStore = field(default_factory=lambda: DirectStore(memory_redis.connect()))
    sent: worlds.Sent = field(default_factory=worlds.Sent)

    @contextlib.contextmanager
    def running(self, lasting: timedelta = SHORT) -> Iterator[WatchSide]:
        """A watch side of the test's namespace, in threads, synced; its watches last so long."""
        settings = Settings()
        kubernetes = replace(settings.kubernetes, namespace=self.cluster.namespace)
        doors = wiring.Doors(self.store, self.sent, self.cluster.watcher, SystemClock())
        term = memory_redis.lead(self.store)
        side = wiring.watch_side(
            replace(settings, kubernetes=kubernetes), doors, lambda: term, lambda: lasting
        )
        side.start()
        try:
            until(lambda: side.synced)
            yield side
        finally:
            side.stop(timedelta(seconds=5))
            assert not [thread for thread in side._threads if thread.is_alive()]

    def create(self, raw: Mapping[str, Any], namespace: str = "") -> None:
        """Make an object; the server gives it identity and version."""
        namespace = namespace or self.cluster.namespace
        metadata = {"name": raw["metadata"]["name"], "namespace": namespace}
        bare = {key: value for key, value in raw.items() if key != "status"}
        self.cluster.kube.create(worlds.resource_of(raw), namespace, {**bare, "metadata": metadata})

    def edit(self, resource: Resource, patch: Mapping[str, Any], part: str | None = None) -> None:
        """Merge `patch` into the object named shop."""
        self.cluster.kube.patch(resource, self.cluster.namespace, "shop", patch, subresource=part)

    @property
    def shop(self) -> CanaryRef:
        """The canary named shop."""
        return CanaryRef(self.cluster.namespace, "shop")

    def world(self, name: str = "shop") -> Mapping[str, Any]:
        """The stored world of a canary."""
        return self.store.read(CanaryRef(self.cluster.namespace, name)).world.by_role()

    def settle(self) -> None:
        """Let a worker find nothing to do for an hour, once it may begin."""
        found: list[Begun] = []

        def begin() -> bool:
            begun = self.store.begin(self.shop, Work.TICK, timedelta(seconds=30))
            found.extend([begun] if begun else [])
            return bool(found)

        until(begin)
        begun = found[0]
        later = self.store.now() + timedelta(hours=1)
        self.store.finish(self.shop, Work.TICK, begun.token, later)

    def is_due(self) -> bool:
        """Whether shop is to be looked at now."""
        at = self.store.agenda().get(self.shop)
        return at is not None and at <= self.store.now()


@pytest.fixture
def watch(cluster: Cluster) -> Watch:
    """A canary and its Deployment in a cluster, and an empty Redis."""
    found = Watch(cluster)
    found.create(worlds.a_canary())
    found.create(worlds.a_deployment())
    return found


def test_changes_reach_the_world_and_the_agenda(watch: Watch) -> None:
    """A new revision is due, across the end of several watches; a report is not."""
    with watch.running():
        until(lambda: {"canary", "target", "admission"} <= watch.world().keys())
        until(watch.is_due)
        revision = watch.world()["target"].revision
        watch.settle()

        watch.edit(resources.CANARIES, {"status": {"phase": "Initialized"}}, "status")
        until(lambda: watch.world()["status"].fields == {"phase": "Initialized"})
        assert not watch.is_due()

        time.sleep(2 * SHORT.total_seconds())
        template = {"metadata": {"annotations": {"released": "again"}}}
        watch.edit(resources.DEPLOYMENTS, {"spec": {"template": template}})
        until(lambda: bool(watch.world()["target"].revision != revision))
        until(watch.is_due)


def test_a_changed_route_is_brought_to_routing(watch: Watch) -> None:
    """And stored with the version that guards the next write."""
    with watch.running():
        # What is there when a canary is stored first has not changed, and is no drift.
        until(lambda: "target" in watch.world())
        watch.create(worlds.a_virtual_service())
        until(lambda: (watch.shop, Lane.ROUTE) in watch.sent.effects)
        watch.sent.effects.clear()

        watch.edit(resources.VIRTUAL_SERVICES, {"spec": {"hosts": ["stolen"]}})
        until(lambda: (watch.shop, Lane.ROUTE) in watch.sent.effects)

        stored = watch.world()["virtual-service"]
        live = watch.cluster.kube.get(resources.VIRTUAL_SERVICES, watch.cluster.namespace, "shop")
        assert stored["spec"]["hosts"] == ["stolen"]
        assert stored["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
        assert "managedFields" not in stored["metadata"]


def test_deletions_are_seen_whether_or_not_anybody_watched(watch: Watch) -> None:
    """D-27: a Deployment while we watch, the canary while nobody does."""
    with watch.running():
        until(lambda: "target" in watch.world())
        watch.cluster.kube.delete(resources.DEPLOYMENTS, watch.cluster.namespace, "shop")
        until(lambda: "target" not in watch.world())

    watch.cluster.kube.delete(resources.CANARIES, watch.cluster.namespace, "shop")
    assert watch.world()

    with watch.running():
        until(lambda: not watch.world())
        assert watch.store.agenda() == {}


def test_a_lost_history_loses_no_change(watch: Watch) -> None:
    """410: the list is read again and compared."""
    if watch.cluster.forget is None:
        pytest.skip("a real API server forgets after five minutes")
    with watch.running():
        until(lambda: "target" in watch.world())
        watch.create(worlds.a_canary("other"))
        watch.edit(resources.DEPLOYMENTS, {"spec": {"replicas": 7}})
        watch.cluster.forget()
        watch.cluster.kube.delete(resources.CANARIES, watch.cluster.namespace, "other")
        watch.cluster.forget()

        until(lambda: bool(watch.world()["target"].replicas == 7))
        until(lambda: not watch.world("other"))


def test_other_namespaces_are_not_our_business(watch: Watch) -> None:
    """Neither their canaries nor what a store shared by accident says of them."""
    watch.create(worlds.a_canary(), watch.cluster.other_namespace)
    stranger = CanaryRef(watch.cluster.other_namespace, "known")
    watch.store.poke(stranger)

    with watch.running():
        until(lambda: "target" in watch.world())
        until(lambda: watch.shop in watch.store.agenda())
        assert set(watch.store.agenda()) == {watch.shop, stranger}


def test_an_invalid_canary_stops_nobody_else(watch: Watch) -> None:
    """D-29: it is told what is wrong, the others go on."""
    nothing_passes = {"name": "latency", "query": "up", "thresholdRange": {"min": 9, "max": 1}}
    watch.create(worlds.a_canary("odd", metrics=[nothing_passes]))

    with watch.running():
        until(lambda: "target" in watch.world())
        until(lambda: "admission" in watch.world("odd"))

    (problem,) = watch.world("odd")["admission"].problems
    assert problem.reason == "InvalidSpec"
    assert "thresholdRange" in problem.message


def test_every_watch_is_heard_of(watch: Watch) -> None:
    """D-100: bookmarks and events count; silence would show."""
    with watch.running() as side:
        until(lambda: all(each.silent_seconds is not None for each in side.contacts()))
        assert {each.synced for each in side.contacts()} == {True}


def test_what_redis_lost_is_stored_from_new_lists_while_the_watches_say_nothing(
    watch: Watch,
) -> None:
    """Watches in progress are ended for it, however long they were to last, and begin anew."""
    can_end = isinstance(watch.cluster.kube, Interruptible)  # without a network there is no need
    with watch.running(LONG if can_end else SHORT) as side:
        until(lambda: side.confirmed)
        redis = watch.store.client
        memory_redis.fail_over(redis, memory_redis.copied(redis))
        began = time.monotonic()
        side.refresh()
        until(lambda: side.confirmed and side.synced)
        heard = [each.silent_seconds for each in side.contacts()]
        since = time.monotonic() - began
        watch.edit(resources.CANARIES, {"spec": {"suspend": True}})
        until(lambda: watch.world()["admission"].generation == 2)

    assert all(silent is not None and silent < since for silent in heard)
