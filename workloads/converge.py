"""Brings the workloads of a canary to what was decided: creates, promotes, scales. Idempotent.

The only writer of Deployments. Reads live objects only for what it is about to copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clients import errors, resources
from clients.kube import Kube, PatchKind
from config import names
from config.canary import Canary
from config.scaling import CanaryScale, WorkloadIntent
from workloads import deployment, primary
from workloads.primary import Copying

Object = Mapping[str, Any]
View = Mapping[str, Any]

ATTEMPTS: Final = 5
"""Times a write is computed anew after a conflict; the lifecycle reference's number."""


@dataclass(frozen=True, slots=True)
class Views:
    """The workloads as last seen, and the generations that our own last writes made.

    A view that shows an older generation than ours is not to be trusted.
    """

    target: View | None
    primary: View | None
    target_generation: int = 0
    primary_generation: int = 0

    @property
    def target_is_current(self) -> bool:
        """Whether the view of the target shows our own last write to it."""
        return self.target is not None and self.target["generation"] >= self.target_generation


@dataclass(frozen=True, slots=True)
class Converged:
    """All is as intended; the views of what had to be written or read live, None for nothing."""

    target: View | None = None
    primary: View | None = None

    def views(self) -> dict[str, View]:
        """The new views by role, for whoever keeps what was last seen."""
        found = {"target": self.target, "primary": self.primary}
        return {role: view for role, view in found.items() if view is not None}


@dataclass(frozen=True, slots=True)
class Superseded:
    """The target no longer holds the revision that was to be promoted; nothing was copied."""

    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The API server refused; `retriable` says whether asking again can help."""

    message: str
    retriable: bool


Result = Converged | Superseded | Rejected


class _Superseded(Exception):
    """Ends a promotion whose revision is gone."""


class Converger:
    """Writes Deployments through `kube`; `new_id` gives the fresh UUID of each pod template."""

    def __init__(self, kube: Kube, copying: Copying, new_id: Callable[[], str]) -> None:
        self._kube = kube
        self._copying = copying
        self._new_id = new_id

    def converge(self, canary: Canary, intent: WorkloadIntent, views: Views) -> Result:
        """What came of bringing about `intent`."""
        try:
            written = self._primary(canary, intent, views.primary)
            scaled = self._scale(canary, intent, views)
        except _Superseded as gone:
            return Superseded(str(gone))
        except errors.ClientError as refused:
            return Rejected(str(refused), not isinstance(refused, errors.Permanent))
        return Converged(
            target=self._view(scaled) if scaled else None,
            primary=self._view(written) if written else None,
        )

    def _primary(self, canary: Canary, intent: WorkloadIntent, view: View | None) -> Object | None:
        if view is None:
            return self._create(canary, intent)
        if not intent.promote or view["revision"] == intent.promote:
            return None
        return self._promote(canary, intent.promote)

    def _create(self, canary: Canary, intent: WorkloadIntent) -> Object:
        """The primary made from the target; one that exists already is kept.

        Once a revision was promoted, no other becomes a primary by way of a lost one.
        """
        target = self._read(canary, canary.spec.target_ref.name)
        held = self._view(target)["revision"]
        if intent.base and held not in (intent.base, intent.promote):
            raise _Superseded(f"the target holds revision {held}, the primary had {intent.base}")
        label = self._label(target)
        body = primary.create(canary, target, label, self._copying, self._new_id())
        try:
            return self._kube.create(resources.DEPLOYMENTS, canary.namespace, body)
        except errors.AlreadyExists:
            return self._read(canary, names.primary_workload(canary))

    def _promote(self, canary: Canary, wanted: str) -> Object | None:
        """The primary given the revision `wanted`, which the target must still hold.

        Target and primary are read together and written under the primary's resourceVersion, so
        what is copied is what was checked.
        """
        for attempt in range(ATTEMPTS):
            live = self._read(canary, names.primary_workload(canary))
            if self._view(live)["revision"] == wanted:
                return live
            target = self._read(canary, canary.spec.target_ref.name)
            held = self._view(target)["revision"]
            if held != wanted:
                raise _Superseded(f"the target holds revision {held}, analysed was {wanted}")
            label = self._label(target)
            body = primary.promote(canary, target, live, label, self._copying, self._new_id())
            try:
                return self._kube.replace(
                    resources.DEPLOYMENTS, canary.namespace, names.primary_workload(canary), body
                )
            except errors.Conflict:
                if attempt == ATTEMPTS - 1:
                    raise
        return None

    def _scale(self, canary: Canary, intent: WorkloadIntent, views: Views) -> Object | None:
        """The target scaled as intended; a running one keeps its number of replicas."""
        if intent.canary is CanaryScale.LEAVE or views.target is None:
            return None
        replicas = self._replicas(canary, views)
        if intent.canary is CanaryScale.ZERO:
            return self._set_replicas(canary, 0) if replicas else None
        if replicas:
            return None
        return self._set_replicas(canary, (views.primary or {}).get("replicas") or 1)

    def _replicas(self, canary: Canary, views: Views) -> int:
        """The target's replicas; read live when the view is older than our own last write."""
        view = views.target
        if view is None or not views.target_is_current:
            view = self._view(self._read(canary, canary.spec.target_ref.name))
        return int(view["replicas"])

    def _set_replicas(self, canary: Canary, replicas: int) -> Object:
        patch = {"spec": {"replicas": replicas}}
        name = canary.spec.target_ref.name
        return self._kube.patch(
            resources.DEPLOYMENTS, canary.namespace, name, patch, kind=PatchKind.MERGE
        )

    def _read(self, canary: Canary, name: str) -> Object:
        return self._kube.get(resources.DEPLOYMENTS, canary.namespace, name)

    def _view(self, raw: Object) -> View:
        return deployment.project(raw, self._copying.selector_labels)

    def _label(self, raw: Object) -> tuple[str, str]:
        keys = self._copying.selector_labels
        try:
            return deployment.selector_label(self._view(raw), keys)
        except deployment.NoSelectorLabel as unlabelled:
            raise errors.Permanent(str(unlabelled)) from unlabelled
