"""PROGRESSING: the state of the world -> rule, phase, split, events, due; as the reference has it.

Source: lifecycle 4 (transition table), 9, 10.1, 13, 22; defects D-5, D-9, D-19, D-33, D-60, D-62.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from analysis import events
from analysis.decisions import Case
from analysis.effects import Lane
from analysis.findings import Findings
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.rules import moves, pods
from analysis.state import HookRound
from analysis.verdicts import Effect
from analysis.waiting import WaitReason
from clients.documents.confirmed import Confirmed
from config.api.hooks import WebhookType
from config.scaling import CanaryScale
from config.traffic import TrafficSplit
from tests.unit.analysis import tables, worlds
from tests.unit.analysis.tables import Answer, Asks, Decided, Rests
from tests.unit.analysis.worlds import INTERVAL, NEW, NEWER, NOW, OLD

HOOKS = [
    {"name": "h0", "type": "pre-rollout", "url": "http://tester.shop/", "timeout": "5s"},
    {"name": "h1", "type": "pre-rollout", "url": "http://tester.shop/"},
    {"name": "h0", "url": "http://tester.shop/", "timeout": "5s", "retries": 2},
]
HOOKED = worlds.a_canary(webhooks=HOOKS)
NOT_READY = "waiting for rollout to finish: x"
FAILED = "Canary failed! Scaling down cart.shop"
UNSAID = Confirmed(route_seq=4, workload_seq=5, status_version=10)
FIRST = 30
"""Seconds from the first step to the first check: noon is where a slot begins."""

CRASHED = worlds.a_workload(NEW, readiness=worlds.unready())
PARTLY = replace(CRASHED, available=1)
CANARY_LOST = f"Routing all traffic to primary, cart-app.shop lost: {NOT_READY}"

at_20 = worlds.progressing(20)
at_60 = worlds.progressing(60)
at_0 = worlds.progressing(0)
JUST_BEGUN = worlds.progressing(0, since=NOW - timedelta(seconds=4))
BAD = worlds.FAILED
TWO_BAD = Findings(
    checks=(
        worlds.a_check(Effect.COUNTS, "Halt cart.shop advancement one"),
        worlds.a_check(),
        worlds.a_check(Effect.HOLDS, "Halt advancement two"),
        worlds.a_check(Effect.COUNTS, "Halt cart.shop advancement three"),
    )
)

TABLE: dict[str, tuple[Observation, Findings | None, Answer]] = {
    "a deleted target takes its traffic back at once": (
        worlds.seen(at_20, target=None),
        None,
        Decided(
            "target_gone",
            "Failed",
            "100/0",
            ["Rolling back cart.shop deployment cart-app.shop not found", FAILED],
            0,
        ),
    ),
    "a target set back to the promoted revision is rolled back as cancelled": (
        worlds.seen(at_20, target=worlds.a_workload(OLD)),
        worlds.PASSED,
        Decided(
            "reverted",
            "Failed",
            "100/0",
            ["Rolling back cart.shop target reverted to the promoted revision", FAILED],
            0,
        ),
    ),
    "a newer revision restarts from zero, whatever the checks say": (
        worlds.seen(at_60, target=worlds.a_workload(NEWER)),
        BAD,
        Decided(
            "revision_changed",
            "Progressing",
            "100/0",
            ["New revision detected! Restarting analysis for cart-app.shop"],
        ),
    ),
    "a newer revision that is not ready restarts too": (
        worlds.seen(
            at_60, target=worlds.a_workload(NEWER, readiness=worlds.unready(retriable=False))
        ),
        None,
        Decided(
            "revision_changed",
            "Progressing",
            "100/0",
            ["New revision detected! Restarting analysis for cart-app.shop"],
        ),
    ),
    "no step without a ready primary": (
        worlds.seen(at_20, primary=worlds.a_workload(OLD, readiness=worlds.unready())),
        worlds.PASSED,
        Decided(
            "hold_for_pods",
            "Progressing",
            "80/20",
            [f"cart-app-primary.shop not ready: {NOT_READY}"],
            30,
        ),
    ),
    "a primary past its deadline rolls back": (
        worlds.seen(
            at_20,
            primary=worlds.a_workload(OLD, readiness=worlds.unready(retriable=False), available=1),
        ),
        worlds.PASSED,
        Decided(
            "primary_unready",
            "Failed",
            "100/0",
            [f"cart-app-primary.shop not ready: {NOT_READY}", FAILED],
            0,
        ),
    ),
    **{
        f"{cause}: the canary takes everything from a primary that is gone for good": (
            worlds.seen(at_20, primary=primary),
            worlds.PASSED,
            Decided(
                "primary_lost",
                "PromotionFailed",
                "0/100",
                [f"Routing all traffic to cart-app.shop, cart-app-primary.shop lost: {cause}"],
                0,
            ),
        )
        for cause, primary in (
            ("deployment not found", None),
            ("waiting for rollout to finish: scaled to zero", worlds.a_workload(OLD, replicas=0)),
            (NOT_READY, worlds.a_workload(OLD, readiness=worlds.unready(retriable=False))),
        )
    },
    "a primary that is gone is waited for while the canary has no pods": (
        worlds.seen(at_0, primary=None, target=CRASHED),
        None,
        Decided(
            "primary_unready",
            "Progressing",
            "100/0",
            ["cart-app-primary.shop not ready: deployment not found"],
            300,
        ),
    ),
    "a revert takes no traffic from pods that serve to a primary that is starting": (
        worlds.seen(
            at_20,
            target=worlds.a_workload(OLD),
            primary=worlds.a_workload(OLD, readiness=worlds.unready()),
        ),
        None,
        Decided(
            "reverted",
            "Progressing",
            "80/20",
            [f"cart-app-primary.shop not ready: {NOT_READY}"],
            300,
        ),
    ),
    "nor does a newer revision": (
        worlds.seen(
            at_20,
            target=worlds.a_workload(NEWER),
            primary=worlds.a_workload(OLD, readiness=worlds.unready()),
        ),
        None,
        Decided(
            "revision_changed",
            "Progressing",
            "80/20",
            [f"cart-app-primary.shop not ready: {NOT_READY}"],
            300,
        ),
    ),
    "nor does the last failed check": (
        worlds.seen(
            replace(at_20, failed_checks=2),
            primary=worlds.a_workload(OLD, readiness=worlds.unready()),
        ),
        BAD,
        Decided(
            "halt_on_check",
            "Progressing",
            "80/20",
            [f"cart-app-primary.shop not ready: {NOT_READY}"],
            300,
        ),
    ),
    "a canary that crashed loses its traffic at once, for a failed check": (
        worlds.seen(replace(at_20, check_at=NOW + INTERVAL), target=CRASHED),
        None,
        Decided("crashed", "Progressing", "100/0", [CANARY_LOST]),
    ),
    "the last crash rolls back": (
        worlds.seen(replace(at_20, failed_checks=2), target=CRASHED),
        None,
        Decided(
            "crashed",
            "Failed",
            "100/0",
            [CANARY_LOST, "Rolling back cart.shop failed checks threshold reached 3", FAILED],
            0,
        ),
    ),
    "a crashed canary keeps its traffic while the primary has no pods either": (
        worlds.seen(
            replace(at_20, check_at=NOW + INTERVAL),
            target=CRASHED,
            primary=worlds.a_workload(OLD, readiness=worlds.unready()),
        ),
        None,
        Decided(
            "primary_unready",
            "Progressing",
            "80/20",
            [f"cart-app-primary.shop not ready: {NOT_READY}"],
            30,
        ),
    ),
    "a canary crashed past its deadline is rolled back": (
        worlds.seen(
            at_20, target=worlds.a_workload(NEW, readiness=worlds.unready(retriable=False))
        ),
        None,
        Decided(
            "crashed",
            "Failed",
            "100/0",
            [
                f"canary deployment cart-app.shop not ready: {NOT_READY}",
                f"Rolling back cart.shop progress deadline exceeded {NOT_READY}",
                FAILED,
            ],
            0,
        ),
    ),
    "a partly unready canary is waited for between its checks": (
        worlds.seen(replace(at_20, check_at=NOW + INTERVAL), target=PARTLY),
        None,
        Decided(
            "canary_unready",
            "Progressing",
            "80/20",
            [f"canary deployment cart-app.shop not ready: {NOT_READY}"],
            30,
        ),
    ),
    "a partly unready canary is measured when its check is due": (
        worlds.seen(at_20, target=PARTLY),
        None,
        Asks("halt_on_check", "checks"),
    ),
    "its failing check counts": (
        worlds.seen(at_20, target=PARTLY),
        BAD,
        Decided("halt_on_check", "Progressing", "80/20", ["Halt cart.shop advancement bad"], 30),
    ),
    "its passed check earns no step": (
        worlds.seen(at_20, target=PARTLY),
        worlds.PASSED,
        Decided(
            "hold_for_pods",
            "Progressing",
            "80/20",
            [f"canary deployment cart-app.shop not ready: {NOT_READY}"],
            30,
        ),
    ),
    "nor a promotion": (
        worlds.seen(at_60, target=PARTLY),
        worlds.PASSED,
        Decided(
            "hold_for_pods",
            "Progressing",
            "40/60",
            [f"canary deployment cart-app.shop not ready: {NOT_READY}"],
            30,
        ),
    ),
    "nor one by skipAnalysis switched on": (
        worlds.seen(at_20, worlds.a_canary(spec={"skipAnalysis": True}), target=PARTLY),
        worlds.PASSED,
        Decided(
            "hold_for_pods",
            "Progressing",
            "80/20",
            [f"canary deployment cart-app.shop not ready: {NOT_READY}"],
            30,
        ),
    ),
    "a canary whose scale is not confirmed is measured when its check is due": (
        worlds.seen(at_20, confirmed=Confirmed(5, NOW - INTERVAL, 4)),
        BAD,
        Decided("halt_on_check", "Progressing", "80/20", ["Halt cart.shop advancement bad"], 30),
    ),
    "its passed check earns no step before it is": (
        worlds.seen(at_20, confirmed=Confirmed(5, NOW - INTERVAL, 4)),
        worlds.PASSED,
        Decided("hold_for_route", "Progressing", "80/20", due=2),
    ),
    "no pod is enough to be ready, however few are asked for": (
        worlds.seen(at_0, target=worlds.a_workload(NEW, available=0)),
        None,
        Decided(
            "canary_unready",
            "Progressing",
            "100/0",
            [
                (
                    "canary deployment cart-app.shop not ready: "
                    "waiting for rollout to finish: no pod is available"
                ),
            ],
            300,
        ),
    ),
    "no step while the canary is not ready, until its patience ends": (
        worlds.seen(
            at_0,
            target=worlds.a_workload(
                NEW, readiness=worlds.unready(), patience_ends=NOW + timedelta(seconds=200)
            ),
        ),
        None,
        Decided(
            "canary_unready",
            "Progressing",
            "100/0",
            [f"canary deployment cart-app.shop not ready: {NOT_READY}"],
            200,
        ),
    ),
    "new pods are not spoken of in their first ten seconds": (
        worlds.seen(JUST_BEGUN, target=CRASHED),
        None,
        Rests("canary_unready", 6),
    ),
    "nor beyond their patience": (
        worlds.seen(JUST_BEGUN, target=replace(CRASHED, patience_ends=NOW + timedelta(seconds=5))),
        None,
        Rests("canary_unready", 5),
    ),
    "with skipAnalysis neither": (
        worlds.seen(JUST_BEGUN, worlds.a_canary(spec={"skipAnalysis": True}), target=CRASHED),
        None,
        Rests("canary_unready", 6),
    ),
    "a wait that was told already goes on": (
        worlds.seen(
            replace(JUST_BEGUN, waiting=worlds.a_wait("x", WaitReason.CANARY_NOT_READY, 310)),
            target=CRASHED,
        ),
        None,
        Decided(
            "canary_unready",
            "Progressing",
            "100/0",
            [f"canary deployment cart-app.shop not ready: {NOT_READY}"],
            300,
        ),
    ),
    "a primary that loses pods is told at once": (
        worlds.seen(JUST_BEGUN, primary=worlds.a_workload(OLD, readiness=worlds.unready())),
        None,
        Decided(
            "primary_unready",
            "Progressing",
            "100/0",
            [f"cart-app-primary.shop not ready: {NOT_READY}"],
            300,
        ),
    ),
    "and so are pods that were there when hooks were asked": (
        worlds.seen(replace(JUST_BEGUN, round=worlds.a_round("pre-rollout")), target=CRASHED),
        None,
        Decided(
            "canary_unready",
            "Progressing",
            "100/0",
            [f"canary deployment cart-app.shop not ready: {NOT_READY}"],
            300,
        ),
    ),
    "or had traffic": (
        worlds.seen(
            worlds.progressing(
                20, since=NOW - timedelta(seconds=4), check_at=NOW + timedelta(seconds=26)
            ),
            target=PARTLY,
        ),
        None,
        Decided(
            "canary_unready",
            "Progressing",
            "80/20",
            [f"canary deployment cart-app.shop not ready: {NOT_READY}"],
            26,
        ),
    ),
    "the same reason to wait is not told again at once": (
        worlds.seen(
            replace(
                at_0,
                waiting=worlds.a_wait(
                    f"canary deployment cart-app.shop not ready: {NOT_READY}",
                    WaitReason.CANARY_NOT_READY,
                ),
            ),
            target=worlds.a_workload(NEW, readiness=worlds.unready()),
        ),
        None,
        Rests("canary_unready", 240),
    ),
    "a canary past its deadline rolls back and says so (D-62)": (
        worlds.seen(
            at_20,
            target=worlds.a_workload(NEW, readiness=worlds.unready(retriable=False), available=1),
        ),
        worlds.PASSED,
        Decided(
            "canary_unready",
            "Failed",
            "100/0",
            [
                f"canary deployment cart-app.shop not ready: {NOT_READY}",
                f"Rolling back cart.shop progress deadline exceeded {NOT_READY}",
                FAILED,
            ],
            0,
        ),
    ),
    "a canary whose scaling is not confirmed is waited for": (
        worlds.seen(at_0, confirmed=Confirmed(5, NOW, 4)),
        None,
        Rests("canary_unready", 2),
    ),
    "a canary whose scaling is refused is waited for": (
        worlds.seen(
            replace(
                at_0,
                trouble=worlds.a_wait("quota", WaitReason.WRITE_REFUSED),
                since=NOW - timedelta(seconds=599),
            ),
            confirmed=Confirmed(5, NOW, 4, troubles={Lane.ROUTE: "quota"}),
        ),
        None,
        Rests("canary_unready", 2),
    ),
    "a canary whose scaling is refused for a whole progress deadline is rolled back": (
        worlds.seen(
            replace(
                at_0,
                trouble=worlds.a_wait("quota", WaitReason.WRITE_REFUSED),
                since=NOW - timedelta(seconds=600),
            ),
            confirmed=Confirmed(5, NOW, 4, troubles={Lane.ROUTE: "quota"}),
        ),
        None,
        Decided(
            "canary_unready",
            "Failed",
            "100/0",
            [
                "canary deployment cart-app.shop not ready: quota",
                "Rolling back cart.shop progress deadline exceeded quota",
                FAILED,
            ],
            0,
        ),
    ),
    "a view of the canary older than our own write proves nothing": (
        worlds.seen(at_0, confirmed=Confirmed(5, NOW, 5, target_generation=2)),
        None,
        Decided(
            "canary_unready",
            "Progressing",
            "100/0",
            [
                (
                    "canary deployment cart-app.shop not ready: waiting for rollout to finish: "
                    "observed deployment generation less than desired generation"
                ),
            ],
            300,
        ),
    ),
    "a canary scaled to zero by somebody is scaled up again": (
        worlds.seen(at_0, target=worlds.a_workload(NEW, replicas=0)),
        None,
        Decided("scaled_to_zero", "Progressing", "100/0"),
    ),
    "a canary that we have not scaled up yet loses its traffic, and has failed no check": (
        worlds.seen(
            at_20,
            target=worlds.a_workload(NEW, replicas=0),
            confirmed=Confirmed(route_seq=5, workload_seq=4, status_version=10),
        ),
        None,
        Decided(
            "crashed",
            "Progressing",
            "100/0",
            [f"Routing all traffic to primary, cart-app.shop lost: {pods.AT_ZERO.message}"],
        ),
    ),
    "a canary scaled to zero under traffic is rolled back": (
        worlds.seen(at_20, target=worlds.a_workload(NEW, replicas=0)),
        worlds.PASSED,
        Decided(
            "crashed",
            "Failed",
            "100/0",
            [
                (
                    "canary deployment cart-app.shop not ready: "
                    "waiting for rollout to finish: scaled to zero"
                ),
                FAILED,
            ],
            0,
        ),
    ),
    "skipAnalysis promotes a ready canary": (
        worlds.seen(at_0, worlds.a_canary(spec={"skipAnalysis": True})),
        None,
        Decided(
            "skip_analysis",
            "Promoting",
            "100/0",
            ["Copying cart-app.shop template spec to cart-app-primary.shop"],
        ),
    ),
    "skipAnalysis does not promote a canary that is not ready": (
        worlds.seen(
            at_0,
            worlds.a_canary(spec={"skipAnalysis": True}),
            target=worlds.a_workload(NEW, readiness=worlds.unready()),
        ),
        None,
        Decided(
            "canary_unready",
            "Progressing",
            "100/0",
            [f"canary deployment cart-app.shop not ready: {NOT_READY}"],
            300,
        ),
    ),
    "nothing is measured before the first traffic is in force": (
        worlds.seen(at_20, confirmed=UNSAID, in_force=TrafficSplit.of(0)),
        BAD,
        Rests("route_not_in_force", 2),
    ),
    "nothing is measured early because a route is not in force": (
        worlds.seen(
            replace(at_20, check_at=NOW + worlds.INTERVAL),
            confirmed=UNSAID,
            in_force=TrafficSplit.of(20),
        ),
        BAD,
        Rests("route_not_in_force", 2),
    ),
    "a bad canary is found out although its next step cannot be written": (
        worlds.seen(at_20, confirmed=UNSAID, in_force=TrafficSplit.of(20)),
        BAD,
        Decided("halt_on_check", "Progressing", "80/20", ["Halt cart.shop advancement bad"], 30),
    ),
    "a good canary waits for its step to be in force": (
        worlds.seen(at_20, confirmed=UNSAID, in_force=TrafficSplit.of(20)),
        worlds.PASSED,
        Decided("hold_for_route", "Progressing", "80/20", due=2),
    ),
    "the first step without hooks": (
        worlds.seen(at_0),
        None,
        Decided(
            "first_step",
            "Progressing",
            "80/20",
            [
                "Starting canary analysis for cart-app.shop",
                "Advance cart.shop canary weight 20",
            ],
            FIRST,
        ),
    ),
    "the pre-rollout hooks are asked before the first step; looked after when a lease is over": (
        worlds.seen(at_0, HOOKED),
        None,
        Decided("first_step", "Progressing", "100/0", [], 8),
    ),
    "hooks that were asked are waited for": (
        worlds.seen(replace(at_0, round=worlds.a_round("pre-rollout", 7)), HOOKED),
        None,
        Rests("first_step", 7),
    ),
    "hooks that nobody calls are asked for again, at a slower pace": (
        worlds.seen(replace(at_0, round=worlds.a_round("pre-rollout", 0)), HOOKED),
        None,
        Decided(
            "first_step",
            "Progressing",
            "100/0",
            ["Halt cart.shop advancement no answer to the pre-rollout webhooks"],
            16,
        ),
    ),
    "passed pre-rollout hooks are told, then the first step": (
        worlds.seen(replace(at_0, round=worlds.a_round("pre-rollout")), HOOKED),
        worlds.hooked("pre-rollout", True, True),
        Decided(
            "first_step",
            "Progressing",
            "80/20",
            [
                "Starting canary analysis for cart-app.shop",
                "Pre-rollout check h0 passed",
                "Pre-rollout check h1 passed",
                "Advance cart.shop canary weight 20",
            ],
            FIRST,
        ),
    ),
    "a refusing pre-rollout hook costs a failed check, and is asked again an interval later": (
        worlds.seen(replace(at_0, round=worlds.a_round("pre-rollout")), HOOKED),
        worlds.hooked("pre-rollout", True, False),
        Decided(
            "first_step",
            "Progressing",
            "100/0",
            [
                "Starting canary analysis for cart-app.shop",
                "Pre-rollout check h0 passed",
                "Halt cart.shop advancement pre-rollout check h1 failed no",
            ],
            30,
        ),
    ),
    "after a refused first step its interval is waited for": (
        worlds.seen(replace(at_0, check_at=NOW + timedelta(seconds=12)), HOOKED),
        None,
        Rests("not_due", 12),
    ),
    "a split is given its interval": (
        worlds.seen(replace(at_20, check_at=NOW + timedelta(seconds=12))),
        BAD,
        Rests("not_due", 12),
    ),
    "a split that came into force late is given (most of) its interval too": (
        worlds.seen(at_20, confirmed=Confirmed(5, NOW - timedelta(seconds=10), 5)),
        BAD,
        Rests("not_due", 17),
    ),
    "the rollout hooks are asked before the metrics": (
        worlds.seen(at_20, HOOKED),
        None,
        Decided("halt_on_hook", "Progressing", "80/20", [], 8),
    ),
    "a refusing rollout hook is a failed check, whatever the metrics say": (
        worlds.seen(replace(at_20, round=worlds.a_round("rollout")), HOOKED),
        replace(worlds.hooked("rollout", False), checks=worlds.PASSED.checks),
        Decided(
            "halt_on_hook",
            "Progressing",
            "80/20",
            ["Halt cart.shop advancement external check h0 failed no"],
            30,
        ),
    ),
    "a passed rollout hook is silent and the metrics are asked": (
        worlds.seen(replace(at_20, round=worlds.a_round("rollout")), HOOKED),
        worlds.hooked("rollout", True),
        Asks("halt_on_check", "checks"),
    ),
    "without hooks the metrics are asked": (
        worlds.seen(at_20),
        None,
        Asks("halt_on_check", "checks"),
    ),
    "without hooks and metrics there is nothing to ask": (
        worlds.seen(at_20, worlds.a_canary(metrics=[])),
        None,
        Decided("advance", "Progressing", "60/40", ["Advance cart.shop canary weight 40"], 30),
    ),
    "a failed check halts": (
        worlds.seen(at_20),
        BAD,
        Decided("halt_on_check", "Progressing", "80/20", ["Halt cart.shop advancement bad"], 30),
    ),
    "all failing checks are told, not only the first (D-60)": (
        worlds.seen(at_20),
        TWO_BAD,
        Decided(
            "halt_on_check",
            "Progressing",
            "80/20",
            [
                "Halt cart.shop advancement one",
                "Halt advancement two",
                "Halt cart.shop advancement three",
            ],
            30,
        ),
    ),
    "the last failed check rolls back in the same tick": (
        worlds.seen(replace(at_60, failed_checks=2)),
        BAD,
        Decided(
            "halt_on_check",
            "Failed",
            "100/0",
            [
                "Halt cart.shop advancement bad",
                "Rolling back cart.shop failed checks threshold reached 3",
                FAILED,
            ],
            0,
        ),
    ),
    "a threshold lowered in mid-rollout counts at the next failed check": (
        worlds.seen(replace(at_60, failed_checks=2), threshold=1),
        BAD,
        Decided(
            "halt_on_check",
            "Failed",
            "100/0",
            [
                "Halt cart.shop advancement bad",
                "Rolling back cart.shop failed checks threshold reached 3",
                FAILED,
            ],
            0,
        ),
    ),
    "a check that holds neither advances nor counts": (
        worlds.seen(replace(at_20, failed_checks=2)),
        worlds.HELD,
        Decided("halt_on_check", "Progressing", "80/20", ["Halt advancement no values"], 30),
    ),
    "a check that goes on holding is not told again at once": (
        worlds.seen(
            replace(
                at_20,
                waiting=worlds.a_wait("Halt advancement no values", WaitReason.CHECKS_UNDECIDED),
            )
        ),
        worlds.HELD,
        Decided("halt_on_check", "Progressing", "80/20", [], 30),
    ),
    "passed checks earn the next weight": (
        worlds.seen(at_20),
        worlds.PASSED,
        Decided("advance", "Progressing", "60/40", ["Advance cart.shop canary weight 40"], 30),
    ),
    "a weight off the ladder goes to the next rung, not to 100 (D-19)": (
        worlds.seen(worlds.progressing(5), worlds.a_canary(stepWeights=[1, 2, 10, 80])),
        worlds.PASSED,
        Decided("advance", "Progressing", "90/10", ["Advance cart.shop canary weight 10"], 30),
    ),
    "passed checks at the highest weight earn the promotion; the weights stay": (
        worlds.seen(at_60),
        worlds.PASSED,
        Decided(
            "promote",
            "Promoting",
            "40/60",
            ["Copying cart-app.shop template spec to cart-app-primary.shop"],
        ),
    ),
    "a failed check at the highest weight does not promote": (
        worlds.seen(at_60),
        BAD,
        Decided("halt_on_check", "Progressing", "40/60", ["Halt cart.shop advancement bad"], 30),
    ),
    "a maximum lowered below the weight promotes after a passed check": (
        worlds.seen(at_60, worlds.a_canary(maxWeight=20)),
        worlds.PASSED,
        Decided(
            "promote",
            "Promoting",
            "40/60",
            ["Copying cart-app.shop template spec to cart-app-primary.shop"],
        ),
    ),
}


@pytest.mark.parametrize(("seen", "found", "expected"), TABLE.values(), ids=TABLE)
def test_a_rollout_under_analysis(
    seen: Observation, found: Findings | None, expected: Answer
) -> None:
    """Each world has one answer, given by one rule of the composed chain."""
    assert tables.answer(seen, found) == expected


@pytest.mark.parametrize(
    ("mode", "found", "before", "after"),
    [
        pytest.param("cumulative", worlds.PASSED, 1, 1, id="a good round does not reset it"),
        pytest.param("cumulative", worlds.FAILED, 1, 2, id="a bad round adds one, not one each"),
        pytest.param("cumulative", TWO_BAD, 1, 2, id="two bad checks are one bad round"),
        pytest.param("cumulative", worlds.HELD, 1, 1, id="a held round counts nothing"),
        pytest.param("consecutive", worlds.PASSED, 1, 0, id="consecutive: a good round resets it"),
        pytest.param("consecutive", worlds.HELD, 1, 1, id="consecutive: a held round keeps it"),
        pytest.param("cumulative", replace(worlds.FAILED), 2, 0, id="a rollback resets it"),
    ],
)
def test_failed_checks_are_counted_over_the_whole_rollout(
    mode: str, found: Findings, before: int, after: int
) -> None:
    """Lifecycle 9: failed rounds, not failed checks."""
    seen = worlds.seen(
        worlds.progressing(20, failed_checks=before), worlds.a_canary(thresholdMode=mode)
    )
    assert tables.decision(seen, found).state.failed_checks == after


def test_pods_that_were_not_asked_for_yet_are_no_failed_check() -> None:
    """After a loss of Redis the target may be at zero until the API server takes our write."""
    unscaled = Confirmed(route_seq=5, workload_seq=4, status_version=10)
    for before in (0, 2):
        state = worlds.progressing(20, failed_checks=before)
        seen = worlds.seen(state, target=worlds.a_workload(NEW, replicas=0), confirmed=unscaled)
        decided = tables.decision(seen).state
        assert (decided.failed_checks, decided.workload) == (before, state.workload)


def test_what_is_promoted_is_the_revision_that_was_analysed() -> None:
    """D-9: the intent names the revision; a worker copies that one or none."""
    state = tables.decision(worlds.seen(at_60), worlds.PASSED).state
    assert (state.workload.promote, state.workload.canary) == (NEW, CanaryScale.RUNNING)
    assert (state.promoted, state.skipped) == (OLD, False)


def test_a_restart_forgets_what_was_counted() -> None:
    """Counters 0, no check due, no hook awaited, the newer revision applied."""
    before = worlds.progressing(
        60, failed_checks=2, iterations=1, round=worlds.a_round("rollout"), waiting=worlds.a_wait()
    )
    state = tables.decision(worlds.seen(before, target=worlds.a_workload(NEWER))).state
    counted = (state.failed_checks, state.iterations, state.check_at, state.round, state.waiting)
    assert counted == (0, 0, None, None, None)
    assert (state.applied, state.promoted, state.since) == (NEWER, OLD, NOW)


def test_a_rollback_keeps_the_canary_until_its_traffic_is_gone() -> None:
    """Routes first, replicas later; the promoted revision is kept, the tried one remembered."""
    state = tables.decision(worlds.seen(replace(at_60, failed_checks=2)), worlds.FAILED).state
    assert state.workload == at_60.workload
    assert (state.applied, state.promoted) == (NEW, OLD)
    assert (state.failed_checks, state.check_at, state.since) == (0, None, NOW)


def test_a_rollout_that_failed_says_what_failed_and_not_what_went_well() -> None:
    """The progress that is told with the last failed check is no cause of the rollback."""
    before = replace(at_0, round=worlds.a_round("pre-rollout"), failed_checks=2)
    found = worlds.hooked("pre-rollout", True, False)
    decision = tables.decision(worlds.seen(before, HOOKED), found)
    assert [event.message for event in decision.events] == [
        "Starting canary analysis for cart-app.shop",
        "Pre-rollout check h0 passed",
        "Halt cart.shop advancement pre-rollout check h1 failed no",
        "Rolling back cart.shop failed checks threshold reached 3",
        FAILED,
    ]
    assert decision.state.failure == (
        "Halt cart.shop advancement pre-rollout check h1 failed no; "
        "Rolling back cart.shop failed checks threshold reached 3"
    )


def test_the_alert_of_a_failure_without_one_names_what_failed() -> None:
    """Or all that is said, where nothing of it is worse than progress."""
    seen, good = worlds.seen(at_20), events.normal("it begins")
    assert seen.canary is not None
    assert seen.strategy is not None
    case = Case(seen, Findings(), seen.canary, seen.strategy, at_20)
    for causes, told in (((good, events.warning("it broke")), "it broke"), ((good,), "it begins")):
        (*_, failed) = moves.rollback(case, "Broken", causes).events
        assert failed.alert is not None
        assert failed.alert.text == f"Canary failed: {told}"


def test_a_question_to_hooks_names_the_version_that_asks() -> None:
    """D-36: an answer to an older question is recognised, and when it was asked is remembered."""
    asked = tables.decision(worlds.seen(at_20, HOOKED, version=41)).state.round
    assert asked is not None
    assert asked == HookRound(42, WebhookType.ROLLOUT, NOW, repeats=0)


def test_a_step_ends_the_hook_round_that_earned_it() -> None:
    """The next interval asks its own hooks."""
    seen = worlds.seen(replace(at_20, round=worlds.a_round("rollout")), HOOKED)
    found = replace(worlds.hooked("rollout", True), checks=worlds.PASSED.checks)
    assert tables.decision(seen, found).state.round is None


def test_a_late_check_gives_the_next_step_a_whole_interval() -> None:
    """D-37: after an outage the bake time is not shortened."""
    late = worlds.progressing(20, check_at=NOW - timedelta(minutes=10))
    decision = tables.decision(worlds.seen(late), worlds.PASSED)
    assert decision.due == NOW + INTERVAL


def test_a_rollout_goes_on_when_its_analysis_is_edited() -> None:
    """Editing the strategy in mid-rollout needs no restart: the phase stays, the ladder is new."""
    seen = worlds.seen(at_20, worlds.a_canary(stepWeights=[25, 50]))
    assert tables.decision(seen, worlds.PASSED).state.phase is Phase.PROGRESSING
    assert str(tables.decision(seen, worlds.PASSED).state.route.split) == "75/25"


def test_hooks_that_answer_while_the_rollout_waits_are_asked_anew() -> None:
    """Neither a verdict from before the wait, nor a wait for an answer that was given already."""
    event = f"cart-app-primary.shop not ready: {NOT_READY}"
    waiting = replace(at_0, round=worlds.a_round("pre-rollout"), waiting=worlds.a_wait(event))
    primary = worlds.a_workload(OLD, readiness=worlds.unready())
    seen = worlds.seen(waiting, HOOKED, primary=primary)
    assert tables.answer(seen) == Rests("primary_unready", 240)
    decision = tables.decision(seen, worlds.hooked("pre-rollout", True, True))
    assert (decision.state.round, decision.events) == (None, ())
