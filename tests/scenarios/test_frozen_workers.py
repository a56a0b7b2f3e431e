"""S-4: a worker that is stopped (SIGSTOP) makes no step late by more than one interval.

It holds the lease of the canary it was at, the messages it had reserved, and those that the queue
hands it within a second, which nobody sees again. Hook workers: `test_hooks`; the same on real
processes: `tests/chaos/test_chaos_processes.py`.
"""

import itertools
from datetime import datetime, timedelta

import pytest

from analysis.effects import WRITE_LEASE
from clients.redis.records import Work
from config.settings.settings import Settings
from tasks import teller
from tests.stage import rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage
from tests.unit.analysis.worlds import a_manifest

INTERVAL = timedelta(seconds=10)
HANDED_OUT = timedelta(seconds=1)
LEASES = {
    Work.TICK: Settings().scheduler.tick_lease,
    Work.ROUTE: WRITE_LEASE,
    Work.WORKLOAD: WRITE_LEASE,
    Work.STATUS: WRITE_LEASE,
    Work.TELL: teller.TELL_LEASE,
    Work.ALERT: teller.TELL_LEASE,
}


def steps(stage: Stage) -> list[datetime]:
    """When each further weight is in force."""
    times = []
    for weight in (40, 60, 80):
        stage.run(lambda on: on.split is not None and on.split.canary == weight, within=LONG)  # noqa: B023
        times.append(stage.clock.now())
    return times


@pytest.mark.parametrize("begun", [True, False], ids=["at work", "with a message not begun"])
@pytest.mark.parametrize("before", [0, 6], ids=lambda seconds: f"{seconds} s before a check")
@pytest.mark.parametrize("work", Work)
def test_a_frozen_worker_makes_no_step_late_by_more_than_an_interval(
    work: Work, before: float, begun: bool
) -> None:
    """Whatever it was doing, and whenever; then all goes on as planned."""
    manifest = a_manifest(interval="10s", maxWeight=80)
    stage = rollouts.at_weight(rollouts.released(manifest), 20)
    started = stage.clock.now()
    stage.wait(INTERVAL - timedelta(seconds=before))
    if begun:
        stage.store.begin(REF, work, LEASES[work])
    stage.losing = {work.value}
    stage.wait(HANDED_OUT)
    stage.losing = set()

    times = [started, *steps(stage)]
    gaps = [after - earlier for earlier, after in itertools.pairwise(times)]
    assert max(gaps) <= 2 * INTERVAL + timedelta(seconds=0.5)
    assert times[-1] - started <= 4 * INTERVAL + timedelta(seconds=1)
    rollouts.succeeded(rollouts.finish(stage))
