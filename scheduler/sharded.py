"""The door to the cluster of a leader that shares the watch with others.

No API server can select objects by a hash of their namespace. So each leader reads all of them, and
drops those that are not its own before anything is made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from clients.kube import resources
from clients.kube.protocol import (
    Keep,
    Listing,
    Object,
    Watcher,
    WatchEvent,
    WatchType,
    everything,
)
from clients.kube.resources import Resource
from config.shards import Shard
from scheduler import manifests
from scheduler.watching import Interruptible


class Sharded:
    """A watcher that tells of the namespaces of one shard alone.

    Of MetricTemplates it tells all: canaries may refer to those of other namespaces.
    """

    def __init__(self, watcher: Watcher, shard: Shard) -> None:
        self._watcher = watcher
        self._shard = shard

    def list(
        self, resource: Resource, namespace: str | None = None, keep: Keep = everything
    ) -> Listing:
        """The objects of this shard."""

        def is_ours(raw: Object) -> bool:
            return self._owns(resource, raw) and keep(raw)

        return self._watcher.list(resource, namespace, is_ours)

    def watch(
        self, resource: Resource, namespace: str | None, version: str, timeout: timedelta
    ) -> Iterator[WatchEvent]:
        """What happens in this shard; of others no more than how far the watch has come."""
        for event in self._watcher.watch(resource, namespace, version, timeout):
            is_ours = event.type is WatchType.BOOKMARK or self._owns(resource, event.object)
            yield event if is_ours else _bookmark(event)

    def interrupt(self, resource: Resource) -> None:
        """End the watches of `resource` in progress."""
        if isinstance(self._watcher, Interruptible):
            self._watcher.interrupt(resource)

    def close(self) -> None:
        """End all watches, and let none begin."""
        if isinstance(self._watcher, Interruptible):
            self._watcher.close()

    def _owns(self, resource: Resource, raw: Any) -> bool:
        if resource in {resources.METRIC_TEMPLATES, resources.ALERT_PROVIDERS}:
            return True
        namespace = manifests.metadata_of(raw).get("namespace")
        return isinstance(namespace, str) and self._shard.owns(namespace)


def _bookmark(event: WatchEvent) -> WatchEvent:
    version = manifests.metadata_of(event.object).get("resourceVersion")
    return WatchEvent(WatchType.BOOKMARK, {"metadata": {"resourceVersion": version}})
