"""Which task goes into which queue, and how services ask for work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from analysis.effects import Lane
from clients.redis.records import Asked
from config.ranks import Rank
from config.refs import CanaryRef
from config.roles import Queue

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


PRIORITIES: Final = {
    Rank.ROLLBACK: 0,
    Rank.CHECK: 1,
    Rank.STEP: 1,
    Rank.REVISION: 2,
    Rank.INITIALIZATION: 2,
    Rank.RESYNC: 2,
}
"""Of messages, 0 goes first, as do those of releases that know no priorities. Each is a list of its
own in Redis, which every worker waits at."""


class Dispatcher(Protocol):
    """Puts messages into queues; returns before anything has happened.

    Raises clients.errors.Transient when the broker is away. Delivery is not promised: whoever
    needs an effect asks for it again until it is confirmed.
    """

    def tick(self, refs: Sequence[CanaryRef], rank: Rank) -> None:
        """Have the canaries, all of that rank, looked at in one job."""

    def reconcile(
        self,
        refs: Sequence[CanaryRef],
        lane: Lane,
        rank: Rank,
        *,
        if_due: bool = False,
    ) -> None:
        """Have the reconciler of a lane look at the canaries in one job.

        With `if_due`, at those only of which it wants something by then: objects may have drifted
        away from what has been brought about, but this does not ask about them.
        """

    def call(self, asked: Sequence[Asked], rank: Rank) -> None:
        """Have webhooks called."""

    def waiting(self) -> Mapping[Queue, int]:
        """How many messages wait, by queue."""
