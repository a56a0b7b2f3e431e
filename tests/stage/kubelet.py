"""Stands in for the controllers: pods of a changed Deployment or DaemonSet become ready in time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from clients.clock import ManualClock
from clients.kube import resources
from config import well_known
from tests.fakes.kube import FakeKube

_BROKEN: Final = "test/never-ready"
NODES: Final = 2


class Kubelet:
    """Writes the status of every workload, `delay` after each change of its spec.

    A pod template with the annotation `test/never-ready` never gets available pods. What is
    written to a Deployment named in `held` does not become ready as long as it is named; one named
    in `dead` has no available pods whatever it had before, and one in `few` no more than that many.
    """

    def __init__(self, kube: FakeKube, clock: ManualClock, delay: timedelta) -> None:
        self._kube = kube
        self._clock = clock
        self._delay = delay
        self.held: set[str] = set()
        self.dead: set[str] = set()
        self.few: dict[str, int] = {}
        self._ready: dict[str, int] = {}
        self._seen: dict[tuple[str, str], tuple[int, datetime]] = {}
        self._revisions: dict[tuple[str, str], list[tuple[str, datetime]]] = {}

    def step(self) -> datetime | None:
        """Brings statuses up to date; when something will change by itself next, if anything."""
        kinds = (resources.DEPLOYMENTS, resources.DAEMON_SETS)
        items = [item for kind in kinds for item in self._kube.stored(kind).values()]
        deadlines = [self._tend(item) for item in items]
        knative = self._kube.stored(resources.KNATIVE_SERVICES).values()
        deadlines += [self._tend_knative(item) for item in knative]
        return min((at for at in deadlines if at is not None), default=None)

    def _tend(self, item: Mapping[str, Any]) -> datetime | None:
        key = (item["metadata"]["namespace"], item["metadata"]["name"])
        generation, now = item["metadata"]["generation"], self._clock.now()
        if self._seen.get(key, (0, now))[0] != generation:
            self._seen[key] = (generation, now)
        since = self._seen[key][1]
        annotations = item["spec"]["template"]["metadata"].get("annotations") or {}
        name = key[1]
        held = name in self.held and self._ready.get(name) != generation
        broken = _BROKEN in annotations or held or name in self.dead
        ready = not broken and now >= since + self._delay
        if ready:
            self._ready[name] = generation
        if item["kind"] == resources.DAEMON_SETS.kind:
            self._write_daemon_set(key, item, ready=ready)
        else:
            self._write(key, item, ready=ready, since=since)
        return None if ready or broken else since + self._delay

    def _write(
        self, key: tuple[str, str], item: Mapping[str, Any], *, ready: bool, since: datetime
    ) -> None:
        replicas = item["spec"].get("replicas", 1)
        available = replicas if ready or replicas == 0 else 0
        available = min(self.few.get(key[1], available), replicas)
        good = available == replicas
        stamp = since.strftime("%Y-%m-%dT%H:%M:%SZ")
        available_since = self._available_since(item, good=good)
        status = {
            "observedGeneration": item["metadata"]["generation"],
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": available,
            "readyReplicas": available,
            "conditions": [
                {
                    "type": "Available",
                    "status": "True" if good else "False",
                    "reason": "MinimumReplicasAvailable" if good else "MinimumReplicasUnavailable",
                    "lastUpdateTime": available_since,
                },
                {
                    "type": "Progressing",
                    "status": "True",
                    "reason": "NewReplicaSetAvailable" if good else "ReplicaSetUpdated",
                    "lastUpdateTime": stamp,
                },
            ],
        }
        if item.get("status") != status:
            self._kube.patch(resources.DEPLOYMENTS, *key, {"status": status}, subresource="status")

    def _write_daemon_set(
        self, key: tuple[str, str], item: Mapping[str, Any], *, ready: bool
    ) -> None:
        """One pod on each of `NODES` nodes, unless none of them is selected."""
        nodes = item["spec"]["template"]["spec"].get("nodeSelector") or {}
        desired = 0 if well_known.SCALE_TO_ZERO_SELECTOR in nodes else NODES
        available = min(self.few.get(key[1], desired), desired) if ready else 0
        status = {
            "observedGeneration": item["metadata"]["generation"],
            "currentNumberScheduled": desired,
            "desiredNumberScheduled": desired,
            "updatedNumberScheduled": desired,
            "numberAvailable": available,
            "numberReady": available,
            "numberMisscheduled": 0,
        }
        if item.get("status") != status:
            self._kube.patch(resources.DAEMON_SETS, *key, {"status": status}, subresource="status")

    def _tend_knative(self, item: Mapping[str, Any]) -> datetime | None:
        """Each template is a revision, which is ready in time unless its image says otherwise."""
        metadata, now = item["metadata"], self._clock.now()
        status = item.get("status") or {}
        key = (metadata["namespace"], f"knative/{metadata['name']}")
        template = str(item["spec"]["template"])
        templates = self._revisions.setdefault(key, [])
        if not templates or templates[-1][0] != template:
            templates.append((template, now))
        created = f"{metadata['name']}-{len(templates):05}"
        ready_at = templates[-1][1] + self._delay
        is_broken = _BROKEN in template
        is_ready = not is_broken and now >= ready_at
        wanted = {
            "observedGeneration": metadata["generation"],
            "latestCreatedRevisionName": created,
            **({"latestReadyRevisionName": created} if is_ready else {}),
        }
        if not is_ready and "latestReadyRevisionName" in status:
            wanted["latestReadyRevisionName"] = status["latestReadyRevisionName"]
        if status != wanted:
            place = resources.KNATIVE_SERVICES, key[0], metadata["name"]
            self._kube.patch(*place, {"status": wanted}, subresource="status")
        return None if is_ready or is_broken else ready_at

    def _available_since(self, item: Mapping[str, Any], *, good: bool) -> str:
        """When the condition `Available` became what it is; the real controller keeps that too."""
        told = (item.get("status") or {}).get("conditions") or [{}]
        if told[0].get("status") == ("True" if good else "False"):
            return str(told[0]["lastUpdateTime"])
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
