"""The past of the in-memory API server: its resourceVersion, and the events that watches read."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from clients import errors
from clients.clock import Clock
from clients.kube.protocol import Listing, Object, WatchEvent, WatchType
from clients.kube.resources import Resource

Key = tuple[str, str, str, str]
"""Group, plural, namespace ("" where there is none) and name."""

GLANCE: Final = 0.02
"""Real seconds between two looks at the clock of a waiting watch, which a test may move."""


def key_of(resource: Resource, namespace: str | None, name: str) -> Key:
    """Where an object is stored; the version of its group does not matter."""
    return (resource.group, resource.plural, namespace or "", name)


def concerns(key: Key, resource: Resource, namespace: str | None) -> bool:
    """Whether the object at `key` is in the collection; namespace None means all of them."""
    return key[:2] == (resource.group, resource.plural) and namespace in {None, key[2]}


class History:
    """Events in the order of writes, each at its own version. Safe to share by threads."""

    def __init__(self, clock: Clock) -> None:
        self.version = 1  # "0" has a meaning of its own to a watch
        self._clock = clock
        self._oldest = 0
        self._events: list[tuple[int, Key, WatchEvent]] = []
        self._news = threading.Condition()

    def next_version(self) -> str:
        """The resourceVersion of the next write."""
        self.version += 1
        return str(self.version)

    def record(self, key: Key, stored: Object, *, added: bool) -> None:
        """Append a write at the current version; `stored` must not be changed afterwards."""
        self._append(key, WatchEvent(WatchType.ADDED if added else WatchType.MODIFIED, stored))

    def record_removal(self, key: Key, last: Object) -> None:
        """Append a removal at the current version; `last` is the object as it was."""
        self._append(key, WatchEvent(WatchType.DELETED, last))

    def compact(self) -> None:
        """Forget everything up to now."""
        with self._news:
            self._oldest = self.version
            self._events.clear()

    def follow(
        self,
        resource: Resource,
        namespace: str | None,
        since: str,
        timeout: timedelta,
        present: Listing,
    ) -> Iterator[WatchEvent]:
        """The events after `since` until `timeout`, then a bookmark.

        Since "" or "0", what is `present` comes first as added.
        """
        deadline = self._clock.monotonic() + timeout.total_seconds()
        seen = self._start(since)
        if since in {"", "0"}:
            seen = int(present.resource_version)
            yield from (WatchEvent(WatchType.ADDED, obj) for obj in present.items)
        while True:
            over = self._clock.monotonic() >= deadline
            for version, key, event in self._after(seen):
                seen = version
                if concerns(key, resource, namespace):
                    yield _converted(event, resource)
            if over:
                break
            self._wait()
        yield _bookmark(resource, max(seen, self._oldest))

    def _start(self, since: str) -> int:
        if not (since == "" or since.isdecimal()):
            raise errors.Permanent(f"resourceVersion {since!r} is not a number", status=400)
        if since in {"", "0"}:
            return self._oldest
        self._refuse_forgotten(int(since))
        return int(since)

    def _refuse_forgotten(self, version: int) -> None:
        if version < self._oldest:
            raise errors.Expired(
                f"too old resource version: {version} ({self._oldest})",
                status=410,
                reason="Expired",
            )

    def _after(self, version: int) -> list[tuple[int, Key, WatchEvent]]:
        with self._news:
            self._refuse_forgotten(version)
            # Newest first until a known one: watches are nearly always up to date.
            fresh = []
            for entry in reversed(self._events):
                if entry[0] <= version:
                    break
                fresh.append(entry)
            return fresh[::-1]

    def _wait(self) -> None:
        with self._news:
            self._news.wait(GLANCE)

    def _append(self, key: Key, event: WatchEvent) -> None:
        with self._news:
            self._events.append((self.version, key, event))
            self._news.notify_all()


def _converted(event: WatchEvent, resource: Resource) -> WatchEvent:
    obj = copy.deepcopy(event.object)
    return WatchEvent(event.type, {**obj, "apiVersion": resource.api_version})


def _bookmark(resource: Resource, version: int) -> WatchEvent:
    obj: Mapping[str, Any] = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"resourceVersion": str(version)},
    }
    return WatchEvent(WatchType.BOOKMARK, obj)
