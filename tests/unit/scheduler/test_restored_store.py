"""A watch whose versions are still to come: the API server's store was restored from older data.

Such a watch is silent, at a real server, or tells older versions, at others. What follows for
rollouts is in tests/scenarios/test_restored_cluster.py.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from clients import errors
from clients.clock import ManualClock
from clients.kube import resources
from clients.kube.protocol import Keep, Listing, WatchEvent, WatchType, everything
from clients.kube.resources import Resource
from scheduler.backlog import Backlog
from scheduler.reflector import Reflector
from tests.unit.scheduler import worlds


class Restored:
    """A server at version 5 whose history up to 9 is gone; a watch lasts `seconds`, then breaks."""

    def __init__(self, clock: ManualClock, seconds: float, *told: str) -> None:
        self._clock = clock
        self._seconds = seconds
        self._told = told
        self.lists = 0

    def list(
        self, _resource: Resource, _namespace: str | None = None, _keep: Keep = everything
    ) -> Listing:
        """Nothing but a version."""
        self.lists += 1
        return Listing((), "9" if self.lists == 1 else "5")

    def watch(
        self, _resource: Resource, _namespace: str | None, _version: str, _timeout: timedelta
    ) -> Iterator[WatchEvent]:
        """Bookmarks of these versions, then silence."""
        for version in self._told:
            raw = {"metadata": {"resourceVersion": version}}
            yield WatchEvent(WatchType.BOOKMARK, raw)
        self._clock.advance(timedelta(seconds=self._seconds))
        raise errors.Transient("timed out")


@pytest.mark.parametrize(
    ("seconds", "told", "lists"),
    [
        (90, (), 2),  # not even a bookmark: nothing would be told until versions have caught up
        (0, ("5",), 2),
        (0, (), 1),  # a connection that breaks, as ever: the watch is resumed
        (90, ("9",), 1),
        (0, ("10",), 1),
    ],
)
def test_when_versions_went_back_everything_is_listed(
    seconds: float, told: tuple[str, ...], lists: int
) -> None:
    """And only then: a list after every break would be dear for the server."""
    clock = ManualClock(worlds.START)
    server = Restored(clock, seconds, *told)
    reflector = Reflector(
        resources.CANARIES,
        server,
        Backlog(worlds.an_index()),
        namespace=None,
        clock=clock,
        random=lambda: 0.0,
        timeout=lambda: timedelta(minutes=5),
    )
    reflector.step()
    reflector.step()
    clock.advance(timedelta(seconds=60))
    reflector.step()

    assert server.lists == lists
