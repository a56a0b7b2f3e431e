"""The rules that hold a rollout whose manifest is not accepted, and which rules win over them.

Design invariant 9: what runs goes on serving, nothing new starts, steps up or is promoted, and
rolling back always works. In every case the manifest as it stands has a blocking problem.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from analysis.effects import Lane
from analysis.findings import Findings
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.state import Acceptance, RolloutState
from analysis.waiting import WaitReason
from config.api.canary import Canary
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import RouteIntent, RouteStage, TrafficSplit
from tests.unit.analysis import tables, worlds
from tests.unit.analysis.tables import Answer, Asks, Decided, Rests
from tests.unit.analysis.worlds import INTERVAL, NEW, NEWER, NOW, OLD

WRONG = worlds.a_problem("spec.provider: smi")
KNOWN = Acceptance(accepted=False, reason=WRONG.reason, message=WRONG.message, since=NOW)
HELD = (
    "cart.shop is not accepted: nothing starts, steps up or is promoted until its manifest "
    "is corrected: spec.provider: smi"
)
RESTORED = "cart-app-primary.shop not found, creating it anew from cart-app.shop"
FAILED = "Canary failed! Scaling down cart.shop"
NOT_READY = "waiting for rollout to finish: x"
SKIPPED = worlds.a_canary(spec={"skipAnalysis": True})
HOOKED = worlds.a_canary(
    webhooks=[{"name": "h0", "type": "pre-rollout", "url": "http://tester.shop/"}]
)
UNREADY = worlds.a_workload(OLD, readiness=worlds.unready())
HOPELESS = worlds.a_workload(NEW, readiness=worlds.unready(retriable=False))
HIDDEN = worlds.a_state(
    Phase.INITIALIZING,
    canary=CanaryScale.LEAVE,
    promoted="",
    route=RouteIntent(5, RouteStage.SERVICES, TrafficSplit.of(0)),
)
PROMOTING = worlds.a_state(
    Phase.PROMOTING,
    60,
    CanaryScale.RUNNING,
    applied=NEW,
    copying=NEW,
    workload=WorkloadIntent(5, CanaryScale.RUNNING, NEW, OLD),
)
DEAD = worlds.a_state(
    Phase.PROMOTION_FAILED,
    100,
    CanaryScale.RUNNING,
    applied=NEW,
    workload=WorkloadIntent(5, CanaryScale.RUNNING, NEW, OLD),
)


def held(state: RolloutState, canary: Canary | None = None, **changes: object) -> Observation:
    """`state` under a manifest that is known not to be accepted; `canary` is the last good one."""
    known = replace(state, acceptance=KNOWN)
    return replace(worlds.seen(known, canary), problems=(WRONG,), **changes)  # type: ignore[arg-type]


def told(rule: str, phase: str, split: str, due: float | None = 300) -> Decided:
    """The answer of a rule that says why it holds."""
    return Decided(rule, phase, split, [HELD], due)


UNCOPIED = replace(worlds.seen(PROMOTING).confirmed, workload_seq=4)
UNROUTED = replace(worlds.seen(PROMOTING).confirmed, route_seq=4)
at_0, at_20, at_60 = (worlds.progressing(weight) for weight in (0, 20, 60))

TABLE: dict[str, tuple[Observation, Findings | None, Answer]] = {
    "nothing is initialized": (
        held(worlds.a_state(Phase.NEW), primary=None),
        None,
        told("hold", "", "100/0"),
    ),
    "a primary that serves nobody yet is made anew": (
        held(HIDDEN, primary=None),
        None,
        Decided("restore_primary", "Initializing", "100/0", [RESTORED]),
    ),
    "a first primary is not mended with another template": (
        held(
            HIDDEN,
            primary=worlds.a_workload(OLD, readiness=worlds.unready(retriable=False)),
        ),
        None,
        told("hold_exposure", "Initializing", "100/0"),
    ),
    "nor are users led to it when it is ready": (
        held(HIDDEN),
        None,
        told("hold_exposure", "Initializing", "100/0"),
    ),
    "users who were led to it stay, and the target is parked": (
        held(worlds.a_state(Phase.INITIALIZING, canary=CanaryScale.LEAVE)),
        None,
        Decided("park_target", "Initializing", "100/0"),
    ),
    "no rollout of a changed target starts": (
        held(worlds.a_state(Phase.SUCCEEDED)),
        None,
        told("hold", "Succeeded", "100/0"),
    ),
    "nor one after a failure": (
        held(worlds.a_state(Phase.FAILED)),
        None,
        told("hold", "Failed", "100/0"),
    ),
    "nor a first one": (
        held(worlds.a_state(Phase.INITIALIZED)),
        None,
        told("hold", "Initialized", "100/0"),
    ),
    "the hooks of the rollout before are called": (
        held(worlds.a_state(Phase.SUCCEEDED, epilogue=True)),
        None,
        Decided(
            "epilogue",
            "Succeeded",
            "100/0",
            ["Promotion completed! Scaling down cart-app.shop"],
            0,
        ),
    ),
    "a deleted primary at rest is made anew": (
        held(worlds.a_state(Phase.SUCCEEDED), target=worlds.a_workload(OLD, 0), primary=None),
        None,
        Decided("restore_primary", "Succeeded", "100/0", [RESTORED]),
    ),
    "a target that equals its primary is settled": (
        held(worlds.a_state(Phase.SUCCEEDED, applied=NEW), target=worlds.a_workload(OLD)),
        None,
        Decided("settle", "Succeeded", "100/0"),
    ),
    "a canary whose target is gone is rolled back": (
        held(at_20, target=None),
        None,
        Decided(
            "target_gone",
            "Failed",
            "100/0",
            ["Rolling back cart.shop deployment cart-app.shop not found", FAILED],
            0,
        ),
    ),
    "a target that is set back calls the rollout off": (
        held(at_20, target=worlds.a_workload(OLD)),
        None,
        Decided(
            "reverted",
            "Failed",
            "100/0",
            ["Rolling back cart.shop target reverted to the promoted revision", FAILED],
            0,
        ),
    ),
    "a newer revision loses the traffic of the one before": (
        held(at_20, target=worlds.a_workload(NEWER)),
        None,
        Decided(
            "revision_changed",
            "Progressing",
            "100/0",
            ["New revision detected! Restarting analysis for cart-app.shop"],
        ),
    ),
    "an unready primary is told before the manifest": (
        held(at_0, primary=UNREADY),
        None,
        Decided(
            "primary_unready",
            "Progressing",
            "100/0",
            [f"cart-app-primary.shop not ready: {NOT_READY}"],
            300,
        ),
    ),
    "a canary past its deadline is rolled back": (
        held(at_0, target=HOPELESS),
        None,
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
    "a ready canary gets no first step": (
        held(at_0),
        None,
        told("hold_traffic", "Progressing", "100/0"),
    ),
    "and its pre-rollout hooks are not called": (
        held(at_0, HOOKED),
        None,
        told("hold_traffic", "Progressing", "100/0"),
    ),
    "one that skips its analysis is not promoted": (
        held(at_0, SKIPPED),
        None,
        told("hold_traffic", "Progressing", "100/0"),
    ),
    "not even when it has traffic": (
        held(at_20, SKIPPED),
        None,
        told("hold_traffic", "Progressing", "80/20"),
    ),
    "a canary with traffic is measured": (
        held(at_20),
        None,
        Asks("halt_on_check", "checks"),
    ),
    "a failed check counts": (
        held(at_20),
        worlds.FAILED,
        Decided("halt_on_check", "Progressing", "80/20", ["Halt cart.shop advancement bad"], 30),
    ),
    "the last one rolls back": (
        held(replace(at_20, failed_checks=2)),
        worlds.FAILED,
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
    "a split that is not in force is told first": (
        held(at_20, confirmed=UNROUTED),
        worlds.PASSED,
        Decided("hold_for_route", "Progressing", "80/20", [], 2),
    ),
    "a passed check earns no step": (
        held(at_20),
        worlds.PASSED,
        told("hold_step", "Progressing", "80/20", 30),
    ),
    "nor the promotion": (
        held(at_60),
        worlds.PASSED,
        told("hold_step", "Progressing", "40/60", 30),
    ),
    "between two checks it is still held": (
        held(
            replace(
                at_20,
                check_at=NOW + timedelta(seconds=9),
                waiting=worlds.a_wait(HELD, WaitReason.NOT_ACCEPTED),
            )
        ),
        None,
        Rests("not_due", 9),
    ),
    "a copy that was not made yet is called off": (
        held(PROMOTING, confirmed=UNCOPIED),
        None,
        told("hold_promotion", "Progressing", "40/60", None),
    ),
    "though not before a newer revision is noticed": (
        held(PROMOTING, confirmed=UNCOPIED, target=worlds.a_workload(NEWER)),
        None,
        Decided(
            "changed_before_copy",
            "Progressing",
            "100/0",
            ["New revision detected! Restarting analysis for cart-app.shop"],
        ),
    ),
    "a promotion that was made is finished": (
        held(PROMOTING, primary=worlds.a_workload(NEW)),
        None,
        Decided("shift", "Finalising", "100/0", ["Routing all traffic to primary"]),
    ),
    "a primary that recovers from a failed promotion gets its traffic": (
        held(DEAD, primary=worlds.a_workload(NEW)),
        None,
        Decided("primary_recovered", "Finalising", "100/0", ["Routing all traffic to primary"]),
    ),
    "one that does not gets no other revision": (
        held(
            DEAD,
            primary=worlds.a_workload(NEW, readiness=worlds.unready(retriable=False)),
            target=worlds.a_workload(NEWER),
        ),
        None,
        told("hold", "PromotionFailed", "0/100"),
    ),
}


def test_an_effect_that_nobody_brings_about_is_told_once_it_is_late() -> None:
    """Also when no writer says what is wrong, as when none runs; not while it is merely on its way.

    Where a writer has said it, its words are told instead.
    """
    state = worlds.a_state(Phase.FINALISING, canary=CanaryScale.RUNNING, applied=NEW)
    told = Decided(
        "await_route", "Finalising", "100/0", ["cart.shop waits for its route to be applied"], 2
    )
    for seconds, answer in ((29, Rests("await_route", 2)), (30, told)):
        since = replace(state, intended_at=NOW - timedelta(seconds=seconds))
        seen = worlds.seen(since, confirmed=UNROUTED, primary=worlds.a_workload(NEW))
        assert tables.answer(seen) == answer
        refused = replace(UNROUTED, troubles={Lane.ROUTE: "forbidden"})
        trouble = replace(since, trouble=worlds.a_wait("forbidden", WaitReason.WRITE_REFUSED))
        known = replace(seen, state=trouble, confirmed=refused)
        assert tables.answer(known) == Rests("await_route", 2)


@pytest.mark.parametrize(("seconds", "pause"), [(0, 2), (2, 2), (4, 4), (8, 8), (29, 10)])
def test_what_no_request_depends_on_is_asked_for_again_the_later_the_longer_it_is_wanted(
    seconds: int, pause: int
) -> None:
    """A lost message is made up for in 2 s; a queue in which thousands wait is not made longer.

    A route that requests depend on is asked for every 2 s, as in the test before.
    """
    since = NOW - timedelta(seconds=seconds)
    state = replace(worlds.a_state(Phase.INITIALIZING), intended_at=since)
    seen = worlds.seen(state, confirmed=UNROUTED, primary=worlds.a_workload(OLD))
    assert tables.answer(seen) == Rests("await_route", pause)


def test_each_new_intent_is_given_its_own_time() -> None:
    """The state knows when traffic or workloads were decided last."""
    step = tables.decision(worlds.seen(at_20), worlds.PASSED).state
    check = tables.decision(worlds.seen(at_20), worlds.FAILED).state
    assert (step.intended_at, check.intended_at) == (NOW, None)


@pytest.mark.parametrize(("seen", "found", "expected"), TABLE.values(), ids=TABLE)
def test_a_canary_whose_manifest_is_not_accepted(
    seen: Observation, found: Findings | None, expected: Answer
) -> None:
    """Each world has one answer, given by one rule of the composed chain."""
    assert tables.answer(seen, found) == expected


def test_a_promotion_that_is_called_off_is_measured_again_an_interval_later() -> None:
    """The primary is not to get the revision; that a copy may be under way is remembered."""
    state = tables.decision(held(PROMOTING, confirmed=UNCOPIED)).state
    assert state.workload == WorkloadIntent(6, CanaryScale.RUNNING, "", OLD)
    assert (state.check_at, state.copying, state.since) == (NOW + INTERVAL, NEW, NOW)


def test_the_wait_ends_in_the_decision_that_accepts_the_manifest() -> None:
    """Nobody reads of a wait that is over; any other wait goes on."""
    waiting = worlds.a_wait(HELD, WaitReason.NOT_ACCEPTED)
    mended = replace(at_20, acceptance=KNOWN, waiting=waiting)
    decision = tables.decision(worlds.seen(mended))
    assert (decision.rule, decision.state.waiting) == ("acceptance", None)
    other = replace(at_20, acceptance=KNOWN, waiting=worlds.a_wait())
    assert tables.decision(worlds.seen(other)).state.waiting == worlds.a_wait()
