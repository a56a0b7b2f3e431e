"""Webhooks of a rollout: refusing, recovering, silent, late (lifecycle 9, 13, 21, 22)."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from analysis import hooks
from clients.kube import resources
from clients.redis.records import Work
from tests.stage import measuring, rollouts
from tests.stage.rollouts import BEGINNING, COMPLETED, ENDING, FAILED, LONG, RESTARTING, STARTING
from tests.stage.stage import REF, Stage
from tests.unit.analysis.worlds import a_manifest

REFUSED = "Halt cart.shop advancement pre-rollout check smoke failed refused"
PASSED = "Pre-rollout check smoke passed"
EXTERNAL = "Halt cart.shop advancement external check load failed refused"
SPENT = "Rolling back cart.shop failed checks threshold reached 3"
UNANSWERED = "Halt cart.shop advancement no answer to the pre-rollout webhooks"


def hooked(*kinds: str, **analysis: Any) -> Stage:
    """A released canary with one hook of each of `kinds`, named for what it is for."""
    named = {"pre-rollout": "smoke", "rollout": "load", "post-rollout": "report"}
    webhooks = [
        {"name": named[kind], "type": kind, "url": "http://probe.shop/", "timeout": "5s"}
        for kind in kinds
    ]
    return rollouts.released(a_manifest(webhooks=webhooks, **analysis))


def test_all_hooks_that_agree_are_told_in_flaggers_order() -> None:
    """Pre-rollout before the first step; rollout hooks silent; post-rollout before the end."""
    stage = rollouts.finish(hooked("pre-rollout", "rollout", "post-rollout"))

    *promoted, completed = ENDING
    assert rollouts.told(stage) == [
        *BEGINNING,
        PASSED,
        *rollouts.advance(20, 40, 60),
        *promoted,
        "Post-rollout check report passed",
        completed,
    ]
    assert stage.hooks.called == ["smoke", "load", "load", "load", "report"]
    rollouts.succeeded(stage)


def test_a_pre_rollout_hook_that_recovers_has_cost_failed_checks_and_no_traffic() -> None:
    """The analysis is begun again each interval until the hook agrees (lifecycle 9, 26a)."""
    stage = hooked("pre-rollout")
    stage.hooks.refusing = {"smoke"}
    stage.run(lambda on: on.status.get("failedChecks") == 2, within=LONG)
    assert stage.weights == [0]

    stage.hooks.refusing = set()
    rollouts.finish(stage)
    assert rollouts.told(stage) == [
        *BEGINNING,
        REFUSED,
        STARTING,
        REFUSED,
        STARTING,
        PASSED,
        *rollouts.advance(20, 40, 60),
        *ENDING,
    ]
    rollouts.succeeded(stage)


def test_a_pre_rollout_hook_that_never_agrees_ends_the_rollout_without_traffic() -> None:
    """The threshold holds for hooks as for metrics, which are not even asked."""
    stage = hooked("pre-rollout")
    stage.hooks.refusing = {"smoke"}
    rollouts.finish(stage)

    assert rollouts.told(stage)[-3:] == [REFUSED, SPENT, FAILED]
    assert stage.weights == [0]
    assert not stage.meters.asked
    rollouts.rolled_back(stage)


def test_a_refusing_rollout_hook_is_a_failed_check_without_metrics() -> None:
    """External checks come first; a refusal ends the round (lifecycle 9, 26b)."""
    stage = hooked("rollout")
    stage.hooks.refusing = {"load"}
    rollouts.finish(stage)

    assert rollouts.told(stage) == [
        *BEGINNING,
        *rollouts.advance(20),
        *[EXTERNAL] * 3,
        SPENT,
        FAILED,
    ]
    assert not stage.meters.asked


def test_a_rollout_hook_that_recovers_lets_the_rollout_go_on() -> None:
    """One refusal, then all is well: one failed check is all it cost."""
    stage = rollouts.at_weight(hooked("rollout"), 20)
    stage.hooks.refusing = {"load"}
    stage.run(lambda on: on.status["failedChecks"] == 1, within=LONG)
    stage.hooks.refusing = set()
    rollouts.finish(stage)

    rollouts.succeeded(stage)
    assert stage.status["failedChecks"] == 1


def test_a_refusing_post_rollout_hook_is_told_and_changes_nothing() -> None:
    """The rollout has ended; the last word stays what it was (lifecycle 21)."""
    stage = hooked("post-rollout")
    stage.hooks.refusing = {"report"}
    rollouts.finish(stage)

    assert rollouts.told(stage)[-2:] == ["Post-rollout hook report failed refused", COMPLETED]
    rollouts.succeeded(stage)


def test_post_rollout_hooks_are_called_after_a_rollback_too() -> None:
    """Once, when the traffic is back already."""
    stage = hooked("post-rollout")
    stage.meters.source = measuring.failing
    rollouts.finish(stage)

    assert stage.hooks.called == ["report"]
    assert rollouts.told(stage)[-1] == "Post-rollout check report passed"
    rollouts.rolled_back(stage)


def test_hooks_that_nobody_answers_are_called_again_and_told_once() -> None:
    """A lost answer is no failed check: the hooks are called anew when their worker is silent."""
    stage = hooked("pre-rollout")
    stage.hooks.mute = True
    stage.wait(timedelta(minutes=2))

    assert len(stage.hooks.called) > 2
    assert rollouts.told(stage).count(UNANSWERED) == 1
    assert stage.status["failedChecks"] == 0

    stage.hooks.mute = False
    rollouts.succeeded(rollouts.finish(stage))


def messages_of_a_step(stage: Stage) -> Counter[str]:
    """How many of each kind one step of the analysis takes."""
    rollouts.at_weight(stage, 20).settle()
    before = stage.bag.kinds.copy()
    rollouts.at_weight(stage, 40).settle()
    return stage.bag.kinds - before


def test_that_hooks_are_asked_is_nothing_to_show() -> None:
    """A step with hooks is written and shown as often as one without: when it is decided."""
    plain, asking = messages_of_a_step(hooked()), messages_of_a_step(hooked("rollout"))
    assert (asking["status"], asking["route"]) == (plain["status"], plain["route"])
    assert (asking["call"], plain["call"]) == (1, 0)


def waiting(stage: Stage, calls: int = 1) -> Stage:
    """`stage`, gone on until so many calls are being made that take long."""
    stage.hooks.mute = True
    stage.run(lambda on: len(on.late) == calls, within=LONG)
    return stage


@pytest.mark.parametrize("renewals", [0, 1, 4, 30])
def test_a_killed_hook_worker_costs_no_more_than_ten_seconds(renewals: int) -> None:
    """7: whenever it dies, the call is made by another before that (D-36), and never sooner."""
    stage = waiting(hooked("pre-rollout"))
    taken, _ = stage.late[0]
    for _ in range(renewals):
        stage.wait(timedelta(seconds=2))
        assert stage.store.renew_call(taken, hooks.CALL_LEASE)
    died = stage.clock.now()
    assert stage.hooks.called == ["smoke"]
    stage.run(lambda on: len(on.hooks.called) == 2, within=LONG)
    assert stage.clock.now() - died <= timedelta(seconds=10)


def test_a_lost_message_costs_no_more_than_ten_seconds() -> None:
    """7: a worker that dies with calls it had not begun."""
    stage = hooked("pre-rollout")
    stage.losing = {"call"}
    stage.run(lambda on: on.state.round is not None, within=LONG)
    lost, stage.losing = stage.clock.now(), set()
    stage.run(lambda on: bool(on.hooks.called), within=LONG)
    assert stage.clock.now() - lost <= timedelta(seconds=10)


def test_a_late_answer_to_an_older_question_is_dropped() -> None:
    """Refusals that arrive after the call was made anew cost nothing."""
    stage = waiting(hooked("pre-rollout", threshold=1))
    stage.hooks.refusing = {"smoke"}
    stage = waiting(stage, calls=3)
    older = stage.late[0]

    stage.hooks.mute, stage.hooks.refusing = False, set()
    assert not stage.answer(older)
    stage.settle()
    assert stage.phase() == "Progressing"
    rollouts.succeeded(rollouts.finish(stage))


def test_an_answer_that_is_delivered_twice_counts_once() -> None:
    """One refusal is one failed check (D-33)."""
    stage = hooked("rollout")
    rollouts.at_weight(stage, 20)
    stage.hooks.refusing = {"load"}
    waiting(stage)

    assert [stage.answer(stage.late[0]) for _ in range(3)] == [True, False, False]
    stage.settle()
    assert stage.status["failedChecks"] == 1


def test_a_new_revision_while_hooks_are_out_restarts_and_asks_them_again() -> None:
    """What a hook said of the older revision counts nothing for the newer one (D-9)."""
    stage = hooked("pre-rollout", threshold=1)
    stage.hooks.refusing = {"smoke"}
    waiting(stage)
    stage.release("cart:3")
    stage.run(lambda on: len(on.late) == 2, within=LONG)
    assert RESTARTING in rollouts.told(stage)

    assert not stage.answer(stage.late[0])
    stage.hooks.mute, stage.hooks.refusing = False, set()
    rollouts.finish(stage)
    rollouts.succeeded(stage, "cart:3")


def test_an_answer_to_an_older_round_never_replaces_one_to_a_newer_round() -> None:
    """Both answer at the same moment, the newer one first; each hook's answer is to its own."""
    stage = waiting(hooked("pre-rollout"))
    stage.hooks.refusing = {"smoke"}
    stage.release("cart:3")
    stage.run(lambda on: len(on.late) == 2, within=LONG)
    agreed, refused = stage.late

    assert stage.answer(refused)
    assert not stage.answer(agreed)
    stage.settle()
    assert rollouts.told(stage)[-1] == REFUSED
    assert stage.status["failedChecks"] == 1


def edited(stage: Stage, *hooks: Mapping[str, str]) -> None:
    """The webhooks of the canary are edited to `hooks` while others are being called."""
    live = stage.kube.get(resources.CANARIES, REF.namespace, REF.name)
    analysis = live["spec"]["analysis"]
    stage.edit_canary(analysis={**analysis, "webhooks": [dict(hook) for hook in hooks]})


GATE: Final = {"name": "gate", "type": "pre-rollout", "url": "http://gate.shop/"}
SMOKE: Final = {"name": "smoke", "type": "pre-rollout", "url": "http://probe.shop/"}


def gated(*hooks: Mapping[str, str]) -> Stage:
    """A released canary that waits for the answers of `hooks`."""
    webhooks = [dict(hook) for hook in hooks]
    return waiting(rollouts.released(a_manifest(webhooks=webhooks)), calls=len(hooks))


@pytest.mark.parametrize(
    "change", [{"name": "strict"}, {"url": "http://strict.shop/"}, {"timeout": "3s"}]
)
def test_the_answer_of_a_gate_that_was_replaced_in_mid_round_counts_nothing(
    change: Mapping[str, str],
) -> None:
    """17: the gate as it is written now is asked, and its refusal halts the rollout."""
    stage = gated(GATE)
    stage.hooks.mute, stage.hooks.refusing = False, {"gate", "strict"}
    edited(stage, {**GATE, **change})
    stage.settle()
    assert stage.answer(stage.late[0])  # the old gate agrees
    stage.wait(timedelta(seconds=9))

    assert stage.weights == [0]
    name = change.get("name", "gate")
    assert stage.hooks.called[:2] == ["gate", name]
    assert rollouts.told(stage)[-1] == (
        f"Halt cart.shop advancement pre-rollout check {name} failed refused"
    )


def test_answers_of_hooks_that_were_not_edited_count() -> None:
    """17: a hook is not called again because another one was edited, or moved before it."""
    stage = gated(SMOKE, GATE)
    assert stage.answer(stage.late[0])
    stage.hooks.mute = False
    edited(stage, {**GATE, "url": "http://strict.shop/"}, SMOKE)
    rollouts.finish(stage)

    assert stage.hooks.called == ["smoke", "gate", "gate"]
    rollouts.succeeded(stage)


def test_answers_outlive_the_worker_that_heard_them() -> None:
    """Whoever dies after the hooks have answered, they are not called again (D-36)."""
    stage = waiting(hooked("pre-rollout"))
    stage.store.begin(REF, Work.TICK, timedelta(seconds=8))  # by a worker that dies with it
    assert stage.answer(stage.late[0])

    asked = stage.clock.now()
    rollouts.at_weight(stage, 20)
    assert stage.hooks.called == ["smoke"]
    assert stage.clock.now() - asked <= timedelta(seconds=10)


def test_a_fix_does_not_wait_for_the_report_of_the_release_before() -> None:
    """A post-rollout hook decides nothing: one that does not answer is told, and left behind."""
    report = {"name": "report", "type": "post-rollout", "url": "http://report/"}
    stage = rollouts.released(a_manifest(threshold=1, webhooks=[report]))
    rollouts.at_weight(stage, 20)
    stage.losing.add("call")
    stage.meters.source = measuring.failing
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    stage.meters.source = measuring.healthy
    stage.release("cart:3")
    stage.run(lambda on: on.phase() == "Progressing", within=timedelta(minutes=1))
    assert "Halt cart.shop advancement no answer to the post-rollout webhooks" in stage.texts()
