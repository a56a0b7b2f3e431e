"""The sandbox cluster's content, as Python sees it: the API server's reads and writes without HTTP.

Thread-safe. Resources are named `plural.group` (`deployments.apps`, `services`); objects go in and
come out as copies, so callers may edit what they get. Refusals are `errors.ApiError`.
"""

import queue
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from config import moments
from sandbox.apiserver import crds, fields, listing, objects, patching
from sandbox.apiserver.builtins import BUILTINS, CRD_RESOURCE
from sandbox.apiserver.deletion import DeleteOptions, Deleter
from sandbox.apiserver.listing import ListQuery
from sandbox.apiserver.objects import Key, Obj
from sandbox.apiserver.resources import Registry, Resource
from sandbox.apiserver.selectors import selection
from sandbox.apiserver.storage import Change, Storage
from sandbox.apiserver.writes import WriteOptions, Writer

DIRECT = WriteOptions(field_manager="sandbox")


class Store:
    """Everything behind the HTTP surface, shared by handlers, controllers and tests."""

    def __init__(
        self,
        now: Callable[[], datetime],
        history: int = 1000,
        randomness: random.Random | None = None,
    ) -> None:
        self.registry = Registry(_builtins())
        self.storage = Storage(history)
        self._now = now
        self.deleter = Deleter(self.storage, self.timestamp)
        chosen = randomness or random.Random()  # noqa: S311 - names and uids, no secrets
        self.writer = Writer(self.storage, self.deleter, self.timestamp, chosen)
        self.storage.listen(self._serve_definitions)

    def timestamp(self) -> str:
        """The present as Kubernetes writes it."""
        return moments.rfc3339(self._now())

    def resource(self, name: str) -> Resource:
        """The served resource `plural.group`; raises KeyError when there is none."""
        return self.registry.named(name)

    def _version_of(self, name: str, obj: Obj) -> Resource:
        """The resource `name` in the version `obj` is written in, or the preferred one."""
        preferred = self.resource(name)
        version = str(obj.get("apiVersion", "")).rpartition("/")[2]
        return self.registry.find(preferred.group, version, preferred.plural) or preferred

    def get(self, resource: str, namespace: str, name: str) -> Obj:
        """The object; raises ApiError NotFound."""
        return self.writer.current(self.resource(resource), Key(namespace, name)).copy()

    def list(
        self, resource: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Sequence[Obj]:
        """The objects of one namespace ("" for all) that match the selectors, in key order."""
        query = ListQuery(namespace, selection(resource, labels, fields))
        page = listing.page(self.storage, self.resource(resource), query)
        return [stored.copy() for stored in page.items]

    def create(self, resource: str, obj: Mapping[str, Any], namespace: str = "") -> Obj:
        """The object as created, in `namespace` or the one it names."""
        metadata = obj.get("metadata") or {}
        place = namespace or metadata.get("namespace", "")
        given = objects.clone(dict(obj))
        target = self._version_of(resource, given)
        return self.writer.create(target, place, given, DIRECT).stored.copy()

    def update(self, resource: str, obj: Mapping[str, Any], subresource: str = "") -> Obj:
        """The object after replacing it (or its status) by `obj`."""
        given = objects.clone(dict(obj))
        key = objects.key_of(given)
        target = self._version_of(resource, given)
        written = self.writer.update(target, key, given, DIRECT, subresource)
        return written.stored.copy()

    def patch(
        self, resource: str, namespace: str, name: str, patch: Any, subresource: str = ""
    ) -> Obj:
        """The object after a merge patch (a dict) or a JSON patch (a list of operations)."""
        kind = patching.JSON if isinstance(patch, list) else patching.MERGE
        decoded = patching.Patch(kind, objects.clone(patch))
        key = Key(namespace, name)
        written = self.writer.patch(self.resource(resource), key, decoded, DIRECT, subresource)
        return written.stored.copy()

    def apply(self, obj: Mapping[str, Any], field_manager: str = "sandbox") -> Obj:
        """The object after a forced server-side apply of `obj`, in whatever resource it belongs."""
        given = objects.clone(dict(obj))
        resource = self.registry.of_kind(given["apiVersion"], given["kind"])
        if resource is None:
            raise KeyError(f"no resource serves {given['apiVersion']} {given['kind']}")
        metadata = given["metadata"]
        namespace = metadata.get("namespace", "default") if resource.namespaced else ""
        decoded = patching.Patch(patching.APPLY, given)
        options = WriteOptions(field_manager=field_manager, force=True)
        key = Key(namespace, metadata["name"])
        return self.writer.patch(resource, key, decoded, options).stored.copy()

    def delete(self, resource: str, namespace: str, name: str, policy: str = "Background") -> Obj:
        """The last state of an object that is now deleted, or waits for its finalizers."""
        target = self.resource(resource)
        with self.storage.lock:
            stored = self.writer.current(target, Key(namespace, name))
            return self.deleter.delete(target, stored, DeleteOptions(policy))[0].copy()

    def dependents(self, uid: str, resource: str) -> Sequence[Obj]:
        """The objects of `resource` that name `uid` as an owner, in key order."""
        with self.storage.lock:
            places = self.deleter.owners.dependents(uid)
            found = [self.storage.get(*place) for place in places if place.resource == resource]
            return [stored.copy() for stored in found if stored is not None]

    @contextmanager
    def watch_queue(
        self, resources: str | Sequence[str], since: int | None = None
    ) -> Iterator["queue.SimpleQueue[Change]"]:
        """A queue that gets every change of `resources` after revision `since` (default: now).

        Changes of all namespaces come, in order, while the context is open.
        """
        names = (resources,) if isinstance(resources, str) else tuple(resources)
        changes: queue.SimpleQueue[Change] = queue.SimpleQueue()
        with self.storage.lock:
            revision = self.storage.revision if since is None else since
            feeds = [self.storage.feed(name, revision, changes.put) for name in names]
        try:
            yield changes
        finally:
            for end in feeds:
                end()

    def compact(self) -> None:
        """Forgets all history, so that watches from before now are answered with 410."""
        self.storage.compact()

    def _serve_definitions(self, resource: str, change: Change) -> None:
        """Serves, re-serves or withdraws what a changed CustomResourceDefinition defines."""
        if resource != CRD_RESOURCE:
            return
        crd = change.current.obj
        if change.type == "DELETED":
            self._remove_instances(crd)
            self.registry.withdraw(crd["metadata"]["name"])
        else:
            self.registry.define(crd["metadata"]["name"], crds.resources(crd))

    def _remove_instances(self, crd: Obj) -> None:
        name = crd["metadata"]["name"]
        for key in list(self.storage.snapshot(name)):
            self.storage.remove(name, key)


@lru_cache(maxsize=1)
def _builtins() -> tuple[Resource, ...]:
    return tuple(_with_schema(resource) for resource in BUILTINS)


def _with_schema(resource: Resource) -> Resource:
    schema = fields.schema_of(resource.group, resource.version, resource.kind)
    return replace(resource, schema=schema)
