"""Brings the workloads of a canary to what was decided: creates, promotes, scales. Idempotent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from clients import errors
from clients.documents import world as worlds
from clients.documents.outcome import Applied, Outcome, Refusal, Rejected, Superseded
from clients.documents.world import Value, WorkloadView, World
from clients.kube.protocol import Kube, Object, PatchKind
from config import names, ownership
from config.api.canary import Canary
from config.scaling import CanaryScale, WorkloadIntent
from workloads import kinds, revision, scalers
from workloads import primary as primaries
from workloads.kinds import Kind, Making
from workloads.primary import Copying
from workloads.refusals import UNFIT, told
from workloads.scalers.following import Following, Sight
from workloads.tracker import Release
from workloads.tracker_configs import Configs, Original

ATTEMPTS: Final = 5
"""Times a write is computed anew after a conflict; docs/compatibility/lifecycle.md, "Promotion"."""


class _Superseded(Exception):
    """Ends what is not wanted any more."""


@dataclass(slots=True)
class Convergence:
    """One try to bring about one intent, and what it has learned and done so far.

    The only writer of workloads. Reads live objects only for what it is about to copy, and what it
    was not told or was told too early.
    """

    kube: Kube
    canary: Canary
    intent: WorkloadIntent
    world: World
    """What was last seen."""
    superseded: Callable[[], bool]
    """Asked after a conflict, before trying again: whether the intent is not the newest."""
    copying: Copying
    configs: Configs
    """What is known of the ConfigMaps and Secrets that the workloads name."""
    stale: Collection[str] = ()
    """Roles whose views are older than our own last write, and tell no more than that they are."""
    written: dict[str, Value] = field(default_factory=dict)
    observed: dict[str, Value] = field(default_factory=dict)
    _role: str = worlds.PRIMARY
    """What is being seen to at the moment."""

    def bring_about(self) -> Outcome:
        """How it ended; the primary comes first, then the scale, and then the primary's own.

        No rollout waits for the autoscaler of its primary.
        """
        if self._kind.making is None:
            return self._as_routed()
        try:
            self._reread()
            is_ending = self.intent.canary is CanaryScale.RESTORED
            if not is_ending:
                self._see_to_primary()
            self._see_to_scale()
            if not is_ending:
                self._see_to_twin()
        except _Superseded as gone:
            return Superseded(str(gone), self.written, self._seen())
        except errors.ClientError as refused:
            # What is gone is told by the watch when it is back.
            is_final = isinstance(refused, errors.Permanent | errors.NotFound)
            reason = refused.reason or type(refused).__name__
            refusal = Refusal(self._role, reason, refused.message, retriable=not is_final)
            in_force = self._role == worlds.TWIN
            return Rejected((refusal,), self.written, self._seen(), in_force)
        return Applied(self.written, self._seen())

    def _seen(self) -> dict[str, Value]:
        """What was read, of configs what all that was read has come to."""
        contents = self.configs.contents
        is_news = contents != (self.world.contents or {})
        return {**self.observed, **({worlds.CONTENTS: contents} if is_news else {})}

    @property
    def _kind(self) -> Kind:
        return kinds.of(self.canary)

    @property
    def _making(self) -> Making:
        making = self._kind.making
        if making is None:
            raise errors.Permanent(f"{self._kind.name} is written by routing workers")
        return making

    def _as_routed(self) -> Outcome:
        """How far routing workers have come with a target that only they may write."""
        primary, wanted = self.world.primary, self.intent.promote
        if primary is None or (wanted and primary.revision != wanted):
            return Superseded("the primary is given its revision with the route")
        return Applied()

    def _reread(self) -> None:
        """Looks at the live workloads of which the watch is late, or the store was restored."""
        for role in (worlds.TARGET, worlds.PRIMARY):
            view = self._known(role)
            if view is not None and role in self.stale:
                self._role = role
                with suppress(errors.NotFound):
                    self._look(role, view.name)
        self._role = worlds.PRIMARY

    def _see_to_primary(self) -> None:
        """Makes the primary, or gives it what is to be promoted."""
        seen = self._known(worlds.PRIMARY)
        if seen is None:
            seen = self._create()
        else:
            self._refuse_stranger(seen, self.world.target)
            if seen.controller in self.world.left_by:
                seen = self._take_over(seen)
        if self.intent.promote:
            self._again_after_conflicts(self._promote)

    def _take_over(self, seen: WorkloadView) -> WorkloadView:
        """The primary of a canary that has turned to another target, controlled by this one."""
        live, found = self._read(seen.name)
        if found.controller != seen.controller:
            return found
        owners = ownership.taken_over(live["metadata"], self.canary)["ownerReferences"]
        version = live["metadata"]["resourceVersion"]
        patch = {"metadata": {"ownerReferences": owners, "resourceVersion": version}}
        with told(f"updating {self._named(seen.name)} owner failed"):
            made = self.kube.patch(self._kind.resource, self.canary.namespace, seen.name, patch)
        return self._wrote(worlds.PRIMARY, made)

    def _refuse_stranger(self, found: WorkloadView, target: WorkloadView | None) -> None:
        canary, left_by = self.canary, self.world.left_by
        kind, uid = self._kind.name, canary.metadata.uid
        objection = primaries.objection(
            found, kind, canary.ref, uid, target=target, left_by=left_by
        )
        if objection:
            raise errors.Permanent(objection)

    def _create(self) -> WorkloadView:
        """The primary made from the target; one that exists already is kept.

        Once a revision was promoted, no other becomes a primary by way of a lost one.
        """
        target, held = self._read(self.canary.spec.target_ref.name)
        release, originals = self.configs.originals(held)
        self._refuse_unseen(held, release)
        self.configs.copy(originals, self.copying)
        body = self._making.create(self.canary, target, **self._copying(held, release, originals))
        name = names.primary_workload(self.canary)
        with told(f"createPrimary{self._kind.name} failed: creating {self._named(name)} failed"):
            try:
                made = self.kube.create(self._kind.resource, self.canary.namespace, body)
            except errors.AlreadyExists:
                pass  # made by a run whose answer was lost, by an earlier canary, or by a stranger
            else:
                return self._wrote(worlds.PRIMARY, made)
        found = self._look(worlds.PRIMARY, name)
        self._refuse_stranger(found, held)
        return found

    def _refuse_unseen(self, target: WorkloadView, release: Release) -> None:
        held, intent = release.revision, self.intent
        if not intent.base or held == intent.base:
            return None
        if intent.promote:
            return self._insist_on_analysed(target, release)
        lost = self._named(names.primary_workload(self.canary))
        raise errors.Permanent(
            f"{lost} is gone and cannot be made anew: {self._named(target.name)} holds "
            f"revision {held}, allowed is {intent.base}"
        )

    def _insist_on_analysed(self, target: WorkloadView, release: Release) -> None:
        held, wanted = release.revision, self.intent.promote
        if held != wanted:
            self.observed[worlds.TARGET] = target
            raise _Superseded(f"the target holds {held}, analysed was {wanted}")

    def _promote(self) -> None:
        """Gives the primary the revision to be promoted, which the target must still hold.

        What is copied is what was checked: the target and its configs are read for that.
        """
        primary = self._known(worlds.PRIMARY)
        if primary is None or self._revision(primary) == self.intent.promote:
            return
        target, held = self._read(self.canary.spec.target_ref.name)
        release, originals = self.configs.originals(held)
        self._insist_on_analysed(held, release)
        self._refuse_stranger(primary, held)
        self.configs.copy(originals, self.copying)
        wanted = self._copying(held, release, originals)
        changes = self._making.promote(self.canary, target, **wanted)
        doing = f"updating {self._named(primary.name)} template spec failed"
        self._patch(worlds.PRIMARY, primary, changes, doing)

    def _see_to_scale(self) -> None:
        """Scales the target as intended; a running one keeps its number of replicas.

        Its autoscaler is paused before it is scaled to zero, and resumed before it is scaled up.
        """
        self._role = worlds.TARGET
        if self.intent.canary is CanaryScale.LEAVE:
            return
        try:
            self._again_after_conflicts(self._pause_or_resume)
            self._again_after_conflicts(self._scale)
        except errors.NotFound:
            # A target that is gone has no pods, which is what was wanted, or not.
            if self.intent.canary not in {CanaryScale.ZERO, CanaryScale.RESTORED}:
                raise

    def _scale(self) -> None:
        name = self.canary.spec.target_ref.name
        target = self._known(worlds.TARGET) or self._look(worlds.TARGET, name)
        match self.intent.canary, target.replicas:
            case CanaryScale.ZERO, replicas if replicas:
                self._set_replicas(target, 0, f"{self._named(name)} patch query error")
            case CanaryScale.RUNNING, 0:
                wanted = self._replicas()
                self._scale_up(target, wanted)
            case CanaryScale.RESTORED, replicas if replicas < self._served_by():
                self._scale_up(target, self._served_by())

    def _served_by(self) -> int:
        """How many a target needs that is to serve everything: as many as served it until now.

        Its autoscaler, where there is one, finds out by itself whether fewer will do.
        """
        primary, scaler = self._known(worlds.PRIMARY), scalers.of(self.canary)
        fewest = scaler.fewest(self.world.scaler) if scaler else 1
        return max(primary.replicas if primary else 0, fewest)

    def _scale_up(self, target: WorkloadView, wanted: int) -> None:
        doing = f"scaling up {target.name}.{self.canary.namespace} to {wanted} failed"
        self._set_replicas(target, wanted, doing)

    def _replicas(self) -> int:
        """How many a canary begins with: its autoscaler's fewest, else as many as the primary."""
        scaler = scalers.of(self.canary)
        if scaler is not None:
            return scaler.fewest(self.world.scaler)
        primary = self._known(worlds.PRIMARY)
        return (primary.replicas if primary else 0) or 1

    def _set_replicas(self, target: WorkloadView, replicas: int, doing: str) -> None:
        live = self._read_as_seen(target) if self._making.is_scaled_as_read else {}
        self._patch(worlds.TARGET, target, self._making.scaled(replicas, live), doing)

    def _read_as_seen(self, target: WorkloadView) -> Object:
        """The live target. Raises Conflict for one that was edited since it was seen."""
        live, view = self._read(target.name)
        if (view.uid, view.generation) != (target.uid, target.generation):
            self.observed[worlds.TARGET] = view
            raise errors.Conflict(f"{self._named(target.name)} was edited")
        return live

    def _pause_or_resume(self) -> None:
        if self._following:
            is_parked = self.intent.canary is CanaryScale.ZERO
            self._take_in(worlds.SCALER, self._following.pause(is_wanted=is_parked))

    def _see_to_twin(self) -> None:
        """Keeps the primary's autoscaler in step with the target's, where there are any."""
        self._role = worlds.TWIN
        self._again_after_conflicts(self._follow)

    def _follow(self) -> None:
        if self._following:
            self._take_in(worlds.TWIN, self._following.follow())

    @property
    def _following(self) -> Following | None:
        ref, scaler = self.canary.spec.autoscaler_ref, scalers.of(self.canary)
        if ref is None or scaler is None:
            return None
        return Following(self.kube, self.canary, ref, scaler, self.world)

    def _take_in(self, role: str, sight: Sight | None) -> None:
        if sight is not None:
            (self.written if sight.is_written else self.observed)[role] = sight.view

    def _patch(
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
        place = self._kind.resource, self.canary.namespace, view.name
        with told(doing):
            try:
                made = self.kube.patch(*place, patch, kind=PatchKind.JSON)
            except errors.Permanent as refused:
                if refused.status != UNFIT:
                    raise
                found = self._look(role, view.name)
                if (found.uid, found.generation) == (view.uid, view.generation):
                    raise
                raise errors.Conflict(refused.message) from refused
        self._wrote(role, made)

    def _again_after_conflicts(self, attempt: Callable[[], None]) -> None:
        """Tries `attempt`, anew after each conflict but the last, as long as it is wanted."""
        for _ in range(ATTEMPTS - 1):
            try:
                return attempt()
            except errors.Conflict:
                if self.superseded():
                    raise _Superseded("a newer intent exists") from None
        return attempt()

    def _known(self, role: str) -> WorkloadView | None:
        """The newest there is: what was read or written by ourselves, or what the watch has."""
        views = {worlds.TARGET: self.world.target, worlds.PRIMARY: self.world.primary}
        known = self.observed.get(role) or self.written.get(role)
        return known if isinstance(known, WorkloadView) else views[role]

    def _look(self, role: str, name: str) -> WorkloadView:
        """The workload as it is now."""
        _, view = self._read(name)
        self.observed[role] = view
        return view

    def _read(self, name: str) -> tuple[Object, WorkloadView]:
        with told(f"{self._named(name)} get query error"):
            raw = self.kube.get(self._kind.resource, self.canary.namespace, name)
        return raw, self._view(raw)

    def _wrote(self, role: str, raw: Object) -> WorkloadView:
        view = self.written[role] = self._view(raw)
        self.observed.pop(role, None)
        return view

    def _view(self, raw: Object) -> WorkloadView:
        view = self._kind.project(raw, self.copying.selector_labels)
        return view if self.copying.tracks else replace(view, configs=())

    def _revision(self, primary: WorkloadView) -> str:
        """What a primary runs; empty for one that lacks a copy."""
        return self.configs.release(primary, worlds.PRIMARY).revision

    def _copying(
        self, target: WorkloadView, release: Release, originals: Iterable[Original]
    ) -> dict[str, Any]:
        """How the target is copied: its selector label, what else of it, and its pods' mark."""
        label, copying = target.selector_label, self.copying
        if label is None:
            keys = copying.selector_labels
            raise errors.Permanent(primaries.no_selector_label(target, self._kind.name, keys))
        copied = frozenset(each.ref.key for each in originals)
        return {
            "label": label,
            "copying": replace(copying, configs=copied),
            "pod_id": revision.pod_id(release.revision),
        }

    def _named(self, name: str) -> str:
        return f"{self._kind.name.lower()} {name}.{self.canary.namespace}"
