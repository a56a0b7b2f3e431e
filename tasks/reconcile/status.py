"""Shows the state of one canary to the cluster: its status, coalesced, and each event once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from pydantic import SecretStr

from analysis import conditions, effects
from analysis.effects import Lane
from analysis.state import RolloutState
from clients import errors
from clients.documents import world as worlds
from clients.documents.outcome import Applied, Outcome, Refusal, Rejected, Superseded
from clients.documents.world import ShownStatus
from clients.kube import resources
from config.well_known import FINALIZER
from notify import CHANNELS, Channel
from tasks import delivery, teller
from tasks.delivery import Delivery
from tasks.reconcile.leased import Reconciler, Run

TRIES: Final = 3
"""Writes of one status in one run: each further one follows a read after a conflict."""


@dataclass(frozen=True)
class StatusReconciler(Reconciler):
    """Writes status and events under the status lease of their canary."""

    lane = Lane.STATUS
    channels: Sequence[Channel] = CHANNELS
    event_webhook: SecretStr | None = None
    """Where the events of canaries without event hooks of their own are posted."""

    def _write(self, run: Run) -> Outcome | None:
        """The status, then the events: a refusal of the one keeps none of the others untold."""
        outcome = self._show(run)
        others = teller.named(run.canary, self.event_webhook)
        channels = Delivery(self.store, self.channels)
        told, failure = channels.deliver(run.ref, run.kube, run.untold, others)
        run.told.extend(told)
        if any(delivery.behind(run.untold, others)):
            teller.ask(self.crew.dispatcher, run.ref)
        if isinstance(failure, errors.NotFound):
            return Superseded("there is no namespace to put events in", outcome.written)
        if failure is not None:
            raise failure
        if _is_to_be_marked(run):
            _mark(run)
        return outcome

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
