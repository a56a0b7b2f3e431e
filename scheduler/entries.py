"""The Canary objects, and who owns what they name. Pure.

Two rules need the past: a manifest edited into something that cannot be carried out leaves the last
good one in force, and a name (of a target, of an apex, and those made of them) belongs to the
oldest canary that wants it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from clients.documents.packed import packed
from clients.documents.world import TARGET, ShownStatus
from clients.kube import decoding
from clients.kube.protocol import Object
from config import well_known
from config.api.canary import Canary
from config.refs import CanaryRef
from config.validation import admission
from config.validation.admission import Judgement, Policy
from config.validation.problems import Problem
from routing.registry import Routers
from scheduler import conflicts, manifests, observed
from scheduler.manifests import Manifest, Place
from scheduler.observed import Observed

_NO_ANALYSIS: Final = {"interval": "1m", "threshold": 1, "iterations": 1}
"""Stands for one that is never made."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A canary as it is shown; `target` is the name of its target, empty if that is not known.

    `strategy` is the kind of its rollouts.
    """

    ref: CanaryRef
    target: str
    strategy: str
    status: ShownStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One Canary object.

    `current` is its manifest if that can be carried out, `good` the one in force: the last that
    could, and whose names were this canary's. Without one the canary stands still.
    """

    bare: Object
    """Packed."""
    uid: str
    """Identity of the object."""
    created: str
    """When the object was created, in a form that sorts; without a time it sorts last."""
    generation: int
    deleting: bool
    finalizer: bool
    status: ShownStatus
    problems: tuple[Problem, ...]
    current: Manifest | None
    good: Manifest | None = None
    conflicts: tuple[Problem, ...] = ()
    """What keeps `current` from being in force."""

    @property
    def claims(self) -> frozenset[Place]:
        """What no other canary may have: as it is written now, and as it is in force."""
        known = (each for each in (self.current, self.good) if each)
        return frozenset(place for each in known for place in each.places.values())

    def standing(self, ref: CanaryRef) -> Standing:
        """How the canary, `ref`, stands."""
        manifest = self.good or self.current
        if manifest is None:
            return Standing(ref, "", "", self.status)
        return Standing(ref, manifest.places[TARGET].name, manifest.strategy, self.status)

    @property
    def is_in_force(self) -> bool:
        """Whether the canary is acted on as it is written now."""
        return self.current is not None and self.good is self.current


class Entries(dict[CanaryRef, Entry]):
    """What is known of each Canary object. Names change hands by `exchange`, then `settle`."""

    def __init__(self, policy: Policy, routers: Routers, observed: Observed) -> None:
        super().__init__()
        self._policy = policy
        self._routers = routers
        self._observed = observed
        self._claimed: defaultdict[Place, set[CanaryRef]] = defaultdict(set)
        self._by_uid: dict[str, CanaryRef] = {}

    def read(self, before: Entry | None, bare: Object, status: ShownStatus) -> Entry:
        """The entry of a bare Canary object, by which what was known `before` is replaced."""
        judged = self.judged(bare)
        current = self.manifest(bare, judged.canary) if judged.canary else None
        metadata = bare["metadata"]
        finalizers = metadata.get("finalizers")
        entry = Entry(
            bare=current.raw if current else packed(bare),
            uid=str(metadata.get("uid") or ""),
            created=str(metadata.get("creationTimestamp") or "~"),
            generation=manifests.generation(metadata),
            deleting=bool(metadata.get("deletionTimestamp")),
            finalizer=isinstance(finalizers, list) and well_known.FINALIZER in finalizers,
            status=status,
            problems=judged.problems,
            current=current,
        )
        is_same = before is not None and before.uid == entry.uid
        good = before.good if before and is_same else None
        is_unknown = good is None and current is None and entry.deleting and entry.finalizer
        return replace(entry, good=self._ending(bare) if is_unknown else good)

    def named(self, *uids: str) -> tuple[CanaryRef, ...]:
        """The canaries whose objects have one of `uids`."""
        return tuple(self._by_uid[uid] for uid in uids if uid and uid in self._by_uid)

    def _ending(self, bare: Object) -> Manifest | None:
        """What a canary needs that is to undo what it did, where no good manifest is known of it.

        That is nothing of its analysis. Any other manifest that somebody knows is better.
        """
        spec = bare.get("spec")
        if isinstance(bare, decoding.Odd) or not isinstance(spec, Mapping):
            return None
        kept = {**bare, "spec": {**spec, "canaryAnalysis": None, "analysis": _NO_ANALYSIS}}
        canary = self.judged(kept).canary
        return replace(self.manifest(kept, canary), generation=-1) if canary else None

    def judged(self, bare: Object) -> Judgement:
        """What can be said of a manifest alone."""
        if isinstance(bare, decoding.Odd):
            return admission.unreadable(bare.reason)
        return admission.admit(bare, self._policy)

    def manifest(self, bare: Object, canary: Canary) -> Manifest:
        """The manifest `canary`, which was read from `bare`."""
        return manifests.manifest(bare, canary, self._policy.default_provider, self._routers)

    def exchange(self, ref: CanaryRef, entry: Entry | None) -> None:
        """Puts `entry` in the place of what is known of `ref`, and keeps up who refers to what."""
        before = self.pop(ref, None)
        if before is not None:
            self._by_uid.pop(before.uid, None)
        for place in before.claims if before else ():
            observed.discard(self._claimed, place, ref)
        self._observed.refer(ref, before.good if before else None, entry.good if entry else None)
        if entry is not None:
            self[ref], self._by_uid[entry.uid] = entry, ref
            for place in entry.claims:
                self._claimed[place].add(ref)

    def settle(self, claimants: Iterable[CanaryRef]) -> None:
        """Gives each object to the oldest of those that want it, who alone may act on it.

        Who lacks one that it wants goes on by its last good manifest, if it has one.
        """
        taken: dict[Place, CanaryRef] = {}
        for ref in sorted(claimants, key=lambda each: (self[each].created, each)):
            entry = self[ref]
            lost = conflicts.of_names(entry.current, taken) if entry.current else ()
            lost = lost or conflicts.of_rollout(entry.good, entry.current, entry.status)
            good = entry.good if lost else entry.current or entry.good
            self.exchange(ref, replace(entry, conflicts=lost, good=good))
            for place in good.places.values() if good else ():
                taken.setdefault(place, ref)

    def rivals(self, places: set[Place]) -> set[CanaryRef]:
        """Those who want one of `places`, and those who want what these want, and so on."""
        rivals: set[CanaryRef] = set()
        asked = set(places)
        while places:
            new = set().union(*(self._claimed.get(place, ()) for place in places)) - rivals
            rivals |= new
            places = {place for ref in new for place in self[ref].claims} - asked
            asked |= places
        return rivals

    def left_by(self, entry: Entry) -> tuple[str, ...]:
        """The uids of other canaries that control what `entry` has, and do not want it any more."""
        left: set[str] = set()
        for place in entry.good.places.values() if entry.good else ():
            uid = self._observed.controller(place)
            if uid == entry.uid or uid not in self._by_uid:
                continue
            if place not in self[self._by_uid[uid]].claims:
                left.add(uid)
        return tuple(sorted(left))
