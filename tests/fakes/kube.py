"""The cluster of unit and scenario tests: the sandbox's API server without its network.

Validation, defaults, definitions and preconditions are those of the sandbox, which the contract
tests hold to a real kube-apiserver; what is added here is a log of calls and faults on demand.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from random import Random
from typing import Any, Final, Protocol

from clients.clock import Clock
from clients.kube import limiter, resources
from clients.kube.protocol import (
    JSON_TYPE,
    Keep,
    Kube,
    Listing,
    Object,
    Patch,
    PatchKind,
    Watcher,
    WatchEvent,
    everything,
)
from clients.kube.resources import Resource
from sandbox import cluster
from sandbox.apiserver import InProcessKube, Store, objects, server
from sandbox.apiserver.errors import ApiError
from tests.fakes.faults import Call, Faults

READS: Final = frozenset({"get", "list", "watch"})
NAMESPACES: Final = (*server.NAMESPACES, "prod", "shop", "test")
KINDS: Final = "customresourcedefinitions.apiextensions.k8s.io"
FREE_FORM: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class KubeWatcher(Kube, Watcher, Protocol):
    """Both protocols at once, as every door has them."""


class Door(Kube, Watcher):
    """A door that logs what is asked through it, and fails as a test wants.

    `calls` has every request in order, failed ones included.
    """

    def __init__(self, kube: KubeWatcher, clock: Clock) -> None:
        self.calls: list[Call] = []
        self.faults = Faults()
        self.deadline = math.inf
        self._kube = kube
        self._clock = clock

    def until(self, deadline: float) -> "Door":
        """As `clients.kube.protocol.Kube.until`; what was sent in time may land at any time."""
        bounded = copy.copy(self)
        bounded.deadline = deadline
        return bounded

    @property
    def writes(self) -> list[Call]:
        """The calls that may have changed something, events left out."""
        return [
            call
            for call in self.calls
            if call.verb not in READS and call.resource != resources.EVENTS.plural
        ]

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = JSON_TYPE
    ) -> Object:
        """As `clients.kube.protocol.Kube.request`: for what no other method asks."""
        return self._kube.request(method, path, body, content_type)

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """As `clients.kube.protocol.Kube.get`."""
        with self._asked("get", resource, name):
            return self._kube.get(resource, namespace, name)

    def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """As `clients.kube.protocol.Kube.create`."""
        with self._asked("create", resource, (body.get("metadata") or {}).get("name")):
            return self._kube.create(resource, namespace, body)

    def replace(self, resource: Resource, namespace: str | None, name: str, body: Object) -> Object:
        """As `clients.kube.protocol.Kube.replace`."""
        with self._asked("replace", resource, name):
            return self._kube.replace(resource, namespace, name, body)

    def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Patch,
        *,
        subresource: str | None = None,
        kind: PatchKind = PatchKind.MERGE,
    ) -> Object:
        """As `clients.kube.protocol.Kube.patch`."""
        with self._asked("patch", resource, name, subresource):
            return self._kube.patch(
                resource, namespace, name, patch, subresource=subresource, kind=kind
            )

    def delete(self, resource: Resource, namespace: str | None, name: str) -> None:
        """As `clients.kube.protocol.Kube.delete`."""
        with self._asked("delete", resource, name):
            self._kube.delete(resource, namespace, name)

    def list(
        self, resource: Resource, namespace: str | None = None, keep: Keep = everything
    ) -> Listing:
        """As `clients.kube.protocol.Watcher.list`."""
        with self._asked("list", resource, None):
            return self._kube.list(resource, namespace, keep)

    def watch(
        self,
        resource: Resource,
        namespace: str | None,
        resource_version: str,
        timeout: timedelta,
    ) -> Iterator[WatchEvent]:
        """As `clients.kube.protocol.Watcher.watch`; faults strike before the first event."""
        with self._asked("watch", resource, None):
            stream = self._kube.watch(resource, namespace, resource_version, timeout)
        yield from stream

    @contextmanager
    def _asked(
        self, verb: str, resource: Resource, name: str | None, subresource: str | None = None
    ) -> Iterator[None]:
        call = Call(verb, resource.plural, subresource, name)
        limiter.time_left(self.deadline, self._clock, f"{verb} {resource.plural} {name}")
        self.calls.append(call)
        self.faults.strike(call, after=False)
        yield
        self.faults.strike(call, after=True)


class FakeKube(Door):
    """A cluster of its own with Coalmine's and Istio's definitions; time is `clock`'s."""

    def __init__(self, clock: Clock) -> None:
        self.store: Final = Store(clock.now, randomness=Random(0))
        for resource, obj in _beginning():
            self.store.storage.put(resource, obj)
        super().__init__(InProcessKube(self.store, clock), clock)

    def stored(self, resource: Resource) -> Mapping[objects.Key, Object]:
        """The objects of a kind, in the order of a list, without a request: not to be changed."""
        present = self.store.storage.snapshot(_name(resource))
        return {key: present[key].obj for key in sorted(present)}

    def has_news(self, resource: Resource, version: str) -> bool:
        """Whether a watch from `version` would tell anything, an error or new kinds included."""
        try:
            told = [
                self.store.storage.since(name, int(version)) for name in (_name(resource), KINDS)
            ]
        except ApiError:
            return True
        return any(told) or bool(self.faults)

    def restore(self, resource: Resource, obj: Object) -> None:
        """Put an object there as it is, its uid included, as a restored backup would."""
        self.store.storage.put(_name(resource), objects.clone(dict(obj)))

    def admit_anything(self) -> None:
        """Serve Canary under a definition that checks and prunes nothing, as a foreign one may."""
        self.redefine(lambda _: FREE_FORM)

    def redefine(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Serve Canary under a schema that `change` makes of the present one."""
        definition = self.store.get(KINDS, "", "canaries.flagger.app")
        for version in definition["spec"]["versions"]:
            schema = change(version["schema"]["openAPIV3Schema"])
            version["schema"] = {"openAPIV3Schema": schema}
        self.store.storage.put(KINDS, definition)

    def compact(self) -> None:
        """Forget the history: watches from an older resourceVersion raise Expired."""
        self.store.compact()


def _name(resource: Resource) -> str:
    """What the server calls a kind."""
    return f"{resource.plural}.{resource.group}".rstrip(".")


@lru_cache(maxsize=1)
def _beginning() -> tuple[tuple[str, dict[str, Any]], ...]:
    """What is in every cluster: definitions and namespaces as an API server has stored them."""
    api = server.ApiServer()
    api.apply_manifests(cluster.coalmine_crds())
    for name in NAMESPACES[len(server.NAMESPACES) :]:
        api.store.create("namespaces", {"metadata": {"name": name}})
    storage = api.store.storage
    return tuple(
        (resource, stored.obj)
        for resource in storage.resources()
        for stored in storage.snapshot(resource).values()
    )
