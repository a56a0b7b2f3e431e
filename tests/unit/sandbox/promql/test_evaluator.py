"""Properties of the evaluator that hold for all data, and what it refuses.

That it computes what Prometheus computes is `tests/contract/test_promql.py`.
"""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.promql import (
    BadQueryError,
    ExecutionError,
    Labels,
    Scalar,
    SeriesStore,
    Vector,
    evaluate_instant,
    evaluate_range,
    floats,
    histograms,
    statistics,
)

EMPTY = SeriesStore()
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def counter(increments: list[int], every: int = 5) -> SeriesStore:
    """A store with one counter `c`, growing by `increments`, one sample each `every` seconds."""
    store, value = SeriesStore(), 0
    for index, more in enumerate(increments):
        value += more
        store.append(Labels.of({"__name__": "c"}), 1000 + index * every, value)
    return store


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=40), st.integers(0, 250))
def test_a_counter_never_has_a_negative_rate(increments: list[int], offset: int) -> None:
    """Whatever the window, a counter that only grows has a rate of 0 or more."""
    value = evaluate_instant("rate(c[1m])", 1000 + offset, counter(increments))
    assert isinstance(value, Vector)
    assert all(sample.value >= 0 for sample in value.samples)


@given(st.lists(st.integers(0, 1000), min_size=13, max_size=13))
def test_a_full_window_is_not_extrapolated(increments: list[int]) -> None:
    """With samples on both edges, the increase is the difference of the first and the last."""
    value = evaluate_instant("increase(c[1m])", 1060, counter(increments))
    assert isinstance(value, Vector)
    assert value.samples[0].value == pytest.approx(sum(increments[1:]))


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 100)), min_size=1), st.floats(0, 1))
def test_a_histogram_quantile_lies_between_the_bounds(
    increments: list[tuple[float, int]], rank: float
) -> None:
    """Within the finite bounds, zero below the lowest positive one, up to rounding; or NaN."""
    total, buckets = 0, []
    for bound, more in sorted(dict(increments).items()):
        total += more
        buckets.append((bound, float(total)))
    value = histograms.quantile(rank, [*buckets, (math.inf, float(total))])
    bounds = [bound for bound, _ in buckets]
    if total == 0:
        assert math.isnan(value)
    else:
        slack = 1e-9 * max(1.0, *map(abs, bounds))
        within = min(0.0, *bounds) - slack <= value <= max(bounds) + slack
        assert within or (math.isnan(value) and rank == 0)


@given(st.lists(NUMBERS, min_size=1), st.floats(0, 1))
def test_a_quantile_lies_between_the_extremes(numbers: list[float], rank: float) -> None:
    """Interpolation stays within the data, up to rounding."""
    value = statistics.quantile(rank, numbers)
    slack = 1e-9 * max(1.0, *map(abs, numbers))
    assert min(numbers) - slack <= value <= max(numbers) + slack


@given(st.floats())
def test_a_number_survives_its_text(number: float) -> None:
    """The text of a value reads back as the same value, in both notations."""
    for text in (floats.text(number), floats.plain_text(number)):
        assert float(text) == number or (math.isnan(number) and text == "NaN")
    assert re.fullmatch(r"-?\d+(\.\d+)?|NaN|[+-]Inf", floats.plain_text(number))


@given(st.floats(), st.floats())
def test_arithmetic_never_raises(left: float, right: float) -> None:
    """Every operator has a result for every pair of numbers, as under IEEE 754."""
    for apply in floats.ARITHMETIC.values():
        assert isinstance(apply(left, right), float)


@pytest.mark.parametrize(
    "query", ["predict_linear(a[1m], 1)", "limitk(1, a)", "day_of_week()", "a + on () fill(0) b"]
)
def test_what_is_not_supported_is_refused_by_name(query: str) -> None:
    """The message says what, so that nobody takes an empty result for an answer."""
    with pytest.raises((ExecutionError, BadQueryError), match=r"not supported|parse error"):
        evaluate_instant(query, 1000, EMPTY)


@pytest.mark.parametrize("pattern", ["[[:alpha:]]+", r"\\pL"])
def test_a_regular_expression_python_reads_differently_is_refused(pattern: str) -> None:
    """Rather than matching something else than Prometheus would."""
    with pytest.raises(ExecutionError, match="not supported"):
        evaluate_instant(f'a{{x=~"{pattern}"}}', 1000, EMPTY)


def test_a_scalar_range_has_one_series_without_labels() -> None:
    """As the range API shows scalars."""
    matrix = evaluate_range("1 + 1", 0, 20, 10, EMPTY)
    assert [(str(w.labels), w.times_ms, w.values) for w in matrix.windows] == [
        ("{}", [0, 10_000, 20_000], [2.0, 2.0, 2.0])
    ]
    assert evaluate_instant("1 + 1", 0, EMPTY) == Scalar(2.0)
