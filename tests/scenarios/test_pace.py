"""Whole rollouts with options of the pace, and gates that are nudged. None of them is Flagger's."""

from datetime import timedelta
from typing import Any, Final

import pytest

from analysis.findings import Absent, Measurement
from analysis.metrics.checks import Check
from analysis.verdicts import Reason, Verdict
from clients.kube import resources
from config.traffic import TrafficSplit
from tests.scenarios.test_gates import gated, open_gate, phase, waiting
from tests.stage import measuring, rollouts
from tests.stage.rollouts import BEGINNING, ENDING, FAILED, INTERVAL, LONG, NEW, READINESS
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

PATIENT: Final = {
    "name": "request-success-rate",
    "thresholdRange": {"min": 99},
    "onError": "hold",
}


def nudge(stage: Stage, value: str) -> None:
    """A gate service says that it has opened."""
    stage.edit(
        resources.CANARIES, REF.name, {"metadata": {"annotations": {"coalmine.dev/nudge": value}}}
    )


def test_a_gate_that_opens_and_nudges_is_noticed_at_once() -> None:
    """Neither an interval later nor by a shorter one: each nudge is one more call."""
    stage = waiting(interval="10m")
    called = len(stage.hooks.called)
    open_gate(stage, "start")
    stage.wait(timedelta(seconds=30))
    assert (len(stage.hooks.called), stage.phase()) == (called, "Waiting")
    nudge(stage, "1")
    stage.settle()
    assert (len(stage.hooks.called), stage.phase()) == (called + 1, "Progressing")
    stage.wait(timedelta(seconds=30))
    assert len(stage.hooks.called) == called + 1


def test_a_nudge_of_a_promotion_that_waits_is_a_check_of_its_own() -> None:
    """The promotion follows at once, measured in that moment."""
    stage = gated("confirm-promotion", interval="10m", stepWeight=60)
    stage.release("cart:2")
    phase(stage, "WaitingPromotion")
    open_gate(stage, "end")
    measured, at = len(stage.meters.asked), stage.clock.now()
    nudge(stage, "1")
    stage.run(lambda on: on.phase() not in {"WaitingPromotion", "Progressing"}, within=LONG)
    assert stage.clock.now() - at <= timedelta(seconds=1)
    assert len(stage.meters.asked) > measured


def undecided(check: Check) -> Measurement:
    """The metrics server does not answer."""
    return Absent(Verdict.ERROR, Reason.UNREACHABLE, f"{check.metric}: it does not answer")


def nudged_thrice(stage: Stage) -> Stage:
    """Three nudges in three seconds."""
    for value in "abc":
        nudge(stage, value)
        stage.wait(timedelta(seconds=1))
    return stage


@pytest.mark.parametrize("mode", ["cumulative", "consecutive"])
def test_nudges_spend_no_failed_checks(mode: str) -> None:
    """A canary that is bad beside its closed gate fails as often as it is checked in time."""
    stage = gated("confirm-promotion", interval="10m", stepWeight=60, thresholdMode=mode)
    stage.release("cart:2")
    phase(stage, "WaitingPromotion")
    at = stage.clock.now()
    stage.meters.source = measuring.failing
    nudged_thrice(stage)
    assert (stage.phase(), stage.state.failed_checks) == ("WaitingPromotion", 0)
    stage.run(lambda on: on.state.failed_checks == 1, within=LONG)
    assert stage.clock.now() - at == timedelta(minutes=10)
    nudged_thrice(stage)
    assert (stage.phase(), stage.state.failed_checks) == ("WaitingPromotion", 1)
    rollouts.rolled_back(rollouts.finish(stage))
    assert stage.clock.now() - at < timedelta(minutes=31)


def test_a_good_look_at_a_closed_gate_forgives_no_failed_checks() -> None:
    """What is consecutive are the checks of the intervals: nudges are not among them."""
    stage = gated("confirm-promotion", interval="10m", stepWeight=60, thresholdMode="consecutive")
    stage.release("cart:2")
    phase(stage, "WaitingPromotion")
    stage.meters.source = measuring.failing
    stage.run(lambda on: on.state.failed_checks == 1, within=LONG)
    stage.meters.source = measuring.healthy
    asked = len(stage.meters.asked)
    nudged_thrice(stage)
    assert len(stage.meters.asked) > asked
    assert stage.state.failed_checks == 1
    stage.run(lambda on: on.state.failed_checks == 0, within=timedelta(minutes=10))


def test_a_step_that_a_nudge_brought_early_is_given_its_interval() -> None:
    """The look that took it was the check of its interval."""
    stage = gated("confirm-traffic-increase", closed=False, interval="10m")
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.hooks.refusing.add("more")
    stage.run(lambda on: on.condition("Waiting").get("status") == "True", within=LONG)
    stage.wait(timedelta(minutes=8))
    open_gate(stage, "more")
    at = stage.clock.now()
    nudge(stage, "1")
    rollouts.at_weight(stage, 40)
    assert stage.clock.now() - at <= timedelta(seconds=1)
    rollouts.at_weight(stage, 60)
    assert timedelta(minutes=10) <= stage.clock.now() - at <= timedelta(minutes=10, seconds=1)


def test_nudges_put_off_no_check() -> None:
    """Nor do they hide a bad canary, however many there are."""
    stage = gated("confirm-traffic-increase", interval="60s")
    open_gate(stage, "more")
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.hooks.refusing.add("more")
    stage.run(lambda on: on.condition("Waiting").get("status") == "True", within=LONG)
    at = stage.clock.now()
    stage.meters.source = measuring.failing
    for value in range(60):
        nudge(stage, str(value))
        stage.wait(timedelta(seconds=5))
        if rollouts.ended(stage):
            break
    assert stage.clock.now() - at < timedelta(seconds=190)
    rollouts.rolled_back(rollouts.finish(stage))


def test_nudges_of_a_gate_that_takes_long_to_answer_spend_no_failed_checks() -> None:
    """The check before the call was made already; the next one is made in time."""
    stage = gated("confirm-traffic-increase", closed=False, interval="10m")
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.hooks.mute = True
    stage.run(lambda on: bool(on.late), within=LONG)
    at = stage.clock.now()
    stage.meters.source = measuring.failing
    nudged_thrice(stage)
    assert (stage.split, stage.state.failed_checks) == (TrafficSplit.of(20), 0)
    stage.run(lambda on: on.state.failed_checks == 1, within=LONG)
    assert timedelta(minutes=9) < stage.clock.now() - at <= timedelta(minutes=11)


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_nudge_that_finds_nothing_out_takes_no_later_one_its_effect(is_silent: bool) -> None:
    """Whoever opens the gate after it, and nudges once more, is heard at once."""
    stage = gated("confirm-traffic-increase", closed=False, interval="10m", metrics=[PATIENT])
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.hooks.refusing.add("more")
    stage.hooks.mute = is_silent
    stage.run(lambda on: bool(on.late or on.state.waiting), within=LONG)
    stage.wait(timedelta(minutes=3))
    stage.meters.source = undecided
    nudged_thrice(stage)
    stage.meters.source, stage.hooks.mute = measuring.healthy, False
    open_gate(stage, "more")
    nudge(stage, "2")
    stage.wait(timedelta(seconds=1))
    assert stage.split == TrafficSplit.of(40)


@pytest.mark.parametrize("kind", ["confirm-traffic-increase", "confirm-promotion"])
def test_an_early_look_that_is_undecided_leaves_the_wait_for_the_gate(kind: str) -> None:
    """The status goes on naming the gate, with its time: a deadline is not put off by nudges."""
    options = {"interval": "10m", "stepWeight": 60, "gateDeadline": "15m"}
    stage = gated(kind, closed=False, metrics=[PATIENT], **options)
    stage.release("cart:2")
    rollouts.at_weight(stage, 60)
    stage.hooks.refusing |= {"more", "end"}
    stage.run(lambda on: on.condition("Waiting").get("status") == "True", within=LONG)
    closed, told = stage.clock.now(), stage.condition("Waiting")
    stage.wait(timedelta(minutes=3))
    stage.meters.source = undecided
    nudged_thrice(stage)
    assert stage.condition("Waiting") == told
    assert "it does not answer" in stage.texts()[-1]
    stage.meters.source = measuring.healthy
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    assert stage.clock.now() - closed == timedelta(minutes=15)


@pytest.mark.parametrize("kind", ["confirm-rollout", "confirm-traffic-increase"])
def test_a_gate_that_is_closed_for_too_long_ends_the_rollout(kind: str) -> None:
    """Not at its interval but when the deadline is over; the revision has failed."""
    stage = gated(kind, gateDeadline="100s", interval="60s")
    stage.release("cart:2")
    stage.run(lambda on: on.condition("Waiting").get("status") == "True", within=LONG)
    closed = stage.clock.now()
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    assert stage.clock.now() - closed == timedelta(seconds=100)
    rollouts.rolled_back(rollouts.finish(stage))
    assert rollouts.told(stage)[-2:] == [
        "Rolling back cart.shop gate deadline exceeded 1m40s",
        FAILED,
    ]


def test_a_newer_release_has_the_whole_deadline_of_its_gate() -> None:
    """It has waited for nothing before; the one that it replaced is called off by nobody."""
    stage = waiting(gateDeadline="100s")
    stage.wait(timedelta(seconds=80))
    stage.release("cart:3")
    released = stage.clock.now()
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    assert timedelta(0) <= stage.clock.now() - released - timedelta(seconds=100) <= INTERVAL
    rollouts.rolled_back(rollouts.finish(stage))


def test_a_gate_that_opens_in_time_has_no_deadline_any_more() -> None:
    """Nor has the rollout after it."""
    stage = waiting(gateDeadline="100s")
    open_gate(stage, "start")
    rollouts.succeeded(rollouts.finish(stage))


def paced(**analysis: Any) -> Stage:
    """A release to a canary with these options."""
    stage = initialized(a_manifest(**analysis))
    stage.release("cart:2")
    return stage


def test_a_rollout_that_lasts_too_long_is_rolled_back() -> None:
    """Counted from its beginning, whatever it waits for."""
    stage = paced(maxDuration="80s")
    began = stage.clock.now()
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    assert stage.clock.now() - began == timedelta(seconds=80)
    rollouts.rolled_back(rollouts.finish(stage))
    assert rollouts.told(stage)[-2:] == [
        "Rolling back cart.shop maximum duration exceeded 1m20s",
        FAILED,
    ]


def test_some_steps_are_looked_at_for_longer() -> None:
    """Measured at every interval; the others last one."""
    stage = paced(stepDurations=["0s", "2m"])
    rollouts.at_weight(stage, 40)
    at, measured = stage.clock.now(), len(stage.meters.asked)
    rollouts.at_weight(stage, 60)
    assert timedelta(minutes=2) <= stage.clock.now() - at <= timedelta(minutes=2) * 1.05
    assert len(stage.meters.asked) - measured == 4
    at = stage.clock.now()
    rollouts.finish(stage)
    assert rollouts.told(stage) == [*BEGINNING, *rollouts.advance(20, 40, 60), *ENDING]
    rollouts.succeeded(stage)


def test_a_longer_step_lasts_as_long_although_redis_is_emptied() -> None:
    """It begins anew: longer, never shorter."""
    stage = paced(stepDurations=["0s", "2m"])
    rollouts.at_weight(stage, 40)
    stage.wait(timedelta(seconds=70))
    stage.bag.messages.clear()
    stage.forget_everything()
    stage.run(lambda on: bool(on.store.read(REF).state), within=LONG)
    lost = stage.clock.now()
    rollouts.at_weight(stage, 60)
    assert stage.clock.now() - lost >= timedelta(minutes=2) * 0.9
    rollouts.succeeded(rollouts.finish(stage))


def test_a_canary_runs_without_traffic_before_its_first_step() -> None:
    """From when its pods are ready; nothing is asked before."""
    stage = gated("pre-rollout", initialDelay="90s")
    released = stage.clock.now()
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    assert stage.clock.now() - released >= timedelta(seconds=90) + READINESS
    assert stage.hooks.called == ["smoke"]
    rollouts.succeeded(rollouts.finish(stage))


def test_a_look_in_between_does_not_cut_the_delay_short() -> None:
    """Pods that flap, or an annotation, have the canary looked at; it waits on."""
    stage = paced(initialDelay="10m")
    stage.wait(timedelta(minutes=1))
    due = stage.state.check_at
    for number, pods in enumerate((1, 2, 1, 2)):
        stage.kubelet.few["cart-app"] = pods
        nudge(stage, str(number))
        stage.wait(timedelta(minutes=1))
    assert (stage.state.check_at, stage.split) == (due, TrafficSplit(100, 0))
    rollouts.at_weight(stage, 20)
    assert due is not None
    assert stage.clock.now() >= due


def test_the_revision_before_goes_back_without_analysis_within_its_window() -> None:
    """Its pods are waited for, its traffic moves at once; nothing is measured."""
    stage = rollouts.finish(paced(rollbackWindow="1h"))
    rollouts.succeeded(stage)
    measured = len(stage.meters.asked)
    stage.release("cart:1")
    rollouts.finish(stage)
    rollouts.succeeded(stage, "cart:1")
    assert len(stage.meters.asked) == measured
    assert max(stage.weights[len(stage.weights) - 1 :]) == 0
    assert rollouts.told(stage)[-5:] == [
        "cart-app.shop is back at the revision before, no analysis is needed",
        NEW,
        *ENDING[:2],
        "Promotion completed! Canary analysis was skipped for cart-app.shop",
    ]


@pytest.mark.parametrize("image", ["cart:1", "cart:3"])
def test_after_the_window_and_for_any_other_revision_the_analysis_is_made(image: str) -> None:
    """A way back is not open for ever, nor for everybody."""
    stage = rollouts.finish(paced(rollbackWindow="10m"))
    if image == "cart:1":
        stage.wait(timedelta(minutes=10))
    stage.release(image)
    stage.run(lambda on: on.split == TrafficSplit.of(20), within=LONG)
    rollouts.succeeded(rollouts.finish(stage), image)


def test_no_option_is_on_by_default() -> None:
    """The plain manifest takes its intervals and nothing else."""
    stage = paced()
    began = stage.clock.now()
    rollouts.finish(stage)
    rollouts.succeeded(stage)
    took = 3 * INTERVAL + 2 * READINESS
    assert stage.clock.now() - began <= took * 1.05 + timedelta(seconds=10)
