"""The sandbox's time series: samples in memory, bounded by a retention.

Written by the mesh (or a test), read by the evaluator, from different threads. Knows nothing of
PromQL beyond label matchers. Time comes in with each sample; there is no clock here.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from sandbox.promql.labels import Labels
from sandbox.promql.matchers import LabelMatcher, all_match
from sandbox.promql.values import Window

# Expired samples are cut in batches: deleting from the front of an array moves all that follow.
_CUT_AT: Final = 256


@dataclass(slots=True)
class _Series:
    """The samples of one label set, oldest first."""

    labels: Labels
    times_ms: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def append(self, at_ms: int, value: float) -> None:
        """Add a sample; one at the time of the last replaces it, an older one is an error."""
        if self.times_ms and at_ms <= self.times_ms[-1]:
            if at_ms < self.times_ms[-1]:
                raise ValueError(f"{self.labels}: sample at {at_ms} ms is out of order")
            self.values[-1] = value
            return
        self.times_ms.append(at_ms)
        self.values.append(value)

    def cut(self, before_ms: int) -> None:
        """Forget samples older than `before_ms`, once there are enough of them."""
        expired = bisect_left(self.times_ms, before_ms)
        if expired >= _CUT_AT or expired == len(self.times_ms):
            del self.times_ms[:expired]
            del self.values[:expired]

    def window(self, start_ms: int, end_ms: int) -> Window:
        """The samples with `start_ms` <= time <= `end_ms`."""
        low = bisect_left(self.times_ms, start_ms)
        high = bisect_right(self.times_ms, end_ms)
        return Window(self.labels, self.times_ms[low:high], self.values[low:high])


class SeriesStore:
    """Samples by label set, at least as far back as `retention`; safe to use from many threads."""

    def __init__(self, retention: timedelta = timedelta(minutes=30)) -> None:
        """An empty store; samples older than `retention` before the newest may be forgotten."""
        self._retention_ms = milliseconds(retention.total_seconds())
        self._series: dict[Labels, _Series] = {}
        self._by_label: defaultdict[tuple[str, str], set[Labels]] = defaultdict(set)
        self._newest_ms = 0
        self._swept_ms = 0
        self._lock = threading.Lock()

    def append(self, labels: Labels, at: float, value: float) -> None:
        """Add one sample, `at` seconds since the epoch (kept to the millisecond).

        Raises ValueError when the series already has a newer sample.
        """
        self.append_all(at, ((labels, value),))

    def append_all(self, at: float, samples: Iterable[tuple[Labels, float]]) -> None:
        """Add the samples of one scrape, all at the same instant: readers see all or none."""
        at_ms = milliseconds(at)
        with self._lock:
            for labels, value in samples:
                series = self._series.get(labels) or self._create(labels)
                series.append(at_ms, value)
            self._newest_ms = max(self._newest_ms, at_ms)
            self._sweep()

    def select(self, matchers: Sequence[LabelMatcher], start_ms: int, end_ms: int) -> list[Window]:
        """The matching series that have samples in the range (inclusive), sorted by labels."""
        with self._lock:
            windows = [
                self._series[labels].window(start_ms, end_ms)
                for labels in self._candidates(matchers)
                if all_match(matchers, labels)
            ]
        kept = [window for window in windows if window.times_ms]
        return sorted(kept, key=lambda window: window.labels.pairs)

    def __len__(self) -> int:
        """The number of series held."""
        return len(self._series)

    def _create(self, labels: Labels) -> _Series:
        series = self._series[labels] = _Series(labels)
        for pair in labels.pairs:
            self._by_label[pair].add(labels)
        return series

    def _candidates(self, matchers: Sequence[LabelMatcher]) -> Iterable[Labels]:
        """The smallest indexed set that holds every match: one label value's series, or all."""
        nothing: set[Labels] = set()
        indexed = [self._by_label.get((m.name, m.equals), nothing) for m in matchers if m.equals]
        indexed.sort(key=len)
        return indexed[0] if indexed else self._series

    def _sweep(self) -> None:
        """Forget what is past the retention; at most once per tenth of it, as it visits all."""
        if self._newest_ms - self._swept_ms < self._retention_ms // 10:
            return
        self._swept_ms = self._newest_ms
        for labels, series in list(self._series.items()):
            series.cut(self._newest_ms - self._retention_ms)
            if not series.times_ms:
                self._forget(labels)

    def _forget(self, labels: Labels) -> None:
        del self._series[labels]
        for pair in labels.pairs:
            self._by_label[pair].discard(labels)
            if not self._by_label[pair]:
                del self._by_label[pair]


def milliseconds(seconds: float) -> int:
    """`seconds` in whole milliseconds, rounded to the nearest."""
    return round(seconds * 1000)
