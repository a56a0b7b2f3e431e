"""What is known of the cluster, and which canary it concerns. In memory and pure: no I/O, no time.

Fed with lists and watch events of each resource in any order, it answers with the projections that
changed, by canary and role. Of a canary that needs a kind which cannot be listed it tells nothing
but that: the canary stands still. Two rules need the past: a manifest edited into something that
cannot be carried out leaves the last good one in force, and a name (of a target, of an apex, and
those made of them) belongs to the oldest canary that wants it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.news import News
from clients.documents import world as worlds
from clients.documents.packed import packed
from clients.documents.world import Admission, ShownStatus, World
from clients.kube import decoding, resources
from clients.kube.protocol import Object, WatchType
from clients.kube.resources import Resource
from config import well_known
from config.api.canary import Canary
from config.refs import CanaryRef
from config.validation import admission
from config.validation.admission import Judgement, Policy
from config.validation.problems import Problem
from routing.registry import ROUTERS, Routers
from scheduler import configs, conflicts, observed, projections
from scheduler.configs import Configs
from scheduler.observed import Observed
from scheduler.projections import AUTOSCALERS, Manifest, Place, Projection

Changes = dict[CanaryRef, Mapping[str, News] | None]
"""Per canary the roles that changed, and what that may be good for; None: the canary is gone."""


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
    status: ShownStatus
    problems: tuple[Problem, ...]
    current: Manifest | None
    good: Manifest | None = None
    conflicts: tuple[Problem, ...] = ()
    """What keeps `current` from being in force."""

    @property
    def claims(self) -> frozenset[Place]:
        """What no other canary may have: as it is written now, and as it is in force."""
        manifests = (each for each in (self.current, self.good) if each)
        return frozenset(place for each in manifests for place in each.places.values())

    @property
    def is_in_force(self) -> bool:
        """Whether the canary is acted on as it is written now."""
        return self.current is not None and self.good is self.current


class Index:
    """All watched objects, for one thread at a time.

    `watched` are the resources that it is to be fed with, `roles` all those in a world.
    """

    def __init__(
        self,
        policy: Policy,
        selector_labels: Sequence[str],
        routers: Routers = ROUTERS,
        *,
        tracks: bool = True,
    ) -> None:
        """`tracks` says whether the ConfigMaps and Secrets of pods matter."""
        self._policy = policy
        self._selector_labels = selector_labels
        self._routers = routers
        self.watched = projections.watched(self._routers)
        self.roles = projections.roles(self._routers)
        self._observed = Observed(selector_labels, self._routers, tracks=tracks)
        self._configs = Configs()
        self._entries: dict[CanaryRef, Entry] = {}
        self._claimed: defaultdict[Place, set[CanaryRef]] = defaultdict(set)
        self._by_uid: dict[str, CanaryRef] = {}

    def apply(self, resource: Resource, kind: WatchType, raw: Any) -> Changes:
        """The changes that one watch event makes; bookmarks and unreadable objects make none."""
        place = projections.place(resource, raw)
        if place is None or kind is WatchType.BOOKMARK:
            return {}
        if resource in configs.KINDS:
            gone = kind is WatchType.DELETED
            return self._reread(place, self._configs.happened(place, None if gone else raw))
        if resource == resources.CANARIES:
            return self._meet({place: None if kind is WatchType.DELETED else raw})
        return self._keep(place, None if kind is WatchType.DELETED else raw)

    def replace(self, resource: Resource, items: Iterable[Any]) -> Changes:
        """The changes that a complete list makes: what is not in it is gone, told or not."""
        listed = {place: raw for raw in items if (place := projections.place(resource, raw))}
        if resource in configs.KINDS:
            return _reread(self._configs.listed(resource, listed.items()))
        if resource == resources.CANARIES:
            known = [Place(resource, ref.namespace, ref.name) for ref in self._entries]
            return self._meet({**dict.fromkeys(known), **listed})
        changes = self._relying_on(resource) if self._observed.is_now_listed(resource) else {}
        for place, raw in {**dict.fromkeys(self._observed.places(resource)), **listed}.items():
            _merge(changes, self._keep(place, raw))
        return changes

    def set_aside(self, resource: Resource, why: str) -> Changes:
        """The changes made by a resource that cannot be listed, and why, until it is."""
        self._observed.set_aside(resource, why)
        return self._relying_on(resource)

    @property
    def uses_configs(self) -> bool:
        """Whether ConfigMaps and Secrets are to be watched: pods of some canary use any."""
        return self._configs.are_used

    def ignore(self, resource: Resource) -> None:
        """Forget the objects of a kind that is not watched any more."""
        self._configs.forget(resource)

    def adopt(self, ref: CanaryRef, raw: Any) -> Changes:
        """The changes made by taking `raw` for the last good manifest of `ref`, as others know it.

        None by the manifest of another object, by an older one than what is known, by one that
        would not be carried out either, and while the canary is acted on as it is written, unless
        that leaves the traffic of its rollout behind.
        """
        entry = self._entries.get(ref)
        if entry is None or projections.place(resources.CANARIES, raw) is None:
            return {}
        canary = admission.admit(raw, self._policy).canary
        if canary is None or canary.ref != ref or canary.metadata.uid != entry.uid:
            return {}
        good, known = self._manifest(raw, canary), entry.good
        is_left = entry.is_in_force and conflicts.of_rollout(good, known, entry.status)
        if not is_left and known and (entry.is_in_force or known.generation >= good.generation):
            return {}
        # What it owned, others may have got in force while nobody knew that it did.
        rivals = self._rivals(set(good.places.values())) - {ref}
        doubtful = {each: self._entries[each] for each in rivals if self._entries[each].is_in_force}
        unsettled = {each: replace(rival, good=None) for each, rival in doubtful.items()}
        return self._set({**unsettled, ref: replace(entry, good=good)})

    def refs(self) -> frozenset[CanaryRef]:
        """All canaries."""
        return frozenset(self._entries)

    def unsettled(self) -> frozenset[CanaryRef]:
        """The canaries of which it matters what was known of them before.

        Those that are not acted on as they are written now, and those with traffic.
        """
        return frozenset(
            ref
            for ref, entry in self._entries.items()
            if not entry.is_in_force or conflicts.has_traffic(entry.status)
        )

    def world(self, ref: CanaryRef) -> World | None:
        """Everything about `ref`; None for an unknown canary."""
        entry = self._entries.get(ref)
        if entry is None:
            return None
        good = None if self._observed.unwatched(entry.good) else entry.good
        places = good.places if good else {}
        return World(
            admission=self._admission(entry),
            canary=good.raw if good else None,
            status=entry.status,
            target=self._observed.workload(places.get(worlds.TARGET)),
            primary=self._observed.workload(places.get(worlds.PRIMARY)),
            scaler=self._observed.autoscaler(places.get(worlds.SCALER)),
            twin=self._observed.autoscaler(places.get(worlds.TWIN)),
            configs=self._configs.versions(ref) if good else None,
            routes=self._observed.routes(places),
        )

    def _reread(self, place: Place, refs: Iterable[CanaryRef]) -> Changes:
        """What it means that the config in a place is another; copies are written by ourselves."""
        is_copy = place.name.endswith(well_known.PRIMARY_SUFFIX)
        news = News.OURS if is_copy else News.DECIDES
        return {ref: {worlds.CONFIGS: news} for ref in refs}

    def _use_configs(self, ref: CanaryRef) -> None:
        """Keeps up whose configs matter to a canary."""
        entry = self._entries.get(ref)
        places = entry.good.places if entry and entry.good else {}
        views = (self._observed.workload(places.get(role)) for role in projections.WORKLOADS)
        self._configs.use(ref, *views)

    def _meet(self, seen: Mapping[Place, Object | None]) -> Changes:
        """The changes by Canary objects as they are now, None for those that are gone.

        All together: whoever is listed first must not pass for the owner of its names.
        """
        changes: Changes = {}
        entries: dict[CanaryRef, Entry | None] = {}
        for place, raw in seen.items():
            ref = CanaryRef(place.namespace, place.name)
            before = self._entries.get(ref)
            if raw is None:
                entries.update({ref: None} if before else {})
                continue
            bare, status = projections.bare_canary(raw), worlds.shown_status(raw)
            if before is None or before.bare != packed(bare):
                entries[ref] = self._entry(before, bare, status)
            elif before.status != status:
                self._entries[ref] = replace(before, status=status)
                changes[ref] = {worlds.STATUS: News.NONE}
                if before.conflicts:  # perhaps it was waited for
                    entries[ref] = self._entries[ref]
        _merge(changes, self._set(entries))
        return changes

    def _entry(self, before: Entry | None, bare: Object, status: ShownStatus) -> Entry:
        judged = self._judged(bare)
        current = self._manifest(bare, judged.canary) if judged.canary else None
        metadata = bare["metadata"]
        entry = Entry(
            bare=current.raw if current else packed(bare),
            uid=str(metadata.get("uid") or ""),
            created=str(metadata.get("creationTimestamp") or "~"),
            generation=projections.generation(metadata),
            deleting=bool(metadata.get("deletionTimestamp")),
            status=status,
            problems=judged.problems,
            current=current,
        )
        is_same = before and before.uid == entry.uid
        return replace(entry, good=before.good) if before and is_same else entry

    def _judged(self, bare: Object) -> Judgement:
        if isinstance(bare, decoding.Odd):
            return admission.unreadable(bare.reason)
        return admission.admit(bare, self._policy)

    def _admission(self, entry: Entry) -> Admission:
        """Which object was judged, and all that is wrong with it."""
        left_by = self._left_by(entry)
        return Admission(
            uid=entry.uid,
            generation=entry.generation,
            deleting=entry.deleting,
            left_by=left_by,
            problems=(*entry.problems, *entry.conflicts, *self._troubles(entry.good, left_by)),
        )

    def _troubles(self, good: Manifest | None, left_by: Collection[str]) -> Iterator[Problem]:
        """What is wrong with the objects of a manifest; what is not watched is not known."""
        unwatched = self._observed.unwatched(good)
        yield from unwatched
        if good is None or unwatched:
            return
        for place in good.places.values():
            yield from self._observed.oddity(place)
        target, primary = map(self._observed.workload, map(good.places.get, projections.WORKLOADS))
        yield from conflicts.of_workloads(good, target, primary, left_by, self._selector_labels)
        scaler, twin = map(self._observed.autoscaler, map(good.places.get, AUTOSCALERS))
        yield from conflicts.of_autoscalers(good, scaler, twin, left_by)

    def _manifest(self, bare: Object, canary: Canary) -> Manifest:
        return projections.manifest(bare, canary, self._policy.default_provider, self._routers)

    def _set(self, entries: Mapping[CanaryRef, Entry | None]) -> Changes:
        """The changes, of these canaries and of those that want their names, now or before."""
        both = [*map(self._entries.get, entries), *entries.values()]
        touched = set(entries) | self._rivals(
            {place for each in both if each for place in each.claims}
        )
        before = {each: self.world(each) for each in touched}
        for ref, entry in entries.items():
            self._exchange(ref, entry)
        self._settle(touched & self._entries.keys())
        for ref in touched:
            self._use_configs(ref)
        changes: Changes = {}
        for ref, old in before.items():
            new = self.world(ref)
            if new is None or new != old:
                changes[ref] = _news(worlds.changed(old or World(), new)) if new else None
        return changes

    def _rivals(self, places: set[Place]) -> set[CanaryRef]:
        """Those who want one of `places`, and those who want what these want, and so on."""
        found: set[CanaryRef] = set()
        seen = set(places)
        while places:
            new = set().union(*(self._claimed.get(place, ()) for place in places)) - found
            found |= new
            places = {place for ref in new for place in self._entries[ref].claims} - seen
            seen |= places
        return found

    def _exchange(self, ref: CanaryRef, entry: Entry | None) -> None:
        """Puts `entry` in the place of what is known of `ref`, and keeps up who refers to what."""
        before = self._entries.pop(ref, None)
        if before is not None:
            self._by_uid.pop(before.uid, None)
        for place in before.claims if before else ():
            observed.discard(self._claimed, place, ref)
        self._observed.refer(ref, before.good if before else None, entry.good if entry else None)
        if entry is not None:
            self._entries[ref], self._by_uid[entry.uid] = entry, ref
            for place in entry.claims:
                self._claimed[place].add(ref)

    def _settle(self, claimants: Iterable[CanaryRef]) -> None:
        """Gives each object to the oldest of those that want it, who alone may act on it.

        Who lacks one that it wants goes on by its last good manifest, if it has one.
        """
        taken: dict[Place, CanaryRef] = {}
        for ref in sorted(claimants, key=lambda each: (self._entries[each].created, each)):
            entry = self._entries[ref]
            lost = conflicts.of_names(entry.current, taken) if entry.current else ()
            lost = lost or conflicts.of_rollout(entry.good, entry.current, entry.status)
            good = entry.good if lost else entry.current or entry.good
            self._exchange(ref, replace(entry, conflicts=lost, good=good))
            for place in good.places.values() if good else ():
                taken.setdefault(place, ref)

    def _left_by(self, entry: Entry) -> tuple[str, ...]:
        """The uids of other canaries that control what `entry` has, and do not want it any more."""
        left: set[str] = set()
        for place in entry.good.places.values() if entry.good else ():
            uid = self._observed.controller(place)
            if uid == entry.uid or uid not in self._by_uid:
                continue
            if place not in self._entries[self._by_uid[uid]].claims:
                left.add(uid)
        return tuple(sorted(left))

    def _keep(self, place: Place, raw: Object | None) -> Changes:
        sight, known = self._observed.see(place, raw), self._observed.known(place)
        if sight == known:
            return {}
        concerned = tuple(self._observed.concerned(place))
        judged = [ref for ref, _ in concerned if sight.judged != known.judged]
        before = {ref: self._admission(self._entries[ref]) for ref in judged}
        changed = self._observed.put(place, sight)
        changes: Changes = {}
        for ref, role in concerned:
            before_configs = self._configs.versions(ref)
            self._use_configs(ref)
            if self._configs.versions(ref) != before_configs:
                _merge(changes, _reread([ref]))
            told = ref in before and self._admission(self._entries[ref]) != before[ref]
            seen = {role: self._news(ref, role, known.view)} if changed else {}
            if changed or told:
                _merge(changes, {ref: {**seen, **(_news([worlds.ADMISSION]) if told else {})}})
        return changes

    def _news(self, ref: CanaryRef, role: str, before: Projection | None) -> News:
        """What it may be good for that the object in a role is not as `before` any more."""
        good = self._entries[ref].good
        if good is None or role not in projections.WORKLOADS:
            return projections.news(role)
        return self._observed.news(good, role, before)

    def _relying_on(self, resource: Resource) -> Changes:
        """The canaries that need objects of a resource; all of their roles."""
        entries, whole = self._entries.items(), _news(self.roles)
        return {ref: whole for ref, each in entries if each.good and each.good.needs(resource)}


def _reread(refs: Iterable[CanaryRef]) -> Changes:
    return {ref: _news([worlds.CONFIGS]) for ref in refs}


def _news(roles: Iterable[str]) -> dict[str, News]:
    return {role: projections.news(role) for role in roles}


def _merge(changes: Changes, newer: Changes) -> None:
    for ref, roles in newer.items():
        known = changes.get(ref)
        changes[ref] = greatest(known, roles) if known and roles is not None else roles


def greatest(one: Mapping[str, News], other: Mapping[str, News]) -> dict[str, News]:
    """What both changes of one canary together may be good for."""
    both = {role: max(one.get(role, News.NONE), news) for role, news in other.items()}
    return {**one, **both}
