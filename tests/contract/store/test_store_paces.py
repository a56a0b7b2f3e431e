"""How fast addresses are posted to: turns, back-off, who is not concerned, and what Redis keeps."""

import hashlib
import heapq
import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from redis import Redis

from clients.clock import ManualClock
from clients.redis import keys
from clients.redis.paces import KEPT, LONGEST_PAUSE, Paces
from clients.redis.scripts import Door
from config.refs import CanaryRef

SECOND: Final = timedelta(seconds=1)
NONE: Final = timedelta(0)
START: Final = datetime(2026, 3, 1, tzinfo=UTC)
REFS: Final = [CanaryRef("shop", name) for name in ("a", "b", "c")]


@pytest.fixture
def paces(client: "Redis[str]", clock: ManualClock) -> Paces:
    """Those of an address that nobody has posted to, on `clock`."""
    return Paces(Door(client, clock.now))


def test_turns_at_one_address_are_a_pace_apart(paces: Paces, clock: ManualClock) -> None:
    """Each canary is told its turn, and has it once when it comes back; others do not pass it."""
    assert [paces.turn("x", ref, SECOND).wait for ref in REFS] == [NONE, SECOND, 2 * SECOND]
    assert paces.turn("y", REFS[1], SECOND).wait == NONE
    clock.advance(SECOND)
    assert paces.turn("x", REFS[2], SECOND).wait == SECOND
    assert paces.turn("x", REFS[1], SECOND).wait == NONE
    assert paces.turn("x", REFS[0], SECOND).wait == 2 * SECOND
    assert paces.turn("x", REFS[1], SECOND).wait == 3 * SECOND


@pytest.mark.parametrize("down", [0, 100])
def test_many_at_once_keep_the_pace_of_their_channel_whoever_posts(
    client: "Redis[str]", clock: ManualClock, down: int
) -> None:
    """R-70: who came late to his turn posted beside the next one, and the channel refused both.

    Three workers; all come back up to a second late, at a channel that takes one a second, once it
    is up. With a pace for each worker it got three.
    """
    workers = [Paces(Door(client, clock.now)) for _ in range(3)]
    rng, begun = random.Random(9), clock.monotonic()
    visits = [(0.0, number) for number in range(60)]
    taken: list[float] = []
    looks = refused = 0
    while visits:
        at, number = heapq.heappop(visits)
        clock.advance(timedelta(seconds=max(0.0, begun + at - clock.monotonic())))
        paces = rng.choice(workers)
        looks += 1
        pause, failures = paces.turn("x", CanaryRef("shop", str(number)), SECOND)
        if not pause and at < down:
            refused, pause = refused + 1, paces.failed("x")
        if pause:
            heapq.heappush(visits, (at + pause.total_seconds() + rng.random(), number))
            continue
        taken.append(at)
        if failures:
            paces.succeeded("x")
    assert len(taken) == 60
    assert all(late - early > 0.998 for early, late in itertools.pairwise(taken))
    assert taken[-1] < down + 150
    assert refused <= 9
    assert looks < 500


def test_a_clock_that_was_ahead_keeps_nobody_waiting(client: "Redis[str]") -> None:
    """Turns and pauses of times to come were waited for until those had come."""
    hours = [timedelta(hours=5)]
    paces = Paces(Door(client, lambda: START + hours[0]))
    assert [paces.turn("x", ref, SECOND).wait for ref in REFS] == [NONE, SECOND, 2 * SECOND]
    assert paces.failed("x") == SECOND
    hours[0] = NONE
    assert paces.turn("x", REFS[2], SECOND) == (NONE, 1)
    assert paces.failed("x") == 2 * SECOND
    assert paces.turn("x", REFS[1], SECOND).wait == 2 * SECOND


def test_pauses_double_up_to_five_minutes_and_end_with_a_success(
    paces: Paces, clock: ManualClock
) -> None:
    """Nobody posts meanwhile, whoever failed."""
    pauses = []
    for number in range(12):
        pauses.append(paces.failed("x"))
        assert paces.turn("x", REFS[0]) == (pauses[-1], number + 1)
        clock.advance(pauses[-1])
        assert paces.turn("x", REFS[0]) == (NONE, number + 1)
    assert pauses == [min(2**power * SECOND, LONGEST_PAUSE) for power in range(12)]
    paces.succeeded("x")
    assert paces.turn("x", REFS[0]) == (NONE, 0)
    assert paces.failed("x") == SECOND
    paces.succeeded("x")
    clock.advance(SECOND / 2)
    assert paces.failed("x") == SECOND


def test_failures_at_a_time_are_one(paces: Paces, clock: ManualClock) -> None:
    """Of many posts that were under way when a receiver went down, each fails."""
    assert [paces.failed("x") for _ in range(20)] == [SECOND] * 20
    clock.advance(SECOND)
    assert paces.failed("x") == 2 * SECOND


def test_a_pause_that_is_asked_for_is_kept_up_to_five_minutes(paces: Paces) -> None:
    """Retry-After; nobody is silenced for a day by one header."""
    assert paces.failed("x", timedelta(seconds=90)) == timedelta(seconds=90)
    assert paces.failed("y", timedelta(days=1)) == LONGEST_PAUSE


def test_a_turn_that_nobody_comes_for_is_forgotten(
    paces: Paces, client: "Redis[str]", clock: ManualClock
) -> None:
    """By and by; canaries come and go for years."""
    for number in range(100):
        paces.turn("x", CanaryRef("shop", f"pr-{number}"), SECOND)
    clock.advance(KEPT + 100 * SECOND)
    assert paces.turn("x", REFS[0], SECOND).wait == NONE
    (pace,) = client.scan_iter()
    assert client.execute_command("TYPE", pace) == keys.PACE.type


def test_what_is_kept_expires_and_names_no_address(client: "Redis[str]") -> None:
    """Both keys, each with its type, by a digest that is not that of the address alone."""
    paces, url = Paces(Door(client)), "https://hooks.example/s3cr3t"
    paces.failed(url)
    paces.turn(url, REFS[0], SECOND)
    types = {key: str(client.execute_command("TYPE", key)) for key in client.scan_iter()}
    assert sorted(types.values()) == [keys.PACE.type, keys.TURNS.type]
    assert {key.partition(":")[2].partition(":")[0] for key in types} == {"pace", "turns"}
    assert all(0 < client.pttl(key) <= KEPT / SECOND * 1000 for key in types)
    (digest,) = {key.rpartition(":")[2] for key in types}
    assert len(digest) == 32
    assert not hashlib.sha256(url.encode()).hexdigest().startswith(digest)


def test_a_loss_of_redis_costs_one_burst(
    paces: Paces, client: "Redis[str]", clock: ManualClock
) -> None:
    """Whoever comes first posts, and all are a pace apart again."""
    for ref in REFS:
        paces.turn("x", ref, SECOND)
    client.flushall()
    assert [paces.turn("x", ref, SECOND).wait for ref in REFS] == [NONE, SECOND, 2 * SECOND]
    clock.advance(SECOND)
    assert paces.turn("x", REFS[1], SECOND).wait == NONE
