"""Pods stay until proxies have heard that nobody is led to them any more.

Proxies learn of a route later than the API server confirms it. Left to other files: that nothing
is scaled down before the route is confirmed (test_lost_pods, test_configs).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import pytest

from analysis import effects
from clients.kube import resources
from clients.redis import keys
from config.settings.settings import Settings
from tests.fakes.faults import Fault
from tests.scenarios.test_deletion import delete, gone, reverting
from tests.stage import measuring, rollouts
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest

DELAY: Final = timedelta(seconds=1)
"""As long as nobody sets another."""


@dataclass
class Watch:
    """When the route was last written, and what may break requests after it."""

    stage: Stage = field(default_factory=Stage)
    routed: list[datetime] = field(default_factory=list)
    ended: list[datetime] = field(default_factory=list)

    def begin(self, verb: str, resource: str, name: str) -> None:
        """Notes writes of the route, and such calls."""
        faults = self.stage.door.faults
        for writing in ("create", "patch"):
            note = self._note(self.routed)
            faults.add(Fault(note, writing, "virtualservices", times=10**6))
        faults.add(Fault(self._note(self.ended), verb, resource, name=name, times=10**6))

    def _note(self, times: list[datetime]) -> Callable[[], None]:
        return lambda: times.append(self.stage.clock.now())

    def assert_grace(self, delay: timedelta = DELAY) -> None:
        """Asserts that the last write of the route was `delay` before the last of the others."""
        assert delay <= self.ended[-1] - self.routed[-1] < delay + timedelta(seconds=1)


def test_a_target_is_parked_when_proxies_know_its_primary() -> None:
    """The first time that users are led anywhere else."""
    watch = Watch()
    watch.begin("patch", "deployments", "cart-app")
    initialized(a_manifest(), watch.stage)
    watch.assert_grace()


@pytest.mark.parametrize("seconds", [1, 7])
@pytest.mark.parametrize("is_good", [True, False])
def test_a_canary_is_parked_when_proxies_know_that_nobody_is_led_there(
    *, is_good: bool, seconds: int
) -> None:
    """After a promotion and after a rollback, which are told before it."""
    settings = Settings.from_environ({"COALMINE_SCALE_DOWN_DELAY": f"{seconds}s"})
    watch = Watch(Stage(settings=settings))
    stage = initialized(a_manifest(), watch.stage)
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    watch.begin("patch", "deployments", "cart-app")
    if not is_good:
        stage.meters.source = measuring.failing
    stage.run(lambda on: on.phase() in ("Succeeded", "Failed"), within=rollouts.LONG)
    told_at = stage.clock.now()
    rollouts.finish(stage)
    stage.wait(timedelta(seconds=10))
    (rollouts.succeeded if is_good else rollouts.rolled_back)(stage)
    watch.assert_grace(timedelta(seconds=seconds))
    assert told_at < watch.ended[-1]


def test_a_canary_goes_when_proxies_know_its_target() -> None:
    """Its primary is collected from then on."""
    watch = Watch()
    stage = initialized(reverting(), watch.stage)
    watch.begin("patch", "canaries", "cart")
    delete(stage)
    stage.run(gone, within=timedelta(minutes=1))
    watch.assert_grace()
    assert stage.kube.get(resources.DEPLOYMENTS, "shop", "cart-app")["spec"]["replicas"] == 2


A_MINUTE: Final = "60s"
"""A delay that is longer than the interval of an analysis."""


def delayed(delay: str = A_MINUTE) -> Stage:
    """A stage with another delay, on which a release has succeeded just now."""
    settings = Settings.from_environ({"COALMINE_SCALE_DOWN_DELAY": delay})
    stage = initialized(a_manifest(), Stage(settings=settings))
    stage.release("cart:2")
    stage.run(lambda on: on.phase() == "Succeeded", within=rollouts.LONG)
    return stage


def test_a_lost_primary_does_not_wait_for_a_canary_without_pods() -> None:
    """After a loss of Redis every route is confirmed anew; nobody served users for a minute."""
    stage = delayed()
    stage.wait(timedelta(minutes=2))
    stage.forget_everything()
    stage.wait(effects.WRITE_LEASE + timedelta(seconds=2))
    stage.kube.delete(resources.DEPLOYMENTS, "shop", "cart-app-primary")
    stage.wait(timedelta(seconds=3))
    assert stage.image("cart-app-primary") == "cart:2"


def test_a_clock_that_was_ahead_keeps_no_pods() -> None:
    """A route that was confirmed in times to come counts as one that all have heard of."""
    stage = delayed()
    ahead = stage.clock.now() + timedelta(hours=5)
    stage.redis.hset(keys.CONFIRMED.of(stage.ref), "route_at", ahead.isoformat())
    stage.wait(stage.settings.scheduler.resync_interval * 2)
    assert rollouts.replicas(stage) == 0


def test_a_canary_whose_state_is_lost_meanwhile_is_parked_and_not_released_anew() -> None:
    """The status says that it has succeeded, while its pods are still there."""
    stage = delayed()
    assert rollouts.replicas(stage) == 2
    told = stage.texts()
    stage.forget_everything()
    stage.wait(timedelta(minutes=2))
    rollouts.succeeded(stage)
    assert stage.texts() == told


def test_a_message_that_comes_late_parks_no_canary_early() -> None:
    """As all messages it is a nudge: one of the copy that was asked for twice, or of a drift."""
    stage = delayed()
    stage.bag.messages.append(rollouts.a_message("workload"))
    stage.settle()
    assert rollouts.replicas(stage) == 2
    stage.wait(timedelta(minutes=2))
    rollouts.succeeded(stage)
