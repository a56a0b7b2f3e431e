"""Which objects depend on which, kept up to date from every write."""

from collections import defaultdict
from typing import NamedTuple

from sandbox.apiserver.objects import Key, Obj
from sandbox.apiserver.storage import Change


class Place(NamedTuple):
    """Where an object is stored."""

    resource: str
    key: Key


def owner_uids(obj: Obj) -> list[str]:
    """The uids in the object's ownerReferences."""
    return [owner["uid"] for owner in obj["metadata"].get("ownerReferences") or ()]


class OwnerIndex:
    """Living objects by uid, and dependents by the uid of their owner."""

    def __init__(self) -> None:
        self._dependents: dict[str, set[Place]] = defaultdict(set)
        self._living: dict[str, Place] = {}

    def record(self, resource: str, change: Change) -> None:
        """Takes in one change; called by the storage inside every write."""
        place = Place(resource, change.key)
        if change.previous is not None:
            self._forget(place, change.previous.obj)
        if change.type != "DELETED":
            self._living[change.current.obj["metadata"]["uid"]] = place
            for uid in owner_uids(change.current.obj):
                self._dependents[uid].add(place)

    def _forget(self, place: Place, obj: Obj) -> None:
        self._living.pop(obj["metadata"]["uid"], None)
        for uid in owner_uids(obj):
            self._dependents[uid].discard(place)
            if not self._dependents[uid]:
                del self._dependents[uid]

    def dependents(self, uid: str) -> tuple[Place, ...]:
        """The places of the objects that name `uid` as an owner, in a stable order."""
        return tuple(sorted(self._dependents.get(uid, ())))

    def is_orphaned(self, obj: Obj) -> bool:
        """Whether `obj` has owners and none of them is alive."""
        uids = owner_uids(obj)
        return bool(uids) and not any(uid in self._living for uid in uids)

    def living_owners(self, obj: Obj) -> tuple[Place, ...]:
        """The places of the owners of `obj` that still exist."""
        return tuple(self._living[uid] for uid in owner_uids(obj) if uid in self._living)
