"""What happened to the objects of one namespace, seen by a watch from its beginning."""

import contextlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.services.cluster import ControlPlane, Refused

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

    @property
    def version(self) -> int:
        """The resourceVersion, which grows with every write to the server."""
        return int(self.object["metadata"]["resourceVersion"])


class History:
    """Every version of every watched object, in the order of the watch."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._namespace = namespace
        self._seen: defaultdict[tuple[str, str], list[Sighting]] = defaultdict(list)
        self._ending = threading.Event()

    def of(self, resource: str, name: str) -> list[Sighting]:
        """The versions of one object, oldest first."""
        return list(self._seen[resource, name])

    def follow(self, resource: str) -> None:
        """Watches until `end`; a server that is away is asked again from where it was left."""
        path = f"{WATCHED[resource]}/namespaces/{self._namespace}/{resource}"
        version: str | None = None
        while not self._ending.is_set():
            with contextlib.suppress(OSError, ValueError, Refused):
                version = version or self._listed(resource, path)
                version = self._watched(resource, path, version)
            self._ending.wait(0.1)

    def _listed(self, resource: str, path: str) -> str:
        """The version from which to watch, after the objects as they are were noted."""
        listing = self._plane.request("GET", path)
        for item in listing["items"]:
            self._note(resource, item)
        return str(listing["metadata"]["resourceVersion"])

    def _watched(self, resource: str, path: str, version: str) -> str | None:
        """The version from which to go on; None to list again, for the server forgot so far."""
        for event in self._events(f"{path}?watch=1&resourceVersion={version}"):
            if event["type"] == "ERROR":
                return None
            self._note(resource, event["object"])
            version = event["object"]["metadata"]["resourceVersion"]
        return version

    def _note(self, resource: str, item: dict[str, Any]) -> None:
        """Keeps `item`, unless it was seen before: a watch that broke off repeats itself."""
        sighting = Sighting(time.time(), resource, item)
        known = self._seen[resource, sighting.name]
        if not known or known[-1].version < sighting.version:
            known.append(sighting)

    def end(self) -> None:
        """Makes `follow` return within a second."""
        self._ending.set()

    def _events(self, path: str) -> Iterator[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._plane.admin_token}"}
        with self._plane.asked("GET", f"{path}&timeoutSeconds=1", None, headers) as answer:
            if answer.status != 200:
                raise Refused(answer.status, answer.json())
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
