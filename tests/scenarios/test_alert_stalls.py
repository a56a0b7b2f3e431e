"""A worker stalls between its last look and its post, past every lease, while others go on.

What it posts then is old. It may double one alert; none is lost, nothing else is told again, and at
an Alertmanager nothing fires in the end that does not. Beside a real one:
tests/system/test_alertmanager.py.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from clients.http.client import Response
from clients.kube import resources
from clients.redis.firing import FiringAlerts
from notify.channels.alertmanager import LASTS
from notify.message import Post
from tasks.teller import TELL_LEASE
from tests.scenarios.test_alerts import (
    BOTH,
    INITIALIZED,
    MANAGED,
    MANAGER,
    NEW,
    PROMOTED,
    SLACK,
    TEAMS,
    alert_channels,
    fail,
    pushed,
    staged,
)
from tests.stage import chats, measuring, rollouts
from tests.stage.stage import REF, Stage
from tests.unit.analysis.worlds import a_manifest


def stall(stage: Stage, url: str, meanwhile: Callable[[], None]) -> None:
    """Has the next post to `url` wait until all leases are over, and more has happened."""

    def answer(_: Post) -> Response:
        del stage.chats.answering[url]
        stage.clock.advance(TELL_LEASE + timedelta(seconds=1))
        meanwhile()
        return chats.TAKEN

    stage.chats.answering[url] = answer


def alert_of(stage: Stage) -> None:
    """A report worker of its own tells what there is to tell."""
    replace(stage.services.alerter, channels=alert_channels(stage).of).tell(REF)


def succeed(stage: Stage) -> None:
    """The next release succeeds."""
    stage.meters.source = measuring.healthy
    stage.release("cart:3")
    rollouts.finish(stage)


def test_an_alert_that_fires_late_is_resolved_at_once() -> None:
    """The next release had succeeded, and all had been told; it fired for 15 minutes."""
    stage = fail(staged(MANAGED))
    stage.wait(timedelta(minutes=3))
    stall(stage, MANAGER, lambda: succeed(stage))
    alert_of(stage)
    assert pushed(stage)[-3:] == [
        {"CanaryFailed": False},
        {"CanaryFailed": True},
        {"CanaryFailed": False},
    ]
    told = len(pushed(stage))
    stage.wait(timedelta(minutes=20))
    assert len(pushed(stage)) == told


def test_a_clock_that_was_ahead_lets_no_alert_end() -> None:
    """Told of in times to come, it was refreshed when those had come; it lasts for 15 minutes."""
    stage = fail(staged(MANAGED))
    stage.wait(timedelta(minutes=3))
    told = FiringAlerts(stage.store, LASTS)
    ((account, known),) = told.of(REF).items()
    told.keep(REF, account, replace(known, at=known.at + timedelta(hours=5)))
    before = len(pushed(stage))
    stage.wait(timedelta(minutes=15))
    assert pushed(stage)[before:] == [{"CanaryFailed": True}] * 3


def test_an_alert_that_is_resolved_late_fires_again_at_once() -> None:
    """The next failure had been told of; nothing fired until it was refreshed."""
    stage = fail(staged(MANAGED))
    stage.losing = {"status"}
    stage.meters.source = measuring.healthy
    stage.release("cart:3")
    stage.run(lambda on: on.state.phase == "Succeeded", within=rollouts.LONG)

    def fail_again() -> None:
        stage.losing = set()
        stage.meters.source = measuring.failing
        stage.release("cart:4")
        rollouts.finish(stage)

    stall(stage, MANAGER, fail_again)
    alert_of(stage)
    assert pushed(stage)[-2:] == [{"CanaryFailed": False}, {"CanaryFailed": True}]


def test_an_alert_of_a_canary_that_was_deleted_meanwhile_is_resolved() -> None:
    """Nobody looks at it any more who might."""
    stage = fail(staged(MANAGED))
    stage.wait(timedelta(minutes=3))

    def delete() -> None:
        stage.kube.delete(resources.CANARIES, "shop", "cart")
        stage.settle()

    stall(stage, MANAGER, delete)
    alert_of(stage)
    assert pushed(stage)[-2:] == [{"CanaryFailed": True}, {"CanaryFailed": False}]


def test_a_post_that_stalls_is_doubled_and_nothing_else_is() -> None:
    """Its account went back, and with another receiver down all since was told once more."""
    stage = staged(BOTH)
    stage.chats.answering[TEAMS] = chats.away
    stage.losing = {"status"}
    stage.release("cart:2")
    stage.run(lambda on: on.state.phase == "Progressing", within=rollouts.LONG)
    stage.wait(timedelta(seconds=2))

    def go_on() -> None:
        stage.losing = set()
        stage.run(lambda on: on.phase() == "Succeeded", within=rollouts.LONG)

    stall(stage, SLACK, go_on)
    alert_of(stage)
    stage.wait(timedelta(minutes=6))
    assert stage.chats.texts(SLACK) == [INITIALIZED, NEW, PROMOTED, NEW]


def test_a_post_that_stalls_hides_no_alert_of_a_canary_of_the_same_name() -> None:
    """Its notices have the same ids; what the stalled run wrote down was said of them."""
    stage = staged(BOTH)
    stage.release("cart:2")
    stage.losing = {"status"}
    rollouts.at_weight(stage, 40)
    version = stage.store.read(REF).version

    def make_anew() -> None:
        stage.losing = set()
        stage.kube.delete(resources.CANARIES, "shop", "cart")
        stage.settle()
        metadata = {"name": REF.name, "namespace": REF.namespace}
        stage.create(resources.CANARIES, {**a_manifest(), "metadata": metadata})
        stage.losing = {"status"}
        stage.observe()

    stall(stage, SLACK, make_anew)
    alert_of(stage)
    stage.losing = set()
    stage.run(lambda on: on.phase() == "Initialized", within=rollouts.LONG)
    assert stage.store.read(REF).version < version, "the test can fail"
    assert stage.chats.texts(SLACK)[-1] == INITIALIZED
