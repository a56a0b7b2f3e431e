"""The beat of a stage: the scheduler's own loop and watch side, without threads."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from clients import errors
from clients.kube import resources
from clients.kube.protocol import Keep, Listing, Watcher, WatchEvent, WatchType, everything
from clients.kube.resources import Resource
from clients.redis import rollouts
from config.ranks import Rank
from config.settings.settings import Settings
from config.shards import Shard
from scheduler import wiring
from scheduler.loop import Loop
from scheduler.publisher import PACE
from scheduler.watching import WatchSide
from tasks.registries import Registries
from tests.fakes.kube import FakeKube

FOR_EVER: Final = timedelta(days=999)
"""The lease: a stage leaps over intervals, and nobody would renew it meanwhile."""


class Inline(WatchSide):
    """A watch side that is pumped by whoever made it."""

    def start(self) -> None:
        """Nothing: no threads."""


class Refusing:
    """The leader's door to the cluster, which does not list the kinds in `refusals`."""

    def __init__(self, kube: FakeKube, refusals: Mapping[Resource, errors.ClientError]) -> None:
        self._kube = kube
        self._refusals = refusals

    def list(
        self, resource: Resource, namespace: str | None = None, keep: Keep = everything
    ) -> Listing:
        """All objects of a kind."""
        if resource in self._refusals:
            raise self._refusals[resource]
        return self._kube.list(resource, namespace, keep)

    def watch(
        self, resource: Resource, namespace: str | None, version: str, timeout: timedelta
    ) -> Iterator[WatchEvent]:
        """What happens to objects of a kind; of nothing the end is told without a request."""
        if self._kube.has_news(resource, version):
            return self._kube.watch(resource, namespace, version, timeout)
        present = {"metadata": {"resourceVersion": str(self._kube.store.storage.revision)}}
        return iter([WatchEvent(WatchType.BOOKMARK, present)])


class Beat:
    """One beat process, whose loop and watch side take turns as a test wants."""

    def __init__(
        self,
        settings: Settings,
        doors: wiring.Doors,
        kube: FakeKube,
        registries: Registries,
        holder: str = "stage",
    ) -> None:
        self._settings = replace(
            settings, scheduler=replace(settings.scheduler, beat_lease=FOR_EVER)
        )
        self.refusals: dict[Resource, errors.ClientError] = {}
        """Kinds that the leader may not list, and what it is told instead."""
        self._doors = replace(doors, watcher=self._watcher)
        self._registries = registries
        self._kube = kube
        self._holder = holder
        self._seen = ""
        self._side: Inline
        self._loop = self._begin()

    def restart(self) -> None:
        """Another process leads from now on; it knows nothing."""
        self._loop.close()
        self._seen = ""
        self._loop = self._begin()

    def successor(self) -> "Beat":
        """Another process that leads, since the lease of this one has run out; it may not know."""
        self._doors.store.release(self._holder)
        parts = (self._settings, self._doors, self._kube, self._registries)
        return Beat(*parts, holder=f"{self._holder}'")

    def beside(self, shard: Shard, holder: str) -> "Beat":
        """Another process, of a shard that nobody leads."""
        scheduler = replace(self._settings.scheduler, shard=shard)
        settings = replace(self._settings, scheduler=scheduler)
        return Beat(settings, self._doors, self._kube, self._registries, holder)

    def end(self) -> None:
        """The process ends in order."""
        self._loop.close()

    def _begin(self) -> Loop:
        loop = Loop(
            self._doors.store,
            self._doors.dispatcher,
            self._watch,
            clock=self._doors.clock,
            holder=self._holder,
            settings=self._settings.scheduler,
        )
        loop.step()
        return loop

    def store_again(self) -> None:
        """The lease was away for a moment: everything is stored again, as it is remembered."""
        self._side.refresh()

    def claim(self) -> None:
        """One step of the loop."""
        self._loop.step()

    def store(self) -> None:
        """What happened is seen and stored; costs little while nothing happens."""
        version = self._kube.list(resources.NAMESPACES).resource_version
        was_idle = self.is_idle
        with contextlib.suppress(errors.ClientError):
            if version != self._seen or not (self._side.synced and self._side.confirmed):
                self._side.pump()
                self._seen = version
            else:
                self._side._publisher.step()
            self._nudge_what_drifted()
            if not was_idle:
                self._hurry()

    @property
    def is_idle(self) -> bool:
        """Whether all there is to store is stored."""
        return self._side.confirmed

    def _hurry(self) -> None:
        """Leaves out the spread of first looks: there is one canary alone."""
        now = self._doors.clock.now()
        for ref, at in self._doors.store.agenda().items():
            if now < at <= now + PACE:
                self._doors.store.run(rollouts.poking(ref))

    def _nudge_what_drifted(self) -> None:
        """At once: the pause after which real ones look would be a step of its own each time."""
        drifts = self._side._publisher._drifts
        for (ref, lane), suspected in list(drifts._suspected.items()):
            fresh = [role for role, known in suspected.items() if not known.nudges]
            if fresh:
                self._doors.dispatcher.reconcile([ref], lane, Rank.REVISION)
                drifts.nudge((ref, lane), fresh)

    def _watcher(self) -> Watcher:
        return Refusing(self._kube, self.refusals)

    def _watch(self, term: Callable[[], int | None]) -> Inline:
        side = wiring.watch_side(
            self._settings, self._doors, term, timedelta, Inline, registries=self._registries
        )
        assert isinstance(side, Inline)
        self._side = side
        return side
