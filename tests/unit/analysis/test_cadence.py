"""When the next check is due: a steady beat that no delay and no restart shortens (D-37)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import cadence
from config import moments
from config.refs import CanaryRef
from tests.unit.analysis.worlds import INTERVAL, NOW, REF

intervals = st.integers(10, 3600).map(lambda seconds: timedelta(seconds=seconds))
names = st.text(st.sampled_from("abcdefghij-0123456789"), min_size=1, max_size=40)


@given(ahead=st.integers(0, 10**9), interval=intervals)
def test_a_first_check_gives_the_first_step_a_whole_interval(
    ahead: int, interval: timedelta
) -> None:
    """And no more than a slot in addition: 5 % of the interval."""
    now = NOW + timedelta(milliseconds=ahead)
    due = cadence.first_check(now, interval)
    assert interval <= due - now < interval * (1 + cadence.SLOT)


@given(st.lists(st.integers(0, 499), min_size=2), intervals)
def test_checks_of_steps_taken_one_after_the_other_are_due_together(
    milliseconds: list[int], interval: timedelta
) -> None:
    """Within a slot, whatever canary it is; then they keep together."""
    slot = interval * cadence.SLOT
    begins = NOW - (NOW - moments.EPOCH) % slot
    steps = [begins + slot * (each + 1) / 501 for each in milliseconds]
    assert len({cadence.first_check(step, interval) for step in steps}) == 1


@given(name=names, interval=intervals)
def test_the_offset_of_a_canary_is_always_the_same(name: str, interval: timedelta) -> None:
    """Determined by its name alone; within the period."""
    ref = CanaryRef("shop", name)
    assert cadence.offset(ref, interval) == cadence.offset(ref, interval)
    assert timedelta(0) <= cadence.offset(ref, interval) < interval


def test_the_offsets_of_many_canaries_are_spread() -> None:
    """1,000 canaries of one interval do not fire together: each tenth gets its share."""
    period = timedelta(seconds=10)
    tenths = [
        int(cadence.offset(CanaryRef("shop", f"app-{index}"), period) / period * 10)
        for index in range(1000)
    ]
    assert all(60 <= tenths.count(tenth) <= 140 for tenth in range(10))


@pytest.mark.parametrize(
    ("late", "after"),
    [
        pytest.param(0, 30, id="on time: the beat is kept"),
        pytest.param(2, 28, id="a little late: the beat is kept"),
        pytest.param(4, 30, id="too late: a whole interval from now"),
        pytest.param(900, 30, id="after a long outage: a whole interval from now"),
    ],
)
def test_a_check_is_followed_by_the_next_after_its_interval(late: int, after: int) -> None:
    """What a check measures is never shortened by more than the tolerance."""
    due = cadence.next_check(NOW - timedelta(seconds=late), NOW, INTERVAL)
    assert due - NOW == timedelta(seconds=after)


@given(late=st.integers(0, 100_000), interval=intervals)
def test_a_late_check_never_shortens_the_next_interval_noticeably(
    late: int, interval: timedelta
) -> None:
    """At least 90 % of an interval lies between two checks, and never more than a whole one."""
    due = cadence.next_check(NOW - timedelta(seconds=late), NOW, interval)
    assert interval * 0.9 <= due - NOW <= interval


@pytest.mark.parametrize(
    ("in_force", "wait"),
    [
        pytest.param(-30, 0, id="in force for an interval"),
        pytest.param(-27, 0, id="in force a little late"),
        pytest.param(-10, 17, id="in force for a third: the rest is waited for"),
        pytest.param(0, 27, id="in force just now"),
    ],
)
def test_a_split_is_judged_after_it_was_in_force_for_its_interval(in_force: int, wait: int) -> None:
    """A revision is not judged on traffic it barely had."""
    since = NOW + timedelta(seconds=in_force)
    assert cadence.measurable_at(NOW, since, INTERVAL) - NOW == timedelta(seconds=wait)


def test_a_reference_has_one_offset_for_ever() -> None:
    """The first 64 bits of SHA-256 of "shop/cart"; a new version must not move all checks."""
    share = cadence.offset(REF, timedelta(seconds=1)).total_seconds()
    assert share == pytest.approx(0.371897, abs=1e-6)


@given(interval=intervals, tenths=st.integers(-30, 30))
def test_a_check_further_ahead_than_anything_planned_it_is_due_now(
    interval: timedelta, tenths: int
) -> None:
    """Redis' clock was ahead, or the interval was longer; what is plausible stays as it is."""
    at = NOW + interval * (tenths / 10)
    assert cadence.plausible(at, NOW, interval) == (at if tenths <= 11 else NOW)
