"""The queues, one per kind of worker, which task goes where, and how services ask for work."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol

from analysis.effects import Lane
from config.refs import CanaryRef


class Queue(StrEnum):
    """A queue; workers of one role serve exactly one."""

    ANALYSIS = "analysis"
    """Ticks and workload writes: short, many."""
    HOOKS = "hooks"
    """Webhooks: may take minutes, mostly wait; kept away from everything else."""
    ROUTING = "routing"
    """Traffic writes, under the only ServiceAccount that may make them."""
    REPORT = "report"
    """Status, events: may lag without harm."""


TICK: Final = "analysis.tick"
ROUTE: Final = "route.reconcile"
CALL: Final = "hooks.call"
WORKLOAD: Final = "workload.reconcile"
STATUS: Final = "status.reconcile"
"""Names of tasks are part of the protocol between releases: moving a module renames nothing."""

LANES: Final = {Lane.ROUTE: ROUTE, Lane.WORKLOAD: WORKLOAD, Lane.STATUS: STATUS}

QUEUES: Final = {
    TICK: Queue.ANALYSIS,
    WORKLOAD: Queue.ANALYSIS,
    CALL: Queue.HOOKS,
    ROUTE: Queue.ROUTING,
    STATUS: Queue.REPORT,
}


class Dispatcher(Protocol):
    """Puts messages into queues; returns before anything has happened.

    Raises clients.errors.Transient when the broker is away. Delivery is not promised: whoever
    needs an effect asks for it again until it is confirmed.
    """

    def tick(self, refs: Sequence[CanaryRef]) -> None:
        """Have the canaries looked at, in one job."""

    def reconcile(self, refs: Sequence[CanaryRef], lane: Lane) -> None:
        """Have the reconciler of a lane look at the canaries, in one job."""

    def call(self, ref: CanaryRef, round_id: int, key: str) -> None:
        """Have one hook of a round called."""
