"""PROMOTING and FINALISING: the state of the world -> rule, phase, split, events, due.

Source: lifecycle 4, 11, 12, 13; defects D-4, D-9, D-10. The canary's readiness is not asked here.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis.effects import Lane
from analysis.findings import Findings
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.state import RolloutState
from analysis.waiting import WaitReason
from clients.documents.confirmed import Confirmed
from config.scaling import CanaryScale, WorkloadIntent
from tests.unit.analysis import tables, worlds
from tests.unit.analysis.tables import Answer, Decided, Rests
from tests.unit.analysis.worlds import NEW, NEWER, NOW, OLD

COMPLETED = "Promotion completed! Scaling down cart-app.shop"
FAILED = "Canary failed! Scaling down cart.shop"
BY_50 = worlds.a_canary(stepWeightPromotion=50)
UNCOPIED = Confirmed(route_seq=5, workload_seq=4, status_version=10)
UNROUTED = Confirmed(route_seq=4, workload_seq=5, status_version=10)
COPIED = worlds.a_workload(NEW)
COMING = worlds.a_workload(
    NEW, readiness=worlds.unready(), patience_ends=NOW + timedelta(seconds=500)
)
DEAD = worlds.a_workload(NEW, readiness=worlds.unready(retriable=False))
PARKED = worlds.a_workload(NEW, replicas=0)
CAUSE = "waiting for rollout to finish: x"
STUCK = replace(DEAD, available=1)
"""A rolling update of the primary that came to nothing; old pods still serve."""
CRASHED = worlds.a_workload(NEW, readiness=worlds.unready())
CANARY_LOST = f"Routing all traffic to primary, cart-app.shop lost: {CAUSE}"
TARGET_LOST = "Routing all traffic to primary, cart-app.shop lost: deployment not found"
PRIMARY_LOST = "Promotion of cart-app.shop failed, primary not ready: deployment not found"
RESTORED = "cart-app-primary.shop not found, creating it anew from cart-app.shop"


def promoting(weight: int = 60, **changes: Any) -> RolloutState:
    """A promotion of `NEW` whose copy was asked for as workload intent 5."""
    intent = WorkloadIntent(5, CanaryScale.RUNNING, NEW, OLD)
    return worlds.a_state(Phase.PROMOTING, weight, applied=NEW, workload=intent, **changes)


def finalising(canary: CanaryScale = CanaryScale.RUNNING, **changes: Any) -> RolloutState:
    """All traffic on the primary; the canary still running, or at zero."""
    promote = NEW if canary is CanaryScale.RUNNING else ""
    intent = WorkloadIntent(5, canary, promote, OLD)
    return worlds.a_state(Phase.FINALISING, applied=NEW, workload=intent, **changes)


TABLE: dict[str, tuple[Observation, Answer]] = {
    "nothing moves before the primary has been written": (
        worlds.seen(promoting(), confirmed=UNCOPIED),
        Rests("await_copy", 2),
    ),
    "a target changed before the copy is analysed, not promoted unseen (D-9)": (
        worlds.seen(promoting(), confirmed=UNCOPIED, target=worlds.a_workload(NEWER)),
        Decided(
            "changed_before_copy",
            "Progressing",
            "100/0",
            ["New revision detected! Restarting analysis for cart-app.shop"],
        ),
    ),
    "a target set back before the copy is rolled back as cancelled": (
        worlds.seen(promoting(), confirmed=UNCOPIED, target=worlds.a_workload(OLD)),
        Decided(
            "changed_before_copy",
            "Failed",
            "100/0",
            ["Rolling back cart.shop target reverted to the promoted revision", FAILED],
            0,
        ),
    ),
    "a target deleted before the copy is rolled back at once": (
        worlds.seen(promoting(), confirmed=UNCOPIED, target=None),
        Decided(
            "changed_before_copy",
            "Failed",
            "100/0",
            ["Rolling back cart.shop deployment cart-app.shop not found", FAILED],
            0,
        ),
    ),
    "a target changed after the copy is left for the next rollout": (
        worlds.seen(promoting(), primary=COPIED, target=worlds.a_workload(NEWER)),
        Decided("shift", "Finalising", "100/0", ["Routing all traffic to primary"]),
    ),
    "a target changed after a copy that is not confirmed yet is left for the next rollout": (
        worlds.seen(
            promoting(), confirmed=UNCOPIED, primary=COPIED, target=worlds.a_workload(NEWER)
        ),
        Rests("await_copy", 2),
    ),
    "a copy that fails for a whole progress deadline rolls back": (
        worlds.seen(
            promoting(
                since=NOW - timedelta(seconds=600),
                trouble=worlds.a_wait("deployments is forbidden", WaitReason.WRITE_REFUSED),
            ),
            confirmed=replace(UNCOPIED, troubles={Lane.ROUTE: "deployments is forbidden"}),
        ),
        Decided(
            "await_copy",
            "Failed",
            "100/0",
            [
                (
                    "Promotion of cart-app.shop failed, primary not updated: "
                    "deployments is forbidden"
                ),
                FAILED,
            ],
            0,
        ),
    ),
    "traffic waits for the primary's new pods": (
        worlds.seen(promoting(), primary=COMING),
        Decided(
            "primary_unready",
            "Promoting",
            "40/60",
            [f"cart-app-primary.shop not ready: {CAUSE}"],
            300,
        ),
    ),
    "which are not spoken of in their first ten seconds": (
        worlds.seen(promoting(since=NOW - timedelta(seconds=3)), primary=COMING),
        Rests("primary_unready", 7),
    ),
    "unless they were ready: traffic has begun to return": (
        worlds.seen(
            promoting(since=NOW - timedelta(seconds=3), check_at=NOW + timedelta(seconds=27)),
            primary=COMING,
        ),
        Decided(
            "primary_unready",
            "Promoting",
            "40/60",
            [f"cart-app-primary.shop not ready: {CAUSE}"],
            300,
        ),
    ),
    "or all of it has": (
        worlds.seen(
            finalising(since=NOW - timedelta(seconds=1)),
            primary=COMING,
        ),
        Decided(
            "primary_unready",
            "Finalising",
            "100/0",
            [f"cart-app-primary.shop not ready: {CAUSE}"],
            300,
        ),
    ),
    "a view of the primary older than the copy proves nothing": (
        worlds.seen(promoting(), confirmed=Confirmed(5, NOW, 5, primary_generation=2)),
        Decided(
            "primary_unready",
            "Promoting",
            "40/60",
            [
                (
                    "cart-app-primary.shop not ready: waiting for rollout to finish: "
                    "observed deployment generation less than desired generation"
                ),
            ],
            300,
        ),
    ),
    "a primary that dies with the new revision fails the promotion": (
        worlds.seen(promoting(), primary=DEAD),
        Decided(
            "primary_lost",
            "PromotionFailed",
            "0/100",
            [f"Promotion of cart-app.shop failed, primary not ready: {CAUSE}"],
            0,
        ),
    ),
    "a canary that is not ready is not asked: there is nothing to roll back to (D-10)": (
        worlds.seen(
            promoting(),
            primary=COPIED,
            target=worlds.a_workload(NEW, readiness=worlds.unready(retriable=False), available=1),
        ),
        Decided("shift", "Finalising", "100/0", ["Routing all traffic to primary"]),
    ),
    "without promotion steps all traffic goes back at once": (
        worlds.seen(promoting(), primary=COPIED),
        Decided("shift", "Finalising", "100/0", ["Routing all traffic to primary"]),
    ),
    "the first step back waits for no route: the canary's last weight need not be in force": (
        worlds.seen(promoting(), primary=COPIED, confirmed=UNROUTED),
        Decided("shift", "Finalising", "100/0", ["Routing all traffic to primary"]),
    ),
    "with promotion steps it goes back step by step": (
        worlds.seen(promoting(100), BY_50, primary=COPIED),
        Decided("shift", "Promoting", "50/50", ["Advance cart.shop primary weight 50"], 30),
    ),
    "a promotion step is given its interval": (
        worlds.seen(promoting(50, check_at=NOW + timedelta(seconds=20)), BY_50, primary=COPIED),
        Rests("shift", 20),
    ),
    "no promotion step follows one that is not in force": (
        worlds.seen(promoting(50, check_at=NOW), BY_50, primary=COPIED, confirmed=UNROUTED),
        Rests("shift", 2),
    ),
    "the last promotion step is capped at 100/0": (
        worlds.seen(promoting(30, check_at=NOW), BY_50, primary=COPIED),
        Decided("shift", "Finalising", "100/0", ["Advance cart.shop primary weight 100"]),
    ),
    "a canary weight of 0 is done, also with promotion steps (D-4)": (
        worlds.seen(promoting(0), BY_50, primary=COPIED),
        Decided("shift", "Finalising", "100/0", ["Advance cart.shop primary weight 100"]),
    ),
    "a skipped rollout goes back at once, also with promotion steps": (
        worlds.seen(promoting(60, skipped=True), BY_50, primary=COPIED),
        Decided("shift", "Finalising", "100/0", ["Routing all traffic to primary"]),
    ),
    "a primary lost after the copy leaves its traffic to the canary": (
        worlds.seen(promoting(), primary=None),
        Decided("primary_lost", "PromotionFailed", "0/100", [PRIMARY_LOST], 0),
    ),
    "a primary lost before the copy leaves its traffic to the canary": (
        worlds.seen(promoting(), primary=None, confirmed=UNCOPIED),
        Decided("primary_lost", "PromotionFailed", "0/100", [PRIMARY_LOST], 0),
    ),
    "a primary lost while the canary has no pods either is made anew": (
        worlds.seen(promoting(), primary=None, target=CRASHED),
        Decided("restore_primary", "Promoting", "40/60", [RESTORED]),
    ),
    "old pods that still serve are not left for a canary without any": (
        worlds.seen(promoting(), primary=STUCK, target=CRASHED),
        Decided("canary_lost", "Promoting", "100/0", [CANARY_LOST], 0),
    ),
    "nor when the promotion fails": (
        worlds.seen(promoting(0), primary=STUCK, target=CRASHED),
        Decided(
            "primary_unready",
            "PromotionFailed",
            "100/0",
            [f"Promotion of cart-app.shop failed, primary not ready: {CAUSE}"],
            0,
        ),
    ),
    "a promotion that fails between two dead sides sends nobody to the canary": (
        worlds.seen(promoting(), primary=DEAD, target=CRASHED),
        Decided(
            "primary_unready",
            "PromotionFailed",
            "100/0",
            [f"Promotion of cart-app.shop failed, primary not ready: {CAUSE}"],
            0,
        ),
    ),
    "a promotion that fails with pods on both sides goes to the analysed ones": (
        worlds.seen(promoting(), primary=STUCK),
        Decided(
            "primary_unready",
            "PromotionFailed",
            "0/100",
            [f"Promotion of cart-app.shop failed, primary not ready: {CAUSE}"],
            0,
        ),
    ),
    "a crash takes the canary's traffic away before the copy is confirmed": (
        worlds.seen(promoting(), target=CRASHED, confirmed=UNCOPIED),
        Decided("canary_lost", "Promoting", "100/0", [CANARY_LOST], 0),
    ),
    "a target deleted after the copy loses its traffic, though no pod of the primary is ready": (
        worlds.seen(promoting(), primary=COMING, target=None),
        Decided("canary_lost", "Promoting", "100/0", [TARGET_LOST], 0),
    ),
    "a target deleted between two promotion steps loses its traffic without waiting": (
        worlds.seen(
            promoting(50, check_at=NOW + timedelta(seconds=20)), BY_50, primary=COPIED, target=None
        ),
        Decided("canary_lost", "Promoting", "100/0", [TARGET_LOST], 0),
    ),
    "a promotion whose target is gone after the copy is not said to have failed to copy": (
        worlds.seen(
            promoting(0, since=NOW - timedelta(seconds=600)),
            primary=COMING,
            target=None,
            confirmed=UNCOPIED,
        ),
        Decided(
            "primary_unready",
            "Promoting",
            "100/0",
            [f"cart-app-primary.shop not ready: {CAUSE}"],
            300,
        ),
    ),
    "a canary scaled to zero under traffic is scaled up again": (
        worlds.seen(promoting(), primary=COMING, target=worlds.a_workload(NEW, replicas=0)),
        Decided("keep_canary", "Promoting", "40/60"),
    ),
    "the canary keeps its pods until its traffic is gone": (
        worlds.seen(finalising(), primary=COPIED, confirmed=UNROUTED),
        Rests("await_route", 2),
    ),
    "a primary that dies in Finalising fails the promotion": (
        worlds.seen(finalising(), primary=DEAD),
        Decided(
            "primary_lost",
            "PromotionFailed",
            "0/100",
            [f"Promotion of cart-app.shop failed, primary not ready: {CAUSE}"],
            0,
        ),
    ),
    "with its traffic gone the rollout has succeeded": (
        worlds.seen(finalising(), primary=COPIED),
        Decided("succeeded", "Succeeded", "100/0", [COMPLETED], 0),
    ),
    "a primary that dies after the canary is gone cannot fail the promotion any more": (
        worlds.seen(finalising(CanaryScale.ZERO), primary=DEAD, target=PARKED),
        Decided("succeeded", "Succeeded", "100/0", [COMPLETED], 0),
    ),
    "as it has where the canary was scaled down before, as by the release before this one": (
        worlds.seen(finalising(CanaryScale.ZERO), primary=COPIED),
        Decided("succeeded", "Succeeded", "100/0", [COMPLETED], 0),
    ),
    "which is told otherwise where the analysis was skipped": (
        worlds.seen(finalising(CanaryScale.ZERO, skipped=True), primary=COPIED),
        Decided(
            "succeeded",
            "Succeeded",
            "100/0",
            ["Promotion completed! Canary analysis was skipped for cart-app.shop"],
            0,
        ),
    ),
    "and after the answers of the last hooks": (
        worlds.seen(
            finalising(CanaryScale.ZERO),
            worlds.a_canary(
                webhooks=[{"name": "h", "type": "post-rollout", "url": "http://tester.shop/"}]
            ),
            primary=COPIED,
        ),
        Decided("succeeded", "Succeeded", "100/0", [], 0),
    ),
}


@pytest.mark.parametrize(("seen", "expected"), TABLE.values(), ids=TABLE)
def test_a_promotion(seen: Observation, expected: Answer) -> None:
    """Each world has one answer; checks are not asked any more."""
    for found in (Findings(), worlds.FAILED):
        assert tables.answer(seen, found) == expected


def test_after_the_end_the_analysed_revision_is_the_promoted_one() -> None:
    """Lifecycle 12: weight 0, iterations 0, promoted := applied."""
    seen = worlds.seen(finalising(CanaryScale.ZERO, iterations=3), primary=COPIED)
    state = tables.decision(seen).state
    assert (state.applied, state.promoted, state.iterations) == (NEW, NEW, 0)
    assert (state.epilogue, state.since) == (False, NOW)


def test_the_last_number_of_failed_checks_stays_visible_after_success() -> None:
    """Lifecycle 9: it is reset when a rollout starts, restarts or fails."""
    seen = worlds.seen(finalising(CanaryScale.ZERO, failed_checks=2), primary=COPIED)
    assert tables.decision(seen).state.failed_checks == 2


def test_a_rollback_after_a_refused_copy_calls_the_copy_off() -> None:
    """Or the primary would get the revision after it was declared failed."""
    seen = worlds.seen(promoting(since=NOW - timedelta(seconds=600)), confirmed=UNCOPIED)
    state = tables.decision(seen).state
    assert (state.workload.promote, state.workload.seq) == ("", 6)


def test_a_failed_promotion_remembers_what_the_primary_is_to_become() -> None:
    """Otherwise nobody could tell when it has recovered."""
    state = tables.decision(worlds.seen(promoting(), primary=DEAD)).state
    assert state.workload == promoting().workload
