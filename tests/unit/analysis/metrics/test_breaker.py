"""The circuit breaker of one metrics server, in simulated time."""

from datetime import UTC, datetime, timedelta

from analysis.metrics.breaker import Breaker
from clients.clock import ManualClock

START = datetime(2026, 1, 1, tzinfo=UTC)
COOL_DOWN = timedelta(seconds=10)


def a_breaker() -> tuple[Breaker, ManualClock]:
    """A breaker that opens after three failures for ten seconds, and its clock."""
    clock = ManualClock(START)
    return Breaker(clock, failures=3, cool_down=COOL_DOWN), clock


def test_it_opens_after_failures_in_a_row_and_says_why() -> None:
    """Two failures do not open it; the refusal carries the last cause."""
    breaker, _ = a_breaker()
    breaker.failed("a")
    breaker.failed("b")
    assert breaker.refusal() is None
    breaker.failed("refused")
    assert breaker.refusal() == "not asked after 3 failures in a row, the last one: refused"


def test_a_success_starts_the_row_anew() -> None:
    """Sporadic failures never open it."""
    breaker, _ = a_breaker()
    for _ in range(5):
        breaker.failed("a")
        breaker.failed("b")
        breaker.succeeded()
    assert breaker.refusal() is None


def test_after_the_cool_down_one_request_may_try() -> None:
    """The others keep failing fast until that one has come back."""
    breaker, clock = a_breaker()
    for _ in range(3):
        breaker.failed("x")
    clock.advance(COOL_DOWN - timedelta(milliseconds=1))
    assert breaker.refusal()
    clock.advance(timedelta(milliseconds=1))
    assert breaker.refusal() is None
    assert breaker.refusal()
    breaker.succeeded()
    assert breaker.refusal() is None


def test_a_failed_try_keeps_it_open_for_another_cool_down() -> None:
    """The server is not flooded while it recovers."""
    breaker, clock = a_breaker()
    for _ in range(3):
        breaker.failed("x")
    clock.advance(COOL_DOWN)
    assert breaker.refusal() is None
    clock.advance(timedelta(seconds=5))
    breaker.failed("still down")
    clock.advance(COOL_DOWN - timedelta(seconds=1))
    assert breaker.refusal() == "not asked after 4 failures in a row, the last one: still down"


def test_a_try_that_never_comes_back_does_not_close_the_door_for_ever() -> None:
    """A lost try is followed by another one after the cool-down."""
    breaker, clock = a_breaker()
    for _ in range(3):
        breaker.failed("x")
    clock.advance(COOL_DOWN)
    assert breaker.refusal() is None
    clock.advance(COOL_DOWN)
    assert breaker.refusal() is None


def test_a_server_that_is_not_down_after_all_is_not_cut_off() -> None:
    """It is asked at the last failure before it would be, and the row begins anew."""
    breaker, _ = a_breaker()
    asked: list[str] = []

    def is_down() -> bool:
        asked.append("is it?")
        breaker.failed("meanwhile", is_down)  # others fail, too: one question is enough
        return False

    for _ in range(6):
        breaker.failed("too heavy", is_down)
    assert len(asked) == 2
    assert breaker.refusal() is None
