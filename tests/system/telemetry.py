"""An application's requests as Istio's sidecars would report them, on a page that is scraped."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

from tests.services.prometheus import MetricsEndpoint

RATE: Final = 10
"""Requests between two updates of the page."""
UPDATE_SECONDS: Final = 0.2
BUCKETS: Final = ("25", "50", "100", "+Inf")


class Telemetry:
    """The counters of one workload; all requests are good and take 25 ms or less, until told."""

    def __init__(self, page: MetricsEndpoint, namespace: str, workload: str) -> None:
        self._page = page
        self._labels = (
            f'reporter="destination",destination_workload_namespace="{namespace}",'
            f'destination_workload="{workload}"'
        )
        self._part = f"{namespace}/{workload}"
        self._counts = {"200": 0, "500": 0}
        self._bad = threading.Event()
        self._ending = threading.Event()

    def fail(self) -> None:
        """From now on every request is answered with 500."""
        self._bad.set()

    def run(self) -> None:
        """Counts until `end`."""
        while not self._ending.wait(UPDATE_SECONDS):
            self._counts["500" if self._bad.is_set() else "200"] += RATE
            self._page.set("\n".join(self._lines()), self._part)

    def end(self) -> None:
        """Makes `run` return."""
        self._ending.set()

    def _lines(self) -> Iterator[str]:
        for code, count in self._counts.items():
            yield f'istio_requests_total{{{self._labels},response_code="{code}"}} {count}'
        total = sum(self._counts.values())
        for bucket in BUCKETS:
            name = "istio_request_duration_milliseconds_bucket"
            yield f'{name}{{{self._labels},le="{bucket}"}} {total}'


@contextlib.contextmanager
def reported(page: MetricsEndpoint, namespace: str, workload: str) -> Iterator[Telemetry]:
    """The telemetry of `workload` for the length of the block."""
    telemetry = Telemetry(page, namespace, workload)
    thread = threading.Thread(target=telemetry.run)
    thread.start()
    try:
        yield telemetry
    finally:
        telemetry.end()
        thread.join()
