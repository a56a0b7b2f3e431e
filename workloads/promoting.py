"""Makes the primary of a canary, and gives it what is to be promoted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from clients import errors
from clients.documents import world as worlds
from clients.documents.world import WorkloadView
from config import names, ownership
from config.scaling import WorkloadIntent
from workloads import primary as primaries
from workloads import revision
from workloads.live import Live, NotWanted
from workloads.refusals import told
from workloads.tracker import Release
from workloads.tracker_configs import Configs, Original


@dataclass(frozen=True, slots=True)
class Promoting:
    """One try to bring the primary to an intent."""

    live: Live
    intent: WorkloadIntent
    configs: Configs
    """What is known of the ConfigMaps and Secrets that the workloads name."""

    def bring_about(self) -> None:
        """Makes the primary where there is none, and gives it the revision to be promoted."""
        live, seen = self.live, self.live.primary
        if seen is None:
            self._create()
        else:
            self._refuse_stranger(seen, live.world.target)
            if seen.controller in live.world.left_by:
                self._take_over(seen)
        if self.intent.promote:
            live.again_after_conflicts(self._promote)

    def _create(self) -> None:
        """Makes the primary from the target; one that exists already is kept.

        Once a revision was promoted, no other becomes a primary by way of a lost one.
        """
        live, canary = self.live, self.live.canary
        target, held = live.read(canary.spec.target_ref.name)
        release, originals = self.configs.originals(held)
        self._refuse_unseen(held, release)
        self.configs.copy(originals, live.copying)
        body = live.making.create(canary, target, **self._copying(held, release, originals))
        name = names.primary_workload(canary)
        with told(f"createPrimary{live.kind.name} failed: creating {live.named(name)} failed"):
            try:
                live.create(worlds.PRIMARY, body)
            except errors.AlreadyExists:
                pass  # made by a run whose answer was lost, by an earlier canary, or by a stranger
            else:
                return
        self._refuse_stranger(live.look(worlds.PRIMARY, name), held)

    def _promote(self) -> None:
        """Gives the primary the revision to be promoted, which the target must still hold.

        What is copied is what was checked: the target and its configs are read for that.
        """
        live, primary = self.live, self.live.primary
        if primary is None or self._revision(primary) == self.intent.promote:
            return
        target, held = live.read(live.canary.spec.target_ref.name)
        release, originals = self.configs.originals(held)
        self._insist_on_analysed(held, release)
        self._refuse_stranger(primary, held)
        self.configs.copy(originals, live.copying)
        wanted = self._copying(held, release, originals)
        changes = live.making.promote(live.canary, target, **wanted)
        doing = f"updating {live.named(primary.name)} template spec failed"
        live.change(worlds.PRIMARY, primary, changes, doing)

    def _take_over(self, seen: WorkloadView) -> None:
        """Has the primary of a canary that has turned to another target controlled by this one."""
        raw, found = self.live.read(seen.name)
        if found.controller != seen.controller:
            return
        owners = ownership.taken_over(raw["metadata"], self.live.canary)["ownerReferences"]
        version = raw["metadata"]["resourceVersion"]
        patch = {"metadata": {"ownerReferences": owners, "resourceVersion": version}}
        with told(f"updating {self.live.named(seen.name)} owner failed"):
            self.live.patch(worlds.PRIMARY, seen.name, patch)

    def _refuse_stranger(self, found: WorkloadView, target: WorkloadView | None) -> None:
        canary, left_by = self.live.canary, self.live.world.left_by
        kind, uid = self.live.kind.name, canary.metadata.uid
        objection = primaries.objection(
            found, kind, canary.ref, uid, target=target, left_by=left_by
        )
        if objection:
            raise errors.Permanent(objection)

    def _refuse_unseen(self, target: WorkloadView, release: Release) -> None:
        held, intent = release.revision, self.intent
        if not intent.base or held == intent.base:
            return None
        if intent.promote:
            return self._insist_on_analysed(target, release)
        lost = self.live.named(names.primary_workload(self.live.canary))
        raise errors.Permanent(
            f"{lost} is gone and cannot be made anew: {self.live.named(target.name)} holds "
            f"revision {held}, allowed is {intent.base}"
        )

    def _insist_on_analysed(self, target: WorkloadView, release: Release) -> None:
        held, wanted = release.revision, self.intent.promote
        if held != wanted:
            self.live.observed[worlds.TARGET] = target
            raise NotWanted(f"the target holds {held}, analysed was {wanted}")

    def _revision(self, primary: WorkloadView) -> str:
        """What a primary runs; empty for one that lacks a copy."""
        return self.configs.release(primary, worlds.PRIMARY).revision

    def _copying(
        self, target: WorkloadView, release: Release, originals: Iterable[Original]
    ) -> dict[str, Any]:
        """How the target is copied: its selector label, what else of it, and its pods' mark."""
        label, copying = target.selector_label, self.live.copying
        if label is None:
            keys = copying.selector_labels
            message = primaries.no_selector_label(target, self.live.kind.name, keys)
            raise errors.Permanent(message)
        copied = frozenset(each.ref.key for each in originals)
        return {
            "label": label,
            "copying": replace(copying, configs=copied),
            "pod_id": revision.pod_id(release.revision),
        }
