"""Rules of a canary that is being deleted: what was done for it is undone, then it may go.

Only with `revertOnDeletion`. Whatever is gone already is not waited for: a namespace that ends
takes its objects in any order.
"""

from __future__ import annotations

from dataclasses import replace

from analysis import effects, events
from analysis.decisions import Case, Decision, Rest, Ruling
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.rules import pods, waits
from analysis.waiting import WaitReason
from config.scaling import CanaryScale
from config.traffic import RouteIntent, RouteStage


def deleting(seen: Observation) -> Ruling | None:
    """A canary that is being deleted is left alone, unless it has to undo what was done for it."""
    if not seen.deleting or seen.state is None:
        return None
    if not seen.finalizer or seen.state.phase is Phase.TERMINATED:
        late = seen.finalizer and effects.outstanding(seen.state, seen.version, seen.confirmed)
        return Rest(seen.now + effects.RETRY if late else None)
    if seen.canary is None or not seen.canary.spec.revert_on_deletion:
        gone = seen.state.moved(Phase.TERMINATED, seen.now, finalizer=False)
        return Decision("Released", f"{seen.ref} has nothing to undo", gone, due=seen.now)
    return None if seen.state.phase is Phase.TERMINATING else _begin(seen)


def _begin(seen: Observation) -> Ruling | None:
    """The end of a canary: no check, no step, no hook any more; its target gets its pods back."""
    if seen.state is None or seen.canary is None:
        return None
    event, before = events.terminating(seen.canary), seen.state.workload.seq
    seq = max(seen.confirmed.workload_seq, before) + 1
    workload = replace(seen.state.worked(CanaryScale.RESTORED), seq=seq)
    state = seen.state.moved(
        Phase.TERMINATING,
        seen.now,
        workload=workload,
        failed_checks=0,
        iterations=0,
        check_at=None,
        epilogue=False,
        suspended=False,
        intended_at=seen.now,
    )
    return Decision("Terminating", event.message, state, (event,), seen.now)


def finalizer(seen: Observation) -> Ruling | None:
    """The object is kept when it is deleted, if there will be something to undo, and only then."""
    state = seen.state
    if state is None or seen.deleting or seen.canary is None:
        return None
    wanted = seen.canary.spec.revert_on_deletion
    is_told = effects.Lane.STATUS not in effects.outstanding(state, seen.version, seen.confirmed)
    if state.finalizer == wanted and (seen.finalizer == wanted or not is_told):
        return None
    message = f"{seen.ref} is {'kept' if wanted else 'let go'} when it is deleted"
    return Decision("Finalizer", message, replace(state, finalizer=wanted), due=seen.now)


def await_finalizer(case: Case) -> Ruling | None:
    """Nothing of a user's is changed before it is certain that it will be undone."""
    if not case.state.finalizer or case.observation.finalizer:
        return None
    return waits.await_effects(case, effects.Lane.STATUS) or Rest(case.now + effects.RETRY)


def await_target(case: Case) -> Ruling | None:
    """Users are not led back to a target that cannot serve them yet, as long as a primary can."""
    waiting = waits.await_effects(case, effects.Lane.WORKLOAD)
    if waiting:
        return waiting
    side = pods.canary(case)
    if side.is_gone or side.readiness.ready or not pods.primary(case).available:
        return None
    quiet = pods.on_their_way_until(case, side)
    if quiet is not None:
        return Rest(quiet)
    event = events.not_ready_to_end(case.canary, side.readiness.message)
    return waits.wait(case, WaitReason.CANARY_NOT_READY, event, side.patience)


def revert(case: Case) -> Ruling | None:
    """The Services and routes that were a user's before lead to the target again."""
    present = case.state.route
    if present.stage is RouteStage.REVERTED:
        return None
    seq = max(present.seq, case.observation.confirmed.route_seq) + 1
    route = RouteIntent(seq, RouteStage.REVERTED, present.split)
    state = replace(case.state, route=route, waiting=None)
    return Decision("Reverting", "the target gets its traffic back", state)


def terminated(case: Case) -> Ruling:
    """Everything is undone; the canary may go."""
    waiting = waits.await_effects(case, effects.Lane.ROUTE) or waits.await_proxies(case)
    if waiting:
        return waiting
    event = events.terminated(case.canary)
    state = case.state.moved(Phase.TERMINATED, case.now, finalizer=False)
    return Decision("Terminated", event.message, state, (event,), case.now)
