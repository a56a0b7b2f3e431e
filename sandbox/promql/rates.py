"""`rate` and its family: how a counter's increase is estimated from the samples in a window.

Follows Prometheus 2.x: the increase between the first and last sample, corrected for counter
resets, is extrapolated towards the edges of the window, but never further than half a sample
interval where the series seems to start or end inside it, and never below zero.
Source: Prometheus documentation, "Query functions", `rate`, `increase`, `delta`, `irate`.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from sandbox.promql.values import Window

# A gap to the window's edge beyond 1.1 sample intervals means that the series ended (or began).
_EDGE_TOLERANCE: Final = 1.1


def increase(window: Window, start_ms: int, end_ms: int) -> float | None:
    """The counter's extrapolated growth over the window, or None with under two samples."""
    return _extrapolated(window, start_ms, end_ms, counter=True)


def delta(window: Window, start_ms: int, end_ms: int) -> float | None:
    """The gauge's extrapolated change over the window, or None with under two samples."""
    return _extrapolated(window, start_ms, end_ms, counter=False)


def rate(window: Window, start_ms: int, end_ms: int) -> float | None:
    """The counter's growth per second over the window, or None with under two samples."""
    grown = increase(window, start_ms, end_ms)
    return None if grown is None else grown / ((end_ms - start_ms) / 1000)


def instant_rate(window: Window, start_ms: int, end_ms: int) -> float | None:
    """The growth per second between the last two samples; a reset counts from zero."""
    del start_ms, end_ms
    return _last_two(window, counter=True, per_second=True)


def instant_delta(window: Window, start_ms: int, end_ms: int) -> float | None:
    """The difference between the last two samples."""
    del start_ms, end_ms
    return _last_two(window, counter=False, per_second=False)


def resets(values: Sequence[float]) -> float:
    """How often the counter fell between neighbouring samples."""
    return float(sum(after < before for before, after in pairwise(values)))


def changes(values: Sequence[float]) -> float:
    """How often the value changed between neighbouring samples; NaN equals NaN here."""
    return float(
        sum(
            after != before and not (after != after and before != before)  # noqa: PLR0124
            for before, after in pairwise(values)
        )
    )


def _extrapolated(window: Window, start_ms: int, end_ms: int, *, counter: bool) -> float | None:
    times, values = window.times_ms, window.values
    if len(times) < 2:
        return None
    grown = values[-1] - values[0]
    if counter:
        grown += sum(before for before, after in pairwise(values) if after < before)
    sampled = (times[-1] - times[0]) / 1000
    interval = sampled / (len(times) - 1)
    to_start = (times[0] - start_ms) / 1000
    to_end = (end_ms - times[-1]) / 1000
    if counter and grown > 0 and values[0] >= 0:
        # A counter cannot have been below zero: do not extrapolate past where it would be.
        to_start = min(to_start, sampled * (values[0] / grown))
    covered = sampled + _reach(to_start, interval) + _reach(to_end, interval)
    return grown * (covered / sampled)


def _reach(gap: float, interval: float) -> float:
    """How far to extrapolate over a `gap` to the window's edge, in seconds."""
    return gap if gap < interval * _EDGE_TOLERANCE else interval / 2


def _last_two(window: Window, *, counter: bool, per_second: bool) -> float | None:
    if len(window.times_ms) < 2:
        return None
    before, last = window.values[-2], window.values[-1]
    grown = last if counter and last < before else last - before
    return grown / ((window.times_ms[-1] - window.times_ms[-2]) / 1000) if per_second else grown
