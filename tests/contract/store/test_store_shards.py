"""Several leaders share out the canaries by namespace; each answers for its own shard alone.

Aspects: which canaries are whose; who may lead; what one leader's absence stops; what becomes of
what was confirmed when the namespaces are shared out anew. Left out: the leaders themselves
(tests/unit/scheduler), whole rollouts (tests/scenarios).
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from redis import Redis

from clients import clock as clocks
from clients import errors
from clients.documents.world import World
from clients.redis import store as stores
from clients.redis.records import Commit, Epoch, Work
from config import shards
from config.realms import Realm
from config.refs import CanaryRef
from config.shards import WHOLE, Shard
from tests.contract.store.test_store_epochs import empty, fail_over, forge
from tests.fakes.shards import in_shard, parts
from tests.stores import DirectStore, given_out

SECOND = timedelta(seconds=1)
TTL = timedelta(seconds=30)
DAY = timedelta(days=1)
ODD = ("a", "x" * 63, "kube-system", "team-1", "team-2", "0", "größe", "雪", "a b", "\U0001f600")
"""No API server takes the last ones, but whose they are should be nobody's guess either."""


def lead(store: DirectStore, shard: Shard, holder: str = "") -> int:
    """The term of a leader that does not lose its lease."""
    term = store.acquire(holder or f"of {shard}", DAY, shard)
    assert term is not None
    return term


def confirm(store: DirectStore, *of: Shard) -> None:
    """Has what is stored of these shards confirmed by leaders of theirs."""
    for shard in of:
        term = lead(store, shard)
        assert store.confirm_epoch(term, store.open_epoch(term, shard))


def resign(store: DirectStore, count: int) -> None:
    """The leaders of all shards end."""
    for shard in parts(count):
        store.release(f"of {shard}")


@pytest.mark.parametrize("count", [1, 2, 3, 7, shards.MOST])
def test_each_canary_is_given_out_to_the_leader_of_its_shard(
    store: DirectStore, count: int
) -> None:
    """The scripts and the leaders reckon alike, whatever the namespace."""
    namespaces = (*ODD, *(f"shop-{number}" for number in range(100)))
    refs = [CanaryRef(namespace, "cart") for namespace in namespaces]
    confirm(store, *parts(count))
    for ref in refs:
        store.poke(ref)
    for shard in parts(count):
        owned = {ref for ref in refs if shard.owns(ref.namespace)}
        assert set(given_out(store.claim(1000, TTL, shard))) == owned
        assert all(store.begin(ref, Work.TICK, TTL) for ref in owned)


def test_each_shard_has_a_lease_and_a_term_of_its_own(
    store: DirectStore, clock: clocks.ManualClock
) -> None:
    """A standby of the same shard takes over from a silent leader; the others notice nothing."""
    first, second = parts(2)
    term = store.acquire("a", 5 * SECOND, first)
    other = store.acquire("b", 60 * SECOND, second)
    assert term is not None
    assert other is not None
    assert term < other
    assert store.led() == {first, second}
    assert store.acquire("c", 5 * SECOND, first) is None
    assert store.acquire("a", 5 * SECOND, first) == term
    clock.advance(5 * SECOND)

    successor = store.acquire("c", 5 * SECOND, first)
    assert successor is not None
    assert successor > other
    assert store.acquire("a", 5 * SECOND, first) is None
    assert store.acquire("b", 60 * SECOND, second) == other
    with pytest.raises(errors.Conflict, match="term"):
        store.poke(in_shard(first), term=term)
    store.poke(in_shard(first), term=successor)
    store.poke(in_shard(second), term=other)
    assert store.release("b")
    assert not store.release("b")
    assert store.led() == {first}
    assert store.acquire("c", 5 * SECOND, first) == successor


def test_nobody_leads_while_the_namespaces_are_shared_out_otherwise(
    store: DirectStore, clock: clocks.ManualClock
) -> None:
    """The number of those in office counts until the last of their leases is over."""
    assert store.acquire("a", 5 * SECOND, Shard(0, 3)) is not None
    assert store.acquire("b", 9 * SECOND, Shard(2, 3)) is not None
    clock.advance(8 * SECOND)
    for shard in (WHOLE, Shard(1, 2), Shard(0, 4)):
        with pytest.raises(errors.Conflict, match=rf"shard {shard}: there are leaders of 3 shards"):
            store.acquire("c", DAY, shard)
    clock.advance(SECOND)
    assert store.acquire("c", DAY, Shard(1, 2)) is not None
    with pytest.raises(errors.Conflict, match="of 2 shards"):
        store.acquire("a", DAY, Shard(0, 3))
    store.release("c")
    assert store.acquire("a", DAY) is not None


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        (Realm("shop", "c1"), "an installation for namespaces shop, not namespaces [*]: give"),
        (Realm(cluster="c2"), "an installation on another cluster: give"),
    ],
)
def test_nobody_leads_in_the_redis_of_another_installation(
    store: DirectStore, clock: clocks.ManualClock, theirs: Realm, words: str
) -> None:
    """R-83: its beat stood by in good health, and took over and forgot all canaries one day."""
    ours = Realm(cluster="c1")
    term = store.acquire(f"a {theirs}", 5 * SECOND)
    assert store.realms() == {theirs}
    with pytest.raises(errors.Conflict, match=words):
        store.acquire(f"b {ours}", 5 * SECOND)
    assert store.acquire(f"a {theirs}", 5 * SECOND) == term
    clock.advance(5 * SECOND)
    assert store.acquire(f"b {ours}", 5 * SECOND) is not None, "the other one has ended"


@pytest.mark.parametrize("theirs", ["a", f"a {Realm()}", f"a {Realm(cluster='c1')}"])
def test_a_standby_of_the_same_installation_waits(store: DirectStore, theirs: str) -> None:
    """Also beside a leader of an earlier release, or one that could not tell its cluster."""
    assert store.acquire(theirs, SECOND) is not None
    assert store.acquire(f"b {Realm(cluster='c1')}", SECOND) is None
    assert store.led() == {WHOLE}


@pytest.mark.parametrize("lose", [fail_over, empty, forge])
def test_a_shard_whose_leader_is_missing_stops_its_own_canaries_alone(
    store: DirectStore, client: "Redis[str]", lose: Callable[["Redis[str]"], None]
) -> None:
    """What was not stored since Redis lost something is not worked on; the rest is."""
    led, missing = Shard(0, 2), Shard(1, 2)
    ours, theirs = in_shard(led), in_shard(missing)
    confirm(store, led, missing)
    store.release(f"of {missing}")
    store.commit(theirs, Commit(expected=0, state={}))
    lose(client)
    confirm(store, led)

    store.poke(ours)
    store.poke(theirs)
    assert given_out(store.claim(10, TTL, led)) == (ours,)
    claimed = store.claim(10, TTL, missing)
    assert (given_out(claimed), claimed.confirmed) == ((), False)
    assert all(store.begin(ours, work, TTL) for work in Work)
    assert [store.begin(theirs, work, TTL) for work in Work] == [None] * len(Work)
    assert store.commit(ours, Commit(expected=0, state={})) == 1
    version = store.read(theirs).version
    assert store.commit(theirs, Commit(expected=version, state={})) is None
    assert store.take_call(ours, 1, "load", TTL) is not None
    assert store.take_call(theirs, version, "load", TTL) is None

    confirm(store, missing)
    assert given_out(store.claim(10, TTL, missing)) == (theirs,)
    assert store.begin(theirs, Work.ROUTE, TTL) is not None
    assert store.commit(theirs, Commit(expected=version, state={})) == version + 1
    assert store.take_call(theirs, version + 1, "load", TTL) is not None


def test_what_redis_lost_while_one_shard_was_stored_is_stored_again_by_all(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """Whoever opens the next epoch: what another began to store in the last one is lost as well."""
    first, second = parts(2)
    terms = {shard: lead(store, shard) for shard in (first, second)}
    epochs = {shard: store.open_epoch(term, shard) for shard, term in terms.items()}
    assert store.confirm_epoch(terms[first], epochs[first])
    client.flushall()
    terms = {shard: lead(store, shard) for shard in (second, first)}
    again = store.open_epoch(terms[second], second)
    assert not again.already_confirmed
    assert not store.confirm_epoch(terms[first], epochs[first])
    assert store.confirm_epoch(terms[second], again)
    assert store.claim(0, TTL, second).confirmed
    assert not store.claim(0, TTL, first).confirmed
    anew = store.open_epoch(terms[first], first)
    assert (anew.number, anew.already_confirmed) == (again.number, False)


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 2), (2, 1), (64, 1)])
def test_what_is_confirmed_stays_so_when_it_is_shared_out_anew(
    store: DirectStore, before: int, after: int
) -> None:
    """Redis has lost nothing: a tick that is under way commits, and what waits begins."""
    confirm(store, *parts(before))
    ref = CanaryRef("shop", "cart")
    tick = store.begin(ref, Work.TICK, TTL)
    assert tick is not None
    resign(store, before)
    for shard in parts(after):
        assert store.open_epoch(lead(store, shard), shard).already_confirmed
    assert store.commit(ref, Commit(expected=0, state={}, token=tick.token)) == 1
    assert store.begin(ref, Work.ROUTE, TTL) is not None


@pytest.mark.parametrize(("before", "after"), [(3, 2), (3, 1), (2, 3)])
def test_what_is_not_confirmed_of_all_is_confirmed_of_none_when_it_is_shared_out_anew(
    store: DirectStore, client: "Redis[str]", before: int, after: int
) -> None:
    """The new shards have namespaces of each of the old."""
    client.flushall()
    for shard in parts(before):
        lead(store, shard)
    confirm(store, *parts(before)[1:])
    resign(store, before)
    for shard in parts(after):
        assert not store.open_epoch(lead(store, shard), shard).already_confirmed
        assert store.begin(in_shard(shard), Work.TICK, TTL) is None
    confirm(store, *parts(after))
    assert store.begin(in_shard(Shard(0, after)), Work.TICK, TTL) is not None


def test_a_leader_of_another_number_of_shards_changes_nothing_however_late(
    store: DirectStore, clock: clocks.ManualClock
) -> None:
    """It stalled past its lease with commands on the way, its looks at the agenda among them."""
    old = store.acquire("old", 5 * SECOND)
    assert old is not None
    epoch = store.open_epoch(old)
    clock.advance(5 * SECOND)
    confirm(store, *parts(2))
    ref = in_shard(Shard(1, 2))
    store.poke(ref)
    late: list[Callable[[], object]] = [
        lambda: store.put_world(ref, World(canary={}), term=old),
        lambda: store.forget(ref, term=old),
        lambda: store.open_epoch(old),
        lambda: store.confirm_epoch(old, epoch),
        lambda: store.confirm_epoch(old, Epoch(epoch.number, already_confirmed=True)),
    ]
    for act in late:
        with pytest.raises(errors.Conflict, match="term"):
            act()
    claimed = store.claim(10, TTL)
    assert (given_out(claimed), claimed.confirmed) == ((), False)
    assert store.agenda() == {ref: store.now()}
    assert given_out(store.claim(10, TTL, Shard(1, 2))) == (ref,)


def test_a_crowd_that_nobody_leads_hides_nobody(
    store: DirectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due in a shard without a leader stays on the agenda, before and after all others."""
    monkeypatch.setattr(stores, "LOOKED_AT", 5)
    led, missing = Shard(0, 2), Shard(1, 2)
    confirm(store, led, missing)
    names = [f"cart-{number:02}" for number in range(80)]
    ours = [in_shard(led, name) for name in names[40:43]]
    refs = [in_shard(missing, name) for name in names[:40]]
    refs += [*ours, *(in_shard(missing, name) for name in names[43:])]
    for at, ref in enumerate(refs):
        store.poke(ref, store.now() - timedelta(seconds=100 - at))
    assert given_out(store.claim(2, TTL, led)) == tuple(ours[:2])
    assert given_out(store.claim(100, TTL, led)) == (ours[2],)
    assert set(store.agenda()) == set(refs)
