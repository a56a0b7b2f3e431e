"""How numbers are written: as Go prints them, and on the side of their limits on which they lie.

Events with numbers out of bounds are tested with the judge: tests/unit/analysis/metrics/.
"""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import figures
from config import durations


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # as printed by Go 1.24, fmt.Printf("%v")
        (99.0, "99"),
        (99.5, "99.5"),
        (0.5, "0.5"),
        (0.0, "0"),
        (-1.5, "-1.5"),
        (100000.0, "100000"),
        (999999.5, "999999.5"),
        (1e6, "1e+06"),
        (1234567.0, "1.234567e+06"),
        (1e21, "1e+21"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_bounds_print_as_in_go(value: float, text: str) -> None:
    """The shortest form, with an exponent from a million up and below a ten-thousandth."""
    assert figures.shortest(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_shortest_form_loses_nothing(value: float) -> None:
    """Reading it back gives the same number."""
    assert float(figures.shortest(value)) == value


@pytest.mark.parametrize(
    ("value", "unit", "maximum", "text"),
    [
        (99.837, "%", None, "99.84%"),
        (100, "%", None, "100.00%"),
        (127.9, "ms", 500, "127ms"),
        (0.25, "ms", 500, "250µs"),
        (0.0, "ms", 500, "0s"),
        (1971.3, "ms", None, "1.971s"),
        (1e13, "ms", None, "1e+13ms"),  # beyond Go's durations
        (6.2, "", 10, "6.20"),
        (0.00123, "", 0.01, "0.00123"),
        (0.00123, "", 0.001, "0.00"),  # letter by letter what Flagger says of a failed check
        (math.inf, "", None, "+Inf"),
    ],
)
def test_a_good_value_is_written_as_a_bad_one_is(
    value: float, unit: str, maximum: float | None, text: str
) -> None:
    """Two decimals, and whole milliseconds, but where nothing would be left of a small value."""
    assert figures.measured(value, unit, None, maximum) == text


@given(value=st.floats(min_value=0, max_value=1e9), bound=st.floats(min_value=0, max_value=1e9))
def test_a_good_duration_never_reads_as_if_it_had_failed(value: float, bound: float) -> None:
    """To the microsecond, which is what limits are printed to."""
    low, high = sorted((value, bound))
    assert _milliseconds(figures.measured(low, "ms", None, high)) <= round(high, 3) + 0.001
    assert _milliseconds(figures.measured(high, "ms", low, None)) >= round(low, 3) - 0.001


def _milliseconds(text: str) -> float:
    return durations.parse(text) / timedelta(milliseconds=1)
