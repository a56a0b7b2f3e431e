"""What each decision leaves behind: the whole state, not the few fields that a table shows.

Every state here begins with whatever an earlier decision may have left in it, so that what a
decision does not clear is seen.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from analysis.decisions import Case
from analysis.effects import Lane
from analysis.findings import Findings
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.rules import RULES
from analysis.state import Acceptance, RolloutState
from analysis.strategies import STRATEGIES
from analysis.waiting import WaitReason
from clients.documents.confirmed import Confirmed
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY, RouteIntent, RouteStage, TrafficSplit
from tests.unit.analysis import tables, worlds
from tests.unit.analysis.worlds import INTERVAL, NEW, NEWER, NOW, OLD

LEFT: Final[dict[str, Any]] = {
    "failed_checks": 1,
    "iterations": 2,
    "round": worlds.a_round("rollout", -1),
    "waiting": worlds.a_wait(),
    "skipped": True,
    "copying": NEWER,
}
"""What may be left of what came before."""
GONE: Final[dict[str, Any]] = {"round": None, "waiting": None}
EXPOSED: Final = RouteStage.EXPOSED
BACK: Final = RouteIntent(6, EXPOSED, ALL_TO_PRIMARY)
ALL: Final = RouteIntent(6, EXPOSED, ALL_TO_CANARY)
RUNNING: Final = CanaryScale.RUNNING
FAILED: Final[dict[str, Any]] = {
    **GONE,
    "phase": Phase.FAILED,
    "since": NOW,
    "route": BACK,
    "failed_checks": 0,
    "iterations": 0,
    "check_at": None,
}
DEAD: Final = worlds.a_workload(NEW, readiness=worlds.unready(retriable=False))
AT_ZERO: Final = worlds.a_workload(NEW, 0)
SKIPPING: Final = worlds.a_canary(spec={"skipAnalysis": True})
TWO_STEPS: Final = worlds.a_canary(stepWeightPromotion=30)
WRONG: Final = worlds.a_problem("spec.provider: smi")
REFUSED: Final = Acceptance(accepted=False, reason=WRONG.reason, message=WRONG.message, since=NOW)
HELD: Final = worlds.a_wait(
    "cart.shop is not accepted: nothing starts, steps up or is promoted until its manifest "
    "is corrected: spec.provider: smi",
    WaitReason.NOT_ACCEPTED,
    0,
)


def progressing(weight: int, **changes: Any) -> RolloutState:
    """A rollout of `NEW`, which is to be analysed, with all else that was left."""
    return replace(worlds.progressing(weight), **{**LEFT, "skipped": False, **changes})


def working(phase: Phase, weight: int, scale: CanaryScale = RUNNING) -> RolloutState:
    """A promotion of `NEW`, whose copy was asked for, with all that was left."""
    intent = WorkloadIntent(5, scale, NEW, OLD)
    state = worlds.a_state(phase, weight, applied=NEW, workload=intent, check_at=NOW)
    return replace(state, **LEFT)


def resting(phase: Phase, scale: CanaryScale = CanaryScale.ZERO, **changes: Any) -> RolloutState:
    """At rest, with all that was left but a revision on its way."""
    return replace(worlds.a_state(phase, canary=scale), **{**LEFT, "copying": "", **changes})


def first(phase: Phase, stage: RouteStage, **changes: Any) -> RolloutState:
    """A canary without any revision yet, with all that may be left of a wait."""
    defaults: dict[str, Any] = {
        "applied": "",
        "promoted": "",
        "route": RouteIntent(5, stage, ALL_TO_PRIMARY),
        "workload": WorkloadIntent(5, CanaryScale.LEAVE),
    }
    return resting(phase, **{**defaults, **changes})


TABLE: dict[str, tuple[str, Observation, Findings | None, dict[str, Any]]] = {
    "a rollout starts afresh": (
        "new_revision",
        worlds.seen(resting(Phase.SUCCEEDED, check_at=NOW), target=AT_ZERO, generation=4),
        None,
        {
            **GONE,
            "phase": Phase.PROGRESSING,
            "since": NOW,
            "generation": 4,
            "target": "Deployment cart-app",
            "applied": NEW,
            "workload": WorkloadIntent(6, RUNNING, "", OLD),
            "failed_checks": 0,
            "iterations": 0,
            "check_at": None,
            "skipped": False,
            "began": NOW,
            "stepped_at": None,
        },
    ),
    "a newer revision starts afresh": (
        "revision_changed",
        worlds.seen(progressing(20, skipped=True), target=worlds.a_workload(NEWER), generation=4),
        None,
        {
            **GONE,
            "since": NOW,
            "generation": 4,
            "target": "Deployment cart-app",
            "applied": NEWER,
            "route": BACK,
            "failed_checks": 0,
            "iterations": 0,
            "check_at": None,
            "skipped": False,
            "began": NOW,
            "stepped_at": None,
        },
    ),
    "a failed check is followed by an interval": (
        "halt_on_check",
        worlds.seen(progressing(20)),
        worlds.FAILED,
        {**GONE, "failed_checks": 2, "check_at": NOW + INTERVAL},
    ),
    "a refusing hook is followed by an interval": (
        "halt_on_hook",
        worlds.seen(
            progressing(20),
            worlds.a_canary(webhooks=[{"name": "h0", "url": "http://tester.shop/"}]),
        ),
        worlds.hooked("rollout", False),
        {**GONE, "failed_checks": 2, "check_at": NOW + INTERVAL},
    ),
    "the last failed check takes everything back": (
        "halt_on_check",
        worlds.seen(progressing(20, check_at=NOW), threshold=2),
        worlds.FAILED,
        {
            **FAILED,
            "failure": "Halt cart.shop advancement bad; "
            "Rolling back cart.shop failed checks threshold reached 2",
        },
    ),
    "a rollback calls off a copy that was not made": (
        "changed_before_copy",
        worlds.seen(
            working(Phase.PROMOTING, 60), target=None, confirmed=Confirmed(5, NOW, 4)
        ),
        None,
        {
            **FAILED,
            "workload": WorkloadIntent(6, RUNNING, "", OLD),
            "failure": "Rolling back cart.shop deployment cart-app.shop not found",
        },
    ),
    "a crash takes everything back, for a failed check": (
        "crashed",
        worlds.seen(progressing(20), target=worlds.a_workload(NEW, available=0)),
        None,
        {**GONE, "route": BACK, "failed_checks": 2, "iterations": 0, "check_at": None},
    ),
    "a passed check earns a step and its interval": (
        "advance",
        worlds.seen(progressing(20)),
        worlds.PASSED,
        {
            **GONE,
            "route": RouteIntent(6, EXPOSED, TrafficSplit.of(40)),
            "check_at": NOW + INTERVAL,
            "stepped_at": NOW,
        },
    ),
    "the last passed check earns the promotion": (
        "promote",
        worlds.seen(progressing(60)),
        worlds.PASSED,
        {
            **GONE,
            "phase": Phase.PROMOTING,
            "since": NOW,
            "workload": WorkloadIntent(6, RUNNING, NEW, OLD),
            "copying": NEW,
            "check_at": None,
            "skipped": False,
        },
    ),
    "a skipped analysis is promoted as one": (
        "skip_analysis",
        worlds.seen(replace(progressing(0), skipped=False), SKIPPING),
        None,
        {
            **GONE,
            "phase": Phase.PROMOTING,
            "since": NOW,
            "workload": WorkloadIntent(6, RUNNING, NEW, OLD),
            "copying": NEW,
            "skipped": True,
        },
    ),
    "a copy that was made is noted as promoted": (
        "copied_after_all",
        worlds.seen(progressing(20), primary=worlds.a_workload(NEWER)),
        None,
        {"promoted": NEWER, "copying": ""},
    ),
    "a promotion step is followed by an interval": (
        "shift",
        worlds.seen(
            replace(working(Phase.PROMOTING, 60), skipped=False),
            TWO_STEPS,
            primary=worlds.a_workload(NEW),
        ),
        None,
        {
            **GONE,
            "route": RouteIntent(6, EXPOSED, TrafficSplit.of(30)),
            "check_at": NOW + INTERVAL,
            "copying": "",
        },
    ),
    "the last promotion step ends the promotion": (
        "shift",
        worlds.seen(working(Phase.PROMOTING, 60), primary=worlds.a_workload(NEW)),
        None,
        {
            **GONE,
            "phase": Phase.FINALISING,
            "since": NOW,
            "route": BACK,
            "check_at": None,
            "copying": "",
        },
    ),
    "a promotion that fails leaves everything to the canary": (
        "primary_unready",
        worlds.seen(working(Phase.PROMOTING, 60), primary=replace(DEAD, available=1)),
        None,
        {
            **GONE,
            "phase": Phase.PROMOTION_FAILED,
            "since": NOW,
            "failure": "Promotion of cart-app.shop failed, primary not ready: "
            "waiting for rollout to finish: x",
            "route": ALL,
            "check_at": None,
        },
    ),
    "a primary lost under analysis leaves everything to the canary, and is given nothing": (
        "primary_lost",
        worlds.seen(progressing(20), primary=None),
        None,
        {
            **GONE,
            "phase": Phase.PROMOTION_FAILED,
            "since": NOW,
            "failure": "Routing all traffic to cart-app.shop, cart-app-primary.shop lost: "
            "deployment not found",
            "route": ALL,
            "check_at": None,
        },
    ),
    "a primary lost to a canary that is not to be analysed is given its revision": (
        "primary_lost",
        worlds.seen(progressing(20), SKIPPING, primary=None),
        None,
        {
            **GONE,
            "phase": Phase.PROMOTION_FAILED,
            "since": NOW,
            "failure": "Routing all traffic to cart-app.shop, cart-app-primary.shop lost: "
            "deployment not found",
            "route": ALL,
            "workload": WorkloadIntent(6, RUNNING, NEW, OLD),
            "check_at": None,
        },
    ),
    "a lost primary that is back has everything again": (
        "primary_returned",
        worlds.seen(
            replace(working(Phase.PROMOTION_FAILED, 100), workload=WorkloadIntent(5, RUNNING))
        ),
        None,
        {**GONE, "phase": Phase.FAILED, "since": NOW, "route": BACK},
    ),
    "a repaired primary completes the promotion": (
        "primary_recovered",
        worlds.seen(working(Phase.PROMOTION_FAILED, 100), primary=worlds.a_workload(NEW)),
        None,
        {**GONE, "phase": Phase.FINALISING, "since": NOW, "route": BACK},
    ),
    "a success leaves nothing on its way but the end of the canary's pods": (
        "succeeded",
        worlds.seen(working(Phase.FINALISING, 0), primary=worlds.a_workload(NEW)),
        None,
        {
            **GONE,
            "phase": Phase.SUCCEEDED,
            "since": NOW,
            "workload": WorkloadIntent(6, CanaryScale.ZERO, NEW, OLD),
            "promoted": NEW,
            "before": OLD,
            "promoted_at": NOW,
            "copying": "",
            "iterations": 0,
            "check_at": None,
        },
    ),
    "a failed canary is scaled down, and nothing is copied any more": (
        "park_canary",
        worlds.seen(
            resting(
                Phase.FAILED, applied=NEW, workload=WorkloadIntent(5, RUNNING, NEW, OLD)
            )
        ),
        None,
        {"workload": WorkloadIntent(6, CanaryScale.ZERO, "", OLD)},
    ),
    "a target like its primary is neither new nor failed": (
        "settle",
        worlds.seen(
            resting(Phase.FAILED, applied=NEW, promoted=NEWER), target=worlds.a_workload(OLD, 0)
        ),
        None,
        {"applied": OLD, "promoted": OLD},
    ),
    "a first template is mended, while its target keeps its pods": (
        "mend_primary",
        worlds.seen(
            resting(
                Phase.INITIALIZING,
                CanaryScale.LEAVE,
                applied="",
                promoted="",
                route=RouteIntent(5, RouteStage.SERVICES, ALL_TO_PRIMARY),
                workload=WorkloadIntent(5, CanaryScale.LEAVE),
            ),
            primary=worlds.a_workload(OLD, readiness=worlds.unready(retriable=False)),
        ),
        None,
        {"workload": WorkloadIntent(6, CanaryScale.LEAVE, NEW), "waiting": None},
    ),
    "an initialization asks for the first Services and a primary, and leaves the target alone": (
        "initialize",
        worlds.seen(
            first(Phase.NEW, RouteStage.SERVICES), target=worlds.a_workload(OLD), primary=None
        ),
        Findings(backends=()),
        {
            **GONE,
            "phase": Phase.INITIALIZING,
            "since": NOW,
            "target": "Deployment cart-app",
            "route": RouteIntent(6, RouteStage.SERVICES, ALL_TO_PRIMARY),
            "workload": WorkloadIntent(6, CanaryScale.LEAVE),
        },
    ),
    "a first primary that is ready is led to": (
        "expose",
        worlds.seen(first(Phase.INITIALIZING, RouteStage.SERVICES)),
        None,
        {"waiting": None, "route": BACK},
    ),
    "the target is parked once nobody is led to it": (
        "park_target",
        worlds.seen(first(Phase.INITIALIZING, EXPOSED)),
        None,
        {"workload": WorkloadIntent(6, CanaryScale.ZERO)},
    ),
    "what the primary runs counts as promoted, whatever the target holds by now": (
        "initialized",
        worlds.seen(
            first(Phase.INITIALIZING, EXPOSED, workload=WorkloadIntent(5, CanaryScale.ZERO)),
            primary=worlds.a_workload(NEWER),
        ),
        None,
        {
            **GONE,
            "phase": Phase.INITIALIZED,
            "since": NOW,
            "applied": NEWER,
            "promoted": NEWER,
        },
    ),
    "a check passed under a bad manifest earns nothing but the next one": (
        "hold_step",
        worlds.seen(progressing(20, acceptance=REFUSED), problems=(WRONG,)),
        worlds.PASSED,
        {"round": None, "check_at": NOW + INTERVAL, "waiting": HELD},
    ),
    "a promotion under a bad manifest is called off, and its canary measured again": (
        "hold_promotion",
        worlds.seen(
            replace(working(Phase.PROMOTING, 60), acceptance=REFUSED),
            problems=(WRONG,),
            confirmed=Confirmed(5, NOW, 4),
        ),
        None,
        {
            **GONE,
            "phase": Phase.PROGRESSING,
            "since": NOW,
            "workload": WorkloadIntent(6, RUNNING, "", OLD),
            "check_at": NOW + INTERVAL,
            "skipped": False,
            "waiting": HELD,
        },
    ),
    "a bad manifest changes nothing but what is said of it": (
        "acceptance",
        worlds.seen(resting(Phase.SUCCEEDED), problems=(WRONG,), generation=4),
        None,
        {"generation": 4, "acceptance": REFUSED},
    ),
    "a mended one is not waited for any more": (
        "acceptance",
        worlds.seen(
            resting(Phase.SUCCEEDED, acceptance=REFUSED, waiting=HELD), generation=4
        ),
        None,
        {
            "generation": 4,
            "acceptance": Acceptance(
                accepted=True,
                reason="Accepted",
                message="The manifest is accepted.",
                since=NOW,
            ),
            "waiting": None,
        },
    ),
    "a refused write changes nothing but what is said of it": (
        "trouble",
        worlds.seen(
            progressing(20), confirmed=Confirmed(5, NOW, 5, troubles={Lane.ROUTE: "forbidden"})
        ),
        None,
        {"trouble": worlds.a_wait("forbidden", WaitReason.WRITE_REFUSED, 0)},
    ),
    "nor does one that is over": (
        "trouble",
        worlds.seen(progressing(20, trouble=worlds.a_wait("forbidden", WaitReason.WRITE_REFUSED))),
        None,
        {"trouble": None},
    ),
    "a suspended canary keeps all but what it waits for": (
        "suspended",
        worlds.seen(progressing(20), worlds.a_canary(spec={"suspend": True})),
        None,
        {**GONE, "suspended": True},
    ),
    "so does a resumed one": (
        "suspended",
        worlds.seen(progressing(20, suspended=True)),
        None,
        {**GONE, "suspended": False},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "seen", "found", "changes"), TABLE.values(), ids=TABLE)
def test_a_decision_leaves_this_state_and_no_other(
    rule: str, seen: Observation, found: Findings | None, changes: dict[str, Any]
) -> None:
    """Whatever is not named stays as it was."""
    decision = tables.decision(seen, found)
    assert seen.state is not None
    assert decision.rule == rule
    expected = replace(seen.state, **changes)
    if {"route", "workload"} & changes.keys():
        expected = replace(expected, intended_at=NOW)
    assert decision.state == expected


POST: Final = worlds.a_canary(
    webhooks=[{"name": "tell", "type": "post-rollout", "url": "http://tester.shop/"}]
)
ENDS: Final = [
    "the last failed check takes everything back",
    "a promotion that fails leaves everything to the canary",
    "a success leaves nothing on its way but the end of the canary's pods",
]


@pytest.mark.parametrize("name", ENDS)
def test_an_end_leaves_an_epilogue_where_there_are_hooks_to_be_called(name: str) -> None:
    """And is otherwise the same."""
    _, seen, found, _ = TABLE[name]
    plain = tables.decision(seen, found).state
    assert tables.decision(replace(seen, canary=POST), found).state == replace(plain, epilogue=True)
    assert not plain.epilogue


def test_a_revision_that_was_not_copied_is_not_noted_as_promoted() -> None:
    """The copy was called off; a target set back to that revision must be analysed."""
    for state in (progressing(20), replace(resting(Phase.FAILED, applied=NEW), copying=NEWER)):
        outcome = tables.answer(worlds.seen(state), worlds.PASSED)
        assert outcome.rule != "copied_after_all"


def test_a_primary_that_serves_is_not_given_a_revision_that_nobody_analysed() -> None:
    """Mending is for a first template; once users are led to the primary it is a rollout."""
    state = replace(
        worlds.a_state(Phase.INITIALIZING, applied="", promoted=""),
        workload=WorkloadIntent(5, CanaryScale.LEAVE),
    )
    dead = worlds.a_workload(OLD, readiness=worlds.unready(retriable=False), available=1)
    decision = tables.decision(worlds.seen(state, primary=dead))
    assert decision.rule == "await_primary"
    assert decision.state.workload == state.workload


PARTLY: Final = worlds.a_workload(OLD, readiness=worlds.unready(), available=1)
STUCK: Final = replace(DEAD, available=1)
BETWEEN: Final = progressing(20, check_at=NOW + INTERVAL)
"""Between two checks."""
CRASHED: Final = worlds.a_workload(NEW, readiness=worlds.unready())


@pytest.mark.parametrize(
    ("first", "second", "seen"),
    [
        pytest.param(
            "revision_changed",
            "crashed",
            worlds.seen(progressing(20), target=replace(CRASHED, revision=NEWER)),
            id="a newer revision is no crash of the one before",
        ),
        pytest.param(
            "revision_changed",
            "primary_unready",
            worlds.seen(BETWEEN, target=worlds.a_workload(NEWER), primary=PARTLY),
            id="a newer revision is noticed although the primary is short of pods",
        ),
        pytest.param(
            "crashed",
            "primary_unready",
            worlds.seen(BETWEEN, target=CRASHED, primary=PARTLY),
            id="a crash is noticed although the primary is short of pods",
        ),
        pytest.param(
            "primary_unready",
            "scaled_to_zero",
            worlds.seen(progressing(0), target=AT_ZERO, primary=PARTLY),
            id="a canary is not scaled up again before there is a primary to fall back on",
        ),
        pytest.param(
            "await_copy",
            "restore_primary",
            worlds.seen(
                replace(working(Phase.PROMOTING, 60), since=NOW - timedelta(seconds=600)),
                primary=None,
                target=CRASHED,
                confirmed=Confirmed(5, NOW, 4),
            ),
            id="a copy that is not made in time is given up, also where there is no primary",
        ),
        pytest.param(
            "primary_unready",
            "await_route",
            worlds.seen(
                working(Phase.FINALISING, 0), primary=STUCK, confirmed=Confirmed(4, NOW, 5)
            ),
            id="a dead primary fails the promotion before the route to it is in force",
        ),
    ],
)
def test_the_first_of_two_neighbours_decides_where_both_could(
    first: str, second: str, seen: Observation
) -> None:
    """The order of rules means something: `second` has something to say here too."""
    assert seen.state is not None
    assert seen.canary is not None
    strategy = STRATEGIES.chosen(seen.canary)
    case = Case(seen, Findings(), seen.canary, strategy, seen.state)
    named = {rule.__name__: rule for rule in RULES[seen.state.phase]}
    assert named[first](case) is not None
    assert named[second](case) is not None
    assert tables.decision(seen).rule == first
