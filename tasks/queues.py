"""The queues, one per kind of worker, and which task goes where."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


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

ROUTES: Final = {
    name: {"queue": queue.value}
    for name, queue in {
        TICK: Queue.ANALYSIS,
        WORKLOAD: Queue.ANALYSIS,
        CALL: Queue.HOOKS,
        ROUTE: Queue.ROUTING,
        STATUS: Queue.REPORT,
    }.items()
}
