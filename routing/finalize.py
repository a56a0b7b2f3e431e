"""Gives users back the Services and routes that were theirs before, when a canary is deleted.

What the canary made is left to be collected with it, in any order; until then it leads to the
target too. What is gone already is done, as when a namespace ends. Source:
docs/compatibility/lifecycle.md, "Deletion".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clients import errors
from clients.documents.outcome import Applied, Outcome, Refusal, Rejected, Superseded
from clients.documents.world import Value
from clients.kube.protocol import Kube, Object
from config import ownership, well_known
from config.api.canary import Canary
from config.traffic import RouteStage
from routing import diff, messages, metadata, services
from routing.apply import TRIES
from routing.messages import Doing
from routing.router import ODD_SHAPE, Managed, Router, ServiceRole

_NOTES: Final = (
    well_known.LAST_APPLIED_ANNOTATION,
    well_known.ORIGINAL_CONFIGURATION_ANNOTATION,
)
"""Annotations that tell what was before, the better one first."""


@dataclass(slots=True)
class Reversion:
    """One try to give everything back, and what it has read and written so far."""

    kube: Kube
    canary: Canary
    superseded: Callable[[], bool]
    router: Router
    written: dict[str, Value] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)

    def bring_about(self) -> Outcome:
        """Writes whatever leads elsewhere, and says how it ended: the apex Service comes first."""
        carrier = self.router.carrier
        routes = (each for each in self.router.resources(self.canary) if each.role == carrier)
        for managed in (*services.managed(self.canary, RouteStage.REVERTED), *routes):
            if self.superseded():
                return Superseded("a newer intent exists", self.written)
            self._attempt(managed)
        if self.refusals:
            return Rejected(tuple(self.refusals), self.written)
        return Applied(self.written)

    def _attempt(self, managed: Managed) -> None:
        doing = Doing.READ
        try:
            for tries_left in reversed(range(TRIES)):
                live = self.kube.get(managed.resource, self.canary.namespace, managed.name)
                change = diff.patch(live, self._reverted(managed, live))
                if not change:
                    return None
                doing = Doing.UPDATE
                try:
                    return self._write(managed, change)
                except errors.Conflict:
                    if not tries_left:
                        raise
        except errors.NotFound:
            return None
        except errors.ClientError as error:
            self.refusals.append(messages.write_failed(self.canary, managed, doing, error))
        except ODD_SHAPE as odd:
            self.refusals.append(messages.unreadable(self.canary, managed, odd))

    def _write(self, managed: Managed, change: Mapping[str, Any]) -> None:
        made = self.kube.patch(managed.resource, self.canary.namespace, managed.name, change)
        self.written[managed.role] = metadata.bare(made)

    def _reverted(self, managed: Managed, live: Object) -> Object:
        """The object as it was before; one of ours leads to the target, as long as it is there."""
        is_ours = metadata.is_controlled(live, self.canary)
        holder = ownership.controller(live["metadata"]) or {}
        if not is_ours and holder.get("kind") == well_known.CANARY_KIND:
            return live
        if managed.role == ServiceRole.APEX:
            return _selecting(live, None if is_ours else _noted(live))
        released = self.router.released(self.canary, live, is_ours=is_ours)
        if released is not None:
            return released
        before = None if is_ours else _noted(live)
        return live if before is None else {**live, "spec": before}


def _selecting(live: Object, before: Mapping[str, Any] | None) -> Object:
    return {**live, "spec": {**live["spec"], "selector": _selector(live, before)}}


def _noted(live: Object) -> Mapping[str, Any] | None:
    """The spec that an annotation tells of; None when none does. Raises ValueError for no JSON."""
    annotations = live["metadata"].get("annotations") or {}
    for name in _NOTES:
        if name in annotations:
            note = json.loads(annotations[name])
            is_whole = name == well_known.LAST_APPLIED_ANNOTATION
            spec: Mapping[str, Any] = note["spec"] if is_whole else note
            return spec
    return None


def _selector(live: Object, before: Mapping[str, Any] | None) -> Mapping[str, str]:
    """What the apex Service selected: that of the target, where nothing else is known.

    One that does not select the primary was not changed, or has been given back.
    """
    present: Mapping[str, str] = live["spec"].get("selector") or {}
    if not any(value.endswith(well_known.PRIMARY_SUFFIX) for value in present.values()):
        return present
    if before is not None and before.get("selector"):
        return dict(before["selector"])
    return {key: value.removesuffix(well_known.PRIMARY_SUFFIX) for key, value in present.items()}
