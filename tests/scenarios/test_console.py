"""The console beside whole rollouts: what is really kept and written, as people and CI see it.

How each line looks is in `tests/unit/console`; here it is true of what rules, reporters and the
timeline make of releases.
"""

import io
import json
from argparse import Namespace
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from cli import api, exits
from cli.console import commands, timeline, waiting
from cli.console.accounts import Absent, Answer
from cli.console.cluster import Cluster
from cli.console.goals import Asked, Goal
from cli.console.session import Session
from clients.clock import Clock
from clients.kube import resources
from config.refs import CanaryRef
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest


class StageClock(Clock):
    """The stage's time: whoever sleeps lets everything happen that happens meanwhile."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def now(self) -> datetime:
        """As `Clock.now`."""
        return self._stage.clock.now()

    def monotonic(self) -> float:
        """As `Clock.monotonic`."""
        return self._stage.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """As `Clock.sleep`."""
        self._stage.wait(timedelta(seconds=seconds))


def a_console(stage: Stage) -> Session:
    """A console that is told what the stage's processes would tell."""

    def ask(ref: CanaryRef, now: datetime) -> Answer:
        document = api.document(stage.store, ref, api.MOST)
        served = json.loads(json.dumps(document))
        return timeline.account(served, now) if document else Absent("no timeline")

    out = Console(file=io.StringIO(), width=80, color_system=None, markup=False, emoji=False)
    return Session(Cluster(stage.kube, "it"), "shop", ask, StageClock(stage), out)


def shown(stage: Stage, command: Callable[[Session, Namespace], int], **given: Any) -> str:
    """What a command writes about the canary of the stage."""
    session = a_console(stage)
    usual = {"name": "cart", "namespace": None, "output": None, "watch": False}
    assert command(session, Namespace(**{**usual, **given})) == exits.OK
    file = session.out.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def waited(
    stage: Stage, goal: str = "promoted", revision: str = "", timeout: timedelta = LONG
) -> int:
    """The exit code of a wait that begins now."""
    asked = Asked(goal=Goal(goal), revision=revision)
    return waiting.wait(a_console(stage), REF, asked, timeout)


def column(text: str, head: str) -> list[str]:
    """A column of a table."""
    heads, *rows = text.splitlines()
    at = heads.index(head)
    return [row[at:].split("  ")[0].strip() for row in rows]


def test_a_wait_that_follows_a_release_at_once_ends_with_that_release() -> None:
    """The status still says Initialized, or Succeeded, of what was there before."""
    stage = initialized(a_manifest())
    assert waited(stage) == exits.OK  # what it was created with
    for image in ("cart:2", "cart:3"):
        stage.release(image)
        before = stage.clock.now()
        assert waited(stage) == exits.OK
        assert stage.image("cart-app-primary") == image
        assert stage.clock.now() - before > timedelta(minutes=1)
    assert waited(stage, "succeeded", "cart:3") == exits.OK
    assert waited(stage, "failed") == exits.FAILED


def test_a_failed_release_is_not_taken_for_the_one_after_it() -> None:
    """Failed is in the status until the next rollout begins."""
    stage = initialized(a_manifest())
    stage.meters.source = measuring.failing
    stage.release("cart:2")
    assert waited(stage) == exits.FAILED
    assert waited(stage, "failed", "cart:2") == exits.OK

    stage.meters.source = measuring.healthy
    stage.release("cart:3")
    assert waited(stage) == exits.OK
    assert waited(stage, revision="cart:2", timeout=rollouts.READINESS) == exits.TIMED_OUT


def test_a_release_that_is_taken_back_is_promoted_already() -> None:
    """After a failure the target may get the promoted revision again; no rollout follows."""
    stage = initialized(a_manifest())
    stage.meters.source = measuring.failing
    stage.release("cart:2")
    assert waited(stage) == exits.FAILED
    stage.release("cart:1")
    assert waited(stage) == exits.OK


def test_the_history_tells_each_rollout_by_its_end() -> None:
    """A good one, one that another one replaced, a bad one; the oldest first."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    stage.release("cart:3")
    rollouts.at_weight(stage, 20)
    stage.release("cart:4")
    rollouts.at_weight(stage, 20)
    stage.meters.source = measuring.failing
    rollouts.finish(stage)

    text = shown(stage, commands.show_history)
    assert column(text, "RESULT") == ["Initialized", "Succeeded", "Replaced", "Failed"]
    assert column(text, "TOP")[1:] == ["60%", "20%", "20%"]
    told = json.loads(shown(stage, commands.show_history, output="json"))["rollouts"]
    assert told[1]["weights"] == [0, 20, 40, 60, 0]
    assert told[3]["weights"] == [0, 20, 0]
    assert told[3]["revision"] == stage.status["lastAppliedSpec"]
    assert "success rate 50.00% < 99%" in told[3]["why"]
    assert [each["earlierDecisionsAreGone"] for each in told] == [False] * 4
    for rollout in told:
        assert rollout["decisions"]


def test_a_closed_gate_is_shown_with_since_when_and_the_way_out() -> None:
    """And once it has opened, when that was."""
    hook = {"name": "end", "type": "confirm-promotion", "url": "http://gate.shop/"}
    stage = initialized(a_manifest(webhooks=[hook]))
    stage.hooks.refusing = {"end"}
    stage.release("cart:2")
    stage.run(lambda on: on.phase() == "WaitingPromotion", within=LONG)
    stage.wait(timedelta(minutes=3))

    tree = shown(stage, commands.status)
    assert "confirm-promotion  end  waits, closed for 3m" in tree
    assert "PromotionNotConfirmed  for 3m" in tree
    assert "(open the gate; a new value of the annotation coalmine.dev/nudge" in tree
    why = shown(stage, commands.why)
    assert "decision was made" in why
    assert "It has waited for 3m" in why

    stage.hooks.refusing = set()
    rollouts.finish(stage)
    assert "confirm-promotion  end  was open" in shown(stage, commands.status)


def test_pods_that_never_become_ready_are_named_with_what_is_waited_for() -> None:
    """The tree shows the side, the condition and the next look."""
    stage = initialized(a_manifest())
    stage.release("cart:2", broken=True)
    stage.wait(timedelta(minutes=1))
    tree = shown(stage, commands.status)
    assert "canary   deployment/cart-app  0/2 ready  cart:2" in tree
    assert "CanaryNotReady  for" in tree
    assert "next look" in tree


def test_of_a_failed_rollout_why_tells_the_check_with_its_numbers() -> None:
    """The decision that ended it, whatever has been decided since."""
    stage = rollouts.released(a_manifest())
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    why = shown(stage, commands.why)
    assert "request-success-rate was 50.00%; at least 99% is asked for: failed" in why
    assert "by the rule halt_on_check: FailedChecksThresholdReached." in why


@pytest.mark.parametrize("command", [commands.status, commands.why, commands.show_history])
def test_a_canary_that_was_never_accepted_is_shown_too(command: Any) -> None:
    """There is no rollout, and perhaps no timeline."""
    stage = Stage()
    manifest = a_manifest(stepWeight=0)
    stage.create(
        resources.CANARIES, {**manifest, "metadata": {"name": "cart", "namespace": "shop"}}
    )
    stage.wait(timedelta(seconds=5))
    shown(stage, command)
