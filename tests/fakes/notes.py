"""Instruments that keep what they are told."""

from collections import Counter, defaultdict

from clients.instruments import Kind, Metric

Labels = tuple[str, ...]


class Notes:
    """What was told, by metric: how often by labels, and each value that was observed."""

    def __init__(self) -> None:
        self.counts: defaultdict[Metric, Counter[Labels]] = defaultdict(Counter)
        self.values: defaultdict[Metric, list[float]] = defaultdict(list)

    def add(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Counts."""
        assert metric.kind is Kind.COUNTER
        assert len(labels) == len(metric.labels)
        self.counts[metric][labels] += int(by)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Counts, and keeps the value."""
        assert metric.kind is Kind.HISTOGRAM
        assert len(labels) == len(metric.labels)
        self.counts[metric][labels] += 1
        self.values[metric].append(value)
