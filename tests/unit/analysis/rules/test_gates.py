"""Gates and rollback hooks: asked at the interval, never a failed check, open in passed ticks only.

Source: the compatibility reference, webhooks 1 and 3, lifecycle 4, 7, 10.4; defects D-21, D-22,
D-44, D-45, D-63, D-66. Whole rollouts with gates are tests/scenarios/test_gates.py.
"""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from analysis import decide, hooks
from analysis.decisions import Decision
from analysis.findings import Findings
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.state import HookRound, RolloutState
from analysis.waiting import Waiting, WaitReason
from clients.documents.confirmed import Confirmed
from config.api.canary import Canary
from config.api.hooks import WebhookType
from config.scaling import CanaryScale, WorkloadIntent
from tests.unit.analysis import arbitrary, tables, worlds
from tests.unit.analysis.properties import holds
from tests.unit.analysis.tables import Answer, Asks, Decided, Rests
from tests.unit.analysis.worlds import INTERVAL, NEW, NEWER, NOW, OLD

ROLLOUT: Final = "confirm-rollout"
INCREASE: Final = "confirm-traffic-increase"
PROMOTION: Final = "confirm-promotion"
ROLLBACK: Final = "rollback"
THRESHOLD_REACHED: Final = [
    "Halt cart.shop advancement bad",
    "Rolling back cart.shop failed checks threshold reached 3",
    "Canary failed! Scaling down cart.shop",
]
"""What is told of the last failed check."""

LATER: Final = INTERVAL.total_seconds()

DETECTED: Final = "New revision detected! Scaling up cart-app.shop"
STARTING: Final = "Starting canary analysis for cart-app.shop"
COPYING: Final = "Copying cart-app.shop template spec to cart-app-primary.shop"
HALT: Final = "Halt cart.shop advancement waiting for "
CALLED_OFF: Final = [
    "Rollback check h0 passed",
    "Rolling back cart.shop manual webhook invoked",
    "Canary failed! Scaling down cart.shop",
]


def hooked(*kinds: str) -> Canary:
    """A canary with a hook of each of `kinds`."""
    return worlds.a_canary(
        webhooks=[{"name": "h0", "type": kind, "url": "http://gate.shop/"} for kind in kinds]
    )


GATED: Final = hooked(ROLLOUT, PROMOTION)
STEPPED: Final = hooked(INCREASE)
SWITCHED: Final = hooked(ROLLBACK)
EVERYTHING: Final = hooked(ROLLBACK, "pre-rollout", "rollout", INCREASE, PROMOTION)
CHECKED: Final = hooked(ROLLBACK, "rollout")
LOADED: Final = hooked("rollout", INCREASE)
BOTH: Final = hooked(ROLLBACK, INCREASE)
AT_ZERO: Final = worlds.a_workload(NEW, replicas=0)


def a_round(
    kind: str, revision: str = "", settled: tuple[str, ...] = (), seconds: float = 7
) -> HookRound:
    """Hooks that were asked, and are asked again in `seconds`."""
    known = tuple(map(WebhookType, settled))
    return replace(worlds.a_round(kind, seconds), revision=revision, settled=known)


SLOW: Final = a_round(ROLLBACK, seconds=5)
"""Rollback hooks that a check is made without; MEASURED: that has passed since."""
MEASURED: Final = replace(SLOW, settled=(WebhookType.ROLLOUT,))


def a_closed(kind: str, seconds_ago: float = 60) -> Waiting:
    """The wait for a closed gate."""
    words = {ROLLOUT: "", INCREASE: "traffic increase ", PROMOTION: "promotion "}[kind]
    reason = {
        ROLLOUT: WaitReason.ROLLOUT_NOT_CONFIRMED,
        INCREASE: WaitReason.INCREASE_NOT_CONFIRMED,
        PROMOTION: WaitReason.PROMOTION_NOT_CONFIRMED,
    }[kind]
    return worlds.a_wait(f"{HALT}{words}approval h0", reason, seconds_ago)


def rests(phase: Phase = Phase.INITIALIZED, **changes: Any) -> Observation:
    """At rest with a new revision, which `GATED` has to be approved."""
    return worlds.seen(worlds.a_state(phase, **changes), GATED, target=AT_ZERO)


def waits(**changes: Any) -> Observation:
    """Waiting for the approval of a new revision; asked again now."""
    defaults: dict[str, Any] = {"waiting": a_closed(ROLLOUT), "check_at": NOW}
    return rests(Phase.WAITING, **{**defaults, **changes})


def at_end(**changes: Any) -> RolloutState:
    """A rollout whose last check is due."""
    return worlds.progressing(60, **changes)


def held(**changes: Any) -> RolloutState:
    """A rollout that waits for the approval of its promotion, measured now."""
    return replace(at_end(waiting=a_closed(PROMOTION)), phase=Phase.WAITING_PROMOTION, **changes)


def both(kind: str, ok: bool, found: Findings = worlds.PASSED) -> Findings:
    """The answer of one hook, and of the checks."""
    return replace(worlds.hooked(kind, ok), checks=found.checks)


TABLE: dict[str, tuple[Observation, Findings | None, Answer]] = {
    # before a rollout
    "a new revision has its gate asked before anything is scaled": (
        rests(),
        None,
        Decided("new_revision", "Initialized", "100/0", [], due=8),
    ),
    "it waits for the answer": (
        rests(round=a_round(ROLLOUT, NEW)),
        None,
        Rests("new_revision", 7),
    ),
    "an open gate starts the rollout, without skipping a word": (
        rests(round=a_round(ROLLOUT, NEW)),
        worlds.hooked(ROLLOUT, True),
        Decided(
            "new_revision", "Progressing", "100/0", ["Confirm-rollout check h0 passed", DETECTED]
        ),
    ),
    "a closed gate has it wait, and tells so; it is asked again after an interval": (
        rests(round=a_round(ROLLOUT, NEW)),
        worlds.hooked(ROLLOUT, False),
        Decided("new_revision", "Waiting", "100/0", [f"{HALT}approval h0"], due=LATER),
    ),
    "the approval of another revision is none": (
        rests(round=a_round(ROLLOUT, NEWER)),
        worlds.hooked(ROLLOUT, True),
        Decided("new_revision", "Initialized", "100/0", [], due=8),
    ),
    "a closed gate is not asked before its interval is over": (
        waits(check_at=NOW + timedelta(seconds=12)),
        None,
        Rests("not_asked_yet", 12),
    ),
    "then it is asked once more": (
        waits(),
        None,
        Decided("new_revision", "Waiting", "100/0", [], due=8),
    ),
    "a gate that is still closed is not told again": (
        waits(round=a_round(ROLLOUT, NEW)),
        worlds.hooked(ROLLOUT, False),
        Decided("new_revision", "Waiting", "100/0", [], due=LATER),
    ),
    "but every five minutes": (
        waits(round=a_round(ROLLOUT, NEW), waiting=a_closed(ROLLOUT, 301)),
        worlds.hooked(ROLLOUT, False),
        Decided("new_revision", "Waiting", "100/0", [f"{HALT}approval h0"], due=LATER),
    ),
    "a gate that opens starts the rollout": (
        waits(round=a_round(ROLLOUT, NEW)),
        worlds.hooked(ROLLOUT, True),
        Decided(
            "new_revision", "Progressing", "100/0", ["Confirm-rollout check h0 passed", DETECTED]
        ),
    ),
    "a newer revision needs an approval of its own": (
        replace(waits(round=a_round(ROLLOUT, NEW)), target=worlds.a_workload(NEWER, 0)),
        worlds.hooked(ROLLOUT, True),
        Decided("new_revision", "Waiting", "100/0", [], due=8),
    ),
    "a release that is taken back needs none (D-45)": (
        replace(waits(), target=worlds.a_workload(OLD, 0)),
        None,
        Decided(
            "withdrawn",
            "Initialized",
            "100/0",
            ["cart.shop needs no approval any more, deployment cart-app.shop has no new revision"],
            due=0,
        ),
    ),
    "nor one whose target is deleted": (
        replace(waits(), target=None),
        None,
        Decided(
            "withdrawn",
            "Initialized",
            "100/0",
            ["cart.shop needs no approval any more, deployment cart-app.shop has no new revision"],
            due=0,
        ),
    ),
    "one set back to the revision that failed has failed": (
        replace(waits(applied=NEWER), target=worlds.a_workload(NEWER, 0)),
        None,
        Decided(
            "withdrawn",
            "Failed",
            "100/0",
            ["cart.shop needs no approval any more, deployment cart-app.shop has no new revision"],
            due=0,
        ),
    ),
    "an answer about a release that was taken back is forgotten": (
        replace(rests(round=a_round(ROLLOUT, NEW)), target=worlds.a_workload(OLD, 0)),
        None,
        Decided("withdrawn", "Initialized", "100/0", [], due=0),
    ),
    "a gate is asked for skipAnalysis, too": (
        replace(
            rests(),
            canary=worlds.a_canary(
                spec={"skipAnalysis": True},
                webhooks=[{"name": "h0", "type": ROLLOUT, "url": "http://gate.shop/"}],
            ),
        ),
        None,
        Decided("new_revision", "Initialized", "100/0", [], due=8),
    ),
    # before a step
    "the gate of traffic is asked before the first step, after the pre-rollout hooks": (
        worlds.seen(worlds.progressing(0), STEPPED),
        None,
        Decided("first_step", "Progressing", "100/0", [STARTING], due=8),
    ),
    "an open one lets the first step be taken": (
        worlds.seen(worlds.progressing(0, round=a_round(INCREASE)), STEPPED),
        worlds.hooked(INCREASE, True),
        Decided(
            "first_step",
            "Progressing",
            "80/20",
            ["Confirm-traffic-increase check h0 passed", "Advance cart.shop canary weight 20"],
            due=LATER,
        ),
    ),
    "a closed one costs no failed check and keeps the canary without traffic": (
        worlds.seen(worlds.progressing(0, round=a_round(INCREASE)), STEPPED),
        worlds.hooked(INCREASE, False),
        Decided(
            "awaited", "Progressing", "100/0", [f"{HALT}traffic increase approval h0"], due=LATER
        ),
    ),
    "the gate of traffic is asked after a passed check": (
        worlds.seen(worlds.progressing(20), STEPPED),
        worlds.PASSED,
        Decided("confirm_increase", "Progressing", "80/20", [], due=8),
    ),
    "not after a failed one": (
        worlds.seen(worlds.progressing(20), STEPPED),
        worlds.FAILED,
        Decided(
            "halt_on_check", "Progressing", "80/20", ["Halt cart.shop advancement bad"], due=LATER
        ),
    ),
    "while it is silent the canary is not measured before its interval is over": (
        worlds.seen(worlds.progressing(20, round=a_round(INCREASE)), STEPPED),
        None,
        Rests("awaited", 7),
    ),
    "then it is": (
        worlds.seen(
            worlds.progressing(20, check_at=NOW - INTERVAL, round=a_round(INCREASE)), STEPPED
        ),
        None,
        Asks("halt_on_check", "checks"),
    ),
    "a bad check counts, however long a gate is silent": (
        worlds.seen(
            worlds.progressing(20, check_at=NOW - INTERVAL, round=a_round(INCREASE)), STEPPED
        ),
        worlds.FAILED,
        Decided(
            "halt_on_check", "Progressing", "80/20", ["Halt cart.shop advancement bad"], due=LATER
        ),
    ),
    "a good one changes nothing": (
        worlds.seen(
            worlds.progressing(20, check_at=NOW - INTERVAL, round=a_round(INCREASE)), STEPPED
        ),
        worlds.PASSED,
        Decided("confirm_increase", "Progressing", "80/20", [], due=7),
    ),
    "an open gate is no passed check: the canary is measured when the step is taken": (
        worlds.seen(worlds.progressing(20, round=a_round(INCREASE)), STEPPED),
        worlds.hooked(INCREASE, True),
        Asks("halt_on_check", "checks"),
    ),
    "with one it earns the step": (
        worlds.seen(worlds.progressing(20, round=a_round(INCREASE)), STEPPED),
        both(INCREASE, ok=True),
        Decided(
            "advance",
            "Progressing",
            "60/40",
            ["Confirm-traffic-increase check h0 passed", "Advance cart.shop canary weight 40"],
            due=LATER,
        ),
    ),
    "with a failed one it earns nothing": (
        worlds.seen(worlds.progressing(20, round=a_round(INCREASE)), STEPPED),
        both(INCREASE, ok=True, found=worlds.FAILED),
        Decided(
            "halt_on_check", "Progressing", "80/20", ["Halt cart.shop advancement bad"], due=LATER
        ),
    ),
    "a closed gate of traffic is asked again with the next check": (
        worlds.seen(worlds.progressing(20, round=a_round(INCREASE)), STEPPED),
        worlds.hooked(INCREASE, False),
        Decided(
            "awaited", "Progressing", "80/20", [f"{HALT}traffic increase approval h0"], due=LATER
        ),
    ),
    "it is asked at the last weight, too": (
        worlds.seen(at_end(), STEPPED),
        worlds.PASSED,
        Decided("confirm_increase", "Progressing", "40/60", [], due=8),
    ),
    "and the promotion follows": (
        worlds.seen(at_end(round=a_round(INCREASE)), STEPPED),
        both(INCREASE, ok=True),
        Decided(
            "promote",
            "Promoting",
            "40/60",
            ["Confirm-traffic-increase check h0 passed", COPYING],
        ),
    ),
    # before the promotion
    "the gate of the promotion is asked after the last passed check": (
        worlds.seen(at_end(), GATED),
        worlds.PASSED,
        Decided("confirm_promotion", "Progressing", "40/60", [], due=8),
    ),
    "a closed one has the promotion wait": (
        worlds.seen(at_end(round=a_round(PROMOTION)), GATED),
        worlds.hooked(PROMOTION, False),
        Decided(
            "awaited", "WaitingPromotion", "40/60", [f"{HALT}promotion approval h0"], due=LATER
        ),
    ),
    "meanwhile the canary is measured": (
        worlds.seen(held(), GATED),
        None,
        Asks("halt_on_check", "checks"),
    ),
    "a failed check counts": (
        worlds.seen(held(), GATED),
        worlds.FAILED,
        Decided(
            "halt_on_check",
            "WaitingPromotion",
            "40/60",
            ["Halt cart.shop advancement bad"],
            due=LATER,
        ),
    ),
    "and the last one rolls back": (
        worlds.seen(held(failed_checks=2), GATED),
        worlds.FAILED,
        Decided(
            "halt_on_check",
            "Failed",
            "100/0",
            THRESHOLD_REACHED,
            due=0,
        ),
    ),
    "after a passed one the gate is asked, at every interval (D-22)": (
        worlds.seen(held(), GATED),
        worlds.PASSED,
        Decided("confirm_promotion", "WaitingPromotion", "40/60", [], due=8),
    ),
    "that it is still closed is told every five minutes only": (
        worlds.seen(held(round=a_round(PROMOTION)), GATED),
        worlds.hooked(PROMOTION, False),
        Decided("awaited", "WaitingPromotion", "40/60", [], due=LATER),
    ),
    "an open one promotes, with a check that has passed just now": (
        worlds.seen(held(round=a_round(PROMOTION)), GATED),
        both(PROMOTION, ok=True),
        Decided(
            "promote", "Promoting", "40/60", ["Confirm-promotion check h0 passed", COPYING]
        ),
    ),
    "the gate of traffic is not asked any more": (
        worlds.seen(held(), STEPPED),
        worlds.PASSED,
        Decided("promote", "Promoting", "40/60", [COPYING]),
    ),
    "a newer revision starts from the beginning": (
        worlds.seen(held(), GATED, target=worlds.a_workload(NEWER)),
        None,
        Decided(
            "revision_changed",
            "Progressing",
            "100/0",
            ["New revision detected! Restarting analysis for cart-app.shop"],
        ),
    ),
    "one set back calls the rollout off (D-44)": (
        worlds.seen(held(), GATED, target=worlds.a_workload(OLD)),
        None,
        Decided(
            "reverted",
            "Failed",
            "100/0",
            [
                "Rolling back cart.shop target reverted to the promoted revision",
                "Canary failed! Scaling down cart.shop",
            ],
            due=0,
        ),
    ),
    "a longer ladder is climbed before the promotion": (
        worlds.seen(held(), worlds.a_canary(maxWeight=80)),
        worlds.PASSED,
        Decided(
            "advance",
            "Progressing",
            "20/80",
            ["Advance cart.shop canary weight 80"],
            due=LATER,
        ),
    ),
    # rollback hooks
    "rollback hooks are asked first at every check": (
        worlds.seen(worlds.progressing(20), SWITCHED),
        None,
        Decided("rollback_asked", "Progressing", "80/20", [], due=2),
    ),
    "the check waits for them for a moment": (
        worlds.seen(worlds.progressing(20, round=a_round(ROLLBACK)), SWITCHED),
        None,
        Rests("rollback_asked", 1),
    ),
    "then it is made without them": (
        worlds.seen(worlds.progressing(20, round=SLOW), SWITCHED),
        None,
        Asks("halt_on_check", "checks"),
    ),
    "a bad one counts, however long they are silent": (
        worlds.seen(worlds.progressing(20, round=SLOW), SWITCHED),
        worlds.FAILED,
        Decided(
            "halt_on_check", "Progressing", "80/20", ["Halt cart.shop advancement bad"], due=LATER
        ),
    ),
    "and the last bad one rolls back": (
        worlds.seen(worlds.progressing(20, round=SLOW, failed_checks=2), SWITCHED),
        worlds.FAILED,
        Decided(
            "halt_on_check",
            "Failed",
            "100/0",
            THRESHOLD_REACHED,
            due=0,
        ),
    ),
    "a good one earns nothing": (
        worlds.seen(worlds.progressing(20, round=SLOW), SWITCHED),
        worlds.PASSED,
        Decided("hold_for_answer", "Progressing", "80/20", [], due=5),
    ),
    "nor the promotion": (
        worlds.seen(at_end(round=SLOW), SWITCHED),
        worlds.PASSED,
        Decided("hold_for_answer", "Progressing", "40/60", [], due=5),
    ),
    "after it they are waited for until the next check": (
        worlds.seen(worlds.progressing(20, round=MEASURED), SWITCHED),
        None,
        Rests("rollback_asked", 5),
    ),
    "which is made in its time": (
        worlds.seen(worlds.progressing(20, check_at=NOW - INTERVAL, round=MEASURED), SWITCHED),
        None,
        Asks("halt_on_check", "checks"),
    ),
    "what passes for the second time without them is told to be held": (
        worlds.seen(worlds.progressing(20, check_at=NOW - INTERVAL, round=MEASURED), SWITCHED),
        worlds.PASSED,
        Decided(
            "hold_for_answer",
            "Progressing",
            "80/20",
            ["Halt cart.shop advancement no answer to the rollback webhooks"],
            due=5,
        ),
    ),
    "one that answers well rolls back between checks, too": (
        worlds.seen(
            worlds.progressing(20, check_at=NOW + timedelta(seconds=12), round=SLOW), SWITCHED
        ),
        worlds.hooked(ROLLBACK, True),
        Decided("rollback_requested", "Failed", "100/0", CALLED_OFF, due=0),
    ),
    "one that does not, after its check has failed, is asked anew with the next": (
        worlds.seen(
            worlds.progressing(20, check_at=NOW + timedelta(seconds=12), round=SLOW), SWITCHED
        ),
        worlds.hooked(ROLLBACK, False),
        Decided("rollback_asked", "Progressing", "80/20", [], due=12),
    ),
    "after its check has passed, the step is taken with a check of its own": (
        worlds.seen(worlds.progressing(20, round=MEASURED), CHECKED),
        both(ROLLBACK, ok=False),
        Decided(
            "advance", "Progressing", "60/40", ["Advance cart.shop canary weight 40"], due=LATER
        ),
    ),
    "before the first step they are waited for": (
        worlds.seen(worlds.progressing(0, round=SLOW), SWITCHED),
        None,
        Rests("rollback_asked", 5),
    ),
    "the hooks of a check are asked beside those that are silent": (
        worlds.seen(worlds.progressing(20, round=SLOW), CHECKED),
        None,
        Decided("halt_on_hook", "Progressing", "80/20", [], due=8),
    ),
    "and beside a gate that is silent": (
        worlds.seen(
            worlds.progressing(
                20,
                check_at=NOW - INTERVAL,
                round=replace(a_round(INCREASE, settled=("rollout",)), beside=NOW - 2 * INTERVAL),
            ),
            LOADED,
        ),
        None,
        Decided("halt_on_hook", "Progressing", "80/20", [], due=8),
    ),
    "beside one a slow rollback hook is not waited for either": (
        worlds.seen(
            worlds.progressing(
                20, check_at=NOW - INTERVAL, round=replace(a_round(INCREASE), beside=NOW)
            ),
            BOTH,
        ),
        None,
        Rests("rollback_asked", 1),
    ),
    "but for a moment": (
        worlds.seen(
            worlds.progressing(
                20, check_at=NOW - INTERVAL, round=replace(a_round(INCREASE, seconds=5), beside=NOW)
            ),
            BOTH,
        ),
        None,
        Asks("halt_on_check", "checks"),
    ),
    "not between checks": (
        worlds.seen(worlds.progressing(20, check_at=NOW + timedelta(seconds=12)), SWITCHED),
        None,
        Rests("not_due", 12),
    ),
    "one that answers well rolls back, however good the checks": (
        worlds.seen(worlds.progressing(20, round=a_round(ROLLBACK)), SWITCHED),
        both(ROLLBACK, ok=True),
        Decided("rollback_requested", "Failed", "100/0", CALLED_OFF, due=0),
    ),
    "one that does not is silent": (
        worlds.seen(worlds.progressing(20, round=a_round(ROLLBACK)), SWITCHED),
        both(ROLLBACK, ok=False),
        Decided(
            "advance", "Progressing", "60/40", ["Advance cart.shop canary weight 40"], due=LATER
        ),
    ),
    "but before the first step": (
        worlds.seen(worlds.progressing(0, round=a_round(ROLLBACK)), SWITCHED),
        worlds.hooked(ROLLBACK, False),
        Decided(
            "first_step",
            "Progressing",
            "80/20",
            [
                "Rollback hook h0 not signaling a rollback",
                STARTING,
                "Advance cart.shop canary weight 20",
            ],
            due=LATER,
        ),
    ),
    "one calls off a promotion that waits": (
        worlds.seen(held(round=a_round(ROLLBACK)), SWITCHED),
        worlds.hooked(ROLLBACK, True),
        Decided("rollback_requested", "Failed", "100/0", CALLED_OFF, due=0),
    ),
    "and a release that waits (D-63)": (
        replace(waits(round=a_round(ROLLBACK, NEW)), canary=SWITCHED),
        worlds.hooked(ROLLBACK, True),
        Decided("rollback_requested", "Failed", "100/0", CALLED_OFF, due=0),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "found", "expected"), TABLE.values(), ids=TABLE)
def test_gates_answer(seen: Observation, found: Findings | None, expected: Answer) -> None:
    """The composed chain, over the table."""
    assert tables.answer(seen, found) == expected


def test_the_hooks_of_a_check_are_asked_in_flaggers_order() -> None:
    """Rollback, rollout, metrics, traffic, promotion; each answered before the next is asked."""
    asked, settled = list[str](), list[tuple[str, ...]]()
    state = at_end()
    found = worlds.PASSED
    for _ in range(4):
        decision = tables.decision(worlds.seen(state, EVERYTHING), found)
        state = decision.state
        assert state.round is not None
        asked.append(state.round.type)
        settled.append(state.round.settled)
        found = both(state.round.type, ok=state.round.type != ROLLBACK)
    assert asked == [ROLLBACK, "rollout", INCREASE, PROMOTION]
    assert settled == [tuple(asked[:index]) for index in range(4)]
    assert tables.decision(worlds.seen(state, EVERYTHING), found).rule == "promote"


def test_the_hooks_before_the_first_step_are_asked_in_flaggers_order() -> None:
    """Rollback, pre-rollout, traffic; what they say is told once, in that order."""
    state, found, said, asked = worlds.progressing(0), Findings(), list[str](), list[str]()
    for _ in range(4):
        decision = tables.decision(worlds.seen(state, EVERYTHING), found)
        state = decision.state
        said += [event.message for event in decision.events]
        if state.round is not None:
            asked.append(state.round.type)
            found = worlds.hooked(state.round.type, state.round.type != ROLLBACK)
    assert asked == [ROLLBACK, "pre-rollout", INCREASE]
    assert said == [
        "Rollback hook h0 not signaling a rollback",
        STARTING,
        "Pre-rollout check h0 passed",
        "Confirm-traffic-increase check h0 passed",
        "Advance cart.shop canary weight 20",
    ]


def test_a_gate_that_has_not_answered_is_no_open_one() -> None:
    """Though a rollback hook beside it has, and another gate is added that is asked next."""
    asked = replace(a_round(PROMOTION, settled=(ROLLBACK,)), beside=NOW)
    seen = worlds.seen(
        at_end(check_at=NOW - INTERVAL, round=asked), hooked(ROLLBACK, INCREASE, PROMOTION)
    )
    first = tables.decision(seen, both(ROLLBACK, ok=False))
    assert first.state.round is not None
    assert first.state.round.type == INCREASE
    then = tables.decision(replace(seen, state=first.state), both(INCREASE, ok=True))
    assert then.state.phase is Phase.PROGRESSING


def test_a_closed_gate_at_the_first_step_tells_the_beginning_once() -> None:
    """Its pre-rollout hooks are called again with it, as Flagger's, and say nothing new."""
    state = worlds.progressing(
        0, waiting=a_closed(INCREASE), round=a_round("pre-rollout", settled=(ROLLBACK,))
    )
    decision = tables.decision(worlds.seen(state, EVERYTHING), worlds.hooked("pre-rollout", True))
    assert decision.events == ()
    assert decision.state.round is not None
    assert decision.state.round.type == INCREASE


def test_a_refused_release_was_not_tried_and_is_not_tried_again() -> None:
    """A rollback hook that calls it off while it waits marks its revision as failed."""
    seen = replace(waits(round=a_round(ROLLBACK, NEW)), canary=SWITCHED)
    state = tables.decision(seen, worlds.hooked(ROLLBACK, True)).state
    assert (state.applied, state.promoted, state.workload.canary) == (NEW, OLD, CanaryScale.ZERO)
    after = replace(seen, state=state, version=11)
    assert tables.answer(after).rule == "at_rest"


def test_muted_gates_are_told_and_marked() -> None:
    """`muteAlert` is about the alert; the event is told as ever, with the mark for channels."""
    for muted in (True, False):
        gate = {"name": "h0", "type": ROLLOUT, "url": "http://gate.shop/", "muteAlert": muted}
        seen = replace(rests(round=a_round(ROLLOUT, NEW)), canary=worlds.a_canary(webhooks=[gate]))
        (event,) = tables.decision(seen, worlds.hooked(ROLLOUT, False)).events
        assert (event.message, event.muted) == (f"{HALT}approval h0", muted)


UNCOPIED: Final = Confirmed(route_seq=5, route_at=NOW - INTERVAL, workload_seq=4)


def promoting(**changes: Any) -> Observation:
    """A promotion whose copy is not made."""
    intent = WorkloadIntent(5, CanaryScale.RUNNING, NEW, OLD)
    defaults: dict[str, Any] = {
        "applied": NEW,
        "workload": intent,
        "copying": NEW,
        "since": NOW - INTERVAL,
    }
    state = worlds.a_state(Phase.PROMOTING, 60, **{**defaults, **changes})
    return worlds.seen(state, SWITCHED, confirmed=UNCOPIED)


def test_a_promotion_is_called_off_before_its_copy_is_made() -> None:
    """Asked an interval after the last check; afterwards there is nothing to go back to."""
    asked = tables.decision(promoting())
    assert (asked.rule, asked.state.round and asked.state.round.type) == (
        "rollback_requested",
        ROLLBACK,
    )
    assert tables.answer(promoting(since=NOW)).rule == "await_copy"
    called = promoting(round=a_round(ROLLBACK))
    assert tables.answer(called, worlds.hooked(ROLLBACK, True)) == Decided(
        "rollback_requested", "Failed", "100/0", CALLED_OFF, due=0
    )
    silent = tables.decision(called, worlds.hooked(ROLLBACK, False)).state
    assert (silent.round, silent.check_at) == (None, NOW + INTERVAL)
    assert tables.answer(replace(called, state=silent)).rule == "await_copy"


def test_a_closed_gate_is_waited_for_on_while_a_rollback_hook_hangs() -> None:
    """Else a hook that is slow at every check would put its deadline off for ever."""
    closed = a_closed(INCREASE)
    state = worlds.progressing(20, check_at=NOW - INTERVAL, round=MEASURED, waiting=closed)
    seen = worlds.seen(state, BOTH)
    assert tables.answer(seen, worlds.PASSED).rule == "hold_for_answer"
    assert tables.decision(seen, worlds.PASSED).state.waiting == closed


def test_a_copy_that_cannot_be_made_is_given_up_although_a_rollback_hook_hangs() -> None:
    """Its deadline does not wait for the hook's."""
    late = promoting(round=a_round(ROLLBACK), since=NOW - timedelta(hours=1))
    assert tables.answer(late).rule == "await_copy"
    assert tables.decision(late).state.phase is Phase.FAILED
    assert tables.answer(promoting(round=a_round(ROLLBACK))).rule == "await_copy"


def test_a_copy_that_is_made_does_not_wait_for_rollback_hooks() -> None:
    """Whatever they were asked, or are to be asked next."""
    for changes in ({"round": a_round(ROLLBACK)}, {"check_at": NOW + INTERVAL}):
        copied = replace(
            promoting(**changes),
            primary=worlds.a_workload(NEW),
            confirmed=replace(UNCOPIED, workload_seq=5),
        )
        assert tables.answer(copied).rule == "shift"


@pytest.mark.parametrize("kind", sorted(WebhookType))
@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.PROGRESSING, Phase.WAITING_PROMOTION])
def test_hooks_are_told_the_phase_as_flagger_tells_it(kind: WebhookType, phase: Phase) -> None:
    """Those of an analysis hear Progressing also while the promotion waits (webhooks 1)."""
    canary = worlds.a_canary(
        webhooks=[{"name": "h0", "type": kind.value, "url": "http://gate.shop/"}]
    )
    (call,) = hooks.calls_in(canary, kind, worlds.a_state(phase))
    heard = Phase.PROGRESSING if phase is Phase.WAITING_PROMOTION else phase
    assert call.body["phase"] == (phase if kind is WebhookType.ROLLBACK else heard).value


def test_a_gate_before_the_rollout_hears_of_the_revision_to_be_approved() -> None:
    """Its checksum is that of the release, not of the revision that serves."""
    decision = tables.decision(rests())
    (call,) = hooks.awaited(GATED, decision.state)
    assert call.body["checksum"] == hooks.checksum(NEW)
    assert call.body["phase"] == "Initialized"


def test_a_rollback_hook_hears_of_the_release_that_waits() -> None:
    """Of the revision that it decides about, as the gate that it is asked beside (webhooks 2)."""
    canary = worlds.a_canary(webhooks=[{"name": "off", "type": "rollback", "url": "http://off/"}])
    state = worlds.a_state(Phase.WAITING, check_at=NOW)
    decision = tables.decision(worlds.seen(state, canary, target=worlds.a_workload(NEW, 0)))
    (call,) = hooks.awaited(canary, decision.state)
    assert call.type == ROLLBACK
    assert call.body["checksum"] == hooks.checksum(NEW)
    assert call.body["phase"] == "Waiting"


@holds(
    least=20,
    seen=arbitrary.accepted(Phase.PROGRESSING, Phase.WAITING_PROMOTION) | arbitrary.steady(),
    found=arbitrary.findings | arbitrary.passing,
)
def test_no_weight_rises_and_nothing_is_promoted_against_a_gate(
    seen: Observation, found: Findings
) -> bool:
    """Whatever else was found out: not without the answer of each gate there is."""
    assert seen.state is not None
    state = replace(seen.state, round=None)
    found = replace(found, hooks=None)
    seen = replace(seen, canary=EVERYTHING, state=state)
    outcome = decide.decide(seen, found)
    if not isinstance(outcome, Decision) or outcome.rule in {"primary_lost", "skip_analysis"}:
        return False
    assert outcome.state.route.split.canary <= state.route.split.canary
    assert outcome.state.phase is not Phase.PROMOTING
    return True


def test_every_step_of_a_gated_rollout_has_a_check_of_its_own() -> None:
    """However the answers of gates and checks fall: no rise without both in one tick."""
    rises = 0
    for kind, ok, good in itertools.product((INCREASE,), (True, False), (True, False)):
        seen = worlds.seen(worlds.progressing(20, round=a_round(kind)), STEPPED)
        found = both(kind, ok=ok, found=worlds.PASSED if good else worlds.FAILED)
        decision = tables.decision(seen, found)
        rose = decision.state.route.split.canary > 20
        assert rose == (ok and good)
        rises += rose
    assert rises == 1
