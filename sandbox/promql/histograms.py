"""`histogram_quantile` over classic histograms: cumulative buckets labelled `le`.

Interpolates linearly inside the bucket that holds the wanted rank, like Prometheus 2.x.
Source: Prometheus documentation, "Query functions", `histogram_quantile`.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sandbox.promql import floats, values
from sandbox.promql.labels import BUCKET_BOUND, METRIC_NAME, Labels

Bucket = tuple[float, float]
"""Upper bound and cumulative count."""

_MIN_BUCKETS: Final = 2


def histogram_quantile(rank: float, vector: values.Vector) -> values.Vector:
    """The `rank` quantile (0 to 1) of each histogram in `vector`, without `le` and name.

    Samples whose `le` is missing or no number are ignored.
    """
    histograms: defaultdict[Labels, list[Bucket]] = defaultdict(list)
    for sample in vector.samples:
        bound = floats.parse(sample.labels.get(BUCKET_BOUND))
        if bound is not None:
            labels = sample.labels.drop((BUCKET_BOUND, METRIC_NAME))
            histograms[labels].append((bound, sample.value))
    return values.Vector(
        tuple(values.Sample(labels, quantile(rank, b)) for labels, b in histograms.items())
    )


def quantile(rank: float, buckets: Sequence[Bucket]) -> float:
    """The value at `rank` (0 to 1) in a histogram of cumulative `buckets`, in any order.

    NaN without a `+Inf` bucket, with fewer than two buckets, or without observations; -Inf or
    +Inf when `rank` is outside 0 to 1. A rank in the `+Inf` bucket gives the bound below it.
    """
    if math.isnan(rank):
        return math.nan
    if not 0 <= rank <= 1:
        return math.copysign(math.inf, rank)
    bounds, counts = _coalesced(buckets)
    if bounds[-1] != math.inf or len(bounds) < _MIN_BUCKETS or counts[-1] == 0:
        return math.nan
    return _interpolated(rank * counts[-1], bounds, counts)


def _coalesced(buckets: Sequence[Bucket]) -> tuple[list[float], list[float]]:
    """Bounds in order, and counts that never fall: equal bounds are added up first.

    Counts can fall from one bucket to the next when they come from different scrapes.
    """
    by_bound: defaultdict[float, float] = defaultdict(float)
    for bound, count in sorted(buckets):
        by_bound[bound] += count
    return list(by_bound), _monotonic(list(by_bound.values()))


def _monotonic(counts: Sequence[float]) -> list[float]:
    """`counts` with every fall levelled; NaN is neither above nor below anything and stays."""
    highest = counts[0]
    levelled = []
    for count in counts:
        levelled.append(max(count, highest))
        highest = max(highest, count)
    return levelled


def _interpolated(wanted: float, bounds: list[float], counts: list[float]) -> float:
    last = len(bounds) - 1
    if math.isnan(wanted):
        return bounds[last - 1]
    index = bisect_left(counts, wanted, 0, last)
    if index == last:
        return bounds[last - 1]
    if index == 0 and bounds[0] <= 0:
        return bounds[0]
    below_bound, below_count = (bounds[index - 1], counts[index - 1]) if index else (0.0, 0.0)
    share = floats.divide(wanted - below_count, counts[index] - below_count)
    return below_bound + (bounds[index] - below_bound) * share
