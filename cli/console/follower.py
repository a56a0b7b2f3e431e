"""The canaries of a cluster as they change: listed, then watched, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from cli.console.cluster import Cluster
from clients import errors
from clients.clock import Clock
from clients.kube.protocol import Object, WatchType
from clients.kube.resources import CANARIES

WATCH: Final = timedelta(minutes=4)
PAUSE: Final = timedelta(seconds=1)
"""Between two tries, when the server does not answer."""


class Follower:
    """The present canaries of a namespace, or of all."""

    def __init__(self, cluster: Cluster, namespace: str | None, clock: Clock) -> None:
        self.trouble = ""
        """Why they may have changed since; empty when they are up to date."""
        self._cluster = cluster
        self._namespace = namespace
        self._clock = clock
        self._found: dict[tuple[str, str], Object] = {}
        self._changed: list[Object] = []
        self._lock = threading.Lock()
        self._ending = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Follows for the length of the block. Raises Unusable when they cannot be listed."""
        with self._cluster.explained("list canaries", self._namespace):
            version = self._list()
        thread = threading.Thread(target=self._follow, args=[version], daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ending.set()

    def present(self) -> list[Object]:
        """All of them."""
        with self._lock:
            return list(self._found.values())

    def changed(self) -> list[Object]:
        """Those that are new or have changed since this was asked last, in that order."""
        with self._lock:
            news, self._changed = self._changed, []
            return news

    def _follow(self, version: str) -> None:
        while not self._ending.is_set():
            try:
                version = self._watch(version or self._list())
                self.trouble = ""
            except errors.Expired:
                version = ""
            except errors.ClientError as failure:
                self.trouble, version = failure.message, ""
                self._clock.sleep(PAUSE.total_seconds())

    def _list(self) -> str:
        listing = self._cluster.kube.list(CANARIES, self._namespace)
        with self._lock:
            before, self._found = self._found, _by_key(listing.items)
            self._changed += [item for key, item in self._found.items() if before.get(key) != item]
        return listing.resource_version

    def _watch(self, version: str) -> str:
        """The version that the watch has come to."""
        for event in self._cluster.kube.watch(CANARIES, self._namespace, version, WATCH):
            version = event.object["metadata"]["resourceVersion"]
            if event.type is WatchType.BOOKMARK:
                continue
            ((key, item),) = _by_key([event.object]).items()
            with self._lock:
                if event.type is WatchType.DELETED:
                    self._found.pop(key, None)
                else:
                    self._found[key] = item
                    self._changed.append(item)
            self.trouble = ""
        return version


def _by_key(items: Iterable[Object]) -> dict[tuple[str, str], Object]:
    return {(each["metadata"]["namespace"], each["metadata"]["name"]): each for each in items}
