"""Brings the workloads of a canary to what was decided: creates, promotes, scales. Idempotent.

The only writer of workloads. Reads live objects only for what it is about to copy, and what it
was not told or was told too early.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from clients import errors
from clients.documents.world import SelectorLabel, WorkloadView
from clients.kube.protocol import Kube, Object, PatchKind
from config import names, ownership
from config.api.canary import Canary
from config.scaling import CanaryScale, WorkloadIntent
from workloads import adoption, deployment, kinds
from workloads.outcome import Converged, Rejected, Result, Superseded, Views
from workloads.primary import Copying

ATTEMPTS: Final = 5
"""Times a promotion is computed anew after a conflict; docs/compatibility/lifecycle.md,
"Promotion"."""


class _Superseded(Exception):
    """Ends a promotion whose revision is gone; carries the target as it is now."""

    def __init__(self, message: str, target: WorkloadView) -> None:
        super().__init__(message)
        self.target = target


class Converger:
    """Writes workloads through `kube`; `new_id` gives the fresh UUID of each pod template."""

    def __init__(self, kube: Kube, copying: Copying, new_id: Callable[[], str]) -> None:
        self._kube = kube
        self._copying = copying
        self._new_id = new_id

    def converge(self, canary: Canary, intent: WorkloadIntent, views: Views) -> Result:
        """What came of bringing about `intent`; the primary first, then the scale."""
        try:
            written = self._primary(canary, intent, views)
            scaled = self._scale(canary, intent, views, written or views.primary)
        except _Superseded as gone:
            return Superseded(str(gone), gone.target)
        except errors.ClientError as refused:
            # What is gone is told by the watch when it is back.
            is_final = isinstance(refused, errors.Permanent | errors.NotFound)
            return Rejected(refused.message, retriable=not is_final)
        return Converged(target=scaled, primary=written)

    def reread(self, canary: Canary, views: Views) -> dict[str, WorkloadView]:
        """The live workloads by role, of those whose views show less than we once wrote.

        Either the watch is late, or the API server's store was restored from older data.
        """
        stale = {
            "target": None if views.current_target else views.target,
            "primary": None if views.current_primary else views.primary,
        }
        return {
            role: self._view(canary, self._read(canary, view.name))
            for role, view in stale.items()
            if view is not None
        }

    # --- the primary

    def _primary(self, canary: Canary, intent: WorkloadIntent, views: Views) -> WorkloadView | None:
        if views.primary is None:
            made = self._create(canary, intent, views.left_by)
            if not intent.promote or made.revision == intent.promote:
                return made
            return self._promote(canary, intent.promote)
        _refuse(adoption.objection(canary, views.primary, views.target, views.left_by))
        if views.primary.controller in views.left_by:
            return self._take_over(canary, views.primary)
        held = views.current_primary.revision if views.current_primary else None
        if not intent.promote or held == intent.promote:
            return None
        return self._promote(canary, intent.promote)

    def _take_over(self, canary: Canary, known: WorkloadView) -> WorkloadView:
        """The primary of a canary that has turned to another target, controlled by `canary`."""
        live = self._read(canary, known.name)
        if self._view(canary, live).controller != known.controller:
            return self._view(canary, live)
        patch = {"metadata": _taken_over(live["metadata"], canary)}
        resource = kinds.of(canary).resource
        with _told(f"updating {_named(canary, known.name)} owner failed"):
            written = self._kube.patch(resource, canary.namespace, known.name, patch)
        return self._view(canary, written)

    def _create(
        self, canary: Canary, intent: WorkloadIntent, left_by: Collection[str]
    ) -> WorkloadView:
        """The primary made from the target; one that exists already is kept.

        Once a revision was promoted, no other becomes a primary by way of a lost one.
        """
        target = self._read(canary, canary.spec.target_ref.name)
        self._refuse_unseen(canary, intent, self._view(canary, target))
        label = self._label(canary, target)
        kind = kinds.of(canary)
        body = kind.create(canary, target, label, self._copying, pod_id=self._new_id())
        name = names.primary_workload(canary)
        with _told(f"createPrimary{kind.name} failed: creating {_named(canary, name)} failed"):
            try:
                made = self._kube.create(kind.resource, canary.namespace, body)
                return self._view(canary, made)
            except errors.AlreadyExists:
                pass  # made by a run whose answer was lost, by an earlier canary, or by a stranger
        found = self._view(canary, self._read(canary, name))
        _refuse(adoption.objection(canary, found, self._view(canary, target), left_by))
        return found

    def _refuse_unseen(self, canary: Canary, intent: WorkloadIntent, target: WorkloadView) -> None:
        held = target.revision
        if not intent.base or held in {intent.base, intent.promote}:
            return
        if intent.promote:
            raise _Superseded(f"the target holds {held}, analysed was {intent.promote}", target)
        lost = _named(canary, names.primary_workload(canary))
        raise errors.Permanent(
            f"{lost} is gone and cannot be made anew: {_named(canary, target.name)} holds "
            f"revision {held}, allowed is {intent.base}"
        )

    def _promote(self, canary: Canary, wanted: str) -> WorkloadView:
        """The primary given the revision `wanted`, anew after each conflict but the last."""
        for _ in range(ATTEMPTS - 1):
            with suppress(errors.Conflict):
                return self._copy(canary, wanted)
        return self._copy(canary, wanted)

    def _copy(self, canary: Canary, wanted: str) -> WorkloadView:
        """The primary with the revision `wanted`, which the target must still hold.

        Target and primary are read together and written under the primary's resourceVersion, so
        what is copied is what was checked.
        """
        name = names.primary_workload(canary)
        live = self._read(canary, name)
        if self._view(canary, live).revision == wanted:
            return self._view(canary, live)
        target = self._read(canary, canary.spec.target_ref.name)
        held = self._view(canary, target).revision
        if held != wanted:
            raise _Superseded(
                f"the target holds {held}, analysed was {wanted}", self._view(canary, target)
            )
        _refuse(adoption.objection(canary, self._view(canary, live), self._view(canary, target)))
        label = self._label(canary, target)
        pod_id = self._new_id()
        kind = kinds.of(canary)
        body = kind.promote(canary, target, live, label, self._copying, pod_id=pod_id)
        with _told(f"updating {_named(canary, name)} template spec failed"):
            written = self._kube.replace(kind.resource, canary.namespace, name, body)
        return self._view(canary, written)

    # --- the scale of the target

    def _scale(
        self, canary: Canary, intent: WorkloadIntent, views: Views, made: WorkloadView | None
    ) -> WorkloadView | None:
        """The target scaled as intended; a running one keeps its number of replicas."""
        if intent.canary is CanaryScale.LEAVE:
            return None
        name = canary.spec.target_ref.name
        if intent.canary is CanaryScale.ZERO:
            with suppress(errors.NotFound):  # what is gone has no pods
                if self._replicas(canary, views):
                    told = f"{_named(canary, name)} patch query error"
                    return self._set_replicas(canary, 0, told)
            return None
        if self._replicas(canary, views):
            return None
        wanted = (made.replicas if made else 0) or 1
        told = f"scaling up {name}.{canary.namespace} to {wanted} failed"
        return self._set_replicas(canary, wanted, told)

    def _replicas(self, canary: Canary, views: Views) -> int:
        """The target's replicas; read live without a view as new as our own last write."""
        view = views.current_target
        if view is None:
            view = self._view(canary, self._read(canary, canary.spec.target_ref.name))
        return view.replicas

    def _set_replicas(self, canary: Canary, replicas: int, told: str) -> WorkloadView:
        kind, name = kinds.of(canary), canary.spec.target_ref.name
        patch = kind.scaled(replicas)
        with _told(told):
            written = self._kube.patch(
                kind.resource, canary.namespace, name, patch, kind=PatchKind.MERGE
            )
        return self._view(canary, written)

    # --- reading

    def _read(self, canary: Canary, name: str) -> Object:
        with _told(f"{_named(canary, name)} get query error"):
            return self._kube.get(kinds.of(canary).resource, canary.namespace, name)

    def _view(self, canary: Canary, raw: Object) -> WorkloadView:
        return kinds.of(canary).project(raw, self._copying.selector_labels)

    def _label(self, canary: Canary, raw: Object) -> SelectorLabel:
        keys = self._copying.selector_labels
        try:
            return deployment.selector_label(self._view(canary, raw), keys)
        except deployment.NoSelectorLabel as unlabelled:
            raise errors.Permanent(str(unlabelled)) from unlabelled


def _named(canary: Canary, name: str) -> str:
    return f"{canary.spec.target_ref.kind.lower()} {name}.{canary.namespace}"


def _taken_over(live: Mapping[str, Any], canary: Canary) -> dict[str, Any]:
    """What changes of the metadata of `live` when `canary` takes it over, as it was read."""
    owners = ownership.taken_over(live, canary)["ownerReferences"]
    return {"ownerReferences": owners, "resourceVersion": live["resourceVersion"]}


def _refuse(objection: str) -> None:
    if objection:
        raise errors.Permanent(objection)


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """A block whose errors begin with `doing`, in the words of Flagger's events, and keep kind."""
    try:
        yield
    except errors.ClientError as refused:
        raise type(refused)(
            f"{doing}: {refused.message}", status=refused.status, reason=refused.reason
        ) from refused
