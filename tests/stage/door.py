"""The door through which Coalmine's services reach the cluster of a stage."""

from collections.abc import Iterator
from contextlib import contextmanager

from clients.kube import resources
from clients.kube.faults import Call, Faults
from clients.kube.protocol import Kube, Object, Patch, PatchKind, Propagation
from clients.kube.resources import Resource

READS = frozenset({"get", "list", "watch"})


class Door:
    """A `Kube` that logs what the services ask, and fails as a test wants.

    The test's own hand, the kubelet and the watches go past it: they are neither counted nor hit.
    """

    def __init__(self, kube: Kube) -> None:
        self.calls: list[Call] = []
        self.faults = Faults()
        self._kube = kube

    @property
    def writes(self) -> list[Call]:
        """The calls that may have changed something, events left out."""
        return [
            call
            for call in self.calls
            if call.verb not in READS and call.resource != resources.EVENTS.plural
        ]

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """As `clients.kube.protocol.Kube.get`."""
        with self._asked("get", resource, name):
            return self._kube.get(resource, namespace, name)

    def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """As `clients.kube.protocol.Kube.create`."""
        with self._asked("create", resource, body["metadata"].get("name")):
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

    def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        propagation: Propagation | None = None,
    ) -> None:
        """As `clients.kube.protocol.Kube.delete`."""
        with self._asked("delete", resource, name):
            self._kube.delete(resource, namespace, name, propagation=propagation)

    @contextmanager
    def _asked(
        self, verb: str, resource: Resource, name: str | None, subresource: str | None = None
    ) -> Iterator[None]:
        call = Call(verb, resource.plural, subresource, name)
        self.calls.append(call)
        self.faults.strike(call, after=False)
        yield
        self.faults.strike(call, after=True)
