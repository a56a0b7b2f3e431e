"""What happened to the objects of one namespace, seen by a watch from its beginning."""

import contextlib
import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.services.cluster import ControlPlane

WATCHED: Final = {
    "canaries": "/apis/flagger.app/v1beta1",
    "virtualservices": "/apis/networking.istio.io/v1beta1",
    "deployments": "/apis/apps/v1",
}


@dataclass(frozen=True)
class Sighting:
    """An object as it was from `at` on, in seconds since the epoch."""

    at: float
    resource: str
    object: dict[str, Any]

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.object["metadata"]["name"])


class History:
    """Every version of every watched object, in the order of the watch."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._namespace = namespace
        self._seen: list[Sighting] = []
        self._ending = threading.Event()

    def of(self, resource: str, name: str) -> list[Sighting]:
        """The versions of one object, oldest first."""
        return [one for one in self._seen if (one.resource, one.name) == (resource, name)]

    def follow(self, resource: str) -> None:
        """Watches until `end`; a server that is away is asked again from where it was left."""
        path = f"{WATCHED[resource]}/namespaces/{self._namespace}/{resource}"
        version = self._plane.request("GET", path)["metadata"]["resourceVersion"]
        while not self._ending.is_set():
            with contextlib.suppress(OSError, ValueError):
                for event in self._events(f"{path}?watch=1&resourceVersion={version}"):
                    if event["type"] == "ERROR":  # a server that has just started: ask again
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    self._seen.append(Sighting(time.time(), resource, event["object"]))
            self._ending.wait(0.1)

    def end(self) -> None:
        """Makes `follow` return within a second."""
        self._ending.set()

    def _events(self, path: str) -> Iterator[dict[str, Any]]:
        request = urllib.request.Request(
            f"{self._plane.url}{path}&timeoutSeconds=1",
            headers={"Authorization": f"Bearer {self._plane.admin_token}"},
        )
        tls = ssl.create_default_context(cafile=str(self._plane.ca_file))
        with urllib.request.urlopen(request, timeout=5, context=tls) as answer:
            yield from map(json.loads, answer)


@contextlib.contextmanager
def recorded(plane: ControlPlane, namespace: str) -> Iterator[History]:
    """The history of `namespace` from now on, kept for the length of the block."""
    history = History(plane, namespace)
    threads = [threading.Thread(target=history.follow, args=[each]) for each in WATCHED]
    for thread in threads:
        thread.start()
    try:
        yield history
    finally:
        history.end()
        for thread in threads:
            thread.join()
