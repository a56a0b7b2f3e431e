"""Pods without nodes: servers that come and go as Deployments ask, and EndpointSlices of them.

As in a cluster, a pod of a new template serves before one of the old one goes; a pod that goes
leaves the EndpointSlices first and answers for a while after that. A Deployment is rolled out when
its pods are in the slices.
"""

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.dataplane import backends
from tests.dataplane.backends import Backend, Ledger
from tests.dataplane.background import Background
from tests.services.cluster import ControlPlane, Refused

START_SECONDS: Final = 0.3
"""From a pod's start until it is ready."""
GRACE_SECONDS: Final = 2.0
"""How long a pod answers after it was told to go."""

Manifest = Mapping[str, Any]


@dataclass
class Pod:
    """One pod; `gone` is when it was told to go."""

    workload: str
    image: str
    labels: Mapping[str, str]
    backend: Backend
    born: float = field(default_factory=time.monotonic)
    gone: float | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it is to get requests."""
        return self.gone is None and time.monotonic() > self.born + START_SECONDS


class Pods:
    """The pods of one namespace; `__call__` is a look at its Deployments."""

    def __init__(self, plane: ControlPlane, ledger: Ledger, background: Background) -> None:
        self._plane = plane
        self._ledger = ledger
        self._background = background
        self._pods: list[Pod] = []
        self._slices: dict[str, Manifest] = {}

    def __call__(self, deployments: Sequence[Manifest]) -> Collection[str]:
        """The names of the Deployments all of whose pods are ready and in the slices."""
        complete = {_name(each) for each in deployments if self._scaled(each)}
        self._publish()
        self._bury()
        return complete

    def end(self) -> None:
        """Closes every server."""
        for pod in self._pods:
            self._background.wait(pod.backend.close())

    def _scaled(self, deployment: Manifest) -> bool:
        """Whether the Deployment has its pods; missing ones start, others go once it has."""
        name, wanted = _name(deployment), deployment["spec"]["replicas"]
        template = deployment["spec"]["template"]
        image = template["spec"]["containers"][0]["image"]
        alive = [pod for pod in self._pods if pod.workload == name and pod.gone is None]
        fitting = [pod for pod in alive if pod.image == image]
        for _ in range(wanted - len(fitting)):
            backend = self._background.wait(backends.serving(self._ledger, name, image))
            self._pods.append(Pod(name, image, template["metadata"]["labels"], backend))
        kept = [pod for pod in fitting if pod.is_ready][:wanted]
        if len(kept) < wanted:
            return False
        for pod in alive:
            if pod not in kept:
                pod.gone = time.monotonic()
        return True

    def _publish(self) -> None:
        """Brings the slices up to date: what serves comes in before what goes is left out."""
        path = f"/api/v1/namespaces/{self._ledger.namespace}/services"
        services = self._plane.request("GET", path)["items"]
        wanted = {
            each["metadata"]["name"]: each
            for pod in self._pods
            if pod.is_ready
            for service in services
            if (each := _slice_of(service, pod))
        }
        for name in wanted.keys() - self._slices.keys():
            self._plane.apply(wanted[name], self._ledger.namespace)
            self._slices[name] = wanted[name]
        for name in self._slices.keys() - wanted.keys():
            with contextlib.suppress(Refused):
                self._plane.request("DELETE", f"{self._path()}/{name}")
            del self._slices[name]

    def _bury(self) -> None:
        """Ends the pods whose time is over."""
        now = time.monotonic()
        over = [pod for pod in self._pods if pod.gone and now > pod.gone + GRACE_SECONDS]
        for pod in over:
            self._background.wait(pod.backend.close())
            self._pods.remove(pod)

    def _path(self) -> str:
        return f"/apis/discovery.k8s.io/v1/namespaces/{self._ledger.namespace}/endpointslices"


def _slice_of(service: Manifest, pod: Pod) -> Manifest | None:
    """The slice of one endpoint; None when the Service does not select the pod."""
    selector = service["spec"].get("selector")
    if not selector or not selector.items() <= pod.labels.items():
        return None
    name = service["metadata"]["name"]
    endpoint = {"addresses": [backends.own_address()], "conditions": {"ready": True}}
    ports = [
        {"name": each["name"], "port": pod.backend.port, "protocol": "TCP"}
        for each in service["spec"]["ports"]
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{pod.backend.port}",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": ports,
    }


def _name(deployment: Manifest) -> str:
    return str(deployment["metadata"]["name"])


@contextlib.contextmanager
def run_by(plane: ControlPlane, ledger: Ledger, background: Background) -> Iterator[Pods]:
    """Pods for the length of the block."""
    pods = Pods(plane, ledger, background)
    try:
        yield pods
    finally:
        pods.end()
