"""Rollouts with gates and rollback hooks (lifecycle 7, 9, 10.4, 21, 22; webhooks 1).

A gate is opened and closed by its name in `stage.hooks.refusing`. What each answer leads to is in
tests/unit/analysis/rules/test_gates.py; here are whole rollouts, and what befalls them.
"""

from datetime import timedelta
from typing import Any, Final

import pytest

from clients.kube import resources
from config.refs import CanaryRef
from config.traffic import TrafficSplit
from tests.stage import fleet, measuring, rollouts
from tests.stage.rollouts import (
    BEGINNING,
    COPYING,
    ENDING,
    FAILED,
    INTERVAL,
    LONG,
    NEW,
    RESTARTING,
    STARTING,
)
from tests.stage.stage import REF, Late, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

WAITS: Final = "Halt cart.shop advancement waiting for approval start"
PASSED: Final = "Confirm-rollout check start passed"
MORE: Final = "Halt cart.shop advancement waiting for traffic increase approval more"
MORE_PASSED: Final = "Confirm-traffic-increase check more passed"
END: Final = "Halt cart.shop advancement waiting for promotion approval end"
END_PASSED: Final = "Confirm-promotion check end passed"
CALLED_OFF: Final = [
    "Rollback check off passed",
    "Rolling back cart.shop manual webhook invoked",
    FAILED,
]
SILENT: Final = "Rollback hook off not signaling a rollback"
NAMES: Final = {
    "confirm-rollout": "start",
    "confirm-traffic-increase": "more",
    "confirm-promotion": "end",
    "rollback": "off",
    "pre-rollout": "smoke",
    "rollout": "load",
    "post-rollout": "report",
}


def gated(*kinds: str, closed: bool = True, **analysis: Any) -> Stage:
    """An initialized canary with a hook of each of `kinds`; all its gates are `closed`.

    Rollback hooks signal nothing.
    """
    webhooks = [{"name": NAMES[kind], "type": kind, "url": "http://gate.shop/"} for kind in kinds]
    stage = initialized(a_manifest(webhooks=webhooks, **analysis))
    gates = {"start", "more", "end"} if closed else set[str]()
    stage.hooks.refusing = gates | {"off"}
    return stage


def phase(stage: Stage, wanted: str) -> Stage:
    """`stage`, gone on until the status shows the phase."""
    stage.run(lambda on: on.phase() == wanted, within=LONG)
    return stage


def open_gate(stage: Stage, name: str) -> None:
    """Somebody opens a gate."""
    stage.hooks.refusing.discard(name)


# -- before a rollout


def waiting(*more: str, **analysis: Any) -> Stage:
    """A release that waits for its approval."""
    stage = gated("confirm-rollout", *more, **analysis)
    stage.release("cart:2")
    return phase(stage, "Waiting")


def test_a_release_waits_for_its_approval_and_is_rolled_out_then() -> None:
    """Nothing is scaled up before; the gate is asked at the interval and told once (7)."""
    stage = waiting()
    assert rollouts.told(stage) == [WAITS]
    promoted = stage.condition("Promoted")
    assert {key: promoted[key] for key in ("status", "reason", "message")} == {
        "status": "Unknown",
        "reason": "Waiting",
        "message": "Waiting for approval.",
    }
    assert stage.condition("Waiting")["reason"] == "RolloutNotConfirmed"
    asked = len(stage.hooks.called)
    stage.wait(4 * INTERVAL)
    assert len(stage.hooks.called) - asked == 4
    assert (rollouts.replicas(stage), stage.weights) == (0, [0])

    open_gate(stage, "start")
    rollouts.finish(stage)
    assert rollouts.told(stage) == [
        WAITS,
        PASSED,
        *BEGINNING,
        *rollouts.advance(20, 40, 60),
        *ENDING,
    ]
    assert stage.status["failedChecks"] == 0
    rollouts.succeeded(stage)


def test_a_gate_that_stays_closed_is_told_every_five_minutes() -> None:
    """One event, counted up, as with everything that is waited for."""
    stage = waiting()
    stage.wait(timedelta(minutes=16))
    (event,) = [
        each for each in stage.kube.list(resources.EVENTS).items if each["message"] == WAITS
    ]
    assert event["count"] == 4


def test_a_gate_that_cannot_be_asked_is_told_with_the_reason() -> None:
    """It counts as closed, and opening it would not help."""
    stage = gated("confirm-rollout", closed=False)
    stage.hooks.away = {"start"}
    stage.release("cart:2")
    phase(stage, "Waiting")
    silent = f"no answer from start: {measuring.REFUSED}"
    assert rollouts.told(stage) == [WAITS, silent]
    assert stage.condition("Waiting")["message"].startswith(f"{WAITS}; {silent} (open the gate;")
    stage.hooks.away, stage.hooks.refusing = set(), {"start"}
    stage.wait(INTERVAL)
    assert stage.condition("Waiting")["message"].startswith(f"{WAITS} (open the gate;")
    open_gate(stage, "start")
    rollouts.succeeded(rollouts.finish(stage))


def test_a_gate_that_is_closed_for_hours_does_not_push_out_what_led_to_it() -> None:
    """The timeline has room for some hundred decisions, and a gate is asked at every interval."""
    stage = gated("rollout", "confirm-promotion")
    stage.hooks.refusing = {"end"}
    stage.release("cart:2")
    phase(stage, "WaitingPromotion")
    before = [entry["reason"] for entry in stage.store.timeline(REF, 1000)]
    stage.wait(timedelta(hours=1))
    entries = stage.store.timeline(REF, 1000)
    reasons = [entry["reason"] for entry in entries]
    assert reasons[: len(before)] == before
    assert len(reasons) < len(before) + 6
    assert entries[-1]["at"] > (stage.clock.now() - 2 * INTERVAL).isoformat()


def test_an_open_gate_costs_no_phase() -> None:
    """The release starts at once; the gate is called once."""
    stage = gated("confirm-rollout", closed=False)
    stage.release("cart:2")
    rollouts.finish(stage)
    assert rollouts.told(stage)[:2] == [PASSED, NEW]
    assert stage.hooks.called == ["start"]


def test_the_approval_of_a_release_is_not_that_of_the_next_one() -> None:
    """Whatever is current when the gate opens is rolled out, and its own checksum was approved."""
    stage = waiting()
    stage.hooks.mute = True
    stage.run(lambda on: bool(on.late), within=LONG)
    open_gate(stage, "start")
    stage.hooks.mute = False
    late = stage.late[0]
    stage.release("cart:3")
    stage.settle()
    stage.answer(late)
    rollouts.finish(stage)
    rollouts.succeeded(stage, "cart:3")
    assert rollouts.told(stage).count(NEW) == 1


def test_a_release_that_is_taken_back_waits_no_more() -> None:
    """The canary is at rest as before, and the next release is asked for anew (D-45)."""
    stage = waiting()
    stage.release("cart:1")
    phase(stage, "Initialized")
    stage.wait(2 * INTERVAL)
    asked = len(stage.hooks.called)
    stage.wait(2 * INTERVAL)
    assert len(stage.hooks.called) == asked
    assert stage.condition("Waiting")["status"] == "False"

    stage.release("cart:2")
    phase(stage, "Waiting")
    assert len(stage.hooks.called) == asked + 1


def test_skip_analysis_waits_for_its_approval_too() -> None:
    """The start gate still applies (14); of the others none is asked."""
    stage = gated("confirm-rollout", "confirm-promotion", "rollback", "pre-rollout")
    stage.edit_canary(skipAnalysis=True)
    stage.release("cart:2")
    phase(stage, "Waiting")
    open_gate(stage, "start")
    rollouts.finish(stage)
    assert set(stage.hooks.called) == {"start"}
    rollouts.succeeded(stage)


def test_a_release_that_waits_is_called_off_by_a_rollback_hook() -> None:
    """D-63: as the documentation of Flagger promises; the revision counts as failed."""
    stage = waiting("rollback", "post-rollout")
    open_gate(stage, "off")
    rollouts.finish(stage)
    assert rollouts.told(stage) == [WAITS, *CALLED_OFF, "Post-rollout check report passed"]
    rollouts.rolled_back(stage)
    assert rollouts.replicas(stage) == 0


def test_a_rollback_hook_beside_a_closed_gate_lets_both_be_asked_at_the_interval() -> None:
    """Neither takes the place of the other: the gate is heard when it opens."""
    stage = waiting("rollback")
    stage.hooks.called.clear()
    stage.wait(3 * INTERVAL)
    assert stage.hooks.called == ["off", "start"] * 3
    open_gate(stage, "start")
    rollouts.succeeded(rollouts.finish(stage))


def test_a_newer_release_beside_a_rollback_hook_is_approved_by_itself() -> None:
    """The answer about the former one settles nothing for it."""
    stage = waiting("rollback")
    stage.release("cart:3")
    stage.wait(INTERVAL)
    assert stage.phase() == "Waiting"
    open_gate(stage, "start")
    rollouts.succeeded(rollouts.finish(stage), "cart:3")


def test_a_release_that_waits_survives_the_loss_of_redis() -> None:
    """It goes on waiting, and is not started by what was said before."""
    stage = waiting()
    stage.bag.messages.clear()
    stage.forget_everything()
    stage.wait(2 * INTERVAL)
    assert (stage.phase(), rollouts.replicas(stage)) == ("Waiting", 0)
    open_gate(stage, "start")
    rollouts.succeeded(rollouts.finish(stage))


def test_a_suspended_canary_asks_no_gate() -> None:
    """Nor does it start what was approved meanwhile, before it is resumed."""
    stage = waiting()
    stage.edit_canary(suspend=True)
    stage.settle()
    asked = len(stage.hooks.called)
    open_gate(stage, "start")
    stage.wait(3 * INTERVAL)
    assert (len(stage.hooks.called), stage.phase()) == (asked, "Waiting")
    stage.edit_canary(suspend=False)
    rollouts.succeeded(rollouts.finish(stage))


def test_a_canary_that_is_deleted_while_it_waits_asks_nothing_more() -> None:
    """Nothing of it is left to be called."""
    stage = waiting()
    stage.kube.delete(resources.CANARIES, REF.namespace, REF.name)
    stage.settle()
    asked = len(stage.hooks.called)
    stage.wait(3 * INTERVAL)
    assert len(stage.hooks.called) == asked


def test_the_database_migration_of_the_article_is_a_start_gate() -> None:
    """Article 000: no pod of the release starts before the migration; `confirm-rollout` does it.

    Its own manifest says pre-rollout, which comes after the pods and before the traffic.
    """
    stage = waiting("pre-rollout")
    assert rollouts.replicas(stage) == 0
    open_gate(stage, "start")
    stage.hooks.refusing.add("smoke")
    phase(stage, "Progressing")
    stage.run(lambda on: on.status.get("failedChecks") == 1, within=LONG)
    assert (rollouts.replicas(stage), stage.weights) == (2, [0])
    open_gate(stage, "smoke")
    rollouts.succeeded(rollouts.finish(stage))


# -- before a step


def test_no_step_is_taken_while_the_gate_of_traffic_is_closed() -> None:
    """It is asked with each check, costs none, and is told once (10.1)."""
    stage = gated("confirm-traffic-increase")
    stage.release("cart:2")
    stage.run(lambda on: MORE in on.texts(), within=LONG)
    stage.wait(4 * INTERVAL)
    assert (stage.weights, stage.status["failedChecks"]) == ([0], 0)

    open_gate(stage, "more")
    rollouts.at_weight(stage, 20)
    stage.hooks.refusing.add("more")
    stage.wait(3 * INTERVAL)
    assert stage.split == TrafficSplit.of(20)
    open_gate(stage, "more")
    rollouts.finish(stage)
    assert rollouts.told(stage) == [
        NEW,
        STARTING,
        MORE,
        MORE_PASSED,
        *rollouts.advance(20),
        MORE,
        MORE_PASSED,
        *rollouts.advance(40),
        MORE_PASSED,
        *rollouts.advance(60),
        MORE_PASSED,
        *ENDING,
    ]
    rollouts.succeeded(stage)


def test_steps_behind_open_gates_come_at_the_interval() -> None:
    """A gate that answers at once costs no time."""
    stage = gated("confirm-traffic-increase", "confirm-promotion", "rollback", closed=False)
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    began = stage.clock.now()
    stage.run(lambda on: COPYING in on.texts(), within=LONG)
    assert stage.clock.now() - began <= 3 * INTERVAL * 1.05


def test_a_bad_canary_is_rolled_back_while_its_gate_is_silent() -> None:
    """A gate that takes for ever to answer keeps nobody from measuring."""
    stage = rollouts.at_weight(gated_and_released("confirm-traffic-increase"), 20)
    stage.hooks.mute = True
    stage.run(lambda on: bool(on.late), within=LONG)
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    rollouts.rolled_back(stage)
    assert stage.texts()[-2:] == [
        "Rolling back cart.shop failed checks threshold reached 3",
        FAILED,
    ]


def gated_and_released(*kinds: str, **analysis: Any) -> Stage:
    """A release with hooks of these kinds, whose gates are open."""
    stage = gated(*kinds, closed=False, **analysis)
    stage.release("cart:2")
    return stage


def test_a_gate_that_answers_after_many_intervals_lets_the_step_be_taken() -> None:
    """Its call is neither made anew nor forgotten; good checks meanwhile take no step."""
    stage = rollouts.at_weight(gated_and_released("confirm-traffic-increase"), 20)
    called = len(stage.hooks.called)
    stage.hooks.mute = True
    stage.run(lambda on: bool(on.late), within=LONG)
    late = stage.late[0]
    for _ in range(100):
        stage.wait(timedelta(seconds=2))
        assert stage.store.renew_call(late[0], timedelta(seconds=8))
    assert (stage.split, len(stage.hooks.called)) == (TrafficSplit.of(20), called + 1)
    stage.hooks.mute = False
    assert stage.answer(late)
    stage.settle()
    assert stage.split == TrafficSplit.of(40)
    rollouts.succeeded(rollouts.finish(stage))


# -- before the promotion


def held(*more: str, **analysis: Any) -> Stage:
    """A rollout whose promotion waits for its approval."""
    stage = gated("confirm-promotion", *more, **analysis)
    stage.release("cart:2")
    return phase(stage, "WaitingPromotion")


def hanging(stage: Stage) -> Late:
    """The gate of `stage` that takes long from now on; all other hooks answer."""
    stage.hooks.mute = True
    gates: list[Late] = []

    def is_asked(on: Stage) -> bool:
        gates.extend(late for late in answered(on) if late[1].name == "more")
        return bool(gates)

    stage.run(is_asked, within=LONG)
    return gates[0]


def answered(stage: Stage) -> list[Late]:
    """Lets all hooks that are being called answer, but for gates: these are given back."""
    gates: list[Late] = []
    while stage.late:
        late = stage.late.pop(0)
        if late[1].name == "more":
            gates.append(late)
        else:
            stage.answer(late)
            stage.settle()
    return gates


def hang(stage: Stage, gate: Late, span: timedelta) -> None:
    """The gate takes so long, and its worker lives."""
    end = stage.clock.now() + span
    while stage.clock.now() < end:
        stage.wait(timedelta(seconds=2))
        assert not answered(stage), "the gate is called once more"
        stage.store.renew_call(gate[0], timedelta(seconds=8))


@pytest.mark.parametrize("intervals", [0, 5])
def test_a_rollback_hook_is_heard_while_a_gate_takes_long(intervals: int) -> None:
    """At the next check: a gate that hangs delays no rollback."""
    stage = rollouts.at_weight(gated_and_released("confirm-traffic-increase", "rollback"), 20)
    gate = hanging(stage)
    hang(stage, gate, intervals * INTERVAL)
    assert (stage.split, stage.phase()) == (TrafficSplit.of(20), "Progressing")
    stage.hooks.refusing.discard("off")
    hang(stage, gate, INTERVAL + timedelta(seconds=4))
    stage.settle()
    assert rollouts.told(stage)[-3:] == CALLED_OFF
    rollouts.rolled_back(stage)


def test_rollback_hooks_are_asked_once_per_interval_while_a_gate_takes_long() -> None:
    """They signal nothing, the checks are good, and the gate's answer lets the step be taken."""
    stage = rollouts.at_weight(gated_and_released("confirm-traffic-increase", "rollback"), 20)
    gate = hanging(stage)
    before, asked = stage.hooks.called.count("off"), len(stage.meters.asked)
    hang(stage, gate, 6 * INTERVAL)
    assert 5 <= stage.hooks.called.count("off") - before <= 6
    assert 5 <= len(stage.meters.asked) - asked <= 6
    assert (stage.split, stage.status["failedChecks"]) == (TrafficSplit.of(20), 0)

    stage.hooks.mute = False
    assert stage.answer(gate)
    rollouts.succeeded(rollouts.finish(stage))


def test_a_bad_canary_is_rolled_back_while_gate_and_rollback_hook_are_asked() -> None:
    """Beside the rollback hooks the checks are made."""
    stage = rollouts.at_weight(gated_and_released("confirm-traffic-increase", "rollback"), 20)
    gate = hanging(stage)
    stage.meters.source = measuring.failing
    hang(stage, gate, 4 * INTERVAL)
    assert stage.phase() == "Failed"
    assert "Rolling back cart.shop failed checks threshold reached 3" in stage.texts()


def test_a_slow_gate_delays_no_other_canary() -> None:
    """One whose gate hangs stays where it is; another is released as fast as if it were alone."""
    other = CanaryRef(REF.namespace, "till")

    def beside(stage: Stage) -> Stage:
        fleet.deployed(stage, a_manifest(), [other.name])
        stage.run(lambda on: on.phase(other) == "Initialized", within=timedelta(minutes=1))
        return stage

    def took(stage: Stage) -> timedelta:
        began = stage.clock.now()
        fleet.released(stage, [other.name])
        while stage.phase(other) != "Succeeded":
            answered(stage)
            stage.wait(timedelta(seconds=2))
        return stage.clock.now() - began

    alone = took(beside(Stage()))
    stage = beside(gated("confirm-traffic-increase", "rollback", closed=False))
    stage.release("cart:2")
    hanging(rollouts.at_weight(stage, 20))
    assert took(stage) <= alone + timedelta(seconds=2)
    assert (stage.split, stage.phase()) == (TrafficSplit.of(20), "Progressing")


def test_a_promotion_waits_for_its_approval_with_the_traffic_it_has() -> None:
    """D-22, D-96: asked at every interval, shown with its real weight and number of iterations."""
    stage = held()
    measured, asked = len(stage.meters.asked), len(stage.hooks.called)
    stage.wait(4 * INTERVAL)
    assert len(stage.hooks.called) - asked == 4
    assert len(stage.meters.asked) - measured == 4
    assert stage.split == TrafficSplit.of(60)
    shown = {key: stage.status[key] for key in ("canaryWeight", "iterations", "failedChecks")}
    assert shown == {"canaryWeight": 60, "iterations": 0, "failedChecks": 0}

    open_gate(stage, "end")
    rollouts.finish(stage)
    assert rollouts.told(stage) == [
        *BEGINNING,
        *rollouts.advance(20, 40, 60),
        END,
        END_PASSED,
        *ENDING,
    ]
    rollouts.succeeded(stage)


def test_a_canary_that_turns_bad_while_its_promotion_waits_is_rolled_back() -> None:
    """In WaitingPromotion analysis continues and can roll back (9)."""
    stage = held()
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    rollouts.rolled_back(stage)


def test_a_newer_release_starts_again_while_the_promotion_of_the_former_waits() -> None:
    """Whose approval is asked for anew at the end; the former is never promoted (6.4)."""
    stage = held()
    stage.release("cart:3")
    stage.run(lambda on: RESTARTING in on.texts(), within=LONG)
    phase(stage, "WaitingPromotion")
    open_gate(stage, "end")
    rollouts.succeeded(rollouts.finish(stage), "cart:3")


def test_a_target_set_back_while_its_promotion_waits_calls_the_rollout_off() -> None:
    """D-44, in this phase too."""
    stage = held()
    stage.release("cart:1")
    rollouts.rolled_back(rollouts.finish(stage))


def test_a_promotion_that_waits_survives_the_loss_of_redis() -> None:
    """With its traffic, its phase, and the gate that it waits for."""
    stage = held()
    stage.bag.messages.clear()
    stage.forget_everything()
    stage.run(lambda on: bool(on.store.read(REF).state), within=LONG)
    stage.wait(2 * INTERVAL)
    assert (stage.phase(), stage.split) == ("WaitingPromotion", TrafficSplit.of(60))
    open_gate(stage, "end")
    rollouts.succeeded(rollouts.finish(stage))


def test_a_promotion_that_waits_is_called_off_by_a_rollback_hook() -> None:
    """Within an interval of its answering well (22.2)."""
    stage = held("rollback")
    open_gate(stage, "off")
    rollouts.finish(stage)
    assert rollouts.told(stage)[-4:] == [END, *CALLED_OFF]
    rollouts.rolled_back(stage)


@pytest.mark.parametrize("weight", [0, 20, 60])
def test_a_rollback_hook_calls_a_rollout_off_at_any_weight(weight: int) -> None:
    """However good the canary is; that it signals nothing is told once, at the beginning."""
    stage = gated("rollback")
    if weight == 0:
        open_gate(stage, "off")
    stage.release("cart:2")
    if weight:
        rollouts.at_weight(stage, weight)
        open_gate(stage, "off")
    rollouts.finish(stage)
    assert rollouts.told(stage)[-3:] == CALLED_OFF
    assert rollouts.told(stage).count(SILENT) == (weight > 0)
    assert max(stage.weights) == weight
    rollouts.rolled_back(stage)


def test_a_gate_asked_by_a_worker_that_dies_is_asked_again() -> None:
    """A killed hook worker costs ten seconds, no failed check and no approval (D-36)."""
    stage = gated("confirm-promotion")
    stage.release("cart:2")
    rollouts.at_weight(stage, 60)
    stage.hooks.mute = True
    stage.run(lambda on: bool(on.late), within=LONG)
    died = stage.clock.now()
    stage.run(lambda on: len(on.late) == 2, within=LONG)
    assert stage.clock.now() - died <= timedelta(seconds=10)
    stage.hooks.mute = False
    phase(stage, "WaitingPromotion")
    assert stage.status["failedChecks"] == 0


def by_iterations(**analysis: Any) -> dict[str, Any]:
    """The manifest of a canary with gates that moves by iterations."""
    kinds = ("confirm-traffic-increase", "confirm-promotion")
    webhooks = [{"name": NAMES[kind], "type": kind, "url": "http://gate.shop/"} for kind in kinds]
    body = a_manifest(webhooks=webhooks, iterations=2, **analysis)
    del body["spec"]["analysis"]["stepWeight"], body["spec"]["analysis"]["maxWeight"]
    return body


@pytest.mark.parametrize("mirror", [False, True], ids=["blue/green", "with copies"])
def test_blue_green_gives_nobody_the_canary_before_its_approval(mirror: bool) -> None:
    """The gate is asked at every interval before all traffic moves (D-22), and once more after.

    That of traffic is not asked at all.
    """
    stage = initialized(by_iterations(mirror=mirror))
    stage.hooks.refusing = {"more", "end"}
    stage.release("cart:2")
    phase(stage, "WaitingPromotion")
    asked = len(stage.hooks.called)
    stage.wait(4 * INTERVAL)
    assert len(stage.hooks.called) - asked == 4
    assert stage.weights == [0]
    assert (stage.status["iterations"], stage.status["failedChecks"]) == (2, 0)

    open_gate(stage, "end")
    rollouts.finish(stage)
    moved = "Stop traffic mirroring and route all" if mirror else "Routing all"
    assert rollouts.told(stage) == [
        *BEGINNING,
        "Advance cart.shop canary iteration 1/2",
        "Advance cart.shop canary iteration 2/2",
        END,
        END_PASSED,
        f"{moved} traffic to canary",
        END_PASSED,
        *ENDING,
    ]
    assert "more" not in stage.hooks.called
    rollouts.succeeded(stage)


def test_an_ab_test_waits_for_the_approval_of_its_promotion() -> None:
    """With the users it has; its iterations do not start over."""
    match = [{"headers": {"x-user": {"exact": "insider"}}}]
    stage = initialized(by_iterations(match=match))
    stage.hooks.refusing = {"more", "end"}
    stage.release("cart:2")
    phase(stage, "WaitingPromotion")
    stage.wait(3 * INTERVAL)
    assert stage.status["iterations"] == 2
    stage.bag.messages.clear()
    stage.forget_everything()
    stage.wait(2 * INTERVAL)
    assert (stage.phase(), stage.status["iterations"]) == ("WaitingPromotion", 2)
    open_gate(stage, "end")
    rollouts.succeeded(rollouts.finish(stage))
    assert rollouts.told(stage)[-4:] == [END_PASSED, *ENDING]
