"""The part of the cluster that traffic depends on, read once per step into an index.

`World` is what the mesh asks of the API server's store; `Snapshot` answers the questions of a
request: which VirtualService, which Service, which workloads behind it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

PROFILE_ANNOTATION: Final = "sandbox.coalmine.dev/profile"
"""Names the profile of a pod template, whatever its image."""

UNKNOWN: Final = "unknown"
"""What Istio writes for a label it has no value for."""

_SIDECARS: Final = ("istio-proxy", "envoy")
_FIRST_HOST_LABELS: Final = 2

Object = Mapping[str, Any]


class World(Protocol):
    """Where the mesh reads Kubernetes objects, as JSON-like mappings; it changes none of them."""

    def virtual_services(self) -> Sequence[Object]:
        """All VirtualServices."""
        ...

    def services(self) -> Sequence[Object]:
        """All Services."""
        ...

    def deployments(self) -> Sequence[Object]:
        """All Deployments, with status."""
        ...


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment as traffic sees it."""

    namespace: str
    name: str
    ready_replicas: int
    labels: Mapping[str, str]
    release: str
    """Image tag of the first container that is no sidecar."""
    profile: str | None
    """Profile named by the pod template's annotation."""

    @property
    def app(self) -> str:
        """The `app` label of the pods, or "unknown"."""
        return self.labels.get("app", UNKNOWN)

    @property
    def version(self) -> str:
        """The `version` label of the pods, or "unknown"."""
        return self.labels.get("version", UNKNOWN)


@dataclass(frozen=True, slots=True)
class Address:
    """A Service by namespace and name."""

    namespace: str
    name: str

    @classmethod
    def of(cls, host: str, namespace: str) -> Address:
        """The Service a mesh host means when used in `namespace`: short, `a.b` or fully named."""
        name, *rest = host.split(".", _FIRST_HOST_LABELS)
        return cls(rest[0] if rest else namespace, name)

    @property
    def fqdn(self) -> str:
        """The cluster-wide name."""
        return f"{self.name}.{self.namespace}.svc.cluster.local"


class Snapshot:
    """The cluster at one instant, indexed for routing."""

    def __init__(self, world: World) -> None:
        """The present state of `world`."""
        self._selectors = {_address(s): s.get("spec", {}).get("selector") for s in world.services()}
        self._virtual_services = _by_namespace(world.virtual_services())
        self._workloads: defaultdict[str, list[Workload]] = defaultdict(list)
        for deployment in world.deployments():
            found = workload_of(deployment)
            self._workloads[found.namespace].append(found)

    def has_service(self, address: Address) -> bool:
        """True when the Service exists."""
        return address in self._selectors

    def ready_workloads(self, address: Address) -> tuple[Workload, ...]:
        """The workloads with ready pods that the Service selects; none without a selector."""
        selector = self._selectors.get(address)
        if not selector:
            return ()
        return tuple(
            workload
            for workload in self._workloads[address.namespace]
            if workload.ready_replicas > 0 and selector.items() <= workload.labels.items()
        )

    def running(self) -> frozenset[tuple[str, str, str]]:
        """Namespace, name and release of every workload with ready pods."""
        return frozenset(
            (w.namespace, w.name, w.release)
            for found in self._workloads.values()
            for w in found
            if w.ready_replicas > 0
        )

    def virtual_service(self, address: Address) -> Object | None:
        """The VirtualService for the host, or None; one without hosts counts by its name."""
        for candidate in self._virtual_services.get(address.namespace, ()):
            if _serves(candidate, address):
                return candidate
        return None


def workload_of(deployment: Object) -> Workload:
    """What traffic needs to know of `deployment`."""
    metadata, template = deployment["metadata"], deployment["spec"]["template"]
    pod = template.get("metadata") or {}
    return Workload(
        namespace=metadata["namespace"],
        name=metadata["name"],
        ready_replicas=int((deployment.get("status") or {}).get("readyReplicas") or 0),
        labels=pod.get("labels") or {},
        release=_image_tag(template.get("spec", {}).get("containers", ())),
        profile=(pod.get("annotations") or {}).get(PROFILE_ANNOTATION),
    )


def _image_tag(containers: Iterable[Object]) -> str:
    """The tag of the first container's image that is no sidecar; "latest" when it has none."""
    images = [str(c["image"]) for c in containers if c.get("name") not in _SIDECARS]
    last = images[0].partition("@")[0].rpartition("/")[2] if images else ""
    return last.partition(":")[2] or "latest"


def _serves(virtual_service: Object, address: Address) -> bool:
    hosts = virtual_service.get("spec", {}).get("hosts") or ()
    if not hosts:
        return bool(virtual_service["metadata"]["name"] == address.name)
    return "*" in hosts or address in (Address.of(h, address.namespace) for h in hosts)


def _address(service: Object) -> Address:
    return Address(service["metadata"]["namespace"], service["metadata"]["name"])


def _by_namespace(objects: Iterable[Object]) -> Mapping[str, list[Object]]:
    found: defaultdict[str, list[Object]] = defaultdict(list)
    for item in objects:
        found[item["metadata"]["namespace"]].append(item)
    return found
