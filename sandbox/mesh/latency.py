"""Latency distributions as weights of Istio's histogram buckets."""

import math
from collections.abc import Mapping
from functools import lru_cache
from statistics import NormalDist
from typing import Final, assert_never

from sandbox.mesh import scenario
from sandbox.mesh.apportion import PARTS_PER_MILLION

_P99_DEVIATIONS: Final = NormalDist().inv_cdf(0.99)


@lru_cache(maxsize=256)
def bucket_weights(latency: scenario.Percentiles) -> Mapping[float, int]:
    """Parts per million of requests in each bucket, by its upper bound (ms); empty ones left out.

    Latencies are log-normal, so that two percentiles give the whole distribution.
    """
    bounds = scenario.BUCKET_BOUNDS_MS
    cumulative = [round(_share_below(latency, bound) * PARTS_PER_MILLION) for bound in bounds]
    return _differences(
        {**dict(zip(bounds, cumulative, strict=True)), bounds[-1]: PARTS_PER_MILLION}
    )


def weights(latency: scenario.Latency) -> Mapping[float, int]:
    """Parts per million of requests in each bucket, by its upper bound (ms); no empty ones."""
    match latency:
        case scenario.Percentiles():
            return bucket_weights(latency)
        case scenario.Buckets(buckets=buckets):
            ordered = sorted(buckets.items())
            return _differences({b: round(share * PARTS_PER_MILLION) for b, share in ordered})
        case _:
            assert_never(latency)


def typical_ms(latency: scenario.Latency, bound: float) -> float:
    """The latency a request of the bucket below `bound` adds to the sum, in milliseconds.

    The middle of the bucket; for a latency without spread, that latency.
    """
    if isinstance(latency, scenario.Percentiles) and latency.p50_ms == latency.p99_ms:
        return latency.p50_ms
    below = [0.0, *scenario.BUCKET_BOUNDS_MS][scenario.BUCKET_BOUNDS_MS.index(bound)]
    return (below + bound) / 2


def _share_below(latency: scenario.Percentiles, bound: float) -> float:
    spread = math.log(latency.p99_ms / latency.p50_ms) / _P99_DEVIATIONS
    distance = math.log(bound / latency.p50_ms)
    return NormalDist().cdf(distance / spread) if spread > 0 else float(distance >= 0)


def _differences(cumulative: Mapping[float, int]) -> dict[float, int]:
    before = 0
    found: dict[float, int] = {}
    for bound, count in cumulative.items():
        if count > before:
            found[bound] = count - before
        before = max(before, count)
    return found
