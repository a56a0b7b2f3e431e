"""What a measurement computes from what it saw.

Left out: the measurement itself, which is `make bench`.
"""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analysis import cadence
from benchmarks import calls, figures, peer
from benchmarks.calls import Call
from config.refs import CanaryRef

REF = CanaryRef("shop", "cart")
INTERVAL = timedelta(seconds=10)
START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_DUE = cadence.first_check(START, INTERVAL)


def an_entry(at: datetime, canary: int, *, checked: bool = True) -> Mapping[str, Any]:
    """An entry of a timeline, of a decision at `at` that gave the canary so many percent."""
    checks = [{"name": "request-success-rate"}] if checked else []
    return {"at": at.isoformat(), "split": f"{100 - canary}/{canary}", "checks": checks}


def a_line(verb: str, agent: str, about: Mapping[str, str] | None = None) -> bytes:
    """A line of an audit log."""
    event = {"verb": verb, "userAgent": agent} | ({"objectRef": about} if about else {})
    return json.dumps(event).encode() + b"\n"


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 50, 2.0),
        (range(1, 101), 99, 99),
        ([1.0, 2.0], 99, 2.0),
        ([7.0], 0, 7.0),
        ([], 50, None),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], percent: float, expected: float | None
) -> None:
    """It is the smallest value that so many percent do not exceed (nearest rank)."""
    assert figures.percentile(values, percent) == expected


def test_checks_on_time_are_due_one_interval_after_each_other() -> None:
    """A check that begins 50 ms late leaves the beat as it is."""
    late = timedelta(milliseconds=50)
    entries = [
        an_entry(START, 10, checked=False),
        an_entry(FIRST_DUE + late, 20),
        an_entry(FIRST_DUE + INTERVAL + late, 30),
    ]
    made = figures.checks(REF, entries, INTERVAL)
    assert figures.lateness(made) == pytest.approx([0.05, 0.05])
    assert [check.percent for check in made] == [20, 30]


def test_a_check_that_is_late_by_much_delays_the_next_one() -> None:
    """The lateness of one check is not counted again for those after it."""
    late = timedelta(seconds=3)
    entries = [
        an_entry(START, 10, checked=False),
        an_entry(FIRST_DUE + late, 20),
        an_entry(FIRST_DUE + late + INTERVAL, 30),
    ]
    assert figures.lateness(figures.checks(REF, entries, INTERVAL)) == pytest.approx([3.0, 0.0])


def test_looks_that_measure_nothing_are_no_ticks() -> None:
    """Waiting for readiness before the first step is not analysis."""
    before = START - timedelta(seconds=1)
    entries = [an_entry(before, 0, checked=False), an_entry(START, 10, checked=False)]
    assert figures.checks(REF, entries, INTERVAL) == []


def test_a_step_is_late_by_the_time_from_its_check_to_its_weight() -> None:
    """Counted is when the route was seen with the weight; a weight never seen is left out."""
    entries = [
        an_entry(START, 10, checked=False),
        an_entry(FIRST_DUE, 20),
        an_entry(FIRST_DUE + INTERVAL, 30),
    ]
    seen = {REF: {20: FIRST_DUE + timedelta(milliseconds=300)}}
    made = figures.checks(REF, entries, INTERVAL)
    assert figures.step_lateness(made, seen) == pytest.approx([0.3])


def test_mirrored_splits_are_read_as_well() -> None:
    """A split may say that requests are mirrored."""
    assert figures.canary_percent({"split": "90/10+mirror"}) == 10


def test_requests_are_counted_by_role_verb_and_resource() -> None:
    """Requests about no object are left out; a subresource is a resource of its own."""
    log = [
        a_line("patch", "coalmine/report", {"resource": "canaries", "subresource": "status"}),
        a_line("get", "coalmine/report"),
        a_line("list", "kubectl/v1", {"resource": "pods"}),
    ]
    expected = {
        Call("report", "patch", "canaries/status"): 1,
        Call("kubectl/v1", "list", "pods"): 1,
    }
    assert calls.audited(log) == Counter(expected)


@pytest.mark.parametrize(("canaries", "expected"), [(1, 50), (99, 50), (101, 200), (5000, 1000)])
def test_compared_is_with_the_measurement_of_the_nearest_size(canaries: int, expected: int) -> None:
    """Nearest by ratio: 100 canaries are as far from 50 as from 200."""
    assert peer.nearest(canaries).canaries == expected
