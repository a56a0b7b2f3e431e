"""What is still to be brought about, and when to ask for it again (design, invariant 4)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from analysis import effects
from analysis.effects import REPAIR, Lane
from analysis.phases import Phase
from analysis.state import RolloutState
from clients.documents.confirmed import Confirmed
from config.scaling import CanaryScale
from config.traffic import ALL_TO_PRIMARY, RouteIntent, RouteStage
from tests.unit.analysis import worlds
from tests.unit.analysis.worlds import NOW

DONE = Confirmed(route_seq=5, workload_seq=5, status_version=10)
LATER = NOW + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("confirmed", "expected"),
    [
        pytest.param(DONE, set(), id="all confirmed"),
        pytest.param(replace(DONE, route_seq=4), {Lane.ROUTE}, id="an older route"),
        pytest.param(replace(DONE, workload_seq=4), {Lane.WORKLOAD}, id="older workloads"),
        pytest.param(replace(DONE, status_version=9), {Lane.STATUS}, id="an older report"),
        pytest.param(Confirmed(), set(Lane), id="nothing confirmed"),
        pytest.param(replace(DONE, route_seq=6), set(), id="a newer one needs nothing older"),
    ],
)
def test_what_is_desired_but_not_confirmed_is_outstanding(
    confirmed: Confirmed, expected: set[Lane]
) -> None:
    """Effects are the difference between the two."""
    assert effects.outstanding(worlds.progressing(20), 10, confirmed) == expected


def test_traffic_comes_first() -> None:
    """Weights are asked for before replicas, so a rolled back canary never dies under traffic."""
    assert next(iter(Lane)) is Lane.ROUTE


@pytest.mark.parametrize(
    ("phase", "check_at", "expected"),
    [
        pytest.param(Phase.PROGRESSING, LATER, False, id="a split that is to be measured later"),
        pytest.param(Phase.PROGRESSING, None, True, id="a rollout before its first step"),
        pytest.param(Phase.PROGRESSING, NOW, True, id="a check that is due already"),
        pytest.param(Phase.FINALISING, None, True, id="traffic on its way back"),
        pytest.param(Phase.FAILED, None, True, id="a rollback"),
    ],
)
def test_a_route_in_force_wakes_a_rollout_that_waits_for_it(
    phase: Phase, check_at: datetime | None, expected: bool
) -> None:
    """Internal phases advance when the route is in force; an analysis has its own time."""
    state = worlds.a_state(phase, check_at=check_at)
    assert effects.awaits_route(state, NOW) is expected


@pytest.mark.parametrize(
    ("phase", "check_at", "planned", "expected"),
    [
        pytest.param(Phase.PROGRESSING, LATER, LATER, LATER, id="analysis keeps its plan"),
        pytest.param(Phase.PROGRESSING, None, None, NOW + REPAIR, id="waiting for pods"),
        pytest.param(Phase.PROMOTING, None, None, NOW + REPAIR, id="waiting for the copy"),
        pytest.param(Phase.FAILED, None, NOW, NOW, id="more to do at once"),
        pytest.param(Phase.FINALISING, None, LATER, NOW + REPAIR, id="a late plan is hastened"),
    ],
)
def test_a_lost_message_costs_no_more_than_the_repair_time(
    phase: Phase, check_at: datetime | None, planned: datetime | None, expected: datetime
) -> None:
    """A state that waits for its own effects is looked at again soon."""
    state = worlds.a_state(phase, check_at=check_at)
    assert effects.due(state, planned, NOW) == expected


def test_what_could_not_be_mended_is_asked_for_again() -> None:
    """Drift is no outstanding intent; a failed try to mend it is not forgotten all the same."""
    state = worlds.progressing(20)
    troubled = replace(DONE, troubles={Lane.ROUTE: "forbidden"})

    assert effects.unfinished(state, 10, DONE, NOW, LATER) == frozenset()
    assert effects.outstanding(state, 10, troubled) == frozenset()
    assert effects.unfinished(state, 10, troubled, NOW, LATER) == {Lane.ROUTE}


UNTOLD = replace(DONE, status_version=9)
UNROUTED = replace(UNTOLD, route_seq=4)
UNSCALED = replace(UNTOLD, workload_seq=4)
SERVICES = RouteIntent(5, RouteStage.SERVICES, ALL_TO_PRIMARY)
ZERO, RUNNING = CanaryScale.ZERO, CanaryScale.RUNNING
SOON = NOW + REPAIR


def passing(phase: Phase, canary: CanaryScale, **changes: Any) -> RolloutState:
    """A state whose route or workload was decided just now."""
    return worlds.a_state(phase, canary=canary, **{"intended_at": NOW, **changes})


@pytest.mark.parametrize(
    ("state", "confirmed", "due"),
    [
        pytest.param(passing(Phase.FINALISING, RUNNING), UNROUTED, SOON, id="traffic returns"),
        pytest.param(passing(Phase.FINALISING, ZERO), UNSCALED, SOON, id="and the canary goes"),
        pytest.param(passing(Phase.FAILED, ZERO), UNSCALED, SOON, id="after a rollback too"),
        pytest.param(
            passing(Phase.INITIALIZING, CanaryScale.LEAVE), UNROUTED, SOON, id="the first route"
        ),
        pytest.param(passing(Phase.INITIALIZING, ZERO), UNSCALED, NOW, id="the target parked"),
    ],
)
def test_a_decision_that_the_next_follows_at_once_is_shown_with_it(
    state: RolloutState, confirmed: Confirmed, due: datetime
) -> None:
    """One patch for both; what is to be brought about is asked for all the same."""
    missing = effects.outstanding(state, 10, confirmed)
    assert Lane.STATUS in missing
    assert effects.unfinished(state, 10, confirmed, NOW, due) == missing - {Lane.STATUS}


def test_a_canary_keeps_its_pods_until_proxies_have_heard_that_nobody_is_led_there() -> None:
    """All else is asked for meanwhile, and the canary is looked at when the time is up."""
    state, delay = passing(Phase.SUCCEEDED, ZERO), timedelta(seconds=1)
    unscaled = replace(UNSCALED, route_at=NOW, troubles={Lane.WORKLOAD: "was refused"})
    seen = worlds.seen(state, confirmed=unscaled, scale_down_delay=delay)
    held = seen.held_until
    assert held is not None
    assert held == NOW + delay == effects.due(state, LATER, NOW, held)
    for now, asked in ((NOW, {Lane.STATUS}), (held, {Lane.STATUS, Lane.WORKLOAD})):
        assert effects.unfinished(state, 10, unscaled, now, None, held=held) == asked
    for other in (
        replace(seen, state=passing(Phase.PROMOTING, RUNNING)),
        replace(seen, confirmed=UNSCALED),
        replace(seen, confirmed=replace(UNSCALED, route_at=LATER)),
        replace(seen, target=worlds.a_workload(available=0)),
        replace(seen, target=None),
    ):
        assert other.held_until is None


def a_step(**changes: Any) -> RolloutState:
    """A step that was decided just now."""
    return passing(Phase.PROGRESSING, RUNNING, check_at=LATER, **changes)


def test_a_step_is_shown_by_whoever_brings_it_into_force() -> None:
    """A weight that is shown before the route has it would look as a rollback does."""
    assert effects.is_shown_once_in_force(a_step())
    assert effects.unfinished(a_step(), 10, UNROUTED, NOW, LATER) == {Lane.ROUTE}


@pytest.mark.parametrize(
    ("state", "confirmed"),
    [
        pytest.param(a_step(), UNTOLD, id="in force"),
        pytest.param(a_step(intended_at=NOW - REPAIR), UNROUTED, id="long on its way"),
        pytest.param(a_step(), replace(UNROUTED, troubles={Lane.ROUTE: "no"}), id="refused"),
        pytest.param(passing(Phase.PROGRESSING, RUNNING), UNROUTED, id="traffic taken back"),
        pytest.param(passing(Phase.FAILED, RUNNING), UNROUTED, id="a rollback"),
    ],
)
def test_nothing_but_a_step_on_its_way_keeps_the_status_waiting(
    state: RolloutState, confirmed: Confirmed
) -> None:
    """What is to be remembered of a failure, above all."""
    assert Lane.STATUS in effects.unfinished(state, 10, confirmed, NOW, LATER)


@pytest.mark.parametrize(
    ("state", "confirmed", "due"),
    [
        pytest.param(passing(Phase.FINALISING, RUNNING), UNTOLD, SOON, id="all is in force"),
        pytest.param(passing(Phase.FINALISING, RUNNING), UNROUTED, None, id="no look is planned"),
        pytest.param(passing(Phase.FINALISING, RUNNING), UNROUTED, LATER, id="none soon"),
        pytest.param(
            passing(Phase.FINALISING, RUNNING, intended_at=NOW - REPAIR),
            UNROUTED,
            SOON,
            id="the route takes long",
        ),
        pytest.param(
            passing(Phase.FINALISING, RUNNING, intended_at=None), UNROUTED, SOON, id="since ever"
        ),
        pytest.param(passing(Phase.FAILED, RUNNING), UNROUTED, NOW, id="a rollback"),
        pytest.param(passing(Phase.PROGRESSING, RUNNING), UNSCALED, SOON, id="a new revision"),
        pytest.param(passing(Phase.PROMOTING, RUNNING), UNSCALED, SOON, id="a promotion"),
        pytest.param(passing(Phase.SUCCEEDED, ZERO), UNSCALED, SOON, id="a mended primary"),
        pytest.param(
            passing(Phase.INITIALIZING, CanaryScale.LEAVE, route=SERVICES),
            replace(UNROUTED, workload_seq=4),
            SOON,
            id="an initialization that begins",
        ),
    ],
)
def test_every_other_decision_is_shown_at_once(
    state: RolloutState, confirmed: Confirmed, due: datetime | None
) -> None:
    """Whoever waits for pods, for a refused write or for a user must be seen to do so."""
    missing = effects.outstanding(state, 10, confirmed)
    assert effects.unfinished(state, 10, confirmed, NOW, due) == missing >= {Lane.STATUS}
