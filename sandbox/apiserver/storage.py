"""Versioned storage, the part etcd and the watch cache play.

Objects, one revision counter, a bounded history of changes per resource, and feeds of it.

It knows nothing of Kubernetes semantics; `store` puts those on top. Every method takes the lock,
and callers that read and then write hold `lock` (re-entrant) around both.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sandbox.apiserver import errors
from sandbox.apiserver.objects import Key, Obj, decode_object, encode, key_of


class Stored:
    """One version of one object, with its JSON text kept once it has been asked for.

    Revision 0 is an object that was not stored: the answer to a dry run.
    """

    __slots__ = ("_text", "obj", "revision")

    def __init__(self, obj: Obj, revision: int) -> None:
        version = {"resourceVersion": str(revision)} if revision else {}
        self.obj: Obj = {**obj, "metadata": {**obj["metadata"], **version}}
        self.revision = revision
        self._text: bytes | None = None

    @property
    def text(self) -> bytes:
        """The object as JSON."""
        if self._text is None:
            self._text = encode(self.obj)
        return self._text

    def in_version(self, api_version: str) -> "Stored":
        """The same object under another apiVersion of its group (conversion strategy None)."""
        if self.obj["apiVersion"] == api_version:
            return self
        return Stored({**self.obj, "apiVersion": api_version}, self.revision)

    def copy(self) -> Obj:
        """A copy the caller may edit."""
        return decode_object(self.text)


@dataclass(frozen=True, slots=True)
class Change:
    """One write: `type` is ADDED, MODIFIED or DELETED; `previous` is None when ADDED.

    A DELETED change carries the last state, under the revision of its deletion.
    """

    type: str
    key: Key
    current: Stored
    previous: Stored | None

    @property
    def revision(self) -> int:
        """The global revision this write made."""
        return self.current.revision


class Storage:
    """All objects of the sandbox, by resource (`deployments.apps`) and key."""

    def __init__(self, history: int) -> None:
        if history < 1:
            raise ValueError(f"history must be at least 1 change, got {history}")
        self.lock = threading.RLock()
        self._history = history
        self._revision = 1
        self._objects: dict[str, dict[Key, Stored]] = defaultdict(dict)
        self._log: dict[str, deque[Change]] = defaultdict(deque)
        self._floor: dict[str, int] = {}
        self._oldest = 0
        self._feeds: dict[str, list[Callable[[Change], None]]] = defaultdict(list)
        self._listeners: list[Callable[[str, Change], None]] = []

    @property
    def revision(self) -> int:
        """The revision of the latest write."""
        return self._revision

    def get(self, resource: str, key: Key) -> Stored | None:
        """The object under `key`, or None."""
        with self.lock:
            return self._objects[resource].get(key)

    def snapshot(self, resource: str) -> Mapping[Key, Stored]:
        """All objects of `resource` now, as a view that is valid while the lock is held."""
        return MappingProxyType(self._objects[resource])

    def resources(self) -> tuple[str, ...]:
        """The resources that have objects."""
        with self.lock:
            return tuple(name for name, objects in self._objects.items() if objects)

    def snapshot_at(self, resource: str, revision: int) -> Mapping[Key, Stored]:
        """All objects of `resource` as they were at `revision`; Expired when history is gone."""
        with self.lock:
            objects = dict(self._objects[resource])
            for change in reversed(self.since(resource, revision)):
                if change.previous is None:
                    objects.pop(change.key, None)
                else:
                    objects[change.key] = change.previous
            return objects

    def put(self, resource: str, obj: Obj) -> Stored:
        """Stores `obj` under the next revision, whatever was there before."""
        with self.lock:
            key = key_of(obj)
            previous = self._objects[resource].get(key)
            self._revision += 1
            stored = Stored(obj, self._revision)
            self._objects[resource][key] = stored
            kind = "ADDED" if previous is None else "MODIFIED"
            self._record(resource, Change(kind, key, stored, previous))
            return stored

    def remove(self, resource: str, key: Key) -> Stored:
        """Removes the object and gives back its last state under the removal's revision."""
        with self.lock:
            previous = self._objects[resource].pop(key)
            self._revision += 1
            stored = Stored(previous.obj, self._revision)
            self._record(resource, Change("DELETED", key, stored, previous))
            return stored

    def _record(self, resource: str, change: Change) -> None:
        log = self._log[resource]
        log.append(change)
        if len(log) > self._history:
            self._floor[resource] = log.popleft().revision
        for listener in self._listeners:
            listener(resource, change)
        for take in self._feeds[resource]:
            take(change)

    def since(self, resource: str, revision: int) -> tuple[Change, ...]:
        """The changes after `revision`, oldest first; Expired when some were forgotten."""
        with self.lock:
            floor = max(self._floor.get(resource, 0), self._oldest)
            if revision < floor:
                raise errors.expired(revision, floor)
            log = self._log[resource]
            if not log or log[-1].revision <= revision:
                return ()
            return tuple(change for change in log if change.revision > revision)

    def feed(
        self, resource: str, revision: int, take: Callable[[Change], None]
    ) -> Callable[[], None]:
        """Has `take` called with every change after `revision`; the result ends that."""
        with self.lock:
            for change in self.since(resource, revision):
                take(change)
            self._feeds[resource].append(take)

        def end() -> None:
            with self.lock:
                if take in self._feeds[resource]:
                    self._feeds[resource].remove(take)

        return end

    def listen(self, listener: Callable[[str, Change], None]) -> None:
        """Has `listener(resource, change)` called inside every write, before feeds."""
        self._listeners.append(listener)

    def compact(self) -> None:
        """Forgets all history: every watch from before now is answered with Expired."""
        with self.lock:
            self._log.clear()
            self._floor.clear()
            self._oldest = self._revision
