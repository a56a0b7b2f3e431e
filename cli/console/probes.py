"""Metrics servers that could not be reached when a canary was initialized, as events tell it.

They are asked then, and for the next time by the first check of a rollout.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from analysis.wording import PROBE_FAILED, PROBED
from cli.console.cluster import Cluster, Event
from cli.console.facts import Facts
from clients import errors
from clients.clock import Clock
from config.api.status import StatusPhase
from config.refs import CanaryRef

LONGEST: Final = timedelta(seconds=3)
"""How long events are waited for: a table is of use without them."""
KEPT: Final = timedelta(seconds=10)
"""How long what they told is shown before they are read again."""

_BEFORE: Final = frozenset({"", StatusPhase.INITIALIZING, StatusPhase.INITIALIZED})
"""Phases in which no check has asked the servers yet."""


def known(canary: Facts, events: Iterable[Event]) -> Facts:
    """`canary` with what `events`, which are about it, tell of its metrics server."""
    probes = [each for each in events if each.message.startswith((PROBED, PROBE_FAILED))]
    if canary.phase not in _BEFORE or not probes:
        return canary
    return replace(canary, unreachable=probes[-1].message.partition(PROBE_FAILED)[2])


class Probes:
    """Reads them for tables, when one of its canaries may be concerned."""

    def __init__(self, cluster: Cluster, namespace: str | None, clock: Clock) -> None:
        """Nothing is read yet."""
        self._cluster = cluster
        self.namespace: Final = namespace
        self._clock = clock
        self._events: Mapping[CanaryRef, Sequence[Event]] = {}
        self._read_at = -KEPT.total_seconds()

    def told(self, canaries: Iterable[Facts]) -> list[Facts]:
        """`canaries`, each with what is known of its metrics server."""
        shown, now = list(canaries), self._clock.monotonic()
        is_old = now >= self._read_at + KEPT.total_seconds()
        if is_old and any(each.phase in _BEFORE for each in shown):
            bounded = replace(self._cluster, until=now + LONGEST.total_seconds())
            with contextlib.suppress(errors.ClientError):
                self._events = bounded.events_by_canary(self.namespace)
            self._read_at = self._clock.monotonic()
        return [known(each, self._events.get(each.ref, ())) for each in shown]
