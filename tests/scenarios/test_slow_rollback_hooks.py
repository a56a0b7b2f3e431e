"""Rollback hooks that take long: they delay no check, and are heard whenever they answer.

What each look at them leads to is in tests/unit/analysis/rules/test_gates.py. Those that are asked
beside a gate that takes long are in tests/scenarios/test_gates.py.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from config.traffic import TrafficSplit
from tests.stage import measuring, rollouts
from tests.stage.rollouts import FAILED, INTERVAL, LONG
from tests.stage.stage import Late, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

CALLED_OFF: Final = [
    "Rollback check off passed",
    "Rolling back cart.shop manual webhook invoked",
    FAILED,
]
LOST: Final = "Halt cart.shop advancement no answer to the rollback webhooks"
LOOK: Final = timedelta(seconds=2)


def hanging(*kinds: str) -> tuple[Stage, Late]:
    """A rollout at its first step whose rollback hook is asked, and does not answer."""
    hooks = {"rollback": "off", "rollout": "load"}
    webhooks = [{"name": hooks[kind], "type": kind, "url": "http://ops/"} for kind in kinds]
    stage = initialized(a_manifest(webhooks=webhooks))
    stage.hooks.refusing = {"off"}
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.hooks.mute = True
    stage.run(lambda on: bool(on.late), within=LONG)
    return stage, stage.late.pop()


def hang(stage: Stage, hook: Late, span: timedelta) -> None:
    """The hook takes so long, and its worker lives; all others answer."""
    end = stage.clock.now() + span
    while stage.clock.now() < end:
        stage.wait(LOOK)
        stage.store.renew_call(hook[0], timedelta(seconds=8))
        while stage.late:
            other = stage.late.pop()
            assert other[1].name != "off", "the hook is called once more"
            stage.answer(other)
            stage.settle()


@pytest.mark.parametrize("kinds", [("rollback",), ("rollback", "rollout")])
def test_a_bad_canary_is_rolled_back_while_a_rollback_hook_hangs(kinds: tuple[str, ...]) -> None:
    """At its checks, two seconds late at the first: nobody waits for the hook's time limit."""
    stage, hook = hanging(*kinds)
    stage.meters.source = measuring.failing
    hang(stage, hook, 2 * INTERVAL + 3 * LOOK)
    assert stage.phase() == "Failed"
    assert stage.texts()[-2:] == [
        "Rolling back cart.shop failed checks threshold reached 3",
        FAILED,
    ]


def test_rollout_hooks_are_asked_while_a_rollback_hook_hangs() -> None:
    """Once per check, and each refusal counts; metrics are not asked then."""
    stage, hook = hanging("rollback", "rollout")
    called, asked = stage.hooks.called.count("load"), len(stage.meters.asked)
    stage.hooks.refusing.add("load")
    hang(stage, hook, 2 * INTERVAL + 3 * LOOK)
    assert (stage.hooks.called.count("load") - called, stage.phase()) == (3, "Failed")
    assert len(stage.meters.asked) == asked


def test_no_step_is_taken_before_rollback_hooks_have_answered() -> None:
    """Good checks are made at the interval; the wait is told once; the answer lets it go on."""
    stage, hook = hanging("rollback", "rollout")
    asked = len(stage.meters.asked)
    hang(stage, hook, 4 * INTERVAL + 2 * LOOK)
    assert len(stage.meters.asked) - asked == 5
    assert (stage.split, stage.phase()) == (TrafficSplit.of(20), "Progressing")
    assert stage.texts().count(LOST) == 1

    stage.hooks.mute = False
    assert stage.answer(hook)
    stage.settle()
    assert stage.split == TrafficSplit.of(40)
    rollouts.succeeded(rollouts.finish(stage))


@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize("intervals", [0, 1])
def test_a_rollback_hook_is_heard_whenever_it_answers(good: bool, intervals: int) -> None:
    """At once, also between checks, whatever the last one said."""
    stage, hook = hanging("rollback")
    stage.meters.source = measuring.healthy if good else measuring.failing
    hang(stage, hook, intervals * INTERVAL + 5 * LOOK)
    stage.hooks.mute = False
    assert stage.answer((hook[0], replace(hook[1], ok=True)))
    stage.settle()
    assert rollouts.told(stage)[-3:] == CALLED_OFF
    assert stage.split == TrafficSplit(100, 0)
    rollouts.rolled_back(rollouts.finish(stage))


@pytest.mark.parametrize("signalling", ["off", "away"])
def test_one_rollback_hook_is_heard_although_another_hangs(signalling: str) -> None:
    """Whichever of them is listed first."""
    webhooks = [
        {"name": name, "type": "rollback", "url": "http://ops/"} for name in ("off", "away")
    ]
    stage = initialized(a_manifest(webhooks=webhooks))
    stage.hooks.refusing = {"off", "away"}
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.hooks.mute = True
    stage.run(lambda on: len(on.late) == len(webhooks), within=LONG)
    stage.hooks.mute = False
    (signal,) = (late for late in stage.late if late[1].name == signalling)
    assert stage.answer((signal[0], replace(signal[1], ok=True)))
    stage.settle()
    assert (stage.phase(), stage.split) == ("Failed", TrafficSplit(100, 0))


def test_a_gate_has_its_deadline_while_rollback_hooks_take_intervals() -> None:
    """Each of their answers has the gate asked, which is closed as it was."""
    hooks = {"rollback": "off", "confirm-traffic-increase": "more"}
    webhooks = [{"name": name, "type": kind, "url": "http://ops/"} for kind, name in hooks.items()]
    stage = initialized(a_manifest(webhooks=webhooks, gateDeadline="10m"))
    stage.hooks.refusing = {"off"}
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    stage.hooks.refusing.add("more")
    stage.run(lambda on: bool(on.state.waiting), within=LONG)
    stage.hooks.mute, closed_at = True, stage.clock.now()
    while stage.phase() == "Progressing" and stage.clock.now() < closed_at + timedelta(minutes=20):
        stage.run(lambda on: bool(on.late) or on.phase() == "Failed", within=LONG)
        while stage.late:
            hook = stage.late.pop()
            if hook[1].name == "off":
                hang(stage, hook, 2 * INTERVAL + 5 * LOOK)
            stage.answer(hook)
            stage.settle()
    assert stage.phase() == "Failed"
    assert stage.clock.now() < closed_at + timedelta(minutes=13)


def test_a_rollback_hook_that_always_takes_some_seconds_delays_no_more_than_that() -> None:
    """Each of its answers lets the step be taken at once."""
    stage, hook = hanging("rollback")
    while stage.split == TrafficSplit.of(20):
        hang(stage, hook, 3 * LOOK)
        assert stage.answer(hook)
        stage.settle()
    assert stage.split == TrafficSplit.of(40)
    assert LOST not in stage.texts()


def test_the_question_to_a_rollback_hook_that_is_lost_is_put_once_more() -> None:
    """A worker that dies with it costs ten seconds, whatever the interval."""
    stage, _ = hanging("rollback")
    stage.hooks.mute = False
    stage.wait(timedelta(seconds=12))
    assert stage.split == TrafficSplit.of(40)
