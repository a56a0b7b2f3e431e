"""A state that is lost: status, route and workloads -> the most cautious state that agrees.

Source: design invariant 7; defects D-1, D-4, D-7, D-34. What is unsure gets the lower weight.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis import decide
from analysis import state as states
from analysis.decisions import Decision, Rest
from analysis.findings import Findings
from analysis.observation import Observation, PastStatus
from analysis.phases import Phase
from analysis.state import Acceptance, RolloutState
from clients.documents.confirmed import Confirmed
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import RouteIntent, RouteStage, TrafficSplit
from tests.unit.analysis import tables, worlds
from tests.unit.analysis.worlds import INTERVAL, NEW, NEWER, NOW, OLD

FOREIGN = "7d8b5c4f69"
"""A revision as Flagger writes it."""


DEAD = worlds.a_workload(NEW, readiness=worlds.unready(retriable=False))


def past(phase: str, weight: int = 0, **changes: Any) -> PastStatus:
    """A status of version 9: `NEW` applied, `OLD` promoted."""
    return replace(PastStatus(phase, weight, 1, 0, NEW, OLD, 9), **changes)


def lost(status: PastStatus, live: int | None = 0, **changes: Any) -> Observation:
    """Nothing is known but `status`, a route with `live` percent for the canary, and workloads."""
    in_force = None if live is None else TrafficSplit.of(live)
    seen = worlds.seen(None, version=0, confirmed=Confirmed(), status=status, in_force=in_force)
    return replace(seen, **changes)


TABLE: dict[str, tuple[Observation, tuple[Phase, str, CanaryScale, str]]] = {
    "analysis goes on where status and route agree": (
        lost(past("Progressing", 40), 40),
        (Phase.PROGRESSING, "60/40", CanaryScale.RUNNING, ""),
    ),
    "analysis goes on at the lower of both: the status": (
        lost(past("Progressing", 20), 40),
        (Phase.PROGRESSING, "80/20", CanaryScale.RUNNING, ""),
    ),
    "analysis goes on at the lower of both: the route": (
        lost(past("Progressing", 40), 20),
        (Phase.PROGRESSING, "80/20", CanaryScale.RUNNING, ""),
    ),
    "a weight between two rungs goes to the lower one": (
        lost(past("Progressing", 35), 35),
        (Phase.PROGRESSING, "80/20", CanaryScale.RUNNING, ""),
    ),
    "a rollout before its first step starts with it": (
        lost(past("Progressing", 0), 0),
        (Phase.PROGRESSING, "100/0", CanaryScale.RUNNING, ""),
    ),
    "a rollback that was under way stays one": (
        lost(past("Progressing", 40), 0),
        (Phase.FAILED, "100/0", CanaryScale.RUNNING, ""),
    ),
    "a route that cannot be read counts as rolled back": (
        lost(past("Progressing", 40), None),
        (Phase.FAILED, "100/0", CanaryScale.RUNNING, ""),
    ),
    "traffic taken back for a newer revision is no rollback": (
        lost(past("Progressing", 40), 0, target=worlds.a_workload(NEWER)),
        (Phase.PROGRESSING, "100/0", CanaryScale.RUNNING, ""),
    ),
    "a promotion is made again": (
        lost(past("Promoting", 60), 60),
        (Phase.PROMOTING, "40/60", CanaryScale.RUNNING, NEW),
    ),
    "a promotion in its last phase is made again from weight 0 (D-4)": (
        lost(past("Finalising", 0), 0, primary=worlds.a_workload(NEW)),
        (Phase.PROMOTING, "100/0", CanaryScale.RUNNING, NEW),
    ),
    "a promotion that waits for its gate goes on waiting": (
        lost(past("WaitingPromotion", 60), 60),
        (Phase.WAITING_PROMOTION, "40/60", CanaryScale.RUNNING, ""),
    ),
    "one whose weight is not the last any more has steps to take": (
        lost(past("WaitingPromotion", 60), 40),
        (Phase.PROGRESSING, "60/40", CanaryScale.RUNNING, ""),
    ),
    "Flagger shows no weight while the promotion waits: the analysis begins anew": (
        lost(past("WaitingPromotion", 0), 60),
        (Phase.PROGRESSING, "100/0", CanaryScale.RUNNING, ""),
    ),
    "a release that waits for its gate goes on waiting": (
        lost(past("Waiting", applied=OLD)),
        (Phase.WAITING, "100/0", CanaryScale.LEAVE, ""),
    ),
    "a success rests": (
        lost(past("Succeeded", promoted=NEW)),
        (Phase.SUCCEEDED, "100/0", CanaryScale.LEAVE, ""),
    ),
    "an initialized canary rests": (
        lost(past("Initialized", applied=OLD)),
        (Phase.INITIALIZED, "100/0", CanaryScale.LEAVE, ""),
    ),
    "a failure stays one": (
        lost(past("Failed")),
        (Phase.FAILED, "100/0", CanaryScale.RUNNING, ""),
    ),
    "a failure whose route was not taken back yet is taken back": (
        lost(past("Failed"), 40),
        (Phase.FAILED, "100/0", CanaryScale.RUNNING, ""),
    ),
    "a failed promotion stays one: never routed to the dead primary (D-1)": (
        lost(past("Failed", 100), 100, primary=DEAD),
        (Phase.PROMOTION_FAILED, "0/100", CanaryScale.RUNNING, NEW),
    ),
    "so does one whose primary has old pods that serve everything": (
        lost(past("Failed", 0), 0, primary=DEAD),
        (Phase.PROMOTION_FAILED, "100/0", CanaryScale.RUNNING, NEW),
    ),
    "a primary lost to a canary that may not have been analysed is not made from that": (
        lost(past("Failed", 100), 100, primary=None),
        (Phase.PROMOTION_FAILED, "0/100", CanaryScale.RUNNING, ""),
    ),
    "nor is a primary that is down with the promoted revision given it": (
        lost(past("Failed", 100), 100, primary=worlds.a_workload(OLD, replicas=0)),
        (Phase.PROMOTION_FAILED, "0/100", CanaryScale.RUNNING, ""),
    ),
    "a rollback lost at 1 % stays one": (
        lost(past("Progressing", 1), 0),
        (Phase.FAILED, "100/0", CanaryScale.RUNNING, ""),
    ),
}


@pytest.mark.parametrize(("seen", "expected"), TABLE.values(), ids=TABLE)
def test_a_lost_state_is_rebuilt(
    seen: Observation, expected: tuple[Phase, str, CanaryScale, str]
) -> None:
    """Each remainder has one state that goes on from it."""
    decision = tables.decision(seen)
    state = decision.state
    assert decision.rule == "rebuild"
    told = (state.phase, str(state.route.split), state.workload.canary, state.workload.promote)
    assert told == expected
    assert (decision.due, decision.events) == (NOW, ())


def test_a_rebuilt_analysis_keeps_its_counters_and_gives_its_weight_an_interval() -> None:
    """Neither forgiven failed checks nor a shortened bake time."""
    state = tables.decision(lost(past("Progressing", 40, failed_checks=2), 40)).state
    assert (state.failed_checks, state.check_at) == (2, NOW + INTERVAL)
    assert (state.applied, state.promoted) == (NEW, OLD)


def test_an_older_state_gives_way_to_what_was_reported() -> None:
    """A failover of Redis lost writes: the status knows more."""
    older = worlds.progressing(20)
    seen = worlds.seen(older, version=7, status=past("Progressing", 40), in_force=None)
    decision = tables.decision(replace(seen, in_force=TrafficSplit.of(40)))
    assert (decision.rule, str(decision.state.route.split)) == ("rebuild", "60/40")
    assert decision.state.route.seq > older.route.seq


@pytest.mark.parametrize("version", [9, 10])
def test_a_state_that_is_as_new_as_the_status_is_kept(version: int) -> None:
    """The status is a projection; Redis is the truth."""
    seen = worlds.seen(worlds.progressing(20), version=version, status=past("Failed"))
    assert tables.answer(seen) == tables.Asks("halt_on_check", "checks")


@pytest.mark.parametrize("phase", ["Initializing", "Terminating", "", "Sleeping"])
def test_a_status_that_says_nothing_of_a_rollout_is_born_again(phase: str) -> None:
    """Initialization is idempotent; it is simply done again."""
    assert tables.decision(lost(past(phase))).rule == "born"


@pytest.mark.parametrize(
    ("status", "applied", "promoted"),
    [
        pytest.param(past("Succeeded", applied=FOREIGN, promoted=FOREIGN), OLD, OLD, id="at rest"),
        pytest.param(
            past("Progressing", applied=FOREIGN, promoted=FOREIGN), NEW, OLD, id="in mid-rollout"
        ),
        pytest.param(past("Failed", applied=FOREIGN, promoted=FOREIGN), NEW, OLD, id="failed"),
    ],
)
def test_revisions_of_another_controller_are_replaced_by_what_the_workloads_show(
    status: PastStatus, applied: str, promoted: str
) -> None:
    """D-34: taking over from Flagger starts no rollout, and does not retry what failed."""
    state = tables.decision(lost(replace(status, version=0))).state
    assert (state.applied, state.promoted) == (applied, promoted)


def test_a_state_made_without_a_manifest_gives_way_to_what_was_reported() -> None:
    """Redis was emptied while the manifest was wrong; mended, the rollout goes on."""
    newborn = states.unborn("u1", 3, NOW)
    seen = worlds.seen(newborn, version=12, status=past("Progressing", 40))
    decision = tables.decision(replace(seen, in_force=TrafficSplit.of(40)))
    assert (decision.rule, decision.state.phase) == ("rebuild", Phase.PROGRESSING)


def rebuilt(phase: Phase, weight: int, scale: CanaryScale, **changes: Any) -> RolloutState:
    """A whole state, whose intents follow those that were confirmed."""
    state = RolloutState(
        uid="u1",
        phase=phase,
        since=NOW,
        generation=1,
        target="Deployment cart-app",
        applied=NEW,
        promoted=OLD,
        route=RouteIntent(4, RouteStage.EXPOSED, TrafficSplit.of(weight)),
        workload=WorkloadIntent(7, scale),
        intended_at=NOW,
        unsure_until=NOW + timedelta(seconds=8),
    )
    return replace(state, **changes)


@pytest.mark.parametrize(
    ("status", "live", "expected"),
    [
        (
            past("Progressing", 40, iterations=2),
            40,
            rebuilt(
                Phase.PROGRESSING,
                40,
                CanaryScale.RUNNING,
                failed_checks=1,
                iterations=2,
                check_at=NOW + INTERVAL,
            ),
        ),
        (
            past("Progressing", 40),
            0,
            rebuilt(Phase.FAILED, 0, CanaryScale.RUNNING, failed_since=NOW),
        ),
        (
            past("Promoting", 60),
            60,
            rebuilt(
                Phase.PROMOTING,
                60,
                CanaryScale.RUNNING,
                workload=WorkloadIntent(7, CanaryScale.RUNNING, NEW),
            ),
        ),
        (past("Succeeded", promoted=NEW), 0, rebuilt(Phase.SUCCEEDED, 0, CanaryScale.LEAVE)),
        (past("Succeeded", applied=OLD), 40, rebuilt(Phase.PROGRESSING, 0, CanaryScale.RUNNING)),
        (past("Initialized", applied=OLD), 40, rebuilt(Phase.PROGRESSING, 0, CanaryScale.RUNNING)),
        (
            past("Succeeded", promoted=NEW),
            40,
            rebuilt(Phase.FAILED, 0, CanaryScale.RUNNING, failed_since=NOW),
        ),
    ],
    ids=[
        "under analysis",
        "rolled back",
        "promoting",
        "at rest",
        "under analysis, which no status has shown",
        "the first one, which no status has shown",
        "set back, which no status has shown",
    ],
)
def test_a_rebuilt_state_is_whole(status: PastStatus, live: int, expected: RolloutState) -> None:
    """Nothing of it is left to chance: what no status says is as in a state that rests."""
    seen = lost(status, live, confirmed=Confirmed(route_seq=3, workload_seq=6))
    assert tables.decision(seen).state == replace(expected, promoted=status.promoted)


def test_a_rebuilt_state_lasts_since_when_its_phase_is_shown() -> None:
    """R-38: another phase begins now, and a time to come is none."""
    ago, verdict = NOW - timedelta(hours=9), Acceptance(True, "Suspicious", "spec.x: 1", NOW)
    for phase, shown, expected in [
        ("Succeeded", ago, ago),
        ("Failed", ago, ago),
        ("Progressing", ago, ago),
        ("Finalising", ago, NOW),
        ("Waiting", ago, ago),
        ("Succeeded", NOW + INTERVAL, NOW),
        ("Succeeded", None, NOW),
    ]:
        state = tables.decision(lost(past(phase, since=shown, acceptance=verdict))).state
        assert (state.since, state.acceptance) == (expected, verdict)


@pytest.mark.parametrize("phase", ["Initialized", "Succeeded", "Failed"])
def test_a_canary_is_not_parked_while_a_write_from_before_the_loss_may_still_arrive(
    phase: str,
) -> None:
    """A weight that was being written when Redis was lost would lead to no pods."""
    state = tables.decision(lost(past(phase, promoted=NEW))).state
    known = worlds.seen(
        state, target=worlds.a_workload(NEW), primary=worlds.a_workload(NEW), status=None
    )
    known = replace(known, confirmed=Confirmed(route_seq=9, workload_seq=9, status_version=10))
    soon, later = NOW + timedelta(seconds=7), NOW + timedelta(seconds=8)
    assert tables.decision(replace(known, now=later)).state.workload.canary is CanaryScale.ZERO
    outcome = decide.decide(replace(known, now=soon), Findings())
    assert outcome == Rest(later, rule="park_canary")


def test_a_rebuilt_failure_is_given_a_deadline_for_its_route() -> None:
    """It failed hours ago; that its route is not known to be back is news of this moment."""
    seen = lost(past("Failed", since=NOW - timedelta(hours=9)), 40)
    state = tables.decision(seen).state
    known = replace(seen, state=state, version=10, now=NOW + timedelta(seconds=1))
    outcome = decide.decide(known, Findings())
    assert outcome.rule == "park_canary"
    assert not isinstance(outcome, Decision) or (
        outcome.state.workload.canary is CanaryScale.RUNNING
    )
