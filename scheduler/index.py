"""What is known of the cluster, and which canary it concerns. In memory and pure: no I/O, no time.

Fed with lists and watch events of each resource in any order, it answers with the projections that
changed, by canary and role. Of a canary that needs a kind which cannot be listed it tells nothing
but that: the canary stands still.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis.news import News
from clients.documents import world as worlds
from clients.documents.packed import packed
from clients.documents.world import World
from clients.kube import resources
from clients.kube.protocol import Object, WatchType
from clients.kube.resources import Resource
from config import well_known
from config.refs import CanaryRef
from config.validation.admission import Policy
from routing.registry import ROUTERS, Routers
from scheduler import configs, conflicts, manifests, projections
from scheduler.configs import Configs
from scheduler.entries import Entries, Entry, Standing
from scheduler.manifests import Place
from scheduler.observed import Observed
from scheduler.picture import Picture
from scheduler.projections import Projection

Changes = dict[CanaryRef, Mapping[str, News] | None]
"""Per canary the roles that changed, and what that may be good for; None: the canary is gone."""


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
        self.watched = projections.watched(routers)
        self.roles = projections.roles(routers)
        self._observed = Observed(selector_labels, routers, tracks=tracks)
        self._configs = Configs()
        self._entries = Entries(policy, routers, self._observed)
        known = self._entries, self._observed, self._configs
        self._picture = Picture(*known, selector_labels, policy.able)

    def apply(self, resource: Resource, kind: WatchType, raw: Any) -> Changes:
        """The changes that one watch event makes; bookmarks and unreadable objects make none."""
        place = manifests.place(resource, raw)
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
        listed = {place: raw for raw in items if (place := manifests.place(resource, raw))}
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
        if entry is None or manifests.place(resources.CANARIES, raw) is None:
            return {}
        canary = self._entries.judged(raw).canary
        if canary is None or canary.ref != ref or canary.metadata.uid != entry.uid:
            return {}
        good, known = self._entries.manifest(raw, canary), entry.good
        is_left = entry.is_in_force and conflicts.of_rollout(good, known, entry.status)
        if not is_left and known and (entry.is_in_force or known.generation >= good.generation):
            return {}
        # What it owned, others may have got in force while nobody knew that it did.
        rivals = self._entries.rivals(set(good.places.values())) - {ref}
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

    def census(self) -> tuple[Standing, ...]:
        """All canaries, as they are shown."""
        return tuple(entry.standing(ref) for ref, entry in self._entries.items())

    def world(self, ref: CanaryRef, roles: Iterable[str] | None = None) -> World | None:
        """What there is in `roles` of `ref`, None: in all; None for an unknown canary."""
        return self._picture.of(ref, self.roles if roles is None else roles)

    def _reread(self, place: Place, refs: Iterable[CanaryRef]) -> Changes:
        """What it means that the config in a place is another; copies are written by ourselves."""
        is_copy = place.name.endswith(well_known.PRIMARY_SUFFIX)
        news = News.OURS if is_copy else News.DECIDES
        return {ref: {worlds.CONFIGS: news} for ref in refs}

    def _use_configs(self, ref: CanaryRef) -> None:
        """Keeps up whose configs matter to a canary."""
        entry = self._entries.get(ref)
        places = entry.good.places if entry and entry.good else {}
        views = (self._observed.workload(places.get(role), role) for role in projections.WORKLOADS)
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
                entries[ref] = self._entries.read(before, bare, status)
            elif before.status != status:
                self._entries[ref] = replace(before, status=status)
                changes[ref] = {worlds.STATUS: News.NONE}
                if before.conflicts:  # perhaps it was waited for
                    entries[ref] = self._entries[ref]
        _merge(changes, self._set(entries))
        return changes

    def _set(self, entries: Mapping[CanaryRef, Entry | None]) -> Changes:
        """The changes, of these canaries and of those that want their names, now or before."""
        both = [*map(self._entries.get, entries), *entries.values()]
        touched = set(entries) | self._entries.rivals(
            {place for each in both if each for place in each.claims}
        )
        before = {each: self.world(each) for each in touched}
        for ref, entry in entries.items():
            self._entries.exchange(ref, entry)
        self._entries.settle(touched & self._entries.keys())
        for ref in touched:
            self._use_configs(ref)
        changes: Changes = {}
        for ref, old in before.items():
            new = self.world(ref)
            if new is None or new != old:
                changes[ref] = _news(worlds.changed(old or World(), new)) if new else None
        return changes

    def _keep(self, place: Place, raw: Object | None) -> Changes:
        sight, known = self._observed.see(place, raw), self._observed.known(place)
        if sight == known:
            return {}
        concerned = tuple(self._observed.concerned(place))
        holders = self._entries.named(known.controller, sight.controller)
        judged = {*(ref for ref, _ in concerned), *holders} if sight.judged != known.judged else ()
        before = {ref: self._picture.admission(self._entries[ref]) for ref in judged}
        changed = self._observed.put(place, sight)
        changes: Changes = {}
        for ref, role in concerned:
            before_configs = self._configs.versions(ref)
            self._use_configs(ref)
            if self._configs.versions(ref) != before_configs:
                _merge(changes, _reread([ref]))
            if changed:
                _merge(changes, {ref: {role: self._news(ref, role, known.view)}})
        for ref, admission in before.items():
            if self._picture.admission(self._entries[ref]) != admission:
                _merge(changes, {ref: _news([worlds.ADMISSION])})
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
        return {ref: whole for ref, each in entries if each.good and each.good.names(resource)}


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
