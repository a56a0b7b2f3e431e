"""The queue of webhooks at and beyond its capacity, in simulated time (7).

The rules, the services and the store are the real ones; simulated are the workers' threads, of
which each makes one call at a time, and all writers, who bring about everything at once.
"""

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest

from analysis import hooks
from analysis import state as states
from clients.clock import ManualClock
from clients.documents.confirmed import Confirmation, Lane
from clients.documents.world import World
from clients.kube.protocol import NoKube
from clients.redis.records import Asked, Basis, Call, Commit
from config.ranks import Rank
from config.refs import CanaryRef
from config.roles import Queue
from config.settings.settings import Settings
from tasks import wiring
from tasks.analyst import Analyst
from tasks.batch import Crew
from tasks.caller import RENEWAL_SECONDS, Caller, Taken
from tasks.configs import ConfigReader
from tests.fakes import memory_redis
from tests.stage.measuring import Hooks, InlineThreads, Meters, Silent
from tests.stores import DirectStore, given_out
from tests.unit.analysis import worlds
from tests.unit.tasks.test_gather import a_view
from tests.unit.tasks.worlds import ADMISSION, NOW

SETTINGS: Final = Settings()
SPAN: Final = timedelta(minutes=7)


class Site:
    """Canaries under analysis, each with a webhook before every step, and few to call them."""

    def __init__(self, canaries: int, slots: int, takes: timedelta, **hook: Any) -> None:
        self.clock = ManualClock(NOW)
        self.store = DirectStore(memory_redis.connect(), self.clock.now)
        memory_redis.confirm(self.store)
        self.refs = [CanaryRef("shop", f"c{number}") for number in range(canaries)]
        self.free, self.takes = slots, takes
        self.made: Counter[CanaryRef] = Counter()
        self.steps: Counter[CanaryRef] = Counter()
        self.running: set[tuple[CanaryRef, str]] = set()
        self._queue: deque[Asked] = deque()
        self._later: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._analyst = Analyst(
            Crew(self.store, Meters(), self),
            wiring.defaults(SETTINGS),
            ConfigReader(NoKube(), self.clock, bytes),
            lease=SETTINGS.scheduler.tick_lease,
            resync=SETTINGS.scheduler.resync_interval,
        )
        self._caller = Caller(
            self.store, Hooks(), self, self.clock, InlineThreads(), Silent(self.store)
        )
        for number, ref in enumerate(self.refs):
            self._begin(ref, timedelta(seconds=number / 10), hook)

    def _begin(self, ref: CanaryRef, after: timedelta, hook: dict[str, Any]) -> None:
        webhook = {"name": "load", "url": "http://load.shop/", **hook}
        manifest = worlds.a_manifest(
            interval="10s", stepWeight=1, maxWeight=100, webhooks=[webhook]
        )
        metadata = {**manifest["metadata"], "name": ref.name}
        world = World(
            canary={**manifest, "metadata": metadata},
            admission=ADMISSION,
            target=a_view(revision=worlds.NEW),
            primary=a_view("cart-app-primary", revision=worlds.OLD),
        )
        self.store.put_world(ref, world)
        due = NOW + after
        state = replace(worlds.progressing(1), check_at=due)
        self.store.commit(ref, Commit(expected=0, state=states.to_json(state), due=due))
        for lane in Lane:
            self.reconcile([ref], lane, Rank.REVISION)

    # --- a dispatcher

    def tick(self, refs: Sequence[CanaryRef], rank: Rank) -> None:  # noqa: ARG002
        """There are enough analysis workers."""
        self._analyst.tick(*refs)

    def reconcile(
        self,
        refs: Sequence[CanaryRef],
        lane: Lane,
        rank: Rank,  # noqa: ARG002
        *,
        if_due: bool = False,  # noqa: ARG002
    ) -> None:
        """All writers are done at once."""
        for ref in refs:
            self._confirm(ref, lane)

    def _confirm(self, ref: CanaryRef, lane: Lane) -> None:
        snapshot = self.store.read(ref)
        assert snapshot.state is not None
        state = states.from_json(snapshot.state)
        seq = {
            Lane.ROUTE: state.route.seq,
            Lane.WORKLOAD: state.workload.seq,
            Lane.STATUS: snapshot.version,
        }
        at = snapshot.now if lane is Lane.ROUTE else None
        news = Confirmation(lane=lane, seq=seq[lane], at=at)
        assert self.store.confirm(ref, news, Basis(uid="u1"), wake=False)
        self.steps[ref] = state.route.split.canary - 1

    def call(self, asked: Sequence[Asked], rank: Rank) -> None:  # noqa: ARG002
        """The calls wait for a free thread."""
        self._queue.extend(asked)

    def waiting(self) -> Mapping[Queue, int]:
        """Nobody asks."""
        return {Queue.HOOKS: len(self._queue)}

    # --- time

    def run(self, span: timedelta) -> "Site":
        """Lets `span` pass."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self._claim()
            while self.free and self._queue:
                self._take(self._queue.popleft())
            self._sleep()
            while self._later and self._later[0][0] <= self.clock.monotonic():
                heapq.heappop(self._later)[2]()
        self._claim()
        return self

    def _claim(self) -> None:
        schedule = SETTINGS.scheduler
        while refs := given_out(self.store.claim(100, schedule.tick_lease)):
            for ref in refs:
                self.tick([ref], Rank.STEP)

    def _sleep(self) -> None:
        due = [(at - NOW).total_seconds() for at in self.store.agenda().values()]
        moments = [*due, *(at for at, _, _ in self._later[:1])]
        self.clock.sleep(max(min(moments) - self.clock.monotonic(), 0.001))

    def _after(self, span: timedelta, happens: Callable[[], object]) -> None:
        at = self.clock.monotonic() + span.total_seconds()
        heapq.heappush(self._later, (at, next(self._numbers), happens))

    # --- the hook workers

    def _take(self, asked: Asked) -> None:
        ref = asked.ref
        for taken in self._caller.take(asked):
            assert (ref, asked.key) not in self.running, "a webhook is called twice at once"
            self.running.add((ref, asked.key))
            self.free -= 1
            self.made[ref] += 1
            self._renew(taken.call)
            uneven = (self.made[ref] + self.refs.index(ref)) % 3
            takes = self.takes * (1 + uneven / 10)
            self._after(takes, partial(self._end, taken))

    def _renew(self, taken: Call) -> None:
        if (taken.ref, taken.key) in self.running:
            self.store.renew_call(taken, hooks.CALL_LEASE)
            self._after(timedelta(seconds=RENEWAL_SECONDS), lambda: self._renew(taken))

    def _end(self, taken: Taken) -> None:
        self.running.remove((taken.call.ref, taken.call.key))
        self.free += 1
        self._caller.keep([(taken, Hooks().post(taken.hook, lambda: True))])


@pytest.mark.parametrize(
    ("canaries", "slots", "takes", "hook"),
    [
        (2, 2, 55, {"timeout": "60s"}),
        (4, 2, 55, {"timeout": "60s"}),
        (7, 2, 25, {"timeout": "30s"}),
        (2, 1, 121, {"timeout": "10s", "retries": 2}),
    ],
    ids=["below", "at twice its capacity", "far beyond", "receivers that ask for a minute's pause"],
)
def test_no_call_is_wasted_however_many_wait(
    canaries: int, slots: int, takes: int, hook: dict[str, Any]
) -> None:
    """Calls wait longer, and none is thrown away; every canary gets on, and about as far.

    The last: a `Retry-After: 60` holds a caller twice, longer than all its time limits together.
    """
    site = Site(canaries, slots, timedelta(seconds=takes), **hook).run(SPAN)

    finished = sum(site.made.values()) - len(site.running)
    assert finished > 0
    assert sum(site.steps.values()) >= 0.9 * finished
    idle = 10 if canaries <= slots else 0
    served = slots * (SPAN.total_seconds() // (takes * 1.2 + idle) - 1)
    assert finished >= served, "threads stood idle while calls waited"
    assert min(site.steps.values()) >= max(1, max(site.steps.values()) - 2)
