"""Deleting: finalizers, owner references (garbage collection), namespaces.

Collection happens within the deleting call rather than some milliseconds later; observers see the
same sequence of watch events.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sandbox.apiserver import errors
from sandbox.apiserver.objects import Key, Obj, key_of
from sandbox.apiserver.ownership import OwnerIndex, Place
from sandbox.apiserver.resources import Resource
from sandbox.apiserver.storage import Storage, Stored

FOREGROUND: Final = "foregroundDeletion"
_PRECONDITIONS: Final = (
    ("uid", "UID", "deleted and then recreated"),
    ("resourceVersion", "ResourceVersion", "modified"),
)
_POLICIES: Final = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True)
class DeleteOptions:
    """The parts of meta/v1 DeleteOptions that are honoured; `policy` names how dependents fare."""

    policy: str = "Background"
    preconditions: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False

    @classmethod
    def parse(cls, body: Mapping[str, Any], policy: str = "", *, dry_run: bool) -> "DeleteOptions":
        """The options in a DELETE's body and query; Invalid for an unknown propagationPolicy."""
        chosen = body.get("propagationPolicy") or policy or "Background"
        if chosen not in _POLICIES:
            raise errors.invalid(
                "DeleteOptions",
                "meta.k8s.io",
                "",
                [errors.unsupported("propagationPolicy", chosen, _POLICIES)],
            )
        wanted = body.get("preconditions") or {}
        return cls(chosen, wanted, dry_run=dry_run or bool(body.get("dryRun")))


class Deleter:
    """Removes objects from storage the way the API server and its garbage collector do."""

    def __init__(self, storage: Storage, now: Callable[[], str]) -> None:
        self._storage = storage
        self._now = now
        self.owners = OwnerIndex()
        storage.listen(self.owners.record)

    def delete(
        self, resource: Resource, stored: Stored, options: DeleteOptions
    ) -> tuple[Stored, bool]:
        """The object's last state and whether it is gone (else it waits for its finalizers)."""
        with self._storage.lock:
            _check_preconditions(resource, stored.obj, options.preconditions)
            if options.dry_run:
                return stored, not stored.obj["metadata"].get("finalizers")
            return self._delete(resource.group_resource, stored, options.policy)

    def _delete(self, resource: str, stored: Stored, policy: str) -> tuple[Stored, bool]:
        uid = stored.obj["metadata"]["uid"]
        if resource == "namespaces":
            return self._delete_namespace(stored)
        if policy == "Orphan":
            self._orphan_dependents(uid)
        if policy == "Foreground" and self.owners.dependents(uid):
            return self._delete_dependents_first(resource, stored)
        if stored.obj["metadata"].get("finalizers"):
            return self._mark(resource, stored), False
        return self._remove(resource, stored.obj), True

    def _mark(self, resource: str, stored: Stored, *finalizers: str) -> Stored:
        metadata = stored.obj["metadata"]
        if metadata.get("deletionTimestamp"):
            return stored
        marked: Obj = {
            **metadata,
            "deletionTimestamp": self._now(),
            "deletionGracePeriodSeconds": 0,
            "finalizers": [*(metadata.get("finalizers") or ()), *finalizers],
        }
        if "generation" in metadata:
            marked["generation"] = metadata["generation"] + 1
        return self._storage.put(resource, {**stored.obj, "metadata": marked})

    def _remove(self, resource: str, last: Obj) -> Stored:
        """Removes an object, and what that sets free."""
        place = Place(resource, key_of(last))
        removed = self._storage.remove(*place)
        self._collect_dependents(last["metadata"]["uid"])
        self._finish_namespace(place.key.namespace)
        self._finish_owners(last)
        return removed

    def finalized(self, resource: Resource, obj: Obj) -> Stored | None:
        """Removes `obj` when a write left a deleted object without finalizers; else None.

        As in Kubernetes, watchers see the state before that write in the DELETED event.
        """
        metadata = obj["metadata"]
        if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
            return None
        return Stored(obj, self._remove(resource.group_resource, obj).revision)

    def collect_if_orphaned(self, resource: Resource, stored: Stored) -> None:
        """Deletes an object all of whose owners are gone, as the garbage collector would."""
        if self.owners.is_orphaned(stored.obj):
            self._delete(resource.group_resource, stored, "Background")

    def _collect_dependents(self, uid: str) -> None:
        for place in self.owners.dependents(uid):
            dependent = self._storage.get(*place)
            if dependent is not None and self.owners.is_orphaned(dependent.obj):
                self._delete(place.resource, dependent, "Background")

    def _delete_dependents_first(self, resource: str, stored: Stored) -> tuple[Stored, bool]:
        marked = self._mark(resource, stored, FOREGROUND)
        for place in self.owners.dependents(stored.obj["metadata"]["uid"]):
            dependent = self._storage.get(*place)
            if dependent is not None:
                self._delete(place.resource, dependent, "Foreground")
        left = self._storage.get(resource, key_of(stored.obj))
        return (marked, True) if left is None else (left, False)

    def _finish_owners(self, obj: Obj) -> None:
        """Lets owners go that only waited for this dependent (foreground deletion)."""
        for owner in self.owners.living_owners(obj):
            stored = self._storage.get(*owner)
            if stored is None or self.owners.dependents(stored.obj["metadata"]["uid"]):
                continue
            metadata = stored.obj["metadata"]
            if FOREGROUND not in (metadata.get("finalizers") or ()):
                continue
            kept = [item for item in metadata["finalizers"] if item != FOREGROUND]
            freed = {**stored.obj, "metadata": {**metadata, "finalizers": kept}}
            if kept:
                self._storage.put(owner.resource, freed)
            else:
                self._remove(owner.resource, freed)

    def _orphan_dependents(self, uid: str) -> None:
        for place in self.owners.dependents(uid):
            dependent = self._storage.get(*place)
            if dependent is None:
                continue
            metadata = dependent.obj["metadata"]
            kept = [owner for owner in metadata["ownerReferences"] if owner["uid"] != uid]
            freed = {**metadata, "ownerReferences": kept}
            self._storage.put(place.resource, {**dependent.obj, "metadata": freed})

    def _delete_namespace(self, stored: Stored) -> tuple[Stored, bool]:
        status = {**stored.obj.get("status", {}), "phase": "Terminating"}
        marked = self._mark("namespaces", Stored({**stored.obj, "status": status}, stored.revision))
        for place, content in self._content(stored.obj["metadata"]["name"]):
            if self._storage.get(*place) is not None:
                self._delete(place.resource, content, "Background")
        self._finish_namespace(stored.obj["metadata"]["name"])
        return marked, False

    def _content(self, namespace: str) -> list[tuple[Place, Stored]]:
        return [
            (Place(resource, key), stored)
            for resource in self._storage.resources()
            for key, stored in list(self._storage.snapshot(resource).items())
            if key.namespace == namespace
        ]

    def _finish_namespace(self, name: str) -> None:
        """Removes a terminating namespace once its last object is gone."""
        stored = self._storage.get("namespaces", Key("", name))
        if stored is None or not stored.obj["metadata"].get("deletionTimestamp"):
            return
        if not self._content(name) and not stored.obj["metadata"].get("finalizers"):
            self._remove("namespaces", stored.obj)


def _check_preconditions(resource: Resource, obj: Obj, wanted: Mapping[str, str]) -> None:
    for name, title, outcome in _PRECONDITIONS:
        found = obj["metadata"][name]
        if wanted.get(name) and wanted[name] != found:
            detail = (
                f"the {title} in the precondition ({wanted[name]}) does not match the {title} in "
                f"record ({found}). The object might have been {outcome}"
            )
            raise errors.conflict(resource.kind, resource.group, obj["metadata"]["name"], detail)
