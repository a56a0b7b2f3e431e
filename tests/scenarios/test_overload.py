"""More is due than can be done: what matters first is on time, the rest gets slower.

A beat and as many workers as have a certain number of ticks done a second, in simulated time; a
tick ends as the scenario says. What real ticks decide is left out here, as is Celery: the queue
serves its priorities in order, as tests/contract/test_celery.py finds it does.
"""

import heapq
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Final

import pytest

from analysis.effects import Lane
from clients.redis import server
from clients.redis.records import Asked, Work
from config.ranks import Rank
from config.refs import CanaryRef
from config.roles import Queue
from config.settings.settings import LONGEST_LEASE
from tasks import queues
from tests.services.valkey import Valkey
from tests.stores import DirectStore
from tests.unit.scheduler.worlds import Beat, Setting

POLL: Final = timedelta(milliseconds=100)
INTERVAL: Final = timedelta(seconds=10)
LEASE: Final = LONGEST_LEASE
"""Of ticks and of the beat: the server counts it in real time, of which a busy machine takes more.
All that is leased here is given back, or renewed, long before by either clock."""


@dataclass
class Busy:
    """A dispatcher whose workers do `pace` ticks in each poll of the beat.

    Each tick takes the next of its canary's `plans`: its rank then, and in how long it is due.
    """

    setting: Setting
    pace: int
    plans: dict[CanaryRef, Iterator[tuple[Rank, timedelta]]] = field(default_factory=dict)
    late: defaultdict[Rank, list[timedelta]] = field(default_factory=lambda: defaultdict(list))
    done: dict[CanaryRef, int] = field(default_factory=lambda: defaultdict(int))
    longest: int = 0
    _due: dict[CanaryRef, tuple[Rank, datetime]] = field(default_factory=dict)
    _queue: list[tuple[int, int, CanaryRef]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def add(
        self, ref: CanaryRef, rank: Rank, due: datetime, plan: Iterator[tuple[Rank, timedelta]]
    ) -> None:
        """A canary that is due, with what its ticks will say."""
        self.plans[ref], self._due[ref] = plan, (rank, due)
        self.setting.store.poke(ref, due, rank=rank)

    def tick(self, refs: Sequence[CanaryRef], rank: Rank) -> None:
        """Puts them into the queue."""
        for ref in refs:
            heapq.heappush(self._queue, (queues.PRIORITIES[rank], next(self._numbers), ref))
        self.longest = max(self.longest, len(self._queue))

    def reconcile(
        self,
        refs: Sequence[CanaryRef],
        lane: Lane,
        rank: Rank,
        *,
        if_due: bool = False,  # noqa: ARG002
    ) -> None:
        """Nothing drifts here."""
        raise AssertionError(f"{lane} of {refs}, {rank}")

    def call(self, asked: Sequence[Asked], rank: Rank) -> None:
        """Nothing here calls hooks."""
        raise AssertionError(f"hooks {asked}, {rank}")

    def waiting(self) -> Mapping[Queue, int]:
        """The ticks that wait, each by itself."""
        return {Queue.ANALYSIS: len(self._queue)}

    def work(self) -> None:
        """Lets the workers do what they can before the next poll."""
        for _ in range(min(self.pace, len(self._queue))):
            ref = heapq.heappop(self._queue)[2]
            begun = self.setting.store.begin(ref, Work.TICK, LEASE, if_due=True)
            if begun is None:
                continue
            before, due = self._due[ref]
            self.late[before].append(begun.snapshot.now - due)
            self.done[ref] += 1
            rank, span = next(self.plans[ref], (Rank.RESYNC, timedelta(minutes=5)))
            due = begun.snapshot.now + span
            self._due[ref] = rank, due
            self.setting.store.finish(ref, Work.TICK, begun.token, due, rank)


def busy(valkey: Valkey, pace: int, most: int = 40) -> tuple[Setting, Busy, Beat]:
    """A beat that leads, with a ceiling of `most`, before there is any work."""
    setting = Setting()
    setting.redis = server.connect(valkey.url)
    setting.store = DirectStore(setting.redis, setting.clock.now)
    usual = setting.settings.scheduler
    schedule = replace(usual, max_in_flight=most, tick_lease=LEASE, beat_lease=LEASE)
    setting.settings = replace(setting.settings, scheduler=schedule)
    workers = Busy(setting, pace)
    setting.sent = workers  # type: ignore[assignment]  # the other dispatcher keeps messages
    beat = Beat(setting, "first")
    for _ in range(3):
        beat.step()
        setting.clock.sleep(1)
    return setting, workers, beat


def run(setting: Setting, workers: Busy, beat: Beat, span: timedelta) -> None:
    """Lets `span` pass."""
    for _ in range(span // POLL):
        beat.loop.step()
        workers.work()
        setting.clock.sleep(POLL.total_seconds())


def refs(namespace: str, number: int) -> list[CanaryRef]:
    """So many canaries of a namespace."""
    return [CanaryRef(namespace, f"app-{index:04}") for index in range(number)]


def test_rollbacks_and_checks_are_on_time_while_a_thousand_initialise(valkey: Valkey) -> None:
    """Initialisations fill what is left: they get slower, and nobody else does."""
    setting, workers, beat = busy(valkey, pace=4)
    start = setting.clock.now()
    for ref in refs("new", 1000):
        again = ((Rank.INITIALIZATION, timedelta(seconds=2)) for _ in range(3))
        workers.add(ref, Rank.INITIALIZATION, start, again)
    for number, ref in enumerate(refs("shop", 100)):
        checks = [(Rank.CHECK, INTERVAL)] * 2
        ending = [(Rank.ROLLBACK, timedelta(0))] if number % 4 == 0 else []
        due = start + INTERVAL * (number % 20) / 20
        workers.add(ref, Rank.CHECK, due, iter([*checks, *ending]))
    run(setting, workers, beat, timedelta(seconds=33))

    assert (len(workers.late[Rank.CHECK]), len(workers.late[Rank.ROLLBACK])) == (300, 25)
    assert max(workers.late[Rank.CHECK] + workers.late[Rank.ROLLBACK]) <= 2 * POLL
    assert max(workers.late[Rank.INITIALIZATION]) > timedelta(seconds=20)
    assert sum(map(len, workers.late.values())) == 4 * (timedelta(seconds=33) / POLL), "all at work"
    assert workers.longest <= 3 * 40


def test_of_one_rank_a_namespace_with_many_delays_no_other(valkey: Valkey) -> None:
    """A namespace with one canary has it checked on time, whoever else is overdue."""
    setting, workers, beat = busy(valkey, pace=5)
    start = setting.clock.now()
    for ref in refs("many", 1000):
        workers.add(ref, Rank.CHECK, start, iter([(Rank.CHECK, INTERVAL)] * 9))
    (alone,) = refs("few", 1)
    workers.add(alone, Rank.CHECK, start + INTERVAL, iter([(Rank.CHECK, INTERVAL)] * 9))
    run(setting, workers, beat, timedelta(seconds=35))

    assert workers.done[alone] == 3, "no later than what was queued before it takes"
    others = [workers.done[ref] for ref in refs("many", 1000)]
    assert (min(others), max(others)) == (1, 2), "each has its turn before any has another"


def test_lateness_is_logged_once_a_minute_and_only_then(
    valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    """How much waits in the queues and on the agenda, and how late the oldest is, by rank."""
    setting, workers, beat = busy(valkey, pace=1)
    start = setting.clock.now()
    with caplog.at_level(logging.WARNING, "scheduler.lateness"):
        for ref in refs("new", 900):
            workers.add(ref, Rank.INITIALIZATION, start, iter([]))
        run(setting, workers, beat, timedelta(seconds=75))
        lines = [vars(record) for record in caplog.records]
        workers.pace = 1000
        run(setting, workers, beat, timedelta(minutes=2))

    assert [line["msg"] for line in lines] == ["work is late"] * 2
    assert len(caplog.records) == 2, "nothing while all is on time"
    assert lines[0]["queued"] == {"analysis": 40}
    assert 750 < lines[0]["due"]["initialization"] < 800
    assert 6 < lines[0]["late_seconds"]["initialization"] < 11
    assert lines[1]["due"].keys() == {"initialization"}
    assert 66 < lines[1]["late_seconds"]["initialization"] < 71
