"""Channels of one canary are told side by side: on real threads, over a store in memory.

Order, accounts and what is dropped: test_delivery.py; whole rollouts: tests/scenarios.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from clients import errors
from clients.documents.notice import Notice
from clients.fair_threads import FairThreads
from clients.kube.protocol import Kube
from clients.redis import keys
from clients.redis.records import Work
from config.refs import CanaryRef
from tasks import teller
from tasks.audience import Audience
from tasks.delivery import Delivery
from tasks.teller import CanaryChannel, Teller
from tests import patience
from tests.unit.notify.notices import a_notice
from tests.unit.tasks.worlds import NOW, REF, Room, a_state


@dataclass
class Recorder:
    """A channel that takes its time as long as it is not `free`, and fails while it is `away`."""

    name: str
    free: threading.Event = field(default_factory=threading.Event)
    away: errors.ClientError | None = None
    heard: list[str] = field(default_factory=list)

    def told(
        self, delivery: Delivery, waiting: Sequence[Notice], kube: Kube
    ) -> errors.ClientError | None:
        """Why it was not told."""
        return delivery.bring(self, waiting, kube)

    def deliver(self, ref: CanaryRef, notice: Notice, kube: Kube) -> None:  # noqa: ARG002
        """Hears."""
        assert self.free.wait(patience.SECONDS)
        if self.away:
            raise self.away
        self.heard.append(notice.message)


@pytest.fixture
def room() -> Room:
    """A canary of which two things are to be told."""
    room = Room()
    room.commit(a_state(), a_notice("a", at=NOW), a_notice("b", at=NOW))
    return room


def a_teller(room: Room, *channels: CanaryChannel) -> Teller:
    """Tells these channels, which are all there are."""
    audience = Audience(tuple(each.name for each in channels))
    threads = FairThreads("test", 8)
    return Teller(
        *(room.store, room.clock, threads, Work.ALERT, lambda *_: channels, audience, room.kube)
    )


def free(name: str) -> Recorder:
    """A channel that takes everything at once."""
    recorder = Recorder(name)
    recorder.free.set()
    return recorder


def test_a_channel_that_hangs_delays_no_other_of_its_canary(room: Room) -> None:
    """The other has heard everything before it is free; then all is dropped."""
    slow, quick = Recorder("slow"), free("quick")
    a_teller(room, slow, quick).tell(REF)
    patience.until(lambda: quick.heard == ["a", "b"])
    assert slow.heard == []
    slow.free.set()
    patience.until(lambda: not room.store.undelivered(REF).notices)
    assert slow.heard == ["a", "b"]


def test_what_is_told_meanwhile_is_told_in_the_same_run(room: Room) -> None:
    """Whoever asks while a run is under way is not forgotten."""
    slow = Recorder("slow")
    telling = a_teller(room, slow)
    telling.tell(REF)
    patience.until(lambda: room.store.client.exists(keys.LEASES[Work.ALERT].of(REF)))
    room.commit(a_state(), a_notice("c", at=NOW))
    telling.tell(REF)
    patience.until(telling.threads.is_idle, 0.1) if slow.heard else None
    slow.free.set()
    patience.until(lambda: slow.heard == ["a", "b", "c"])


def test_the_shortest_pause_of_those_that_failed_is_when_the_canary_is_looked_at(
    room: Room,
) -> None:
    """By its due time, which survives this process."""
    pauses = [timedelta(seconds=40), timedelta(seconds=20)]
    down = [free(f"down-{pause.seconds}") for pause in pauses]
    for channel, pause in zip(down, pauses, strict=True):
        channel.away = errors.Transient("away", retry_after=pause)
    telling = a_teller(room, *down, free("up"))
    telling.tell(REF)
    patience.until(telling.threads.is_idle)
    assert room.store.agenda()[REF] == NOW + timedelta(seconds=20)
    assert [each.message for each in room.store.undelivered(REF).notices] == ["a", "b"]


def test_a_channel_with_a_defect_keeps_the_lease_from_nobody(room: Room) -> None:
    """The next run begins at once, and tells it again."""

    class Broken(Recorder):
        def told(self, *_: object) -> errors.ClientError | None:
            raise RuntimeError("defect")

    telling = a_teller(room, Broken("broken"), free("fine"))
    telling.tell(REF)
    patience.until(telling.threads.is_idle)
    begun = room.store.begin(REF, Work.ALERT, teller.TELL_LEASE)
    assert begun is not None
    assert [each.message for each in begun.untold.notices] == ["a", "b"]
    assert begun.untold.accounts.keys() == {"fine"}
