"""Notices to channels: in order, at least once, each channel at its own pace.

Left out: what the channels make of a notice (tests/unit/notify), when delivery is tried again
(tests/unit/tasks/test_reporter.py).
"""

from dataclasses import dataclass, field
from typing import Final

import pytest

from analysis.effects import WRITE_LEASE
from clients import errors, instruments
from clients.clock import ManualClock
from clients.documents.notice import Notice
from clients.instruments import SILENT, Instruments
from clients.kube.protocol import Kube
from clients.redis import rollouts
from clients.redis.records import Commit, Work
from config.refs import CanaryRef
from tasks import delivery
from tasks.delivery import Delivery
from tests.fakes import memory_redis
from tests.fakes.kube import FakeKube
from tests.fakes.notes import Notes
from tests.stores import DirectStore
from tests.unit.notify.notices import NOW, a_notice

REF: Final = CanaryRef("shop", "cart")
KUBE: Final = FakeKube(ManualClock(NOW))


@dataclass
class Recorder:
    """A channel that remembers; `failing` are the texts it does not take, and how."""

    name: str
    failing: dict[str, Exception] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def deliver(self, ref: CanaryRef, notice: Notice, kube: Kube) -> None:
        """Remembers the text."""
        assert (ref, kube) == (REF, KUBE)
        if notice.message in self.failing:
            raise self.failing[notice.message]
        self.told.append(notice.message)


@pytest.fixture
def store() -> DirectStore:
    """An empty store."""
    store = DirectStore(memory_redis.connect())
    memory_redis.confirm(store)
    return store


def commit(store: DirectStore, *texts: str) -> None:
    """One more decision, with these notices."""
    expected = store.read(REF).version
    notices = tuple(map(a_notice, texts))
    assert store.commit(REF, Commit(expected=expected, state={"uid": "u1"}, notices=notices))


def deliver(store: DirectStore, *channels: Recorder, tell: Instruments = SILENT) -> bool:
    """Whether all is told, after one try."""
    begun = store.begin(REF, Work.STATUS, WRITE_LEASE)
    assert begun is not None
    delivering = Delivery(store, REF, begun.untold, begun.token, "u1", tell=tell)
    failures = [delivering.bring(each, delivering.missing(each.name), KUBE) for each in channels]
    told = delivering.told([each.name for each in channels])
    store.run(rollouts.finishing(REF, Work.STATUS, begun.token, told=told, uid="u1"))
    return not any(failures)


def test_every_channel_gets_every_notice_once_and_in_order(store: DirectStore) -> None:
    """And nothing of it is left in Redis that could be told again."""
    events, chat = Recorder("events"), Recorder("chat")
    commit(store, "a", "b")
    assert deliver(store, events, chat)
    commit(store, "c")
    assert deliver(store, events, chat)
    assert deliver(store, events, chat)
    assert events.told == chat.told == ["a", "b", "c"]
    assert store.undelivered(REF)[0] == ()


@pytest.mark.parametrize(
    "failure",
    [errors.Transient("away"), errors.NotFound("no namespace"), ValueError("defect")],
    ids=lambda failure: type(failure).__name__,
)
def test_a_channel_that_is_down_keeps_only_its_own_notices_waiting(
    store: DirectStore, failure: Exception
) -> None:
    """It goes on where it stopped; the others are told nothing twice."""
    events, chat = Recorder("events"), Recorder("chat", {"b": failure})
    commit(store, "a", "b", "c")
    assert not deliver(store, events, chat)
    commit(store, "d")
    assert not deliver(store, events, chat)
    assert (events.told, chat.told) == (["a", "b", "c", "d"], ["a"])
    chat.failing.clear()
    assert deliver(store, events, chat)
    assert (events.told, chat.told) == (["a", "b", "c", "d"], ["a", "b", "c", "d"])
    assert store.undelivered(REF)[0] == ()


def test_a_refused_notice_holds_up_no_other(store: DirectStore) -> None:
    """It would be refused for ever."""
    events = Recorder("events", {"b": errors.Permanent("too long")})
    commit(store, "a", "b", "c")
    assert deliver(store, events)
    assert events.told == ["a", "c"]
    assert store.undelivered(REF)[0] == ()


def test_a_channel_that_is_added_gets_what_is_still_waiting(store: DirectStore) -> None:
    """Not what was told before it was there."""
    events, chat = Recorder("events"), Recorder("chat")
    commit(store, "a")
    assert deliver(store, events)
    commit(store, "b")
    assert deliver(store, events, chat)
    assert (events.told, chat.told) == (["a", "b"], ["b"])


def test_what_waits_for_a_dead_channel_is_bounded(store: DirectStore) -> None:
    """The oldest are given up; the other channel has had them all."""
    events = Recorder("events")
    dead = Recorder("chat", {str(number): errors.Transient("away") for number in range(600)})
    for start in range(0, 600, 100):
        commit(store, *map(str, range(start, start + 100)))
        assert not deliver(store, events, dead)
    assert events.told == list(map(str, range(600)))
    assert len(store.undelivered(REF)[0]) == delivery.MOST_WAITING
    assert store.undelivered(REF)[0][-1].message == "599"


def test_a_notice_of_another_release_is_dropped_not_stumbled_over(store: DirectStore) -> None:
    """Its text was logged when it was decided; those after it are told."""
    events = Recorder("events")
    store.client.hset("coalmine:{shop/cart}:notices", "000000000001-0", '{"type":"Normal"}')
    commit(store, "a")
    assert deliver(store, events)
    assert events.told == ["a"]
    assert store.undelivered(REF)[0] == ()


def test_notices_of_one_decision_are_told_in_order_however_many_there_are(
    store: DirectStore,
) -> None:
    """Also past the tenth, to a channel that was away in between."""
    texts = [f"n{index}" for index in range(12)]
    events, chat = Recorder("events"), Recorder("chat", {"n3": errors.Transient("away")})
    commit(store, *texts)
    assert not deliver(store, events, chat)
    chat.failing.clear()
    assert deliver(store, events, chat)
    assert events.told == chat.told == texts
    assert store.undelivered(REF)[0] == ()


def test_attempts_are_counted_by_channel_and_outcome(store: DirectStore) -> None:
    """A channel that is down is seen, whoever is told meanwhile."""
    notes, away = Notes(), errors.TimedOut("away")
    events, chat = Recorder("events", {"b": errors.Permanent("no")}), Recorder("chat", {"b": away})
    commit(store, "a", "b", "c")
    for _ in range(2):
        deliver(store, events, chat, tell=notes)
    assert notes.counts[instruments.NOTICES] == {
        ("events", "delivered"): 2,
        ("events", "refused"): 1,
        ("chat", "delivered"): 1,
        ("chat", "timed-out"): 2,
    }
