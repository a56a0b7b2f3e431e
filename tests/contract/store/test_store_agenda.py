"""The agenda, leader leases and time.

Aspects: who gets what is due and when again; poking; who leads; whose time counts.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from clients import clock as clocks
from clients.documents.world import World
from clients.redis import keys, scripts
from clients.redis.records import Claimed, Commit, Overdue, Work
from clients.redis.store import LOOKED_AT, SPAN
from config import moments
from config.ranks import Rank
from config.refs import CanaryRef
from tests.fakes import memory_redis
from tests.patience import until
from tests.stores import DirectStore, given_out

AT_ONCE = {"canary": timedelta(0)}

REFS = [CanaryRef("shop", f"app-{index}") for index in range(4)]
REF = REFS[0]
SECOND = timedelta(seconds=1)
QUEUED = 20 * SECOND
TTL = 40 * SECOND


def claim(store: DirectStore, limit: int = 10) -> Claimed:
    """A claim with the usual spans."""
    return store.claim(limit, QUEUED)


def decide(store: DirectStore, ref: CanaryRef, rank: Rank, due: datetime) -> None:
    """A tick that decides on `rank` and `due`."""
    begun = store.begin(ref, Work.TICK, TTL)
    assert begun is not None
    commit = Commit(
        expected=begun.snapshot.version, state={}, due=due, token=begun.token, rank=rank
    )
    assert store.commit(ref, commit) is not None


def test_poking_only_brings_a_due_time_forward(store: DirectStore) -> None:
    """The earliest of all that was asked for counts."""
    now = store.now()
    store.poke(REF, now + 60 * SECOND)
    store.poke(REF, now + 90 * SECOND)
    assert store.agenda() == {REF: now + 60 * SECOND}
    store.poke(REF)
    assert store.agenda() == {REF: now}


def test_a_claim_gives_out_what_is_due_and_leaves_the_rest_alone(store: DirectStore) -> None:
    """Earliest first; what is given out is due again when its message counts as lost."""
    now = store.now()
    due = [now - SECOND, now - 2 * SECOND, now, now + timedelta(milliseconds=1)]
    for ref, at in zip(REFS, due, strict=True):
        store.poke(ref, at)
    claimed = claim(store)
    assert claimed.by_rank == {Rank.INITIALIZATION: [REFS[1], REFS[0], REFS[2]]}
    assert claimed.canaries == 4
    assert store.agenda() == {
        REFS[3]: due[3],
        **dict.fromkeys(REFS[:3], now + QUEUED),
    }


def test_no_more_are_queued_at_a_time_than_there_is_room_for(store: DirectStore) -> None:
    """What is left stays due, and has its turn as ticks begin."""
    now = store.now()
    for seconds, ref in enumerate(REFS):
        store.poke(ref, now - 10 * SECOND + seconds * SECOND)
    assert given_out(claim(store, 3)) == tuple(REFS[:3])
    assert claim(store, 3) == Claimed({}, 4, 4, confirmed=True)
    assert store.agenda()[REFS[3]] == now - 7 * SECOND
    store.begin(REFS[1], Work.TICK, TTL)
    assert given_out(claim(store, 3)) == (REFS[3],)


def test_a_place_of_a_message_that_counts_as_lost_is_free(
    store: DirectStore, clock: clocks.ManualClock
) -> None:
    """Or a broker that was emptied would stop everything."""
    for ref in REFS[:2]:
        store.poke(ref)
    assert given_out(claim(store, 1)) == (REFS[0],)
    clock.advance(QUEUED - SECOND)
    assert given_out(claim(store, 1)) == ()
    clock.advance(SECOND)
    assert given_out(claim(store, 1)) == (REFS[1],)


def test_a_claim_looks_at_each_once(store: DirectStore) -> None:
    """Who runs takes a place among those looked at, and makes room then."""
    now = store.now()
    for seconds, ref in enumerate(REFS):
        store.poke(ref, now - 10 * SECOND + seconds * SECOND)
    store.begin(REFS[0], Work.TICK, TTL)
    assert [given_out(claim(store, most)) for most in (1, 1, 2, 3, 4)] == [
        *((), *((ref,) for ref in REFS[1:]), ())
    ]
    assert store.agenda() == {REFS[0]: now + TTL, **dict.fromkeys(REFS[1:], now + QUEUED)}


@pytest.mark.parametrize("lost", [False, True])
def test_the_most_urgent_go_first_whatever_is_due_for_longer(
    store: DirectStore, lost: bool
) -> None:
    """A rank is what the decision before said, and stays until the next; also if a tick dies."""
    now = store.now()
    ranks = [Rank.RESYNC, Rank.STEP, Rank.ROLLBACK, Rank.CHECK]
    for seconds, (ref, rank) in enumerate(zip(REFS, ranks, strict=True)):
        decide(store, ref, rank, now - 10 * SECOND + seconds * SECOND)
    if lost:
        assert len(given_out(claim(store))) == 4
        for ref in REFS:
            store.poke(ref)
        store.client.delete(*(keys.TICK.of(ref) for ref in REFS))
    assert claim(store).by_rank == {
        Rank.ROLLBACK: [REFS[2]],
        Rank.CHECK: [REFS[3]],
        Rank.STEP: [REFS[1]],
        Rank.RESYNC: [REFS[0]],
    }
    assert list(store.ranks().values()) == sorted(ranks)


def test_less_urgent_ones_take_no_place_from_more_urgent_ones(store: DirectStore) -> None:
    """A queue that is full of initialisations has room for a rollback; not the other way round."""
    for ref, rank in zip(REFS, [*[Rank.INITIALIZATION] * 3, Rank.ROLLBACK], strict=True):
        decide(store, ref, rank, store.now() + SECOND * (rank is Rank.ROLLBACK))
    assert given_out(claim(store, 2)) == tuple(REFS[:2])
    store.poke(REFS[3])
    assert given_out(claim(store, 2)) == (REFS[3],)
    store.begin(REFS[0], Work.TICK, TTL)
    assert given_out(claim(store, 2)) == ()


def test_namespaces_take_turns(store: DirectStore) -> None:
    """A thousand due canaries of one do not delay the one of another."""
    now = store.now()
    many = [CanaryRef("many", f"app-{index:04}") for index in range(1000)]
    few = [CanaryRef("few", "first"), CanaryRef("few", "second"), CanaryRef("one", "alone")]
    pipeline = store.client.pipeline()
    for index, ref in enumerate([*many, *few]):
        at = moments.milliseconds(now - 60 * SECOND) + index
        pipeline.zadd(keys.AGENDA.pattern, {str(ref): Rank.CHECK * SPAN + at})
    pipeline.execute()
    assert given_out(claim(store, 6)) == (many[0], few[0], few[2], many[1], few[1], many[2])


def test_behind_a_crowd_who_has_just_become_due_is_seen(store: DirectStore) -> None:
    """However large it is; and nobody is given out twice for being seen from both ends."""
    now = moments.milliseconds(store.now())
    for size in (LOOKED_AT - 1, LOOKED_AT, 2 * LOOKED_AT - 1, 3 * LOOKED_AT):
        store.client.flushall()
        memory_redis.confirm(store)
        due = Rank.CHECK * SPAN + now
        entries: dict[Any, Any] = {f"many/app-{index:05}": due - 9000 for index in range(size)}
        store.client.zadd(keys.AGENDA.pattern, {"few/cart": due} | entries)
        refs = given_out(store.claim(2 * size, QUEUED))
        assert refs[1] == CanaryRef("few", "cart")
        assert len(set(refs)) == len(refs) == min(size + 1, 2 * LOOKED_AT)


def test_what_happens_to_a_canary_at_rest_goes_before_resyncs_of_others(store: DirectStore) -> None:
    """Until it has been looked at; what is more urgent, or being initialised, stays so."""
    now = store.now()
    ranks = [Rank.RESYNC, Rank.STEP, Rank.INITIALIZATION, Rank.CHECK]
    for ref, rank in zip(REFS, ranks, strict=True):
        decide(store, ref, rank, now + 60 * SECOND)
        store.put_world(ref, World(canary={}), wake=AT_ONCE)
    new = CanaryRef("shop", "new")
    store.put_world(new, World(canary={}), wake=AT_ONCE)
    assert store.ranks() == {
        REFS[0]: Rank.REVISION,
        REFS[1]: Rank.STEP,
        REFS[2]: Rank.INITIALIZATION,
        REFS[3]: Rank.CHECK,
        new: Rank.INITIALIZATION,
    }


def test_what_happens_during_a_look_for_nothing_is_no_look_for_nothing(store: DirectStore) -> None:
    """Its run after this one goes before resyncs."""
    begun = store.begin(REF, Work.TICK, TTL)
    assert begun is not None
    store.put_world(REF, World(canary={}), wake=AT_ONCE)
    due = store.now() + timedelta(minutes=5)
    store.finish(REF, Work.TICK, begun.token, due, Rank.RESYNC)
    assert store.ranks() == {REF: Rank.REVISION}
    assert store.agenda() == {REF: store.now()}


def test_a_poke_by_the_leader_is_no_news(store: DirectStore) -> None:
    """It has all canaries looked at after a loss; a rank that it knows is of those not listed."""
    decide(store, REF, Rank.RESYNC, store.now() + 60 * SECOND)
    store.poke(REF, rank=Rank.CHECK)
    store.poke(REFS[1], rank=Rank.CHECK)
    assert store.ranks() == {REF: Rank.RESYNC, REFS[1]: Rank.CHECK}


def test_what_is_overdue_is_told_by_rank(store: DirectStore) -> None:
    """Those that are enqueued are not."""
    now = store.now()
    for seconds, ref in enumerate(REFS[:3]):
        decide(store, ref, Rank.STEP, now - seconds * SECOND)
    decide(store, REFS[3], Rank.RESYNC, now - SECOND)
    assert store.overdue(now - SECOND) == {
        Rank.STEP: Overdue(2, now - 2 * SECOND),
        Rank.RESYNC: Overdue(1, now - SECOND),
    }
    claim(store, 3)
    assert store.overdue(now) == {Rank.RESYNC: Overdue(1, now - SECOND)}


def test_scripts_and_python_mean_the_same_ranks() -> None:
    """The numbers stand in both."""
    text = scripts.source("claim")
    assert f"local SPAN = {SPAN:.0e}".replace("e+", "e") in text
    last = (Rank.REVISION, Rank.INITIALIZATION, Rank.RESYNC)
    names, numbers = (", ".join(rank.name for rank in last), ", ".join(map(str, map(int, last))))
    assert f"local {names} = {numbers}" in text
    assert max(Rank) is Rank.RESYNC


def test_an_empty_agenda_gives_out_nothing_and_says_that_it_is_empty(store: DirectStore) -> None:
    """So that a leader with canaries knows that the agenda alone was lost."""
    assert claim(store) == Claimed(by_rank={}, canaries=0, busy=0, confirmed=True)


def test_what_is_queued_is_not_given_out_again_until_its_message_counts_as_lost(
    store: DirectStore, clock: clocks.ManualClock
) -> None:
    """Neither by its due time nor by a poke; afterwards it is."""
    store.poke(REF)
    assert given_out(claim(store)) == (REF,)
    store.poke(REF)
    assert given_out(claim(store)) == ()
    clock.advance(QUEUED)
    assert given_out(claim(store)) == (REF,)


def test_a_running_tick_is_not_given_out_but_asked_to_run_again(store: DirectStore) -> None:
    """A poke during a tick is served by the run after it."""
    store.begin(REF, Work.TICK, TTL)
    store.poke(REF)
    assert given_out(claim(store)) == ()


def test_a_tick_whose_worker_died_is_made_up_for_when_its_lease_ends(
    store: DirectStore, clock: clocks.ManualClock
) -> None:
    """Not later, however often somebody has asked meanwhile."""
    store.begin(REF, Work.TICK, SECOND)
    store.poke(REF)
    assert given_out(claim(store)) == ()
    assert store.agenda() == {REF: store.now() + SECOND}
    clock.advance(SECOND)
    assert given_out(claim(store)) == (REF,)


def test_a_poke_during_a_tick_outlives_the_due_time_of_its_commit(store: DirectStore) -> None:
    """Whether or not a beat has seen the poke meanwhile."""
    far = store.now() + timedelta(hours=1)
    for version, seen in enumerate((False, True)):
        begun = store.begin(REF, Work.TICK, TTL)
        assert begun is not None
        store.poke(REF)
        if seen:
            assert given_out(claim(store)) == ()
        store.commit(REF, Commit(expected=version, state={}, due=far, token=begun.token))
        assert given_out(claim(store)) == (REF,)


def test_a_poke_for_later_during_a_tick_outlives_its_commit_too(store: DirectStore) -> None:
    """The earlier of the two due times counts."""
    soon, far = store.now() + 5 * SECOND, store.now() + timedelta(hours=1)
    begun = store.begin(REF, Work.TICK, TTL)
    assert begun is not None
    store.poke(REF, soon)
    store.commit(REF, Commit(expected=0, state={}, due=far, token=begun.token))
    assert store.agenda() == {REF: soon}


def test_the_earliest_of_several_pokes_during_a_tick_counts(store: DirectStore) -> None:
    """Whatever their order."""
    now = store.now()
    for order in ([30, 5, 20], [5, 30], [30, 5]):
        begun = store.begin(REF, Work.TICK, TTL)
        assert begun is not None
        for seconds in order:
            store.poke(REF, now + seconds * SECOND)
        store.finish(REF, Work.TICK, begun.token, now + timedelta(hours=1))
        assert store.agenda() == {REF: now + 5 * SECOND}
        store.forget(REF)


@pytest.mark.parametrize("asked_again", [False, True])
def test_a_tick_that_sets_no_due_time_leaves_what_was_asked_for(
    store: DirectStore, asked_again: bool
) -> None:
    """A beat that has seen the poke moves the due time back; the lease remembers it."""
    for version, ends in enumerate(["finished", "committed"]):
        begun = store.begin(REF, Work.TICK, TTL)
        assert begun is not None
        if asked_again:
            store.poke(REF)
        claim(store)
        if ends == "finished":
            store.finish(REF, Work.TICK, begun.token)
        else:
            commit = Commit(expected=version - 1, state={}, token=begun.token)
            assert store.commit(REF, commit) == version
        later = timedelta(0) if asked_again else TTL
        assert store.agenda() == {REF: store.now() + later}, ends


def test_a_due_time_is_never_early(store: DirectStore) -> None:
    """Microseconds are rounded up: a tick woken before its time could only wait again."""
    at = store.now() + timedelta(microseconds=1_000_001)
    store.poke(REF, at)
    assert store.agenda() == {REF: store.now() + timedelta(milliseconds=1001)}


def test_a_tick_begun_after_a_claim_takes_over_from_its_message(store: DirectStore) -> None:
    """Queued is no obstacle to the run it was queued for."""
    store.poke(REF)
    claim(store)
    assert store.begin(REF, Work.TICK, TTL) is not None
    assert store.begin(REF, Work.TICK, TTL) is None


def test_of_many_claimers_each_ref_goes_to_one(live_store: DirectStore) -> None:
    """Two beats at once are harmless."""
    refs = [CanaryRef("shop", f"app-{index}") for index in range(60)]
    for ref in refs:
        live_store.poke(ref)
    with ThreadPoolExecutor(6) as pool:
        claims = list(pool.map(lambda most: claim(live_store, most), range(2, 62, 2)))
    given = [ref for claimed in claims for ref in given_out(claimed)]
    assert sorted(given) == sorted(refs)


def test_one_holder_leads_and_keeps_its_token_while_it_renews(
    store: DirectStore, clock: clocks.ManualClock
) -> None:
    """Another gets nothing until the lease has run out since its last renewal."""
    token = store.acquire("pod-a/1", 10 * SECOND)
    assert token is not None
    clock.advance(9 * SECOND)
    assert store.acquire("pod-a/1", 10 * SECOND) == token
    clock.advance(9 * SECOND)
    assert store.acquire("pod-b/1", 10 * SECOND) is None
    clock.advance(SECOND)
    successor = store.acquire("pod-b/1", 10 * SECOND)
    assert successor is not None
    assert successor > token
    assert store.acquire("pod-a/1", 10 * SECOND) is None


def test_a_lease_is_released_by_its_holder_alone(store: DirectStore) -> None:
    """Then the next one leads at once, with a greater token."""
    first = store.acquire("a", 10 * SECOND)
    assert store.release("b") is False
    assert store.acquire("b", 10 * SECOND) is None
    assert store.release("a") is True
    assert store.release("a") is False
    second = store.acquire("b", 10 * SECOND)
    assert first is not None
    assert second is not None
    assert second > first


def test_tokens_grow_even_when_the_clock_steps_back(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """By one each, as long as the clock shows less than the last token; leases and work alike."""
    ahead = 2**52  # microseconds: the year 2112
    client.set(keys.FENCE.pattern, ahead)
    assert store.acquire("a", SECOND) == ahead + 1
    begun = store.begin(REF, Work.TICK, TTL)
    assert begun is not None
    assert begun.token.startswith(f"{ahead + 2}-")
    store.release("a")
    assert store.acquire("b", SECOND) == ahead + 3


def test_tokens_grow_even_when_the_server_is_emptied(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """A holder from before cannot be mistaken for one from after."""
    before = store.acquire("a", 10 * SECOND)
    client.flushall()
    after = store.acquire("b", 10 * SECOND)
    assert before is not None
    assert after is not None
    assert after > before


def test_the_servers_time_counts_unless_simulated(live_store: DirectStore) -> None:
    """Times that processes compare come from one clock; leases run out by it."""
    first = live_store.now()
    assert live_store.acquire("a", timedelta(milliseconds=80)) is not None
    assert live_store.acquire("b", SECOND) is None
    until(lambda: live_store.acquire("b", SECOND) is not None)
    snapshot = live_store.read(REF)
    assert first < snapshot.now <= live_store.now()
    assert abs(live_store.now().timestamp() - time.time()) < 5
    assert live_store.ping() < 5 * SECOND
