"""Brings the workloads of a canary to what was decided: creates, promotes, scales. Idempotent."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from clients import errors
from clients.documents import world as worlds
from clients.documents.outcome import Applied, Outcome, Refusal, Rejected, Superseded
from clients.documents.world import Value, World
from clients.kube.protocol import Kube
from config.api.canary import Canary
from config.scaling import Autoscaler, CanaryScale, WorkloadIntent
from workloads import kinds, scalers
from workloads.live import Live, NotWanted
from workloads.primary import Copying
from workloads.promoting import Promoting
from workloads.scalers import following
from workloads.scalers.following import Following, Sight
from workloads.scaling import Scaling
from workloads.tracker_configs import Configs


@dataclass(slots=True)
class Convergence:
    """One try to bring about one intent; the only writer of workloads."""

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
    _live: Live = field(init=False)
    _role: str = worlds.PRIMARY
    """What is being seen to at the moment."""

    def __post_init__(self) -> None:
        """Begins with what was last seen."""
        self._live = Live(self.kube, self.canary, self.world, self.superseded, self.copying)

    def bring_about(self) -> Outcome:
        """How it ended; the primary comes first, then the scale, and then the primary's own.

        No rollout waits for the autoscaler of its primary.
        """
        try:
            if kinds.of(self.canary).making is None:
                self._role = worlds.SCALER
                self._free_former()
                return self._as_routed()
            self._see_to_all()
        except NotWanted as gone:
            return Superseded(str(gone), self._live.written, self._seen())
        except errors.ClientError as refused:
            # What is gone is told by the watch when it is back.
            is_final = isinstance(refused, errors.Permanent | errors.NotFound)
            reason = refused.reason or type(refused).__name__
            refusal = Refusal(self._role, reason, refused.message, retriable=not is_final)
            in_force = self._role == worlds.TWIN
            return Rejected((refusal,), self._live.written, self._seen(), in_force)
        return Applied(self._live.written, self._seen())

    def _as_routed(self) -> Outcome:
        """How far routing workers have come with a target that only they may write."""
        primary, wanted = self.world.primary, self.intent.promote
        if primary is None or (wanted and primary.revision != wanted):
            return Superseded("the primary is given its revision with the route")
        return Applied()

    def _see_to_all(self) -> None:
        is_ending = self.intent.canary is CanaryScale.RESTORED
        self._look_again()
        if not is_ending:
            Promoting(self._live, self.intent, self.configs).bring_about()
        self._role = worlds.TARGET
        self._see_to_scale()
        self._role = worlds.TWIN
        self._free_former()
        if not is_ending:
            self._live.again_after_conflicts(self._follow)

    def _look_again(self) -> None:
        """Looks at the live workloads of which the watch is late, or the store was restored."""
        views = {worlds.TARGET: self._live.target, worlds.PRIMARY: self._live.primary}
        for role, view in views.items():
            if view is not None and role in self.stale:
                self._role = role
                with suppress(errors.NotFound):
                    self._live.look(role, view.name)
        self._role = worlds.PRIMARY

    def _see_to_scale(self) -> None:
        """Scales the target.

        Its autoscaler is paused before it is scaled to zero, and resumed before it is scaled up.
        """
        wanted = self.intent.canary
        if wanted is CanaryScale.LEAVE:
            return
        try:
            self._live.again_after_conflicts(self._pause_or_resume)
            Scaling(self._live, wanted).bring_about()
        except errors.NotFound:
            # A target that is gone has no pods, which is what was wanted, or not.
            if wanted not in {CanaryScale.ZERO, CanaryScale.RESTORED}:
                raise

    def _pause_or_resume(self) -> None:
        if followed := self._following:
            is_parked = self.intent.canary is CanaryScale.ZERO
            self._take_in(worlds.SCALER, followed.pause(is_wanted=is_parked))

    def _free_former(self) -> None:
        """Resumes the autoscalers that are not the target's any more; one that is gone is free."""
        for former in self.intent.freed:
            with suppress(errors.NotFound):
                self._live.again_after_conflicts(partial(self._resume, former))

    def _resume(self, former: Autoscaler) -> None:
        kind, namespace = scalers.SCALERS[former.kind], self.canary.namespace
        following.paused(self.kube, namespace, kind, former.name, is_wanted=False)

    def _follow(self) -> None:
        """Keeps the primary's autoscaler in step with the target's, where there are any."""
        if followed := self._following:
            self._take_in(worlds.TWIN, followed.follow())

    @property
    def _following(self) -> Following | None:
        ref, scaler = self.canary.spec.autoscaler_ref, scalers.of(self.canary)
        if ref is None or scaler is None:
            return None
        return Following(self.kube, self.canary, ref, scaler, self.world)

    def _take_in(self, role: str, sight: Sight | None) -> None:
        if sight is not None:
            (self._live.written if sight.is_written else self._live.observed)[role] = sight.view

    def _seen(self) -> dict[str, Value]:
        """What was read, of configs what all that was read has come to."""
        contents = self.configs.contents
        is_news = contents != (self.world.contents or {})
        return {**self._live.observed, **({worlds.CONTENTS: contents} if is_news else {})}
