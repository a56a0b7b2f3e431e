"""The mesh in motion: traffic up to now, scraped into the series store at a fixed interval."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from sandbox.mesh.scenario import Scenario
from sandbox.mesh.traffic import Traffic
from sandbox.mesh.world import Snapshot, World
from sandbox.promql import SeriesStore

_LOG: Final = logging.getLogger(__name__)

MAX_CATCH_UP: Final = timedelta(minutes=15)
"""A longer pause between steps (a suspended machine) is left without traffic."""


class Mesh:
    """A service mesh under a scenario's traffic, reporting Istio telemetry into `series`.

    `step` moves it in any kind of time; `start` runs steps in a thread, by the clock given there.
    Not to be stepped by hand while the thread runs.
    """

    def __init__(
        self,
        scenario: Scenario,
        world: World,
        series: SeriesStore,
        scrape_interval: timedelta = timedelta(seconds=1),
    ) -> None:
        """A mesh at rest; its time starts with the first step."""
        self._world = world
        self._series = series
        self._interval_ms = round(scrape_interval.total_seconds() * 1000)
        if self._interval_ms <= 0:
            raise ValueError(f"scrape_interval is {scrape_interval}, must be at least 1 ms")
        self._traffic = Traffic(scenario)
        self._scraped_ms: int | None = None
        self._elapsed_ms = 0
        self._problems: tuple[str, ...] = ()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps hosts from being called at present, one sentence each."""
        return self._problems

    def step(self, now: float) -> None:
        """Bring traffic and telemetry up to `now` (seconds since the epoch).

        The cluster is read once and held for all scrape instants since the last step. The first
        step starts time and sends nothing.
        """
        now_ms = round(now * 1000)
        if self._scraped_ms is None:
            self._scraped_ms = now_ms
            return
        oldest_ms = now_ms - round(MAX_CATCH_UP.total_seconds() * 1000)
        self._scraped_ms = max(self._scraped_ms, oldest_ms)
        if now_ms - self._scraped_ms < self._interval_ms:
            return
        snapshot = Snapshot(self._world)
        while self._scraped_ms + self._interval_ms <= now_ms:
            self._scraped_ms += self._interval_ms
            self._elapsed_ms += self._interval_ms
            self._scrape(self._scraped_ms / 1000, snapshot)

    def start(self, now: Callable[[], float]) -> None:
        """Run steps in a thread, by the clock `now` (seconds since the epoch), until `stop`."""
        self._stopping.clear()
        self._thread = threading.Thread(
            target=self._run, args=(now,), name="sandbox-mesh", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, now: Callable[[], float]) -> None:
        while True:
            try:
                self.step(now())
            except Exception:  # noqa: BLE001 - traffic must outlive one odd object; the log says which
                _LOG.exception("mesh step failed")
            if self._stopping.wait(self._interval_ms / 1000):
                return

    def _scrape(self, now: float, snapshot: Snapshot) -> None:
        problems = self._traffic.advance(self._elapsed_ms / 1000, now, snapshot)
        for problem in problems:
            if problem not in self._problems:
                _LOG.warning("mesh traffic stopped", extra={"problem": problem})
        self._problems = problems
        self._series.append_all(now, self._traffic.telemetry.samples())
