"""Clocks: the manual one moves only when moved, both agree on what their values mean."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.clock import ManualClock, SystemClock
from clients.kube.limiter import TokenBucket

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_a_manual_clock_stands_still() -> None:
    """Without being moved it gives the same time again."""
    clock = ManualClock(START)
    assert [clock.now(), clock.now()] == [START, START]
    assert clock.monotonic() == 0


def test_a_manual_clock_moves_by_what_is_slept_and_advanced() -> None:
    """Both times move together; sleeping for nothing or less moves neither."""
    clock = ManualClock(START)
    clock.sleep(1.5)
    clock.advance(timedelta(hours=2))
    clock.sleep(0)
    clock.sleep(-5)
    assert clock.now() == START + timedelta(hours=2, seconds=1.5)
    assert clock.monotonic() == 7201.5


def test_a_manual_clock_does_not_go_back() -> None:
    """Time that goes back is a defect of the test."""
    with pytest.raises(ValueError, match="cannot go back"):
        ManualClock(START).advance(timedelta(seconds=-1))


def test_a_manual_clock_starts_in_a_known_time_zone() -> None:
    """A naive start is refused; another zone is converted."""
    with pytest.raises(ValueError, match="no time zone"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001  # that is the point
    east = START.astimezone(timezone(timedelta(hours=5)))
    assert ManualClock(east).now().tzinfo is UTC


def test_the_systems_clock_is_aware_and_moves() -> None:
    """UTC, and the monotonic time passes by at least what is slept."""
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    begin = clock.monotonic()
    clock.sleep(0.01)
    clock.sleep(-1)
    assert clock.monotonic() - begin >= 0.01


@given(
    rate=st.floats(0.5, 100),
    burst=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_a_token_bucket_never_lets_more_through_than_its_rate(
    rate: float, burst: int, pauses: list[float]
) -> None:
    """In any stretch of time at most `burst` plus `rate` times its length get through."""
    clock = ManualClock(START)
    bucket = TokenBucket(rate, burst, clock)
    passed = []
    for pause in pauses:
        clock.sleep(pause)
        bucket.acquire()
        passed.append(clock.monotonic())
    for first, begin in enumerate(passed):
        for count, end in enumerate(passed[first:], start=1):
            assert count <= burst + rate * (end - begin) + 1e-3


def test_a_token_bucket_lets_a_burst_through_at_once() -> None:
    """As many as `burst` do not wait; an idle time earns no more than that."""
    clock = ManualClock(START)
    bucket = TokenBucket(10, 3, clock)
    clock.sleep(1000)
    for _ in range(3):
        bucket.acquire()
    assert clock.monotonic() == 1000
    bucket.acquire()
    assert clock.monotonic() == pytest.approx(1000.1)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_a_token_bucket_that_lets_nothing_through_is_refused(rate: float, burst: int) -> None:
    """Such a limit would be a deadlock."""
    with pytest.raises(ValueError, match="allowed are"):
        TokenBucket(rate, burst, ManualClock(START))
