"""How a rollout waits: for pods, for its effects, for whatever keeps it; and what is told of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from analysis import effects, events, urgency, waiting
from analysis.decisions import AskBackends, AskChecks, Case, Decision, Rest, Ruling
from analysis.events import Event
from analysis.rules import pods
from analysis.state import RolloutState
from config import derived
from config.ranks import Rank


def wait(
    case: Case, reason: waiting.WaitReason, event: Event, until: datetime | None = None
) -> Decision | Rest:
    """Rest until `until`, saying why: see `stand_still`.

    Hooks that have answered meanwhile are asked anew after the wait, since they spoke before it.
    """
    asks_anew = bool(case.findings.hooks) and case.state.round is not None
    return stand_still(case.state, case.now, reason, event, until, asks_anew=asks_anew)


def stand_still(
    state: RolloutState,
    now: datetime,
    reason: waiting.WaitReason,
    event: Event,
    until: datetime | None = None,
    *,
    asks_anew: bool = False,
) -> Decision | Rest:
    """Rest until `until`, and tell why: at once, and again for as long as it lasts."""
    after, said = tell(state, now, reason, event)
    due = first(until, after.waiting.told_again_at if after.waiting else None)
    if not said and not asks_anew:
        return Rest(due, waits=True)
    after = replace(after, round=None) if asks_anew else after
    return Decision("Waiting", event.message, after, said, due)


def tell(
    state: RolloutState, now: datetime, reason: waiting.WaitReason, *causes: Event
) -> tuple[RolloutState, tuple[Event, ...]]:
    """`state` as one that waits for `reason`, and what is to be told of it now, if anything."""
    message = events.summary(causes)
    if not waiting.is_due(state.waiting, reason, message, now):
        return state, ()
    wait = waiting.told(state.waiting, reason, message, now)
    return replace(state, waiting=wait), tuple(events.repeated(event, wait) for event in causes)


def first(*moments: datetime | None) -> datetime | None:
    """The earliest of `moments`; None when all of them are None."""
    return min((moment for moment in moments if moment is not None), default=None)


def by(ruling: Ruling, latest: datetime | None) -> Ruling:
    """`ruling` with the next look at `latest` at the latest; a question is asked all the same."""
    match ruling:
        case Decision(due=due):
            return replace(ruling, due=first(due, latest))
        case Rest(until=until):
            return replace(ruling, until=first(until, latest))
        case AskChecks() | AskBackends():
            return ruling
        case _:
            assert_never(ruling)


def await_pods(case: Case, side: pods.Side, until: datetime | None = None) -> Decision | Rest:
    """Rest, saying why, until `side` runs out of its deadline, and not beyond `until`.

    Nothing is said of pods as long as they are on their way.
    """
    until, quiet = first(side.patience, until), pods.on_their_way_until(case, side)
    if quiet is not None:
        return Rest(first(until, quiet))
    return wait(case, side.reason, side.event, until)


def await_effects(case: Case, *lanes: effects.Lane) -> Decision | Rest | None:
    """Rest, and ask again soon, while effects of these `lanes` are not confirmed."""
    seen = case.observation
    missing = effects.outstanding(case.state, seen.version, seen.confirmed) & set(lanes)
    if not missing:
        return None
    pause = effects.RETRY if missing <= seen.confirmed.refused else _repair(case, missing)
    late = late_effects(case, *missing)
    until, held = case.now + pause, seen.held_until
    until = min(until, held) if held is not None and case.now < held else until
    return wait(case, waiting.WaitReason.NOT_APPLIED, late, until) if late else Rest(until)


def await_certainty(case: Case) -> Rest | None:
    """Rest while a request from before the state was lost may still be carried out.

    Not for longer than such a request has: Redis' clock may have been ahead when it was lost.
    """
    until = case.state.unsure_until
    is_near = until is not None and case.now < until <= case.now + effects.WRITE_LEASE
    return Rest(until) if is_near else None


def await_no_traffic(case: Case) -> Decision | Rest | None:
    """Rest while requests may reach a canary that is to have none.

    That is while its route is not confirmed, and while it is seen to lead there all the same: what
    somebody else wrote is put right, but not waited for longer than a progress deadline.
    """
    waiting, live = await_effects(case, effects.Lane.ROUTE), case.observation.in_force
    if waiting or live is None or not live.reaches_canary or is_past_deadline(case):
        return waiting
    return Rest(case.now + effects.REPAIR)


def await_proxies(case: Case) -> Rest | None:
    """Rest while proxies may not have heard yet of the route that was confirmed last."""
    seen = case.observation
    until = effects.heard_at(seen.confirmed, seen.scale_down_delay)
    return Rest(until) if until is not None and case.now < until else None


def _repair(case: Case, missing: Collection[effects.Lane]) -> timedelta:
    """How soon effects that are not confirmed are asked for again.

    Where no requests depend on them, the later the longer they have been wanted: if many wait for
    their turn, each further message would only make the queue longer.
    """
    since = case.state.intended_at
    if since is None or urgency.rank(case.state, missing) <= Rank.CHECK:
        return effects.REPAIR
    return min(max(effects.REPAIR, case.now - since), effects.RETRY)


def late_effects(case: Case, *lanes: effects.Lane) -> Event | None:
    """What to tell of effects that nobody has brought about in time, and nobody has refused."""
    seen, since = case.observation, case.state.intended_at
    late = effects.outstanding(case.state, seen.version, seen.confirmed) & set(lanes)
    late -= {effects.Lane.STATUS}
    if not late or seen.confirmed.trouble or since is None:
        return None
    if case.now < max(since, seen.held_until or since) + effects.LATE:
        return None
    return events.not_applied(case.canary, " and ".join(sorted(late)))


def is_past_deadline(case: Case) -> bool:
    """Whether the phase, and what it asks for, have lasted for a whole progress deadline."""
    began = max(case.state.since, case.state.intended_at or case.state.since)
    return case.now >= began + derived.progress_deadline(case.canary)
