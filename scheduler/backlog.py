"""What is known of the cluster, shared by threads, and what of it is yet to be stored.

Many threads see events, one stores. It takes the latest projection, not a history: ten changes to
one object that come while Redis is away are one write when it is back. What decides nothing waits a
moment for more to be stored with it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from analysis.news import News
from clients.documents.world import CANARY, STATUS, World
from clients.kube.protocol import Object, WatchType
from clients.kube.resources import Resource
from config.refs import CanaryRef
from scheduler import projections
from scheduler.conflicts import has_traffic
from scheduler.entries import Standing
from scheduler.index import Changes, Index, greatest

LEISURE: Final = 0.2
"""Longest wait in seconds of a changed status or route, of which most are our own writes: by then
their writers have stored them, and there is nothing left to be stored, nor to be doubted."""


class Change(NamedTuple):
    """What is to be stored of a canary: these roles of its world, None when it is gone.

    Of each role, what its change may be good for. Of others the world may say nothing.
    """

    ref: CanaryRef
    world: World | None
    roles: Mapping[str, News]


class Backlog:
    """An index with a note of what changed in it since it was stored; `roles`, `watched`: its."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.roles, self.watched = index.roles, index.watched
        self._whole = {role: projections.news(role) for role in index.roles}
        self._unstored: dict[CanaryRef, Mapping[str, News]] = {}
        self._news = threading.Condition()
        self._awake = False

    # --- for those who watch

    def listed(self, resource: Resource, items: Iterable[Any]) -> None:
        """Take in a complete list."""
        with self._news:
            self._note(self._index.replace(resource, items))

    def happened(self, resource: Resource, kind: WatchType, raw: Object) -> None:
        """Take in one event."""
        with self._news:
            self._note(self._index.apply(resource, kind, raw))

    def set_aside(self, resource: Resource, why: str) -> None:
        """Take in that a resource cannot be listed."""
        with self._news:
            self._note(self._index.set_aside(resource, why))

    def is_wanted(self, resource: Resource) -> bool:
        """Whether a kind is to be watched now: ConfigMaps and Secrets only while some are used."""
        with self._news:
            return resource in self.watched or self._index.uses_configs

    def ignore(self, resource: Resource) -> None:
        """Take in that a kind is not watched any more."""
        with self._news:
            self._index.ignore(resource)

    # --- for the one who stores

    def __len__(self) -> int:
        """How many canaries there is something to be stored of."""
        with self._news:
            return len(self._unstored)

    def take(self, most: int) -> list[Change]:
        """What is to be stored, longest waiting first, of so many canaries at most.

        What was taken counts as stored: give it back with `again` if it was not.
        """
        with self._news:
            refs = list(islice(self._unstored, most))
            return [self._change(ref, self._unstored.pop(ref)) for ref in refs]

    def take_whole(self, refs: Iterable[CanaryRef]) -> list[Change]:
        """Everything about `refs` as it is now."""
        with self._news:
            for ref in refs:
                self._unstored.pop(ref, None)
            return [Change(ref, self._index.world(ref), self._whole) for ref in refs]

    def again(self, changes: Iterable[Change]) -> None:
        """Note that these are to be stored still, after all others."""
        with self._news:
            self._note({ref: roles for ref, _, roles in changes})
            self._news.notify_all()

    def adopt(self, ref: CanaryRef, raw: Any) -> None:
        """Take `raw` for the last good manifest, if it is; see `Index.adopt`."""
        with self._news:
            self._note(self._index.adopt(ref, raw))

    def refs(self) -> frozenset[CanaryRef]:
        """All canaries."""
        with self._news:
            return self._index.refs()

    def census(self) -> tuple[Standing, ...]:
        """All canaries, as they are shown."""
        with self._news:
            return self._index.census()

    def has_traffic(self, ref: CanaryRef) -> bool:
        """Whether a canary has traffic by its status, or is about to get some."""
        with self._news:
            world = self._index.world(ref, [STATUS])
        return world is not None and world.status is not None and has_traffic(world.status)

    def unsettled(self) -> frozenset[CanaryRef]:
        """The canaries that are not acted on as they are written now."""
        with self._news:
            return self._index.unsettled()

    def wait(self, seconds: float) -> bool:
        """Whether there is something to store; comes back when there is, or after the time.

        At once when that may decide something, or after `wake`; else `LEISURE` after the first.
        """
        with self._news:
            self._news.wait_for(lambda: self._awake or bool(self._unstored), seconds)
            if self._unstored:
                self._news.wait_for(lambda: self._awake, LEISURE)
            self._awake = False
            return bool(self._unstored)

    def wake(self) -> None:
        """Have whoever waits look around now."""
        with self._news:
            self._awake = True
            self._news.notify_all()

    def _change(self, ref: CanaryRef, roles: Mapping[str, News]) -> Change:
        # What an edited manifest says of one object may matter to another.
        world = self._index.world(ref, None if CANARY in roles else roles)
        return Change(ref, world, roles)

    def _note(self, changes: Changes) -> None:
        is_first = not self._unstored
        for ref, changed in changes.items():
            known, newer = self._unstored.get(ref, {}), self._whole if changed is None else changed
            self._unstored[ref] = greatest(known, newer)
            self._awake = self._awake or any(map(projections.news, newer))
        if self._awake or (is_first and changes):
            self._news.notify_all()
