"""Reductions of many numbers to one, shared by aggregations and the `_over_time` functions."""

import math
from collections.abc import Sequence

from sandbox.promql import floats


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean, kept running so that large values do not overflow their sum."""
    average = 0.0
    for count, value in enumerate(values, start=1):
        if math.isinf(average) and (value == average or math.isfinite(value)):
            continue
        average += value / count - average / count
    return average


def smallest(values: Sequence[float]) -> float:
    """The least value; NaN only if there is nothing else."""
    return min((v for v in values if not math.isnan(v)), default=math.nan)


def largest(values: Sequence[float]) -> float:
    """The greatest value; NaN only if there is nothing else."""
    return max((v for v in values if not math.isnan(v)), default=math.nan)


def variance(values: Sequence[float]) -> float:
    """The population variance, by Welford's method."""
    average = squares = 0.0
    for count, value in enumerate(values, start=1):
        off = value - average
        average += off / count
        squares += off * (value - average)
    return squares / len(values)


def deviation(values: Sequence[float]) -> float:
    """The population standard deviation."""
    return floats.power(variance(values), 0.5)


def quantile(rank: float, values: Sequence[float]) -> float:
    """The `rank` quantile (0 to 1) with linear interpolation; NaN sorts below all numbers.

    Outside 0 to 1 it is -Inf or +Inf, and NaN for a NaN rank or no values.
    """
    if not values or math.isnan(rank):
        return math.nan
    if not 0 <= rank <= 1:
        return math.copysign(math.inf, rank)
    ordered = sorted(values, key=nan_first)
    position = rank * (len(ordered) - 1)
    low = math.floor(position)
    high = min(len(ordered) - 1, low + 1)
    weight = position - low
    return ordered[low] * (1 - weight) + ordered[high] * weight


def nan_first(value: float) -> tuple[bool, float]:
    """A sort key that puts NaN before every number."""
    return (False, 0.0) if math.isnan(value) else (True, value)
