"""Keeps the autoscaler of a primary in step with that of its target, and pauses the latter.

The twin follows its source at once, with a release or without. It is read before it is written,
which is rare: no watch keeps the resourceVersion of an object whose status changes all the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from clients import errors
from clients.documents.world import World
from clients.kube.protocol import Kube, Object, PatchKind
from clients.kube.resources import Resource
from config import names, ownership
from config.api.canary import Canary
from config.api.references import AutoscalerRef
from workloads.refusals import told
from workloads.scalers import scaler
from workloads.scalers.scaler import Scaler


class Sight(NamedTuple):
    """An autoscaler as it is now, and whether we have just made it so."""

    view: Object
    is_written: bool


@dataclass(frozen=True, slots=True)
class Following:
    """The autoscalers of one canary; the only writer of them."""

    kube: Kube
    canary: Canary
    ref: AutoscalerRef
    scaler: Scaler
    world: World

    def follow(self) -> Sight | None:
        """The twin, brought in step with its source; None where nothing is to be done.

        Raises Conflict when somebody else has changed it meanwhile.
        """
        source, twin = self.world.scaler, self.world.twin
        if source is None:
            return None
        wanted = self.scaler.twin(self.canary, self.ref, source)
        if twin is None:
            return self._create(wanted)
        return self._bring_in_step(wanted) if self._changes(twin, wanted) else None

    def pause(self, *, is_wanted: bool) -> Sight | None:
        """The source, paused or resumed as is wanted; None where nothing is to be done."""
        source = self.world.scaler
        if not self.scaler.pause or source is None or self.scaler.is_paused(source) is is_wanted:
            return None
        return paused(
            self.kube, self.canary.namespace, self.scaler, self.ref.name, is_wanted=is_wanted
        )

    @property
    def _place(self) -> tuple[Resource, str]:
        return self.scaler.resource, self.canary.namespace

    def _create(self, wanted: Object) -> Sight:
        name = names.primary_scaler(self.ref)
        with told(f"creating {self.scaler.told} {self._dotted(name)} failed"):
            try:
                made = self.kube.create(*self._place, wanted)
            except errors.AlreadyExists:
                return self._bring_in_step(wanted)
        return Sight(scaler.projected(made), is_written=True)

    def _bring_in_step(self, wanted: Object) -> Sight:
        name = names.primary_scaler(self.ref)
        live = self._read(name)
        canary, primary = self.canary, names.primary_workload(self.canary)
        uid = canary.metadata.uid or ""
        if why := scaler.objection(live, canary.ref, uid, primary, self.world.left_by):
            raise errors.Permanent(why)
        patch = self._changes(live, wanted)
        if not patch:
            return Sight(scaler.projected(live), is_written=False)
        version = live["metadata"]["resourceVersion"]
        guard = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
        with told(f"updating {self.scaler.told} {self._dotted(name)} failed"):
            made = self.kube.patch(*self._place, name, [guard, *patch], kind=PatchKind.JSON)
        return Sight(scaler.projected(made), is_written=True)

    def _changes(self, twin: Object, wanted: Object) -> list[Mapping[str, Any]]:
        patch = scaler.changes(twin, wanted, self.scaler.pause)
        holder = ownership.controller(twin["metadata"])
        if holder and holder.get("uid") in self.world.left_by:
            owners = ownership.taken_over(twin["metadata"], self.canary)["ownerReferences"]
            patch.append(scaler.setting("/metadata/ownerReferences", owners))
        return patch

    def _read(self, name: str) -> Object:
        return _read(self.kube, self.canary.namespace, self.scaler, name)

    def _dotted(self, name: str) -> str:
        return f"{name}.{self.canary.namespace}"


def paused(kube: Kube, namespace: str, kind: Scaler, name: str, *, is_wanted: bool) -> Sight | None:
    """An autoscaler, paused or resumed as is wanted; None for a kind that never has to be.

    Raises Conflict when somebody else has changed it meanwhile.
    """
    if not kind.pause:
        return None
    live = _read(kube, namespace, kind, name)
    if kind.is_paused(live) is is_wanted:
        return Sight(scaler.projected(live), is_written=False)
    version = live["metadata"]["resourceVersion"]
    annotations = {kind.pause: "0" if is_wanted else None}
    change = {"metadata": {"annotations": annotations, "resourceVersion": version}}
    with told(f"updating {kind.resource.kind} {name}.{namespace} failed"):
        made = kube.patch(kind.resource, namespace, name, change)
    return Sight(scaler.projected(made), is_written=True)


def _read(kube: Kube, namespace: str, kind: Scaler, name: str) -> Object:
    with told(f"{kind.told} {name}.{namespace} get query error"):
        return kube.get(kind.resource, namespace, name)
