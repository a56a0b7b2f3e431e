"""What the load tester counts, as `/metrics` shows it."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._registry = registry
        self.tasks = Counter(
            "coalmine_loadtester_tasks",
            "Tasks that ended, by their type and how they ended.",
            ("type", "end"),
            registry=registry,
        )
        self.running = Gauge(
            "coalmine_loadtester_tasks_running",
            "Tasks that run, by whether somebody waits for them.",
            ("mode",),
            registry=registry,
        )
        self.dropped = Counter(
            "coalmine_loadtester_tasks_dropped",
            "Tasks that were asked for while they were running or waiting already.",
            registry=registry,
        )
        self.refused = Counter(
            "coalmine_loadtester_refused",
            "Requests that were not carried out, by the status of the answer.",
            ("code",),
            registry=registry,
        )

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
