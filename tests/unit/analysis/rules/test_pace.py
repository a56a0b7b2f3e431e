"""Options of the pace: deadlines of gates and rollouts, longer steps, delays, ways back, nudges.

None of them is Flagger's. Whole rollouts with them are tests/scenarios/test_pace.py.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from analysis.findings import Findings
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.waiting import WaitReason
from clients.documents.confirmed import Confirmed
from config.api.canary import Canary
from tests.unit.analysis import tables, worlds
from tests.unit.analysis.tables import Answer, Decided, Rests
from tests.unit.analysis.worlds import INTERVAL, NEW, NEWER, NOW, OLD

LATER: Final = INTERVAL.total_seconds()
FAILED: Final = "Canary failed! Scaling down cart.shop"
SECOND: Final = timedelta(seconds=1)
HALT: Final = "Halt cart.shop advancement waiting for "
GATE: Final = {"name": "h0", "url": "http://gate.shop/"}


def gated(kind: str, **analysis: Any) -> Canary:
    """A canary with one gate, which may be closed for ten minutes."""
    return worlds.a_canary(webhooks=[{**GATE, "type": kind}], gateDeadline="10m", **analysis)


def waiting(seconds: float, **changes: Any) -> Observation:
    """A release that has waited for its approval for so long; it is asked again in 12 s."""
    wait = worlds.a_wait(f"{HALT}approval h0", WaitReason.ROLLOUT_NOT_CONFIRMED, 30)
    defaults: dict[str, Any] = {
        "waiting": wait,
        "since": NOW - timedelta(seconds=seconds),
        "check_at": NOW + 12 * SECOND,
    }
    state = worlds.a_state(Phase.WAITING, **{**defaults, **changes})
    return worlds.seen(state, gated("confirm-rollout"), target=worlds.a_workload(NEW, 0))


def held(seconds: float) -> Observation:
    """A promotion that has waited for so long."""
    wait = worlds.a_wait(f"{HALT}promotion approval h0", WaitReason.PROMOTION_NOT_CONFIRMED, 30)
    state = worlds.progressing(60, waiting=wait, check_at=NOW + 12 * SECOND)
    since = NOW - timedelta(seconds=seconds)
    state = replace(state, phase=Phase.WAITING_PROMOTION, since=since)
    return worlds.seen(state, gated("confirm-promotion"))


def rolling(weight: int = 20, canary: Canary | None = None, **changes: Any) -> Observation:
    """A rollout whose step was taken an interval ago."""
    defaults = {"stepped_at": NOW - INTERVAL, "began": NOW - timedelta(minutes=5)}
    return worlds.seen(worlds.progressing(weight, **{**defaults, **changes}), canary)


OVERDUE: Final = ["Rolling back cart.shop gate deadline exceeded 10m0s", FAILED]
TOO_LONG: Final = ["Rolling back cart.shop maximum duration exceeded 6m0s", FAILED]
QUICK: Final = worlds.a_canary(maxDuration="6m")
SLOW_AT_40: Final = worlds.a_canary(stepDurations=["0s", "2m"])
WARM: Final = worlds.a_canary(initialDelay="90s")

TABLE: dict[str, tuple[Observation, Findings | None, Answer]] = {
    "a gate is looked at when its deadline is over, if that is sooner": (
        waiting(595), None, Rests("not_asked_yet", 5)
    ),
    "a release that nobody approved in time has failed": (
        waiting(600), None, Decided("overdue", "Failed", "100/0", OVERDUE, due=0)
    ),
    "one that waits for something else has not": (
        waiting(900, waiting=None), None, Rests("not_asked_yet", 12)
    ),
    "a promotion that nobody approved in time is rolled back": (
        held(600), None, Decided("overdue", "Failed", "100/0", OVERDUE, due=0)
    ),
    "not before": (held(595), None, Rests("not_due", 5)),
    "a step that nobody approved in time is, too": (
        rolling(
            20,
            gated("confirm-traffic-increase"),
            waiting=worlds.a_wait("x", WaitReason.INCREASE_NOT_CONFIRMED, 600),
        ),
        None,
        Decided("overdue", "Failed", "100/0", OVERDUE, due=0),
    ),
    "a rollout that lasts too long is rolled back": (
        rolling(20, QUICK, began=NOW - timedelta(minutes=6)),
        worlds.PASSED,
        Decided("overdue", "Failed", "100/0", TOO_LONG, due=0),
    ),
    "it is looked at then": (
        rolling(20, QUICK, began=NOW - timedelta(minutes=6) + 7 * SECOND),
        worlds.PASSED,
        Decided("advance", "Progressing", "60/40", ["Advance cart.shop canary weight 40"], due=7),
    ),
    "a step lasts an interval where nothing else is said": (
        rolling(20, SLOW_AT_40),
        worlds.PASSED,
        Decided(
            "advance", "Progressing", "60/40", ["Advance cart.shop canary weight 40"], due=LATER
        ),
    ),
    "a longer one is measured at every interval": (
        rolling(40, SLOW_AT_40),
        worlds.PASSED,
        Decided("look_longer", "Progressing", "60/40", [], due=LATER),
    ),
    "a bad check counts as ever": (
        rolling(40, SLOW_AT_40),
        worlds.FAILED,
        Decided(
            "halt_on_check", "Progressing", "60/40", ["Halt cart.shop advancement bad"], due=LATER
        ),
    ),
    "when it has lasted, the next step is taken": (
        replace(
            rolling(40, SLOW_AT_40, stepped_at=NOW - timedelta(minutes=2)),
            confirmed=Confirmed(5, NOW - timedelta(minutes=2), 5, status_version=10),
        ),
        worlds.PASSED,
        Decided(
            "advance", "Progressing", "40/60", ["Advance cart.shop canary weight 60"], due=LATER
        ),
    ),
    "a canary that is ready runs without traffic first": (
        rolling(0, WARM), None, Decided("warm_up", "Progressing", "100/0", [], due=90)
    ),
    "for as long as was said": (
        rolling(0, WARM, check_at=NOW + 50 * SECOND), None, Rests("not_due", 50)
    ),
    "then its first step is taken": (
        rolling(0, WARM, check_at=NOW),
        None,
        Decided(
            "first_step",
            "Progressing",
            "80/20",
            ["Starting canary analysis for cart-app.shop", "Advance cart.shop canary weight 20"],
            due=LATER,
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "found", "expected"), TABLE.values(), ids=TABLE)
def test_the_pace_is_that_of_the_manifest(
    seen: Observation, found: Findings | None, expected: Answer
) -> None:
    """The composed chain, over the table."""
    assert tables.answer(seen, found) == expected


BACK: Final = worlds.a_canary(rollbackWindow="1h")


@pytest.mark.parametrize(
    ("changes", "is_known"),
    [
        ({}, True),
        ({"promoted_at": NOW - timedelta(minutes=59)}, True),
        ({"promoted_at": NOW - timedelta(minutes=60)}, False),
        ({"promoted_at": None}, False),
        ({"before": NEWER}, False),
        ({"before": ""}, False),
    ],
)
def test_a_way_back_is_open_for_the_revision_before_and_for_its_window(
    changes: dict[str, Any], is_known: bool
) -> None:
    """Any other release is analysed."""
    defaults: dict[str, Any] = {"before": NEW, "promoted_at": NOW - timedelta(minutes=1)}
    state = worlds.a_state(Phase.SUCCEEDED, **{**defaults, **changes})
    seen = worlds.seen(state, BACK, target=worlds.a_workload(NEW, 0))
    decision = tables.decision(seen)
    known = ["cart-app.shop is back at the revision before, no analysis is needed"]
    started = ["New revision detected! Scaling up cart-app.shop"]
    assert [event.message for event in decision.events] == [*(known * is_known), *started]
    assert decision.state.skipped is is_known
    after = worlds.seen(decision.state, BACK, version=11, confirmed=Confirmed(6, NOW, 6))
    assert tables.decision(after).rule == ("skip_analysis" if is_known else "first_step")


def test_the_way_back_is_open_though_the_primary_is_down() -> None:
    """That is what it is for."""
    state = worlds.a_state(Phase.SUCCEEDED, before=NEW, promoted_at=NOW - INTERVAL)
    down = worlds.a_workload(OLD, readiness=worlds.unready())
    seen = worlds.seen(state, BACK, target=worlds.a_workload(NEW, 0), primary=down)
    assert tables.decision(seen).state.phase is Phase.PROGRESSING


def test_a_newer_revision_is_analysed_though_the_one_before_was_not() -> None:
    """The way back was for that one alone."""
    seen = worlds.seen(worlds.progressing(0, skipped=True), target=worlds.a_workload(NEWER))
    assert not tables.decision(seen).state.skipped


def test_a_promotion_remembers_what_it_replaced() -> None:
    """Once more promoted, it still does."""
    state = worlds.a_state(Phase.FINALISING, applied=NEW, before=NEWER)
    seen = worlds.seen(state, primary=worlds.a_workload(NEW), target=worlds.a_workload(NEW, 0))
    after = tables.decision(seen).state
    assert (after.promoted, after.before, after.promoted_at) == (NEW, OLD, NOW)
    again = worlds.seen(replace(state, promoted=NEW), primary=worlds.a_workload(NEW))
    assert tables.decision(again).state.before == NEWER


def nudged(seen: Observation, value: str) -> Observation:
    """`seen` with a value of the annotation."""
    assert seen.canary is not None
    metadata = seen.canary.metadata.model_copy(
        update={"annotations": {"coalmine.dev/nudge": value}}
    )
    return replace(seen, canary=seen.canary.model_copy(update={"metadata": metadata}))


@pytest.mark.parametrize("seen", [waiting(60), held(60)])
def test_a_nudge_has_a_closed_gate_asked_at_once(seen: Observation) -> None:
    """Once per value; what it answered before the nudge counts no more."""
    assert seen.state is not None
    asked = replace(seen.state, round=worlds.a_round("confirm-promotion"))
    decision = tables.decision(nudged(replace(seen, state=asked), "1"))
    assert (decision.rule, decision.due) == ("nudged", NOW)
    assert (decision.state.check_at, decision.state.round) == (NOW, None)
    again = nudged(replace(seen, state=decision.state, version=11), "1")
    assert tables.answer(again).rule != "nudged"
    assert tables.answer(nudged(again, "2")).rule == "nudged"


def test_a_nudge_shortens_no_interval_of_a_canary_that_waits_for_none() -> None:
    """What is measured is given its time."""
    seen = nudged(rolling(20, check_at=NOW + 12 * SECOND, round=None), "1")
    state = tables.decision(seen).state
    assert state.check_at == NOW + 12 * SECOND
    assert tables.answer(replace(seen, state=state, version=11)) == Rests("not_due", 12)
