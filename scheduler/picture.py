"""What is known of each canary, put together of what is known of its objects. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from clients.documents import world as worlds
from clients.documents.world import Admission, TemplateView, World
from clients.kube import resources
from config.refs import CanaryRef
from config.validation.problems import Problem
from config.validation.support import CarriedOut
from scheduler import conflicts, projections
from scheduler.configs import Configs
from scheduler.entries import Entries, Entry
from scheduler.manifests import Manifest
from scheduler.observed import Observed
from scheduler.projections import AUTOSCALERS


class Picture:
    """Looks into what is known; keeps nothing itself."""

    def __init__(
        self,
        entries: Entries,
        observed: Observed,
        configs: Configs,
        selector_labels: Sequence[str],
        able: CarriedOut,
    ) -> None:
        self._entries = entries
        self._observed = observed
        self._configs = configs
        self._selector_labels = selector_labels
        self._able = able

    def of(self, ref: CanaryRef, roles: Iterable[str]) -> World | None:
        """What there is in `roles` of `ref`; None for an unknown canary."""
        entry = self._entries.get(ref)
        if entry is None:
            return None
        good = None if self._observed.unwatched(entry.good) else entry.good
        known = ((role, self._in_role(role, ref, entry, good)) for role in roles)
        return World.of({role: value for role, value in known if value is not None})

    def admission(self, entry: Entry) -> Admission:
        """Which object was judged, and all that is wrong with it."""
        left_by = self._entries.left_by(entry)
        return Admission(
            uid=entry.uid,
            generation=entry.generation,
            deleting=entry.deleting,
            finalizer=entry.finalizer,
            left_by=left_by,
            problems=(*entry.problems, *entry.conflicts, *self._troubles(entry.good, left_by)),
        )

    def _in_role(self, role: str, ref: CanaryRef, entry: Entry, good: Manifest | None) -> Any:
        """What is known in a role of `ref`, whose manifest in force is `good`; None: nothing."""
        if role == worlds.ADMISSION:
            return self.admission(entry)
        if role == worlds.STATUS:
            return entry.status
        return None if good is None else self._named(role, ref, good)

    def _named(self, role: str, ref: CanaryRef, good: Manifest) -> Any:
        """The same of a role that the manifest in force has a name for."""
        place = good.places.get(role)
        if role in projections.WORKLOADS:
            return self._observed.workload(place, role)
        if role == worlds.CANARY:
            return good.raw
        if role == worlds.TEMPLATES:
            return self._templates(good) if good.templates else None
        return self._configs.versions(ref) if role == worlds.CONFIGS else self._observed.raw(place)

    def _templates(self, good: Manifest) -> dict[str, TemplateView]:
        """As `World.templates`."""
        views = {use.place: self._observed.template(use.place) for use in good.templates}
        return {f"{at.namespace}/{at.name}": view for at, view in views.items() if view}

    def _troubles(self, good: Manifest | None, left_by: Collection[str]) -> Iterator[Problem]:
        """What is wrong with the objects of a manifest; what is not watched is not known."""
        unwatched = self._observed.unwatched(good)
        yield from unwatched
        if good is None or unwatched:
            return
        for place in good.places.values():
            yield from self._observed.oddity(place)
        target, primary = (
            self._observed.workload(good.places.get(role), role) for role in projections.WORKLOADS
        )
        yield from conflicts.of_workloads(good, target, primary, left_by, self._selector_labels)
        scaler, twin = map(self._observed.raw, map(good.places.get, AUTOSCALERS))
        yield from conflicts.of_autoscalers(good, scaler, twin, left_by)
        yield from conflicts.of_former_twins(good, self._observed.autoscalers(good.uid))
        yield from conflicts.of_templates(good, self._observed.template, self._able)
        why = self._observed.why_unlisted(resources.ALERT_PROVIDERS)
        yield from conflicts.of_alerts(good, self._observed.provider, why)
