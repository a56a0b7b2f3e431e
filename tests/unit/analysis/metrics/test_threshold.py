"""The threshold judge and its texts, against the compatibility reference.

Expected texts: lifecycle 22.3; bounds: metrics, "Threshold semantics". Not here: where bounds come
from (test_checks).
"""

import math
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analysis.findings import Absent, CheckResult, Sample
from analysis.judges import threshold
from analysis.metrics.checks import CheckKind
from analysis.verdicts import Effect, Policies, Reason, Verdict
from config.api.metrics import MissingValuePolicy
from tests.unit.analysis.metrics.builders import a_check

NO_VALUES = Absent(Verdict.NO_DATA, Reason.NO_VALUES, "no values found")
BROKEN = Absent(Verdict.ERROR, Reason.SERVER_ERROR, "error response: 503: overloaded")


def judged(kind: CheckKind, value: float, low: float | None, high: float | None) -> CheckResult:
    """The result of a value of one kind of check between two bounds."""
    return threshold.judge(a_check(kind=kind, minimum=low, maximum=high), Sample(value))


@pytest.mark.parametrize(
    ("kind", "value", "low", "high", "text"),
    [
        (
            CheckKind.SUCCESS_RATE,
            95.2,
            99,
            None,
            "Halt podinfo.test advancement success rate 95.20% < 99%",
        ),
        (
            CheckKind.SUCCESS_RATE,
            100,
            None,
            99.5,
            "Halt podinfo.test advancement success rate 100.00% > 99.5%",
        ),
        (
            CheckKind.DURATION,
            1515,
            None,
            500,
            "Halt podinfo.test advancement request duration 1.515s > 500ms",
        ),
        (
            CheckKind.DURATION,
            20,
            50,
            500,
            "Halt podinfo.test advancement request duration 20ms < 50ms",
        ),
        (CheckKind.QUERY, 6.2, None, 5, "Halt podinfo.test advancement errors 6.20 > 5"),
        (CheckKind.QUERY, -1, 0.5, None, "Halt podinfo.test advancement errors -1.00 < 0.5"),
        (CheckKind.TEMPLATE, 6.2, None, 1e6, None),
        (
            CheckKind.TEMPLATE,
            2e6,
            None,
            1e6,
            "Halt podinfo.test advancement errors 2000000.00 > 1e+06",
        ),
        (
            CheckKind.QUERY,
            math.inf,
            None,
            5,
            "Halt podinfo.test advancement errors +Inf > 5",
        ),
    ],
)
def test_a_value_out_of_bounds_fails_with_the_text_of_the_reference(
    kind: CheckKind, value: float, low: float | None, high: float | None, text: str | None
) -> None:
    """Letter by letter; a value within bounds has no text."""
    result = judged(kind, value, low, high)
    assert result.message == (text or "")
    assert result.verdict is (Verdict.FAILED if text else Verdict.PASSED)
    assert result.effect is (Effect.COUNTS if text else Effect.PASSES)


@pytest.mark.parametrize(
    ("kind", "absent", "text"),
    [
        (
            CheckKind.SUCCESS_RATE,
            NO_VALUES,
            (
                "Halt advancement no values found for istio metric errors probably "
                "podinfo-app.test is not receiving traffic: running query failed: no values found"
            ),
        ),
        (
            CheckKind.DURATION,
            NO_VALUES,
            (
                "Halt advancement no values found for istio metric errors probably "
                "podinfo-app.test is not receiving traffic"
            ),
        ),
        (CheckKind.QUERY, NO_VALUES, "Halt advancement no values found for metric: errors"),
        (
            CheckKind.TEMPLATE,
            NO_VALUES,
            "Halt advancement no values found for custom metric: errors: no values found",
        ),
        (
            CheckKind.SUCCESS_RATE,
            BROKEN,
            "Prometheus query failed: running query failed: error response: 503: overloaded",
        ),
        (
            CheckKind.DURATION,
            BROKEN,
            "Prometheus query failed: running query failed: error response: 503: overloaded",
        ),
        (
            CheckKind.QUERY,
            BROKEN,
            "Prometheus query failed for errors: error response: 503: overloaded",
        ),
        (
            CheckKind.TEMPLATE,
            BROKEN,
            "Metric query failed for errors: error response: 503: overloaded",
        ),
    ],
)
def test_a_missing_value_is_said_in_the_words_of_the_reference(
    kind: CheckKind, absent: Absent, text: str
) -> None:
    """No data and errors differ in verdict, reason and text."""
    result = threshold.judge(a_check(kind=kind), absent)
    assert (result.message, result.verdict, result.reason) == (text, absent.verdict, absent.reason)
    assert result.value is None


def test_not_a_number_is_no_data() -> None:
    """A ratio without traffic is NaN; it says nothing about the canary."""
    result = judged(CheckKind.QUERY, math.nan, 0, 1)
    assert (result.verdict, result.value) == (Verdict.NO_DATA, None)


def test_infinities_are_numbers() -> None:
    """An infinite value is compared like any other."""
    assert judged(CheckKind.QUERY, math.inf, 1, None).verdict is Verdict.PASSED
    assert judged(CheckKind.QUERY, -math.inf, 1, None).verdict is Verdict.FAILED


def test_bounds_are_inclusive_and_fractions_of_milliseconds_count() -> None:
    """`max: 0.5` is half a millisecond, not none; a value at the bound passes."""
    assert judged(CheckKind.DURATION, 0.5, None, 0.5).verdict is Verdict.PASSED
    over = judged(CheckKind.DURATION, 0.6, None, 0.5)
    assert over.message == "Halt podinfo.test advancement request duration 600µs > 500µs"


def test_a_duration_just_over_its_bound_is_not_printed_as_equal_to_it() -> None:
    """The event never says `500ms > 500ms`, and long fractions are not printed without need."""
    near = judged(CheckKind.DURATION, 500.0001, None, 500)
    far = judged(CheckKind.DURATION, 1515.3427, None, 500)
    assert near.message.endswith("500.001ms > 500ms")
    assert far.message.endswith("1.515s > 500ms")


def test_policies_of_the_metric_decide_the_effect() -> None:
    """`onNoData: hold` waits without costing a failed check; the verdict stays what it is."""
    check = a_check(policies=Policies(on_no_data=MissingValuePolicy.HOLD))
    result = threshold.judge(check, NO_VALUES)
    assert (result.verdict, result.effect) == (Verdict.NO_DATA, Effect.HOLDS)


def test_a_result_carries_its_numbers() -> None:
    """Value, bounds and unit are there for whoever explains the decision."""
    check = a_check(kind=CheckKind.DURATION, minimum=1, maximum=500)
    result = threshold.judge(check, Sample(20, timedelta(milliseconds=3)))
    assert (result.value, result.minimum, result.maximum, result.unit) == (20, 1, 500, "ms")
    assert result.took == timedelta(milliseconds=3)


@given(
    value=st.floats(min_value=0, max_value=1e9),
    bound=st.floats(min_value=0, max_value=1e9),
)
@example(value=1.5, bound=0.99999)
def test_a_failed_duration_never_reads_as_if_it_had_passed(value: float, bound: float) -> None:
    """Value and bound differ in print whenever the value is over by a microsecond or more."""
    result = judged(CheckKind.DURATION, value, None, bound)
    if result.verdict is Verdict.FAILED and value - bound >= 0.001:
        shown, over = result.message.rsplit(" ", 3)[-3::2]
        assert shown != over


@given(
    kind=st.sampled_from(CheckKind),
    value=st.floats(),
    low=st.none() | st.floats(allow_nan=False),
    high=st.none() | st.floats(allow_nan=False),
)
def test_every_number_is_judged(
    kind: CheckKind, value: float, low: float | None, high: float | None
) -> None:
    """No value and no bound, however large, is more than the judge or its texts can take."""
    result = judged(kind, value, low, high)
    inside = (low is None or low <= value) and (high is None or value <= high)
    expected = Verdict.PASSED if inside else Verdict.FAILED
    assert result.verdict is (Verdict.NO_DATA if math.isnan(value) else expected)
    assert bool(result.message) is (result.verdict is not Verdict.PASSED)


def test_a_duration_beyond_all_measure_is_still_reported() -> None:
    """A broken exporter's 1e+300 fails its check and nothing else."""
    text = judged(CheckKind.DURATION, 1e300, None, 500).message
    assert text == "Halt podinfo.test advancement request duration 1e+300ms > 500ms"
