"""The loop of all writers: one at a time per canary, and once more for whoever came meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from clients.records import Snapshot, Work
from clients.store import Store
from config.refs import CanaryRef


def under_lease(
    store: Store, ref: CanaryRef, work: Work, ttl: timedelta, job: Callable[[Snapshot], None]
) -> None:
    """Runs `job` on what is stored about `ref`, again while it is asked for meanwhile.

    Does nothing while another process has the lease: that one will run again. What a failing job
    was asked for meanwhile is left to the agenda, which asks until it is confirmed.
    """
    again = True
    while again:
        begun = store.begin(ref, work, ttl)
        if begun is None:
            return
        try:
            job(begun.snapshot)
        finally:
            again = store.finish(ref, work, begun.token)
