"""The metrics of this process, as Prometheus reads them."""

from __future__ import annotations

from typing import Any, Final

import prometheus_client as prometheus
from prometheus_client.core import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from clients import instruments
from clients.instruments import Kind, Metric
from exporter import table
from exporter.exposition import Look, family

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
"""The format that every Prometheus reads, and many other scrapers."""


class Registry:
    """Implements `clients.instruments.Instruments`. One per process, shared by its threads."""

    def __init__(self, version: str, role: str) -> None:
        """`role` is what the process is called, as in its logs."""
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry: Final = CollectorRegistry()
        self._collectors = {each: self._collector(each) for each in instruments.TABLE}
        self._children: dict[tuple[Metric, tuple[str, ...]], Any] = {}
        prometheus.ProcessCollector(registry=self._registry)
        prometheus.PlatformCollector(registry=self._registry)
        prometheus.GCCollector(registry=self._registry)
        self._looks: list[Look] = [lambda: [family(table.INFO, {(version, role): 1})]]

    def add(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Counts `by` more of a counter."""
        self._child(metric, labels).inc(by)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Adds one value to a histogram."""
        self._child(metric, labels).observe(value)

    def look_up(self, look: Look) -> None:
        """Has `look` give more, at every scrape."""
        self._looks.append(look)

    def exposition(self) -> bytes:
        """All metrics as text, of the type `CONTENT_TYPE`."""
        looked_up = "".join(text for look in self._looks for text in look())
        return prometheus.generate_latest(self._registry) + looked_up.encode()

    def _collector(self, metric: Metric) -> Any:
        if metric.kind is Kind.COUNTER:
            kind = prometheus.Counter
            return kind(metric.name, metric.meaning, metric.labels, registry=self._registry)
        return prometheus.Histogram(
            metric.name,
            metric.meaning,
            metric.labels,
            registry=self._registry,
            buckets=metric.buckets,
        )

    def _child(self, metric: Metric, labels: tuple[str, ...]) -> Any:
        """What counts, looked up once: the library does it anew at every call."""
        key = metric, labels
        child = self._children.get(key)
        if child is None:
            collector = self._collectors[metric]
            child = self._children[key] = collector.labels(*labels) if labels else collector
        return child
