"""Pods stay until proxies have heard that nobody is led to them any more.

Proxies learn of a route later than the API server confirms it. Left to other files: that nothing
is scaled down before the route is confirmed (test_lost_pods, test_configs).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import pytest

from clients.kube import resources
from tests.fakes.faults import Fault
from tests.scenarios.test_deletion import delete, gone, reverting
from tests.stage import measuring, rollouts
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest

GRACE: Final = timedelta(seconds=1)


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

    def assert_grace(self) -> None:
        """Asserts that the last write of the route was a while before the last of the others."""
        assert timedelta(seconds=1) <= self.ended[-1] - self.routed[-1] < timedelta(seconds=2)


def test_a_target_is_parked_when_proxies_know_its_primary() -> None:
    """The first time that users are led anywhere else."""
    watch = Watch()
    watch.begin("patch", "deployments", "cart-app")
    initialized(a_manifest(), watch.stage)
    watch.assert_grace()


@pytest.mark.parametrize("is_good", [True, False])
def test_a_canary_is_parked_when_proxies_know_that_nobody_is_led_there(*, is_good: bool) -> None:
    """After a promotion, and after a rollback."""
    watch = Watch()
    stage = initialized(a_manifest(), watch.stage)
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    watch.begin("patch", "deployments", "cart-app")
    if not is_good:
        stage.meters.source = measuring.failing
    rollouts.finish(stage)
    stage.wait(timedelta(seconds=5))
    (rollouts.succeeded if is_good else rollouts.rolled_back)(stage)
    watch.assert_grace()


def test_a_canary_goes_when_proxies_know_its_target() -> None:
    """Its primary is collected from then on."""
    watch = Watch()
    stage = initialized(reverting(), watch.stage)
    watch.begin("patch", "canaries", "cart")
    delete(stage)
    stage.run(gone, within=timedelta(minutes=1))
    watch.assert_grace()
    assert stage.kube.get(resources.DEPLOYMENTS, "shop", "cart-app")["spec"]["replicas"] == 2
