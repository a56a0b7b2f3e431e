"""Makes Deployments ready on an API server without nodes: writes the status that a cluster would.

What a kubelet and the deployment controller do over seconds happens here within a tenth of one.
"""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.services.cluster import ControlPlane, Refused

MERGE: Final = "application/merge-patch+json"
POLL_SECONDS: Final = 0.1


Pods = Callable[[Sequence[Mapping[str, Any]]], Collection[str]]
"""Runs the pods that Deployments ask for, and gives the names of those that have all of them."""


def none_needed(deployments: Sequence[Mapping[str, Any]]) -> Collection[str]:
    """Pods that nobody asks: every Deployment has all that it wants at once."""
    return [each["metadata"]["name"] for each in deployments]


class StatusWriter:
    """Keeps the Deployments of one namespace rolled out, apart from those that are held back."""

    def __init__(self, plane: ControlPlane, namespace: str, pods: Pods = none_needed) -> None:
        self._plane = plane
        self._pods = pods
        self._path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self._held: set[str] = set()
        self._failing: dict[str, tuple[int, datetime]] = {}
        self._ending = threading.Event()

    def hold(self, name: str) -> None:
        """From now on the Deployment gets no status: its new pods never become ready."""
        self._held.add(name)

    def fail(self, name: str) -> None:
        """From now on new pods of the Deployment start and never become ready; old ones stay."""
        self._failing.setdefault(name, (0, datetime.now(UTC)))

    def release(self, name: str) -> None:
        """Ends `hold` and `fail`: the Deployment is rolled out at the next look."""
        self._held.discard(name)
        self._failing.pop(name, None)

    def run(self) -> None:
        """Looks at the Deployments until `end`; an API server that is away is asked again."""
        while not self._ending.wait(POLL_SECONDS):
            with contextlib.suppress(OSError, Refused):
                present = self._plane.request("GET", self._path)["items"]
                running = self._pods(present)
                for each in present:
                    if each["metadata"]["name"] in running:
                        self._roll_out(each)

    def end(self) -> None:
        """Makes `run` return."""
        self._ending.set()

    def _roll_out(self, deployment: Mapping[str, Any]) -> None:
        name = deployment["metadata"]["name"]
        current = deployment.get("status", {})
        status = self._wanted(deployment)
        same = all(current.get(key, 0) == status[key] for key in COUNTED)
        if name in self._held or (same and _reasons(current) == _reasons(status)):
            return
        path = f"{self._path}/{name}/status"
        self._plane.request("PATCH", path, {"status": status}, content_type=MERGE)

    def _wanted(self, deployment: Mapping[str, Any]) -> dict[str, Any]:
        name, generation = deployment["metadata"]["name"], deployment["metadata"]["generation"]
        done = rolled_out(deployment)
        current = deployment.get("status", {})
        rests = all(current.get(key, 0) == done[key] for key in COUNTED)
        if name not in self._failing or rests or not deployment["spec"]["replicas"]:
            return done
        known, since = self._failing[name]
        if known != generation:
            since = datetime.now(UTC)
            self._failing[name] = (generation, since)
        return stuck(deployment, since, datetime.now(UTC))


COUNTED: Final = (
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
)


def rolled_out(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """The status of the Deployment once all of its replicas run its latest template."""
    replicas = deployment["spec"]["replicas"]
    counted = dict.fromkeys(COUNTED, replicas)
    counted["observedGeneration"] = deployment["metadata"]["generation"]
    available = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}
    progressing = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    return counted | {"unavailableReplicas": 0, "conditions": [available, progressing]}


def stuck(deployment: Mapping[str, Any], since: datetime, now: datetime) -> dict[str, Any]:
    """The status of the Deployment whose pods of the latest template do not become ready.

    Pods that were available before `since` stay, as in a rolling update. When they are none, the
    Deployment is unavailable since then; past its progressDeadlineSeconds it says so.
    """
    replicas = deployment["spec"]["replicas"]
    serving = min(deployment.get("status", {}).get("availableReplicas", 0), replicas)
    updated = 1 if serving else replicas
    counted = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": serving + updated,
        "updatedReplicas": updated,
        "readyReplicas": serving,
        "availableReplicas": serving,
        "unavailableReplicas": updated,
    }
    deadline = timedelta(seconds=deployment["spec"]["progressDeadlineSeconds"])
    late = now > since + deadline
    progress = "ProgressDeadlineExceeded" if late else "ReplicaSetUpdated"
    minimum = "MinimumReplicasAvailable" if serving else "MinimumReplicasUnavailable"
    conditions = [
        _condition("Available", bool(serving), minimum, since),
        _condition("Progressing", not late, progress, since),
    ]
    return counted | {"conditions": conditions}


def _condition(kind: str, status: bool, reason: str, at: datetime) -> dict[str, str]:
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    times = {"lastUpdateTime": stamp, "lastTransitionTime": stamp}
    return {"type": kind, "status": str(status), "reason": reason, **times}


def _reasons(status: Mapping[str, Any]) -> set[str]:
    return {one["reason"] for one in status.get("conditions") or ()}


@contextlib.contextmanager
def made_ready(
    plane: ControlPlane, namespace: str, pods: Pods = none_needed
) -> Iterator[StatusWriter]:
    """A status writer at work for the length of the block; its requests are the user `admin`'s."""
    writer = StatusWriter(plane, namespace, pods)
    thread = threading.Thread(target=writer.run, name=f"ready-{namespace}")
    thread.start()
    try:
        yield writer
    finally:
        writer.end()
        thread.join()
