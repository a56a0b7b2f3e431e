"""Whatever happens to cluster, Redis and beats: soon after, the stored worlds are the cluster's.

Tested with random histories of two beats over the sandbox's API server and Redis. Left out: what a
world consists of (test_index.py).
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final

import hypothesis
from hypothesis import strategies

from clients import errors
from clients.documents.world import World
from clients.kube import resources
from clients.redis.scripts import Invocation
from config.refs import CanaryRef
from routing.registry import ROUTERS
from scheduler import projections
from tests.fakes.faults import Fault
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import Beat, Setting

NAMES: Final = ("shop", "other")
QUIET: Final = 60
"""Seconds after which every back-off is over."""


class History:
    """A setting with two beats, to which things happen."""

    def __init__(self) -> None:
        self.setting = Setting()
        self.beats = [Beat(self.setting, "first"), Beat(self.setting, "second")]
        self.broken = 0
        self.numbers = itertools.count()
        run_all = self.setting.store.run_all

        def unreliable(asked: Sequence[Invocation[Any]]) -> list[Any]:
            if self.broken:
                self.broken -= 1
                raise errors.Transient("Redis is away")
            return run_all(asked)

        self.setting.store.run_all = unreliable  # type: ignore[method-assign]

    def step(self) -> None:
        """A second passes."""
        for beat in self.beats:
            beat.step()
        self.setting.clock.sleep(1)

    def happen(self, what: str, name: str, number: int) -> None:
        """One thing happens; what makes no sense now does not."""
        actions: dict[str, Callable[[], object]] = {
            "canary": lambda: self.setting.create(worlds.a_canary(name)),
            "deployment": lambda: self.setting.create(worlds.a_deployment(name)),
            "route": lambda: self.setting.create(worlds.a_virtual_service(name, number)),
            "scale": lambda: self._edit(resources.DEPLOYMENTS, name, {"replicas": number}),
            "steer": lambda: self._edit(resources.VIRTUAL_SERVICES, name, {"hosts": [str(number)]}),
            "retire": lambda: self._delete(resources.CANARIES, name),
            "undeploy": lambda: self._delete(resources.DEPLOYMENTS, name),
            "forget": self.setting.kube.compact,
            "flush": self.setting.redis.flushall,
            "break redis": lambda: setattr(self, "broken", number),
            "break kubernetes": lambda: self.setting.kube.faults.add(
                Fault(errors.Transient("away"), verb="watch", times=number + 1)
            ),
            "pause": lambda: self.setting.clock.sleep(7),
            "restart": lambda: self._restart(number % 2),
            "pass": self.step,
        }
        try:
            actions[what]()
        except (errors.NotFound, errors.Conflict):
            hypothesis.event(f"{what} made no sense")

    def _edit(self, resource: resources.Resource, name: str, spec: dict[str, Any]) -> None:
        self.setting.edit(resource, name, {"spec": spec})

    def _delete(self, resource: resources.Resource, name: str) -> None:
        self.setting.kube.delete(resource, "prod", name)

    def _restart(self, which: int) -> None:
        self.beats[which].loop.close()
        self.beats[which] = Beat(self.setting, f"number {next(self.numbers)}")


WHAT: Final = (
    *("canary", "deployment", "route", "scale", "steer", "retire", "undeploy"),
    *("forget", "flush", "break redis", "break kubernetes", "pause", "restart"),
    *["pass"] * 8,
)
THINGS: Final = strategies.tuples(
    strategies.sampled_from(WHAT), strategies.sampled_from(NAMES), strategies.integers(0, 9)
)


@hypothesis.settings(max_examples=40)
@hypothesis.given(strategies.lists(THINGS, max_size=40))
def test_worlds_agenda_and_cluster_agree_in_the_end(things: list[tuple[str, str, int]]) -> None:
    """Nothing is lost, nothing is left over, every canary will be looked at."""
    history = History()
    history.happen("canary", "shop", 0)
    history.happen("deployment", "shop", 0)
    for thing in things:
        history.happen(*thing)
    for _ in range(QUIET):
        history.step()

    setting = history.setting
    fresh = worlds.an_index()
    for resource in projections.watched(ROUTERS):
        fresh.replace(resource, setting.kube.list(resource).items)
    for ref in (CanaryRef("prod", name) for name in NAMES):
        assert setting.store.read(ref).world == (fresh.world(ref) or World())
    assert setting.store.agenda().keys() == fresh.refs()
    assert [beat.loop.health().is_ready() for beat in history.beats] == [True, True]
    assert sum(not side.stopped for beat in history.beats for side in beat.sides) == 1
