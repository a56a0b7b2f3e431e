"""Phases at rest: what starts a rollout, what does not, and how an ended one is closed.

Source: lifecycle 4, 6.2, 6.4, 13, 21, 22, 28; defects D-1, D-2, D-5, D-17, D-34, D-36.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis.findings import Findings
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.state import RolloutState
from analysis.waiting import WaitReason
from clients.documents.confirmed import Confirmed
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import TrafficSplit
from tests.unit.analysis import tables, worlds
from tests.unit.analysis.tables import Answer, Decided, Rests
from tests.unit.analysis.worlds import NEW, NEWER, NOW, OLD

POST = worlds.a_canary(
    webhooks=[
        {"name": "h0", "type": "post-rollout", "url": "http://tester.shop/"},
        {"name": "h1", "type": "post-rollout", "url": "http://tester.shop/"},
    ]
)
AT_ZERO_OLD = worlds.a_workload(OLD, replicas=0)
AT_ZERO_NEW = worlds.a_workload(NEW, replicas=0)
UNROUTED = Confirmed(route_seq=4, workload_seq=5, status_version=10)
UNSCALED = Confirmed(route_seq=5, workload_seq=4, status_version=10)
RESTORED = "cart-app-primary.shop not found, creating it anew from cart-app.shop"
DETECTED = "New revision detected! Scaling up cart-app.shop"


def resting(phase: Phase, **changes: Any) -> RolloutState:
    """At rest in `phase`, everything on the primary."""
    return worlds.a_state(phase, **changes)


def failed(canary: CanaryScale = CanaryScale.ZERO, **changes: Any) -> RolloutState:
    """A rolled back rollout of `NEW`."""
    return worlds.a_state(Phase.FAILED, canary=canary, applied=NEW, **changes)


def promotion_failed(**changes: Any) -> RolloutState:
    """`NEW` serves as the canary, the primary was given it and is dead."""
    intent = WorkloadIntent(5, CanaryScale.RUNNING, NEW, OLD)
    state = worlds.a_state(Phase.PROMOTION_FAILED, 100, applied=NEW, workload=intent)
    return replace(state, **changes)


DEAD = worlds.a_workload(NEW, readiness=worlds.unready(retriable=False))

TABLE: dict[str, tuple[Observation, Findings | None, Answer]] = {
    **{
        f"{phase}: a changed target starts a rollout": (
            worlds.seen(resting(phase), target=AT_ZERO_NEW),
            None,
            Decided("new_revision", "Progressing", "100/0", [DETECTED]),
        )
        for phase in (Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED)
    },
    **{
        f"{phase}: an unchanged target does not": (
            worlds.seen(resting(phase), target=AT_ZERO_OLD),
            None,
            Rests("at_rest"),
        )
        for phase in (Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED)
    },
    "a change waits for a ready primary and is not forgotten (D-5)": (
        worlds.seen(
            resting(Phase.FAILED),
            target=AT_ZERO_NEW,
            primary=worlds.a_workload(OLD, readiness=worlds.unready()),
        ),
        None,
        Decided(
            "new_revision",
            "Failed",
            "100/0",
            ["cart-app-primary.shop not ready: waiting for rollout to finish: x"],
            300,
        ),
    ),
    "even right after a rollout, which has asked for no pods of it": (
        worlds.seen(
            resting(Phase.FAILED, since=NOW - timedelta(seconds=1)),
            target=AT_ZERO_NEW,
            primary=worlds.a_workload(OLD, readiness=worlds.unready()),
        ),
        None,
        Decided(
            "new_revision",
            "Failed",
            "100/0",
            ["cart-app-primary.shop not ready: waiting for rollout to finish: x"],
            300,
        ),
    ),
    "with skipAnalysis it mends the primary, and waits for none": (
        worlds.seen(
            resting(Phase.SUCCEEDED),
            worlds.a_canary(spec={"skipAnalysis": True}),
            target=AT_ZERO_NEW,
            primary=worlds.a_workload(OLD, readiness=worlds.unready(retriable=False)),
        ),
        None,
        Decided("new_revision", "Progressing", "100/0", [DETECTED]),
    ),
    "not for one that is gone: it is made anew from the revision it had": (
        worlds.seen(
            resting(Phase.SUCCEEDED),
            worlds.a_canary(spec={"skipAnalysis": True}),
            target=AT_ZERO_NEW,
            primary=None,
        ),
        None,
        Decided(
            "new_revision",
            "Succeeded",
            "100/0",
            ["cart-app-primary.shop not ready: deployment not found"],
            300,
        ),
    ),
    "a failed revision is not tried again": (
        worlds.seen(failed(), target=AT_ZERO_NEW),
        None,
        Rests("at_rest"),
    ),
    "a target set back after a failure stays Failed and is noted": (
        worlds.seen(failed(), target=AT_ZERO_OLD),
        None,
        Decided("settle", "Failed", "100/0"),
    ),
    "revisions in a foreign format start nothing when target and primary are equal (D-34)": (
        worlds.seen(
            resting(Phase.SUCCEEDED, applied="7d8b5c4f69", promoted="7d8b5c4f69"),
            target=AT_ZERO_OLD,
        ),
        None,
        Decided("settle", "Succeeded", "100/0"),
    ),
    "an effect that was never confirmed is asked for again": (
        worlds.seen(resting(Phase.SUCCEEDED), target=AT_ZERO_OLD, confirmed=UNSCALED),
        None,
        Rests("at_rest", 2),
    ),
    "a primary that was deleted is made anew": (
        worlds.seen(resting(Phase.SUCCEEDED), target=AT_ZERO_OLD, primary=None),
        None,
        Decided("restore_primary", "Succeeded", "100/0", [RESTORED]),
    ),
    "a deleted primary is not made from another revision": (
        worlds.seen(resting(Phase.SUCCEEDED), target=AT_ZERO_NEW, primary=None),
        None,
        Decided(
            "new_revision",
            "Succeeded",
            "100/0",
            ["cart-app-primary.shop not ready: deployment not found"],
            300,
        ),
    ),
    "a deleted target is waited for": (
        worlds.seen(resting(Phase.SUCCEEDED), target=None),
        None,
        Rests("at_rest"),
    ),
    "a rolled back canary keeps its pods until its traffic is gone": (
        worlds.seen(failed(CanaryScale.RUNNING, epilogue=True), confirmed=UNROUTED),
        None,
        Rests("park_canary", 2),
    ),
    "also while somebody else leads traffic to it": (
        worlds.seen(failed(CanaryScale.RUNNING), in_force=TrafficSplit.of(40)),
        None,
        Rests("park_canary", 2),
    ),
    "then it is scaled down": (
        worlds.seen(failed(CanaryScale.RUNNING, epilogue=True)),
        None,
        Decided("park_canary", "Failed", "100/0", [], 0),
    ),
    "a route that cannot be written for a progress deadline does not keep it alive (D-17)": (
        worlds.seen(
            failed(CanaryScale.RUNNING, since=NOW - timedelta(seconds=600)), confirmed=UNROUTED
        ),
        None,
        Decided(
            "park_canary",
            "Failed",
            "100/0",
            ["Scaling down cart-app.shop although its route could not be changed"],
            0,
        ),
    ),
    "a success without hooks is told": (
        worlds.seen(
            resting(Phase.SUCCEEDED, applied=NEW, promoted=NEW, epilogue=True),
            target=AT_ZERO_NEW,
            primary=worlds.a_workload(NEW),
        ),
        None,
        Decided(
            "epilogue",
            "Succeeded",
            "100/0",
            ["Promotion completed! Scaling down cart-app.shop"],
            0,
        ),
    ),
    "a skipped success has its own words": (
        worlds.seen(resting(Phase.SUCCEEDED, epilogue=True, skipped=True), target=AT_ZERO_OLD),
        None,
        Decided(
            "epilogue",
            "Succeeded",
            "100/0",
            ["Promotion completed! Canary analysis was skipped for cart-app.shop"],
            0,
        ),
    ),
    "the post-rollout hooks are called first": (
        worlds.seen(resting(Phase.SUCCEEDED, epilogue=True), POST, target=AT_ZERO_OLD),
        None,
        Decided("epilogue", "Succeeded", "100/0", [], 8),
    ),
    "their answers are told before the last event": (
        worlds.seen(
            resting(Phase.SUCCEEDED, epilogue=True, round=worlds.a_round("post-rollout")),
            POST,
            target=AT_ZERO_OLD,
        ),
        worlds.hooked("post-rollout", True, False),
        Decided(
            "epilogue",
            "Succeeded",
            "100/0",
            [
                "Post-rollout check h0 passed",
                "Post-rollout hook h1 failed no",
                "Promotion completed! Scaling down cart-app.shop",
            ],
            0,
        ),
    ),
    "after a failure there is no last event": (
        worlds.seen(failed(epilogue=True, round=worlds.a_round("post-rollout")), POST),
        worlds.hooked("post-rollout", True, True),
        Decided(
            "epilogue",
            "Failed",
            "100/0",
            ["Post-rollout check h0 passed", "Post-rollout check h1 passed"],
            0,
        ),
    ),
    "a change during the last hooks waits for them": (
        worlds.seen(
            resting(Phase.SUCCEEDED, epilogue=True, round=worlds.a_round("post-rollout", 7)),
            POST,
            target=worlds.a_workload(NEWER),
        ),
        None,
        Rests("epilogue", 7),
    ),
    "a failed promotion rests while the primary is dead": (
        worlds.seen(promotion_failed(), primary=DEAD),
        None,
        Rests("at_rest"),
    ),
    "a primary that recovers with the good revision completes the promotion": (
        worlds.seen(promotion_failed(), primary=worlds.a_workload(NEW)),
        None,
        Decided("primary_recovered", "Finalising", "100/0", ["Routing all traffic to primary"]),
    ),
    "a ready primary that still runs the old revision gets no traffic": (
        worlds.seen(promotion_failed(), primary=worlds.a_workload(OLD)),
        None,
        Rests("at_rest"),
    ),
    "a new revision in a failed promotion is copied, never routed away from (D-1, D-2)": (
        worlds.seen(promotion_failed(), primary=DEAD, target=worlds.a_workload(NEWER)),
        None,
        Decided(
            "repair_primary",
            "PromotionFailed",
            "0/100",
            ["Copying cart-app.shop template spec to cart-app-primary.shop"],
        ),
    ),
    "a failed promotion set back to the old revision is repaired with that one": (
        worlds.seen(promotion_failed(), primary=DEAD, target=worlds.a_workload(OLD)),
        None,
        Decided(
            "repair_primary",
            "PromotionFailed",
            "0/100",
            ["Copying cart-app.shop template spec to cart-app-primary.shop"],
        ),
    ),
    "a dead primary that is deleted is made anew": (
        worlds.seen(promotion_failed(), primary=None),
        None,
        Decided("restore_primary", "PromotionFailed", "0/100", [RESTORED]),
    ),
}


@pytest.mark.parametrize(("seen", "found", "expected"), TABLE.values(), ids=TABLE)
def test_a_canary_at_rest(seen: Observation, found: Findings | None, expected: Answer) -> None:
    """Each world has one answer, given by one rule of the composed chain."""
    assert tables.answer(seen, found) == expected


def test_a_rollout_starts_with_everything_at_zero() -> None:
    """Counters, waits and skip flag of the one before are gone; the canary is scaled up."""
    before = resting(
        Phase.FAILED,
        failed_checks=2,
        iterations=1,
        skipped=True,
        waiting=worlds.a_wait(),
        check_at=NOW,
    )
    state = tables.decision(worlds.seen(before, target=AT_ZERO_NEW, generation=7)).state
    counted = (state.failed_checks, state.iterations, state.skipped, state.waiting, state.check_at)
    assert counted == (0, 0, False, None, None)
    assert (state.applied, state.promoted, state.generation) == (NEW, OLD, 7)
    assert state.workload == WorkloadIntent(6, CanaryScale.RUNNING, "", OLD)


def test_after_a_revert_the_failed_revision_is_new_again() -> None:
    """Lifecycle 28: revert to stable, then the failed image again -> Progressing."""
    state = tables.decision(worlds.seen(failed(), target=AT_ZERO_OLD)).state
    assert (state.applied, state.promoted) == (OLD, OLD)


def test_a_primary_made_anew_may_be_made_from_the_promoted_revision_only() -> None:
    """The revision promoted last, not the one that was promoted when the intent was made."""
    before = resting(Phase.SUCCEEDED, applied=NEW, promoted=NEW)
    state = tables.decision(worlds.seen(before, target=AT_ZERO_NEW, primary=None)).state
    assert state.workload == WorkloadIntent(6, CanaryScale.ZERO, "", NEW)


def test_hooks_of_an_ended_rollout_survive_a_crash() -> None:
    """D-36: they are owed until they have answered, and asked again when nobody did."""
    owed = resting(Phase.SUCCEEDED, epilogue=True, round=worlds.a_round("post-rollout", -1))
    decision = tables.decision(worlds.seen(owed, POST, target=AT_ZERO_OLD))
    assert decision.state.epilogue
    assert decision.state.round is not None
    assert (decision.state.round.id, decision.state.round.repeats) == (10, 1)


def test_a_primary_that_is_down_is_waited_for_and_not_taken_for_gone() -> None:
    """Whatever revision the target holds; only a primary that does not exist is to be made anew."""
    down = worlds.a_workload(OLD, readiness=worlds.unready(), available=0)
    applied = resting(Phase.FAILED, applied=NEW, promoted=OLD)
    decision = tables.decision(worlds.seen(applied, primary=down))
    assert decision.rule == "primary_down"
    assert decision.state.waiting is not None
    assert decision.state.waiting.reason is WaitReason.PRIMARY_NOT_READY
