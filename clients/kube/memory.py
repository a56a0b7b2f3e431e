"""An API server in memory for unit and scenario tests: `Kube` and `Watcher` without a network.

Held to the same suite as the real door. It has resourceVersions and conflicts, generations,
status subresources, finalizers, owner garbage collection and watches; it has no schema
validation, no defaulting, no controllers, no access control, and namespaces need not exist.
"""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from clients import errors
from clients.clock import Clock
from clients.kube import faults, patches, rules
from clients.kube.faults import Call
from clients.kube.history import History, Key, concerns, key_of
from clients.kube.protocol import Listing, Object, Patch, PatchKind, Propagation, WatchEvent
from clients.kube.resources import Resource


class KubeMemory:
    """One cluster; safe to share by threads. Objects are copied on their way in and out.

    `calls` logs every request in order, failed ones included; `faults` makes requests fail.
    """

    def __init__(self, clock: Clock) -> None:
        self.calls: list[Call] = []
        self.faults: Final = faults.Faults()
        self._clock = clock
        self._lock = threading.RLock()
        self._objects: dict[Key, tuple[Resource, Mapping[str, Any]]] = {}
        self._history: Final = History(clock)
        self._uids: Final = itertools.count(1)

    # --- Kube

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """The object as it is now; raises NotFound."""
        with self._request("get", resource, namespace, name):
            return copy.deepcopy(self._stored(resource, namespace, name))

    def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """The object as created, its name made up when only `generateName` is given."""
        number = next(self._uids)
        metadata = body.get("metadata") or {}
        prefix = metadata.get("generateName")
        name = metadata.get("name") or (f"{prefix}{number:05x}" if prefix else "")
        with self._request("create", resource, namespace, name):
            named = {**body, "metadata": {**metadata, "name": name}}
            rules.check_identity(resource, namespace, name, named)
            self._refuse_duplicate(resource, namespace, name)
            uid = f"{number:08x}-0000-4000-8000-000000000000"
            created = rules.born(resource, namespace, name, body, uid=uid, now=self._clock.now())
            return self._store(resource, created)

    def replace(self, resource: Resource, namespace: str | None, name: str, body: Object) -> Object:
        """The object as written whole; custom resources must say which version they replace."""
        with self._request("replace", resource, namespace, name):
            rules.check_identity(resource, namespace, name, body)
            stored = self._stored(resource, namespace, name)
            rules.check_replacement(resource, name, body)
            return self._write(resource, stored, body, None)

    def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Patch,
        *,
        subresource: str | None = None,
        kind: PatchKind = PatchKind.MERGE,
    ) -> Object:
        """The object after `patch`; see `clients.kube.protocol`."""
        with self._request("patch", resource, namespace, name, subresource):
            stored = self._stored(resource, namespace, name)
            rules.check_subresource(resource, subresource)
            wanted = _patched(stored, patch, kind)
            rules.check_identity(resource, namespace, name, wanted)
            rules.check_immutable(resource, stored, wanted)
            return self._write(resource, stored, wanted, subresource)

    def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        propagation: Propagation | None = None,
    ) -> None:
        """Remove the object and what only it owned, or mark it while it has finalizers."""
        with self._request("delete", resource, namespace, name):
            stored = self._stored(resource, namespace, name)
            self._delete(resource, stored, orphan=propagation is Propagation.ORPHAN)

    # --- Watcher

    def list(self, resource: Resource, namespace: str | None = None) -> Listing:
        """All objects of the namespace, or of all namespaces, ordered by namespace and name."""
        with self._request("list", resource, namespace, None):
            return self._listing(resource, namespace)

    def watch(
        self,
        resource: Resource,
        namespace: str | None,
        resource_version: str,
        timeout: timedelta,
    ) -> Iterator[WatchEvent]:
        """The changes after `resource_version`, and a bookmark at the end.

        The time is the clock's: with a `ManualClock` it passes when the clock is moved. A timeout
        of zero gives what has happened so far.
        """
        with self._request("watch", resource, namespace, None):
            present = self._listing(resource, namespace)
        yield from self._history.follow(resource, namespace, resource_version, timeout, present)

    # --- for tests

    def compact(self) -> None:
        """Forget the history: watches from an older resourceVersion raise Expired."""
        self._history.compact()

    # --- inside

    @contextmanager
    def _request(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None,
        name: str | None,
        subresource: str | None = None,
    ) -> Iterator[None]:
        resource.path(namespace, name, subresource)  # refuses what has no address
        call = Call(verb, resource.plural, subresource, name)
        with self._lock:
            self.calls.append(call)
        # Outside the lock: a fault may be a function that talks to this server itself.
        self.faults.strike(call, after=False)
        with self._lock:
            yield
        self.faults.strike(call, after=True)

    def _stored(self, resource: Resource, namespace: str | None, name: str) -> Mapping[str, Any]:
        found = self._objects.get(key_of(resource, namespace, name))
        if found is None:
            raise errors.NotFound(
                f"{resource.plural} {name!r} not found", status=404, reason="NotFound"
            )
        # The same storage under another version of the group, as the API server converts it.
        return {**found[1], "apiVersion": resource.api_version}

    def _listing(self, resource: Resource, namespace: str | None) -> Listing:
        keys = sorted(key for key in self._objects if concerns(key, resource, namespace))
        items = ({**self._objects[key][1], "apiVersion": resource.api_version} for key in keys)
        return Listing(tuple(copy.deepcopy(obj) for obj in items), str(self._history.version))

    def _refuse_duplicate(self, resource: Resource, namespace: str | None, name: str) -> None:
        if key_of(resource, namespace, name) in self._objects:
            raise errors.AlreadyExists(
                f"{resource.plural} {name!r} already exists", status=409, reason="AlreadyExists"
            )

    def _write(
        self,
        resource: Resource,
        stored: Mapping[str, Any],
        wanted: Mapping[str, Any],
        subresource: str | None,
    ) -> Object:
        rules.check_precondition(resource, stored, wanted)
        result = rules.revised(resource, stored, wanted, subresource)
        if result == stored:
            return copy.deepcopy(stored)  # as the API server: no change, no new version
        if rules.released(result):
            self._remove(resource, result, orphan=False)
            return copy.deepcopy(result)
        return self._store(resource, result)

    def _store(self, resource: Resource, obj: Mapping[str, Any]) -> Object:
        metadata = obj["metadata"]
        key = key_of(resource, metadata.get("namespace"), metadata["name"])
        known = key in self._objects
        version = self._history.next_version()
        stored = copy.deepcopy({**obj, "metadata": {**metadata, "resourceVersion": version}})
        self._objects[key] = (resource, stored)
        self._history.record(key, stored, added=not known)
        return copy.deepcopy(stored)

    def _delete(self, resource: Resource, stored: Mapping[str, Any], *, orphan: bool) -> None:
        metadata = stored["metadata"]
        if not metadata.get("finalizers"):
            self._remove(resource, stored, orphan=orphan)
        elif "deletionTimestamp" not in metadata:
            self._store(resource, rules.dying(stored, self._clock.now()))

    def _remove(self, resource: Resource, stored: Mapping[str, Any], *, orphan: bool) -> None:
        metadata = stored["metadata"]
        key = key_of(resource, metadata.get("namespace"), metadata["name"])
        del self._objects[key]
        version = self._history.next_version()
        last = {**stored, "metadata": {**metadata, "resourceVersion": version}}
        self._history.record_removal(key, last)
        self._collect(metadata["uid"], orphan=orphan)

    def _collect(self, uid: str, *, orphan: bool) -> None:
        """Let go of, or delete, what the object with `uid` owned."""
        alive = {obj["metadata"]["uid"] for _, obj in self._objects.values()}
        for key, (resource, obj) in list(self._objects.items()):
            owners = obj["metadata"].get("ownerReferences") or ()
            if key not in self._objects or all(owner["uid"] != uid for owner in owners):
                continue
            if not orphan and all(owner["uid"] not in alive for owner in owners):
                self._delete(resource, obj, orphan=False)
            else:
                self._store(resource, rules.disowned(obj, uid))


def _patched(stored: Mapping[str, Any], patch: Patch, kind: PatchKind) -> dict[str, Any]:
    try:
        match patch, kind:
            case Mapping(), PatchKind.MERGE:
                return dict(patches.merged(stored, patch))
            case list(), PatchKind.JSON:
                return dict(patches.operated(stored, patch))
    except patches.UnfitPatch as error:
        raise errors.Permanent(str(error), status=422, reason="Invalid") from error
    raise errors.Permanent(
        f"a {type(patch).__name__} is not a {kind.name} patch", status=400, reason="BadRequest"
    )
