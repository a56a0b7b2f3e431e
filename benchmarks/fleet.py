"""The canaries that are measured: made, released all at once, and watched from outside."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from benchmarks import following
from benchmarks.copying import Copier
from clients.kube import connect, resources
from clients.kube.protocol import Object
from clients.kube.rest import KubeHttp
from config.refs import CanaryRef

INTERVAL_SECONDS: Final = 10
STEP_WEIGHT: Final = 10
MAX_WEIGHT: Final = 50
THRESHOLD: Final = 5
PER_NAMESPACE: Final = 10
PLAIN: Final[Mapping[str, Any]] = MappingProxyType({})
_AT_ONCE: Final = 8


class Overdue(Exception):
    """Something did not happen within its time."""


@dataclass(frozen=True, slots=True)
class Weight:
    """The canary's percent in a VirtualService, and when it was first seen."""

    at: datetime
    percent: int


class Sightings:
    """When each canary was first seen in each phase, and at each weight; filled by two watches."""

    def __init__(self) -> None:
        self._phases: dict[CanaryRef, list[tuple[datetime, str]]] = defaultdict(list)
        self._weights: dict[CanaryRef, list[Weight]] = defaultdict(list)
        self._changed = threading.Condition()

    def see_canary(self, canary: Object) -> None:
        """Take note of a Canary as it is now."""
        phase = str((canary.get("status") or {}).get("phase", ""))
        with self._changed:
            seen = self._phases[_ref(canary)]
            if not seen or seen[-1][1] != phase:
                seen.append((datetime.now(UTC), phase))
                self._changed.notify_all()

    def see_route(self, virtual_service: Object) -> None:
        """Take note of a VirtualService as it is now."""
        routes = virtual_service["spec"]["http"][0]["route"]
        percent = int(routes[1]["weight"])
        with self._changed:
            seen = self._weights[_ref(virtual_service)]
            if not seen or seen[-1].percent != percent:
                seen.append(Weight(datetime.now(UTC), percent))

    def entered(self, ref: CanaryRef, phase: str, since: datetime) -> datetime | None:
        """When `ref` was first seen in `phase` after `since`; None if it was not."""
        with self._changed:
            return next(
                (at for at, seen in self._phases[ref] if seen == phase and at >= since), None
            )

    def weights(self, ref: CanaryRef, since: datetime) -> list[Weight]:
        """The weights of `ref` that were seen after `since`, in order."""
        with self._changed:
            return [weight for weight in self._weights[ref] if weight.at >= since]

    def wait(self, done: Callable[[], object], seconds: float, what: str) -> None:
        """Returns once `done`, which is asked at each change. Raises Overdue after `seconds`."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise Overdue(f"not within {seconds:g} s: {what}")
            with self._changed:
                self._changed.wait(0.2)


def namespace_of(name: str) -> str:
    """The namespace of the canary `name`, which is its target's name, too."""
    return f"bench-{int(name.rpartition('-')[2]) // PER_NAMESPACE}"


class Fleet:
    """`count` canaries in namespaces of ten, and what has been seen of them.

    `hook` is the URL of their two webhooks; without one they have none, and two checks only.
    `also` are further fields of their analysis. With a `copier` the first ten are made, and the
    others are copies of them.
    """

    def __init__(
        self,
        kube: KubeHttp,
        count: int,
        hook: str = "",
        also: Mapping[str, Any] = PLAIN,
        copier: Copier | None = None,
    ) -> None:
        self._kube = kube
        self._hook = hook
        self._also = also
        self._copier = copier
        names = [f"app-{number}" for number in range(PER_NAMESPACE if copier else count)]
        self.made = tuple(CanaryRef(namespace_of(name), name) for name in names)
        further = range(1, count // PER_NAMESPACE) if copier else ()
        self._copies = tuple(f"bench-{number}" for number in further)
        copied = (CanaryRef(namespace, name) for namespace in self._copies for name in names)
        self.refs = (*self.made, *copied)
        self.seen = Sightings()

    def make(self) -> None:
        """Creates namespaces, Deployments and Canaries, where they are not to be copies."""
        for namespace in dict.fromkeys(ref.namespace for ref in self.made):
            self._kube.create(resources.NAMESPACES, None, {"metadata": {"name": namespace}})
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._make, self.made))

    def copy(self) -> None:
        """Makes the copies of what was made and is initialized by now."""
        if self._copier:
            self._copier.copy(self.made[0].namespace, self._copies)

    def release(self, image: str, over: float = 0.0) -> Mapping[CanaryRef, datetime]:
        """When each Deployment was given the new image: at an even pace, `over` so many seconds."""
        if not over:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                times = pool.map(lambda ref: self._release(ref, image), self.refs)
                return dict(zip(self.refs, times, strict=True))
        began, released = time.monotonic(), {}
        for number, ref in enumerate(self.refs):
            time.sleep(max(0.0, began + over * number / len(self.refs) - time.monotonic()))
            released[ref] = self._release(ref, image)
        return released

    def release_one(self, ref: CanaryRef, image: str) -> datetime:
        """When this Deployment alone was given the new image."""
        return self._release(ref, image)

    def _release(self, ref: CanaryRef, image: str) -> datetime:
        at = datetime.now(UTC)
        container = {"name": "app", "image": image}
        patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
        self._kube.patch(resources.DEPLOYMENTS, ref.namespace, ref.name, patch)
        return at

    def all_in(
        self, phase: str, since: datetime, refs: Sequence[CanaryRef] = ()
    ) -> Callable[[], bool]:
        """Whether all (or these) have been seen in `phase` after `since`."""
        return lambda: all(self.seen.entered(ref, phase, since) for ref in refs or self.refs)

    def _make(self, ref: CanaryRef) -> None:
        self._kube.create(resources.DEPLOYMENTS, ref.namespace, _deployment(ref.name))
        # A copy of a cluster IP would be an error that the API server tells again and again.
        service = {"port": 80, "headless": True} if self._copier else {"port": 80}
        canary = _canary(ref.name, service, self._hook, self._also)
        self._kube.create(resources.CANARIES, ref.namespace, canary)


@contextlib.contextmanager
def watched(
    admin: Path,
    count: int,
    hook: str = "",
    also: Mapping[str, Any] = PLAIN,
    etcd: str = "",
) -> Iterator[Fleet]:
    """A fleet that does not exist yet, watched for the length of the block; copied in that etcd."""

    def door() -> KubeHttp:
        return connect.connect(role="bench", kubeconfig=admin)

    copier = Copier(door(), etcd) if etcd else None
    fleet = Fleet(door(), count, hook, also, copier)
    with (
        following.followed(door(), resources.CANARIES, fleet.seen.see_canary),
        following.followed(door(), resources.VIRTUAL_SERVICES, fleet.seen.see_route),
    ):
        yield fleet


def _ref(item: Object) -> CanaryRef:
    return CanaryRef(item["metadata"]["namespace"], item["metadata"]["name"])


def _deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "app", "image": "registry.example/app:1", "ports": [{"containerPort": 80}]}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pods},
    }


def _canary(
    name: str, service: Mapping[str, Any], hook: str, also: Mapping[str, Any]
) -> dict[str, Any]:
    interval = f"{INTERVAL_SECONDS}s"
    metrics: list[dict[str, Any]] = [
        {"name": "request-success-rate", "interval": interval, "thresholdRange": {"min": 99}},
        {"name": "request-duration", "interval": interval, "thresholdRange": {"max": 500}},
    ]
    analysis: dict[str, Any] = {
        "interval": interval,
        "threshold": THRESHOLD,
        "stepWeight": STEP_WEIGHT,
        "maxWeight": MAX_WEIGHT,
        "metrics": metrics,
        **also,
    }
    if hook:
        metrics += (_own_metric(name, number, interval) for number in range(4))
        analysis["webhooks"] = [
            {"name": f"hook-{number}", "type": "rollout", "url": hook, "timeout": "5s"}
            for number in range(2)
        ]
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": name},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "service": service,
            "analysis": analysis,
        },
    }


def _own_metric(name: str, number: int, interval: str) -> dict[str, Any]:
    query = f'up{{app="{name}",number="{number}"}}'
    bounds = {"max": 5}
    return {"name": f"own-{number}", "interval": interval, "query": query, "thresholdRange": bounds}
