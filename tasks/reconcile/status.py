"""Shows the state of one canary to the cluster: its status, coalesced, and each event once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from analysis import conditions, effects
from analysis.effects import Lane
from analysis.state import RolloutState
from clients import errors
from clients.documents import world as worlds
from clients.documents.outcome import Applied, Outcome, Refusal, Rejected, Superseded
from clients.documents.world import ShownStatus
from clients.kube import resources
from clients.redis.records import Begun
from config.refs import CanaryRef
from config.well_known import FINALIZER
from notify import CHANNELS, Channel
from tasks import alarms, delivery, event_hooks
from tasks.audience import Audience
from tasks.delivery import Delivery
from tasks.reconcile.leased import Reconciler
from tasks.reconcile.run import Run, Strays

TRIES: Final = 3
"""Writes of one status in one run: each further one follows a read after a conflict."""


@dataclass(frozen=True)
class StatusReconciler(Reconciler):
    """Writes status and events under the status lease of their canary."""

    lane = Lane.STATUS
    channels: Sequence[Channel] = CHANNELS
    audience: Audience = field(default_factory=Audience)
    alert: Callable[[CanaryRef], None] = lambda _: None
    """Has alerts of a canary told; comes back before they are."""

    def _run(
        self, ref: CanaryRef, begun: Begun, asked: float, strays: Strays, told: list[str]
    ) -> Run | None:
        """As for all lanes; of a canary that is gone those hear at whom something fires."""
        world = begun.snapshot.world
        if world.admission is None and world.is_readable:
            self.alert(ref)
        return super()._run(ref, begun, asked, strays, told)

    def _write(self, run: Run) -> Outcome | None:
        """The status, then the events: a refusal of the one keeps none of the others untold."""
        outcome = self._show(run)
        failure = self._tell(run)
        if isinstance(failure, errors.NotFound):
            return Superseded("there is no namespace to put events in", outcome.written)
        if failure is not None:
            raise failure
        if _is_to_be_marked(run):
            _mark(run)
        return outcome

    def _tell(self, run: Run) -> errors.ClientError | None:
        """Why a channel was not told all; None when all were. Others are told elsewhere."""
        about = self.store, run.ref, run.untold, run.token, run.state.uid
        delivering = Delivery(*about, tell=self.crew.instruments)
        hooks, receivers = self.audience.hooks(run.canary), self.audience.receivers(run.canary)
        accounts = (*(channel.name for channel in self.channels), *hooks, *receivers)
        failures = []
        for channel in self.channels:  # what a single one has is dropped
            waiting, noting = delivering.missing(channel.name), len(accounts) > 1
            failures.append(delivering.bring(channel, waiting, run.kube, noting=noting))
        run.told.extend(delivering.told(accounts))
        if any(delivery.behind(run.untold, hooks)):
            event_hooks.ask(self.crew.dispatcher, run.ref)
        if any(delivery.behind(run.untold, receivers)) or self._fires(run, receivers):
            self.alert(run.ref)
        return next(filter(None, failures), None)

    def _fires(self, run: Run, receivers: Sequence[str]) -> bool:
        if run.canary is None or not receivers:
            return False
        gate_wait = self.audience.alerts.gate_wait
        return bool(alarms.firing(run.state, run.canary, run.snapshot.now, gate_wait))

    def _calls_for_a_look(self, run: Run, outcome: Applied) -> bool:  # noqa: ARG002
        return False

    def _show(self, run: Run) -> Outcome:
        """One patch, and none when the status says it all already.

        It is written under the resourceVersion that it was computed from; after a conflict only
        while it is the newest there is to show. As long as the weight is not in force, the one
        before is shown, and there is more to be shown later.
        """
        try:
            seen = run.world.status
            present = seen if seen and seen.resource_version else _look(run)
            for tries_left in reversed(range(TRIES)):
                state = _in_force(run, present)
                bring = Applied if state == run.state else _AHEAD
                wanted = _wanted(run, state, present)
                if not conditions.says_more(wanted, present.fields):
                    return bring(observed={worlds.STATUS: present})
                try:
                    return bring(written={worlds.STATUS: _patched(run, present, wanted)})
                except errors.Conflict:
                    if run.superseded():
                        return Superseded("a newer state is to be shown")
                    if not tries_left:
                        raise
                present = _look(run)
        except (errors.NotFound, errors.Conflict) as gone:
            return Superseded(gone.message)
        except errors.Permanent as refused:
            reason = refused.reason or type(refused).__name__
            return Rejected((Refusal(worlds.STATUS, reason, refused.message, retriable=False),))
        raise AssertionError("the last try either returns or raises")


def _is_to_be_marked(run: Run) -> bool:
    """Whether our finalizer is not as wanted; none can be put on an object that is going away."""
    admission, wanted = run.snapshot.world.admission, run.state.finalizer
    if admission is None or admission.finalizer == wanted:
        return False
    return not (wanted and admission.deleting)


def _mark(run: Run) -> None:
    """Puts our finalizer on the Canary, or takes it off: told before, for the canary goes with it.

    Raises Conflict for one that changed meanwhile: it is looked at again.
    """
    try:
        live = run.kube.get(resources.CANARIES, run.ref.namespace, run.ref.name)
        metadata = live["metadata"]
        others = [each for each in metadata.get("finalizers") or () if each != FINALIZER]
        wanted = [*others, FINALIZER] if run.state.finalizer else others
        is_same_object = metadata.get("uid") == run.state.uid
        if not is_same_object or wanted == list(metadata.get("finalizers") or ()):
            return
        marked = {"finalizers": wanted, "resourceVersion": metadata["resourceVersion"]}
        place = resources.CANARIES, run.ref.namespace, run.ref.name
        run.kube.patch(*place, {"metadata": marked})
    except errors.NotFound:
        return


_AHEAD: Final = partial(Superseded, "the weight is not in force yet")


def _in_force(run: Run, present: ShownStatus) -> RolloutState:
    """The state, without the rise of a weight by a step that the route is not known to have."""
    state, version = run.state, run.snapshot.version
    is_open = Lane.ROUTE in effects.outstanding(state, version, run.confirmed)
    if not (is_open and effects.is_shown_once_in_force(state)):
        return state
    split = state.route.split
    weight = min(split.canary, int(present.fields.get("canaryWeight") or 0))
    return replace(state, route=replace(state.route, split=split.weighing(weight)))


def _wanted(run: Run, state: RolloutState, present: ShownStatus) -> dict[str, Any]:
    shown = present.fields.get("conditions") or ()
    return conditions.status(state, run.snapshot.version, run.canary, shown, run.snapshot.now)


def _look(run: Run) -> ShownStatus:
    """The status as it is now. Raises NotFound for another object of that name."""
    live = run.kube.get(resources.CANARIES, run.ref.namespace, run.ref.name)
    if live["metadata"].get("uid") != run.state.uid:
        raise errors.NotFound(f"canary {run.ref} is another object by now")
    return worlds.shown_status(live)


def _patched(run: Run, present: ShownStatus, wanted: Mapping[str, Any]) -> ShownStatus:
    wanted = {**wanted, **_of_map("trackedConfigs", wanted, present.fields)}
    written = run.kube.patch(
        resources.CANARIES,
        run.ref.namespace,
        run.ref.name,
        {"metadata": {"resourceVersion": present.resource_version}, "status": wanted},
        subresource="status",
    )
    return worlds.shown_status(written)


def _of_map(
    field: str, wanted: Mapping[str, Any], present: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """A map in a status as a merge patch needs it, which leaves out nothing by itself."""
    before, after = present.get(field), wanted.get(field)
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return {}
    return {field: {**dict.fromkeys(before), **after}}
