"""A leap of the server's clock is counted once, and what is planned goes along.

Left out: what becomes of rollouts (tests/scenarios/test_leaping_clocks.py).
"""

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from analysis import effects, hooks
from clients.documents.leaps import NO_LEAPS, Leaps
from clients.redis import keys
from clients.redis.records import Work
from config.ranks import Rank
from config.refs import CanaryRef
from config.settings.settings import LONGEST_LEASE
from tasks import teller
from tests.fakes import memory_redis
from tests.stores import DirectStore

CART, SHOP = CanaryRef("shop", "cart"), CanaryRef("shop", "shop")
NONE = timedelta(0)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def a_store(client: "Redis[str]") -> tuple[DirectStore, list[datetime]]:
    """A store, and the time that its server takes it to be."""
    time = [datetime(2026, 3, 1, 12, tzinfo=UTC)]
    return DirectStore(client, lambda: time[0]), time


def test_of_all_who_find_out_about_a_leap_one_has_it_counted(client: "Redis[str]") -> None:
    """The others find the time as it goes on."""
    store, time = a_store(client)
    assert store.keep_time() == (time[0], True), "nobody has ever looked"
    store.keep_time(NONE)
    for by in (HOUR, -2 * HOUR):
        time[0] += by
        assert store.keep_time() == store.keep_time() == (time[0], True)
        assert [store.keep_time(by), store.keep_time(by)] == [(time[0], False)] * 2
        assert store.read(CART).leaps.last == by
    assert store.read(CART).leaps == Leaps(-HOUR, -2 * HOUR, time[0])


def test_time_that_has_passed_is_no_leap(client: "Redis[str]") -> None:
    """While others looked, while nobody did, and while the server did not answer for seconds."""
    store, time = a_store(client)
    store.keep_time(NONE)
    for _ in range(30):
        time[0] += 9 * SECOND
        assert store.keep_time() == (time[0], False)
        store.keep_time(HOUR)
    time[0] += HOUR
    assert store.keep_time() == (time[0], True)
    assert store.keep_time(9 * SECOND) == (time[0], False)
    assert store.keep_time() == (time[0], False)
    assert store.read(CART).leaps.total == NONE


def test_who_is_busy_is_looked_at_and_who_rests_is_let_rest(client: "Redis[str]") -> None:
    """For as long as it would have been."""
    store, time = a_store(client)
    store.keep_time(NONE)
    store.poke(CART, time[0] + 20 * SECOND, rank=Rank.STEP)
    store.poke(SHOP, time[0] + 200 * SECOND, rank=Rank.RESYNC)
    for by in (HOUR, -HOUR):
        time[0] += by
        store.keep_time(by)
        assert store.agenda() == {CART: time[0], SHOP: time[0] + 200 * SECOND}
        assert store.ranks() == {CART: Rank.STEP, SHOP: Rank.RESYNC}


@pytest.mark.parametrize("work", Work)
def test_the_longest_lease_is_believed_and_no_longer_one(client: "Redis[str]", work: Work) -> None:
    """What ends later was given by a clock that was ahead."""
    store, _ = a_store(client)
    memory_redis.confirm(store)
    assert store.begin(CART, work, LONGEST_LEASE)
    assert store.begin(CART, work, LONGEST_LEASE) is None
    assert store.begin(SHOP, work, LONGEST_LEASE + timedelta(milliseconds=1))
    assert store.begin(SHOP, work, LONGEST_LEASE)


@pytest.mark.parametrize("lease", [hooks.CALL_LEASE, effects.WRITE_LEASE, teller.TELL_LEASE])
def test_no_lease_is_longer_than_is_believed(lease: timedelta) -> None:
    """None of those that no setting gives."""
    assert lease <= LONGEST_LEASE


def test_many_canaries_go_along(client: "Redis[str]") -> None:
    """More than one command of the server takes."""
    store, time = a_store(client)
    store.keep_time(NONE)
    refs = [CanaryRef("shop", f"cart-{number}") for number in range(1500)]
    for ref in refs:
        store.poke(ref, time[0] + 200 * SECOND, rank=Rank.RESYNC)
    time[0] += HOUR
    store.keep_time(HOUR)
    assert store.agenda() == dict.fromkeys(refs, time[0] + 200 * SECOND)


def test_a_note_of_leaps_that_cannot_be_read_is_none(client: "Redis[str]") -> None:
    """Nothing that is stored stops a leader."""
    store, time = a_store(client)
    client.set(keys.LEAPS.pattern, "an hour or so")
    assert store.read(CART).leaps == NO_LEAPS
    assert store.keep_time() == (time[0], True)
