"""Properties of the store under any interleaving of its users.

Aspects: of concurrent commits one wins; no two runs at once; no nudge is lost, whatever claims,
begins, pokes, commits, finishes, deaths and expiries happen around it; confirmations only grow.
Each script runs alone on the server, so sequences of scripts are all the interleavings there are.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import hypothesis
import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from clients import clock as clocks
from clients.documents.confirmed import Confirmation, Lane
from clients.documents.world import World
from clients.redis.records import Basis, Commit, Work
from config.refs import CanaryRef
from tests.contract.store.conftest import START, Connect
from tests.fakes import memory_redis
from tests.stores import DirectStore, given_out

AT_ONCE = {"canary": timedelta(0)}

REF = CanaryRef("shop", "cart")
NEIGHBOUR = CanaryRef("shop", "basket")
TTL = timedelta(seconds=30)
QUEUED = timedelta(seconds=20)
FAR = timedelta(days=1)


def test_of_concurrent_commits_exactly_one_wins_each_version(live_store: DirectStore) -> None:
    """Eight writers race for each of 25 versions; versions count up one by one."""
    writers, rounds = 8, 25
    barrier = threading.Barrier(writers)

    def write(writer: int) -> list[int]:
        won = []
        for expected in range(rounds):
            barrier.wait()
            commit = Commit(expected=expected, state={"by": writer}, timeline={"by": writer})
            if (version := live_store.commit(REF, commit)) is not None:
                won.append(version)
            barrier.wait()
        return won

    with ThreadPoolExecutor(writers) as pool:
        won = [version for versions in pool.map(write, range(writers)) for version in versions]
    assert sorted(won) == list(range(1, rounds + 1))
    assert len(live_store.timeline(REF, 1000)) == rounds


class Interleaving(stateful.RuleBasedStateMachine):
    """One canary among messages, workers and clocks; the model knows which nudges are unserved."""

    def __init__(self, store: DirectStore, clock: clocks.ManualClock) -> None:
        super().__init__()
        self.store, self.clock = store, clock
        self.messages = 0
        self.unserved = False
        """Something happened that no tick has seen the beginning of."""
        self.route_unserved = False
        self.holders: dict[Work, tuple[str, int] | None] = dict.fromkeys(Work)
        """Per work the token and the version seen by the run that has the lease, or had."""
        self.dead: set[Work] = set()
        self.expires = dict.fromkeys(Work, START)
        self.version = 0
        store.poke(NEIGHBOUR, START + FAR)

    @stateful.rule(delay=st.sampled_from([0, 0, 5, 40]))
    def poke(self, delay: int) -> None:
        """A nudge, or one for later; the later one is a wish that a run may overrule."""
        self.store.poke(REF, self.store.now() + timedelta(seconds=delay) if delay else None)
        self.unserved |= not delay

    @stateful.rule(value=st.integers(0, 3))
    def observe(self, value: int) -> None:
        """A watcher stores what it saw."""
        if self.store.put_world(REF, World(canary={"v": value}), wake=AT_ONCE):
            self.unserved = True

    @stateful.rule(seq=st.integers(0, 12))
    def confirm(self, seq: int) -> None:
        """An effect reports, perhaps late."""
        news = Confirmation(lane=Lane.ROUTE, seq=seq)
        counted = self.store.confirm(REF, news, Basis(uid="u"), wake=True)
        assert counted == (self.version > 0)
        self.unserved |= counted

    @stateful.rule()
    def claim(self) -> None:
        """A beat enqueues what is due."""
        self.messages += len(given_out(self.store.claim(5, QUEUED)))

    @stateful.precondition(lambda self: self.messages)
    @stateful.rule(lost=st.booleans())
    def deliver(self, lost: bool) -> None:
        """A worker gets a message, or nobody does."""
        self.messages -= 1
        if not lost:
            self.begin_tick()

    @stateful.rule()
    def begin_tick(self) -> None:
        """A run, with or without a message; refused, it is a nudge."""
        if not self._begin(Work.TICK):
            self.unserved = True
            return
        self.unserved = False
        if self.route_unserved:
            self.begin_route()

    @stateful.rule()
    def begin_route(self) -> None:
        """An effect; refused, another run of it must follow."""
        self.route_unserved = not self._begin(Work.ROUTE)

    @stateful.precondition(lambda self: self._alive(Work.TICK))
    @stateful.rule(due=st.sampled_from([None, timedelta(seconds=10), FAR]))
    def commit(self, due: timedelta | None) -> None:
        """The tick decides; another commit or the end of its lease may have come before."""
        token, seen = self._holder(Work.TICK)
        at = None if due is None else self.store.now() + due
        commit = Commit(expected=seen, state={"uid": "u"}, due=at, token=token)
        version = self.store.commit(REF, commit)
        if version is None:
            assert seen != self.version or self._expired(Work.TICK)
            self.finish(Work.TICK, due)
            return
        assert seen == self.version
        assert version > self.version
        self.version, self.holders[Work.TICK] = version, None

    @stateful.rule()
    def command(self) -> None:
        """Somebody commits beside the ticks; a tick that runs must run again."""
        commit = Commit(expected=self.version, state={"uid": "u"}, due=self.store.now() + FAR)
        version = self.store.commit(REF, commit)
        assert version == self.version + 1
        self.version = version
        self.unserved |= self.holders[Work.TICK] is not None and not self._expired(Work.TICK)

    @stateful.rule(
        work=st.sampled_from([Work.TICK, Work.ROUTE]),
        due=st.sampled_from([None, timedelta(seconds=10), FAR]),
    )
    def finish(self, work: Work, due: timedelta | None) -> None:
        """A run ends without a decision; an effect that must run again does."""
        if not self._alive(work):
            return
        token, _ = self._holder(work)
        at = None if due is None else self.store.now() + due
        again = self.store.finish(REF, work, token, at)
        self.holders[work] = None
        if again and work is Work.ROUTE:
            self.begin_route()

    @stateful.rule(work=st.sampled_from([Work.TICK, Work.ROUTE]))
    def die(self, work: Work) -> None:
        """A worker is killed; its lease is left to run out."""
        self.dead.add(work)

    @stateful.rule(seconds=st.sampled_from([1, 7, 29, 31]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.clock.advance(timedelta(seconds=seconds))

    @stateful.invariant()
    def the_neighbour_keeps_its_due_time(self) -> None:
        """Nothing done to one canary touches another."""
        if self.store.now() < START + FAR:
            assert self.store.agenda()[NEIGHBOUR] == START + FAR

    def teardown(self) -> None:
        """Left to beats and workers alone, every nudge is served within the spans of the leases.

        Messages in flight are lost, running workers die: the worst case.
        """
        self.messages = 0
        self.dead = set(Work)
        deadline = self.store.now() + 2 * (TTL + QUEUED)
        while self.unserved or self.route_unserved:
            assert self.store.now() < deadline, "a nudge was lost"
            for _ in given_out(self.store.claim(5, QUEUED)):
                self.begin_tick()
                if self._alive(Work.TICK):
                    self.commit(FAR)
            self.clock.advance(timedelta(seconds=1))

    def _begin(self, work: Work) -> bool:
        begun = self.store.begin(REF, work, TTL)
        free = self.holders[work] is None or self._expired(work)
        assert (begun is not None) == free
        if begun is not None:
            assert begun.snapshot.version == self.version
            self.holders[work] = (begun.token, begun.snapshot.version)
            self.expires[work] = self.store.now() + TTL
            self.dead.discard(work)
        return begun is not None

    def _holder(self, work: Work) -> tuple[str, int]:
        holder = self.holders[work]
        assert holder is not None
        return holder

    def _alive(self, work: Work) -> bool:
        return self.holders[work] is not None and work not in self.dead

    def _expired(self, work: Work) -> bool:
        return self.store.now() >= self.expires[work]


@pytest.mark.timeout(300)  # half a minute of an idle processor
def test_no_nudge_is_lost_and_no_two_runs_meet(connect: Connect) -> None:
    """Whatever happens between a nudge and the next run, that run comes."""

    class Fresh(Interleaving):
        """The machine on an empty store."""

        def __init__(self) -> None:
            clock = clocks.ManualClock(START)
            store = DirectStore(connect(), clock.now)
            memory_redis.confirm(store)
            super().__init__(store, clock)

    settings = hypothesis.settings(max_examples=60, stateful_step_count=40)
    stateful.run_state_machine_as_test(Fresh, settings=settings)
