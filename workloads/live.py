"""The live workloads of one canary: what is known of them, and the door to them.

A live object is read only for what is about to be copied, and what the watch did not tell or told
too early.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from clients import errors
from clients.documents import world as worlds
from clients.documents.world import Value, WorkloadView, World
from clients.kube.protocol import Kube, Object, PatchKind
from clients.kube.resources import Resource
from config.api.canary import Canary
from workloads import kinds
from workloads.kinds import Kind, Making
from workloads.primary import Copying
from workloads.refusals import UNFIT, told

ATTEMPTS: Final = 5
"""Times a write is computed anew after a conflict; docs/compatibility/lifecycle.md, "Promotion"."""


class NotWanted(Exception):
    """Ends the work on an intent that is not to be brought about any more; its text says why."""


@dataclass(slots=True)
class Live:
    """Target and primary, and what was read and written of them in one run."""

    kube: Kube
    canary: Canary
    world: World
    """What was last seen."""
    superseded: Callable[[], bool]
    """Asked after a conflict, before trying again: whether the intent is not the newest."""
    copying: Copying
    written: dict[str, Value] = field(default_factory=dict)
    observed: dict[str, Value] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The kind of both."""
        return kinds.of(self.canary)

    @property
    def making(self) -> Making:
        """How such a primary is made. Raises Permanent for a kind that holds traffic."""
        making = self.kind.making
        if making is None:
            raise errors.Permanent(f"{self.kind.name} is written by routing workers")
        return making

    @property
    def target(self) -> WorkloadView | None:
        """The newest view of the target."""
        return self._newest(worlds.TARGET, self.world.target)

    @property
    def primary(self) -> WorkloadView | None:
        """The newest view of the primary."""
        return self._newest(worlds.PRIMARY, self.world.primary)

    def _newest(self, role: str, watched: WorkloadView | None) -> WorkloadView | None:
        known = self.observed.get(role) or self.written.get(role)
        return known if isinstance(known, WorkloadView) else watched

    def read(self, name: str) -> tuple[Object, WorkloadView]:
        """A workload as it is now, raw and as a view."""
        with told(f"{self.named(name)} get query error"):
            raw = self.kube.get(self.kind.resource, self.canary.namespace, name)
        return raw, self._view(raw)

    def look(self, role: str, name: str) -> WorkloadView:
        """The workload in a role as it is now."""
        _, view = self.read(name)
        self.observed[role] = view
        return view

    def create(self, role: str, body: Object) -> WorkloadView:
        """The workload made from `body`. Raises AlreadyExists."""
        return self._wrote(role, self.kube.create(*self._place, body))

    def patch(self, role: str, name: str, patch: Mapping[str, Any]) -> WorkloadView:
        """The workload after a merge patch, which should name the version it was computed from."""
        return self._wrote(role, self.kube.patch(*self._place, name, patch))

    def change(
        self, role: str, view: WorkloadView, changes: Sequence[Mapping[str, Any]], doing: str
    ) -> None:
        """Changes a workload as it was seen: one that was edited since is not touched.

        A late write of an earlier rollout would else end the next one.
        """
        patch: list[Mapping[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": view.uid},
            {"op": "test", "path": "/metadata/generation", "value": view.generation},
            *changes,
        ]
        with told(doing):
            try:
                made = self.kube.patch(*self._place, view.name, patch, kind=PatchKind.JSON)
            except errors.Permanent as refused:
                if refused.status != UNFIT:
                    raise
                live = self.look(role, view.name)
                if (live.uid, live.generation) == (view.uid, view.generation):
                    raise
                raise errors.Conflict(refused.message) from refused
        self._wrote(role, made)

    def again_after_conflicts(self, attempt: Callable[[], None]) -> None:
        """Tries `attempt`, anew after each conflict but the last, as long as it is wanted."""
        for _ in range(ATTEMPTS - 1):
            try:
                return attempt()
            except errors.Conflict:
                if self.superseded():
                    raise NotWanted("a newer intent exists") from None
        return attempt()

    def named(self, name: str) -> str:
        """A workload as texts name it: `deployment shop.prod`."""
        return f"{self.kind.name.lower()} {name}.{self.canary.namespace}"

    @property
    def _place(self) -> tuple[Resource, str]:
        return self.kind.resource, self.canary.namespace

    def _wrote(self, role: str, raw: Object) -> WorkloadView:
        view = self.written[role] = self._view(raw)
        self.observed.pop(role, None)
        return view

    def _view(self, raw: Object) -> WorkloadView:
        view = self.kind.project(raw, self.copying.selector_labels)
        return view if self.copying.tracks else replace(view, configs=())
