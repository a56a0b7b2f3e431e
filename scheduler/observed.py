"""The watched objects other than canaries, and which canary each of them concerns. Pure."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple, TypeVar

from analysis import news
from analysis.news import News
from analysis.observation import Workload
from clients.documents.world import PRIMARY, TARGET, TemplateView, WorkloadView
from clients.kube import decoding
from clients.kube.protocol import Object
from clients.kube.resources import Resource
from config import moments, ownership
from config.refs import CanaryRef
from config.validation import admission
from config.validation.problems import Problem
from routing.registry import Routers
from scheduler import conflicts, projections
from scheduler.manifests import Manifest, Place
from scheduler.projections import WORKLOADS, Projection, ProviderView
from workloads import kinds

log = logging.getLogger(__name__)

K = TypeVar("K")
V = TypeVar("V")


class Sight(NamedTuple):
    """What is kept of an object: its projection, who controls it, what of it cannot be read."""

    view: Projection | None
    controller: str = ""
    """A uid; empty for nothing."""
    oddity: str = ""

    @property
    def judged(self) -> tuple[object, ...]:
        """What of it the judgement of its canary rests on."""
        match self.view:
            case WorkloadView(selector_label=label):
                read: object = label
            case TemplateView() | ProviderView():
                read = self.view
            case _:
                read = None
        return self.view is None, read, self.controller, self.oddity


NOTHING: Final = Sight(None)
"""What is known of an object that is not there."""


class Observed:
    """Projections by place. Objects without a canary are kept too: one may come for them."""

    def __init__(
        self, selector_labels: Sequence[str], routers: Routers, *, tracks: bool = True
    ) -> None:
        self._selector_labels = selector_labels
        self._project = projections.projector(selector_labels, routers, tracks=tracks)
        self._sights: dict[Place, Sight] = {}
        self._roles: defaultdict[Place, set[tuple[CanaryRef, str]]] = defaultdict(set)
        self._controlled: defaultdict[str, set[Place]] = defaultdict(set)
        """Autoscalers by the uid of what controls them."""
        self._unlisted: dict[Resource, str] = {}

    def set_aside(self, resource: Resource, why: str) -> None:
        """Note that a resource cannot be listed."""
        self._unlisted[resource] = why

    def is_now_listed(self, resource: Resource) -> bool:
        """Whether this ends that the resource could not be listed."""
        return self._unlisted.pop(resource, None) is not None

    def unwatched(self, manifest: Manifest | None) -> tuple[Problem, ...]:
        """What keeps objects of `manifest` from being known."""
        missing = (each for each in self._unlisted.items() if manifest and manifest.needs(each[0]))
        return tuple(conflicts.unwatched(resource, why) for resource, why in missing)

    def why_unlisted(self, resource: Resource) -> str:
        """Why a resource cannot be listed; empty for one that can."""
        return self._unlisted.get(resource, "")

    def workload(self, place: Place | None, role: str) -> WorkloadView | None:
        """The view of the workload in a place, by its role; None when there is none."""
        return None if place is None else self._viewed(place, role, self.known(place).view)

    def _viewed(self, place: Place, role: str, kept: Projection | None) -> WorkloadView | None:
        """What is kept of a workload as a view: of one that is itself traffic, that is raw."""
        if kept is None or isinstance(kept, WorkloadView):
            return kept
        kind = kinds.BY_RESOURCE.get(place.resource)
        if kind is None or isinstance(kept, TemplateView | ProviderView):
            return None
        special = kind.as_primary if role == PRIMARY else None
        return (special or kind.project)(kept, self._selector_labels)

    def raw(self, place: Place | None) -> Object | None:
        """What is kept of the Service, mesh object or autoscaler in a place; None for none."""
        view = None if place is None else self.known(place).view
        return view if isinstance(view, Mapping) else None

    def autoscalers(self, uid: str) -> Mapping[Place, Object | None]:
        """What is kept of the autoscalers that are controlled by a uid, by their places."""
        return {place: self.raw(place) for place in sorted(self._controlled.get(uid, ()), key=str)}

    def template(self, place: Place) -> TemplateView | None:
        """What is kept of the MetricTemplate in a place; None when there is none."""
        view = self.known(place).view
        return view if isinstance(view, TemplateView) else None

    def provider(self, place: Place) -> ProviderView | None:
        """What is kept of the AlertProvider in a place; None when there is none."""
        view = self.known(place).view
        return view if isinstance(view, ProviderView) else None

    def controller(self, place: Place) -> str:
        """The uid of what controls the object in a place; empty for nothing."""
        return self.known(place).controller

    def news(self, manifest: Manifest, role: str, before: Projection | None) -> News:
        """What it may be good for that a workload of `manifest` was `before` and is as known now.

        One that nobody can judge is to be looked at.
        """
        places = manifest.places
        percents = dict(zip(WORKLOADS, manifest.ready_percents, strict=True))
        try:
            before = self._viewed(places[role], role, before)
            was = _as_read(places[role], before, percents[role])
            target, primary = (
                _as_read(places[each], self.workload(places[each], each), percents[each])
                for each in WORKLOADS
            )
        except admission.UNREADABLE:
            return News.DECIDES
        if role == TARGET:
            return news.of_target(was, target, primary)
        return news.of_primary(was, primary)

    def places(self, resource: Resource) -> Iterable[Place]:
        """Where there are objects of a resource."""
        return tuple(place for place in self._sights if place.resource == resource)

    def oddity(self, place: Place) -> tuple[Problem, ...]:
        """What its canary should know of the object in a place: that not all of it can be read."""
        why = self.known(place).oddity
        return (conflicts.odd(place, why),) if why else ()

    def known(self, place: Place) -> Sight:
        """What is kept of the object in a place."""
        return self._sights.get(place, NOTHING)

    def see(self, place: Place, raw: Object | None) -> Sight:
        """What would be kept of the object in a place; None: it is gone."""
        if raw is None:
            return NOTHING
        oddity = raw.reason if isinstance(raw, decoding.Odd) else ""
        try:
            view = self._project[place.resource](raw)
            return Sight(view, _controller(view, raw), oddity)
        except admission.UNREADABLE as error:
            extra = {"object": str(place), "error": f"{type(error).__name__}: {error}"}
            log.warning("object left out: it cannot be read", extra=extra)
            known = self.known(place)  # for it is not gone
            return known._replace(oddity=f"{error!r:.200}")

    def put(self, place: Place, sight: Sight) -> bool:
        """Whether this changes the view of the object in a place."""
        before = self.known(place)
        if sight == NOTHING:
            self._sights.pop(place, None)
        else:
            self._sights[place] = sight
        if place.resource in projections.AUTOSCALING and before.controller != sight.controller:
            if before.controller:
                discard(self._controlled, before.controller, place)
            if sight.controller:
                self._controlled[sight.controller].add(place)
        return before.view != sight.view

    def concerned(self, place: Place) -> Iterable[tuple[CanaryRef, str]]:
        """The canaries that refer to the object in a place, each with its role."""
        return self._roles.get(place, ())

    def refer(self, ref: CanaryRef, before: Manifest | None, after: Manifest | None) -> None:
        """Note that `ref` refers to what `after` names, and no longer to what `before` did."""
        if before is after:
            return
        for role, place in set(before.referred) if before else ():
            discard(self._roles, place, (ref, role))
        for role, place in after.referred if after else ():
            self._roles[place].add((ref, role))


def _as_read(place: Place, view: WorkloadView | None, percent: int) -> Workload | None:
    """A workload as rules read it, apart from time: its clock runs since 1970, and is not over."""
    if view is None:
        return None
    kind, began = kinds.BY_RESOURCE[place.resource], moments.EPOCH
    return Workload(
        view.revision,
        view.generation,
        view.replicas,
        view.status.available_replicas,
        kind.judge(view, percent, timedelta(0), began, began),
        kind.patience_ends(view, timedelta(0), began),
    )


def _controller(view: Projection, raw: Object) -> str:
    if isinstance(view, WorkloadView):
        return view.controller
    if isinstance(view, TemplateView | ProviderView):
        return ""
    holder = ownership.controller(raw["metadata"])
    return str(holder.get("uid", "")) if holder else ""


def discard(sets: dict[K, set[V]], key: K, member: V) -> None:
    """Takes `member` out of one of the sets, and drops the set when it is empty."""
    sets[key].discard(member)
    if not sets[key]:
        del sets[key]
