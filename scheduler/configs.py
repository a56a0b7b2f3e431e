"""The versions of all ConfigMaps and Secrets, and which canaries' pods use which. Pure.

Of each no more than its name and its version is kept, some 200 bytes: a template may name any of
them tomorrow, and what it holds then must not be taken from what was read long ago.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from clients.documents.configs import ConfigKind, ConfigRef
from clients.documents.world import PRIMARY, TARGET, WorkloadView
from clients.kube.resources import Resource
from config.refs import CanaryRef
from scheduler.manifests import Place
from scheduler.observed import discard
from workloads import tracker, tracker_objects

KINDS: Final[Mapping[Resource, ConfigKind]] = {
    resource: kind for kind, resource in tracker_objects.METADATA.items()
}
"""What is watched, and what it is called in references."""

_Used = tuple[str, str]
"""A namespace, and the key of a config in it."""


class Configs:
    """For one thread at a time."""

    def __init__(self) -> None:
        self._versions: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._listed: set[ConfigKind] = set()
        self._users: defaultdict[_Used, set[CanaryRef]] = defaultdict(set)
        self._used: dict[CanaryRef, frozenset[str]] = {}

    @property
    def are_used(self) -> bool:
        """Whether any canary's pods use any."""
        return bool(self._users)

    def use(self, ref: CanaryRef, *views: WorkloadView | None) -> None:
        """Note that the pods of `ref` are those of these workloads, target and primary."""
        roles = (TARGET, PRIMARY)
        pairs = [(view, role) for view, role in zip(views, roles, strict=False) if view]
        after = frozenset(each.key for view, role in pairs for each in tracker.tracked(view, role))
        before = self._used.get(ref, frozenset())
        if before == after:
            return
        for key in before - after:
            discard(self._users, (ref.namespace, key), ref)
        for key in after - before:
            self._users[ref.namespace, key].add(ref)
        if after:
            self._used[ref] = after
        else:
            del self._used[ref]

    def versions(self, ref: CanaryRef) -> Mapping[str, str] | None:
        """As `World.configs`; None for a canary whose pods use none."""
        used = self._used.get(ref)
        if used is None:
            return None
        there = self._versions.get(ref.namespace, {})
        known = (key for key in used if ConfigRef.of(key).kind in self._listed)
        return {key: there.get(key, "") for key in sorted(known)}

    def happened(self, place: Place, raw: Any) -> Collection[CanaryRef]:
        """Whose pods use the object in a place, if it is another now; None: it is gone."""
        kind = KINDS[place.resource]
        key, version = f"{kind}/{place.name}", _version(raw)
        if not self._put(place.namespace, key, version) or kind not in self._listed:
            return ()
        return tuple(self._users.get((place.namespace, key), ()))

    def listed(self, resource: Resource, items: Iterable[tuple[Place, Any]]) -> set[CanaryRef]:
        """Whose pods use any that a complete list tells something new of."""
        kind = KINDS[resource]
        before = {ref: self.versions(ref) for ref in self._used}
        for namespace, key in list(self._each(kind)):
            self._put(namespace, key, "")
        for place, raw in items:
            self._put(place.namespace, f"{kind}/{place.name}", _version(raw))
        self._listed.add(kind)
        return {ref for ref in before if self.versions(ref) != before[ref]}

    def forget(self, resource: Resource) -> None:
        """Drop what is known of a kind: nobody uses any, and it is not watched any more."""
        kind = KINDS[resource]
        self._listed.discard(kind)
        for namespace, key in list(self._each(kind)):
            self._put(namespace, key, "")

    def _each(self, kind: ConfigKind) -> Iterator[_Used]:
        for namespace, versions in self._versions.items():
            for key in versions:
                if key.startswith(f"{kind}/"):
                    yield namespace, key

    def _put(self, namespace: str, key: str, version: str) -> bool:
        """Whether this is news."""
        known = self._versions[namespace]
        before = known.pop(key, "")
        if version:
            known[key] = version
        if not known:
            del self._versions[namespace]
        return before != version


def _version(raw: Any) -> str:
    return str(raw["metadata"].get("resourceVersion") or "") if raw is not None else ""
