"""Webhooks of a rollout: refusing, recovering, silent, late (lifecycle 9, 13, 21, 22)."""

from datetime import timedelta
from typing import Any

from clients.redis.records import Work
from tests.stage import measuring, rollouts
from tests.stage.bag import Message
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
    """A lost answer is no failed check: the hooks are called anew after their deadline (D-36)."""
    stage = hooked("pre-rollout")
    stage.hooks.mute = True
    stage.wait(timedelta(minutes=2))

    assert len(stage.hooks.called) > 2
    assert rollouts.told(stage).count(UNANSWERED) == 1
    assert stage.status["failedChecks"] == 0

    stage.hooks.mute = False
    rollouts.succeeded(rollouts.finish(stage))


def test_a_late_answer_to_an_older_question_is_dropped() -> None:
    """Refusals that arrive after the question was asked anew cost nothing."""
    stage = hooked("pre-rollout", threshold=1)
    stage.hooks.mute, stage.hooks.refusing = True, {"smoke"}
    stage.run(lambda on: len(on.late) == 2, within=LONG)
    older = stage.late[0]

    stage.hooks.mute, stage.hooks.refusing = False, set()
    stage.bag.put(older)
    stage.settle()
    assert stage.phase() == "Progressing"
    rollouts.succeeded(rollouts.finish(stage))


def test_an_answer_that_is_delivered_twice_counts_once() -> None:
    """A repeated message changes nothing: one refusal is one failed check (D-33)."""
    stage = hooked("rollout")
    rollouts.at_weight(stage, 20)
    stage.hooks.mute, stage.hooks.refusing = True, {"load"}
    stage.run(lambda on: len(on.late) == 1, within=LONG)

    for _ in range(3):
        stage.bag.put(stage.late[0])
    stage.settle()
    assert stage.status["failedChecks"] == 1


def test_a_new_revision_while_hooks_are_out_restarts_and_asks_them_again() -> None:
    """What a hook said of the older revision counts nothing for the newer one (D-9)."""
    stage = hooked("pre-rollout", threshold=1)
    stage.hooks.mute, stage.hooks.refusing = True, {"smoke"}
    stage.run(lambda on: len(on.late) == 1, within=LONG)
    stage.release("cart:3")
    stage.settle()
    assert RESTARTING in rollouts.told(stage)

    stage.hooks.mute, stage.hooks.refusing = False, set()
    stage.bag.put(stage.late[0])
    rollouts.finish(stage)
    assert stage.hooks.called == ["smoke", "smoke"]
    rollouts.succeeded(stage, "cart:3")


def test_an_answer_to_nobody_is_dropped() -> None:
    """A message about a round that never was changes nothing."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    before = stage.state
    answer = {"name": "x", "type": "rollout", "ok": False, "message": "no"}
    stage.bag.put(Message("conclude", REF, 7, answers=(answer,)))
    stage.settle()

    assert stage.state == before


def test_answers_outlive_the_worker_that_heard_them() -> None:
    """Whoever dies after the hooks have answered, they are not called again (D-36)."""
    stage = hooked("pre-rollout")
    stage.hooks.mute = True
    stage.run(lambda on: len(on.late) == 1, within=LONG)
    stage.store.begin(REF, Work.TICK, timedelta(seconds=8))  # by a worker that dies with it
    stage.deliver(stage.late[0])

    asked = stage.clock.now()
    rollouts.at_weight(stage, 20)
    assert stage.hooks.called == ["smoke"]
    assert stage.clock.now() - asked <= timedelta(seconds=10)
