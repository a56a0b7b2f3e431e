"""Makes Deployments ready on an API server without nodes: writes the status that a cluster would.

What a kubelet and the deployment controller do over seconds happens here within a tenth of one.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.services.cluster import ControlPlane, Refused

MERGE: Final = "application/merge-patch+json"
POLL_SECONDS: Final = 0.1


class StatusWriter:
    """Keeps the Deployments of one namespace rolled out, apart from those that are held back."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self._held: set[str] = set()
        self._ending = threading.Event()

    def hold(self, name: str) -> None:
        """From now on the Deployment gets no status: its new pods never become ready."""
        self._held.add(name)

    def release(self, name: str) -> None:
        """Ends `hold`: the Deployment is rolled out at the next look."""
        self._held.discard(name)

    def run(self) -> None:
        """Looks at the Deployments until `end`; an API server that is away is asked again."""
        while not self._ending.wait(POLL_SECONDS):
            with contextlib.suppress(OSError, Refused):
                for each in self._plane.request("GET", self._path)["items"]:
                    self._roll_out(each)

    def end(self) -> None:
        """Makes `run` return."""
        self._ending.set()

    def _roll_out(self, deployment: Mapping[str, Any]) -> None:
        name = deployment["metadata"]["name"]
        status = rolled_out(deployment)
        current = deployment.get("status", {})
        if name in self._held or all(current.get(key, 0) == status[key] for key in COUNTED):
            return
        path = f"{self._path}/{name}/status"
        self._plane.request("PATCH", path, {"status": status}, content_type=MERGE)


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


@contextlib.contextmanager
def made_ready(plane: ControlPlane, namespace: str) -> Iterator[StatusWriter]:
    """A status writer at work for the length of the block; its requests are the user `admin`'s."""
    writer = StatusWriter(plane, namespace)
    thread = threading.Thread(target=writer.run, name=f"ready-{namespace}")
    thread.start()
    try:
        yield writer
    finally:
        writer.end()
        thread.join()
